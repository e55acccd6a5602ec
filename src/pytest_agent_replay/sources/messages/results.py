"""What a tool returned, out of the wrapping that a framework or a source put around it.

Unwrapped is only what cannot be a tool's own value:

- a message of a tool: `tool_call_id` beside `content` (LangChain's `ToolMessage`, dumped, serialised, below `data`,
  or printed), or a part of a known kind (`tool-return`, `tool_call_response`, `tool_result`, …);
- `{"output": M}`, where M is such a message and nothing else is beside it;
- `{"content": [{"type": …}, …]}` of MCP, with `isError` (or its twins), `structuredContent` or `meta` beside;
- LangGraph's `Command`: `update` with `messages` that end in a message of a tool, beside `goto` or `graph`.

Everything else is the value as it is: a tool's own `{"output": …}`, `{"content": "…"}`, `{"data": …}` stay whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pytest_agent_replay.llm.reading import dicts
from pytest_agent_replay.sources.messages.parts import Message, part_kind, part_result, plain_content
from pytest_agent_replay.sources.messages.shapes import read_message
from pytest_agent_replay.sources.messages.texts import read_repr, structure
from pytest_agent_replay.sources.spans import MISSING, Tool

__all__ = ["ToolResult", "read_result", "tool_run"]

_MCP = frozenset({"isError", "is_error", "structuredContent", "structured_content", "meta", "_meta"})
_MCP_KINDS = frozenset({"text", "image", "audio", "resource", "resource_link"})
_COMMAND = frozenset({"graph", "update", "resume", "goto"})


class ToolResult(NamedTuple):
    """What a tool returned, and what its wrapping says about it."""

    value: Any
    call_id: str | None = None
    failed: bool = False
    """The wrapping says that the tool failed; what the value itself says is for `failures.error_in`."""
    name: str | None = None


def read_result(value: Any) -> ToolResult:
    """The result without its wrapping; as it is when it has none. Never raises.

    The content of a message stays text where it is text: it is what the model saw of the result.
    """
    thing = value
    if isinstance(value, str):
        thing = structure(value)
        if thing is None:
            thing = read_repr(value)
    if isinstance(thing, list) and len(thing) == 1 and _is_command(thing[0]):
        thing = thing[0]
    if not isinstance(thing, dict):
        return ToolResult(value)
    try:
        found = _unwrapped(thing)
    except RecursionError:  # nested too deeply: nobody's wrapping
        found = None
    return found if found is not None else ToolResult(value)


def tool_run(name: str, given: Any, made: Any, call_id: str | None = None) -> Tool:
    """The run of a tool: `given` are its arguments by name where it is a mapping, `made` is what came out."""
    tool = Tool(name, call_id=call_id)
    if isinstance(given, dict):
        tool.args = given
    else:
        tool.bare = given
    if made is not MISSING:
        told = read_result(made)
        tool.result, tool.failed, tool.call_id = told.value, told.failed, call_id or told.call_id
    return tool


def _unwrapped(thing: dict[str, Any]) -> ToolResult | None:
    if thing.keys() == {"output"} and isinstance(thing["output"], (dict, list, str)):
        inner = thing["output"]
        read = read_result(inner)
        return read if read != ToolResult(inner) else None
    if _is_command(thing):
        messages = thing["update"].get("messages") if isinstance(thing["update"], dict) else None
        listed = dicts(messages)
        return _message(listed[-1]) if listed else None
    return _mcp(thing) or _message(thing)


def _is_command(thing: Any) -> bool:
    return isinstance(thing, dict) and "update" in thing and len(thing) > 1 and thing.keys() <= _COMMAND | {"type"}


def _message(thing: dict[str, Any]) -> ToolResult | None:
    """A tool's message, or a part that is one."""
    part = part_result(thing)
    if part is not None and part.get("tool_call_id") is not None:
        return _result(part)
    whole = thing.get("kwargs") if thing.get("type") == "constructor" else thing.get("data", thing)
    if not isinstance(whole, dict) or not isinstance(whole.get("tool_call_id"), str) or "content" not in whole:
        return None
    read = read_message({**whole, "role": "tool"})
    return _result(read[0]) if read and len(read) == 1 and read[0]["role"] == "tool" else None


def _result(message: Message) -> ToolResult:
    return ToolResult(
        message["content"], message.get("tool_call_id"), message.get("error") is True, message.get("name")
    )


def _mcp(thing: dict[str, Any]) -> ToolResult | None:
    content = thing.get("content")
    if not isinstance(content, list) or not thing.keys() & _MCP or thing.keys() - _MCP - {"content", "data"}:
        return None
    if not all(part_kind(part) in _MCP_KINDS for part in content):
        return None
    return ToolResult(plain_content(content), failed=bool(thing.get("isError") or thing.get("is_error")))
