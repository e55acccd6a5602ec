"""smolagents tools: `@tool`, subclasses of `Tool` (of MCP, Spaces and LangChain too), managed agents.

Caught is `forward`, so that checks and conversions of arguments and results are the framework's; `setup`, which may
load a model or connect, runs only when the tool does. `final_answer` runs as it is. A `CodeAgent` runs its code in
threads without a context: `intercept.background` says which session these belong to.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, catch, control_flow, offered
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of, refuses
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_NAME = "smolagents"


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(getattr(module, "BaseTool", module.Tool), "__call__", _answering)


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    """A `__call__` of a subclass that does not call the framework's is the tool's own code."""
    is_own_code = original.__module__ != "smolagents.tools" and "__class__" not in original.__code__.co_freevars

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = catch(_NAME, self.name)
        if call is None:
            return original(self, *args, **kwargs)
        if is_own_code:
            return call.answer(_given(self, args, kwargs), lambda: original(self, *args, **kwargs))
        return original(_shadow(self, call), *args, **kwargs)

    return __call__


def _shadow(tool: Any, call: Call) -> Any:
    """A copy of the tool whose own code is the replay."""
    shadow = copy.copy(tool)
    shadow.is_initialized = True
    shadow.forward = functools.partial(_forward, tool, call)
    return shadow


def _forward(tool: Any, call: Call, *args: Any, **kwargs: Any) -> Any:
    def real() -> Any:
        if not tool.is_initialized:
            tool.setup()
        return tool.forward(*args, **kwargs)

    given, function = _given(tool, args, kwargs), _function(tool)
    if type(tool).__name__ == "FinalAnswerTool" and type(tool).__module__.startswith("smolagents."):
        control_flow(_NAME, call.tool, given)
        return real()
    if refuses(function, args, kwargs):
        call.refused(given)
        return real()
    return call.answer(given, real, defaults=defaults_of(function), function=function)


def _function(tool: Any) -> Any:
    """The function that `@tool` was put on, or the method `forward`."""
    is_method = inspect.ismethod(tool.forward)
    return tool.forward if is_method else inspect.unwrap(tool.forward)


def _given(tool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in kwargs.items() if name != "sanitize_inputs_outputs"}
    return {**dict(zip(tool.inputs, args, strict=False)), **named}


def _patch_agents(module: ModuleType, patcher: Patcher) -> None:
    """An agent says which tools it has; one that another agent manages is a tool of that."""
    patcher.tree(module.MultiStepAgent, "run", _announcing)
    patcher.tree(module.MultiStepAgent, "__call__", _managed)


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        offered(_NAME, [*self.tools, *self.managed_agents])
        return original(self, *args, **kwargs)

    return run


def _managed(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = catch(_NAME, self.name) if self.name else None
        if call is None:
            return original(self, *args, **kwargs)
        given = {**dict(zip(("task",), args, strict=False)), **kwargs}
        return call.answer(given, lambda: original(self, *args, **kwargs), is_agent=True)

    return __call__


PATCHES = {"smolagents.tools": _patch_tools, "smolagents.agents": _patch_agents}
