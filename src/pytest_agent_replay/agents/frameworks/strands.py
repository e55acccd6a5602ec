"""Agents of Strands."""

from __future__ import annotations

import copy
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]


def _conversation(agent: Any, first: TurnInput) -> Callable[[TurnInput], Awaitable[Any]]:
    """A Strands agent is one conversation itself: every session has its own copy, as the agent was at the beginning."""
    own = _copied(agent)
    for message in opening(first):
        if message["role"] in ("user", "assistant"):
            own.messages.append({"role": message["role"], "content": [{"text": message["content"]}]})
        else:
            own.system_prompt = "\n\n".join(filter(None, (own.system_prompt, message["content"])))

    async def ask(turn: TurnInput) -> Any:
        own.event_loop_metrics = type(own.event_loop_metrics)()
        return await own.invoke_async(turn.input)

    return ask


def _copied(agent: Any) -> Any:
    """The agent with a memory, a state and locks of its own; models, tools and hooks are shared."""
    own = copy.copy(agent)
    for name in ("messages", "state", "_model_state", "_interrupt_state", "conversation_manager"):
        if name in vars(own):
            setattr(own, name, copy.deepcopy(getattr(own, name)))
    made: dict[str, Callable[[], Any]] = {
        "_invocation_lock": threading.Lock,
        "_cancel_signal": threading.Event,
        "_concurrency": lambda: type(agent._concurrency)(agent._concurrency.mode),
    }
    for name in made.keys() & vars(own).keys():
        setattr(own, name, made[name]())
    return own


ADAPTER = FrameworkAdapter(
    "strands",
    matches=lambda obj: hasattr(obj, "invoke_async") and hasattr(obj, "messages") and hasattr(obj, "tool_registry"),
    kind="Strands agent",
    converse=lambda obj, first, name: _conversation(obj, first),
)
