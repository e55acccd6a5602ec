"""Which of the agent's functions a tool name means. Only what is loaded is looked at: nothing is imported."""

from __future__ import annotations

import functools
import gc
import inspect
import operator
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import (
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, NamedTuple

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.intercept.functions import is_made_exchanged, original_of, own_code
from pytest_agent_replay.intercept.written import CALLED_BY, TOOL_METHODS, Kind, Written, nested_codes
from pytest_agent_replay.player.values import ALL_ARGUMENTS

__all__ = ["Found", "OwnModules", "Surroundings", "as_function", "resolve_target"]

_OURS = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Found:
    """A function that is a tool. `is_method`: its first argument is the object; `instance`: only calls on that one."""

    function: FunctionType
    where: str
    is_method: bool = False
    instance: Any = None
    caches: tuple[Callable[[], None], ...] = ()
    """`cache_clear` of every cache around it: an answer must not outlive its replay."""


class OwnModules:
    """The agent's own modules: loaded, under the root, not installed packages. Follows further imports."""

    def __init__(self, root: str) -> None:
        self._root = os.path.join(os.path.realpath(root), "")
        self._folders: tuple[str, ...] = (self._root,)
        self._included: set[str] = set()
        self._seen: set[str] = set()
        self._real_folders: dict[str, str] = {}
        self._state: tuple[int, str] | None = None
        self._own: dict[str, None] = {}
        self._contents: dict[str, _Contents] = {}
        self._written: dict[str, Written] = {}
        self._reached: tuple[Any, list[ModuleType]] = (None, [])
        self._lock = threading.RLock()
        """Parallel sessions share what was found: none may see it half done."""

    @property
    def root(self) -> str:
        """The folder that own modules are in."""
        return self._root

    def include(self, names: Iterable[str]) -> None:
        """Counts the packages of these modules as own, where they lie outside the root but are not installed."""
        for name in names:
            if name in self._included:
                continue
            self._included.add(name)
            place = _source_folder(name)
            if place is not None and not place.startswith(self._root) and place not in self._folders:
                with self._lock:
                    self._folders = (*self._folders, place)
                    self._seen.clear()
                    self._state = None

    def modules(self) -> list[ModuleType]:
        """The own modules that are loaded now, in the order in which they were imported."""
        loaded, state = sys.modules, self.state()
        with self._lock:
            if state != self._state:
                names = list(loaded)
                for name in names:
                    module = loaded.get(name) if name not in self._seen else None
                    if module is not None and self._is_own(name, module):
                        self._own[name] = None
                self._seen = set(names)
                self._state = state
            return [module for module in map(loaded.get, self._own) if module is not None]

    @staticmethod
    def state() -> tuple[int, str]:
        """Differs when other modules are loaded: their number and the newest. Cheaper to compare than all names."""
        loaded = sys.modules
        while True:
            try:
                return len(loaded), next(reversed(loaded))
            except RuntimeError:  # another thread imports
                continue

    def is_own(self, module: ModuleType) -> bool:
        """Whether a module is the agent's own code."""
        return self._is_own(module.__name__, module)

    def _is_own(self, name: str, module: ModuleType) -> bool:
        if name.partition(".")[0] == _OURS:
            return False
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            return False
        path = self._real_path(file)
        folder = next((folder for folder in self._folders if path.startswith(folder)), None)
        return folder is not None and not _is_installed(path[len(folder) :])

    def _real_path(self, file: str) -> str:
        """`file` without symlinks, as `os.path.realpath` has it. Those above it are the same for its neighbours."""
        above, name = os.path.split(file)
        if not os.path.isabs(above):
            return os.path.realpath(file)
        real = self._real_folders.get(above)
        if real is None:
            real = self._real_folders[above] = os.path.realpath(above)
        path = os.path.join(real, name)
        return os.path.realpath(path) if os.path.islink(path) else path

    def around(self, agent: tuple[str, ...]) -> Surroundings:
        """What is loaded now, as the agent whose modules have these names sees it."""
        loaded = self.modules()
        key = (agent, loaded)
        known, near = self._reached
        if known != key:
            near = _reached_from(agent, loaded)
            self._reached = (key, near)
        return Surroundings(self, loaded, [self.contents_of(module) for module in near])

    def holders_of(self, obj: Any) -> list[str]:
        """The own modules in which an object has a name, or is in a mapping or list that has one."""
        found = []
        for module in self.modules():
            values = list(vars(module).values())
            inside = (each for v in values if type(v) in (dict, list, tuple) for each in _members(v))
            if any(value is obj for value in values) or any(each is obj for each in inside):
                found.append(module.__name__)
        return found

    def globals_of_all(self) -> set[int]:
        """The `id`s of the globals of all own modules."""
        return {id(vars(module)) for module in self.modules()}

    def written_in(self, module: ModuleType) -> Written:
        """What a module's source says; nothing where there is none."""
        known = self._written.get(module.__name__)
        if known is None or known.module is not module:
            try:
                source = inspect.getsource(module)
            except (OSError, TypeError):
                source = ""
            known = self._written[module.__name__] = Written(module, source)
        return known

    def contents_of(self, module: ModuleType) -> _Contents:
        """What the module's names lead to."""
        known = self._contents.get(module.__name__)
        if known is None or not known.is_of(module):
            known = self._contents[module.__name__] = _Contents(module)
        return known


class Meant(NamedTuple):
    """What the agent's source means by a tool's name."""

    found: list[Found] = []  # noqa: RUF012  # never changed
    made: list[tuple[FunctionType, CodeType]] = []  # noqa: RUF012
    """Functions that another one makes in every call, and their code."""
    path: tuple[str, ...] = ()
    """Where a call of what was found says which tool is meant; empty: it is the tool itself."""

    @property
    def number(self) -> int:
        """How many different functions these are."""
        return len({each.function.__code__ for each in self.found}.union(code for _, code in self.made))


_KINDS: tuple[Kind, ...] = ("beside", "class", "branch")


class Surroundings:
    """The own modules that are loaded at one moment, and of these the ones near an agent. To be asked at once."""

    __slots__ = ("_modules", "_near", "_own")

    def __init__(self, own: OwnModules, modules: list[ModuleType], near: list[_Contents]) -> None:
        """`near` are the agent's modules and every own module that can be reached from their names."""
        self._own = own
        self._modules = modules
        self._near = near

    def find(self, tool: str) -> list[Found]:
        """The functions that `tool` names, best kind first; several only where it cannot be told which is meant.

        In the agent's modules and those that they use, all that bear the name are returned: module-level functions,
        methods, functions in a mapping under it, what objects do that have it as their `name`. That may be a tool and
        its wrapper, of which the outer one answers. A function that such a module imported counts when its code is in
        an own module or in an installed package: an imported `re.search` or `httpx.get` is not the tool of that name.
        Elsewhere under the root the first kind that is found counts. Functions made inside of functions are looked for
        last. Raises `BindingError` where the name leads to something that cannot be intercepted.
        """
        own = {id(vars(module)) for module in self._modules}
        if self._near:
            found = _distinct(
                each for search in _SEARCHES for each in search(self._near, tool) if _is_a_tool(each, own)
            )
            if found:
                return found
            if not self.in_url(tool):
                _refuse_what_cannot_be_caught(self._near, tool)
        contents = [self._own.contents_of(module) for module in self._modules]
        for search in _SEARCHES:
            found = _distinct(each for each in search(contents, tool) if id(each.function.__globals__) in own)
            if found:
                return found
        nearest = self._near or contents
        if any(tool in each.nested for each in nearest):
            return _distinct(_closures(tool, {each.name for each in nearest}))
        return []

    def names_like(self, glob: str) -> list[str]:
        """The names of functions and methods of the agent's modules and of those that they use which a glob matches."""
        names = (
            function.__name__
            for each in self._near
            for function in _functions_of(each.module)
            if not function.__name__.startswith("_") and fnmatchcase(function.__name__, glob)
        )
        return list(dict.fromkeys(names))

    def in_url(self, name: str) -> bool:
        """Whether a name stands in the source of the agent's modules as a segment or the host of a URL.

        Of other modules of the project that says nothing.
        """
        pattern = re.compile(rf"/{re.escape(name)}(?![\w-])")
        return any(pattern.search(self._own.written_in(each.module).source) for each in self._near)

    def place_of(self, tool: str) -> str | None:
        """`file:line` where the agent's modules name a tool that they may call. None: they do not, or what they have by
        that name is known to be answered once it is called: a request, or the tool object of a framework."""
        own = {each.name for each in self._near}
        held = (held for each in self._near for _, value in each.registries(own) for held in _objects_in(value))
        if self.in_url(tool) or any(_name_of(each) == tool for each in held):
            return None
        for each in self._near:
            line = self._own.written_in(each.module).line_of(tool)
            if line is not None:
                return f"{os.path.relpath(each.module.__file__ or '', self._own.root)}:{line}"
        return None

    def find_nested(self, tool: str) -> list[tuple[FunctionType, CodeType]]:
        """The code of functions named `tool` that functions of these modules make in every call, with the latter."""
        return [
            (parent, own_code(code))
            for each in (self._near or map(self._own.contents_of, self._modules))
            for parent in each.nested.get(tool, ())
            for code in nested_codes(original_of(parent).__code__)
            if code.co_name == tool
        ]

    def find_written(self, tool: str, calls: Sequence[Mapping[str, Any] | None], others: Collection[str]) -> Meant:
        """The functions that the source of the agent's modules means by a tool's name, which they do not bear.

        They can be called with the arguments of these `calls` (None: unknown). What stands beside the name goes before
        a class that has it, and that before what its branches come down to. Where a branch does more than one call, the
        function around it is answered as a whole, if it is told the name. `others` are the names of other tools. See
        `written`.
        """
        sources = [self._own.written_in(each.module) for each in self._near]
        for kind in _KINDS:
            meant = self._meant(tool, calls, others, kind, sources)
            if meant.number == 1 or (meant.number and kind != "branch"):
                return meant
        own = {id(vars(module)) for module in self._modules}
        for source in sources:
            for dispatcher in source.dispatchers(tool):
                function = as_function(dispatcher.value, dispatcher.where)
                if function is not None and id(function.function.__globals__) in own:
                    return Meant([function], path=dispatcher.path)
        return meant if meant.number else self._meant(tool, calls, others, "statement", sources)

    def _meant(
        self,
        tool: str,
        calls: Sequence[Mapping[str, Any] | None],
        others: Collection[str],
        kind: Kind,
        sources: list[Written],
    ) -> Meant:
        own = {id(vars(module)) for module in self._modules}
        found = list(self._by_alias(tool, sources, calls)) if kind == "beside" else []
        made: list[tuple[FunctionType, CodeType]] = []
        # without arguments, too much would fit
        for source in sources if kind in ("beside", "branch") or any(calls) else ():
            for meaning in source.meanings(tool, others, kind):
                function = as_function(meaning.value, meaning.where) if meaning.made is None else None
                if function is not None:
                    found.append(function)
                elif meaning.made is not None and meaning.made not in made:
                    made.append(meaning.made)
        fitting = _distinct(e for e in found if id(e.function.__globals__) in own and _takes_calls(e, calls))
        return Meant(fitting, [each for each in made if _code_takes(each[1], calls)])

    def _by_alias(
        self, tool: str, sources: Iterable[Written], calls: Sequence[Mapping[str, Any] | None]
    ) -> Iterator[Found]:
        """Functions whose name the code makes of the tool's, and those of a module that has it."""
        aliases = sorted({re.sub(r"\W", "_", tool)}.union(*(each.names_for(tool) for each in sources)) - {tool})
        for search in (_module_level, _methods):
            for name in aliases:
                yield from search(self._near, name)
        for module in self._modules:
            if any(calls) and module.__name__.rpartition(".")[2] == tool:
                for name in (*TOOL_METHODS, "main"):
                    yield from _module_level([self._own.contents_of(module)], name)

    def is_near(self, function: FunctionType) -> bool:
        """Whether a function is of the agent's own modules or of those that they use."""
        return any(vars(each.module) is function.__globals__ for each in self._near)

    def clear_caches(self) -> None:
        """Empties every `lru_cache` of the agent's modules and of those that they use.

        What was cached in a replay may come from a recording, what was cached outside of one from a real tool: neither
        may be given out on the other side.
        """
        for each in self._near:
            for cache in each.caches:
                if cache.cache_info().currsize:
                    cache.cache_clear()


def _reached_from(names: Iterable[str], loaded: Iterable[ModuleType]) -> list[ModuleType]:
    """The modules of these names and every other one of `loaded` that can be reached from their names."""
    modules = {module.__name__: module for module in loaded}
    reached = {name: modules[name] for name in names if name in modules}
    waiting = list(reached.values())
    while waiting:
        for name in _names_used(waiting.pop()):
            if name in modules and name not in reached:
                reached[name] = modules[name]
                waiting.append(modules[name])
    return list(reached.values())


def _members(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value)


def _is_installed(path: str) -> bool:
    return any(part in ("site-packages", "dist-packages") for part in path.split(os.sep))


def _source_folder(name: str) -> str | None:
    """The folder of a module's package (of a single module: the one that it lies in); None for installed ones."""
    top = sys.modules.get(name.partition(".")[0])
    file = getattr(top, "__file__", None)
    if top is None or not isinstance(file, str) or name.partition(".")[0] in (*sys.stdlib_module_names, _OURS):
        return None
    folder = os.path.join(os.path.dirname(os.path.realpath(file)), "")
    return None if _is_installed(folder) else folder


_NO_HOLDERS = (type, FunctionType, ModuleType, str, int, float, type(None))


class _Contents:
    """What a module's names led to when it was looked through."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.name = module.__name__
        self._values = list(vars(module).values())
        self.classes = list(_classes_of(module))
        named = [(name, value) for name, value in list(vars(module).items()) if not name.startswith("__")]
        self._holders = [(name, value) for name, value in named if not isinstance(value, _NO_HOLDERS)]
        """What may be, or hold, tool objects."""
        self.nested: dict[str, list[FunctionType]] = {}
        """The names of functions that its functions define inside themselves, with the latter."""
        for function in _functions_of(module):
            for name in {code.co_name for code in nested_codes(original_of(function).__code__)}:
                self.nested.setdefault(name, []).append(function)
        inside = (getattr(each, "__func__", each) for cls in self.classes for each in list(vars(cls).values()))
        self.caches = [each for each in (*self._values, *inside) if isinstance(each, functools._lru_cache_wrapper)]
        """Its `lru_cache`s, of methods too."""

    def registries(self, own: Collection[str]) -> Iterator[tuple[str, Any]]:
        """What may be, or hold, tools: values of the module's names, and what objects of the modules `own` are made
        of."""
        for name, value in self._holders:
            yield f"{self.name}.{name}", value
            if type(value).__module__ in own and not isinstance(value, (dict, list, tuple)):
                for inner, held in _fields(value).items():
                    if isinstance(held, (dict, list, tuple, MappingProxyType)):
                        yield f"{self.name}.{name}.{inner}", held

    def is_of(self, module: ModuleType) -> bool:
        """False once a name was added or leads to something else, as after a reload."""
        values = list(vars(module).values())
        return len(values) == len(self._values) and all(map(operator.is_, values, self._values))


def _names_used(module: ModuleType) -> Iterator[str]:
    """The modules that the values of a module's names are, or come from, and those that its functions may import."""
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str):
            yield name
    package = module.__package__
    for function in _functions_of(module):
        for code in (function.__code__, *nested_codes(function.__code__)):
            yield from code.co_names
            if package:
                yield from (f"{package}.{name}" for name in code.co_names)


_ENTRY_METHODS = ("run", "arun", "invoke", "ainvoke", "__call__")
"""How agents are called: a method of such a name is not taken for a tool unless it is bound explicitly."""

_NEVER_TOOLS = frozenset(
    (
        "requests",
        "urllib3",
        "httpx",
        "httpx2",
        "aiohttp",
        "botocore",
        "boto3",
        "pytest",
        "_pytest",
        "pydantic",
        "typing_extensions",
    )
)


def _is_a_tool(found: Found, own: set[int]) -> bool:
    return id(found.function.__globals__) in own or (found.instance is None and _is_of_a_package(found.function))


def _refuse_what_cannot_be_caught(contents: Iterable[_Contents], tool: str) -> None:
    """The agent's own name for a function of the standard library or in C is that tool, but out of reach."""
    for each in contents:
        value = vars(each.module).get(tool)
        while isinstance(value, functools.partial):
            value = value.func
        if not inspect.isroutine(value):
            continue
        module = value.__module__ or ""
        what = f"{module}.{getattr(value, '__qualname__', tool)}".lstrip(".")
        if not isinstance(value, (FunctionType, MethodType)):
            raise BindingError(
                f"the tool {tool!r} is {what} in {each.name}, which is not written in Python and cannot be "
                "intercepted. Put a function of your own around it"
            )
        if module.partition(".")[0] in sys.stdlib_module_names:
            raise BindingError(
                f"the tool {tool!r} is {what} in {each.name}: functions of the standard library are not intercepted by "
                "name. Put a function of your own around it, or bind it: "
                f"`replay_tools = {tool} = {module}:{what.removeprefix(f'{module}.')}`"
            )


def _is_of_a_package(function: FunctionType) -> bool:
    """Of an installed package other than HTTP clients, whose own functions are caught as HTTP, not as tools."""
    top = (function.__module__ or "").partition(".")[0]
    if top in ("", "builtins"):
        return True  # what `exec` made, in a namespace without a name: the interpreter's own are no Python functions
    return top not in sys.stdlib_module_names and top not in _NEVER_TOOLS and top != _OURS


def _distinct(found: Iterable[Found]) -> list[Found]:
    unique: dict[tuple[int, int], Found] = {}
    for each in found:
        unique.setdefault((id(each.function), id(each.instance)), each)
    return list(unique.values())


def _module_level(contents: Iterable[_Contents], tool: str) -> Iterator[Found]:
    for each in contents:
        value = vars(each.module).get(tool)
        if value is not None:
            found = as_function(value, f"{each.name}.{tool}", tool)
            if found is not None:
                yield found


def _methods(contents: Iterable[_Contents], tool: str) -> Iterator[Found]:
    if tool in _ENTRY_METHODS:
        return
    for each in contents:
        for cls in each.classes:
            if tool in vars(cls):
                yield from _method(cls, tool, f"{each.name}.{cls.__qualname__}.{tool}")


def _method(cls: type, name: str, where: str) -> Iterator[Found]:
    """The method that a class itself defines."""
    raw = vars(cls).get(name)
    found = as_function(raw, where, name) if raw is not None else None
    if found is not None:
        yield found if found.instance is not None else replace(found, is_method=not isinstance(raw, staticmethod))


def _registered(contents: Iterable[_Contents], tool: str) -> Iterator[Found]:
    """Functions that a module keeps in a mapping under the tool's name, whatever their own, alone or in a record."""
    own = {each.name for each in contents}
    for each in contents:
        for where, mapping in each.registries(own):
            if isinstance(mapping, (dict, MappingProxyType)):
                # not a subclass's own `get`, which may make what is missing
                value = dict.get(mapping, tool) if isinstance(mapping, dict) else mapping.get(tool)
                if value is not None:
                    place = f"{where}[{tool!r}]"
                    found = as_function(value, place, tool)
                    yield from _in_record(value, own, place) if found is None else (found,)


def _takes_calls(found: Found, calls: Iterable[Mapping[str, Any] | None]) -> bool:
    parameters = list(inspect.signature(found.function).parameters.values())[found.is_method :]
    names = [each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    is_open = any(each.kind is each.VAR_KEYWORD for each in parameters)
    return all(_takes(names, is_open, args) for args in calls)


def _code_takes(code: CodeType, calls: Iterable[Mapping[str, Any] | None]) -> bool:
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return all(_takes(names, bool(code.co_flags & inspect.CO_VARKEYWORDS), args) for args in calls)


def _takes(names: Collection[str], is_open: bool, args: Mapping[str, Any] | None) -> bool:
    if not args or is_open or args.keys() <= set(names):
        return True
    return not args.keys() & set(names) and any(name in ALL_ARGUMENTS for name in names)


def _named(contents: Iterable[_Contents], tool: str) -> Iterator[Found]:
    """What tool objects do: of a class whose `name` is the tool's, or an object whose is, alone or in a registry.

    A record of that name is the function in it. A function in a registry may have been given its name.
    """
    own = {each.name for each in contents}
    for each in contents:
        for cls in each.classes:
            if vars(cls).get("name") == tool:
                for method in TOOL_METHODS:
                    yield from _method(cls, method, f"{each.name}.{cls.__qualname__}.{method}")
        for where, registry in each.registries(own):
            for held in _objects_in(registry):
                if _name_of(held) == tool:
                    yield from _of_named(held, own, f"{where}: {tool!r}")


def _of_named(held: Any, own: set[str], where: str) -> Iterator[Found]:
    if isinstance(held, FunctionType):
        yield Found(held, where, _takes_self(held))
        return
    methods = []
    if type(held).__module__ in own:
        methods = [found for name in TOOL_METHODS for found in _method_of(held, name, f"{where}.{name}")]
        yield from methods
    if not methods:
        yield from _in_record(held, own, where)


def _method_of(held: Any, name: str, where: str) -> Iterator[Found]:
    """What an object does by a name: its class's, or what that inherits."""
    base = next((base for base in type(held).__mro__ if name in vars(base)), None)
    if base is not None:
        yield from (replace(found, instance=held) for found in _method(base, name, where))


def _name_of(held: Any) -> str | None:
    """What a tool object, a record, or a function is called."""
    kind = type(held)
    if kind is FunctionType:
        name = held.__name__
    elif isinstance(held, dict):
        name = dict.get(held, "name")
    elif isinstance(held, tuple) or isinstance(_inherited(kind, "name"), MemberDescriptorType):
        name = getattr(held, "name", None)
    else:
        attributes = getattr(held, "__dict__", None)
        name = attributes.get("name") if type(attributes) is dict else None
    return name if isinstance(name, str) else None


def _in_record(value: Any, own: Collection[str], where: str) -> Iterator[Found]:
    """The functions in `{"function": …, "description": …}`, or in an object like that, by which a tool is called.

    Of a plain tuple the only one. A parser or a check that stands beside a URL is none. Not in objects of other
    packages: what a framework's tool holds beside its function (what is done when it fails) is no tool.
    """
    if not isinstance(value, (dict, tuple, SimpleNamespace)) and type(value).__module__ not in own:
        return
    held = [(name, each) for name, each in _fields(value).items() if isinstance(each, _FUNCTIONS)]
    if not isinstance(value, tuple) or hasattr(value, "_fields"):
        held = [(name, each) for name, each in held if name in CALLED_BY]
    elif len(held) > 1 or any(isinstance(each, str) and "://" in each for each in value):
        return
    for name, each in held:
        found = as_function(each, f"{where}.{name}")
        if found is not None:
            yield found


_FUNCTIONS = (FunctionType, MethodType, functools.partial, functools._lru_cache_wrapper)


def _fields(value: Any) -> dict[Any, Any]:
    """What a record is made of: a mapping, a tuple (named or not), an object with attributes or slots."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, tuple):
        return dict(zip(getattr(value, "_fields", range(len(value))), value, strict=False))
    fields = {
        name: each.__get__(value)
        for base in type(value).__mro__
        for name, each in vars(base).items()
        if isinstance(each, MemberDescriptorType) and hasattr(value, name)
    }
    attributes = getattr(value, "__dict__", None)
    return {**fields, **attributes} if type(attributes) is dict else fields


def _objects_in(value: Any) -> list[Any]:
    """The object, or those of a list or mapping of objects."""
    if isinstance(value, dict):
        return list(dict.values(value))[:1000]
    return list(value)[:1000] if type(value) in (list, tuple) else [value]


_SEARCHES: tuple[Callable[[list[_Contents], str], Iterator[Found]], ...] = (
    _module_level,
    _methods,
    _registered,
    _named,
)


def _closures(tool: str, module_names: set[str]) -> Iterator[Found]:
    for each in gc.get_objects():
        if type(each) is not FunctionType or each.__name__ != tool or is_made_exchanged(each):
            continue
        if each.__module__ in module_names:
            yield Found(each, f"{each.__module__}.{each.__qualname__}", is_method=_takes_self(each))


def _takes_self(function: FunctionType) -> bool:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return names[:1] in (("self",), ("cls",))


def _functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """The functions and methods that a module defines."""
    for value in list(vars(module).values()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value
    for cls in _classes_of(module):
        yield from (value for value in list(vars(cls).values()) if isinstance(value, FunctionType))


def _classes_of(module: ModuleType) -> Iterator[type]:
    """The classes that a module defines, also inside of one another."""
    waiting: list[Any] = list(vars(module).values())
    seen: set[type] = set()
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, type) and value.__module__ == module.__name__ and value not in seen:
            seen.add(value)
            yield value
            waiting += list(vars(value).values())


def as_function(value: Any, where: str, name: str = "") -> Found | None:
    """The innermost Python function behind decorators, partials, bound methods, caches and callable objects.

    A decorator that does not say what it wraps is looked behind where it holds a function called `name`.
    """
    caches: list[Callable[[], None]] = []
    is_method, instance = False, None
    for _ in range(50):
        if callable(getattr(value, "cache_clear", None)):
            caches.append(value.cache_clear)
        is_dispatcher = isinstance(value, FunctionType) and callable(value.__dict__.get("dispatch"))
        inner = None if is_dispatcher else _wrapped(value, name)
        if inner is not None:
            value = inner
        elif isinstance(value, FunctionType):
            return Found(value, where, is_method or _takes_self(value), instance, tuple(caches))
        elif isinstance(value, MethodType):
            is_method, instance, value = True, value.__self__, value.__func__
        elif isinstance(value, (functools.partial, functools.partialmethod)):
            value = value.func
        elif isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, type) or not callable(value):
            return None
        else:
            is_method, instance, value = True, value, _inherited(type(value), "__call__")
            if not isinstance(value, FunctionType):
                return None
    return None


def _wrapped(value: Any, name: str) -> Any:
    """What a decorated function or an object that took its place wraps, as `functools.wraps` notes it, or as it holds
    it."""
    if not isinstance(value, (FunctionType, functools._lru_cache_wrapper)) and (
        isinstance(value, type) or not callable(value)
    ):
        return None
    noted = getattr(value, "__dict__", {}).get("__wrapped__")
    if noted is not None or not name or getattr(value, "__name__", None) == name:
        return noted
    if isinstance(value, FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or () if not _is_empty(cell)]
    else:
        held = list(getattr(value, "__dict__", {}).values())
    inner = [each for each in held if isinstance(each, FunctionType) and each.__name__ == name]
    return inner[0] if len(inner) == 1 else None


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # not assigned yet
        return True
    return False


def _inherited(cls: type, name: str) -> Any:
    """What a class has by a name, or inherits, as it was defined."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def resolve_target(tool: str, target: str) -> Found | str:
    """`pkg.mod:callable` as a function; the module's name while it is not (wholly) imported yet.

    Raises `BindingError` when the module has no such callable, or it is none that can be intercepted.
    """
    module_name, separator, path = target.partition(":")
    if not separator or not module_name or not path:
        raise BindingError(f"the target {target!r} of tool {tool!r} is neither `pkg.mod:callable` nor an HTTP route")
    module = sys.modules.get(module_name)
    if module is None:
        return module_name
    owner: Any = module
    value: Any = module
    for part in path.split("."):
        owner = value
        value = vars(owner).get(part) if isinstance(owner, (type, ModuleType)) else getattr(owner, part, None)
        if value is None and isinstance(owner, type):
            value = _inherited(owner, part)
        if value is None and getattr(module.__spec__, "_initializing", False):
            return module_name  # half imported: what is missing may still come
        if value is None:
            near = get_close_matches(part, dir(owner), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BindingError(f"the target {target!r} of tool {tool!r}: {module_name} has no {part!r}{hint}")
    found = as_function(value, f"{module_name}.{path}", path.rpartition(".")[2])
    if found is None:
        raise BindingError(
            f"the target {target!r} of tool {tool!r} is a {type(value).__name__}: only Python functions and methods "
            "can be intercepted. Name the Python function that calls it, or an HTTP route"
        )
    if isinstance(owner, type):
        return Found(
            found.function, found.where, is_method=not isinstance(value, staticmethod), instance=found.instance
        )
    return found
