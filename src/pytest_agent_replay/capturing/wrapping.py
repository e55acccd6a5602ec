"""An agent of the same kind (sync, async, generators), each call of which is a captured turn."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.player.current import activate

if TYPE_CHECKING:
    from pytest_agent_replay.capturing.session import CaptureSession

__all__ = ["Step", "Turn", "wrapped"]


class Step(activate):
    """That may be left in another context than it was entered in: coroutines that are given up are, and generators."""

    __slots__ = ("is_elsewhere",)

    def __exit__(self, *exc: object) -> None:
        self.is_elsewhere = False
        try:
            super().__exit__(*exc)
        except ValueError:
            self.is_elsewhere = True


@dataclass(slots=True)
class Turn:
    """Where one call of the agent is captured."""

    session: CaptureSession
    step: Callable[[], AbstractContextManager[None]]
    """Entered while code of the agent runs, and not while a stream is in the hands of its reader."""
    done: Callable[[BaseException | None], None]
    """To be called at the end, with what the agent raised."""


_Start = Callable[[tuple[Any, ...], Mapping[str, Any]], Turn]
"""Begins the turn of a call with these arguments."""


def wrapped(agent: Callable[..., Any], begin: Callable[[], Turn]) -> Callable[..., Any]:
    """`agent`, each call of which is a turn of what `begin` gives."""

    def start(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Turn:
        turn = begin()
        turn.session.called(agent, args, kwargs)
        return turn

    if inspect.isasyncgenfunction(agent):
        wrapper = _async_generator(agent, start)
    elif inspect.isgeneratorfunction(agent):
        wrapper = _generator(agent, start)
    elif inspect.iscoroutinefunction(agent) or inspect.iscoroutinefunction(type(agent).__call__):
        wrapper = _async(agent, start)
    else:
        wrapper = _sync(agent, start)
    assigned = [name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(agent, name)]
    return functools.wraps(agent, assigned=assigned)(wrapper)


@contextmanager
def _ending(turn: Turn) -> Iterator[None]:
    try:
        yield
    except GeneratorExit:
        turn.done(None)
        raise
    except BaseException as error:
        turn.done(error)
        raise
    turn.done(None)


def _sync(agent: Callable[..., Any], start: _Start) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        turn = start(args, kwargs)
        try:
            with turn.step():
                result = agent(*args, **kwargs)
        except BaseException as error:
            turn.done(error)
            raise
        going_on = _GOING_ON.get(type(result))
        if going_on is not None:
            return going_on(lambda: result, lambda args, kwargs: turn)()
        turn.session.output = result
        turn.done(None)
        return result

    return answer


def _async(agent: Callable[..., Any], start: _Start) -> Callable[..., Any]:
    async def answer(*args: Any, **kwargs: Any) -> Any:
        turn = start(args, kwargs)
        with _ending(turn):
            with turn.step():
                result = await agent(*args, **kwargs)
            turn.session.output = result
        return result

    return answer


def _generator(agent: Callable[..., Any], start: _Start) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        turn = start(args, kwargs)
        with _ending(turn):
            pieces: list[Any] = []
            generator = agent(*args, **kwargs)
            step, value = generator.send, None
            while True:
                try:
                    with turn.step():
                        piece = step(value)
                except StopIteration as end:
                    turn.session.streamed(pieces, end.value)
                    return end.value
                pieces.append(piece)
                try:
                    step, value = generator.send, (yield piece)
                except GeneratorExit:
                    generator.close()
                    turn.session.streamed(pieces, None)
                    raise
                except BaseException as error:
                    step, value = generator.throw, error

    return answer


def _async_generator(agent: Callable[..., Any], start: _Start) -> Callable[..., Any]:
    async def answer(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        turn = start(args, kwargs)
        with _ending(turn):
            pieces: list[Any] = []
            generator = agent(*args, **kwargs)
            step, value = generator.asend, None
            while True:
                try:
                    with turn.step():
                        piece = await step(value)
                except StopAsyncIteration:
                    turn.session.streamed(pieces, None)
                    return
                pieces.append(piece)
                try:
                    step, value = generator.asend, (yield piece)
                except GeneratorExit:
                    await generator.aclose()
                    turn.session.streamed(pieces, None)
                    raise
                except BaseException as error:
                    step, value = generator.athrow, error

    return answer


_GOING_ON: Mapping[type, Callable[[Callable[..., Any], _Start], Callable[..., Any]]] = {
    CoroutineType: _async,
    GeneratorType: _generator,
    AsyncGeneratorType: _async_generator,
}
"""What plain functions may return whose agent has only begun then."""
