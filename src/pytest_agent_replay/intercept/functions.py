"""Plain Python functions and methods as tools, wherever the agent keeps a reference to them.

The function's *code* is exchanged, not the name that leads to it: a function that was put in a dict, a partial, a
decorator or a default argument before the replay began is caught all the same. The old code is put back with the last
session that uses it. A function that is called outside of a session that bound it runs as ever.
"""

from __future__ import annotations

import inspect
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

from pytest_agent_replay.errors import BindingError, UnrecordedCallError
from pytest_agent_replay.intercept.returns import rebuild
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.revive import tool_exception
from pytest_agent_replay.player.session import Served, Session
from pytest_agent_replay.player.values import OPAQUE, to_json

__all__ = ["bind_function", "is_swapped", "release"]

_EMPTY = inspect.Parameter.empty


@dataclass(slots=True)
class _Signature:
    """What is needed to name and check the arguments of a call without the price of `Signature.bind`."""

    whole: inspect.Signature
    positional: tuple[str, ...]
    variadic: str | None
    """The name of `*args`."""
    defaults: dict[str, Any]
    """JSON values of the parameters' defaults."""
    named: frozenset[str]
    """Every parameter but `*args` and `**kwargs`."""
    required: frozenset[str]
    enough: int
    """With so many positional arguments and no keywords nothing is missing."""

    @classmethod
    def of(cls, function: FunctionType) -> _Signature:
        whole = inspect.signature(function)
        parameters = list(whole.parameters.values())
        single = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        positional = [p for p in single if p.kind is not p.KEYWORD_ONLY]
        required = frozenset(p.name for p in single if p.default is _EMPTY)
        needed = sum(p.default is _EMPTY for p in positional)
        defaults = {p.name: to_json(p.default) for p in single if p.default is not _EMPTY}
        return cls(
            whole=whole,
            positional=tuple(p.name for p in positional),
            variadic=next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None),
            defaults={name: value for name, value in defaults.items() if value is not OPAQUE},
            named=frozenset(p.name for p in single),
            required=required,
            enough=needed if needed == len(required) else len(positional) + 1,
        )

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises the `TypeError` that a call with missing, unknown or doubled arguments gets from Python."""
        count = len(args)
        if not kwargs and self.enough <= count <= len(self.positional):
            return
        taken = self.positional[:count]
        if (
            (count <= len(self.positional) or self.variadic is not None)
            and self.required.issubset({*taken, *kwargs})
            and kwargs.keys() <= self.named.difference(taken)
        ):
            return
        # unusual, or wrong: Python says which, in the words that the agent would have seen
        self.whole.bind(*args, **kwargs)


@dataclass(slots=True)
class _Binding:
    """One function as one tool of one session."""

    session: Session
    tool: str
    swap: _Swap
    instance: Any = None
    """Only calls on this object are the tool's (a callable object); None: any."""

    def answers(self, args: tuple[Any, ...]) -> bool:
        return self.instance is None or (bool(args) and args[0] is self.instance)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Served:
        signature = self.swap.signature
        signature.check(args, kwargs)
        names = signature.positional
        given = dict(zip(names, args, strict=False))
        if len(args) > len(names) and signature.variadic is not None:
            given[signature.variadic] = list(args[len(names) :])
        given.update(kwargs)
        if self.swap.is_method and names:
            given.pop(names[0], None)
        return self.session.call_tool(self.tool, given, channel="function", defaults=signature.defaults)

    def outcome(self, served: Served) -> Any:
        """The recorded value; raises what the recording says."""
        if served.unrecorded is not None:
            raise UnrecordedCallError(served.unrecorded)
        response = served.response
        assert response is not None
        error = tool_exception(response, self.swap.function.__globals__)
        if error is not None:
            raise error
        return rebuild(self.swap.function, response.response, self.session, self.tool)

    def pieces(self, served: Served) -> list[Any]:
        """What a generator yields: the recorded chunks, the items of a recorded list, or the one value."""
        response = served.response
        if response is not None and response.stream is not None and response.error is None:
            return response.stream
        value = self.outcome(served)
        return value if isinstance(value, list) else [value]


@dataclass(slots=True, eq=False)
class _Swap:
    """A function whose code is exchanged."""

    function: FunctionType
    code: CodeType
    original: FunctionType
    signature: _Signature
    is_method: bool
    had_signature: bool
    users: int = 0
    key: int = field(init=False)
    what: str = field(init=False)
    """The call in error texts."""

    def __post_init__(self) -> None:
        self.key = id(self.function)
        self.what = f"a call of {self.function.__qualname__}()"


_swaps: dict[int, _Swap] = {}
_signatures: weakref.WeakKeyDictionary[FunctionType, tuple[CodeType, _Signature]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def is_swapped(function: Any) -> bool:
    """Whether the code of this function is exchanged at this moment."""
    return id(function) in _swaps


def bind_function(
    session: Session, function: FunctionType, tool: str, *, is_method: bool = False, instance: Any = None
) -> None:
    """Makes calls of `function` calls of `tool`, for this session. Raises `BindingError` where that is not possible."""
    key = id(function)
    if key in session.functions:
        return
    with _lock:
        swap = _swaps.get(key) or _swap_in(function, is_method)
        swap.users += 1
        session.functions[key] = _Binding(session, tool, swap, instance)


def release(session: Session) -> None:
    """Ends the session's hold on its functions; the last one puts the code back."""
    with _lock:
        for key, binding in list(session.functions.items()):
            del session.functions[key]
            swap = binding.swap
            swap.users -= 1
            if not swap.users:
                del _swaps[key]
                swap.function.__code__ = swap.code
                if not swap.had_signature:
                    swap.function.__dict__.pop("__signature__", None)


def _swap_in(function: FunctionType, is_method: bool) -> _Swap:
    code = function.__code__
    original = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    original.__kwdefaults__ = function.__kwdefaults__
    original.__dict__.update(function.__dict__)
    original.__annotations__ = function.__annotations__
    had_signature = "__signature__" in function.__dict__
    cached = _signatures.get(function)
    if cached is None or cached[0] is not code:
        cached = _signatures[function] = (code, _Signature.of(function))
    swap = _Swap(function, code, original, cached[1], is_method, had_signature)
    try:
        function.__code__ = _trampoline(code, swap)
    except ValueError as error:
        raise BindingError(f"{function.__module__}.{function.__qualname__} cannot be intercepted: {error}") from None
    if not had_signature:
        function.__signature__ = swap.signature.whole  # type: ignore[attr-defined]
    _swaps[id(function)] = swap
    return swap


# -- trampolines: code of the same kind as the original, which hands the call to a handler kept among its constants

_MARK = 7.25e77
_SOURCES = {
    "sync": "def f(*args, **kwargs):\n    handler = {mark}\n    return handler(args, kwargs)",
    "async": "async def f(*args, **kwargs):\n    handler = {mark}\n    return await handler(args, kwargs)",
    "generator": "def f(*args, **kwargs):\n    handler = {mark}\n    return (yield from handler(args, kwargs))",
    "async generator": (
        "async def f(*args, **kwargs):\n    handler = {mark}\n"
        "    async for item in handler(args, kwargs):\n        yield item"
    ),
}
_templates: dict[str, CodeType] = {}


def _trampoline(code: CodeType, swap: _Swap) -> CodeType:
    kind = _kind(code)
    template = _templates.get(kind)
    if template is None:
        namespace: dict[str, Any] = {}
        # our own constant source: nothing of a replay file comes near it
        exec(compile(_SOURCES[kind].format(mark=_MARK), "<agent-replay>", "exec"), namespace)
        template = _templates[kind] = namespace["f"].__code__
    handler = _HANDLERS[kind](swap)
    changes: dict[str, Any] = {
        "co_consts": tuple(handler if constant == _MARK else constant for constant in template.co_consts),
        "co_freevars": code.co_freevars,
        "co_filename": code.co_filename,
        "co_firstlineno": code.co_firstlineno,
        "co_name": code.co_name,
    }
    if hasattr(code, "co_qualname"):
        changes["co_qualname"] = code.co_qualname
    if code.co_flags & inspect.CO_NESTED:
        changes["co_flags"] = template.co_flags | inspect.CO_NESTED
    return template.replace(**changes)


def _kind(code: CodeType) -> str:
    if code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return "async generator"
    if code.co_flags & inspect.CO_COROUTINE:
        return "async"
    return "generator" if code.co_flags & inspect.CO_GENERATOR else "sync"


def _binding_for(swap: _Swap, args: tuple[Any, ...]) -> _Binding | None:
    session = current_session(swap.what)
    if session is None:
        return None
    binding: _Binding | None = session.functions.get(swap.key)
    return binding if binding is not None and binding.answers(args) else None


def _sync_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        binding = _binding_for(swap, args)
        if binding is None:
            return swap.original(*args, **kwargs)
        served = binding.call(args, kwargs)
        if served.live:
            return _live(binding, served, args, kwargs)
        if served.wait_s:
            time.sleep(served.wait_s)
        return binding.outcome(served)

    return handler


def _live(binding: _Binding, served: Served, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        result = binding.swap.original(*args, **kwargs)
    except BaseException as error:
        binding.session.tool_finished(served, binding.tool, error=error)
        raise
    binding.session.tool_finished(served, binding.tool, result)
    return result


def _async_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    async def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        binding = _binding_for(swap, args)
        if binding is None:
            return await swap.original(*args, **kwargs)
        served = binding.call(args, kwargs)
        if served.live:
            try:
                result = await swap.original(*args, **kwargs)
            except BaseException as error:
                binding.session.tool_finished(served, binding.tool, error=error)
                raise
            binding.session.tool_finished(served, binding.tool, result)
            return result
        await _pause(served.wait_s)
        return binding.outcome(served)

    return handler


async def _pause(seconds: float) -> None:
    if seconds:
        import asyncio

        await asyncio.sleep(seconds)


def _generator_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], Iterator[Any]]:
    def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
        binding = _binding_for(swap, args)
        if binding is None:
            yield from swap.original(*args, **kwargs)
            return
        served = binding.call(args, kwargs)
        if served.live:
            pieces: list[Any] = []
            for piece in swap.original(*args, **kwargs):
                pieces.append(piece)
                yield piece
            binding.session.tool_finished(served, binding.tool, pieces)
            return
        if served.wait_s:
            time.sleep(served.wait_s)
        yield from binding.pieces(served)

    return handler


def _async_generator_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], AsyncIterator[Any]]:
    async def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        binding = _binding_for(swap, args)
        if binding is None:
            async for piece in swap.original(*args, **kwargs):
                yield piece
            return
        served = binding.call(args, kwargs)
        if served.live:
            pieces: list[Any] = []
            async for piece in swap.original(*args, **kwargs):
                pieces.append(piece)
                yield piece
            binding.session.tool_finished(served, binding.tool, pieces)
            return
        await _pause(served.wait_s)
        for piece in binding.pieces(served):
            yield piece

    return handler


_HANDLERS: dict[str, Callable[[_Swap], Any]] = {
    "sync": _sync_handler,
    "async": _async_handler,
    "generator": _generator_handler,
    "async generator": _async_generator_handler,
}
