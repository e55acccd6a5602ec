"""Semantic Kernel: a `ChatCompletionAgent` or another agent, and orchestrations of them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]


def _is_agent(obj: Any) -> bool:
    return hasattr(obj, "get_response") and hasattr(obj, "invoke_stream")


def _conversation(agent: Any, first: TurnInput) -> Callable[[TurnInput], Awaitable[Any]]:
    before, thread = opening(first), None

    async def ask(turn: TurnInput) -> Any:
        nonlocal thread
        messages = _messages(before, turn)
        before.clear()
        response = await agent.get_response(messages=messages, thread=thread)
        thread = response.thread
        return response

    return ask


def _orchestrated(orchestration: Any) -> Callable[[TurnInput], Awaitable[Any]]:
    """Orchestrations have no memory: every turn is told what was said before it."""

    async def ask(turn: TurnInput) -> Any:
        said = [m for m in turn.history if m["role"] in ("user", "assistant") and isinstance(m.get("content"), str)]
        # a module of the framework that made the object; it need not have been needed so far
        runtime = import_module("semantic_kernel.agents.runtime").InProcessRuntime()
        runtime.start()
        try:
            result = await orchestration.invoke(_messages(opening(replace(turn, history=said)), turn), runtime)
            return await result.get()
        finally:
            await runtime.stop_when_idle()

    return ask


def _messages(before: list[dict[str, str]], turn: TurnInput) -> list[Any]:
    said = turn.input if isinstance(turn.input, list) else [{"role": "user", "content": turn.input}]
    content = sys.modules["semantic_kernel.contents"].ChatMessageContent
    return [content(role=m["role"], content=m["content"]) if isinstance(m, dict) else m for m in (*before, *said)]


ADAPTER = FrameworkAdapter(
    "semantic_kernel",
    matches=lambda obj: _is_agent(obj) or any(cls.__name__ == "OrchestrationBase" for cls in type(obj).__mro__),
    kind=lambda obj: "Semantic Kernel agent" if _is_agent(obj) else "Semantic Kernel orchestration",
    converse=lambda obj, first, name: _conversation(obj, first) if _is_agent(obj) else _orchestrated(obj),
)
