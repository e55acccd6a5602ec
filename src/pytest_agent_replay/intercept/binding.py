"""From tool names to interceptors: the rules of "How a tool name finds the client", for one session.

1. Explicit targets (`replay_tools`, `tools:`): a function, or a route (which the session's HTTP side knows by itself).
2. Frameworks announce their tools on their own when they call them.
3. A function of that name in the agent's own modules.
4. A function that the source of these modules has beside the name.
5. What stays unbound is looked for in the URLs of HTTP requests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib.util import find_spec
from types import CodeType, FunctionType, ModuleType
from typing import Any

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.formats.replay import ToolTarget
from pytest_agent_replay.intercept.finding import Found, OwnModules, Surroundings, as_function, resolve_target
from pytest_agent_replay.intercept.functions import bind_function, bind_nested, is_swapped, release, trap_function
from pytest_agent_replay.intercept.registry import after_imports
from pytest_agent_replay.intercept.returns import misfit
from pytest_agent_replay.player.http_tools import is_route
from pytest_agent_replay.player.session import Session

__all__ = ["Binder"]

_own_modules: dict[str, OwnModules] = {}

_MACHINERY = frozenset(
    ("_pytest", "execnet", "pluggy", "pydantic", "pydantic_core", "pytest", "pytest_agent_replay", "xdist", "yaml")
)


class Binder:
    """Binds the tool names of one session, now and as the agent imports more modules."""

    def __init__(
        self,
        root: str,
        agent_modules: Iterable[str] = (),
        *,
        entry: Any = None,
        allow_modules: Iterable[str] = (),
        is_agent: Callable[[Any], bool] = lambda obj: False,
    ) -> None:
        own = _own_modules.get(root)
        self._own = own if own is not None else _own_modules.setdefault(root, OwnModules(root))
        self.agent_modules = tuple(agent_modules)
        self._own.include(self.agent_modules)
        if entry is not None and not {module.__name__ for module in self._own.modules()}.intersection(agent_modules):
            # the object of a framework, which was handed in as it is: its code is where it was made
            self.agent_modules += tuple(self._own.holders_of(entry))
        self._entry = _functions_behind(entry)
        self._allow_modules = tuple(allow_modules)
        self._is_agent = is_agent
        self._names: list[str] | None = None
        """Names of the file and the settings that are no routes."""
        self._open: list[str] = []
        """Of these, the ones that may still lead to (other) functions."""
        self._state: Any = None
        """The modules that were loaded when the open names were last looked for."""
        self._offered: dict[str, None] = {}
        self._caches: list[Callable[[], None]] = []

    @contextmanager
    def active(self, session: Session) -> Iterator[None]:
        """Binds what the file names, follows imports, and puts every function back at the end."""

        def imported(module: ModuleType) -> None:
            if not self._own.is_own(module) and not _is_target(module, session.targets.values()):
                return  # what an installed package imports when it is first used changes nothing of the agent's code
            # a module that is reloaded has new functions, also of names that were found before
            self._names = self._state = None
            with _noted(session):
                self.bind_recorded(session)
            self.bind_offered(session, self._offered)

        self._around().clear_caches()
        try:
            self.bind_recorded(session)
            with after_imports(imported):
                yield
        finally:
            try:
                release(session)
            except BaseException:  # interrupted, as by Ctrl-C: what is left
                release(session)
                raise
            for clear in self._caches:
                clear()
            self._around().clear_caches()

    def _around(self) -> Surroundings:
        return self._own.around(self.agent_modules)

    def bind_recorded(self, session: Session) -> None:
        """Binds the names that the file or the settings know, as far as their functions are loaded by now.

        Raises `BindingError` for a target that is wrong.
        """
        if self._names is None:
            # `*` alone would be every helper of the agent: it answers what a model or a request names
            globs = [glob for glob in session.recorded_globs() if glob.strip("*?")]
            like = [name for glob in globs for name in self._around().names_like(glob)]
            names = dict.fromkeys([*session.targets, *session.recorded_names(), *like])
            self._names = [name for name in names if not is_route(name) and not _is_http(session.targets.get(name))]
            self._open = list(self._names)
        if self._open:
            state, around = self._own.state(), self._around()
            self._open = [
                name
                for name in self._open
                if (state == self._state and all(is_swapped(code) for _, code in around.find_nested(name)))
                or not self._bind(session, name, around, named=True)
            ]
            self._state = state

    def bind_offered(self, session: Session, names: Iterable[str]) -> None:
        """Binds the tools that a model request offers, before the model's answer can call them."""
        around = self._around()
        for name in list(names):
            self._offered[name] = None
            if not _is_http(session.targets.get(name)):
                with _noted(session):
                    self._bind(session, name, around, named=session.knows(name))

    def in_url(self, name: str) -> bool:
        """Whether the agent's code shows that a recorded name is a request: it stands in a URL."""
        return self._around().in_url(name)

    def place_of(self, name: str) -> str | None:
        """`file:line` where the agent's code names a tool for which nothing was found."""
        return self._around().place_of(name)

    def reaches(self, tool: str, code: Iterable[Any], name: str, *, is_function: bool) -> bool:
        """Whether the code of a tool leads to what is recorded by another name; see `reach.reaches`.

        `code` is what is known of the tool where it is called; functions of its name are looked at as well, as of a
        server in this process.
        """
        from pytest_agent_replay.intercept.reach import reaches

        roots = [*code, *(each.function for each in self._around().find(tool))]
        return reaches(roots, name, self._own.globals_of_all(), is_function=is_function, is_agent=self._is_agent)

    def _bind(self, session: Session, name: str, around: Surroundings, *, named: bool) -> bool:
        """Binds one name. True when nothing further can be found for it until a module is imported."""
        target = session.targets.get(name)
        path: tuple[str, ...] = ()
        if target is not None:
            found = self._explicit(session, name, target)
        else:
            found = [each for each in around.find(name) if each.function not in self._entry]
            problem = _ambiguity(name, found, around) if named else None
            if problem is not None:
                # the tool may be that of a framework, or a request; which function it is matters once one is called
                for each in found:
                    trap_function(session, each.function, name, problem)
                return False
            if not session.observes and all("<locals>" in each.where for each in found):
                _bind_nested(session, name, around.find_nested(name))
            if not found and name not in session.bindings and not around.in_url(name):
                others = {*(self._names or ()), *self._offered} - {name}
                meant = around.find_written(name, session.recorded_args(name), others)
                found = [each for each in meant.found if each.function not in self._entry]
                path = meant.path
                if meant.number > 1:
                    for each in found if named else ():
                        trap_function(session, each.function, name, _undecided(name, found))
                    return False
                _bind_nested(session, name, () if session.observes else meant.made)
        is_final, places = bool(found), ", ".join(each.where for each in found)
        for each in found:
            bind_function(session, each.function, name, is_method=each.is_method, instance=each.instance, path=path)
            if not path:
                session.function_seen(name, each.function, each.is_method, misfit)
            # a namesake elsewhere in the project may not be what the agent calls: URLs are looked at as well
            is_sure = target is not None or around.is_near(each.function)
            is_final = is_final and is_sure and "<locals>" not in each.where
            session.bound(name, f"function {places}", alone=is_sure)
            for clear in () if session.observes else each.caches:
                # an answer that was cached before the replay must not be given in it, nor the other way round
                clear()
                self._caches.append(clear)
        return is_final

    def _explicit(self, session: Session, name: str, target: Any) -> list[Found]:
        """The function of an explicit target; nothing while its module is not imported. Raises `BindingError`."""
        if isinstance(target, ToolTarget):
            target = target.target
        if isinstance(target, str):
            self._guard(name, target, from_file=name in session.replay.tools)
            found = resolve_target(name, target)
            if isinstance(found, str):
                self._check_exists(name, target, found)
                return []
            return [found]
        place = f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', type(target).__name__)}"
        function = as_function(target, place)
        if function is None:
            raise BindingError(
                f"the target of tool {name!r} is a {type(target).__name__}, which nobody knows how to intercept: "
                "give a Python function or method, `pkg.mod:callable`, or an HTTP route"
            )
        return [function]

    def _guard(self, name: str, target: str, *, from_file: bool) -> None:
        """A target exchanges the code of a function: the machinery's is out of bounds, for files more than that."""
        module = target.partition(":")[0]
        top = module.partition(".")[0]
        is_allowed = any(fnmatchcase(module, pattern) for pattern in self._allow_modules)
        if top in _MACHINERY or (from_file and top in sys.stdlib_module_names and not is_allowed):
            raise BindingError(
                f"the target {target!r} of tool {name!r} is not the agent's to replace"
                + ("" if top in _MACHINERY else "; name it in `replay_tools`, or its module in `replay_allow_modules`")
            )

    def _check_exists(self, name: str, target: str, module: str) -> None:
        """A module that can never be imported is a mistake; one that the agent has yet to import is not."""
        parent, _, _ = module.rpartition(".")
        if parent and parent not in sys.modules:
            module = module.partition(".")[0]
        if module not in sys.modules and find_spec(module) is None:
            from difflib import get_close_matches

            near = get_close_matches(module, [own.__name__ for own in self._own.modules()], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BindingError(f"the target {target!r} of tool {name!r}: there is no module {module!r}{hint}")


def _ambiguity(name: str, found: list[Found], around: Surroundings) -> str | None:
    """Why it cannot be known which function is meant: several far from the agent cannot all be."""
    if len({id(each.function.__code__) for each in found}) <= 1:
        return None
    if any(around.is_near(each.function) or "<locals>" in each.where for each in found):
        return None
    return _undecided(name, found)


def _undecided(name: str, found: list[Found]) -> str:
    places = ", ".join(each.where for each in found)
    return (
        f"the tool {name!r} could be any of {places}: say which in `tools:` of the replay file, for example "
        f"`tools: {{{name}: {_reference(found[0])}}}`"
    )


def _bind_nested(session: Session, name: str, made: Iterable[tuple[FunctionType, CodeType]]) -> None:
    """Functions that the agent makes in each call are caught as they are made."""
    for parent, code in made:
        bind_nested(session, parent, code, name)
        session.bound(name, f"function {parent.__module__}.{parent.__qualname__}.<locals>.{code.co_name}")


def _is_target(module: ModuleType, targets: Iterable[Any]) -> bool:
    """Whether a target stands in the module, or in one below it."""
    return any(isinstance(target, str) and target.startswith(module.__name__) for target in targets)


@contextmanager
def _noted(session: Session) -> Iterator[None]:
    """Inside the agent's own statements a mistake of the file would look like a fault of the agent."""
    try:
        yield
    except BindingError as error:
        session.fail(str(error))


def _functions_behind(entry: Any) -> tuple[FunctionType, ...]:
    """The functions that are the agent itself, with every decorator's layer: never its own tools."""
    functions: list[FunctionType] = []
    value = entry
    for _ in range(50):
        value = getattr(value, "__func__", value)
        if isinstance(value, FunctionType):
            functions.append(value)
        value = getattr(value, "__wrapped__", getattr(value, "func", None))
        if value is None:
            break
    return tuple(functions)


def _is_http(target: Any) -> bool:
    if isinstance(target, ToolTarget):
        return target.route is not None
    return isinstance(target, str) and is_route(target)


def _reference(found: Found) -> str:
    function = found.function
    return f"{function.__module__}:{function.__qualname__}"
