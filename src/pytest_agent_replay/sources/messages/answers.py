"""A model's answer in any common shape of a response as one neutral message."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.messages.conversation import read_conversation
from pytest_agent_replay.sources.messages.parts import Message, first, messages_of, part_kind
from pytest_agent_replay.sources.messages.shapes import neutral_role, read_message
from pytest_agent_replay.sources.messages.texts import none_if_too_deep, read_repr, structure

__all__ = ["read_answer", "read_finish_reason"]

_BELOW = (
    "choices",
    "generations",
    "candidates",
    "output_messages",
    "output",
    "message",
    "messages",
    "content",
    "response",
)
_TEXTS = ("text", "output_text", "content", "output", "completion", "response", "generated_text")
_BESIDE_TEXT = frozenset(
    {*_TEXTS, "toolCalls", "tool_calls", "toolResults", "finish_reason", "finishReason", "stop_reason", "index", "id"}
    | {"usage", "logprobs", "model", "object", "created", "generation_info", "type", "done", "reasoning", "refusal"}
    | {"rawFinishReason", "totalUsage", "warnings", "sources", "files", "reasoningText", "providerMetadata", "provider"}
)
"""With anything else beside it, a text is a field of what the model was to write."""
_BLOCKS = frozenset({"text", "output_text", "tool_use", "tool_call", "thinking", "redacted_thinking", "reasoning"})
_DEEPEST = 8


@none_if_too_deep
def read_answer(value: Any) -> Message | None:
    """The assistant's message; None when there is none. Nothing is raised for odd input.

    A text that is no JSON of a response is the answer itself. Of several choices it is the first. Items, messages and
    blocks of one answer are one message; of a whole conversation it is the last message, when it is the assistant's.
    """
    if not isinstance(value, str):
        return _read(value, _DEEPEST) or _read_text(value)
    found = _read(structure(value), _DEEPEST)
    if found is None and (printed := read_repr(value)) is not None:
        found = _answer({"role": "assistant", **printed})
    return found or {"role": "assistant", "content": value}


def read_finish_reason(value: Any) -> str | None:
    """Why the model stopped, in the provider's word: of a response or of its first choice."""
    choices = mapping(value).get("choices")
    first_choice = mapping(choices[0] if isinstance(choices, list) and choices else value)
    reason = first_choice.get("finish_reason", first_choice.get("stop_reason"))
    return reason if isinstance(reason, str) else None


def _read(value: Any, depth: int) -> Message | None:
    if depth == 0:
        return None
    if isinstance(value, list):
        return _read_list(value, depth)
    return _read_mapping(value, depth) if isinstance(value, dict) else None


def _read_list(items: list[Any], depth: int) -> Message | None:
    if not items:
        return None
    if all(part_kind(item) in _BLOCKS and "role" not in item for item in items):
        return _whole(messages_of("assistant", items))
    found = read_conversation(items)
    return _whole(found) if found is not None else _read(items[0], depth - 1)


def _read_mapping(value: dict[str, Any], depth: int) -> Message | None:
    found = _answer(value)
    if found is not None:
        return found
    for key in _BELOW:
        found = _read(value.get(key), depth - 1)
        if found is None and key in ("choices", "generations"):
            found = _read_text(_first(value.get(key)))
        if found is not None:
            return found
    return None


def _first(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _answer(value: dict[str, Any]) -> Message | None:
    """The message that the mapping itself is; Google's candidates and ADK's events have it below `content`."""
    if neutral_role(value.get("role") or value.get("type") or value.get("kind")) is None:
        if "message" in value:
            return None
        value = {"role": "assistant", **value} if isinstance(value.get("parts"), list) else value
    return _whole(read_message(value) or [])


def _whole(messages: list[Message]) -> Message | None:
    """One message of them all when all are the assistant's; else the last, when it is."""
    if not messages or messages[-1]["role"] != "assistant":
        return None
    if any(message["role"] != "assistant" for message in messages):
        return messages[-1]
    whole: Message = {"role": "assistant", "content": _joined([message["content"] for message in messages])}
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    return whole | ({"tool_calls": calls} if calls else {})


def _joined(contents: list[Any]) -> Any:
    told = [content for content in contents if content]
    if len(told) < 2:
        return told[0] if told else contents[-1]
    parts: list[Any] = []
    for content in told:
        parts.extend(content if isinstance(content, list) else [{"type": "text", "text": content}])
    return parts


def _read_text(value: Any) -> Message | None:
    """A completion that is no message: `{text}`, and the Vercel AI SDK's `{text, toolCalls}`."""
    if not isinstance(value, dict):
        return None
    calls = dicts(first(value, ("toolCalls", "tool_calls")))
    text = first(value, _TEXTS)
    if not (calls or isinstance(text, str)) or value.keys() - _BESIDE_TEXT:
        return None
    parts = [*([text] if isinstance(text, str) and text else []), *({"type": "tool-call", **call} for call in calls)]
    return _whole(messages_of("assistant", parts)) or {"role": "assistant", "content": text}
