"""One message in any common shape as neutral ones.

A message that is several in neutral form (tool results beside text) becomes several; one that says nothing to the
model (a thought, a reference, a tool's definition that Langfuse lists among the messages) becomes none.
"""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.openai_messages import neutral_message
from pytest_agent_replay.llm.reading import clean, dicts, mapping
from pytest_agent_replay.sources.messages.parts import (
    Message,
    first,
    messages_of,
    part_call,
    part_kind,
    part_result,
    part_thought,
    plain_content,
)

__all__ = ["neutral_role", "read_message"]

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "request": "user",
    "response": "assistant",
    "functionexecutionresult": "tool",
}
"""By what the shapes call them; `request` and `response` are Pydantic AI's kinds of messages, the last is AutoGen's."""
_LANGCHAIN = frozenset({"human", "ai", "system", "tool", "function", "chat"})
_CONTENTS = ("content", "text", "contents")
_SILENT_ITEMS = frozenset(
    {"item_reference", "compaction", "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"}
    | {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "computer_call"}
    | {"computer_call_output", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"}
    | {"apply_patch_call", "apply_patch_call_output"}
)
"""Items of OpenAI's responses API that are read of no request either."""


def read_message(item: Any) -> list[Message] | None:
    """The neutral messages that `item` is; None when it is no message."""
    if not isinstance(item, dict):
        return None
    whole = _unwrapped(item)
    for read in (_read_item, _read_parts, _read_chat):
        found = read(whole)
        if found is not None:
            return found
    return None


def neutral_role(name: Any) -> str | None:
    """`system`, `user`, `assistant` or `tool`, whatever the shape calls it (`human`, `AIMessageChunk`, `model`, …)."""
    if not isinstance(name, str):
        return None
    short = name.rpartition(".")[2].lower().removesuffix("chunk").removesuffix("message")
    return _ROLES.get(short)


# -- what is around a message


def _unwrapped(item: dict[str, Any]) -> dict[str, Any]:
    """The message itself: out of LangChain's serialised form and its `data`, and of OpenInference's names."""
    if item.get("type") == "constructor" and isinstance(item.get("kwargs"), dict) and isinstance(item.get("id"), list):
        name = item["id"][-1] if item["id"] else None
        return {"type": name, **clean(**item["kwargs"])}
    if isinstance(item.get("data"), dict) and part_kind(item) in _LANGCHAIN:
        return {**item["data"], "type": item["type"]}
    if any(isinstance(key, str) and key.startswith("message.") for key in item):
        return _openinference({key.removeprefix("message."): value for key, value in item.items()})
    inner = item.get("message")
    if isinstance(inner, dict) and neutral_role(inner.get("role")) and "content" not in item:
        return _openinference(inner)
    return item


def _openinference(message: dict[str, Any]) -> dict[str, Any]:
    """`tool_calls` are `{"tool_call": {…}}` or `{"tool_call.function.name": …}`, contents likewise."""
    whole = dict(message)
    if "tool_calls" in whole:
        whole["tool_calls"] = [_nested(_within(call, "tool_call")) for call in dicts(whole["tool_calls"])]
    if "contents" in whole and not whole.get("content"):
        whole["content"] = [_within(part, "message_content") for part in dicts(whole.pop("contents"))]
    legacy = {key.removeprefix("function_call_"): whole[key] for key in whole if key.startswith("function_call_")}
    if legacy.get("name"):
        whole["function_call"] = {"name": legacy["name"], "arguments": legacy.get("arguments_json")}
    return whole


def _within(item: dict[str, Any], name: str) -> dict[str, Any]:
    inner = item.get(name)
    return inner if isinstance(inner, dict) else {key.removeprefix(f"{name}."): value for key, value in item.items()}


def _nested(call: dict[str, Any]) -> dict[str, Any]:
    function = {key.removeprefix("function."): call[key] for key in call if key.startswith("function.")}
    return {"id": call.get("id"), "function": function} if function else call


# -- shapes


def _read_item(item: dict[str, Any]) -> list[Message] | None:
    """An item of OpenAI's responses API that is no message; calls hang on the assistant's message before."""
    kind = item.get("type")
    if "role" in item or not isinstance(kind, str):
        return None
    if kind in ("function_call", "custom_tool_call"):
        call = part_call(item)
        return [{"role": "assistant", "content": None, "tool_calls": [call]}]
    if kind in ("function_call_output", "custom_tool_call_output"):
        result = part_result(item)
        return None if result is None else [result]
    if kind in _SILENT_ITEMS or (kind == "reasoning" and part_thought(item) is not None):
        return []
    return None


def _read_parts(item: dict[str, Any]) -> list[Message] | None:
    """Parts of GenAI's conventions, of Gemini and Pydantic AI, and LlamaIndex's blocks."""
    parts = first(item, ("parts", "blocks"))
    if isinstance(parts, str):
        parts = [{"text": parts}]
    kind = item.get("role") or item.get("kind") or _kind_of_parts(parts)
    role = neutral_role(kind)
    if role is None or not isinstance(parts, list):
        return None
    return _with_calls(messages_of(role, parts), role, item)


def _kind_of_parts(parts: Any) -> str | None:
    """Google leaves out the role of a user; Pydantic AI's messages have no kind in old versions."""
    kinds = {part_kind(part) for part in dicts(parts)}
    if kinds & {"system_prompt", "user_prompt", "tool_return", "retry_prompt"}:
        return "request"
    return "user" if kinds == {""} else None


def _read_chat(item: dict[str, Any]) -> list[Message] | None:
    """`{role, content}` with OpenAI's, LangChain's or a provider's keys beside."""
    role = neutral_role(item.get("role") or item.get("type"))
    if (
        _has_printed_calls(item)
        or role is None
        or not (any(key in item for key in _CONTENTS) or item.get("tool_calls"))
    ):
        return None
    content = first(item, _CONTENTS)
    if role == "tool":
        return _tool_message(item, content)
    parts = content if isinstance(content, list) else None
    if parts is None:
        return _with_calls([{"role": role, "content": content}], role, item)
    return _with_calls(messages_of(role, parts), role, item)


def _has_printed_calls(item: dict[str, Any]) -> bool:
    """Calls that somebody wrote down as text cannot be read, and a message without them is another one."""
    more = item.get("additional_kwargs")
    listed = [place.get("tool_calls") for place in (item, more) if isinstance(place, dict)]
    return any(isinstance(calls, list) and len(dicts(calls)) < len(calls) for calls in listed)


def _tool_message(item: dict[str, Any], content: Any) -> list[Message]:
    if _is_definition(content):
        return []
    if isinstance(content, list) and content:
        if all(isinstance(part, dict) and isinstance(part.get("function"), dict) for part in content):
            return messages_of("assistant", content)  # Koog's calls
        results = [part_result(part) for part in content]
        if all(result is not None and "tool_call_id" in result for result in results):
            return [result for result in results if result is not None]
    whole = {**mapping(item.get("additional_kwargs")), **clean(**item), "role": "tool"}
    message = {**neutral_message(whole), "content": plain_content(content)}
    if item.get("status") == "error" or item.get("error") is True or item.get("is_error") is True:
        message["error"] = True
    return [message]


def _is_definition(content: Any) -> bool:
    """Langfuse's callback lists the tools among the messages."""
    if not isinstance(content, dict) or content.get("type") != "function":
        return False
    function = content.get("function")
    return isinstance(function, dict) and "name" in function and "arguments" not in function


def _with_calls(messages: list[Message], role: str, item: dict[str, Any]) -> list[Message]:
    """The messages with what stands beside the content: calls, a refusal, a name."""
    beside = _beside(item)
    if not any(beside.values()):
        return messages
    if not messages or messages[-1]["role"] != role:
        messages.append({"role": role, "content": None})
    last = messages[-1]
    calls = beside["tool_calls"]
    known = {call["id"] for call in calls} - {None}
    # LangChain repeats the calls that stand in the content of a provider, and has them whole also after a stream
    calls = [*calls, *(call for call in last.get("tool_calls", ()) if call["id"] not in known)]
    if calls:
        last["tool_calls"] = calls
    if beside.get("name"):
        last["name"] = beside["name"]
    if beside.get("refusal"):
        last["content"] = neutral_message({"content": last["content"], "refusal": beside["refusal"]})["content"]
    return messages


def _beside(item: dict[str, Any]) -> dict[str, Any]:
    """The calls may lie in LangChain's `additional_kwargs`, with the invalid ones beside, and be repeated there."""
    extra = mapping(item.get("additional_kwargs"))
    calls = [*dicts(item.get("tool_calls")), *dicts(item.get("invalid_tool_calls"))]
    given = {
        "tool_calls": calls or extra.get("tool_calls"),
        "function_call": item.get("function_call") or (None if calls else extra.get("function_call")),
    }
    read = neutral_message(given)
    name = item.get("name")
    return {
        "tool_calls": read.get("tool_calls", []),
        "name": name if isinstance(name, str) else None,
        "refusal": item.get("refusal") or extra.get("refusal"),
    }
