"""Digests of model requests, by which a recorded answer is found again.

A digest is `sha256:` and the hexadecimal SHA-256 of the ASCII text of a canonical JSON value: keys sorted by code
point, no white space, everything but ASCII escaped as `\\uXXXX` (Python: `json.dumps(value, sort_keys=True,
separators=(",", ":"))`), and numbers without a fraction written as integers (`2.0` is `2`). The canonical values:

`system`
    The content parts of the system (or developer) messages at the head of the request, in one list.

`messages`
    The list of all other messages:

    - `{"role": "user", "content": PARTS}` (`system` likewise when it stands later), and `"name"` when the
      message has one;
    - `{"role": "assistant", "content": PARTS}`, with `"tool_calls": [{"name": …, "args": {…}}]` when it has
      calls. Arguments are parsed; text that is no JSON object stands as `"raw_args"` instead. A message without
      content and without calls says nothing and is left out;
    - `{"role": "tool", "call": N, "content": PARTS}`. Ids do not count: N is the number of the answered call
      among all calls of the conversation, from 1: the call with this id in the nearest message before that is
      not answered yet, or without an id the first open call of that name. `null`, and then with the message's
      `"name"`, when there is none. The tool messages that follow each other are sorted by N: parallel calls may
      end in any order.

`tools`
    A list, sorted by name, of `{"name", "description", "parameters"}`; what is null or empty is left out.

PARTS is a list. A string is one text part; null, `""` and empty text parts are no part. A text part is
`{"text": …}` whatever its type (`text`, `input_text`, `output_text`), a refusal `{"refusal": …}`, any other part
itself without its null values and without `cache_control`, and content that is neither text nor a list
`{"json": …}`.

The model's name is compared as it is. Sampling settings do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pytest_agent_replay.formats.replay import LlmRequestDigests
from pytest_agent_replay.llm.neutral import ModelRequest

__all__ = [
    "PARTS",
    "Part",
    "canonical_messages",
    "canonical_system",
    "canonical_tools",
    "differing_parts",
    "digest",
    "digests",
    "request_digests",
]

Part = Literal["model", "system", "messages", "tools"]
PARTS: tuple[Part, ...] = ("model", "system", "messages", "tools")
Message = Mapping[str, Any]


def digest(canonical: Any) -> str:
    """The digest of a canonical value."""
    text = json.dumps(_plain_numbers(canonical), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def digests(request: ModelRequest) -> LlmRequestDigests:
    """All four parts of a request."""
    return request_digests(request.messages, tools=request.tools, model=request.model)


def request_digests(
    messages: Sequence[Message], *, tools: Sequence[Message] | None = None, model: str | None = None
) -> LlmRequestDigests:
    """The digests of neutral messages; `tools` and `model` only where they are known."""
    return LlmRequestDigests(
        model=model,
        system=digest(canonical_system(messages)),
        messages=digest(canonical_messages(messages)),
        tools=None if tools is None else digest(canonical_tools(tools)),
    )


def differing_parts(recorded: LlmRequestDigests, actual: LlmRequestDigests) -> list[Part]:
    """The parts that the recording gives and in which the actual request is another."""
    return [part for part in PARTS if getattr(recorded, part) not in (None, getattr(actual, part))]


def canonical_system(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The canonical form of the system prompt."""
    return [part for message in messages[: _head(messages)] for part in _parts(message.get("content"))]


def canonical_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The canonical form of everything after the system prompt."""
    return _Conversation().canonical(messages[_head(messages) :])


def canonical_tools(tools: Sequence[Message]) -> list[dict[str, Any]]:
    """The canonical form of the tools that a request offers."""
    kept = [{key: tool[key] for key in ("name", "description", "parameters") if tool.get(key)} for tool in tools]
    return sorted(kept, key=lambda tool: str(tool.get("name", "")))


def _head(messages: Sequence[Message]) -> int:
    """How many messages the system prompt takes."""
    for index, message in enumerate(messages):
        if message.get("role") != "system":
            return index
    return len(messages)


class _OpenCall(NamedTuple):
    """A call that no tool message has answered yet; `message` is the position of the message that asked for it."""

    number: int
    message: int
    id: str | None
    name: str | None


class _Conversation:
    """Numbers the calls while it walks through the messages."""

    def __init__(self) -> None:
        self.calls = 0
        self.open: list[_OpenCall] = []
        self.result: list[dict[str, Any]] = []
        self.tools: list[dict[str, Any]] = []

    def canonical(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        for message in messages:
            if message.get("role") == "tool":
                self.tools.append(self._tool(message))
                continue
            self._end_of_tools()
            said = self._said(message)
            if said is not None:
                self.result.append(said)
        self._end_of_tools()
        return self.result

    def _end_of_tools(self) -> None:
        self.tools.sort(key=lambda tool: (tool["call"] is None, tool["call"] or 0))
        self.result.extend(self.tools)
        self.tools = []

    def _said(self, message: Message) -> dict[str, Any] | None:
        said: dict[str, Any] = {"role": message.get("role"), "content": _parts(message.get("content"))}
        calls = message.get("tool_calls") or []
        if said["role"] == "assistant" and not said["content"] and not calls:
            return None
        if message.get("name"):
            said["name"] = message["name"]
        if calls:
            said["tool_calls"] = [self._call(call) for call in calls]
        return said

    def _call(self, call: Message) -> dict[str, Any]:
        self.calls += 1
        self.open.append(_OpenCall(self.calls, len(self.result), call.get("id"), call.get("name")))
        if call.get("args") is None and call.get("raw_args") is not None:
            return {"name": call.get("name"), "raw_args": call["raw_args"]}
        return {"name": call.get("name"), "args": call.get("args") or {}}

    def _tool(self, message: Message) -> dict[str, Any]:
        number = self._answered(message.get("tool_call_id"), message.get("name"))
        tool: dict[str, Any] = {"role": "tool", "call": number, "content": _parts(message.get("content"))}
        if number is None and message.get("name"):
            tool["name"] = message["name"]
        return tool

    def _answered(self, call_id: str | None, name: str | None) -> int | None:
        """The number of the open call that a tool message answers."""
        if call_id is None:
            fitting = [call for call in self.open if call.name == name]
        else:
            fitting = [call for call in self.open if call.id == call_id]
            nearest = max((call.message for call in fitting), default=0)
            fitting = [call for call in fitting if call.message == nearest]
            fitting = [call for call in fitting if call.name == name] or fitting
        if not fitting:
            return None
        self.open.remove(fitting[0])
        return fitting[0].number


def _parts(content: Any) -> list[dict[str, Any]]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        return [{"json": content}]
    return [part for item in content if (part := _part(item)) is not None]


def _part(item: Any) -> dict[str, Any] | None:
    if isinstance(item, str):
        return {"text": item} if item else None
    if not isinstance(item, Mapping):
        return {"json": item}
    if item.get("type") in (None, "text", "input_text", "output_text") and isinstance(item.get("text"), str):
        return {"text": item["text"]} if item["text"] else None
    if isinstance(item.get("refusal"), str):
        return {"refusal": item["refusal"]}
    return {key: value for key, value in item.items() if value is not None and key != "cache_control"}


def _plain_numbers(value: Any) -> Any:
    """JSON does not tell 2 from 2.0, and writers disagree."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_numbers(item) for item in value]
    return value
