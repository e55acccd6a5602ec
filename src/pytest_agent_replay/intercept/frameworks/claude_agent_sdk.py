"""In-process tools of the Claude Agent SDK: `@tool` functions in a server made by `create_sdk_mcp_server`.

Caught is the tool's handler, after the SDK has validated the arguments. A recording may have the name that the model
knows (`mcp__server__tool`) or the tool's own. The model and the built-in tools (Bash, Read, …) are in the process of
the CLI, which nothing here can see; an `mcp.Server` of one's own runs as it is.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, cast

from pytest_agent_replay.intercept.frameworks.calls import catch
from pytest_agent_replay.intercept.frameworks.mcp import blocks, is_result
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.session import Session

__all__ = ["PATCHES"]

Json = Any

_called: weakref.WeakKeyDictionary[Session, dict[str, tuple[str, str | None]]] = weakref.WeakKeyDictionary()
"""The name by which the model called a tool last, and the id of that call: handlers run in a task of their server."""


class _Handler:
    """The attribute `handler` of tools: gives one that answers."""

    def __get__(self, tool: Any, owner: type[Any]) -> Any:
        if tool is None:
            raise AttributeError("handler")
        return _answering(tool.name, tool.__dict__["handler"])

    def __set__(self, tool: Any, handler: Any) -> None:
        tool.__dict__["handler"] = handler


def _answering(tool: str, original: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    @functools.wraps(original)
    async def handler(args: Any) -> Any:
        name, call_id = _name(tool)
        call = catch("claude_agent_sdk", name)
        if call is None:
            return await original(args)
        result = await call.answer_async(args, lambda: original(args), call_id=call_id, shape=_result, value=_value)
        return {**result, "is_error": True} if call.response is not None and call.response.failed else result

    return handler


def _name(tool: str) -> tuple[str, str | None]:
    """The tool as the model calls it, where the file has recordings of that name; else its own name."""
    session = cast("Session | None", current_session(f"a call of the tool {tool!r}"))
    if session is None:
        return tool, None
    name, call_id = _called.get(session, {}).get(tool, (tool, None))
    return (name if session.knows(name) else tool), call_id


def _result(value: Json) -> dict[str, Json]:
    if is_result(value):
        return {"content": value["content"], "is_error": bool(value.get("isError"))}
    return {"content": blocks(value)}


def _value(result: Json) -> Json:
    content = result.get("content", []) if isinstance(result, dict) else []
    texts = [block.get("text") for block in content if block.get("type") == "text"]
    is_text = len(texts) == len(content) == 1 and not result.get("is_error")
    return texts[0] if is_text else {"content": content, "isError": bool(result.get("is_error"))}


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.set(module.SdkMcpTool, "handler", _Handler())


def _patch_query(module: ModuleType, patcher: Patcher) -> None:
    """What the CLI asks the servers of this process for: it knows the server's name, and the model's call."""
    original = module.Query._handle_sdk_mcp_request

    @functools.wraps(original)
    async def handle(self: Any, server_name: str, message: dict[str, Any]) -> Any:
        params = message.get("params") or {}
        session = cast("Session | None", current_session(f"a request to the server {server_name!r}"))
        if session is not None and message.get("method") == "tools/call":
            call_id = (params.get("_meta") or {}).get("claudecode/toolUseId")
            names = _called.setdefault(session, {})
            names[params["name"]] = (f"mcp__{server_name}__{params['name']}", call_id)
        return await original(self, server_name, message)

    patcher.set(module.Query, "_handle_sdk_mcp_request", handle)


PATCHES = {"claude_agent_sdk": _patch_tools, "claude_agent_sdk._internal.query": _patch_query}
