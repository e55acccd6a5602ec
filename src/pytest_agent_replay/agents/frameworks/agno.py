"""Agents, teams and workflows of Agno."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]


def _modules(agent: Any) -> list[str]:
    """The modules of functions that are its tools."""
    tools = agent.tools if isinstance(getattr(agent, "tools", None), list) else []
    return list(dict.fromkeys(tool.__module__ for tool in tools if inspect.isfunction(tool)))


def _conversation(agent: Any) -> Callable[[TurnInput], Awaitable[Any]]:
    """Turns are runs of one session; an agent without a database is told what was said before."""

    async def ask(turn: TurnInput) -> Any:
        return await agent.arun(_said(agent, turn), session_id=turn.session_id)

    return ask


def _said(agent: Any, turn: TurnInput) -> Any:
    before = [] if _remembers(agent) and turn.turn > 1 else opening(turn)
    if not before or hasattr(agent, "steps"):  # a workflow takes its input as it is
        return turn.input
    said = turn.input if isinstance(turn.input, list) else [{"role": "user", "content": turn.input}]
    return [*before, *said]


def _remembers(agent: Any) -> bool:
    """Whether Agno itself keeps what was said in a session."""
    names = ("db", "storage", "memory")
    return any(getattr(agent, name, None) is not None for name in names)


ADAPTER = FrameworkAdapter(
    "agno",
    matches=lambda obj: hasattr(obj, "arun") and hasattr(obj, "session_id"),
    kind=lambda obj: f"Agno {type(obj).__name__.lower()}",
    converse=lambda obj, first, name: _conversation(obj),
    modules=_modules,
)
