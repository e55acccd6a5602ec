"""Tools of the OpenAI Agents SDK: `@function_tool`, hand-made `FunctionTool`, `Agent.as_tool`, tools of MCP servers.

`FunctionTool.on_invoke_tool` is what the SDK calls. While a replay runs, a descriptor hands out the same invoker with
the decorated function in it replaced. That is a variable of the SDK's closures, which are made again with another one
in its place, so that parsing and validation of the arguments, `failure_error_function`, guardrails, approvals, timeouts
and the conversion of results are the SDK's. A hand-made tool and an agent have nothing inside that is known: there, the
invoker as a whole is answered. Tools of MCP servers are answered where the `mcp` client calls them.

A handoff is control flow: it is made. The traces that the SDK would send to OpenAI stay here.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from types import CellType, FunctionType, ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, called_as, catch, control_flow, offered
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.current import known_session, session_of
from pytest_agent_replay.player.values import arguments_to_json

__all__ = ["PATCHES"]

_FRAMEWORK = "openai_agents"
_REAL = "__agent_replay_real__"
"""Where a function of ours has the one that it stands for."""
_WRAPPED = ("_on_invoke_tool_impl", "_run_agent_impl", "invoke_func_impl")
"""What the SDK's closures call the next one: up to 0.11 the outermost one handles failures."""

_Invoker = Callable[[Any, str], Awaitable[Any]]


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.set(module.FunctionTool, "on_invoke_tool", _Shadowed("on_invoke_tool", _answering))


def _patch_agents(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.AgentBase, "get_all_tools", _announcing)


def _patch_handoffs(module: ModuleType, patcher: Patcher) -> None:
    patcher.set(module.Handoff, "on_invoke_handoff", _Shadowed("on_invoke_handoff", _handing_off))


def _announcing(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(original)
    async def get_all_tools(self: Any, *args: Any, **kwargs: Any) -> Any:
        tools = await original(self, *args, **kwargs)
        offered(_FRAMEWORK, [tool.name for tool in tools])
        return tools

    return get_all_tools


class _Shadowed:
    """Stands on a class for an attribute of its objects: a function, which is read as another one.

    The SDK compares invokers by identity, so an object has one and the same as long as it has the same function.
    """

    def __init__(self, name: str, shadow: Callable[[Any, _Invoker], _Invoker]) -> None:
        self._name = name
        self._shadow = shadow
        self._kept = f"_agent_replay_{name}"

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None or self._name not in obj.__dict__:
            raise AttributeError(self._name)
        real = obj.__dict__[self._name]
        kept = obj.__dict__.get(self._kept)
        if kept is None or kept[0] is not obj or kept[1] is not real:  # of a copied object, or of another function
            kept = obj.__dict__[self._kept] = (obj, real, self._shadow(obj, real))
        return kept[2]

    def __set__(self, obj: Any, value: Any) -> None:
        obj.__dict__[self._name] = _real(value)


def _real(invoker: Any) -> Any:
    """What an object really has: a tool that is made of another one was given what that one showed."""
    inner = getattr(invoker, "_invoke_tool_impl", None)
    if hasattr(inner, _REAL):
        invoker = copy.copy(invoker)
        invoker._invoke_tool_impl = getattr(inner, _REAL)
    return getattr(invoker, _REAL, invoker)


# -- tools


def _answering(tool: Any, invoker: Any) -> Any:
    """The same invoker, which answers."""
    inner = getattr(invoker, "_invoke_tool_impl", None)
    if inner is None:
        return _answering_function(tool, invoker)
    shadow = copy.copy(invoker)  # of the class that the SDK handles failures with since 0.12
    shadow._invoke_tool_impl = _answering_function(tool, inner)
    return shadow


def _answering_function(tool: Any, real: _Invoker) -> _Invoker:
    @functools.wraps(real)
    async def invoke(context: Any, arguments: str, *args: Any, **kwargs: Any) -> Any:
        call = catch(_FRAMEWORK, tool.name)
        function = real
        if call is not None:
            function = _within(real, _Asked(call, arguments, context))
        return await function(context, arguments, *args, **kwargs)

    setattr(invoke, _REAL, real)
    return invoke


def _within(function: Any, asked: _Asked) -> Any:
    """`function` with the tool's own code, as deep in it as it is found, replaced by what answers `asked`."""
    names = function.__code__.co_freevars if isinstance(function, FunctionType) else ()
    if "the_func" in names:
        return _with(function, "the_func", asked.function)
    for name in _WRAPPED:
        if name in names:
            return _with(function, name, lambda inner: _within(inner, asked))
    return asked.invoker(function)


def _with(function: FunctionType, name: str, replaced: Callable[[Any], Any]) -> FunctionType:
    """The function, where one of its free variables is another."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells[name] = CellType(replaced(cells[name].cell_contents))
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, tuple(cells.values())
    )
    made.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(made, function)
    return made


class _Asked:
    """One call, as the model wrote it."""

    def __init__(self, call: Call, arguments: str, context: Any) -> None:
        self._call = call
        self._context = context
        self._call_id: str | None = getattr(context, "tool_call_id", None)
        self._given = _parsed(arguments)

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A decorated function, which gets validated arguments."""
        is_agent = getattr(function, "__qualname__", "").startswith("Agent.as_tool.")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def answered_async(*args: Any, **kwargs: Any) -> Any:
                return await self._call.answer_async(
                    self._given,
                    lambda: function(*args, **kwargs),
                    call_id=self._call_id,
                    defaults=self._defaults(function, args, kwargs),
                    function=function,
                    is_agent=is_agent,
                )

            return answered_async

        @functools.wraps(function)
        def answered(*args: Any, **kwargs: Any) -> Any:
            return self._call.answer(
                self._given,
                lambda: function(*args, **kwargs),
                call_id=self._call_id,
                defaults=self._defaults(function, args, kwargs),
                function=function,
            )

        return answered

    def invoker(self, invoker: Any) -> _Invoker:
        """A function of the context and the arguments as text."""
        if _is_of_mcp(invoker):
            return self._in_session(invoker)
        is_agent = getattr(invoker, "__qualname__", "").startswith("Agent.as_tool.")

        async def answered(*args: Any, **kwargs: Any) -> Any:
            return await self._call.answer_async(
                self._given, lambda: invoker(*args, **kwargs), call_id=self._call_id, is_agent=is_agent
            )

        return answered

    def _in_session(self, invoker: Any) -> _Invoker:
        """Calls the client of the server, where it is answered, by the name that the model knows."""

        async def called(*args: Any, **kwargs: Any) -> Any:
            with called_as(self._call.tool, self._call_id):
                return await invoker(*args, **kwargs)

        return called

    def _defaults(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What validation added; the context is the SDK's."""
        bound = inspect.signature(function).bind_partial(*args, **kwargs).arguments
        return arguments_to_json({k: v for k, v in bound.items() if k not in self._given and v is not self._context})


def _is_of_mcp(invoker: Any) -> bool:
    """Whether it calls a server of the SDK, which goes through the `mcp` client; one of somebody's own may not."""
    if not isinstance(invoker, functools.partial) or getattr(invoker.func, "__name__", "") != "invoke_mcp_tool":
        return False
    return any(cls.__name__ == "_MCPServerWithClientSession" for cls in type(invoker.args[0]).__mro__)


def _parsed(arguments: str) -> dict[str, Any]:
    """The arguments; a hand-made tool may be given what is no object."""
    try:
        value = json.loads(arguments) if arguments else {}
    except ValueError:
        value = arguments
    return value if isinstance(value, dict) else {"input": value}


# -- handoffs


def _handing_off(handoff: Any, real: _Invoker) -> _Invoker:
    @functools.wraps(real)
    async def invoke(context: Any, arguments: str) -> Any:
        control_flow(_FRAMEWORK, handoff.tool_name, _parsed(arguments))
        return await real(context, arguments)

    setattr(invoke, _REAL, real)
    return invoke


# -- traces


def _patch_traces(module: ModuleType, patcher: Patcher) -> None:
    """What a replay did is not sent to OpenAI. Processors of somebody's own get it as ever."""
    sender, own = module.BatchTraceProcessor, module.BackendSpanExporter
    for name in ("on_trace_start", "on_span_end"):
        patcher.set(sender, name, _unsent(getattr(sender, name), own))


def _unsent(original: Callable[..., None], own: type) -> Callable[..., None]:
    @functools.wraps(original)
    def taken(self: Any, traced: Any) -> None:
        is_of_replay = session_of(copy_context()) is not None or known_session() is not None
        if not (is_of_replay and isinstance(self._exporter, own)):
            original(self, traced)

    return taken


PATCHES = {
    "agents.tool": _patch_tools,
    "agents.agent": _patch_agents,
    "agents.handoffs": _patch_handoffs,
    "agents.tracing.processors": _patch_traces,
}
