"""LlamaIndex tools: `FunctionTool`, `QueryEngineTool`, those of tool specs and MCP, subclasses of `BaseTool`.

Caught is the function of a `FunctionTool` and the query engine of a `QueryEngineTool`, so that contexts, partial
parameters and callbacks are LlamaIndex's; of any other tool `call` and `acall`. Spans stay around them. What hands an
`AgentWorkflow` over to its next agent runs as it is.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, catch, control_flow, offered
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of, refuses
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_NAME = "llama_index"

_call_id: ContextVar[str | None] = ContextVar("agent_replay_llama_index_call", default=None)
"""The id of the model's call that an agent is at."""


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.BaseTool, "call", lambda own: _in_spans(own, _answering(module)))
    patcher.tree(module.BaseTool, "acall", lambda own: _in_spans(own, _answering_async(module)))


def _in_spans(own: Any, wrap: Callable[[Any], Any]) -> Any:
    """LlamaIndex and tracers wrap methods with `wrapt`: what they wrap is replaced, and they stay."""
    wrapper = getattr(own, "_self_wrapper", None)
    return wrap(own) if wrapper is None else type(own)(_in_spans(own.__wrapped__, wrap), wrapper)


def _answering(types: ModuleType) -> Callable[[Any], Any]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            caught = catch(_NAME, self.metadata.get_name())
            if caught is None or _calls_super(original):
                return original(self, *args, **kwargs)
            shadow = _shadow(self, caught, args, kwargs)
            if shadow is not None:
                return original(shadow, *args, **kwargs)
            return caught.answer(
                _given(self, args, kwargs),
                lambda: original(self, *args, **kwargs),
                call_id=_call_id.get(),
                shape=lambda value: _output(types, self, args, kwargs, value),
                value=lambda output: output.content,
            )

        return call

    return wrap


def _answering_async(types: ModuleType) -> Callable[[Any], Any]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
            caught = catch(_NAME, self.metadata.get_name())
            if caught is None or _calls_super(original):
                return await original(self, *args, **kwargs)
            shadow = _shadow(self, caught, args, kwargs)
            if shadow is not None:
                return await original(shadow, *args, **kwargs)
            return await caught.answer_async(
                _given(self, args, kwargs),
                lambda: original(self, *args, **kwargs),
                call_id=_call_id.get(),
                shape=lambda value: _output(types, self, args, kwargs, value),
                value=lambda output: output.content,
            )

        return acall

    return wrap


def _calls_super(method: Any) -> bool:
    """A method of a subclass that adds something to the tool's own, which is caught further inside."""
    return "__class__" in method.__code__.co_freevars


def _shadow(tool: Any, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A copy of the tool whose innermost part is the replay; None for a tool of which that is not known."""
    is_function = hasattr(tool, "_async_fn") and hasattr(tool, "_fn")
    if not is_function and not hasattr(tool, "_query_engine"):
        return None
    given = _given(tool, args, kwargs)
    shadow = copy.copy(tool)
    if not is_function:
        shadow._query_engine = _QueryEngine(tool._query_engine, call, given, _call_id.get())
    elif _is_handoff(tool):
        control_flow(_NAME, call.tool, given, call_id=_call_id.get())
    else:
        shadow._fn, shadow._async_fn = _functions(tool, call, given, _call_id.get())
    return shadow


def _is_handoff(tool: Any) -> bool:
    function = tool._async_fn
    return (function.__name__, function.__module__.rpartition(".")[0]) == ("handoff", "llama_index.core.agent.workflow")


def _functions(
    tool: Any, call: Call, given: dict[str, Any], call_id: str | None
) -> tuple[Callable[..., Any], Callable[..., Awaitable[Any]]]:
    """What stands for the function of a tool, sync and async."""
    function = getattr(tool, "_real_fn", None) or tool._fn

    def is_refused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if refuses(function, args, kwargs):
            call.refused(given, call_id=call_id)
            return True
        return False

    def more(kwargs: dict[str, Any]) -> dict[str, Any]:
        """What the model did not give."""
        named = {**defaults_of(function), **kwargs}
        return {k: v for k, v in named.items() if k not in given and k != tool.ctx_param_name}

    def fn(*args: Any, **kwargs: Any) -> Any:
        if is_refused(args, kwargs):
            return tool._fn(*args, **kwargs)
        return call.answer(
            given,
            lambda: tool._fn(*args, **kwargs),
            call_id=call_id,
            defaults=more(kwargs),
            function=function,
        )

    async def async_fn(*args: Any, **kwargs: Any) -> Any:
        if is_refused(args, kwargs):
            return await tool._async_fn(*args, **kwargs)
        return await call.answer_async(
            given,
            lambda: tool._async_fn(*args, **kwargs),
            call_id=call_id,
            defaults=more(kwargs),
            function=function,
        )

    return fn, async_fn


class _QueryEngine:
    """Stands for the query engine of a tool during one call of it."""

    def __init__(self, engine: Any, call: Call, given: dict[str, Any], call_id: str | None) -> None:
        self._engine = engine
        self._call = call
        self._given = given
        self._call_id = call_id

    def query(self, question: Any) -> Any:
        return self._call.answer(self._given, lambda: self._engine.query(question), call_id=self._call_id, value=str)

    async def aquery(self, question: Any) -> Any:
        return await self._call.answer_async(
            self._given, lambda: self._engine.aquery(question), call_id=self._call_id, value=str
        )


def _given(tool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What the model gave."""
    names = list(tool.metadata.get_parameters_dict()["properties"])
    named = {**dict(zip(names, args, strict=False)), **kwargs}
    named.pop(getattr(tool, "ctx_param_name", None), None)
    return named


def _output(types: ModuleType, tool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], value: Any) -> Any:
    return types.ToolOutput(
        content=str(value),
        tool_name=tool.metadata.get_name(),
        raw_input={"args": args, "kwargs": dict(kwargs)},
        raw_output=value,
    )


def _patch_agent(name: str) -> Callable[[ModuleType, Patcher], None]:
    """An agent says which tools it has, and which call of the model it is at."""

    def patch(module: ModuleType, patcher: Patcher) -> None:
        cls = getattr(module, name)
        patcher.set(cls, "get_tools", _announcing(cls.get_tools))
        patcher.set(cls, "call_tool", _noting(cls.call_tool))

    return patch


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def get_tools(self: Any, *args: Any, **kwargs: Any) -> Any:
        tools = await original(self, *args, **kwargs)
        offered(_NAME, [tool.metadata.get_name() for tool in tools])
        return tools

    return get_tools


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call_tool(self: Any, ctx: Any, ev: Any) -> Any:
        token = _call_id.set(ev.tool_id)
        try:
            return await original(self, ctx, ev)
        finally:
            _call_id.reset(token)

    return call_tool


PATCHES = {
    "llama_index.core.tools.types": _patch_tools,
    "llama_index.core.agent.workflow.base_agent": _patch_agent("BaseWorkflowAgent"),
    "llama_index.core.agent.workflow.multi_agent_workflow": _patch_agent("AgentWorkflow"),
}
