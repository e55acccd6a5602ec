"""Recorded exceptions come back as their own type, without importing or running anything.

The type is looked up only among modules that are already imported, must be an exception, and is made without running
its `__init__` (`instances` says how). Where it cannot be had, a class of that name made from `RecordedToolError` stands
in.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.formats.replay import ErrorSpec, ToolResponse
from pytest_agent_replay.late import late_pattern
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.instances import Made, is_variant, make
from pytest_agent_replay.player.validation_errors import validation_error

__all__ = ["exception_type", "revive", "told_exception", "tool_exception"]


_LAZY = {"pydantic.ValidationError": "pydantic_core.ValidationError"}
"""Names that a package makes only when they are first asked for, and where the class is before that."""


def exception_type(name: str, namespace: Mapping[str, Any] | None = None) -> type[Exception] | None:
    """The exception class of a dotted name, or None when it is not there or is no ordinary exception.

    A bare name is looked up in `namespace` (the globals of the tool's own module), then among the builtins, then in the
    modules that the namespace has, where it is the same in all of them.
    """
    name = _LAZY.get(name, name)
    module_name, _, attribute = name.rpartition(".")
    found: Any = None
    if not module_name:
        found = (namespace or {}).get(name) or getattr(builtins, name, None) or _in_modules(name, namespace or {})
    else:
        while module_name and found is None:
            module = sys.modules.get(module_name)
            if module is not None:
                found = _attribute(module, attribute) or _made_at_run_time(name)
                break
            module_name, _, inner = module_name.rpartition(".")
            attribute = f"{inner}.{attribute}"
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    return None


def _in_modules(name: str, namespace: Mapping[str, Any]) -> Any:
    modules = [value for value in list(namespace.values()) if isinstance(value, ModuleType)]
    found = {id(each): each for module in modules if (each := vars(module).get(name)) is not None}
    return next(iter(found.values())) if len(found) == 1 else None


def _attribute(module: Any, path: str) -> Any:
    found = module
    for part in path.split("."):
        # only what is really there: a module's `__getattr__` may import
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
        if found is None:
            return None
    return found


def _made_at_run_time(name: str) -> type[Exception] | None:
    """A class that no module holds by its name, as botocore's for a client or one made in a function.

    None where several have that name: which one is meant cannot be known.
    """
    found: set[type[Exception]] = set()
    seen: list[type[Exception]] = [Exception]
    for kind in seen:
        if kind is not RecordedToolError:
            seen += type.__subclasses__(kind)
        if name == f"{kind.__module__}.{kind.__qualname__}" and not is_variant(kind):
            found.add(kind)
    return found.pop() if len(found) == 1 else None


def revive(
    spec: ErrorSpec, response: ToolResponse | None = None, namespace: Mapping[str, Any] | None = None
) -> Exception:
    """The recorded exception as an instance that can be raised. Never runs the class's `__init__`.

    What the class's constructor would have set and the recording does not have is assumed to be the constructor's
    default or None; the running session notes what was.
    """
    found = exception_type(spec.type, namespace) if spec.type else None
    if found is not None:
        made = validation_error(found, spec) or make(found, spec.message, spec.attributes)
        if made is not None:
            _note_differences(spec, made)
            return made.error
    return _stand_in(spec, response)


def _note_differences(spec: ErrorSpec, made: Made) -> None:
    session = current_session("an exception")
    if session is None:
        return
    if made.assumed:
        values = ", ".join(f"`{name}` is {made.error.__dict__.get(name)!r}" for name in made.assumed)
        session.note(
            f"the recorded {spec.type} has not all `attributes` that its constructor sets, so for the agent {values}"
        )
    if spec.message not in str(made.error):
        session.note(f"the recorded {spec.type} cannot be made with its own text; the agent gets {str(made.error)!r}")


def _stand_in(spec: ErrorSpec, response: ToolResponse | None) -> RecordedToolError:
    kind: type[RecordedToolError] = RecordedToolError
    if spec.type:
        module, _, name = spec.type.rpartition(".")
        namespace = {
            "__module__": module or RecordedToolError.__module__,
            "__reduce__": lambda self: (_stand_in, (spec, response)),
        }
        kind = type(name, (RecordedToolError,), namespace)
    status = response.status if response is not None else None
    error = kind(spec.message, status=status, response=response.response if response is not None else None)
    for name, value in spec.attributes.items():
        if name == "args" and isinstance(value, list):
            error.args = tuple(value)
        elif name.isidentifier() and not name.startswith("__") and name != "args":
            setattr(error, name, value)
    return error


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


_TOLD = late_pattern(r"(?:tool |call |execution |an? )*error\b[^:\n]{0,60}:\s*|([A-Za-z_][\w.]*):\s+", re.IGNORECASE)


def told_exception(text: str, response: ToolResponse, namespace: Mapping[str, Any] | None = None) -> Exception:
    """The exception that a text tells of: `TypeName: what happened`, where there is such a class, or `Error: …`.

    Any other text is the whole message of a `RecordedToolError`.
    """
    told = _TOLD.match(text)
    if told is None:
        return revive(ErrorSpec(message=text), response)
    if told[1] is not None and exception_type(told[1], namespace) is None and not told[1].endswith(_ENDINGS):
        return revive(ErrorSpec(message=text), response)
    return revive(ErrorSpec(type=told[1], message=text[told.end() :]), response, namespace)


_ENDINGS = ("Error", "Exception", "Timeout")


def _text_of(response: ToolResponse) -> str:
    body = response.response
    if isinstance(body, str):
        return body
    if isinstance(body, dict):
        for key in ("message", "error", "detail"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return ""
