"""Compiled LangGraph graphs, `create_agent` of LangChain among them, and entrypoints of its functional API.

An input that is text becomes the user's message where the graph's state has `messages`, else the value of its one key
(or of `input`); an input that is a mapping is the state itself. After an interrupt the next turn's input is what the
graph is resumed with. The answer is, in this order: the value of an interrupt, the structured response, the last
message of the model, the state.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["ADAPTER", "before", "text_key"]

_INTERRUPTS = "__interrupt__"


def _conversation(graph: Any, title: str) -> Callable[[TurnInput], Awaitable[Any]]:
    waits = False
    counted: set[str] = set()

    async def ask(turn: TurnInput) -> Any:
        nonlocal waits
        given = sys.modules["langgraph.types"].Command(resume=turn.input) if waits else _state(graph, turn, title)
        state = await graph.ainvoke(given, {"configurable": {"thread_id": turn.session_id}})
        waits = isinstance(state, Mapping) and bool(state.get(_INTERRUPTS))
        return SimpleNamespace(final_output=_answer(state), usage=_usage(state, counted))

    return ask


def _state(graph: Any, turn: TurnInput, title: str) -> Any:
    """What the graph is given. A graph with a checkpointer remembers what came before."""
    builder = getattr(graph, "builder", None)  # a function that is an entrypoint has none
    if builder is None or isinstance(turn.input, Mapping):
        return turn.input
    keys = list(builder.schemas[builder.input_schema])
    if keys == ["__root__"]:
        return turn.input
    if "messages" not in keys:
        return {text_key(keys, title): turn.input}
    remembered = bool(graph.checkpointer) and turn.turn > 1
    return {"messages": [*([] if remembered else before(turn)), {"role": "user", "content": turn.input}]}


def before(turn: TurnInput) -> list[dict[str, Any]]:
    """The messages before the turn's own: the context, where that is text or messages, and the history."""
    context = turn.context if isinstance(turn.context, list) else []
    if isinstance(turn.context, str):
        context = [{"role": "system", "content": turn.context}]
    return [*context, *turn.history]


def text_key(keys: Sequence[str], title: str) -> str:
    """The key under which an input that is text is given. Raises `AgentError` where that cannot be known."""
    if len(keys) == 1 or "input" in keys:
        return keys[0] if len(keys) == 1 else "input"
    names = ", ".join(map(repr, keys)) or "none"
    raise AgentError(
        f"{title} takes no messages, and which of its keys takes the text is not known ({names}): write "
        "the replay's `input` as a mapping"
    )


def _answer(state: Any) -> Any:
    if not isinstance(state, Mapping):
        return state
    if state.get(_INTERRUPTS):
        values = [interrupt.value for interrupt in state[_INTERRUPTS]]
        return values[0] if len(values) == 1 else values
    structured = state.get("structured_response")
    return state if structured is None else structured


def _usage(state: Any, counted: set[str]) -> dict[str, int] | None:
    """The tokens of the model's messages that are new in the state."""
    messages = state.get("messages") if isinstance(state, Mapping) else None
    total: dict[str, int] = {}
    for message in messages if isinstance(messages, list) else []:
        usage = getattr(message, "usage_metadata", None)
        if not usage or message.id in counted:
            continue
        counted.add(message.id)
        for name in ("input_tokens", "output_tokens"):
            total[name] = total.get(name, 0) + usage[name]
    return total or None


ADAPTER = FrameworkAdapter(
    "langgraph",
    matches=lambda obj: hasattr(obj, "ainvoke") and hasattr(obj, "checkpointer"),
    kind="LangGraph graph",
    converse=lambda obj, first, name: _conversation(obj, f"agent {name!r}"),
)
