"""A conversation in any common shape as neutral messages.

What is read: a list of messages (also a list that holds just that list), a text that is the JSON of one, or a mapping
that has it below one of the usual names, with the system prompt and the new message of the user beside. Every item
has to be a message: a list of which only a part could be read is no conversation.
"""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.sources.messages.parts import Message, first, messages_of
from pytest_agent_replay.sources.messages.shapes import read_message
from pytest_agent_replay.sources.messages.texts import none_if_too_deep, read_reprs, read_spoken, structure

__all__ = ["joined_calls", "read_conversation", "with_system"]

_BELOW = (
    "messages",
    "input_messages",
    "llm_input_messages",
    "contents",
    "input",
    "inputs",
    "new_message",
    "prompt",
    "prompts",
    "request",
    "kwargs",
    "args",
)
_EARLIER = ("chat_history", "message_history", "history")
_NOW = ("user_prompt", "input", "question", "query", "prompt", "message")
_SYSTEM = (
    "system",
    "instructions",
    "system_instructions",
    "system_instruction",
    "systemInstruction",
    "system_prompt",
)
_DEEPEST = 6


@none_if_too_deep
def read_conversation(value: Any) -> list[Message] | None:
    """The messages; None when `value` is no conversation. Nothing is raised for odd input.

    A tool message whose source says that the tool failed has `error: true`. A text that is not JSON is a conversation
    only where it is unmistakable (`system: …` and later `user: …` at the beginning of lines, and no tool).
    """
    found = _read(value, _DEEPEST)
    return joined_calls(found) if found else None


def with_system(messages: list[Message] | None, beside: Any) -> list[Message] | None:
    """The messages behind the system prompt that the source keeps `beside` them, among settings; they may have it."""
    if not messages or messages[0]["role"] == "system" or not isinstance(beside, dict):
        return messages
    return [*_system(beside), *messages]


def _read(value: Any, depth: int) -> list[Message] | None:
    if depth == 0:
        return None
    if isinstance(value, str):
        parsed = structure(value)
        return read_spoken(value) if parsed is None else _read(parsed, depth - 1)
    if isinstance(value, list):
        return _read_list(value, depth)
    if not isinstance(value, dict):
        return None
    return _read_mapping(value, depth)


def _read_list(items: list[Any], depth: int) -> list[Message] | None:
    if len(items) == 1 and isinstance(items[0], list):
        return _read(items[0], depth - 1)
    if items and all(isinstance(item, str) for item in items):
        items = read_reprs(items) or []
    messages: list[Message] = []
    for item in items:
        read = read_message(item)
        if read is None:
            return None
        messages.extend(read)
    told = [item["instructions"] for item in items if item.get("kind") == "request" and item.get("instructions")]
    if told:  # Pydantic AI sends the last ones alone, after the system prompts
        head = next((index for index, message in enumerate(messages) if message["role"] != "system"), len(messages))
        messages.insert(head, {"role": "system", "content": told[-1]})
    return messages or None


def _read_mapping(value: dict[str, Any], depth: int) -> list[Message] | None:
    read = _with_history(value, depth)
    if not read:
        alone = read_message(value)
        if alone is not None:
            return alone
        read = _below(value, depth)
    return [*_system(value), *read] if read else None


def _with_history(value: dict[str, Any], depth: int) -> list[Message] | None:
    earlier = first(value, _EARLIER)
    said = first(value, _NOW)
    if not isinstance(earlier, (list, str)):
        return [{"role": "user", "content": said}] if isinstance(value.get("user_prompt"), str) else None
    read = _read(earlier, depth - 1)
    if read is None and earlier:
        return None
    if isinstance(said, str):
        return [*(read or []), {"role": "user", "content": said}]
    return [*(read or []), *(_read(said, depth - 1) or [])] if said is not None else read


def _below(value: dict[str, Any], depth: int) -> list[Message] | None:
    for key in _BELOW:
        if key not in value:
            continue
        inner = value[key]
        if key == "args" and isinstance(inner, list) and len(inner) == 1 and isinstance(inner[0], (str, list)):
            inner = inner[0]
        if key == "contents" and isinstance(inner, dict):
            inner = [inner]
        read = _read(inner, depth - 1)
        if read is None and isinstance(inner, str) and inner and key not in ("kwargs", "request"):
            read = [{"role": "user", "content": inner}]
        if read:
            return read
    return None


def _system(value: dict[str, Any]) -> list[Message]:
    """The system prompt that stands beside the messages (Anthropic, Google, OpenAI's responses API)."""
    config = value.get("config")
    told = first(value, _SYSTEM) or (first(config, _SYSTEM) if isinstance(config, dict) else None)
    if isinstance(told, dict):
        told = told.get("parts")
    if isinstance(told, list):
        return messages_of("system", told)
    return [{"role": "system", "content": told}] if isinstance(told, str) and told else []


def joined_calls(messages: list[Message]) -> list[Message]:
    """Calls without a text belong to the assistant's message before: items beside each other are one answer."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        bare = message["role"] == "assistant" and not message["content"] and message.get("tool_calls")
        if last is not None and bare and last["role"] == "assistant":
            last["tool_calls"] = [*last.get("tool_calls", ()), *message["tool_calls"]]
        else:
            joined.append(message)
    return joined
