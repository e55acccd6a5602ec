"""Finds the contract that a replay names, and binds it: every invariant to its check, every mistake to its place.

A contract is found by name in any `contracts.yaml`, `*.contract.yaml` or `flakestorm.yaml` (its `contract:`) from the
replay's directory up to the root, nearest directory first; by path, relative to the file that names it and
then to the root;
or it stands inline. A list of these holds whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_agent_replay.contracts.registry import BindContext, Check, Registry
from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.contract import Contract, Invariant
from pytest_agent_replay.formats.loading import MAX_FILE_SIZE, Document, load_document
from pytest_agent_replay.formats.validation import did_you_mean, validate

__all__ = ["BoundContract", "BoundInvariant", "ContractFinder"]

_ENDINGS = (".yaml", ".yml", ".json")
_LIST_FILES = frozenset(f"contracts{ending}" for ending in _ENDINGS)
_FLAKESTORM_FILES = frozenset({"flakestorm.yaml", "flakestorm.yml"})
_CONTRACT_ENDINGS = tuple(f".contract{ending}" for ending in _ENDINGS)

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class BoundInvariant:
    """One invariant with its check and its validated parameters."""

    id: str
    params: Invariant
    check: Check[Any]


@dataclass(frozen=True, slots=True)
class BoundContract:
    """A contract that is ready to judge: one, or several of which all must hold."""

    name: str
    invariants: tuple[BoundInvariant, ...]
    tools_named: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    """The tools that the invariants speak of, each as `(id of the invariant, tool)`; globs are left out."""

    def __post_init__(self) -> None:
        named = [(each.id, name) for each in self.invariants for name in dict.fromkeys(_tools_named(each.params))]
        object.__setattr__(self, "tools_named", tuple(named))


def _tools_named(params: Any) -> Iterator[str]:
    listed = getattr(params, "tools", None)
    condition = params.when if isinstance(params.when, dict) else {}
    for name in (
        *(getattr(params, each, None) for each in ("tool", "before", "after")),
        *([listed] if isinstance(listed, str) and listed != "recorded" else ()),
        *(listed if isinstance(listed, list) else ()),
        condition.get("tool_failed"),
        condition.get("tool_called"),
    ):
        name = getattr(name, "tool", name)
        if isinstance(name, str) and not any(character in name for character in "*?["):
            yield name


@dataclass(frozen=True, slots=True)
class _Source:
    """One contract as it stands in a document. `directory` is where its own references start from."""

    document: Document
    loc: Loc
    directory: Path
    default_name: str | None
    in_file: bool
    """In a contract file, not inline in a replay."""

    @property
    def data(self) -> Any:
        return self.document.at(self.loc)

    @property
    def name(self) -> str | None:
        data = self.data
        name = data.get("name") if isinstance(data, dict) else None
        return name if isinstance(name, str) and name else self.default_name

    @property
    def place(self) -> str:
        line, _ = self.document.position(self.loc)
        return f"{self.document.path}:{line}"

    @property
    def key(self) -> _Key:
        return self.document.path, self.loc


@dataclass(slots=True)
class _Directory:
    """The contracts that the files of one directory hold."""

    sources: dict[str, list[_Source]]
    problems: list[Problem]
    """Of files that could not be read."""


class ContractFinder:
    """Finds and binds contracts below one root. Each file is read, and each contract bound, once in its life."""

    def __init__(
        self,
        root: Path,
        *,
        registry: Registry | None = None,
        max_file_size: int = MAX_FILE_SIZE,
    ) -> None:
        self.root = root.resolve()
        self.registry = registry or Registry()
        self._max_file_size = max_file_size
        self._directories: dict[Path, _Directory] = {}
        self._files: dict[Path, list[_Source] | FormatError] = {}
        self._bound: dict[_Key, _Own | FormatError] = {}
        self._resolved: dict[tuple[Path, str], BoundContract] = {}

    def resolve(
        self, spec: Any, replay_path: Path, place: Document, loc: Sequence[str | int] = ("contract",)
    ) -> BoundContract:
        """The contract that a replay names with `spec`: a name, a path, an inline mapping, or a list of these.

        `place` and `loc` say where the spec stands, for messages. Raises `FormatError`.
        """
        directory = replay_path.parent
        if isinstance(spec, str):
            found = self._resolved.get((directory, spec))
            if found is not None:
                return found
        contract = self._resolve(spec, directory, place, tuple(loc))
        if isinstance(spec, str):
            self._resolved[directory, spec] = contract
        return contract

    def _resolve(self, spec: Any, directory: Path, place: Document, loc: Loc) -> BoundContract:
        parts = spec if isinstance(spec, list) else [spec]
        if not parts:
            raise FormatError(place.problem(loc, "an empty list is no contract; name one, or leave the key out"))
        names: list[str] = []
        invariants: list[BoundInvariant] = []
        seen: set[_Key] = set()
        for index, part in enumerate(parts):
            source = self._source(part, directory.resolve(), place, (*loc, index) if isinstance(spec, list) else loc)
            names.append(source.name or "inline contract")
            invariants.extend(self._flattened(source, seen, ()))
        return BoundContract(" + ".join(names), _with_unique_ids(invariants))

    # -- finding

    def _source(self, spec: Any, directory: Path, place: Document, loc: Loc) -> _Source:
        if isinstance(spec, str):
            return self._named(spec, directory, place, loc)
        if isinstance(spec, dict):
            return _Source(place, loc, directory, None, False)
        message = "a contract is a name, a path, an inline mapping, or a list of these"
        raise FormatError(place.problem(loc, message))

    def _named(self, name: str, directory: Path, place: Document, loc: Loc) -> _Source:
        for level in self._levels(directory):
            candidates = self._directory(level).sources.get(name, [])
            if len(candidates) > 1:
                places = " and ".join(source.place for source in candidates)
                raise FormatError(place.problem(loc, f"the contract {name!r} is defined twice: {places}; rename one"))
            if candidates:
                return candidates[0]
        if name.endswith(_ENDINGS) or "/" in name or "\\" in name:
            return self._at_path(name, directory, place, loc)
        raise self._not_found(name, directory, place, loc)

    def _levels(self, directory: Path) -> Iterator[Path]:
        """The directory and its parents up to the root; of a directory elsewhere, itself and the root."""
        yield directory
        if directory == self.root:
            return
        if self.root in directory.parents:
            for parent in directory.parents:
                yield parent
                if parent == self.root:
                    return
        yield self.root

    def _not_found(self, name: str, directory: Path, place: Document, loc: Loc) -> FormatError:
        known: list[str] = []
        unread: list[Problem] = []
        for level in self._levels(directory):
            known.extend(self._directory(level).sources)
            unread.extend(self._directory(level).problems)
        known = list(dict.fromkeys(known))
        message = f"there is no contract `{name}`{did_you_mean(name, known)}"
        if not known:
            message += (
                f"; no contracts.yaml, *.contract.yaml or flakestorm.yaml up to {self._shown(self.root)} names one"
            )
        if unread:
            message += f". Not searched, because it cannot be read: {unread[0]}"
        return FormatError(place.problem(loc, message))

    def _at_path(self, name: str, directory: Path, place: Document, loc: Loc) -> _Source:
        tried: list[str] = []
        for base in dict.fromkeys((directory, self.root)):
            path = _joined(base, name)
            if path is None:
                continue
            if self.root not in path.parents:
                message = f"the path `{name}` leaves the root `{self.root.name}`; contracts live below it"
                raise FormatError(place.problem(loc, message))
            if os.path.isfile(path):  # unlike Path.is_file, also for names that are too long
                return self._only(path, place, loc)
            tried.append(self._shown(path))
        looked = f" (looked for {', '.join(tried)})" if tried else ""
        message = f"there is no contract file `{name}`{looked}{_near_file(directory, self.root, name)}"
        raise FormatError(place.problem(loc, message))

    def _only(self, path: Path, place: Document, loc: Loc) -> _Source:
        sources = self._file(path)
        if len(sources) == 1:
            return sources[0]
        names = ", ".join(repr(source.name) for source in sources if source.name) or "none"
        message = f"{self._shown(path)} holds {len(sources)} contracts; refer to one of them by its name ({names})"
        raise FormatError(place.problem(loc, message))

    # -- reading

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() or "." if path.is_relative_to(self.root) else path.as_posix()

    def _directory(self, directory: Path) -> _Directory:
        found = self._directories.get(directory)
        if found is None:
            found = self._directories[directory] = self._scan(directory)
        return found

    def _scan(self, directory: Path) -> _Directory:
        scanned = _Directory({}, [])
        try:
            names = sorted(entry.name for entry in directory.iterdir() if _holds_contracts(entry.name))
        except OSError as error:
            scanned.problems.append(
                Problem(self._shown(directory), 0, 0, f"cannot be listed: {error.strerror or error}")
            )
            return scanned
        for name in names:
            try:
                sources = self._file(directory / name)
            except FormatError as error:
                scanned.problems.extend(error.problems)
                continue
            for source in sources:
                if source.name is not None:
                    scanned.sources.setdefault(source.name, []).append(source)
        return scanned

    def _file(self, path: Path) -> list[_Source]:
        """The contracts of a file. Raises `FormatError`, again and again."""
        found = self._files.get(path)
        if found is None:
            try:
                found = _sources_in(load_document(path, display=self._shown(path), max_size=self._max_file_size), path)
            except FormatError as error:
                found = error
            self._files[path] = found
        if isinstance(found, FormatError):
            raise FormatError(found.problems)
        return found

    def problems_of(self, path: Path) -> Iterator[Problem]:
        """What is wrong with the contracts that a file holds, whoever names them."""
        try:
            sources = self._file(path)
        except FormatError as error:
            yield from error.problems
            return
        for source in sources:
            try:
                self._flattened(source, set(), ())
            except FormatError as error:
                yield from error.problems

    # -- binding

    def _flattened(self, source: _Source, seen: set[_Key], path: tuple[_Key, ...]) -> list[BoundInvariant]:
        """The invariants of the contracts that this one extends, then its own; a contract reached twice counts once."""
        key = source.key
        if key in path:
            chain = " → ".join(shown for shown, _ in (*path[path.index(key) :], key))
            raise FormatError(
                source.document.problem((*source.loc, "extends"), f"the contract extends itself: {chain}")
            )
        if key in seen:
            return []
        seen.add(key)
        contract, own = self._own(source)
        invariants: list[BoundInvariant] = []
        for index, base in enumerate(contract.extended):
            loc = (*source.loc, "extends", *([index] if isinstance(contract.extends, list) else []))
            found = self._source(base, source.directory, source.document, loc)
            invariants.extend(self._flattened(found, seen, (*path, key)))
        return [*invariants, *own]

    def _own(self, source: _Source) -> _Own:
        """The contract and its own invariants. Raises `FormatError`, again and again."""
        if not source.in_file:
            return self._bind(source)
        found = self._bound.get(source.key)
        if found is None:
            try:
                found = self._bind(source)
            except FormatError as error:
                found = error
            self._bound[source.key] = found
        if isinstance(found, FormatError):
            raise FormatError(found.problems)
        return found

    def _bind(self, source: _Source) -> _Own:
        contract = validate(Contract, source.document, source.loc)
        problems: list[Problem] = []
        bound: list[BoundInvariant] = []
        for index, written in enumerate(contract.invariants):
            try:
                bound.append(self._bind_invariant(source, contract, index, written))
            except FormatError as error:
                problems.extend(error.problems)
        problems.extend(_repeated_ids(source, contract))
        if problems:
            raise FormatError(problems)
        return contract, tuple(bound)

    def _bind_invariant(self, source: _Source, contract: Contract, index: int, written: Any) -> BoundInvariant:
        document, loc = source.document, (*source.loc, "invariants", index)
        check = self._check_of(written, document, loc)
        params: Invariant = validate(check.params, document, loc)
        if check.prepare is not None:
            context = BindContext(
                contract, source.directory, self.root, lambda field, message: document.problem((*loc, field), message)
            )
            check.prepare(params, context)
        return BoundInvariant(params.id or params.type, params, check)

    def _check_of(self, written: Any, document: Document, loc: Loc) -> Check[Any]:
        if not isinstance(written, dict):
            raise FormatError(document.problem(loc, "an invariant is a mapping with a `type`"))
        name = written.get("type")
        if not isinstance(name, str):
            message = "required, but missing" if name is None else "must be text: the name of a check"
            raise FormatError(document.problem((*loc, "type"), message))
        check = self.registry.get(name)
        if check is None:
            known = self.registry.names
            hint = did_you_mean(name, known) or f"; known are {', '.join(known)}"
            broken = "".join(f"; {error}" for error in self.registry.load_errors)
            raise FormatError(document.problem((*loc, "type"), f"unknown type `{name}`{hint}{broken}"))
        return check


_Key = tuple[str, Loc]
_Own = tuple[Contract, tuple[BoundInvariant, ...]]


def _repeated_ids(source: _Source, contract: Contract) -> Iterator[Problem]:
    """Ids that were written twice in one contract; those that a type gives may repeat."""
    seen: set[str] = set()
    for index, written in enumerate(contract.invariants):
        name = written.get("id") if isinstance(written, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            loc = (*source.loc, "invariants", index, "id")
            yield source.document.problem(loc, f"the id `{name}` stands twice in this contract")
        seen.add(name)


def _with_unique_ids(invariants: list[BoundInvariant]) -> tuple[BoundInvariant, ...]:
    """The second `regex` is called `regex-2`."""
    taken: set[str] = set()
    unique: list[BoundInvariant] = []
    for invariant in invariants:
        name, number = invariant.id, 2
        while name in taken:
            name, number = f"{invariant.id}-{number}", number + 1
        taken.add(name)
        unique.append(invariant if name == invariant.id else replace(invariant, id=name))
    return tuple(unique)


def _holds_contracts(name: str) -> bool:
    return name in _LIST_FILES or name in _FLAKESTORM_FILES or name.endswith(_CONTRACT_ENDINGS)


def _sources_in(document: Document, path: Path) -> list[_Source]:
    """The contracts that a file holds: one, a list, those of `contracts:`, or the `contract:` of a flakestorm file."""
    data, directory = document.data, path.parent
    if path.name in _FLAKESTORM_FILES:
        has_one = isinstance(data, dict) and isinstance(data.get("contract"), dict)
        return [_Source(document, ("contract",), directory, None, True)] if has_one else []
    if isinstance(data, dict) and "contracts" in data:
        others = [key for key in data if key != "contracts" and not key.startswith("x-")]
        if others:
            raise FormatError(document.problem((others[0],), f"`{others[0]}` may not stand beside `contracts`"))
        return _listed(document, ("contracts",), data["contracts"], directory)
    if isinstance(data, list):
        return _listed(document, (), data, directory)
    if not isinstance(data, dict):
        raise FormatError(document.problem((), "a contract is a mapping, or a list of mappings"))
    return [_Source(document, (), directory, _stem(path), True)]


def _listed(document: Document, loc: Loc, items: Any, directory: Path) -> list[_Source]:
    if not isinstance(items, list):
        raise FormatError(document.problem(loc, "`contracts` is a list of contracts"))
    sources = []
    for index, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
            raise FormatError(document.problem((*loc, index), "each contract of a list is a mapping with a `name`"))
        sources.append(_Source(document, (*loc, index), directory, None, True))
    return sources


def _stem(path: Path) -> str:
    name = path.name
    for ending in (*_CONTRACT_ENDINGS, *_ENDINGS):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def _joined(base: Path, name: str) -> Path | None:
    """The real path, links followed; None for text that cannot be a path."""
    try:
        return (base / name.replace("\\", "/")).resolve()
    except (OSError, ValueError, RuntimeError):
        return None


def _near_file(directory: Path, root: Path, name: str) -> str:
    """`; did you mean …?` with a file beside the place where the named one was looked for."""
    wanted = Path(name.replace("\\", "/"))
    for base in dict.fromkeys((directory, root)):
        folder = _joined(base, wanted.parent.as_posix())
        if folder is not None and (folder == root or root in folder.parents) and os.path.isdir(folder):
            hint = did_you_mean(wanted.name, [entry.name for entry in folder.iterdir() if entry.suffix in _ENDINGS])
            if hint:
                return hint
    return ""
