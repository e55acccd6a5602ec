"""Haystack's agents and pipelines.

An agent is given the conversation as messages, those of its own runs with the calls of its tools. A pipeline is given a
text by the name of its one open input (or `query`), or as messages; an input that is a mapping is its data. The answer
of a pipeline is what its one last component gives, else the mapping of all that it gives.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["ADAPTER"]


def _is_agent(obj: Any) -> bool:
    return hasattr(obj, "chat_generator")


def _is_async(obj: Any) -> bool:
    return hasattr(obj, "run_async") and (not _is_agent(obj) or hasattr(obj.chat_generator, "run_async"))


class _Conversation:
    """One session; a subclass says what is given, and what the result says."""

    def __init__(self, obj: Any, is_async: bool, title: str) -> None:
        self._obj = obj
        self._title = title
        self.ask: Callable[[TurnInput], Any] = self._ask_async if is_async else self._ask
        if hasattr(obj, "warm_up"):
            obj.warm_up()

    def _ask(self, turn: TurnInput) -> Any:
        return self.answer(self._obj.run(**self.given(turn)))

    async def _ask_async(self, turn: TurnInput) -> Any:
        return self.answer(await self._obj.run_async(**self.given(turn)))

    def given(self, turn: TurnInput) -> dict[str, Any]:
        raise NotImplementedError

    def answer(self, result: Any) -> Any:
        raise NotImplementedError


class _Talk(_Conversation):
    """With an `Agent`."""

    _said: list[Any] | None = None

    def given(self, turn: TurnInput) -> dict[str, Any]:
        if isinstance(turn.input, Mapping):
            return dict(turn.input)
        before = _messages(opening(turn)) if self._said is None else self._said
        return {"messages": [*before, *_messages([{"role": "user", "content": turn.input}])]}

    def answer(self, result: Any) -> Any:
        told = len(self._said or ())
        messages = list(result["messages"])
        # its own system message is put before the others in each run
        self._said = messages[1:] if getattr(self._obj, "system_prompt", None) else messages
        return SimpleNamespace(final_output=_text(messages), usage=_usage(self._said[told:]))


class _Pipeline(_Conversation):
    """With a `Pipeline`."""

    def given(self, turn: TurnInput) -> dict[str, Any]:
        if isinstance(turn.input, Mapping):
            return {"data": dict(turn.input)}
        found = self._obj.inputs().values()
        names = {name for inputs in found for name, each in inputs.items() if each["is_mandatory"]}
        if names == {"messages"}:
            return {"data": {"messages": _messages([*opening(turn), {"role": "user", "content": turn.input}])}}
        if len(names) == 1 or "query" in names:
            return {"data": {(next(iter(names)) if len(names) == 1 else "query"): turn.input}}
        raise AgentError(
            f"{self._title} has the inputs {', '.join(sorted(names)) or '(none)'}, and which of them takes the text is "
            "not known: write the replay's `input` as a mapping"
        )

    def answer(self, result: Any) -> Any:
        value = result
        while isinstance(value, Mapping) and len(value) == 1:
            value = next(iter(value.values()))
        replies = value if isinstance(value, list) else [value]
        if replies and all(hasattr(reply, "tool_calls") and hasattr(reply, "text") for reply in replies):
            return SimpleNamespace(final_output=_text(replies), usage=_usage(replies))
        return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else value


def _messages(messages: Sequence[Mapping[str, str]]) -> list[Any]:
    kind = sys.modules["haystack.dataclasses"].ChatMessage
    make = {"system": kind.from_system, "developer": kind.from_system, "assistant": kind.from_assistant}
    return [make.get(message["role"], kind.from_user)(message["content"]) for message in messages]


def _text(messages: Sequence[Any]) -> str | None:
    said = [message.text for message in messages if str(message.role.value) == "assistant"]
    return said[-1] if said else None


def _usage(messages: Sequence[Any]) -> dict[str, int] | None:
    used = [usage for message in messages if (usage := message.meta.get("usage"))]
    if not used:
        return None
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    return {ours: sum(usage.get(theirs) or 0 for usage in used) for ours, theirs in names.items()}


ADAPTER = FrameworkAdapter(
    "haystack",
    matches=lambda obj: hasattr(obj, "chat_generator") or (hasattr(obj, "inputs") and hasattr(obj, "add_component")),
    kind=lambda obj: "Haystack agent" if _is_agent(obj) else "Haystack pipeline",
    converse=lambda obj, first, name: (
        (_Talk if _is_agent(obj) else _Pipeline)(obj, _is_async(obj), f"agent {name!r}").ask
    ),
    is_async=_is_async,
)
