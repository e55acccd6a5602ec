"""The seam for agents of frameworks: one adapter knows one kind of object and makes an `Agent` of it.

A third party offers one as an entry point of the group `pytest_agent_replay.agents` (the object, or its class without
arguments), or hands it to `make_agent(adapters=…)`, which is what the pytest hook does.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol

from pytest_agent_replay.agents.frameworks import adapter_of
from pytest_agent_replay.agents.model import Agent

__all__ = ["ENTRY_POINT_GROUP", "AgentAdapter", "find_adapter"]

ENTRY_POINT_GROUP = "pytest_agent_replay.agents"


class AgentAdapter(Protocol):
    """Makes agents of one kind of object. It must not import the framework: whoever made the object has done that."""

    name: str

    def matches(self, obj: Any) -> bool:
        """Whether this adapter knows the object. Asked of every agent that is no function; cheap, never raises."""

    def make(self, obj: Any, *, name: str, module_names: Sequence[str]) -> Agent:
        """The agent. `module_names` are the modules that are known to be its own code."""


def find_adapter(obj: Any, adapters: Sequence[AgentAdapter]) -> AgentAdapter | None:
    """The first adapter that knows the object: those that were handed in, the installed ones, then our own."""
    for adapter in (*adapters, *_installed()):
        if adapter.matches(obj):
            return adapter
    return adapter_of(obj)


@functools.lru_cache(maxsize=1)
def _installed() -> tuple[AgentAdapter, ...]:
    from importlib.metadata import entry_points

    loaded = [point.load() for point in entry_points(group=ENTRY_POINT_GROUP)]
    return tuple(item() if isinstance(item, type) else item for item in loaded)
