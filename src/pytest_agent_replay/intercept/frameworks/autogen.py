"""AutoGen tools: functions of an `AssistantAgent`, `FunctionTool` and other `BaseTool`s, agents and teams as tools.

Caught is `run` (`run_stream` of streaming tools), which the tool's own code is: validation of the arguments, spans,
the log of events and the workbench's handling of errors are AutoGen's. A workbench that is none of tools, as one for an
MCP server, is caught where it is asked. Handoffs pass; a recording of one is served.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, catch, control_flow, offered
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_asked: ContextVar[tuple[str, str] | None] = ContextVar("agent_replay_autogen_asked", default=None)
"""The name that a workbench's tool has, and the one by which the model knows it."""

_running: ContextVar[tuple[Any, str | None] | None] = ContextVar("agent_replay_autogen_tool", default=None)
"""The tool whose `run_json` is running, and the id of the model's call."""


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.BaseTool, "run_json", _noting)
    patcher.tree(module.BaseTool, "run", _answering)
    patcher.tree(module.BaseStreamTool, "run_json_stream", _noting)
    patcher.tree(module.BaseStreamTool, "run_stream", _answering_stream)


def _patch_workbenches(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.Workbench, "call_tool", _answering_workbench)
    patcher.tree(module.Workbench, "list_tools", _announcing)


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def list_tools(self: Any) -> Any:
        tools = await original(self)
        offered("autogen", [tool["name"] for tool in tools])
        return tools

    return list_tools


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Remembers the id of the call. What is started here runs in a task of its own, or in this one and only."""

    @functools.wraps(original)
    def run_json(self: Any, args: Any, cancellation_token: Any, call_id: str | None = None) -> Any:
        _running.set((self, call_id))
        return original(self, args, cancellation_token, call_id)

    return run_json


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def run(self: Any, args: Any, cancellation_token: Any) -> Any:
        call = _catch(self.name)
        if _is_handoff(self):
            control_flow("autogen", self.name, {}, call_id=_call_id(self))
        if call is None or _is_handoff(self):
            return await original(self, args, cancellation_token)
        return await call.answer_async(real=lambda: original(self, args, cancellation_token), **_asked_of(self, args))

    return run


def _answering_stream(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def run_stream(self: Any, args: Any, cancellation_token: Any) -> AsyncIterator[Any]:
        async def real() -> list[Any]:
            return [item async for item in original(self, args, cancellation_token)]

        call = _catch(self.name)
        if call is None:
            async for item in original(self, args, cancellation_token):
                yield item
            return
        asked = _asked_of(self, args)
        shape, value = asked.pop("shape"), asked.pop("value")
        both: dict[str, Any] = {"shape": lambda given: [shape(given)], "value": lambda items: value(items[-1])}
        for item in await call.answer_async(real=real, **both, **asked):
            yield item

    return run_stream


def _answering_workbench(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call_tool(
        self: Any, name: str, arguments: Any = None, cancellation_token: Any = None, call_id: str | None = None
    ) -> Any:
        own_name = getattr(self, "_override_name_to_original", {}).get(name, name)
        token = _asked.set((own_name, name))
        try:
            real = functools.partial(original, self, name, arguments, cancellation_token, call_id)
            call = None if hasattr(self, "_tools") else _catch(own_name)
            if call is None:
                return await real()
            return await _tool_result(self, name, call, arguments, call_id, real)
        finally:
            _asked.reset(token)

    return call_tool


async def _tool_result(workbench: Any, name: str, call: Call, arguments: Any, call_id: str | None, real: Any) -> Any:
    """As AutoGen's own workbenches do, those for MCP servers among them: a failure is told to the model."""
    tools = sys.modules["autogen_core.tools"]

    def result(value: Any, *, is_error: bool = False) -> Any:
        text = value if isinstance(value, str) else json.dumps(value)
        return tools.ToolResult(name=name, result=[tools.TextResultContent(content=text)], is_error=is_error)

    try:
        value = lambda answered: answered.to_text()  # noqa: E731
        return await call.answer_async(arguments or {}, real, call_id=call_id, shape=result, value=value)
    except Exception as error:
        if not hasattr(workbench, "_format_errors"):
            raise
        return result(workbench._format_errors(error).strip(), is_error=True)


def _catch(own_name: str) -> Call | None:
    """The call by the name that the model knows, unless only the tool's own has recordings."""
    own, known_as = _asked.get() or (own_name, own_name)
    if own != own_name or known_as == own_name:
        return catch("autogen", own_name)
    call = catch("autogen", known_as)
    if call is not None and not call.session.knows(known_as) and call.session.knows(own_name):
        return catch("autogen", own_name)
    return call


def _asked_of(tool: Any, args: Any) -> dict[str, Any]:
    given, is_agent = args.model_dump(exclude_unset=True), hasattr(tool, "_task_runner")
    return {
        "args": given,
        "defaults": {name: value for name, value in args.model_dump().items() if name not in given},
        "call_id": _call_id(tool),
        "function": None if is_agent else getattr(tool, "_func", None) or inspect.unwrap(type(tool).run),
        "shape": functools.partial(_shaped, tool),
        "value": tool.return_value_as_string if is_agent else lambda result: result,
        "is_agent": is_agent,
    }


def _call_id(tool: Any) -> str | None:
    running = _running.get()
    return running[1] if running is not None and running[0] is tool else None


def _is_handoff(tool: Any) -> bool:
    return ".handoff_tool.<locals>." in getattr(getattr(tool, "_func", None), "__qualname__", "")


def _shaped(tool: Any, value: Any) -> Any:
    """The tool's result of what is recorded of it.

    What an agent or a team said that is a tool: AutoGen writes `name: text` of that for the model. Tools of MCP servers
    return blocks.
    """
    if hasattr(tool, "_server_params"):
        text = value if isinstance(value, str) else json.dumps(value)
        return [sys.modules["mcp.types"].TextContent(type="text", text=text)]
    if not hasattr(tool, "_task_runner") or not isinstance(value, str):
        return value
    source, _, text = ("", "", value) if tool._return_value_as_last_message else value.partition(": ")
    said = {"source": source, "content": text} if text and source else {"source": tool.name, "content": value}
    message = sys.modules["autogen_agentchat.messages"].TextMessage(**said)
    return sys.modules["autogen_agentchat.base"].TaskResult(messages=[message])


PATCHES = {"autogen_core.tools._base": _patch_tools, "autogen_core.tools._workbench": _patch_workbenches}
