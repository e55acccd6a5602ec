"""AutoGen: an `AssistantAgent` or another agent of AgentChat, and teams of them.

These objects keep what was said in them, and teams belong to the loop that they first ran on. Every session has a copy
that goes its own way from what the object holds when the session begins: its members, and the agents that are its
tools, included. Conditions that end a team are not copied but reset, for the agent's code may hold them: a team with
such plays one session at a time. So do agents without a memory that could be copied, which are reset.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]


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


def _own(obj: Any) -> Any:
    """A copy of an agent or a team that goes its own way from here."""
    own = copy.copy(obj)
    if hasattr(obj, "_model_context"):
        own._model_context = copy.copy(obj._model_context)
        own._model_context._messages = [*obj._model_context._messages]
    if getattr(obj, "_workbench", None):
        own._workbench = [_own_workbench(bench) for bench in obj._workbench]
    if getattr(obj, "_embedded_runtime", False):
        import asyncio

        own._participants = [_own(member) for member in obj._participants]
        own._runtime = type(obj._runtime)(ignore_unhandled_exceptions=False)
        own._output_message_queue = asyncio.Queue()
        own._initialized = own._is_running = False
    return own


def _own_workbench(bench: Any) -> Any:
    tools = getattr(bench, "_tools", ())
    if not any(hasattr(tool, "_task_runner") for tool in tools):
        return bench
    own = copy.copy(bench)
    own._tools = [copy.copy(tool) for tool in tools]
    for tool in own._tools:
        if hasattr(tool, "_task_runner"):
            tool._task_runner = _own(tool._task_runner)
    return own


async def _reset(agent: Any) -> None:
    """What a copy has in common with the object."""
    if getattr(agent, "_termination_condition", None) is not None:
        await agent._termination_condition.reset()
    if hasattr(agent, "_embedded_runtime") and not agent._embedded_runtime:
        await agent.reset()
    elif hasattr(agent, "on_reset") and not hasattr(agent, "_model_context"):
        await agent.on_reset(sys.modules["autogen_core"].CancellationToken())


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


ADAPTER = FrameworkAdapter(
    "autogen",
    matches=lambda obj: hasattr(obj, "run_stream") and (hasattr(obj, "on_messages") or hasattr(obj, "reset")),
    kind=lambda obj: "AutoGen agent" if hasattr(obj, "on_messages") else "AutoGen team",
    converse=lambda obj, first, name: _conversation(obj, first),
    modules=_modules_of_tools,
)
