"""Tools of the Microsoft Agent Framework: `@tool` functions, `FunctionTool`, those of MCP servers, agents as tools.

Caught is `func`, the function behind a `FunctionTool`, wherever the framework takes it to call it: validation of the
arguments, middleware, approval, the limits of invocations, the parsing of results and the spans are the framework's.
Declarations without a function never come by here. Handoffs of orchestrations pass, a recording of one is served.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import catch, control_flow, offered
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_running: ContextVar[tuple[Any, Any, str | None] | None] = ContextVar("agent_replay_agent_framework_tool", default=None)
"""The tool whose `invoke` is running, the arguments that it was given, and the id of the model's call."""

_asked: ContextVar[tuple[str, Any] | None] = ContextVar("agent_replay_agent_framework_asked", default=None)
"""The tool that the model asked for, and with what: early versions fill in the defaults before `invoke`."""


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    tool = module.FunctionTool
    base = tool.invoke
    patcher.tree(tool, "invoke", lambda own: _noting(own, is_own_code=_is_own_code(own, base)))
    patcher.set(tool, "func", _Function(tool))
    patcher.set(module, "_get_tool_map", _announcing(module._get_tool_map))
    patcher.set(module, "_auto_invoke_function", _noting_model(module._auto_invoke_function))


def _patch_handoffs(module: ModuleType, patcher: Patcher) -> None:
    """The tools of handoffs are answered by a middleware and have no code."""
    middleware = module._AutoHandoffMiddleware
    original = middleware.process

    @functools.wraps(original)
    async def process(self: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        name = context.function.name
        if name in self._handoff_functions:
            control_flow("agent_framework", name, context.arguments, call_id=context.metadata.get("call_id"))
        return await original(self, context, *args, **kwargs)

    patcher.set(middleware, "process", process)


def _announcing(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(original)
    def get_tool_map(*args: Any, **kwargs: Any) -> dict[str, Any]:
        tools = original(*args, **kwargs)
        offered("agent_framework", list(tools))
        return tools

    return get_tool_map


def _noting_model(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def auto_invoke_function(function_call_content: Any, *args: Any, **kwargs: Any) -> Any:
        content = getattr(function_call_content, "function_call", None) or function_call_content
        token = _asked.set((content.name, content.parse_arguments()))
        try:
            return await original(function_call_content, *args, **kwargs)
        finally:
            _asked.reset(token)

    return auto_invoke_function


def _is_own_code(own: Any, base: Any) -> bool:
    """Whether the `invoke` of a subclass runs its own code instead of the framework's."""
    return own is not base and "__class__" not in own.__code__.co_freevars


def _noting(original: Callable[..., Any], *, is_own_code: bool) -> Callable[..., Any]:
    """Remembers what `invoke` was given, for the function gets it validated and without the id."""

    @functools.wraps(original)
    async def invoke(self: Any, **kwargs: Any) -> Any:
        token = _running.set((self, kwargs.get("arguments"), kwargs.get("tool_call_id")))
        try:
            call = catch("agent_framework", self.name) if is_own_code else None
            if call is None:
                return await original(self, **kwargs)
            given, _, call_id = _given(self, {})
            real = functools.partial(original, self, **kwargs)
            return await call.answer_async(given, real, call_id=call_id, shape=self.parse_result, value=_text)
        finally:
            _running.reset(token)

    return invoke


def _text(contents: Any) -> Any:
    return "".join(part.text or "" for part in contents) if isinstance(contents, list) else contents


class _Function:
    """The attribute `func` of tools: whoever reads it gets a function that a replay answers."""

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind

    def __get__(self, tool: Any, owner: type[Any] | None = None) -> Any:
        if tool is None or "func" not in tool.__dict__:
            raise AttributeError("func")
        func = tool.__dict__["func"]
        inner = func
        while isinstance(inner, self._kind):  # a tool of a tool
            inner = inner.__dict__["func"]
        return None if inner is None else _answering(tool, func, inner)

    def __set__(self, tool: Any, func: Any) -> None:
        tool.__dict__["func"] = func


def _answering(tool: Any, func: Callable[..., Any], inner: Callable[..., Any]) -> Callable[..., Any]:
    def call_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        given, added, call_id = _given(tool, _named(tool, inner, args, kwargs))
        defaults = {name: value for name, value in {**defaults_of(inner), **added}.items() if name not in given}
        return {
            "args": given,
            "defaults": defaults,
            "call_id": call_id,
            "function": inner,
            "is_agent": _is_agent(inner),
        }

    if _is_async(inner):

        @functools.wraps(inner)
        async def answered_async(*args: Any, **kwargs: Any) -> Any:
            call = catch("agent_framework", tool.name)
            if call is None:
                return await func(*args, **kwargs)
            return await call.answer_async(real=lambda: func(*args, **kwargs), **call_of(args, kwargs))

        return answered_async

    @functools.wraps(inner)
    def answered(*args: Any, **kwargs: Any) -> Any:
        call = catch("agent_framework", tool.name)
        if call is None:
            return func(*args, **kwargs)
        return call.answer(real=lambda: func(*args, **kwargs), **call_of(args, kwargs))

    return answered


def _is_async(func: Any) -> bool:
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004


def _is_agent(func: Any) -> bool:
    """Whether it is what `Agent.as_tool` makes."""
    return ".as_tool.<locals>." in getattr(func, "__qualname__", "")


def _named(tool: Any, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments by name, without the instance that a method is bound to."""
    if not args:
        return kwargs
    skipped = 0 if tool._instance is None else 1
    names = list(inspect.signature(func).parameters)
    return {**dict(zip(names[skipped:], args[skipped:], strict=False)), **kwargs}


def _given(tool: Any, validated: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """What the model gave, what validation added to it, and the id of the model's call."""
    running = _running.get()
    if running is None or running[0] is not tool:
        return dict(validated), {}, None
    _, arguments, call_id = running
    if hasattr(arguments, "model_dump"):
        arguments = arguments.model_dump(exclude_unset=True)
    given = dict(arguments) if isinstance(arguments, Mapping) else dict(validated)
    name, asked = _asked.get() or (None, None)
    if name == tool.name and isinstance(asked, Mapping):
        given = {key: value for key, value in given.items() if key in asked}
    context = tool._context_parameter_name
    return given, {k: v for k, v in validated.items() if k not in given and k != context}, call_id


PATCHES = {"agent_framework._tools": _patch_tools, "agent_framework_orchestrations._handoff": _patch_handoffs}
