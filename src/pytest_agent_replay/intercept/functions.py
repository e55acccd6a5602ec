"""Plain Python functions and methods as tools, wherever the agent keeps a reference to them.

The function's *code* is exchanged, not the name that leads to it: a function that was put in a dict, a partial, a
decorator or a default argument before the replay began is caught all the same. The old code is put back with the last
session that uses it. A function that is called outside of a session that bound it runs as ever.
"""

from __future__ import annotations

import gc
import inspect
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType
from typing import Any, cast

from pytest_agent_replay.errors import BindingError, SessionError, UnrecordedCallError
from pytest_agent_replay.intercept.returns import rebuild, returns_no_such_text
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.revive import told_exception, tool_exception
from pytest_agent_replay.player.session import Served, Session
from pytest_agent_replay.player.values import OPAQUE, to_json

__all__ = [
    "bind_function",
    "bind_nested",
    "is_made_exchanged",
    "is_swapped",
    "original_of",
    "own_code",
    "release",
    "trap_function",
]

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
    """Every parameter that can be given by its name."""
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
            named=frozenset(p.name for p in single if p.kind is not p.POSITIONAL_ONLY),
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

    def by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by their names."""
        names = self.positional
        given = dict(zip(names, args, strict=False))
        if len(args) > len(names) and self.variadic is not None:
            given[self.variadic] = list(args[len(names) :])
        given.update(kwargs)
        return given


@dataclass(slots=True)
class _Binding:
    """One function as one tool of one session."""

    session: Session
    tool: str
    swap: _Swap
    instance: Any = None
    """Only calls on this object are the tool's (a callable object); None: any."""
    path: tuple[str, ...] = ()
    """Where a call says that it is of this tool: a parameter, and attributes or keys of it; empty: every call is."""
    problem: str | None = None
    """Why a call cannot be answered."""

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Served:
        if self.problem is not None:
            self.session.fail(self.problem)
            raise BindingError(self.problem)
        signature = self.swap.signature
        if not self.session.observes:  # else the function itself refuses a wrong call
            signature.check(args, kwargs)
        given = signature.by_name(args, kwargs)
        if self.swap.is_method and signature.positional:
            given.pop(signature.positional[0], None)
        if self.path:
            given = _dispatched(given, self.path)
        return self.session.call_tool(
            self.tool, given, channel="function", defaults=signature.defaults, code=(self.swap.original,)
        )

    def is_meant(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call of what several tools go through is of this one."""
        value = _at(self.swap.signature.by_name(args, kwargs), self.path)
        return (getattr(value, "value", value) if not isinstance(value, str) else value) == self.tool

    def inside(self, served: Served) -> AbstractContextManager[None]:
        """Around the real function, which may run."""
        return self.session.inside(self.tool, may_be_real=True, span_id=served.span_id)

    def outcome(self, served: Served) -> Any:
        """The recorded value; raises what the recording says."""
        if served.unrecorded is not None:
            raise UnrecordedCallError(served.unrecorded)
        response = served.response
        assert response is not None
        function, text = self.swap.function, response.response
        error = tool_exception(response, function.__globals__)
        if error is None and response.failed and isinstance(text, str) and returns_no_such_text(function, text):
            # transcripts have what the model was told of the failure
            error = told_exception(text, response, function.__globals__)
            self.session.note(
                f"the recording of `{self.tool}` is a failure told as text, and its function returns none: "
                f"{type(error).__name__} was raised. Say what it was with `error: {{type: …, message: …}}`"
            )
        if error is not None:
            raise error
        return rebuild(self.swap.function, response.response, self.session, self.tool)

    def pieces(self, served: Served) -> list[Any]:
        """What a generator yields: the recorded chunks, the items of a recorded list, or the one value."""
        response = served.response
        if response is not None and response.stream is not None and response.error is None:
            value: Any = rebuild(self.swap.function, response.stream, self.session, self.tool)
        else:
            value = self.outcome(served)
        return value if isinstance(value, list) else [value]


def _at(given: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands in arguments at a path; None where it does not lead anywhere."""
    value: Any = given
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return value


def _dispatched(given: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a tool, of what was given to the function that calls it: the rest of them, and what stands
    beside the name in the object that has it."""
    rest = {name: value for name, value in given.items() if name != path[0]}
    if len(path) > 1:
        beside = (_at(given, (*path[:-1], name)) for name in ("arguments", "args", "input", "parameters", "params"))
        held = next((value for value in beside if value is not None), None)
        if held is not None:
            rest["arguments"] = held
    return rest


@dataclass(slots=True, eq=False)
class _Swap:
    """A function whose code is exchanged."""

    function: FunctionType
    original: Callable[..., Any]
    signature: _Signature
    is_method: bool
    do: Callable[[], None] = field(init=False)
    undo: Callable[[], None] = field(init=False)
    """Puts back whatever of `do` was done; may be called again."""
    users: set[Session] = field(default_factory=set)
    key: int = field(init=False)
    source: int = 0
    """`id` of what was exchanged: the function, or the code of functions yet to be made."""
    what: str = field(init=False)
    """The call in error texts."""

    def __post_init__(self) -> None:
        self.key = id(self.function)
        self.what = f"a call of {self.function.__qualname__}()"


_swaps: dict[int, _Swap] = {}
_signatures: weakref.WeakKeyDictionary[FunctionType, tuple[CodeType, _Signature]] = weakref.WeakKeyDictionary()
_makers: weakref.WeakKeyDictionary[FunctionType, CodeType] = weakref.WeakKeyDictionary()
"""Functions that make others, with their code from before one of these was exchanged."""
_nested: dict[int, CodeType] = {}
"""`id` of the code that stands among a function's constants instead of this one."""
_lock = threading.RLock()


def is_swapped(function: Any) -> bool:
    """Whether the code of this function is exchanged at this moment."""
    return id(function) in _swaps


def original_of(function: FunctionType) -> Any:
    """The function with its own code, while that is exchanged; else the function itself."""
    swap = _swaps.get(id(function))
    return function if swap is None or swap.function is not function else swap.original


def bind_function(
    session: Session,
    function: FunctionType,
    tool: str,
    *,
    is_method: bool = False,
    instance: Any = None,
    path: tuple[str, ...] = (),
) -> None:
    """Makes calls of `function` calls of `tool`, for this session. Raises `BindingError` where that is not possible.

    With a `path`, only those whose arguments have the tool's name there: `("call", "function", "name")`.
    """
    key = id(function)
    with _lock:
        bindings: list[_Binding] = session.functions.setdefault(key, [])
        for binding in bindings:
            if binding.tool == tool and binding.instance is instance:
                binding.problem = None
                return
            is_shared = binding.instance is instance or None in (binding.instance, instance)
            if binding.tool != tool and is_shared and not (path and binding.path):
                raise BindingError(
                    f"the tools {binding.tool!r} and {tool!r} are the same function, {function.__module__}."
                    f"{function.__qualname__}: a call cannot be told to be of the one or the other. Give each tool a "
                    "function of its own, or bind one of them elsewhere in `tools:`"
                )
        swap = bindings[0].swap if bindings else _swaps.get(key) or _swap_of(function, is_method)
        bindings.append(_Binding(session, tool, swap, instance, path))
        try:
            _hold(session, swap)
        except BindingError:
            _let_go(session, swap)
            bindings.pop()
            raise


def trap_function(session: Session, function: FunctionType, tool: str, problem: str) -> None:
    """Makes calls of `function` fail in this session: it may be `tool`, and `problem` says why that is not known."""
    with _lock:
        if id(function) not in session.functions:
            bind_function(session, function, tool)
            session.functions[id(function)][0].problem = problem


def release(session: Session) -> None:
    """Ends the session's hold on its functions; the last one puts the code back. May be called again."""
    with _lock:
        while session.functions:
            # last first: what was exchanged in something that was exchanged itself goes back before that
            key = next(reversed(session.functions))
            for binding in session.functions[key][:1]:
                _let_go(session, binding.swap)
            del session.functions[key]


def _hold(session: Session, swap: _Swap) -> None:
    # known before it is done: whatever interrupts, `release` puts it back
    swap.users.add(session)
    if swap.source not in _swaps:
        _swaps[swap.source] = swap
        swap.do()


def _let_go(session: Session, swap: _Swap) -> None:
    swap.users.discard(session)
    if not swap.users and _swaps.get(swap.source) is swap:
        swap.undo()
        del _swaps[swap.source]
        swap.do = swap.undo = _done  # which held the swap: it would wait for the garbage collector


def _done() -> None:
    """What is left to do of a swap that is over."""


def _swap_of(function: FunctionType, is_method: bool) -> _Swap:
    code = function.__code__
    original = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    original.__kwdefaults__ = function.__kwdefaults__
    original.__dict__.update(function.__dict__)
    original.__annotations__ = function.__annotations__
    had_signature = "__signature__" in function.__dict__
    cached = _signatures.get(function)
    if cached is None or cached[0] is not code:
        cached = _signatures[function] = (code, _Signature.of(function))
    swap = _Swap(function, original, cached[1], is_method, source=id(function))

    def do() -> None:
        try:
            function.__code__ = _trampoline(code, swap)
        except ValueError as error:
            name = f"{function.__module__}.{function.__qualname__}"
            raise BindingError(f"{name} cannot be intercepted: {error}") from None
        if not had_signature:
            function.__signature__ = swap.signature.whole  # type: ignore[attr-defined]

    def undo() -> None:
        # not `code`: what it makes may have been exchanged before, and put back meanwhile
        function.__code__ = original.__code__
        if not had_signature:
            function.__dict__.pop("__signature__", None)

    swap.do, swap.undo = do, undo
    return swap


# -- functions that are made anew in every call of another one


def own_code(code: CodeType) -> CodeType:
    """The code of a function yet to be made, also while it is exchanged."""
    return _nested.get(id(code), code)


def is_made_exchanged(function: FunctionType) -> bool:
    """Whether a function was made from exchanged code, and will get its own back."""
    return id(function.__code__) in _nested


def bind_nested(session: Session, parent: FunctionType, code: CodeType, tool: str) -> None:
    """Makes calls of the functions that `parent` will make from its constant `code` calls of `tool`, for this session.

    Those that it made while this held get their own code back at the end.
    """
    with _lock:
        swap = _swaps.get(id(code)) or _swap_nested(parent, code)
        if swap.key not in session.functions:
            session.functions[swap.key] = [_Binding(session, tool, swap)]
            _hold(session, swap)


def _swap_nested(parent: FunctionType, code: CodeType) -> _Swap:
    cells = tuple(CellType() for _ in code.co_freevars)
    # which parameters have defaults is known only once a function is made: here all may be absent
    stand_in = FunctionType(code, parent.__globals__, code.co_name, (None,) * code.co_argcount, cells)
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    stand_in.__kwdefaults__ = dict.fromkeys(keyword_only)
    stand_in.__qualname__ = f"{parent.__qualname__}.<locals>.{code.co_name}"

    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise SessionError(
            f"{stand_in.__qualname__}() was made while a replay answered for it, and cannot run for real in it: move "
            "the tool to the top of its module"
        )

    signature = _Signature.of(stand_in)
    signature.defaults.clear()
    swap = _Swap(stand_in, unknown, signature, _takes_self(code), source=id(code))
    trampoline = _trampoline(code, swap)
    # of a parent that is exchanged itself, whichever was the first, the code that it will get back
    before = _makers.setdefault(parent, original_of(parent).__code__)

    def do() -> None:
        maker = original_of(parent)
        _nested[id(trampoline)] = code
        maker.__code__ = _with_constant(maker.__code__, code, trampoline)

    def undo() -> None:
        maker = original_of(parent)
        restored = _with_constant(maker.__code__, trampoline, code)
        maker.__code__ = before if restored == before else restored  # others may know the object
        for made in gc.get_objects():
            if type(made) is FunctionType and made.__code__ is trampoline:
                made.__code__ = code
        _nested.pop(id(trampoline), None)

    swap.do, swap.undo = do, undo
    return swap


def _takes_self(code: CodeType) -> bool:
    return code.co_varnames[: min(1, code.co_argcount)] in (("self",), ("cls",))


def _with_constant(code: CodeType, old: CodeType, new: CodeType) -> CodeType:
    """`code` with one constant exchanged, at any depth."""
    constants = tuple(
        new if each is old else _with_constant(each, old, new) if isinstance(each, CodeType) else each
        for each in code.co_consts
    )
    if all(mine is theirs for mine, theirs in zip(constants, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=constants)


# -- trampolines: code of the same kind as the original, which hands the call to a handler kept among its constants

_MARK = 7.25e77
_SOURCES = {
    "sync": "def f(*args, **kwargs):\n  handler = {mark}\n  return handler(args, kwargs)\n  {free}",
    "async": "async def f(*args, **kwargs):\n  handler = {mark}\n  return await handler(args, kwargs)\n  {free}",
    "generator": "def f(*args, **kwargs):\n  handler = {mark}\n  return (yield from handler(args, kwargs))\n  {free}",
    # what `yield from` does, which async generators have not
    "async generator": (
        "async def f(*args, **kwargs):\n"
        "  handler = {mark}\n"
        "  generator = handler(args, kwargs)\n"
        "  step, value = generator.asend, None\n"
        "  while True:\n"
        "    try:\n"
        "      piece = await step(value)\n"
        "    except StopAsyncIteration:\n"
        "      return\n"
        "    try:\n"
        "      step, value = generator.asend, (yield piece)\n"
        "    except GeneratorExit:\n"
        "      await generator.aclose()\n"
        "      raise\n"
        "    except BaseException as error:\n"
        "      step, value = generator.athrow, error\n"
        "  {free}"
    ),
}
_templates: dict[tuple[str, int], CodeType] = {}


def _template(kind: str, free: int) -> CodeType:
    """Code of a kind with so many free variables.

    The interpreter takes the closure's cells over only where the code says so; who looks at the locals of a frame whose
    cells were not taken over crashes the process.
    """
    found = _templates.get((kind, free))
    if found is None:
        names = [f"free{number:04d}" for number in range(free)]
        source = _SOURCES[kind].format(mark=_MARK, free="; ".join(names) or "pass")
        outer = "".join(f"  {name} = None\n" for name in names)
        inner = "".join(f"  {line}\n" for line in source.splitlines())
        namespace: dict[str, Any] = {}
        # our own constant source: nothing of a replay file comes near it
        exec(compile(f"def outer():\n{outer}{inner}  return f\n", "<agent-replay>", "exec"), namespace)
        found = _templates[kind, free] = namespace["outer"]().__code__
    return found


def _trampoline(code: CodeType, swap: _Swap) -> CodeType:
    kind = _kind(code)
    template = _template(kind, len(code.co_freevars))
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
    return template.replace(**changes)


def _kind(code: CodeType) -> str:
    if code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return "async generator"
    if code.co_flags & inspect.CO_COROUTINE:
        return "async"
    return "generator" if code.co_flags & inspect.CO_GENERATOR else "sync"


def _binding_for(swap: _Swap, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Binding | None:
    session = current_session(swap.what)
    if session is None:
        return None
    bindings: list[_Binding] = session.functions.get(swap.key, ())
    for binding in bindings:
        if (binding.instance is None or (args and args[0] is binding.instance)) and (
            not binding.path or binding.is_meant(args, kwargs)
        ):
            # a framework or a client that called this function as a tool has asked already
            has_asked = binding.session.at_servers.get(binding.tool) or binding.session.is_inside(binding.tool)
            return None if has_asked else binding
    return None


def _sync_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        binding = _binding_for(swap, args, kwargs)
        if binding is None:
            return swap.original(*args, **kwargs)
        served = binding.call(args, kwargs)
        if served.response is None:
            if served.live:
                return _live(binding, served, args, kwargs)
            if served.inside:
                with binding.session.inside(binding.tool):
                    return swap.original(*args, **kwargs)
        if served.pause is not None:
            served.pause.sleep()
        return binding.outcome(served)

    return handler


def _live(binding: _Binding, served: Served, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        with binding.inside(served):
            result = binding.swap.original(*args, **kwargs)
    except BaseException as error:
        binding.session.tool_finished(served, binding.tool, error=error)
        raise
    binding.session.tool_finished(served, binding.tool, result)
    return result


def _live_pieces(
    binding: _Binding, served: Served, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[Any, Any, Any]:
    """`yield from` the real generator, which is inside of the tool in each of its steps and not between them."""
    generator = binding.swap.original(*args, **kwargs)
    pieces: list[Any] = []
    step, value = generator.send, None
    while True:
        try:
            with binding.inside(served):
                piece = step(value)
        except StopIteration as end:
            binding.session.tool_finished(served, binding.tool, pieces)
            return end.value
        except BaseException as error:
            binding.session.tool_finished(served, binding.tool, error=error)
            raise
        pieces.append(binding.session.piece(piece))
        try:
            step, value = generator.send, (yield piece)
        except GeneratorExit:
            generator.close()
            binding.session.tool_finished(served, binding.tool, pieces)
            raise
        except BaseException as error:
            step, value = generator.throw, error


async def _live_pieces_async(
    binding: _Binding, served: Served, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncGenerator[Any, Any]:
    """The same for an async generator."""
    generator = binding.swap.original(*args, **kwargs)
    pieces: list[Any] = []
    step, value = generator.asend, None
    while True:
        try:
            with binding.inside(served):
                piece = await step(value)
        except StopAsyncIteration:
            binding.session.tool_finished(served, binding.tool, pieces)
            return
        except BaseException as error:
            binding.session.tool_finished(served, binding.tool, error=error)
            raise
        pieces.append(binding.session.piece(piece))
        try:
            step, value = generator.asend, (yield piece)
        except GeneratorExit:
            await generator.aclose()
            binding.session.tool_finished(served, binding.tool, pieces)
            raise
        except BaseException as error:
            step, value = generator.athrow, error


def _async_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    async def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        binding = _binding_for(swap, args, kwargs)
        if binding is None:
            return await swap.original(*args, **kwargs)
        served = binding.call(args, kwargs)
        if served.live:
            try:
                with binding.inside(served):
                    result = await swap.original(*args, **kwargs)
            except BaseException as error:
                binding.session.tool_finished(served, binding.tool, error=error)
                raise
            binding.session.tool_finished(served, binding.tool, result)
            return result
        if served.inside:
            with binding.session.inside(binding.tool):
                return await swap.original(*args, **kwargs)
        if served.pause is not None:
            await served.pause.wait()
        return binding.outcome(served)

    return handler


def _generator_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], Iterator[Any]]:
    def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Any, Any, Any]:
        binding = _binding_for(swap, args, kwargs)
        if binding is None:
            return (yield from swap.original(*args, **kwargs))
        served = binding.call(args, kwargs)
        if served.live:
            return (yield from _live_pieces(binding, served, args, kwargs))
        if served.inside:
            with binding.session.inside(binding.tool, is_marked=False):
                return (yield from swap.original(*args, **kwargs))
        if served.pause is not None:
            served.pause.sleep()
        for piece in binding.pieces(served):  # noqa: UP028 - a list takes nothing that is sent
            yield piece
        return None

    return handler


def _async_generator_handler(swap: _Swap) -> Callable[[tuple[Any, ...], dict[str, Any]], AsyncGenerator[Any, Any]]:
    def handler(args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, Any]:
        binding = _binding_for(swap, args, kwargs)
        if binding is None:
            return cast(AsyncGenerator[Any, Any], swap.original(*args, **kwargs))
        served = binding.call(args, kwargs)
        if served.live:
            return _live_pieces_async(binding, served, args, kwargs)
        return replayed(binding, served, args, kwargs)

    async def replayed(
        binding: _Binding, served: Served, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncGenerator[Any, Any]:
        if served.inside:
            with binding.session.inside(binding.tool, is_marked=False):
                async for piece in swap.original(*args, **kwargs):
                    yield piece
            return
        if served.pause is not None:
            await served.pause.wait()
        for piece in binding.pieces(served):
            yield piece

    return handler


_HANDLERS: dict[str, Callable[[_Swap], Any]] = {
    "sync": _sync_handler,
    "async": _async_handler,
    "generator": _generator_handler,
    "async generator": _async_generator_handler,
}
