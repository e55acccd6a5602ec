"""An agent's raw answer when it does not come at once: generators, iterators, awaitables, async generators.

What is yielded becomes one answer by the rule in `pieces`. What a generator *returns* comes before what it yielded,
unless it is None.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

__all__ = ["is_async_answer", "settle", "settle_async"]


def is_async_answer(value: Any) -> bool:
    """Whether an event loop is needed to have the answer."""
    return hasattr(type(value), "__anext__") or inspect.isawaitable(value)


def settle(value: Any) -> Any:
    """The answer of a call that needs no event loop."""
    return _joined(value) if hasattr(type(value), "__next__") else value


async def settle_async(value: Any) -> Any:
    """The answer, whatever way it comes."""
    while inspect.isawaitable(value):
        value = await value
    if hasattr(type(value), "__anext__"):
        return _one([piece async for piece in value])
    return settle(value)


def _joined(stream: Iterator[Any]) -> Any:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            if end.value is None:
                return _one(pieces)
            if len(pieces) > 1:
                from pytest_agent_replay.agents.pieces import note_returned

                note_returned(end.value, pieces)
            return end.value


def _one(pieces: list[Any]) -> Any:
    from pytest_agent_replay.agents.pieces import answer_of

    return answer_of(pieces)
