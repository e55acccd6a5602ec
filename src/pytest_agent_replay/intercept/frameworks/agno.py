"""Agno tools: functions, `@tool`, methods of toolkits, tools of MCP servers; in agents, teams and workflows.

`FunctionCall.execute` and `aexecute` run a tool. While they do, the `Function` is a copy whose entrypoint answers, so
that validation of the arguments, hooks, `RetryAgentRun`, `StopAgentRun` and the conversion of results are Agno's. The
cache of a tool (`cache_results`) is off: it lasts longer than a replay. Tools of MCP servers are answered where the
`mcp` client calls them. What a team calls to delegate to its members runs, unless it is recorded.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, called_as, catch, control_flow
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_FRAMEWORK = "agno"
_INJECTED = frozenset(
    ("agent", "team", "run_context", "session_state", "dependencies", "fc", "images", "videos", "audios", "files")
)
"""Parameters that Agno fills in by name."""


def _patch(module: ModuleType, patcher: Patcher) -> None:
    function_call = module.FunctionCall
    patcher.set(function_call, "execute", _answering(function_call.execute))
    patcher.set(function_call, "aexecute", _answering_async(function_call.aexecute))


def _answering(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    def execute(self: Any) -> Any:
        with _shadowed(self):
            return original(self)

    return execute


def _answering_async(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    async def aexecute(self: Any) -> Any:
        with _shadowed(self):
            return await original(self)

    return aexecute


@contextmanager
def _shadowed(asked: Any) -> Iterator[None]:
    """Inside, the function of a `FunctionCall` answers."""
    real = asked.function
    call = catch(_FRAMEWORK, real.name) if real.entrypoint is not None else None
    if call is None:
        yield
        return
    code = real.entrypoint.__wrapped__ if _is_validated(real) else real.entrypoint
    if _module(code) == "agno.utils.mcp":
        with called_as(real.name, asked.call_id):
            yield
        return
    if _module(code).startswith("agno.team.") and not call.session.knows(real.name):
        control_flow(_FRAMEWORK, real.name, asked.arguments or {}, call_id=asked.call_id)
        yield
        return
    shadow = copy.copy(real)
    shadow.cache_results = False
    shadow.entrypoint = _entrypoint(call, asked, code)
    if _is_validated(real):
        shadow.entrypoint = real._wrap_callable(shadow.entrypoint)
    asked.function = shadow
    try:
        yield
    finally:
        asked.function = real


def _is_validated(function: Any) -> bool:
    """Whether Agno has put pydantic's validation around the code."""
    return getattr(function.entrypoint, "_wrapped_for_validation", False)


def _module(code: Any) -> str:
    while isinstance(code, functools.partial):
        code = code.func
    return getattr(code, "__module__", None) or ""


def _entrypoint(call: Call, asked: Any, code: Callable[..., Any]) -> Callable[..., Any]:
    """What answers one call: a function of the same kind as the tool's code, by which Agno decides how to call it."""
    given = asked.arguments or {}
    how: dict[str, Any] = {
        "call_id": asked.call_id,
        "defaults": {k: v for k, v in defaults_of(code).items() if k not in given and k not in _INJECTED},
    }
    yielding = inspect.unwrap(code)  # Agno's decorator hides it
    yields, yields_async = inspect.isgeneratorfunction(yielding), inspect.isasyncgenfunction(yielding)
    if not (yields or yields_async):
        how["function"] = code
    if inspect.isasyncgenfunction(code):

        @functools.wraps(code)
        async def items(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            value = await call.answer_async(given, lambda: _collected(code(*args, **kwargs)), **how)
            async for item in _each_async(value):
                yield item

        return items

    if inspect.iscoroutinefunction(code):

        @functools.wraps(code)
        async def value_async(*args: Any, **kwargs: Any) -> Any:
            async def real() -> Any:
                result = await code(*args, **kwargs)
                return await _collected(result) if yields_async else result

            value = await call.answer_async(given, real, **how)
            return _each_async(value) if yields_async else value

        return value_async

    @functools.wraps(code)
    def value(*args: Any, **kwargs: Any) -> Any:
        value = call.answer(given, lambda: list(code(*args, **kwargs)) if yields else code(*args, **kwargs), **how)
        return _each(value) if yields else value

    return value


async def _collected(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def _each(value: Any) -> Iterator[Any]:
    """What a tool yields: the items of a recorded list, else the value as a whole."""
    yield from value if isinstance(value, list) else [value]


async def _each_async(value: Any) -> AsyncIterator[Any]:
    for item in _each(value):
        yield item


PATCHES = {"agno.tools.function": _patch}
