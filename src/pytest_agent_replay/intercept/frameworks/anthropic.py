"""Tools that Anthropic's SDK runs for its model (`tool_runner`): functions, those of MCP servers, own kinds, toolsets.

Caught is the function within pydantic's check of its arguments, or the `call` of a tool that is no function. What a
tool returns there is text or content blocks: any other recorded value is given as JSON text. Failures are told to the
model by the runner.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import catch
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_call_id: ContextVar[str | None] = ContextVar("agent_replay_anthropic_call_id", default=None)
_answer: ContextVar[Callable[..., Any]] = ContextVar("agent_replay_anthropic_answer")
"""What the running call of a function is answered with, once its arguments were checked."""

_checked: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""To each tool its function's stand-in, with the same check of the arguments."""


def _patch_functions(module: ModuleType, patcher: Patcher) -> None:
    for name in ("BetaFunctionTool", "BetaAsyncFunctionTool"):
        base = getattr(module, name)
        patcher.tree(base, "call", functools.partial(_of_function, inherited=base.call))
    for name in ("BetaBuiltinFunctionTool", "BetaAsyncBuiltinFunctionTool"):
        if hasattr(module, name):
            patcher.tree(getattr(module, name), "call", _of_own_kind)


def _patch_toolsets(module: ModuleType, patcher: Patcher) -> None:
    for name in ("BetaRunnableToolset", "BetaAsyncRunnableToolset"):
        patcher.tree(getattr(module, name), "call", _of_toolset)


def _patch_runner(module: ModuleType, patcher: Patcher) -> None:
    """The runner knows the ids of the model's calls, which it does not hand on. Older ones keep them to themselves."""
    for cls in [v for v in vars(module).values() if isinstance(v, type) and "_run_tool" in vars(v)]:
        patcher.set(cls, "_run_tool", _with_id(vars(cls)["_run_tool"]))


def _with_id(original: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def _run_tool_async(self: Any, tool: Any, tool_use: Any) -> Any:
            token = _call_id.set(tool_use.id)
            try:
                return await original(self, tool, tool_use)
            finally:
                _call_id.reset(token)

        return _run_tool_async

    @functools.wraps(original)
    def _run_tool(self: Any, tool: Any, tool_use: Any) -> Any:
        token = _call_id.set(tool_use.id)
        try:
            return original(self, tool, tool_use)
        finally:
            _call_id.reset(token)

    return _run_tool


def _of_function(original: Callable[..., Any], inherited: Callable[..., Any]) -> Callable[..., Any]:
    if original is not inherited:
        return original if _calls_inherited(original) else _of_own_kind(original)
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def call_async(self: Any, input: Any) -> Any:
            caught = catch("anthropic", self.name)
            if caught is None:
                return await original(self, input)

            async def answer(*args: Any, **kwargs: Any) -> Any:
                return await caught.answer_async(input, lambda: self.func(*args, **kwargs), **_what_is_known(self))

            token = _answer.set(answer)
            try:
                return await original(_with_stand_in(self), input)
            finally:
                _answer.reset(token)

        return call_async

    @functools.wraps(original)
    def call(self: Any, input: Any) -> Any:
        caught = catch("anthropic", self.name)
        if caught is None:
            return original(self, input)

        def answer(*args: Any, **kwargs: Any) -> Any:
            return caught.answer(input, lambda: self.func(*args, **kwargs), **_what_is_known(self))

        token = _answer.set(answer)
        try:
            return original(_with_stand_in(self), input)
        finally:
            _answer.reset(token)

    return call


def _what_is_known(tool: Any) -> dict[str, Any]:
    return {
        "call_id": _call_id.get(),
        "defaults": defaults_of(tool.func),
        "function": _without_annotations(tool.func),
        "shape": _shaped,
    }


def _without_annotations(function: Any) -> Any:
    """Its module is where recorded exceptions are looked up; what it returns is content, which is not rebuilt."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not isinstance(function, FunctionType):
        return None
    return FunctionType(function.__code__, function.__globals__, function.__name__, None, function.__closure__)


def _calls_inherited(original: Any) -> bool:
    code = getattr(inspect.unwrap(original), "__code__", None)
    return code is not None and "__class__" in code.co_freevars and "call" in code.co_names


def _with_stand_in(tool: Any) -> Any:
    """The tool with a function that asks for the answer, which pydantic calls with the checked arguments."""
    checked = _checked.get(tool)
    if checked is None:
        from pydantic import validate_call

        checked = _checked[tool] = validate_call(_stand_in(tool.func))
    twin = copy.copy(tool)
    twin._func_with_validate = checked
    return twin


def _stand_in(function: Any) -> Any:
    if inspect.iscoroutinefunction(function):

        async def asked_async(*args: Any, **kwargs: Any) -> Any:
            return await _answer.get()(*args, **kwargs)

        return _like(asked_async, function)

    def asked(*args: Any, **kwargs: Any) -> Any:
        return _answer.get()(*args, **kwargs)

    return _like(asked, function)


def _like(stand_in: Any, function: Any) -> Any:
    functools.update_wrapper(stand_in, function)
    stand_in.__signature__ = inspect.signature(function)  # that of a method, not of its function
    return stand_in


def _of_own_kind(original: Callable[..., Any]) -> Callable[..., Any]:
    """Of a tool that is no function, or calls it in its own way."""
    return _caught(original, lambda tool, input: (tool.name, input, _call_id.get()))


def _of_toolset(original: Callable[..., Any]) -> Callable[..., Any]:
    """Of several tools with one `call`. They are known to the model by their own names."""
    return _caught(original, lambda toolset, context, name, input: (name, input, getattr(context.tool_use, "id", None)))


def _caught(original: Callable[..., Any], read: Callable[..., tuple[str, Any, str | None]]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def call_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            name, input, call_id = read(self, *args, **kwargs)
            caught = catch("anthropic", name)
            if caught is None:
                return await original(self, *args, **kwargs)
            return await caught.answer_async(
                input, lambda: original(self, *args, **kwargs), call_id=call_id, shape=_shaped
            )

        return call_async

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        name, input, call_id = read(self, *args, **kwargs)
        caught = catch("anthropic", name)
        if caught is None:
            return original(self, *args, **kwargs)
        return caught.answer(input, lambda: original(self, *args, **kwargs), call_id=call_id, shape=_shaped)

    return call


def _shaped(value: Any) -> Any:
    is_content = isinstance(value, list) and all(isinstance(block, dict) and "type" in block for block in value)
    return value if value is None or isinstance(value, str) or is_content else json.dumps(value)


PATCHES = {
    "anthropic.lib.tools._beta_functions": _patch_functions,
    "anthropic.lib.tools._toolsets._runnable": _patch_toolsets,
    "anthropic.lib.tools._beta_runner": _patch_runner,
}
