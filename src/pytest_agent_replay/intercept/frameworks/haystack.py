"""Haystack's tools: `Tool`, `@tool`, `ComponentTool`, `PipelineTool`, `AgentTool`, those of MCP, and toolsets of them.

The tool is called as a copy whose function asks for the recording: `Tool.invoke` makes of a failure what it always
does, and the agent merges results into its state, converts and streams them. A tool with an `invoke` of its own is
called by Haystack's. A tool is not warmed up when it is answered.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import called_as, catch, id_of_call
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_COPY = "_agent_replay_copy"


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    base = module.Tool
    invoke = base.invoke
    patcher.tree(base, "invoke", lambda own: _invoking(own, invoke))
    if hasattr(base, "invoke_async"):
        invoke_async = base.invoke_async
        patcher.tree(base, "invoke_async", lambda own: _invoking_async(own, invoke_async))


def _patch_agent(module: ModuleType, patcher: Patcher) -> None:
    """The agent knows the ids of its model's calls, the tools do not."""
    make, make_async = module._make_context_bound_invoke, module._make_bounded_invoke_async

    @functools.wraps(make)
    def made(tool: Any, args: Any, tool_call: Any, *rest: Any, **more: Any) -> Any:
        with called_as(tool.name, tool_call.id):  # it keeps the context in which it is made
            return make(tool, args, tool_call, *rest, **more)

    @functools.wraps(make_async)
    def made_async(*args: Any, **named: Any) -> Any:
        run = make_async(*args, **named)

        async def runner() -> Any:
            with called_as(named["tool"].name, named["tool_call"].id):
                return await run()

        return runner

    patcher.set(module, "_make_context_bound_invoke", made)
    patcher.set(module, "_make_bounded_invoke_async", made_async)


def _invoking(original: Callable[..., Any], base: Callable[..., Any]) -> Callable[..., Any]:
    is_own_code = _is_own_code(original, base)

    @functools.wraps(original)
    def invoke(self: Any, **kwargs: Any) -> Any:
        call = None if hasattr(self, _COPY) else catch("haystack", self.name)
        if call is None or (self.function is None and not is_own_code):
            return original(self, **kwargs)

        def real() -> Any:
            if is_own_code:
                return original(self, **kwargs)
            if hasattr(self, "warm_up"):
                self.warm_up()
            return self.function(**kwargs)

        answering = _copied(self)
        answering.function = lambda **_: call.answer(_given(self, kwargs), real, **_how(self, self.function, kwargs))
        return _plainly(lambda: (base if is_own_code else original)(answering, **kwargs))

    return invoke


def _invoking_async(original: Callable[..., Any], base: Callable[..., Any]) -> Callable[..., Any]:
    is_own_code = _is_own_code(original, base)

    @functools.wraps(original)
    async def invoke_async(self: Any, **kwargs: Any) -> Any:
        call = None if hasattr(self, _COPY) else catch("haystack", self.name)
        if call is None or (self.async_function is None and not is_own_code):
            return await original(self, **kwargs)  # by `invoke`, in a thread

        async def real() -> Any:
            if is_own_code:
                return await original(self, **kwargs)
            await _warm(self)
            return await self.async_function(**kwargs)

        async def answer(**_: Any) -> Any:
            return await call.answer_async(_given(self, kwargs), real, **_how(self, self.async_function, kwargs))

        answering = _copied(self)
        answering.async_function = answer
        return await _plainly_async((base if is_own_code else original)(answering, **kwargs))

    return invoke_async


def _is_own_code(method: Callable[..., Any], base: Callable[..., Any]) -> bool:
    code = getattr(method, "__code__", None)
    return method is not base and code is not None and "__class__" not in code.co_freevars  # it has no `super()`


def _copied(tool: Any) -> Any:
    answering = copy.copy(tool)
    setattr(answering, _COPY, True)
    for name, nothing in (("warm_up", _nothing), ("warm_up_async", _nothing_async)):
        if hasattr(tool, name):
            setattr(answering, name, nothing)
    return answering


def _nothing() -> None: ...


async def _nothing_async() -> None: ...


async def _warm(tool: Any) -> None:
    if hasattr(tool, "warm_up_async"):
        await tool.warm_up_async()
    elif hasattr(tool, "warm_up"):
        tool.warm_up()


def _given(tool: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What the model gave: the rest comes from the agent's state."""
    properties = tool.parameters.get("properties", {})
    return {name: value for name, value in kwargs.items() if name in properties or not properties}


def _how(tool: Any, function: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    given = _given(tool, kwargs)
    added = {**(defaults_of(function) if function is not None else {}), **kwargs}
    component = getattr(tool, "_component", None)
    return {
        "call_id": id_of_call(),
        "defaults": {name: value for name, value in added.items() if name not in given},
        "function": function,
        "is_agent": type(component).__module__.startswith("haystack.components.agents"),
    }


def _plainly(invoke: Callable[[], Any]) -> Any:
    """What is recorded of a failing call may be the error that `Tool.invoke` has made of it."""
    try:
        return invoke()
    except Exception as error:
        raise _inner(error) from error.__cause__


async def _plainly_async(invoking: Awaitable[Any]) -> Any:
    try:
        return await invoking
    except Exception as error:
        raise _inner(error) from error.__cause__


def _inner(error: BaseException) -> BaseException:
    cause = error.__cause__
    return cause if cause is not None and type(cause) is type(error) else error


PATCHES = {
    "haystack.tools.tool": _patch_tools,
    "haystack.components.agents.tool_calling": _patch_agent,
}
