"""From an object to an `Agent`: functions, classes, factories, objects with a method, mappings that name an
endpoint.

What is what:

- A **class** is a factory: one instance per session. So is a function marked with `@agent_factory`, and a
  function in which nothing takes the input (it has no parameter `input`, no required parameter without a known
  name, no `*args`): it is called with `overrides`. A function with only `context`, `history` or `**kwargs`
  could be either, and is an error until it says `input` or is marked.
- Any other **function** (method, partial, decorated, sync or async, generator or not) is the agent itself.
- An **object** is asked through the first that it has of `run`, `invoke`, `arun`, `ainvoke`, `__call__`. Name
  the method in the reference (`my_app:agent.ainvoke`) to choose another.
- A **mapping** or a URL is an endpoint: see `endpoint`.

Overrides are keyword arguments, or the parameter `overrides` where there is one; one that nothing takes is an
error. An object that lives in a module is shared by all sessions; only what a factory makes is one per session,
and is closed (`close`, or `aclose` for an async one) at its end.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from pytest_agent_replay.agents.adapters import AgentAdapter, find_adapter
from pytest_agent_replay.agents.loop import SessionLoop
from pytest_agent_replay.agents.model import Agent, Conversation, TurnInput
from pytest_agent_replay.agents.signature import (
    CallPlan,
    parameters_of,
    plan_agent_call,
    plan_factory_call,
    takes_input,
)
from pytest_agent_replay.agents.streams import is_async_answer, settle, settle_async
from pytest_agent_replay.errors import AgentError

__all__ = ["METHODS", "CallConversation", "TurnInput", "agent_factory", "is_marked", "make_agent"]

METHODS = ("run", "invoke", "arun", "ainvoke")
"""Methods by which an object is asked, in order of preference: sync ones first, for they need no event loop."""

_MARK = "__agent_replay_factory__"
_Factory = TypeVar("_Factory", bound=Callable[..., Any])


def agent_factory(function: _Factory) -> _Factory:
    """Marks a function as one that makes an agent, for each session anew, whatever its parameters look like."""
    setattr(function, _MARK, True)
    return function


def is_marked(function: Callable[..., Any]) -> bool:
    """Whether `agent_factory` marked it."""
    return bool(getattr(function, _MARK, False))


def make_agent(
    obj: Any, *, name: str, module_names: Sequence[str] = (), adapters: Sequence[AgentAdapter] = ()
) -> Agent:
    """The agent that `obj` is, or makes. `name` is how reports and errors call it (usually its reference).

    `module_names` are modules that are known to be its own code, such as the one that its reference names. A mapping's
    `endpoint` must be a URL or an app object here; `load.load_agent` resolves references first. Raises `AgentError` for
    an object that is no agent, or a signature that cannot be satisfied.
    """
    if _is_agent(obj):
        return cast(Agent, obj)
    if isinstance(obj, (Mapping, str)):
        from pytest_agent_replay.agents.endpoint import make_endpoint_agent

        mapping = {"endpoint": obj} if isinstance(obj, str) else obj
        return make_endpoint_agent(
            mapping, name=name, module_names=_module_names(mapping.get("endpoint"), module_names)
        )
    title = f"agent {name!r}"
    modules = _module_names(obj, module_names)
    if _is_function(obj):
        return _of_function(obj, name, title, modules, adapters)
    adapter = find_adapter(obj, adapters)
    if adapter is not None:
        return adapter.make(obj, name=name, module_names=modules)
    if isinstance(obj, type):
        return _Made(obj, name, "class", parameters_of(obj, title), modules, adapters)
    return _of_object(obj, name, title, modules)


def _of_function(
    function: Callable[..., Any], name: str, title: str, modules: tuple[str, ...], adapters: Sequence[AgentAdapter]
) -> Agent:
    parameters = parameters_of(function, title)
    _refuse_bare_app(parameters, title)
    if is_marked(function):
        return _Made(function, name, "factory", parameters, modules, adapters)
    names = {p.name for p in parameters}
    if takes_input(parameters) or "replay" in names:
        return _Called(function, name, "function", parameters, modules)
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
    is_stream = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if is_open or is_stream or names & {"context", "history"}:
        raise AgentError(
            f"{title}: none of its parameters takes the input. An agent declares it, as in `def agent(input): …`; a "
            "function that makes an agent is marked with `@pytest_agent_replay.agent_factory`"
        )
    return _Made(function, name, "factory", parameters, modules, adapters)


def _of_object(obj: Any, name: str, title: str, modules: tuple[str, ...]) -> Agent:
    method = _method_of(obj)
    if method is None:
        raise AgentError(
            f"{title}: a {_type_name(obj)} is no agent. An agent is a function, a class, an object with "
            f"{', '.join(f'`{m}`' for m in METHODS)} or `__call__`, or a mapping with `endpoint`"
        )
    if method.__name__ == "__call__":
        _refuse_bare_app(parameters_of(method, title), title)
    return _Called(method, name, f"{_type_name(obj)}.{method.__name__}", parameters_of(method, title), modules)


def _method_of(obj: Any) -> Callable[..., Any] | None:
    """Looks at what is really defined first: a proxy or a mock has an attribute of every name."""
    for has in (_has_static, hasattr):
        for name in (*METHODS, "__call__"):
            if has(obj, name) and callable(method := getattr(obj, name)):
                return _named(method, name)
    return None


def _named(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    if getattr(method, "__name__", None) == name:
        return method
    wrapped = functools.partial(method)
    wrapped.__name__ = name  # type: ignore[attr-defined]
    return wrapped


def _has_static(obj: Any, name: str) -> bool:
    return inspect.getattr_static(obj, name, None) is not None


def _refuse_bare_app(parameters: list[inspect.Parameter], title: str) -> None:
    if [p.name for p in parameters] == ["scope", "receive", "send"]:
        raise AgentError(
            f"{title}: an ASGI app needs the path of its agent: {{endpoint: 'package.module:app', path: /chat}}"
        )


class _Called:
    """A function or method that is called once per turn."""

    is_remote = False

    def __init__(
        self,
        target: Callable[..., Any],
        name: str,
        kind: str,
        parameters: list[inspect.Parameter],
        module_names: tuple[str, ...],
    ) -> None:
        self.name = name
        self.kind = kind
        self.is_async = _is_async(target)
        self.module_names = module_names
        self.entry = self._target = target
        self._plan: CallPlan = plan_agent_call(parameters, f"agent {name!r}")

    def start(self, first: TurnInput) -> Conversation:
        call = self._plan.compile(self._target, first.overrides)
        return CallConversation(call, self.is_async, f"agent {self.name!r}")


class CallConversation:
    """A conversation with something that is called once per turn."""

    __slots__ = ("_call", "_loop", "is_async")

    def __init__(self, call: Callable[[TurnInput], Any], is_async: bool, title: str) -> None:
        self._call = call
        self._loop = SessionLoop(title)
        self.is_async = is_async

    def ask(self, turn: TurnInput) -> Any:
        if self.is_async:
            return self._loop.run(self.ask_async, turn)
        value = self._call(turn)
        if type(value) is str or not is_async_answer(value):
            return settle(value)
        return self._late(value)

    def _late(self, value: Any) -> Any:
        """A decorator may hide that an agent is async: only what it returned tells."""
        try:
            self._loop.check()
        except AgentError:
            if inspect.iscoroutine(value):
                value.close()
            raise
        return self._loop.run(settle_async, value)

    async def ask_async(self, turn: TurnInput) -> Any:
        return await settle_async(self._call(turn))

    def close(self) -> None:
        self._loop.close()

    async def aclose(self) -> None:
        pass


class _Made:
    """A class or factory: what it makes is the agent of one session."""

    is_remote = False

    def __init__(
        self,
        factory: Callable[..., Any],
        name: str,
        kind: str,
        parameters: list[inspect.Parameter],
        module_names: tuple[str, ...],
        adapters: Sequence[AgentAdapter],
    ) -> None:
        self.name = name
        self.kind = kind
        self.is_async = _is_async(factory) or (isinstance(factory, type) and _is_async(_method_of_class(factory)))
        self.module_names = module_names
        self.entry = self._factory = factory
        self._plan = plan_factory_call(parameters, f"agent {name!r}")
        self._adapters = adapters

    def start(self, first: TurnInput) -> Conversation:
        call = self._plan.compile(self._factory, first.overrides)
        if _is_async(self._factory):
            return _LateConversation(self, first, call)
        return self.converse(call(first), first)

    def converse(self, made: Any, first: TurnInput) -> Conversation:
        """The conversation with what the factory made. The overrides went to the factory and go no further."""
        if isinstance(made, type) or (_is_function(made) and not _can_be_asked(made)):
            raise AgentError(
                f"agent {self.name!r}: calling it gave {_describe(made)}, which has to be called again to make an agent"
            )
        if made is None or isinstance(made, (str, bytes, int, float, list, tuple)) or inspect.isawaitable(made):
            raise AgentError(
                f"agent {self.name!r}: it was taken for a function that makes an agent, because no parameter takes the "
                f"input, but it gave {_describe(made)}. Declare `input`, as in `def agent(input): …`"
            )
        agent = make_agent(made, name=self.name, module_names=self.module_names, adapters=self._adapters)
        return _OwningConversation(made, agent.start(replace(first, overrides={})), f"agent {self.name!r}")


class _OwningConversation:
    """Closes what was made for this session at its end."""

    __slots__ = ("_inner", "_loop", "_made", "is_async")

    def __init__(self, made: Any, inner: Conversation, title: str) -> None:
        self._made = made
        self._inner = inner
        self._loop = SessionLoop(title)
        self.is_async = inner.is_async

    def ask(self, turn: TurnInput) -> Any:
        return self._loop.run(self._inner.ask_async, turn) if self.is_async else self._inner.ask(turn)

    async def ask_async(self, turn: TurnInput) -> Any:
        return await self._inner.ask_async(turn)

    def close(self) -> None:
        try:
            if self._loop.is_used:
                self._loop.run(self.aclose)
            else:
                self._close_sync()
        finally:
            self._loop.close()

    def _close_sync(self) -> None:
        try:
            if _has_static(self._made, "close"):
                closing = self._made.close()
                if is_async_answer(closing):
                    self._loop.run(settle_async, closing)
        finally:
            self._inner.close()

    async def aclose(self) -> None:
        try:
            for name in ("aclose", "close"):
                if _has_static(self._made, name):
                    await settle_async(getattr(self._made, name)())
                    break
        finally:
            await self._inner.aclose()


class _LateConversation:
    """The conversation with what an async factory makes: it is made with the first turn."""

    is_async = True

    def __init__(self, agent: _Made, first: TurnInput, call: Callable[[TurnInput], Any]) -> None:
        self._agent = agent
        self._first = first
        self._call = call
        self._inner: Conversation | None = None
        self._loop = SessionLoop(f"agent {agent.name!r}")

    def ask(self, turn: TurnInput) -> Any:
        return self._loop.run(self.ask_async, turn)

    async def ask_async(self, turn: TurnInput) -> Any:
        if self._inner is None:
            self._inner = self._agent.converse(await self._call(self._first), self._first)
        return await self._inner.ask_async(turn)

    def close(self) -> None:
        try:
            if self._inner is not None:
                self._loop.run(self._inner.aclose)
        finally:
            self._loop.close()

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()


def _is_function(obj: Any) -> bool:
    return inspect.isroutine(obj) or isinstance(obj, functools.partial) or hasattr(type(obj), "cache_info")


def _can_be_asked(function: Callable[..., Any]) -> bool:
    parameters = parameters_of(function, "agent")
    return not is_marked(function) and (takes_input(parameters) or any(p.name == "replay" for p in parameters))


def _is_async(target: Any) -> bool:
    while isinstance(target, functools.partial):
        target = target.func
    if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
        return True
    if target is None or _is_function(target) or isinstance(target, type):
        return False
    method = inspect.getattr_static(type(target), "__call__", None)
    return inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)


def _is_agent(obj: Any) -> bool:
    # not `isinstance(obj, Agent)`: a mock has every attribute, and that costs more than all the rest here
    return hasattr(type(obj), "start") and all(_has_static(obj, name) for name in ("name", "is_remote", "module_names"))


def _method_of_class(cls: type) -> Callable[..., Any] | None:
    for name in (*METHODS, "__call__"):
        method = inspect.getattr_static(cls, name, None)
        if inspect.isfunction(method):
            return method
    return None


def _module_names(obj: Any, known: Sequence[str]) -> tuple[str, ...]:
    """The modules of the code that `obj` is: of every layer of a decorated function, of a class and its bases."""
    names = list(known)
    for _ in range(50):
        if isinstance(obj, functools.partial):
            obj = obj.func
        elif inspect.ismethod(obj):
            names.extend(_class_modules(obj.__self__ if isinstance(obj.__self__, type) else type(obj.__self__)))
            obj = obj.__func__
        elif _is_function(obj):
            names.append(getattr(obj, "__globals__", {}).get("__name__") or getattr(obj, "__module__", None) or "")
            if not hasattr(obj, "__wrapped__"):
                break
            obj = obj.__wrapped__
        else:
            names.extend(_class_modules(obj if isinstance(obj, type) else type(obj)))
            break
    return tuple(dict.fromkeys(name for name in names if name and name != "builtins"))


def _class_modules(cls: type) -> list[str]:
    return [base.__module__ for base in cls.__mro__]


def _type_name(obj: Any) -> str:
    return type(obj).__qualname__


def _describe(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    text = repr(value)
    return text if len(text) <= 80 else f"a {_type_name(value)}"
