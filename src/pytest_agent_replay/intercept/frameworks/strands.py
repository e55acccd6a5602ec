"""Strands tools: `@tool`, module tools (`TOOL_SPEC`), tools of MCP servers, agents as tools, one's own `AgentTool`.

Caught is `AgentTool.stream` of every class. A tool that is made of a function is copied with another function in it,
so that validation of the arguments, injected parameters, hooks and the making of the result are Strands'. Tools of MCP
servers are answered where the `mcp` client calls them, any other tool as a whole. A structured answer, the handoff of a
swarm and the tool that stops an agent are control flow: they run. So does an agent that is a tool, unless it is
recorded.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, called_as, catch, control_flow
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_FRAMEWORK = "strands"
_INJECTED = frozenset(("agent", "tool_context"))
_CONTROL = ("strands.multiagent.", "strands.vended_tools.stop", "strands.tools.structured_output.")
"""Modules whose tools only steer the agent."""
_AGENTS = ("strands.agent.", "strands.vended_tools.subagent")
"""Modules whose tools are agents."""
_SHADOW = "_agent_replay_shadow"

_Stream = Callable[..., AsyncIterator[Any]]


def _patch(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.AgentTool, "stream", _answering)


def _answering(original: _Stream) -> _Stream:
    @functools.wraps(original)
    async def stream(self: Any, tool_use: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call = None if getattr(self, _SHADOW, False) else catch(_FRAMEWORK, self.tool_name)
        if call is None:
            events = original(self, tool_use, *args, **kwargs)
        else:
            events = _answered(call, self, tool_use, lambda tool: original(tool, tool_use, *args, **kwargs))
        async with aclosing(events) as closing:  # type: ignore[type-var]
            async for event in closing:
                yield event

    return stream


def _answered(call: Call, tool: Any, tool_use: Any, run: Callable[[Any], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """What a call yields. `run` runs a tool: this one, or what stands for it."""
    given, call_id = _given(tool_use), tool_use.get("toolUseId")
    function = getattr(tool, "_tool_func", None)
    module = getattr(function, "__module__", None) or type(tool).__module__
    is_agent = module.startswith(_AGENTS)
    if module.startswith(_CONTROL) or (is_agent and not call.session.knows(call.tool)):
        control_flow(_FRAMEWORK, call.tool, given, call_id=call_id)
        return run(tool)
    if hasattr(tool, "mcp_client"):
        return _named(call.tool, call_id, run(tool))
    if function is None:
        return _whole(call, given, call_id, run(tool))
    shadow = copy.copy(tool)
    setattr(shadow, _SHADOW, True)
    takes_tool_use = not hasattr(tool, "_metadata")
    shadow._tool_func = _function(call, function, given, call_id, shape=_result if takes_tool_use else None)
    return run(shadow)


def _given(tool_use: Any) -> dict[str, Any]:
    given = tool_use.get("input")
    return given if isinstance(given, dict) else {"input": given}


async def _named(tool: str, call_id: str, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    with called_as(tool, call_id):
        found = [event async for event in events]
    for event in found:
        yield event


async def _whole(call: Call, given: dict[str, Any], call_id: str, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """A tool of which nothing inside is known."""

    async def real() -> list[Any]:
        return [event async for event in events]

    found = await call.answer_async(
        given,
        real,
        call_id=call_id,
        shape=lambda value: [_event({**_result(value), "toolUseId": call_id})],
        value=lambda found: getattr(found[-1], "tool_result", found[-1]) if found else None,
    )
    for event in found:
        yield event


def _event(result: dict[str, Any]) -> Any:
    """The last event of a tool; at first it was the result itself."""
    kind = getattr(sys.modules.get("strands.types._events"), "ToolResultEvent", None)
    return result if kind is None else kind(result)


def _result(value: Any) -> Any:
    """What a module tool returns; a recorded value may be that itself."""
    if isinstance(value, dict) and "status" in value and "content" in value:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"toolUseId": "", "status": "success", "content": [{"text": text}]}


def _function(
    call: Call,
    function: Callable[..., Any],
    given: dict[str, Any],
    call_id: str,
    shape: Callable[[Any], Any] | None,
) -> Callable[..., Any]:
    """What answers in place of a tool's function: of the same kind, by which Strands decides how to call it."""
    how: dict[str, Any] = {"call_id": call_id}
    if shape is None:
        how["defaults"] = {k: v for k, v in defaults_of(function).items() if k not in given and k not in _INJECTED}
    else:

        def shape_of_call(value: Any) -> Any:
            return {**shape(value), "toolUseId": call_id}

        how["shape"] = shape_of_call
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def items(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async def real() -> list[Any]:
                return [item async for item in function(*args, **kwargs)]

            # the last item is the result; the others are for those who watch, and are not recorded
            for item in await call.answer_async(
                given, real, shape=lambda value: [value], value=lambda all_items: all_items[-1], **how
            ):
                yield item

        return items

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def value_async(*args: Any, **kwargs: Any) -> Any:
            return await call.answer_async(given, lambda: function(*args, **kwargs), function=function, **how)

        return value_async

    @functools.wraps(function)
    def value(*args: Any, **kwargs: Any) -> Any:
        return call.answer(given, lambda: function(*args, **kwargs), function=function, **how)

    return value


PATCHES = {"strands.types.tools": _patch}
