"""LlamaIndex agents (`FunctionAgent`, `ReActAgent`, `CodeActAgent`), an `AgentWorkflow`, any other `Workflow`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]


def _conversation(workflow: Any) -> Callable[[TurnInput], Awaitable[Any]]:
    """All turns share one `Context`, which may be made on a loop only, and the agents' memory."""
    module = sys.modules.get("llama_index.core.workflow") or sys.modules["workflows"]
    is_agent = any(hasattr(workflow, name) for name in ("get_tools", "tools"))
    contexts: list[Any] = []
    memory = _memory(workflow) if is_agent else None

    async def ask(turn: TurnInput) -> Any:
        given = _message(turn, memory, is_first=not contexts) if is_agent else _start(workflow, turn)
        contexts[:] = contexts or [module.Context(workflow)]
        return await workflow.run(**given, ctx=contexts[0])

    return ask


def _memory(agent: Any) -> Any:
    """What an agent that is given no memory makes for itself. Its context does not keep that in all versions."""
    first = agent if hasattr(agent, "llm") else agent.agents[agent.root_agent]
    return sys.modules["llama_index.core.memory"].ChatMemoryBuffer.from_defaults(llm=first.llm)


def _message(turn: TurnInput, memory: Any, *, is_first: bool) -> dict[str, Any]:
    """What an agent is asked."""
    if isinstance(turn.input, Mapping):
        return {"memory": memory, **turn.input}
    message = sys.modules["llama_index.core.llms"].ChatMessage
    before = [message(**each) for each in opening(turn)] if is_first else []
    return {"user_msg": turn.input, "memory": memory, **({"chat_history": before} if before else {})}


def _start(workflow: Any, turn: TurnInput) -> dict[str, Any]:
    """The fields of a workflow's start event: the input itself, or `input`, or the only field that there is."""
    if isinstance(turn.input, Mapping):
        return dict(turn.input)
    fields = list(getattr(getattr(workflow, "_start_event_class", None), "model_fields", ()))
    return {fields[0] if len(fields) == 1 else "input": turn.input}


ADAPTER = FrameworkAdapter(
    "llama_index",
    matches=lambda obj: hasattr(obj, "run") and hasattr(type(obj), "add_step"),
    kind="LlamaIndex workflow",
    converse=lambda obj, first, name: _conversation(obj),
)
