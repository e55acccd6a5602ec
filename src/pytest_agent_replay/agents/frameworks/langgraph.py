"""Compiled LangGraph graphs, `create_agent` of LangChain among them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAgent
from pytest_agent_replay.agents.model import Agent, TurnInput

__all__ = ["ADAPTER"]


class _Adapter:
    name = "langgraph"

    def matches(self, obj: Any) -> bool:
        return hasattr(obj, "ainvoke") and hasattr(obj, "checkpointer")

    def make(self, obj: Any, *, name: str, module_names: Sequence[str]) -> Agent:
        return FrameworkAgent(
            obj,
            lambda first: _conversation(obj),
            name=name,
            kind="LangGraph graph",
            is_async=True,  # tools may be sync or async there, while `invoke` has no async ones
            module_names=module_names,
        )


def _conversation(graph: Any) -> Callable[[TurnInput], Awaitable[Any]]:
    async def ask(turn: TurnInput) -> Any:
        config = {"configurable": {"thread_id": turn.session_id}}
        return await graph.ainvoke(_state(graph, turn), config)

    return ask


def _state(graph: Any, turn: TurnInput) -> Any:
    """The input as messages, unless it is a state itself. A graph with a checkpointer remembers what came before."""
    if isinstance(turn.input, Mapping):
        return turn.input
    before = [] if graph.checkpointer else turn.history
    context = turn.context if isinstance(turn.context, list) else _system(turn.context)
    if graph.checkpointer and turn.turn > 1:
        context = []
    return {"messages": [*context, *before, {"role": "user", "content": turn.input}]}


def _system(context: Any) -> list[dict[str, Any]]:
    return [{"role": "system", "content": context}] if isinstance(context, str) else []


ADAPTER = _Adapter()
