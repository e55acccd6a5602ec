"""DSPy's tools: `dspy.Tool`, which `ReAct`, `ReActV2` and others make of functions; those of MCP and LangChain.

The tool's function is replaced where `Tool` calls it: validation and parsing of the arguments and callbacks are DSPy's.
The pseudo-tools `finish` and `submit` are control flow. DSPy's own cache of model answers is not read or written: what
another run was answered is no answer of this replay.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept import lm15
from pytest_agent_replay.intercept.frameworks.calls import Call, catch, control_flow, offered
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.bypass import is_outside_replay
from pytest_agent_replay.player.current import current_session

__all__ = ["PATCHES"]

_LAST = ("finish", "submit")


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.Tool, "__call__", _calling)
    patcher.tree(module.Tool, "acall", _calling_async)


def _patch_loop(module: ModuleType, patcher: Patcher) -> None:
    """A loop says which tools it has: its model is told of them in a text."""
    for name in ("forward", "aforward"):
        if name in module.ReAct.__dict__:
            patcher.set(module.ReAct, name, _announcing(getattr(module.ReAct, name)))


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def announced(self: Any, *args: Any, **kwargs: Any) -> Any:
        offered("dspy", [name for name in self.tools if name not in _LAST])
        return original(self, *args, **kwargs)

    return announced


def _patch_cache(module: ModuleType, patcher: Patcher) -> None:
    for name in ("get", "put"):
        patcher.set(module.Cache, name, _uncached(getattr(module.Cache, name)))


def _uncached(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def cached(self: Any, *args: Any, **kwargs: Any) -> Any:
        session: Any = current_session("the cache of DSPy")
        if session is None or session.observes or is_outside_replay():
            return original(self, *args, **kwargs)
        return None

    return cached


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def __call__(self: Any, **kwargs: Any) -> Any:
        return original(_answered(self, kwargs), **kwargs)

    return __call__


def _calling_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def acall(self: Any, **kwargs: Any) -> Any:
        return await original(_answered(self, kwargs), **kwargs)

    return acall


def _answered(tool: Any, given: Mapping[str, Any]) -> Any:
    """The tool, or where a replay runs one that asks for the recording in place of its function."""
    call = catch("dspy", tool.name)
    if call is None:
        return tool
    if tool.name in _LAST and str(tool.func.__module__).startswith("dspy."):
        control_flow("dspy", tool.name, given)
        return tool
    return tool.model_copy(update={"func": _answering(tool.func, call, given)})


def _answering(function: Callable[..., Any], call: Call, given: Mapping[str, Any]) -> Callable[..., Any]:
    """Stands for the tool's function, and is a coroutine function where that is one."""
    defaults = defaults_of(function)

    def answer(**parsed: Any) -> Any:
        return call.answer(given, lambda: function(**parsed), defaults=defaults, function=function)

    async def answer_async(**parsed: Any) -> Any:
        return await call.answer_async(given, lambda: function(**parsed), defaults=defaults, function=function)

    is_async = any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004
    return answer_async if is_async else answer


PATCHES = {
    "dspy.adapters.types.tool": _patch_tools,
    "dspy.predict.react": _patch_loop,
    "dspy.clients.cache": _patch_cache,
    "dspy._vendor.lm15.transports._sync": lm15.patch_sync,
    "dspy._vendor.lm15.transports._async": lm15.patch_async,
}
