"""Code of this package that has to reach the network itself while a replay runs (calling a remote agent, a live judge).

Interceptors ask `is_outside_replay()` first and hand such calls to the real client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["is_outside_replay", "outside_replay"]

_outside: ContextVar[bool] = ContextVar("agent_replay_outside", default=False)


@contextmanager
def outside_replay() -> Iterator[None]:
    """Calls made inside, in this context, belong to no replay: they are neither answered, recorded nor refused."""
    token = _outside.set(True)
    try:
        yield
    finally:
        _outside.reset(token)


def is_outside_replay() -> bool:
    """Whether the running code is inside `outside_replay()`."""
    return _outside.get()
