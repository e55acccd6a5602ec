"""An agent of the same kind (sync, async, generators), each call of which is a captured turn."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_agent_replay.capturing.session import CaptureSession

__all__ = ["Turn", "wrapped"]


@dataclass(slots=True)
class Turn:
    """Where one call of the agent is captured."""

    session: CaptureSession
    step: Callable[[], AbstractContextManager[None]]
    """Entered while code of the agent runs, and not while a stream is in the hands of its reader."""
    done: Callable[[BaseException | None], None]
    """To be called at the end, with what the agent raised."""


def wrapped(agent: Callable[..., Any], begin: Callable[[], Turn]) -> Callable[..., Any]:
    """`agent`, each call of which is a turn of what `begin` gives."""
    if inspect.isasyncgenfunction(agent):
        wrapper = _async_generator(agent, begin)
    elif inspect.isgeneratorfunction(agent):
        wrapper = _generator(agent, begin)
    elif inspect.iscoroutinefunction(agent) or inspect.iscoroutinefunction(type(agent).__call__):
        wrapper = _async(agent, begin)
    else:
        wrapper = _sync(agent, begin)
    assigned = [name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(agent, name)]
    return functools.wraps(agent, assigned=assigned)(wrapper)


@contextmanager
def _turn(begin: Callable[[], Turn], agent: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Turn]:
    turn = begin()
    turn.session.turn(_input(agent, args, kwargs))
    try:
        yield turn
    except GeneratorExit:
        turn.done(None)
        raise
    except BaseException as error:
        turn.done(error)
        raise
    turn.done(None)


def _sync(agent: Callable[..., Any], begin: Callable[[], Turn]) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        with _turn(begin, agent, args, kwargs) as turn:
            with turn.step():
                result = agent(*args, **kwargs)
            turn.session.output = result
        return result

    return answer


def _async(agent: Callable[..., Any], begin: Callable[[], Turn]) -> Callable[..., Any]:
    async def answer(*args: Any, **kwargs: Any) -> Any:
        with _turn(begin, agent, args, kwargs) as turn:
            with turn.step():
                result = await agent(*args, **kwargs)
            turn.session.output = result
        return result

    return answer


def _generator(agent: Callable[..., Any], begin: Callable[[], Turn]) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _turn(begin, agent, args, kwargs) as turn:
            pieces: list[Any] = []
            generator = agent(*args, **kwargs)
            step, value = generator.send, None
            while True:
                try:
                    with turn.step():
                        piece = step(value)
                except StopIteration as end:
                    turn.session.output = _joined(pieces, end.value)
                    return end.value
                pieces.append(piece)
                try:
                    step, value = generator.send, (yield piece)
                except GeneratorExit:
                    generator.close()
                    turn.session.output = _joined(pieces, None)
                    raise
                except BaseException as error:
                    step, value = generator.throw, error

    return answer


def _async_generator(agent: Callable[..., Any], begin: Callable[[], Turn]) -> Callable[..., Any]:
    async def answer(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _turn(begin, agent, args, kwargs) as turn:
            pieces: list[Any] = []
            generator = agent(*args, **kwargs)
            step, value = generator.asend, None
            while True:
                try:
                    with turn.step():
                        piece = await step(value)
                except StopAsyncIteration:
                    turn.session.output = _joined(pieces, None)
                    return
                pieces.append(piece)
                try:
                    step, value = generator.asend, (yield piece)
                except GeneratorExit:
                    await generator.aclose()
                    turn.session.output = _joined(pieces, None)
                    raise
                except BaseException as error:
                    step, value = generator.athrow, error

    return answer


def _joined(pieces: list[Any], returned: Any) -> Any:
    """The one answer that a stream is, by the rule that replays have for it."""
    from pytest_agent_replay.agents.streams import settle

    def stream() -> Generator[Any, None, Any]:
        yield from pieces
        return returned

    return settle(stream())


def _input(agent: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What the user said, among the arguments of a call: the one that a replay gives the input to."""
    from pytest_agent_replay.agents.model import KNOWN_NAMES

    try:
        given = dict(inspect.signature(agent).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return args[0] if args else dict(kwargs)
    if "input" in given:
        return given["input"]
    own = [value for name, value in given.items() if name not in (*KNOWN_NAMES, "self")]
    return own[0] if own else None
