"""Recorded exceptions come back as their own type, without importing or running anything.

The type is looked up only among modules that are already imported, must be an exception, and is made without running
its `__init__`. Where it cannot be had, a class of that name made from `RecordedToolError` stands in.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.formats.replay import ErrorSpec, ToolResponse

__all__ = ["exception_type", "revive", "tool_exception"]


def exception_type(name: str, namespace: Mapping[str, Any] | None = None) -> type[Exception] | None:
    """The exception class of a dotted name, or None when it is not there or is no ordinary exception.

    A bare name is looked up in `namespace` (the globals of the tool's own module), then among the builtins.
    """
    module_name, _, attribute = name.rpartition(".")
    found: Any = None
    if not module_name:
        found = (namespace or {}).get(name) or getattr(builtins, name, None)
    else:
        while module_name and found is None:
            module = sys.modules.get(module_name)
            if module is not None:
                found = _attribute(module, attribute)
                break
            module_name, _, inner = module_name.rpartition(".")
            attribute = f"{inner}.{attribute}"
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    return None


def _attribute(module: Any, path: str) -> Any:
    found = module
    for part in path.split("."):
        # only what is really there: a module's `__getattr__` may import
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
        if found is None:
            return None
    return found


def revive(
    spec: ErrorSpec, response: ToolResponse | None = None, namespace: Mapping[str, Any] | None = None
) -> Exception:
    """The recorded exception as an instance that can be raised. Never runs the class's `__init__`."""
    found = exception_type(spec.type, namespace) if spec.type else None
    if found is not None:
        made = _made(found, spec)
        if made is not None:
            return made
    status = response.status if response is not None else None
    body = response.response if response is not None else None
    stand_in: type[RecordedToolError] = RecordedToolError
    if spec.type:
        stand_in = type(
            spec.type.rpartition(".")[2],
            (RecordedToolError,),
            {"__module__": spec.type.rpartition(".")[0] or RecordedToolError.__module__},
        )
    error = stand_in(spec.message, status=status, response=body)
    for name, value in spec.attributes.items():
        if name.isidentifier() and not name.startswith("__"):
            setattr(error, name, value)
    return error


def _made(found: type[Exception], spec: ErrorSpec) -> Exception | None:
    try:
        error = found.__new__(found)
        error.args = (spec.message,) if spec.message else ()
        for name, value in spec.attributes.items():
            # into the instance's own dictionary: a property's setter is code of the class
            if name.isidentifier() and not name.startswith("__") and hasattr(error, "__dict__"):
                error.__dict__[name] = value
        if spec.message not in str(error):
            error = _with_text(found, error, spec.message)
    except Exception:  # a class that cannot be made or shown without its __init__: the stand-in is used
        try:
            return _with_text(found, found.__new__(found), spec.message)
        except Exception:
            return None
    return error


def _with_text(found: type[Exception], error: Exception, message: str) -> Exception:
    """An instance of the same type that shows the recorded text, for classes whose `__str__` needs their `__init__`."""
    namespace = {"__module__": found.__module__, "__str__": lambda self: message}
    shown: type[Exception] = type(found.__name__, (found,), namespace)
    made: Exception = shown.__new__(shown)
    made.args = (message,)
    made.__dict__.update(error.__dict__)
    return made


def tool_exception(response: ToolResponse, namespace: Mapping[str, Any] | None = None) -> Exception | None:
    """What a Python tool raises for a recording; None when it returned normally."""
    if response.status is None and response.error is None:
        return None
    spec = response.error_spec
    if spec is not None and (spec.type or response.status is None):
        return revive(spec, response, namespace)
    if response.status is None or 200 <= response.status < 400:
        return None
    text = spec.message if spec is not None else _text_of(response)
    if response.status == 0:
        return ConnectionError(text or "connection failed")
    return RecordedToolError(
        text or f"the tool failed with status {response.status}",
        status=response.status,
        response=response.response,
    )


def _text_of(response: ToolResponse) -> str:
    body = response.response
    if isinstance(body, str):
        return body
    if isinstance(body, dict):
        for key in ("message", "error", "detail"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return ""
