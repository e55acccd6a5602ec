"""From a reference such as `my_app.agent:answer` to the object that it names.

Who wrote the reference decides what it may name. One from the command line, a marker, a fixture or the ini file is the
user's own and may name anything. One from a *file* may come from somebody else: see `trust.Guard`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from pytest_agent_replay.agents.trust import Guard, Refused
from pytest_agent_replay.errors import AgentError
from pytest_agent_replay.late import late_pattern

__all__ = ["Found", "find_reference", "import_reference", "root_importable"]

_DOTTED = late_pattern(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_lock = threading.Lock()
_added: dict[str, int] = {}


class Found(NamedTuple):
    """What a reference names, and the module that it was found in."""

    value: Any
    module: ModuleType


@contextmanager
def root_importable(root: Path) -> Iterator[None]:
    """Modules under `root` can be imported inside, as with `python -m pytest`; `sys.path` is as before afterwards.

    Keep it open while agents run: an agent may import its own modules only when it is called. May be nested, and used
    from several threads at once.
    """
    entry = str(root)
    with _lock:
        if entry in _added:
            _added[entry] += 1
        elif entry not in sys.path:
            _added[entry] = 1
            sys.path.insert(0, entry)
        else:
            entry = ""
    try:
        yield
    finally:
        with _lock:
            if entry:
                _added[entry] -= 1
                if not _added[entry]:
                    del _added[entry]
                    if entry in sys.path:
                        sys.path.remove(entry)


def import_reference(ref: str, *, root: Path, allow_modules: Sequence[str], trusted: bool, where: str) -> Any:
    """The object that `ref` names: `pkg.mod:name`, `pkg.mod:name.attribute`, or `path/to/file.py:name` below `root`.

    `where` says who wrote it (`replays/a.replay.yaml:4:8`, `--replay-agent`) and begins every error text. With
    `trusted=False` the rules of `trust.Guard` hold; `allow_modules` are globs of modules outside the root. Raises
    `AgentError` when it cannot be found, may not be used, or its module raises while it is imported.
    """
    return find_reference(ref, root=root, allow_modules=allow_modules, trusted=trusted, where=where).value


def find_reference(ref: str, *, root: Path, allow_modules: Sequence[str], trusted: bool, where: str) -> Found:
    """Like `import_reference`, and says in which module it was found."""
    return _Search(ref, root, None if trusted else Guard(root, allow_modules), where).run()


class _Search:
    """Resolves one reference. `guard` is None for a trusted one."""

    def __init__(self, ref: str, root: Path, guard: Guard | None, where: str) -> None:
        self.ref = ref
        self.root = root
        self.guard = guard
        self.where = where

    def fail(self, message: str, cause: BaseException | None = None) -> NoReturn:
        raise AgentError(f"{self.where}: reference {self.ref!r}: {message}") from cause

    def run(self) -> Found:
        head, attributes = self.parse()
        try:
            with root_importable(self.root):
                is_file = head.endswith(".py") or "/" in head or "\\" in head
                module = self.load_file(head) if is_file else self.load_module(head, attributes[0])
                value = self.walk(module, attributes)
                if self.guard is not None:
                    self.guard.check_value(value, module, attributes[0])
        except Refused as refusal:
            self.fail(
                f"{refusal}. A file may only name what is defined in your own modules under the pytest root. List the "
                "module in `replay_allow_modules` (ini), or give the reference by command line, marker, fixture or ini",
                refusal,
            )
        return Found(value, module)

    def parse(self) -> tuple[str, list[str]]:
        head, colon, tail = self.ref.strip().rpartition(":")
        if not colon or not head or not tail:
            module, _, name = self.ref.strip().rpartition(".")
            hint = f"; did you mean {f'{module}:{name}'!r}?" if not colon and _DOTTED.fullmatch(module) else ""
            self.fail(f"write it as `package.module:name` or `path/to/file.py:name`{hint}")
        if not _DOTTED.fullmatch(tail):
            self.fail(f"{tail!r} is not a name, or names joined by dots")
        attributes = tail.split(".")
        if self.guard is not None:
            for name in attributes:
                if name.startswith("_"):
                    self.fail(f"a file may not name {name!r}: names that begin with an underscore are private")
        return head, attributes

    def load_module(self, name: str, wanted: str) -> ModuleType:
        if not _DOTTED.fullmatch(name):
            self.fail(f"{name!r} is not the name of a module")
        if self.guard is None or self.guard.allows(name):
            return self.import_(name)
        if any(part.startswith("__") for part in name.split(".")):
            self.fail(f"a file may not name the module {name!r}")
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            prefix = ".".join(parts[:end])
            if prefix not in sys.modules:
                self.guard.check_spec(prefix, self.spec(prefix), wanted if end == len(parts) else None)
            module = self.import_(prefix)
            self.guard.check_module(module, prefix)
        return module

    def spec(self, name: str) -> Any:
        """The spec of a module whose parents are imported already: finding it runs no code."""
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            found = None
        if found is None:
            self.missing(name)
        return found

    def import_(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and (name == error.name or name.startswith(f"{error.name}.")):
                self.missing(error.name, error)
            self.raised(name, error)
        except (Exception, SystemExit) as error:
            self.raised(name, error)

    def missing(self, name: str, error: ImportError | None = None) -> NoReturn:
        parent, _, last = name.rpartition(".")
        package = sys.modules.get(parent)
        if parent and package is not None and not hasattr(package, "__path__"):
            self.fail(f"no module named {name!r}; {parent!r} is a module, not a package", error)
        folders = list(package.__path__) if package is not None else [str(self.root)]
        near = get_close_matches(last, [info.name for info in pkgutil.iter_modules(folders)], 1)
        looked = (
            f" (looked in {', '.join(folders)}: pytest's root; start it in the project's folder, or set `pythonpath`)"
        )
        if parent:
            looked = f" (looked in {', '.join(folders)})"
        hint = f"; did you mean {f'{parent}.{near[0]}'.lstrip('.')!r}?" if near else looked
        if not parent and any(os.path.exists(self.root / "src" / f) for f in (last, f"{last}.py")):
            hint = "; it is in src/: install the project, or set `pythonpath = src` in pytest's configuration"
        self.fail(f"no module named {name!r}{hint}", error)

    def raised(self, name: str, error: BaseException) -> NoReturn:
        self.fail(f"importing {name!r} raised {type(error).__name__}: {error}{self.place(error)}", error)

    def place(self, error: BaseException) -> str:
        """Where in the user's own code an exception came from, as ` at path:line`."""
        if isinstance(error, SyntaxError) and error.filename:
            return ""
        from pytest_agent_replay.agents.places import places_of

        places = places_of(error, self.root)
        return f" at {places[-1]}" if places else ""

    def walk(self, module: ModuleType, attributes: list[str]) -> Any:
        value: Any = module
        for index, name in enumerate(attributes):
            owner = value
            try:
                value = getattr(owner, name)
            except AttributeError as error:
                value = self.submodule(owner, name)
                if value is None:
                    self.no_attribute(owner, ".".join(attributes[:index]), name, error)
            except Exception as error:
                self.fail(f"reading {name!r} raised {type(error).__name__}: {error}{self.place(error)}", error)
            if self.guard is not None and isinstance(value, ModuleType):
                self.guard.check_module(value, value.__name__)
        return value

    def submodule(self, owner: Any, name: str) -> ModuleType | None:
        """`pkg:mod.name` where `pkg.mod` was not imported by anybody yet."""
        if not isinstance(owner, ModuleType) or not hasattr(owner, "__path__"):
            return None
        full = f"{owner.__name__}.{name}"
        if importlib.util.find_spec(full) is None:
            return None
        return self.load_module(full, "")

    def no_attribute(self, owner: Any, path: str, name: str, error: AttributeError) -> NoReturn:
        names = [n for n in dir(owner) if not n.startswith("_")]
        near = get_close_matches(name, names, 1)
        whose = f"module {owner.__name__!r}" if isinstance(owner, ModuleType) else repr(path)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has: {', '.join(names[:12]) or 'nothing'}"
        self.fail(f"{whose} has no {name!r}{hint}", error)

    def load_file(self, text: str) -> ModuleType:
        path = Path(os.path.realpath(self.root / text.replace("\\", "/")))
        if self.guard is not None:
            self.guard.check_file(path)
        if not os.path.isfile(path):
            self.fail(f"there is no file {path}")
        loaded = _loaded_from(path)
        if loaded is not None:
            return loaded
        folder, name = _package_base(path)
        with root_importable(folder):
            top = importlib.util.find_spec(name.partition(".")[0])
            first = Path(folder, *name.split(".")[:1])
            expected = {str(path), str(first.with_suffix(".py")), str(first / "__init__.py")}
            if top is not None and top.origin and os.path.realpath(top.origin) in expected:
                module = self.load_module(name, "")
                if os.path.realpath(module.__file__ or "") == str(path):
                    return module
            return self.load_alone(path)

    def load_alone(self, path: Path) -> ModuleType:
        """Loads a file whose module name is taken by another one, under a name of its own."""
        name = f"agent_replay_{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            self.fail(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, (Exception, SystemExit)):
                self.raised(path.name, error)
            raise
        return module


def _loaded_from(path: Path) -> ModuleType | None:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(path.name) and os.path.realpath(file) == str(path):
            return module
    return None


def _package_base(path: Path) -> tuple[Path, str]:
    """The folder from which the file is imported, and its dotted name there, as pytest finds them for test files."""
    names = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)
