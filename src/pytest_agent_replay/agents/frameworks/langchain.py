"""LangChain's Runnables: a chain (`prompt | model | parser`), a model, an `AgentExecutor`, one with message history.

An input that is text is the value of the one key that the chain takes (or of `input`), beside `chat_history` or
`history`; a chain without keys takes the text itself, one of messages the messages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter
from pytest_agent_replay.agents.frameworks.langgraph import before, text_key
from pytest_agent_replay.agents.model import TurnInput

__all__ = ["ADAPTER"]

_HISTORY = ("chat_history", "history")
_OWN = ("agent_scratchpad", "intermediate_steps")
"""Keys that an agent fills in itself."""


def _conversation(chain: Any, title: str) -> Callable[[TurnInput], Awaitable[Any]]:
    async def ask(turn: TurnInput) -> Any:
        config = {"configurable": {"session_id": turn.session_id, "thread_id": turn.session_id}}
        return _answer(chain, await chain.ainvoke(_input(chain, turn, title), config))

    return ask


def _input(chain: Any, turn: TurnInput, title: str) -> Any:
    if isinstance(turn.input, Mapping):
        return turn.input
    keys, takes_messages = _keys(chain)
    messages = [*before(turn), {"role": "user", "content": turn.input}]
    if not keys:
        return messages if takes_messages and len(messages) > 1 else turn.input
    if "messages" in keys:
        return {"messages": messages}
    given = {name: before(turn) for name in _HISTORY if name in keys}
    rest = [name for name in keys if name not in (*_HISTORY, *_OWN)]
    return {text_key(rest, title): turn.input, **given}


def _keys(chain: Any) -> tuple[list[str], bool]:
    """The keys of its input, and whether what it takes is messages."""
    if hasattr(chain, "input_keys"):
        return list(chain.input_keys) or ["input", "chat_history"], False  # an `AgentExecutor` does not say its own
    try:
        schema = chain.get_input_schema().model_json_schema()
    except Exception:  # a type without a JSON Schema, of the chain's own: it is no mapping of known keys
        return [], False
    return list(schema.get("properties") or {}), "HumanMessage" in schema.get("$defs", {})


def _answer(chain: Any, value: Any) -> Any:
    """The output of a chain that returns its input too."""
    if not isinstance(value, Mapping):
        return value
    keys = getattr(chain, "output_keys", None) or (["output"] if "input" in value else [])
    return value[keys[0]] if keys and keys[0] in value else value


ADAPTER = FrameworkAdapter(
    "langchain",
    matches=lambda obj: hasattr(obj, "ainvoke") and hasattr(obj, "get_input_schema"),
    kind="LangChain Runnable",
    converse=lambda obj, first, name: _conversation(obj, f"agent {name!r}"),
)
