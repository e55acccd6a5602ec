"""Microsoft Agent Framework: an `Agent` (or another that is made from `BaseAgent`), and a `Workflow`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]


def _conversation(obj: Any, first: TurnInput) -> Callable[[TurnInput], Awaitable[Any]]:
    agent = obj if hasattr(obj, "create_session") else _as_agent(obj)
    if agent is None:
        return lambda turn: _run_workflow(obj, turn)
    session, before = agent.create_session(session_id=first.session_id), opening(first)

    async def ask(turn: TurnInput) -> Any:
        said = turn.input if isinstance(turn.input, list) else [turn.input]
        messages = [_message(m) if isinstance(m, dict) else m for m in (*before, *said)]
        before.clear()
        return await agent.run(messages, session=session)

    return ask


def _as_agent(workflow: Any) -> Any:
    """None: it does not begin with messages, but takes its input as it is."""
    try:
        return workflow.as_agent()
    except ValueError:
        return None


async def _run_workflow(workflow: Any, turn: TurnInput) -> Any:
    outputs = (await workflow.run(turn.input)).get_outputs()
    return outputs[0] if len(outputs) == 1 else outputs


def _message(message: dict[str, Any]) -> Any:
    return sys.modules["agent_framework"].Message(message["role"], [message["content"]])


ADAPTER = FrameworkAdapter(
    "agent_framework",
    matches=lambda obj: hasattr(obj, "run") and (hasattr(obj, "create_session") or hasattr(obj, "as_agent")),
    kind=lambda obj: "Agent Framework agent" if hasattr(obj, "create_session") else "Agent Framework workflow",
    converse=lambda obj, first, name: _conversation(obj, first),
)
