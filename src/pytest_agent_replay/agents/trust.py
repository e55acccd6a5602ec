"""What a reference that stands in a file may name.

A replay file may have been downloaded, and what it names is imported and called. So it may only name things that are
*defined* in the user's own modules: Python files under the pytest root that belong to no installed library, virtual
environment or standard library (symbolic links resolved), or modules that the user listed in `replay_allow_modules`.

Limits: everything that is defined under the root counts as the user's own, so a file can name any of its functions;
and an object of a library's class that the user's module made itself (`agent = Agent(…)`) can be named, because that is
how agents of frameworks are written.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Guard", "Refused"]

_LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})
_MAX_CHAIN = 50


class Refused(Exception):
    """The reason why a reference may not be used."""


class Guard:
    """Decides what a file under `root` may name.

    `allow_modules` are globs of modules: `lib` is that one, `lib.*` all below it.
    """

    def __init__(self, root: Path, allow_modules: Sequence[str]) -> None:
        self._root = os.path.realpath(root)
        self._allow = tuple(allow_modules)

    def allows(self, module: str) -> bool:
        """Whether the user listed this module."""
        return any(fnmatchcase(module, pattern) for pattern in self._allow)

    def owns_file(self, path: str | Path) -> bool:
        """Whether a file is the user's own code."""
        return self._reason(path) is None

    def check_file(self, path: str | Path) -> None:
        """Raises `Refused` for a file that is not the user's own."""
        reason = self._reason(path)
        if reason:
            raise Refused(reason)

    def check_spec(self, name: str, spec: ModuleSpec, wanted: str | None) -> None:
        """Before a module is imported: raises `Refused` unless its file is the user's own and binds the name `wanted`.

        The second keeps scripts, which act when they are imported, from being run by guessing at them.
        """
        if spec.origin is None and spec.submodule_search_locations is not None:
            return  # a namespace package: it has no code, and what is below it is checked by itself
        if not spec.has_location or spec.origin is None:
            raise Refused(f"module {name!r}: it is part of the interpreter")
        reason = self._reason(spec.origin)
        if reason:
            raise Refused(f"module {name!r}: {reason}")
        names = _names(spec.origin)
        if wanted and not names.may_have(wanted, Path(spec.origin)):
            from difflib import get_close_matches

            near = get_close_matches(wanted, sorted({*names.own, *names.imported}), 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise Refused(f"{spec.origin} does not define {wanted!r}{hint}, so it was not imported")

    def check_module(self, module: ModuleType, name: str) -> None:
        """Raises `Refused` for a loaded module that is neither the user's own nor listed."""
        if not self._owns_module(module, name):
            file = getattr(module, "__file__", None)
            raise Refused(f"module {name!r}: {self._reason(file) if file else 'it is part of the interpreter'}")

    def check_value(self, value: Any, module: ModuleType, name: str) -> None:
        """Raises `Refused` unless `value`, reached from `module` by `name`, was defined in the user's own code.

        For functions and classes the definition counts, so `my_app.tools:Popen` is refused however it got there; of a
        decorated function one layer has to be the user's own. For other objects it counts where the name was bound.
        """
        if isinstance(value, ModuleType):
            raise Refused("it names a module, not an object in one")
        layers = list(_layers(value))
        if layers:
            if not any(self._owns_definition(layer) for layer in layers):
                raise Refused(f"{_title(layers[-1])} is not defined in your code")
        elif not self._owns_definition(type(value)):
            self._check_binding(module, name)

    def _check_binding(self, module: ModuleType, name: str) -> None:
        for _ in range(_MAX_CHAIN):
            source = _names(module.__file__ or "").source_of(name, module)
            if source is None:
                return
            origin = _absolute(source[0], module)
            if self.allows(origin):
                return
            target = sys.modules.get(origin)
            if target is None or not self._owns_module(target, origin):
                raise Refused(f"{name!r} is imported into {module.__name__!r} from {origin!r}")
            module, name = target, source[1]
        raise Refused(f"{name!r} is passed on through too many imports")

    def _owns_definition(self, thing: Any) -> bool:
        scope = getattr(thing, "__globals__", None)
        name = scope.get("__name__") if isinstance(scope, dict) else getattr(thing, "__module__", None)
        if not isinstance(name, str):
            return False
        module = sys.modules.get(name)
        return self.allows(name) or (module is not None and self._owns_module(module, name))

    def _owns_module(self, module: ModuleType, name: str) -> bool:
        if self.allows(name):
            return True
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            return self.owns_file(file)
        return (
            file is None and hasattr(module, "__path__") and module.__spec__ is not None and not module.__spec__.origin
        )

    def _reason(self, path: str | Path) -> str | None:
        return _why_foreign(os.fspath(path), self._root) if os.path.isfile(path) else f"{path} is not a file"


@functools.lru_cache(maxsize=4096)
def _why_foreign(path: str, root: str) -> str | None:
    real = os.path.realpath(path)
    if not _is_below(real, root):
        return f"{real} is outside of the pytest root {root}"
    parts = os.path.relpath(real, root).split(os.sep)[:-1]
    folder = root
    for part in parts:
        folder = os.path.join(folder, part)
        if part in _LIBRARY_FOLDERS or os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
            return f"{real} is an installed library"
    if any(_is_below(real, library) and not _is_below(root, library) for library in _library_folders()):
        return f"{real} is an installed library"
    return None


@functools.lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    """Where the interpreter and its libraries live; the root may be a home folder that contains them."""
    paths = sysconfig.get_paths()
    return tuple({os.path.realpath(paths[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")})


def _is_below(path: str, folder: str) -> bool:
    path, folder = os.path.normcase(path), os.path.normcase(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _layers(value: Any) -> Iterator[Any]:
    """The functions and classes that run when `value` is called, outermost first; nothing for other objects."""
    for _ in range(_MAX_CHAIN):
        if isinstance(value, functools.partial):
            value = value.func
        elif inspect.ismethod(value):
            value = value.__func__
        elif isinstance(value, type):
            yield value
            return
        elif inspect.isroutine(value) or hasattr(type(value), "cache_info"):
            yield value
            value = getattr(value, "__wrapped__", None)
        else:
            return


def _title(thing: Any) -> str:
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None) or repr(thing)
    return f"`{module}.{name}`" if isinstance(module, str) else f"`{name}`"


@dataclass(slots=True)
class _Names:
    """What the text of a module binds at its top level."""

    own: set[str] = field(default_factory=set)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name to (module as written, name there)."""
    stars: list[str] = field(default_factory=list)
    """Modules of `from … import *`, as written."""
    open: bool = False
    """It may have more names than its text shows."""

    def source_of(self, name: str, module: ModuleType) -> tuple[str, str] | None:
        """Where the module imported the name from, as written; None when it made the object itself."""
        if name in self.imported or name in self.own:
            return self.imported.get(name)
        for written in self.stars:
            if hasattr(sys.modules.get(_absolute(written, module)), name):
                return written, name
        return None

    def may_have(self, name: str, path: Path) -> bool:
        return (
            self.open
            or name in self.own
            or name in self.imported
            or (path.stem == "__init__" and ((path.parent / name).is_dir() or (path.parent / f"{name}.py").is_file()))
        )


def _names(path: str) -> _Names:
    try:
        stamp = os.stat(path).st_mtime_ns
    except OSError:
        return _Names(open=True)
    return _read_names(path, stamp)


@functools.lru_cache(maxsize=256)
def _read_names(path: str, stamp: int) -> _Names:
    if not path.endswith(".py"):
        return _Names(open=True)
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return _Names(open=True)  # the import itself will say what is wrong
    names = _Names()
    for node in _top_level(tree):
        _bind(node, names)
    names.open = names.open or "__getattr__" in names.own
    return names


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs with the module itself: not the bodies of functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _top_level(child)


def _bind(node: ast.AST, names: _Names) -> None:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        names.own.add(node.name)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        names.own.add(node.id)
    elif isinstance(node, ast.Name) and node.id in ("globals", "exec", "setattr"):
        names.open = True
    elif isinstance(node, ast.Import):
        for alias in node.names:
            local = alias.asname or alias.name.partition(".")[0]
            names.imported[local] = (alias.name if alias.asname else local, "")
    elif isinstance(node, ast.ImportFrom):
        written = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                names.stars.append(written)
                names.open = True
            else:
                names.imported[alias.asname or alias.name] = (written, alias.name)


def _absolute(written: str, module: ModuleType) -> str:
    if not written.startswith("."):
        return written
    return importlib.util.resolve_name(written, module.__package__ or "")
