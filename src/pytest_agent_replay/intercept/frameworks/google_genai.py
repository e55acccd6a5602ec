"""Functions that google-genai calls for its model (automatic function calling), in `generate_content` and chats.

Caught is the function itself, in `invoke_function_from_dict_args`: the SDK converts and checks the arguments, and tells
its model of failures. Sessions of MCP servers that are given as tools are caught as such.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, catch
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of, refuses
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_INVOKE = "invoke_function_from_dict_args"


def _patch(module: ModuleType, patcher: Patcher) -> None:
    patcher.set(module, _INVOKE, _passing(getattr(module, _INVOKE), _in_place_of))
    if hasattr(module, f"{_INVOKE}_async"):  # early versions call no async functions
        patcher.set(module, f"{_INVOKE}_async", _passing(getattr(module, f"{_INVOKE}_async"), _in_place_of_async))


def _passing(original: Callable[..., Any], in_place_of: Callable[..., Any]) -> Callable[..., Any]:
    """Sync and async alike: what the original returns is returned."""

    @functools.wraps(original)
    def invoke(args: Mapping[str, Any], function: Callable[..., Any]) -> Any:
        call = catch("google_genai", function.__name__)
        return original(args, function if call is None else in_place_of(function, call, args))

    return invoke


def _in_place_of(function: Callable[..., Any], call: Call, given: Mapping[str, Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def answered(**converted: Any) -> Any:
        if refuses(function, (), converted):
            return function(**converted)
        defaults = defaults_of(function)
        return call.answer(given, lambda: function(**converted), defaults=defaults, function=function)

    return answered


def _in_place_of_async(function: Callable[..., Any], call: Call, given: Mapping[str, Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def answered(**converted: Any) -> Any:
        if refuses(function, (), converted):
            return await function(**converted)
        defaults = defaults_of(function)
        return await call.answer_async(given, lambda: function(**converted), defaults=defaults, function=function)

    return answered


PATCHES = {"google.genai._extra_utils": _patch}
