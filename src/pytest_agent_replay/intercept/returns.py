"""Recorded JSON rebuilt into the type that a tool's annotation promises."""

from __future__ import annotations

import collections.abc as abc
import inspect
import json
import typing
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import FunctionType, SimpleNamespace, UnionType
from typing import Any
from uuid import UUID

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.intercept.syntax import shows_data
from pytest_agent_replay.player.session import Session
from pytest_agent_replay.player.values import copied

__all__ = ["Keyed", "misfit", "promises", "rebuild", "returns_no_such_text"]


class Keyed:
    """Stands for a mapping with numbers as keys, which JSON writes as text."""


_REBUILT = (date, time, timedelta, Decimal, Enum, PurePath, UUID, bytes, tuple, set, frozenset, Keyed)
"""Types of the standard library whose values are other things in JSON."""
_ITERATORS = (abc.Iterator, abc.Generator, abc.AsyncIterator, abc.AsyncGenerator)
_ITERABLES = (abc.Iterable, abc.AsyncIterable, *_ITERATORS)


@dataclass(slots=True)
class _Returns:
    """What one function returns."""

    adapter: Any = None
    """pydantic's `TypeAdapter`; None where JSON is what the tool returns anyway."""
    items: Any = None
    """The same for a list of what a generator yields."""
    is_model: bool = False
    """The type has classes of fields in it: a recording that does not fit was made by another version of the tool."""
    wrap: Callable[[Any], Any] | None = None
    """Makes the iterator or awaitable that a function which is no generator or coroutine function returns."""
    classes: tuple[type, ...] = ()
    """The classes that the type is made of."""
    is_data: bool = False
    """Nothing but objects and lists is promised, or None: never a text."""
    unknown: str = ""
    """Why the annotation says nothing."""
    has_more: bool = field(init=False)
    """Whether a recorded value has to be looked at, and is not what the tool returns anyway."""

    def __post_init__(self) -> None:
        self.has_more = self.adapter is not None or self.wrap is not None or bool(self.unknown)


_known: weakref.WeakKeyDictionary[FunctionType, _Returns] = weakref.WeakKeyDictionary()


def rebuild(function: FunctionType, value: Any, session: Session, tool: str) -> Any:
    """`value` as the annotated return type, where that has more than JSON has.

    Rebuilt are dataclasses, TypedDicts, NamedTuples, pydantic models, enums, dates and times, `Decimal`, `UUID`, paths,
    bytes, tuples, sets, and mappings with keys of other types than `str`; also within unions, lists and mappings. Of a
    generator function the items are rebuilt (each item of a list). JSON types are never converted into one another; but
    a text that is a JSON object or list is read where nothing but data is promised, and the session notes it:
    transcripts have the text that the model was told, and no more.

    Without an annotation, what the function's source shows is all that is known: that it returns data, or not.

    Anything else is returned as recorded, in a copy that the agent may change. A recording that does not fit classes of
    fields fails the session and raises `RecordedToolError`; one that does not fit other types is returned as recorded,
    and the session notes it.
    """
    if "return" in function.__annotations__ or (type(value) is str and value.lstrip()[:1] in ("{", "[")):
        returns = _returns_of(function)
        if returns.is_data and isinstance(value, str):
            data = _data_in(value)
            if data is not None:
                value = data
                session.note(
                    f"the recording of `{tool}` is the text of data, and is given as data: its function returns no text"
                )
        if returns.has_more:
            return _rebuilt(returns, function, value, session, tool)
    return copied(value)


def returns_no_such_text(function: FunctionType, text: str) -> bool:
    """Whether the function returns nothing but objects and lists, as far as that can be known, and the text is none."""
    return _returns_of(function).is_data and _data_in(text) is None


def misfit(function: FunctionType, value: Any) -> str | None:
    """Why a value cannot be what the function returns, where it promises classes of fields; else None."""
    if "return" not in function.__annotations__:
        return None
    returns = _returns_of(function)
    if returns.is_data and isinstance(value, str):
        value = _data_in(value) or value
    adapter = returns.items if returns.items is not None and isinstance(value, list) else returns.adapter
    if not returns.is_model or adapter is None or value is None:
        return None
    try:
        adapter.validate_python(value)
    except ValueError as error:
        return _first_line(error)
    except Exception:  # a validator of the class's own, that expects something else: it says nothing of the value
        return None
    return None


def promises(function: FunctionType, kind: type) -> bool:
    """Whether `rebuild` makes values of this type, or the annotation promises no more of it than JSON has."""
    if "return" not in function.__annotations__:
        return False
    return any(_is_promised(kind, each) for each in _returns_of(function).classes)


def _is_promised(kind: type, promised: type) -> bool:
    if kind is promised and _is_model(kind):
        return True
    try:
        return issubclass(kind, promised) and (issubclass(promised, _REBUILT) or inspect.isabstract(promised))
    except TypeError:  # a protocol, or a form of `typing` that is a class
        return False


def _returns_of(function: FunctionType) -> _Returns:
    returns = _known.get(function)
    if returns is None:
        returns = _known[function] = _returns(function)
    return returns


def _data_in(text: str) -> Any:
    """The object or list that a text is; None where it is none."""
    try:
        value = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


# -- values


def _rebuilt(returns: _Returns, function: FunctionType, value: Any, session: Session, tool: str) -> Any:
    plain = copied(value)
    adapter = returns.items if returns.items is not None and isinstance(value, list) else returns.adapter
    what = f"{function.__module__}.{function.__qualname__}"
    if returns.unknown:
        session.note(f"the recording of `{tool}` is given as it is: the return type of {what} {returns.unknown}")
    if value is not None and adapter is not None:
        returned = function.__annotations__["return"]
        promise = f"what {what} returns today ({returned.__name__ if isinstance(returned, type) else returned})"
        plain = _validated(adapter, plain, returns.is_model, promise, session, tool)
    return plain if returns.wrap is None else returns.wrap(plain)


def _validated(adapter: Any, value: Any, is_model: bool, promise: str, session: Session, tool: str) -> Any:
    try:
        # strict, and as JSON: text becomes a date where a date is promised, but never a number
        return adapter.validate_json(json.dumps(value), strict=True)
    except NotImplementedError:
        wrong = "it has a class without a JSON form"
    except ValueError as error:
        wrong = _first_line(error)
    if not is_model:
        session.note(f"the recording of `{tool}` does not fit {promise}, and is given as it is: {wrong}")
        return value
    try:
        if isinstance(value, (dict, list)):
            converted = adapter.validate_python(value)
            session.note(f"the recording of `{tool}` was converted to fit {promise}: {wrong}")
            return converted
    except ValueError as error:
        wrong = _first_line(error)
    message = f"the recording of `{tool}` does not fit {promise}: {wrong}"
    session.fail(message)
    raise RecordedToolError(message, response=value)


def _first_line(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error).splitlines()[0]
    first = errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}"


async def _awaitable(value: Any) -> Any:
    return value


async def _async_iterator(value: Any) -> abc.AsyncIterator[Any]:
    for item in value if isinstance(value, list) else [value]:
        yield item


def _iterator(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else [value])


# -- annotations


def _returns(function: FunctionType) -> _Returns:
    """What the return annotation promises; without one, what the source shows."""
    if "return" not in function.__annotations__:
        return _Returns(is_data=shows_data(function))
    try:
        holder = SimpleNamespace(__annotations__={"return": function.__annotations__["return"]})
        # the return type alone: a parameter's type may be one that only type checkers import
        hints = typing.get_type_hints(holder, function.__globals__, _enclosed(function), include_extras=True)
        return _promised(function, hints["return"])
    except Exception as error:  # whatever evaluating an annotation, or a model of the agent's own, may raise
        return _Returns(unknown=f"cannot be known ({type(error).__name__}: {str(error).splitlines()[0]})")


def _enclosed(function: FunctionType) -> dict[str, Any]:
    """The variables of enclosing functions that this one uses."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _promised(function: FunctionType, hint: Any) -> _Returns:
    wrap: Callable[[Any], Any] | None = None
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint) or (Any,)
    if origin in (abc.Awaitable, abc.Coroutine):
        hint, wrap = arguments[-1], None if inspect.iscoroutinefunction(function) else _awaitable
    elif is_generator and origin in _ITERABLES:
        hint = arguments[0]
    elif origin in _ITERATORS:
        wrap = _async_iterator if origin in (abc.AsyncIterator, abc.AsyncGenerator) else _iterator
        hint, is_generator = arguments[0], True
    elif origin is abc.Iterable:  # pydantic would look at the items only when the agent asks for them
        hint = list[arguments[0]]  # type: ignore[valid-type]
    classes = tuple(_classes(hint))
    if not any(_is_model(each) or issubclass(each, _REBUILT) for each in classes):
        return _Returns(wrap=wrap, classes=classes, is_data=_is_data(hint))
    return _Returns(
        adapter=_adapter(hint),
        items=_adapter(list[hint]) if is_generator else None,
        is_model=any(map(_is_model, classes)),
        wrap=wrap,
        classes=classes,
        is_data=_is_data(hint),
    )


def _is_data(hint: Any) -> bool:
    """Whether nothing but objects and lists can be returned, or None."""
    kinds = [kind for kind in _alternatives(hint) if kind is not type(None)]
    return bool(kinds) and all(
        isinstance(kind, type) and (issubclass(kind, (abc.Mapping, list, tuple)) or _is_model(kind)) for kind in kinds
    )


def _alternatives(hint: Any) -> Iterator[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        yield from _alternatives(typing.get_args(hint)[0])
    elif origin in (typing.Union, UnionType):
        for argument in typing.get_args(hint):
            yield from _alternatives(argument)
    elif hasattr(hint, "__supertype__"):
        yield from _alternatives(hint.__supertype__)
    else:
        yield origin or hint


def _adapter(hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    try:
        return TypeAdapter[Any](hint)
    except PydanticSchemaGenerationError as error:
        try:
            # with a class that pydantic does not know: the other members of a union may fit
            return TypeAdapter[Any](hint, config=ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:
            raise error from None


def _classes(hint: Any, within: tuple[Any, ...] = ()) -> Iterator[type]:
    """The classes that the values of a type are made of. `within` are the aliases around it: one may hold itself."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, str):
        raise TypeError(f"{hint!r} is a text within a type, which Python evaluates since 3.11: write the whole as text")
    if origin is typing.Annotated:
        yield from _classes(arguments[0], within)
    elif hasattr(hint, "__supertype__"):
        yield from _classes(hint.__supertype__, within)
    elif hasattr(hint, "__value__"):
        if hint not in within:
            yield from _classes(hint.__value__, (*within, hint))
    elif isinstance(hint, type) and origin is None:
        yield hint
    elif origin not in (type, abc.Callable, typing.Literal):
        if isinstance(origin, type):
            yield origin
            if issubclass(origin, abc.Mapping) and arguments and arguments[0] in (int, float, bool):
                yield Keyed
        for argument in arguments:
            yield from _classes(argument, within)


def _is_model(kind: type) -> bool:
    return (
        hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__total__")
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
        or hasattr(kind, "__get_pydantic_core_schema__")
    )
