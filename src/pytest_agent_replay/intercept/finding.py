"""Which of the agent's functions a tool name means. Only what is loaded is looked at: nothing is imported."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from pytest_agent_replay.errors import BindingError

__all__ = ["Found", "OwnModules", "as_function", "resolve_target"]

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
        self._seen: set[str] = set()
        self._state: tuple[int, str] | None = None
        """Number and newest of the loaded modules: cheaper to compare than all their names."""
        self._own: dict[str, None] = {}
        self._nested: dict[str, tuple[int, dict[str, list[FunctionType]]]] = {}
        self._reached: tuple[Any, tuple[list[ModuleType], ...]] = (None, ())

    def modules(self) -> list[ModuleType]:
        """The own modules that are loaded now, in the order in which they were imported."""
        loaded = sys.modules
        state = (len(loaded), next(reversed(loaded)))
        if state != self._state:
            self._state = state
            for name in [name for name in list(loaded) if name not in self._seen]:
                module = loaded.get(name)
                if module is not None and self._is_own(name, module):
                    self._own[name] = None
            self._seen = set(loaded)
        return [module for module in map(loaded.get, self._own) if module is not None]

    def _is_own(self, name: str, module: ModuleType) -> bool:
        if name.partition(".")[0] == _OURS:
            return False
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            return False
        path = os.path.realpath(file)
        return path.startswith(self._root) and not any(
            part in ("site-packages", "dist-packages") for part in path[len(self._root) :].split(os.sep)
        )

    def find(self, tool: str, agent: Iterable[str] = ()) -> list[Found]:
        """The functions that `tool` names, best kind first; several only where it cannot be told which is meant.

        The agent's modules (named in `agent`) win over those that they use, these over the rest of the root;
        module-level functions win over methods, these over functions in a mapping by the tool's name. A function that
        such a module imported counts when its code is in one of these modules, or in an installed package: an imported
        `re.search` or `httpx.get` is not the tool of that name. Functions made inside of functions are looked for only
        in the agent's modules and what they use; all of that name are returned.
        """
        modules = self.modules()
        own = {id(vars(module)) for module in modules}
        near = self._near(agent)
        for group in (*near, modules):
            for search in (_module_level, _methods, _registered):
                found = _distinct(
                    each
                    for each in search(group, tool)
                    if id(each.function.__globals__) in own
                    or (group is not modules and _is_of_a_package(each.function))
                )
                if found:
                    return found
        nearest = near[-1] if near else modules
        if any(tool in self._nested_in(module) for module in nearest):
            return _distinct(_closures(tool, {module.__name__ for module in nearest}))
        return []

    def find_nested(self, tool: str, agent: Iterable[str] = ()) -> list[tuple[FunctionType, CodeType]]:
        """The code of functions named `tool` that functions of these modules make in every call, with the latter."""
        near = self._near(agent)
        return [
            (parent, code)
            for module in (near[-1] if near else self.modules())
            for parent in self._nested_in(module).get(tool, ())
            for code in _nested_codes(parent.__code__)
            if code.co_name == tool and not is_trampoline(code)
        ]

    def is_near(self, function: FunctionType, agent: Iterable[str]) -> bool:
        """Whether a function is of the agent's own modules or of those that they use."""
        near = self._near(agent)
        return bool(near) and any(vars(module) is function.__globals__ for module in near[-1])

    def _near(self, agent: Iterable[str]) -> tuple[list[ModuleType], ...]:
        """The agent's modules, and those together with every own module that can be reached from their names."""
        names = tuple(agent)
        modules = {module.__name__: module for module in self.modules()}
        key = (names, len(modules))
        if self._reached[0] != key:
            first = [modules[name] for name in names if name in modules]
            reached = {module.__name__: module for module in first}
            waiting = list(first)
            while waiting:
                for name in _names_used(waiting.pop()):
                    if name in modules and name not in reached:
                        reached[name] = modules[name]
                        waiting.append(modules[name])
            self._reached = (key, (first, list(reached.values())) if first else ())
        return self._reached[1]

    def _nested_in(self, module: ModuleType) -> dict[str, list[FunctionType]]:
        """The names of functions that the functions of a module define inside themselves, with the latter."""
        size = len(vars(module))
        cached = self._nested.get(module.__name__)
        if cached is None or cached[0] != size:
            names: dict[str, list[FunctionType]] = {}
            for function in _functions_of(module):
                for name in {code.co_name for code in _nested_codes(function.__code__)}:
                    names.setdefault(name, []).append(function)
            cached = self._nested[module.__name__] = (size, names)
        return cached[1]


def _names_used(module: ModuleType) -> Iterator[str]:
    """The modules that the values of a module's names are, or come from."""
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str):
            yield name


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


def _is_of_a_package(function: FunctionType) -> bool:
    """Of an installed package other than HTTP clients, whose own functions are caught as HTTP, not as tools."""
    top = (function.__module__ or "").partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and top not in _NEVER_TOOLS and top != _OURS


def _distinct(found: Iterable[Found]) -> list[Found]:
    unique: dict[tuple[int, int], Found] = {}
    for each in found:
        unique.setdefault((id(each.function), id(each.instance)), each)
    return list(unique.values())


def _module_level(modules: Iterable[ModuleType], tool: str) -> Iterator[Found]:
    for module in modules:
        value = vars(module).get(tool)
        if value is not None:
            found = as_function(value, f"{module.__name__}.{tool}")
            if found is not None:
                yield found


def _methods(modules: Iterable[ModuleType], tool: str) -> Iterator[Found]:
    for module in modules:
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                raw = vars(value).get(tool)
                where = f"{module.__name__}.{value.__qualname__}.{tool}"
                found = as_function(raw, where) if raw is not None else None
                if found is not None and found.instance is None:
                    yield replace(found, is_method=not isinstance(raw, staticmethod))


def _registered(modules: Iterable[ModuleType], tool: str) -> Iterator[Found]:
    """Functions that a module keeps in a mapping under the tool's name, whatever their own."""
    for module in modules:
        for name, value in list(vars(module).items()):
            if type(value) is dict and value.get(tool) is not None:
                found = as_function(value[tool], f"{module.__name__}.{name}[{tool!r}]")
                if found is not None:
                    yield found


def _closures(tool: str, module_names: set[str]) -> Iterator[Found]:
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__name__ == tool and each.__module__ in module_names:
            yield Found(each, f"{each.__module__}.{each.__qualname__}", is_method=_takes_self(each))


def _takes_self(function: FunctionType) -> bool:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return names[:1] in (("self",), ("cls",))


def is_trampoline(code: CodeType) -> bool:
    """Whether this is code that stands in for a tool's: compiled code has no functions among its constants."""
    return any(type(constant) is FunctionType for constant in code.co_consts)


def _functions_of(module: ModuleType) -> Iterator[FunctionType]:
    for value in list(vars(module).values()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            yield from (v for v in vars(value).values() if isinstance(v, FunctionType))


def _nested_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested_codes(constant)


def as_function(value: Any, where: str) -> Found | None:
    """The innermost Python function behind decorators, partials, bound methods, caches and callable objects."""
    caches: list[Callable[[], None]] = []
    is_method, instance = False, None
    for _ in range(50):
        if callable(getattr(value, "cache_clear", None)):
            caches.append(value.cache_clear)
        if isinstance(value, FunctionType) and value.__dict__.get("__wrapped__") is None:
            return Found(value, where, is_method or _takes_self(value), instance, tuple(caches))
        if isinstance(value, MethodType):
            is_method, instance, value = True, value.__self__, value.__func__
        elif isinstance(value, functools.partial):
            value = value.func
        elif isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, (FunctionType, functools._lru_cache_wrapper)):
            value = value.__wrapped__  # type: ignore[union-attr]
        elif isinstance(value, type) or not callable(value):
            return None
        else:
            is_method, instance, value = True, value, type(value).__dict__.get("__call__")
            if not isinstance(value, FunctionType):
                return None
    return None


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
            value = next((vars(base)[part] for base in owner.__mro__ if part in vars(base)), None)
        if value is None and getattr(module.__spec__, "_initializing", False):
            return module_name  # half imported: what is missing may still come
        if value is None:
            near = get_close_matches(part, dir(owner), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BindingError(f"the target {target!r} of tool {tool!r}: {module_name} has no {part!r}{hint}")
    found = as_function(value, f"{module_name}.{path}")
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
