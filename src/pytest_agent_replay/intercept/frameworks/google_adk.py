"""Google ADK's tools: functions, long-running ones, agents, MCP tools, those that an API describes, own subclasses.

Caught is what a tool's own code is called by: `FunctionTool._invoke_callable`, the node that a generator or a
`NodeTool` runs as, and for all others the innermost `run_async`. Validation, confirmation, callbacks, plugins and what
becomes of an exception are ADK's. Credentials of authenticated tools are not asked for.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.intercept.frameworks.calls import catch, control_flow
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PATCHES"]

_OWN = "google.adk."
_RUN_NODE = "_run_node_in_tool_context"
_STEERING = ("transfer_to_agent", "exit_loop", "get_user_choice", "adk_request_input", "set_model_response")
"""Tools of ADK itself that change nothing but the course of its own run."""

_running: ContextVar[tuple[Any, dict[str, Any], str | None] | None] = ContextVar("agent_replay_adk_tool", default=None)
"""The tool whose `run_async` is running, what the model gave, and the id of the model's call."""


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.BaseTool, "run_async", _answering)


def _patch_functions(module: ModuleType, patcher: Patcher) -> None:
    original = module.FunctionTool._invoke_callable

    @functools.wraps(original)
    async def _invoke_callable(self: Any, target: Any, args_to_call: dict[str, Any]) -> Any:
        running = _running.get()
        is_other = target is not self.func or running is None or running[0] is not self or _is_steering(self)
        call = None if is_other else catch("google_adk", self.name)
        if call is None or running is None:
            return await original(self, target, args_to_call)
        _, given, call_id = running
        return await call.answer_async(
            given,
            lambda: original(self, target, args_to_call),
            call_id=call_id,
            defaults=defaults_of(target),
            function=target,
        )

    patcher.set(module.FunctionTool, "_invoke_callable", _invoke_callable)


def _patch_nodes(module: ModuleType, patcher: Patcher) -> None:
    original = getattr(module, _RUN_NODE, None)
    if original is None:  # before 2.10 only a `NodeTool` is one, which is caught as a whole
        return

    @functools.wraps(original)
    async def _run_node_in_tool_context(node: Any, *, tool_name: str, node_input: Any, tool_context: Any) -> Any:
        def real() -> Any:
            return original(node, tool_name=tool_name, node_input=node_input, tool_context=tool_context)

        running = _running.get()
        call = None if running is None else catch("google_adk", tool_name)
        if call is None or running is None:
            return await real()
        tool, given, call_id = running
        function = getattr(tool, "func", None)
        return await call.answer_async(given, real, call_id=call_id, function=function, is_agent=_runs_agents(tool))

    patcher.set(module, _RUN_NODE, _run_node_in_tool_context)


def _patch_tasks(module: ModuleType, patcher: Patcher) -> None:
    """An agent that is given a task is called like a tool, but by the node that its caller runs as."""
    original = module._dispatch_task_fc

    @functools.wraps(original)
    async def _dispatch_task_fc(parent_agent: Any, fc: Any, ctx: Any) -> Any:
        call = catch("google_adk", fc.name)
        if call is None:
            return await original(parent_agent, fc, ctx)
        given = fc.args or {}
        return await call.answer_async(given, lambda: original(parent_agent, fc, ctx), call_id=fc.id, is_agent=True)

    patcher.set(module, "_dispatch_task_fc", _dispatch_task_fc)


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    """Of every class that has a `run_async`: it goes on to what is caught further inside, or is the tool's own code."""
    goes_on = _calls_inherited(original)
    is_of_adk = getattr(original, "__module__", "").startswith(_OWN)

    @functools.wraps(original)
    async def run_async(self: Any, *, args: dict[str, Any], tool_context: Any) -> Any:
        def real() -> Any:
            return original(self, args=args, tool_context=tool_context)

        call_id = getattr(tool_context, "function_call_id", None)
        if _is_steering(self):
            control_flow("google_adk", self.name, args, call_id=call_id)
            return await real()
        if goes_on or (is_of_adk and _is_caught_inside(self)):
            with _noted(self, args, call_id):
                return await real()
        call = catch("google_adk", self.name)
        if call is None:
            return await real()
        return await call.answer_async(args, real, call_id=call_id, is_agent=_runs_agents(self))

    return run_async


@contextmanager
def _noted(tool: Any, args: dict[str, Any], call_id: str | None) -> Iterator[None]:
    """The outermost `run_async` of a tool is given what the model gave."""
    running = _running.get()
    if running is not None and running[0] is tool:
        yield
        return
    token = _running.set((tool, args, call_id))
    try:
        yield
    finally:
        _running.reset(token)


def _calls_inherited(original: Any) -> bool:
    code = getattr(inspect.unwrap(original), "__code__", None)
    return code is not None and "__class__" in code.co_freevars and "run_async" in code.co_names


def _is_caught_inside(tool: Any) -> bool:
    if _is(tool, "NodeTool"):
        return hasattr(sys.modules["google.adk.tools._node_tool"], _RUN_NODE)
    return _is(tool, "FunctionTool")


def _runs_agents(tool: Any) -> bool:
    """A node may be a workflow, of which the agents call recorded tools; one of a function is that function."""
    is_node = _is(tool, "NodeTool") and type(tool.node).__name__ != "FunctionNode"
    return is_node or _is(tool, "AgentTool")


def _is(tool: Any, name: str) -> bool:
    """Whether a tool is of a class of ADK's, which need not be imported."""
    return any(cls.__name__ == name and cls.__module__.startswith(_OWN) for cls in type(tool).__mro__)


def _is_steering(tool: Any) -> bool:
    code = getattr(tool, "func", None) or type(tool)
    if not getattr(code, "__module__", "").startswith(_OWN):
        return False
    return tool.name in _STEERING or type(tool).__name__ in ("FinishTaskTool", "_TaskAgentTool")


PATCHES = {
    "google.adk.tools.base_tool": _patch_tools,
    "google.adk.tools.function_tool": _patch_functions,
    "google.adk.tools._node_tool": _patch_nodes,
    "google.adk.workflow._llm_agent_wrapper": _patch_tasks,
}
