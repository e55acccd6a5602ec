"""Recorded JSON rebuilt into the type that a tool's annotation promises."""

from __future__ import annotations

import sys
import typing
import weakref
from types import FunctionType
from typing import Any

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.player.session import Session

__all__ = ["rebuild"]

_adapters: weakref.WeakKeyDictionary[FunctionType, Any] = weakref.WeakKeyDictionary()
_NOTHING: Any = object()


def rebuild(function: FunctionType, value: Any, session: Session, tool: str) -> Any:
    """`value` as the annotated return type, where that holds a dataclass, TypedDict, NamedTuple or pydantic model.

    Anything else is returned as recorded, in a copy that the agent may change. A recording that does not fit the type
    fails the session and raises `RecordedToolError`.
    """
    plain = _copied(value) if isinstance(value, (dict, list)) else value
    if value is None or "return" not in function.__annotations__:
        return plain
    adapter = _adapters.get(function, _NOTHING)
    if adapter is _NOTHING:
        adapter = _adapters[function] = _adapter(function)
    if adapter is None:
        return plain
    try:
        return adapter.validate_python(plain)
    except ValueError as error:
        returned = function.__annotations__.get("return")
        message = (
            f"the recording of `{tool}` does not fit what {function.__module__}.{function.__qualname__} returns today "
            f"({getattr(returned, '__name__', returned)}): {_first_line(error)}"
        )
        session.fail(message)
        raise RecordedToolError(message, response=value) from None


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copied(item) if isinstance(item, (dict, list)) else item for k, item in value.items()}
    return [_copied(item) if isinstance(item, (dict, list)) else item for item in value]


def _first_line(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error).splitlines()[0]
    first = errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}"


def _adapter(function: FunctionType) -> Any:
    """A validator for the return annotation, or None where JSON is what the tool returns anyway."""
    try:
        hint = typing.get_type_hints(function).get("return")
    except Exception:  # an annotation that cannot be resolved promises nothing
        return None
    if not _is_structured(hint):
        return None
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter[Any](hint)  # type: ignore[arg-type]
    except PydanticUserError:
        return None


def _is_structured(hint: Any) -> bool:
    if typing.get_origin(hint) is not None:
        return any(_is_structured(argument) for argument in typing.get_args(hint))
    if not isinstance(hint, type):
        return False
    base_model = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    return (
        hasattr(hint, "__dataclass_fields__")
        or hasattr(hint, "__total__")
        or (issubclass(hint, tuple) and hasattr(hint, "_fields"))
        or (base_model is not None and issubclass(hint, base_model))
    )
