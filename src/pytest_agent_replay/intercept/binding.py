"""From tool names to interceptors: the rules of "How a tool name finds the client", for one session.

1. Explicit targets (`replay_tools`, `tools:`): a function, or a route (which the session's HTTP side knows by itself).
2. Frameworks announce their tools on their own when they call them.
3. A function of that name in the agent's own modules.
4. What stays unbound is looked for in the URLs of HTTP requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.formats.replay import ToolTarget
from pytest_agent_replay.intercept.finding import Found, OwnModules, as_function, resolve_target
from pytest_agent_replay.intercept.functions import bind_function, bind_nested, release
from pytest_agent_replay.intercept.registry import after_imports
from pytest_agent_replay.player.http_tools import is_route
from pytest_agent_replay.player.session import Session

__all__ = ["Binder"]

_own_modules: dict[str, OwnModules] = {}


class Binder:
    """Binds the tool names of one session, now and as the agent imports more modules."""

    def __init__(self, root: str, agent_modules: Iterable[str] = ()) -> None:
        own = _own_modules.get(root)
        self._own = own if own is not None else _own_modules.setdefault(root, OwnModules(root))
        self.agent_modules = tuple(agent_modules)
        self._bound: set[str] = set()
        self._open: list[str] | None = None
        """Names of the file and the settings whose function is not found yet; None before the first look."""
        self._caches: list[Callable[[], None]] = []

    @contextmanager
    def active(self, session: Session) -> Iterator[None]:
        """Binds what the file names, follows imports, and puts every function back at the end."""

        def imported(module: ModuleType) -> None:
            try:
                self.bind_recorded(session)
            except BindingError as error:
                # inside the agent's own import statement it would look like a fault of that module
                session.fail(str(error))

        try:
            self.bind_recorded(session)
            if not self._open:
                yield
                return
            with after_imports(imported):
                yield
        finally:
            release(session)
            for clear in self._caches:
                clear()

    def bind_recorded(self, session: Session) -> None:
        """Binds the names that the file or the settings know, as far as their functions are loaded by now."""
        if self._open is None:
            names = dict.fromkeys([*session.targets, *session.recorded_names()])
            self._open = [name for name in names if not is_route(name) and not _is_http(session.targets.get(name))]
        if self._open:
            for name in self._open:
                self._bind(session, name, named=True)
            self._open = [name for name in self._open if name not in self._bound]

    def bind_offered(self, session: Session, names: Iterable[str]) -> None:
        """Binds the tools that a model request offers, before the model's answer can call them."""
        for name in names:
            if name not in self._bound:
                self._bind(session, name, named=session.knows(name))

    def _bind(self, session: Session, name: str, *, named: bool) -> None:
        target = session.targets.get(name)
        if _is_http(target):
            return
        if target is not None:
            found = _explicit(name, target)
        else:
            found = self._own.find(name, self.agent_modules)
            nested = all("<locals>" in each.where for each in found)
            if named and not nested and len({id(each.function.__code__) for each in found}) > 1:
                places = ", ".join(each.where for each in found)
                raise BindingError(
                    f"the tool {name!r} could be any of {places}: say which in `tools:` of the replay file, for "
                    f"example `tools: {{{name}: {_reference(found[0])}}}`"
                )
        if target is None and all("<locals>" in each.where for each in found):
            self._bind_nested(session, name)
        for each in found:
            bind_function(session, each.function, name, is_method=each.is_method, instance=each.instance)
            # a namesake elsewhere in the project may not be what the agent calls: URLs are looked at as well
            alone = target is not None or self._own.is_near(each.function, self.agent_modules)
            session.bound(name, f"function {each.where}", alone=alone)
            self._bound.add(name)
            for clear in each.caches:
                # an answer that was cached before the replay must not be given in it, nor the other way round
                clear()
                self._caches.append(clear)

    def _bind_nested(self, session: Session, name: str) -> None:
        """Functions that the agent makes in each call are caught as they are made."""
        for parent, code in self._own.find_nested(name, self.agent_modules):
            bind_nested(session, parent, code, name)
            session.bound(name, f"function {parent.__module__}.{parent.__qualname__}.<locals>.{name}")
            # further ones may exist already, or be made by code that is yet to be imported: the name stays open


def _is_http(target: Any) -> bool:
    if isinstance(target, ToolTarget):
        return target.route is not None
    return isinstance(target, str) and is_route(target)


def _explicit(name: str, target: Any) -> list[Found]:
    """The function of an explicit target; nothing while its module is not imported. Raises `BindingError`."""
    if isinstance(target, ToolTarget):
        target = target.target
    if isinstance(target, str):
        found = resolve_target(name, target)
        return [] if isinstance(found, str) else [found]
    place = f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', type(target).__name__)}"
    function = as_function(target, place)
    if function is None:
        raise BindingError(
            f"the target of tool {name!r} is a {type(target).__name__}, which nobody knows how to intercept: "
            "give a Python function or method, `pkg.mod:callable`, or an HTTP route"
        )
    return [function]


def _reference(found: Found) -> str:
    function = found.function
    return f"{function.__module__}:{function.__qualname__}"
