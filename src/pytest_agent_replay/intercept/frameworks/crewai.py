"""CrewAI tools: `@tool`, subclasses of `BaseTool`, `CrewStructuredTool`, those of MCP servers, delegation to agents.

Caught is `_run` or `_arun`, or the function of a tool that was made from one, so that checks of the arguments, limits
of use, hooks, events and repetitions are CrewAI's. Its cache of results begins empty in every replay.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from pytest_agent_replay.intercept.frameworks.calls import Call, called_as, catch, name_of_call
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.current import current_session, known_session

if TYPE_CHECKING:
    from pytest_agent_replay.player.session import Session

__all__ = ["PATCHES"]

_NAME = "crewai"

_given: ContextVar[tuple[Any, Mapping[str, Any]] | None] = ContextVar("agent_replay_crewai_call", default=None)
"""The tool that is running, and what the model gave: its code gets that completed with defaults."""


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    for name in ("run", "arun"):
        patcher.tree(module.BaseTool, name, _noting)
    for name in ("_run", "_arun"):
        patcher.tree(module.BaseTool, name, _answering)
    patcher.set(module.Tool, "func", _Function())


def _patch_structured(module: ModuleType, patcher: Patcher) -> None:
    cls = module.CrewStructuredTool
    for name in ("invoke", "ainvoke"):
        patcher.set(cls, name, _noting(cls.__dict__[name]))
    patcher.set(cls, "func", _Function())


def _noting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Remembers what the model gave. `run` gets it as keywords, `invoke` as a mapping or its JSON."""

    def noted(tool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        given = kwargs.get("input", args[0] if args else None) if original.__name__.endswith("invoke") else kwargs
        return _given.set((tool, _mapping(given)))

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def arun(self: Any, *args: Any, **kwargs: Any) -> Any:
            token = noted(self, args, kwargs)
            try:
                return await original(self, *args, **kwargs)
            finally:
                _given.reset(token)

        return arun

    @functools.wraps(original)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = noted(self, args, kwargs)
        try:
            return original(self, *args, **kwargs)
        finally:
            _given.reset(token)

    return run


def _mapping(given: Any) -> Mapping[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return {}
    return given if isinstance(given, Mapping) else {}


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    """A method that is a tool's own code."""
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def _arun(self: Any, *args: Any, **kwargs: Any) -> Any:
            real = functools.partial(original, self, *args, **kwargs)
            call = _caught(self)
            return (
                await real() if call is None else await call.answer_async(**_asked(self, original, args, kwargs, real))
            )

        return _arun

    @functools.wraps(original)
    def _run(self: Any, *args: Any, **kwargs: Any) -> Any:
        real = functools.partial(original, self, *args, **kwargs)
        call = _caught(self)
        return real() if call is None else call.answer(**_asked(self, original, args, kwargs, real))

    return _run


class _Function:
    """Stands for the field `func` of tools, which holds the function that a tool was made from."""

    def __get__(self, tool: Any, owner: Any = None) -> Any:
        if tool is None:
            raise AttributeError("func")
        function = tool.__dict__["func"]
        if function is None or known_session() is None:
            return function
        return _answering_function(tool, function)

    def __set__(self, tool: Any, value: Any) -> None:
        tool.__dict__["func"] = value


def _answering_function(tool: Any, function: Any) -> Any:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def async_func(*args: Any, **kwargs: Any) -> Any:
            real = functools.partial(function, *args, **kwargs)
            call = _caught(tool)
            return (
                await real() if call is None else await call.answer_async(**_asked(tool, function, args, kwargs, real))
            )

        return async_func

    @functools.wraps(function)
    def func(*args: Any, **kwargs: Any) -> Any:
        real = functools.partial(function, *args, **kwargs)
        call = _caught(tool)
        return real() if call is None else call.answer(**_asked(tool, function, args, kwargs, real))

    return func


def _caught(tool: Any) -> Call | None:
    with called_as(_visible_name(tool), None):
        return catch(_NAME, name_of_call(tool.name))


def _visible_name(tool: Any) -> str:
    """The name that a model knows the tool by. Versions before 1.0 leave it as it is."""
    strings = sys.modules.get("crewai.utilities.string_utils")
    return str(getattr(strings, "sanitize_tool_name", str)(tool.name))


def _asked(
    tool: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], real: Callable[[], Any]
) -> dict[str, Any]:
    names = list(tool.args_schema.model_fields) if tool.args_schema is not None else []
    named = {**dict(zip(names, args, strict=False)), **kwargs}
    running = _given.get()
    given = named if running is None or running[0] is not tool or args else running[1]
    given = {k: v for k, v in given.items() if k in named}
    return {
        "args": given,
        "real": real,
        "defaults": {k: v for k, v in {**defaults_of(function), **named}.items() if k not in given},
        "function": function,
        "is_agent": any(cls.__name__ == "BaseAgentTool" for cls in type(tool).__mro__),
    }


_caches: WeakKeyDictionary[Any, dict[int, Any]] = WeakKeyDictionary()
"""The caches of each session, by the id of the crew's own."""


def _patch_cache(module: ModuleType, patcher: Patcher) -> None:
    for name in ("add", "read"):
        patcher.set(module.CacheHandler, name, _of_session(module.CacheHandler.__dict__[name]))


def _of_session(original: Callable[..., Any]) -> Callable[..., Any]:
    """A crew keeps results over its runs; in a replay it must not know those of another one."""

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        session = current_session("a cached result of CrewAI")
        if session is not None:
            self = _caches.setdefault(session, {}).setdefault(id(self), type(self)())
        return original(self, *args, **kwargs)

    return method


def _patch_models(module: ModuleType, patcher: Patcher) -> None:
    """Before a model is asked, its provider is asked to count the tokens: no recorded answer can be an answer to that.

    What CrewAI reckons where a provider does not answer stands in.
    """
    reckoned = module.BaseLLM.__dict__.get("get_input_tokens_count")
    if reckoned is not None:
        patcher.tree(module.BaseLLM, "get_input_tokens_count", functools.partial(_reckoning, reckoned))


def _reckoning(reckoned: Callable[..., int], original: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(original)
    def get_input_tokens_count(self: Any, *args: Any, **kwargs: Any) -> int:
        session = cast("Session | None", known_session())
        is_live = session is None or session.settings.llm == "live"
        return (original if is_live else reckoned)(self, *args, **kwargs)

    return get_input_tokens_count


PATCHES = {
    "crewai.tools.base_tool": _patch_tools,
    "crewai.tools.structured_tool": _patch_structured,
    "crewai.agents.cache.cache_handler": _patch_cache,
    "crewai.llms.base_llm": _patch_models,
}
