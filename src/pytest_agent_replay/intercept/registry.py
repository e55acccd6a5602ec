"""Patching with a guaranteed way back, and a hook that patches a library once the agent has imported it.

One interceptor is one module that defines `INTERCEPTORS`: for each, the name of the module whose import it waits for
and a function that patches it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CellType, ModuleType
from typing import Any

__all__ = ["Interceptor", "Patcher", "after_imports", "install", "installed"]

_ABSENT: Any = object()


class Patcher:
    """Replaces attributes and remembers what stood there, so that `undo` leaves every owner exactly as it was."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []
        self.trees = 0
        """How often `tree` was called."""

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Sets `owner.name`, keeping the raw entry of the owner's own `__dict__` (an inherited one is not copied).

        Of a decorated function, wherever it was imported to, the decorator's cell can be set: `cell_contents`.
        """
        self._undo.append((owner, name, _entry(owner, name)))
        setattr(owner, name, value)

    def tree(self, base: type[Any], name: str, wrap: Callable[[Any], Any]) -> None:
        """Replaces a method in `base` and in every subclass that has one of its own, also in those defined later.

        `wrap` makes the new method of the old one.
        """
        self.trees += 1
        family: list[type[Any]] = [base]
        for cls in family:
            family += [each for each in type.__subclasses__(cls) if each not in family]
        for cls in family:
            if name in cls.__dict__:
                self.set(cls, name, wrap(cls.__dict__[name]))
        original = base.__dict__.get("__init_subclass__")

        def init_subclass(cls: type[Any], /, **kwargs: Any) -> None:
            if original is None:
                super(base, cls).__init_subclass__(**kwargs)
            else:
                original.__get__(None, cls)(**kwargs)
            if name in cls.__dict__:
                self.set(cls, name, wrap(cls.__dict__[name]))

        self.set(base, "__init_subclass__", classmethod(init_subclass))

    def again(self, plan: Sequence[tuple[Any, str, Any, Any]]) -> bool:
        """Makes the changes of an earlier `since` once more; False, and none of them, where something else stands."""
        if any(_entry(owner, name) is not old for owner, name, old, _ in plan):
            return False
        for owner, name, old, new in plan:
            self._undo.append((owner, name, old))
            setattr(owner, name, new)
        return True

    def mark(self) -> int:
        """How many changes were made so far."""
        return len(self._undo)

    def since(self, mark: int) -> list[tuple[Any, str, Any, Any]]:
        """The changes after `mark`: owner, name, what stood there, what stands there now."""
        return [(owner, name, old, _entry(owner, name)) for owner, name, old in self._undo[mark:]]

    def undo(self) -> None:
        """Puts everything back, last first, also when a step fails; the first failure is raised at the end.

        Where it was interrupted, a second call does the rest.
        """
        first: BaseException | None = None
        while self._undo:
            owner, name, old = self._undo[-1]
            try:
                if _entry(owner, name) is old:
                    pass  # interrupted before it was set, or after it was put back
                elif old is _ABSENT:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)
            except Exception as error:
                first = first or error
            self._undo.pop()
        if first is not None:
            raise first


@dataclass(frozen=True, slots=True, eq=False)
class Interceptor:
    """Patches one library. `apply(module, patcher)` runs once the module named `module` is imported, never earlier."""

    name: str
    module: str
    apply: Callable[[ModuleType, Patcher], None]


Callback = Callable[[ModuleType], None]
ByModule = Mapping[str, Sequence[Interceptor]]
"""Interceptors by the module that each waits for."""


class _PostImport(importlib.abc.MetaPathFinder):
    """Says when a module has been imported that somebody waits for. Nothing is imported on its own account."""

    def __init__(self, apply: Callable[[Interceptor, ModuleType], None]) -> None:
        self._apply = apply
        self.waiting: ByModule = {}
        self.watchers: list[Callback] = []
        """Called after the import of any module."""
        self._busy = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        wanted = fullname in self.waiting or bool(self.watchers)
        if not wanted or getattr(self._busy, "name", None) == fullname:
            return None
        self._busy.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._busy.name = None
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Loader(spec.loader, self._imported)
        return spec

    def _imported(self, module: ModuleType) -> None:
        for interceptor in self.waiting.get(module.__name__, ()):
            self._apply(interceptor, module)
        for watcher in self.watchers[:]:
            watcher(module)


class _Loader(importlib.abc.Loader):
    """Delegates to the real loader, puts it back on the module, then says that it was imported."""

    def __init__(self, loader: Any, imported: Callback) -> None:
        self._loader = loader
        self._imported = imported

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._imported(module)


class _Installed:
    """The patches of this process. Applied with the first running session, undone with the last."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users: set[install] = set()
        self.patcher = Patcher()
        self.finder = _PostImport(self.apply)
        self.done: set[str] = set()
        self.plans: dict[Interceptor, list[tuple[Any, str, Any, Any]]] = {}
        """What each interceptor changed last time: to make its functions again for every replay costs more than to use
        them again."""

    def apply(self, interceptor: Interceptor, module: ModuleType) -> None:
        with self.lock:
            if not self.users or interceptor.name in self.done:
                return
            self.done.add(interceptor.name)
            plan = self.plans.get(interceptor)
            if plan and self.patcher.again(plan):
                return
            mark, trees, done = self.patcher.mark(), self.patcher.trees, len(self.done)
            interceptor.apply(module, self.patcher)
            # there may be other subclasses the next time; and what it imported for the first time may have been patched
            if self.patcher.trees == trees and len(self.done) == done:
                self.plans[interceptor] = self.patcher.since(mark)

    def start(self, user: install, interceptors: Sequence[Interceptor]) -> None:
        by_module = _by_module(tuple(interceptors))
        with self.lock:
            if not self.users:
                self.users.add(user)
                sys.meta_path.insert(0, self.finder)
                self.finder.waiting = by_module
            else:
                self.users.add(user)
                if self.finder.waiting is not by_module:
                    known = (each for waiting in self.finder.waiting.values() for each in waiting)
                    self.finder.waiting = _by_module(tuple(dict.fromkeys((*known, *interceptors))))
            for name in list(filter(sys.modules.__contains__, by_module)):
                module = sys.modules.get(name)
                if module is not None and not _is_importing(module):
                    for interceptor in by_module[name]:
                        self.apply(interceptor, module)

    def stop(self, user: install) -> None:
        with self.lock:
            self.users.discard(user)
            if self.users:
                return
            if self.finder in sys.meta_path:
                sys.meta_path.remove(self.finder)
            self.finder = _PostImport(self.apply)
            self.done.clear()
            self.patcher.undo()


@lru_cache(maxsize=4)
def _by_module(interceptors: tuple[Interceptor, ...]) -> ByModule:
    """Grouped, in their order. All replays of a run install the same ones."""
    found: dict[str, list[Interceptor]] = {}
    for each in interceptors:
        found.setdefault(each.module, []).append(each)
    return found


def _entry(owner: Any, name: str) -> Any:
    return owner.cell_contents if isinstance(owner, CellType) else owner.__dict__.get(name, _ABSENT)


def _is_importing(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


_installed = _Installed()


class install:
    """Context manager: the interceptors are active inside. Nested and parallel uses share one set of patches."""

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = interceptors

    def __enter__(self) -> None:
        try:
            _installed.start(self, self._interceptors)
        except BaseException:
            _installed.stop(self)
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            _installed.stop(self)
        except BaseException:  # interrupted, as by Ctrl-C: what is left
            _installed.stop(self)
            raise


def installed() -> bool:
    """Whether any patch of this package is in place in this process."""
    return bool(_installed.users)


@contextmanager
def after_imports(callback: Callback) -> Iterator[None]:
    """Inside, `callback(module)` runs after every import of a module. To be used inside `install`."""
    watchers = _installed.finder.watchers
    watchers.append(callback)
    try:
        yield
    finally:
        watchers.remove(callback)
