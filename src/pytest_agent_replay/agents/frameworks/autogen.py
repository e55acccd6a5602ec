"""AutoGen: an `AssistantAgent` or another agent of AgentChat, and teams of them.

These objects keep what was said in them. Every session has a copy of an agent with its own memory of the conversation,
from what it holds when the session begins; teams, agents without a model's context, and those that are tools are reset
before it, so that such an object plays one session at a time.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAgent, opening
from pytest_agent_replay.agents.model import Agent, TurnInput

__all__ = ["ADAPTER"]


class _Adapter:
    name = "autogen"

    def matches(self, obj: Any) -> bool:
        return hasattr(obj, "run_stream") and (hasattr(obj, "on_messages") or hasattr(obj, "reset"))

    def make(self, obj: Any, *, name: str, module_names: Sequence[str]) -> Agent:
        return FrameworkAgent(
            obj,
            lambda first: _conversation(obj, first),
            name=name,
            kind="AutoGen agent" if hasattr(obj, "on_messages") else "AutoGen team",
            is_async=True,
            module_names=tuple(dict.fromkeys([*module_names, *_modules_of_tools(obj)])),
        )


def _modules_of_tools(agent: Any) -> list[str]:
    """Where the functions are written that it calls as tools."""
    benches = getattr(agent, "_workbench", None) or ()
    functions = [getattr(tool, "_func", None) for bench in benches for tool in getattr(bench, "_tools", ())]
    return [function.__module__ for function in functions if hasattr(function, "__module__")]


def _conversation(obj: Any, first: TurnInput) -> Callable[[TurnInput], Awaitable[Any]]:
    agent, before, begun = _own(obj), opening(first), False

    async def ask(turn: TurnInput) -> Any:
        nonlocal begun
        said = turn.input if isinstance(turn.input, list) else [{"role": "user", "content": turn.input}]
        if not begun:
            begun = True
            await _reset(agent)
            said = [*await _remembered(agent, before), *said]
        return await agent.run(task=list(map(_message, said)))

    return ask


def _own(agent: Any) -> Any:
    """A copy of an agent that goes its own way from here."""
    if not hasattr(agent, "_model_context"):
        return agent
    own = copy.copy(agent)
    own._model_context = copy.copy(agent._model_context)
    own._model_context._messages = [*agent._model_context._messages]
    return own


async def _reset(agent: Any) -> None:
    """What has no memory of its own session; an agent that is a tool has none."""
    if hasattr(agent, "reset"):
        await agent.reset()
    elif not hasattr(agent, "_model_context"):
        await agent.on_reset(sys.modules["autogen_core"].CancellationToken())
    for tool in getattr(agent, "_tools", ()):
        runner = getattr(tool, "_task_runner", None)
        if runner is not None:
            if hasattr(runner, "_model_context"):
                await runner._model_context.clear()
            await _reset(runner)


async def _remembered(agent: Any, before: list[dict[str, str]]) -> list[dict[str, str]]:
    """Puts what came before into an agent's memory. Without one it is part of the task, and returned."""
    context = getattr(agent, "_model_context", None)
    if context is None:
        return before
    models = sys.modules["autogen_core.models"]
    for message in before:
        role, content = message["role"], message["content"]
        if role == "assistant":
            made = models.AssistantMessage(content=content, source=agent.name)
        elif role == "user":
            made = models.UserMessage(content=content, source="user")
        else:
            made = models.SystemMessage(content=content)
        await context.add_message(made)
    return []


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return sys.modules["autogen_agentchat.messages"].TextMessage(content=message["content"], source=message["role"])


ADAPTER = _Adapter()
