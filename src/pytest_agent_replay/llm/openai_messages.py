"""Messages and tools of an OpenAI chat request in neutral form. Transcripts on disk have the same shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_agent_replay.llm.reading import clean, dicts, tool_call

__all__ = ["neutral_call", "neutral_message", "neutral_messages", "neutral_tools"]

_ROLES = {"developer": "system", "function": "tool"}


def neutral_messages(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """OpenAI chat messages as neutral ones; what is no mapping is left out."""
    return [neutral_message(message) for message in messages if isinstance(message, dict)]


def neutral_message(message: dict[str, Any]) -> dict[str, Any]:
    """One message. `developer` becomes `system`; the legacy `function` role and `function_call` become tools.

    A refusal is a content part.
    """
    role = str(message.get("role") or "")
    neutral: dict[str, Any] = {"role": _ROLES.get(role, role), "content": _content(message)}
    calls = [neutral_call(call) for call in dicts(message.get("tool_calls"))]
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        calls.append(tool_call(None, legacy.get("name"), legacy.get("arguments")))
    if calls:
        neutral["tool_calls"] = calls
    call_id = message.get("tool_call_id", message.get("id") if role == "tool" else None)
    neutral.update(clean(tool_call_id=call_id if isinstance(call_id, str) else None, name=message.get("name")))
    return neutral


def _content(message: dict[str, Any]) -> Any:
    content, refusal = message.get("content"), message.get("refusal")
    if not isinstance(refusal, str) or not refusal:
        return content
    parts = [] if not content else content if isinstance(content, list) else [{"type": "text", "text": content}]
    return [*parts, {"type": "refusal", "refusal": refusal}]


def neutral_call(call: dict[str, Any]) -> dict[str, Any]:
    """One tool call. It may also lie flat (`{id, name, arguments}`, or `args`), or be neutral already."""
    custom = call.get("custom")
    if isinstance(custom, dict):
        return {"id": call.get("id"), "name": str(custom.get("name") or ""), "raw_args": str(custom.get("input") or "")}
    function = call.get("function")
    named = function if isinstance(function, dict) else call
    return tool_call(call.get("id"), named.get("name"), _arguments(named))


def _arguments(named: dict[str, Any]) -> Any:
    return next((named[key] for key in ("arguments", "args", "raw_args") if named.get(key) is not None), None)


def neutral_tools(tools: Any, functions: Any = None) -> list[dict[str, Any]]:
    """`{name, description, parameters}` of `tools` and of the legacy `functions`; hosted tools go by their type."""
    found: list[dict[str, Any]] = []
    for tool in dicts(tools):
        inner = tool.get("function") or tool.get("custom")
        found.append(_tool(inner) if isinstance(inner, dict) else clean(name=tool.get("name") or tool.get("type")))
    found.extend(_tool(function) for function in dicts(functions))
    return found


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": str(function.get("name") or "")} | clean(
        description=function.get("description"), parameters=function.get("parameters")
    )
