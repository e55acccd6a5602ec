"""An agent's raw answer when it does not come at once: generators, iterators, awaitables, async generators.

Chunks become one answer by one rule: when the last chunk is text, all text chunks joined; otherwise the last chunk
(streams of states and events end with the final one). `None` chunks are left out; no chunk at all is no answer. What a
generator *returns* comes before what it yielded, unless it is None.
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
        return _one([chunk async for chunk in value])
    return settle(value)


def _joined(stream: Iterator[Any]) -> Any:
    chunks = []
    while True:
        try:
            chunks.append(next(stream))
        except StopIteration as end:
            return _one(chunks) if end.value is None else end.value


def _one(chunks: list[Any]) -> Any:
    chunks = [chunk for chunk in chunks if chunk is not None]
    if not chunks:
        return None
    last = chunks[-1]
    if isinstance(last, str):
        return "".join(chunk for chunk in chunks if isinstance(chunk, str))
    if isinstance(last, bytes):
        return b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))
    return last
