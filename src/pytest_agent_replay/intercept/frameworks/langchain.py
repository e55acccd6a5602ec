"""LangChain and LangGraph tools: `@tool`, `StructuredTool`, subclasses of `BaseTool`, those of MCP adapters.

Caught is `_run` or `_arun`, which the tool's own code is: validation of the arguments, callbacks, `handle_tool_error`
and `response_format` are LangChain's. Whatever calls the tool (a `ToolNode`, `create_agent`, `invoke`, `batch`) comes
by there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import catch, offered
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_INJECTED = ("run_manager", "config", "callbacks")

_running: ContextVar[tuple[Any, Any, str | None] | None] = ContextVar("agent_replay_langchain_tool", default=None)
"""The tool whose `run` is running, what it was given, and the id of the model's call."""


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    base = module.BaseTool
    run, arun = base.run, base.arun
    patcher.tree(base, "run", lambda own: _noting(own, run, is_async=False))
    patcher.tree(base, "arun", lambda own: _noting(own, arun, is_async=True))
    patcher.tree(base, "_run", _answering)
    patcher.tree(base, "_arun", _answering_async)


def _patch_tool_node(module: ModuleType, patcher: Patcher) -> None:
    """A graph's node says which tools its agent has."""
    for name in ("_func", "_afunc"):
        patcher.set(module.ToolNode, name, _announcing(getattr(module.ToolNode, name)))


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def announced(self: Any, *args: Any, **kwargs: Any) -> Any:
        offered("langchain", list(self.tools_by_name))
        return original(self, *args, **kwargs)

    return announced


def _noting(original: Callable[..., Any], base: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """Remembers what `run` was given, for `_run` gets it validated, completed and without the id.

    A `run` of a subclass that does not call LangChain's is the tool's own code: in a replay LangChain's runs instead.
    """
    is_own_code = original is not base and "__class__" not in original.__code__.co_freevars

    def noted(self: Any, tool_input: Any, kwargs: dict[str, Any]) -> Any:
        return _running.set((self, tool_input, kwargs.get("tool_call_id")))

    if is_async:

        @functools.wraps(original)
        async def arun(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
            token = noted(self, tool_input, kwargs)
            try:
                real = base if is_own_code and catch("langchain", self.name) is not None else original
                return await real(self, tool_input, *args, **kwargs)
            finally:
                _running.reset(token)

        return arun

    @functools.wraps(original)
    def run(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        token = noted(self, tool_input, kwargs)
        try:
            real = base if is_own_code and catch("langchain", self.name) is not None else original
            return real(self, tool_input, *args, **kwargs)
        finally:
            _running.reset(token)

    return run


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def _run(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = catch("langchain", self.name)
        if call is None:
            return original(self, *args, **kwargs)
        given, defaults, call_id = _given(self, args, kwargs)
        return call.answer(
            given,
            lambda: original(self, *args, **kwargs),
            call_id=call_id,
            defaults=defaults,
            function=getattr(self, "func", None),
            shape=functools.partial(_shaped, self),
        )

    return _run


def _answering_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def _arun(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = catch("langchain", self.name)
        if call is None:
            return await original(self, *args, **kwargs)
        given, defaults, call_id = _given(self, args, kwargs)
        return await call.answer_async(
            given,
            lambda: original(self, *args, **kwargs),
            call_id=call_id,
            defaults=defaults,
            function=getattr(self, "coroutine", None) or getattr(self, "func", None),
            shape=functools.partial(_shaped, self),
        )

    return _arun


def _given(
    tool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """What the model gave, what validation added to it, and the id of the model's call."""
    named = {name: value for name, value in kwargs.items() if name not in _INJECTED}
    running = _running.get()
    if running is None or running[0] is not tool:
        return {**dict(zip(_names(tool), args, strict=False)), **named}, {}, None
    _, tool_input, call_id = running
    if not isinstance(tool_input, Mapping):
        return dict(zip(_names(tool), (tool_input,), strict=False)), {}, call_id
    given = tool._filter_injected_args(dict(tool_input))
    hidden = tool_input.keys() - given.keys()
    return given, {k: v for k, v in named.items() if k not in given and k not in hidden}, call_id


def _names(tool: Any) -> list[str]:
    names = list(tool.args)
    return names or [p for p in inspect.signature(tool._run).parameters if p not in _INJECTED] or ["input"]


def _shaped(tool: Any, value: Any) -> Any:
    return (value, None) if tool.response_format == "content_and_artifact" else value


PATCHES = {"langchain_core.tools.base": _patch_tools, "langgraph.prebuilt.tool_node": _patch_tool_node}
