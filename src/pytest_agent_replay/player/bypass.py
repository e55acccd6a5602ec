"""Work of the runner itself, such as the request to an endpoint agent, that must not be taken for the agent's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["is_outside_replay", "outside_replay"]

_outside: ContextVar[bool] = ContextVar("agent_replay_outside", default=False)


@contextmanager
def outside_replay() -> Iterator[None]:
    """Calls made inside (in this context) reach the network and are not recorded."""
    token = _outside.set(True)
    try:
        yield
    finally:
        _outside.reset(token)


def is_outside_replay() -> bool:
    """Whether the running code is the runner's own."""
    return _outside.get()
