"""Agents of the OpenAI Agents SDK."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["ADAPTER"]


def _conversation(agent: Any, first: TurnInput, name: str) -> Callable[[TurnInput], Awaitable[Any]]:
    """As `run_demo_loop` of the SDK has it: a turn goes on from all items so far, with the agent that spoke last.

    The context is what the agent is told before: the SDK's local context is for the agent's own code.
    """
    items: list[Any] = list(opening(first))
    speaker = agent.clone(**first.overrides) if first.overrides else agent

    async def ask(turn: TurnInput) -> Any:
        nonlocal items, speaker
        result = await sys.modules["agents"].Runner.run(speaker, [*items, *_said(turn.input, name)])
        items, speaker = result.to_input_list(), result.last_agent
        return result

    return ask


def _said(given: Any, name: str) -> list[Any]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if isinstance(given, list):
        return given
    raise AgentError(
        f"agent {name!r}: an agent of the OpenAI Agents SDK takes text or a list of items, and the input is a "
        f"{type(given).__name__}. Name a function that makes one of it"
    )


ADAPTER = FrameworkAdapter(
    "openai_agents",
    matches=lambda obj: hasattr(obj, "get_all_tools") and hasattr(obj, "handoffs") and hasattr(obj, "as_tool"),
    kind="OpenAI Agents SDK agent",
    converse=_conversation,
    overrides=("model", "instructions"),
)
