"""Pydantic AI tools: functions (`@agent.tool`, `tools=`, `FunctionToolset`) and toolsets of one's own.

Of a function is caught what the toolset calls in the end (`FunctionToolsetTool.call_func`), so that validation,
approval, hooks, wrapping toolsets, timeouts and retries are Pydantic AI's; of another toolset its `call_tool`. Tools of
MCP servers are answered where the `mcp` client calls them, under the name that the model knows.

Output tools (`final_result`) run as they are, and so do those that search for tools; a recording of such a name is
marked as served. Deferred and built-in (hosted) tools are not called within the process.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import called_as, catch, control_flow, name_of_call, offered
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.values import arguments_to_json, to_json

__all__ = ["PATCHES"]

_PASS_ON = ("WrapperToolset", "CombinedToolset", "DynamicToolset", "MCPToolset", "MCPServer", "FastMCPToolset")
"""Toolsets of Pydantic AI that call something else, which is caught in its turn."""

_OWN_KINDS = ("tool-search", "capability-load")
"""Tools of Pydantic AI itself."""

_is_listing: ContextVar[bool] = ContextVar("agent_replay_pydantic_ai_listing", default=False)


def _patch(module: ModuleType, patcher: Patcher) -> None:
    combined = module.CombinedToolset
    base = next(cls for cls in combined.__mro__ if cls.__name__ == "AbstractToolset")
    patcher.tree(base, "call_tool", _answering)
    patcher.set(combined, "get_tools", _announcing(combined.get_tools))


def _patch_manager(module: ModuleType, patcher: Patcher) -> None:
    patcher.set(module.ToolManager, "validate_output_tool_call", _passing(module.ToolManager.validate_output_tool_call))


def _passing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Output tools of version 2. Parts of their arguments come by here too, while they are streamed."""

    @functools.wraps(original)
    async def validate_output_tool_call(self: Any, call: Any, **options: Any) -> Any:
        validated = await original(self, call, **options)
        if validated.args_valid and not options.get("allow_partial"):
            control_flow("pydantic_ai", call.tool_name, call.args_as_dict(), call_id=call.tool_call_id)
        return validated

    return validate_output_tool_call


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    """An agent's tools, by the names that its model knows: those of the outermost toolset."""

    @functools.wraps(original)
    async def get_tools(self: Any, ctx: Any) -> Any:
        if _is_listing.get():
            return await original(self, ctx)
        token = _is_listing.set(True)
        try:
            tools = await original(self, ctx)
        finally:
            _is_listing.reset(token)
        offered("pydantic_ai", list(tools))
        return tools

    return get_tools


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call_tool(self: Any, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        part = _asked(ctx)
        if tool.tool_def.kind == "output" or getattr(tool.tool_def, "tool_kind", None) in _OWN_KINDS:
            if part is not None:
                control_flow("pydantic_ai", name, part.args_as_dict(), call_id=ctx.tool_call_id)
            return await original(self, name, tool_args, ctx, tool)
        with called_as(part.tool_name if part is not None else name, ctx.tool_call_id):
            if any(cls.__name__ in _PASS_ON and _is_theirs(cls) for cls in type(self).__mro__):
                return await original(self, name, tool_args, ctx, tool)
            known_as = name_of_call(name)

            async def answer(args: dict[str, Any], real: Callable[[], Awaitable[Any]], function: Any = None) -> Any:
                call = catch("pydantic_ai", known_as)
                if call is None:
                    return await real()
                given, defaults = _given(args, part, ctx, tool)
                return await call.answer_async(
                    given, real, call_id=ctx.tool_call_id, defaults=defaults, function=function
                )

            async def call_func(args: dict[str, Any], ctx: Any) -> Any:
                return await answer(args, lambda: tool.call_func(args, ctx), _function(tool))

            if hasattr(tool, "call_func"):
                return await original(self, name, tool_args, ctx, replace(tool, call_func=call_func))
            return await answer(tool_args, lambda: original(self, name, tool_args, ctx, tool))

    return call_tool


def _is_theirs(cls: type[Any]) -> bool:
    return cls.__module__.partition(".")[0] == "pydantic_ai"


def _asked(ctx: Any) -> Any:
    """What the model wrote, where it was the model that called: its last answer has the id of the call."""
    for message in reversed(ctx.messages):
        for part in message.parts:
            if part.part_kind == "tool-call" and part.tool_call_id == ctx.tool_call_id:
                return part
    return None


def _given(args: Any, part: Any, ctx: Any, tool: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the model gave, and what validation added to it. Where a hook has changed it, it is given as changed.

    A function of one model (`args` of version 1) has the fields of that as its arguments.
    """
    changed = args if isinstance(args, dict) else to_json(args)
    if part is None:
        return changed, None
    try:
        context = getattr(ctx, "validation_context", None)
        if tool.args_validator.validate_json(part.args_as_json_str(), context=context) != args:
            return changed, None
    except ValueError:
        return changed, None
    written = part.args_as_dict()
    if not isinstance(args, dict) or not written.keys() & args.keys():
        return written, None
    return written, arguments_to_json({name: value for name, value in args.items() if name not in written})


def _function(tool: Any) -> Any:
    """The Python function behind a tool, for its annotation."""
    return getattr(getattr(tool.call_func, "__self__", None), "function", None)


PATCHES = {"pydantic_ai.toolsets.combined": _patch, "pydantic_ai.tool_manager": _patch_manager}
