"""Replay files as sessions: which ones a file holds, what other files they pull in, a small form to keep them in."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.loading import MAX_FILE_SIZE, Document, Loc, field_path, load_document
from pytest_agent_replay.formats.mistakes import PLAIN
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.validation import Placed, unknown_key, validate
from pytest_agent_replay.late import late_pattern

__all__ = [
    "SUFFIXES",
    "LoadedReplay",
    "PackedReplay",
    "ReplayPlace",
    "is_replay_path",
    "load_replays",
    "resolve_reference",
]

SUFFIXES = (".replay.yaml", ".replay.yml", ".replay.json")
"""Names that are collected without being asked for by name."""

MAX_PULLED = 10_000
"""So many recordings may a list have in which other files are named."""

KEPT_SIZE = 2_000
"""Bytes of data up to which a packed session is also kept as it was loaded, until it is first used."""

_UNSELECTABLE = late_pattern(r"\[|\]|:{2,}|[\x00-\x1f\x7f\x85\u2028\u2029]")


def is_replay_path(path: Path) -> bool:
    """Whether the file's name says that it is a replay file."""
    return path.name.lower().endswith(SUFFIXES)


def load_replays(
    path: Path, *, root: Path, max_size: int = MAX_FILE_SIZE, display: str | None = None
) -> list[LoadedReplay]:
    """The sessions of a replay file (one), or of a `flakestorm.yaml` (any number).

    `root` is the folder that references in the file may not leave, `display` the path for messages (default:
    relative to the root). Ids may occur twice, over files and in one `flakestorm.yaml`: that is for the caller to
    check, with `LoadedReplay.problem(("id",), …)`.
    Raises `FormatError`.
    """
    origin = _Origin(path, _display(path, root) if display is None else display, root, max_size)
    return [_loaded(part) for part in _parts(origin)]


def resolve_reference(text: str, directory: Path, root: Path) -> Path:
    """The file that `text` names, relative to `directory`, symlinks resolved; it need not exist.

    Raises `ValueError`, in words for users, when it is not inside of `root`.
    """
    try:
        path = (directory / text).resolve()
        inside = path.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"`{text}` is not a usable path: {error}") from None
    if not inside:
        raise ValueError(f"`{text}` leads out of {root}; a file may only name files inside of it")
    return path


class _Origin(NamedTuple):
    """Where a session is read from, enough to read it again. `session` is its number in a `flakestorm.yaml`."""

    path: Path
    display: str
    root: Path
    max_size: int
    session: int | None = None
    config: Path | None = None


class _Part(NamedTuple):
    """One session's data, with files of recordings pulled in, and the way back to its places in the document."""

    origin: _Origin
    document: Document
    base: tuple[str | int, ...]
    data: Any
    sources: Mapping[tuple[str | int, ...], list[int]] = MappingProxyType({})
    """For each list into which other files were pulled: which of its entries in the file an entry comes from."""

    def at(self, loc: Loc = ()) -> Any:
        return _at(self.data, loc)

    @property
    def path(self) -> str:
        return self.document.path

    def position(self, loc: Loc = ()) -> tuple[int, int]:
        return self.document.position((*self.base, *self._written(tuple(loc))))

    def problem(self, loc: Loc, message: str) -> Problem:
        return self.document.problem((*self.base, *self._written(tuple(loc))), message)

    def _written(self, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
        for container, indexes in self.sources.items():
            size = len(container)
            if loc[:size] == container and len(loc) > size and isinstance(index := loc[size], int):
                return (*container, indexes[index], *loc[size + 1 :]) if index < len(indexes) else container
        return loc


@dataclass(frozen=True, slots=True)
class LoadedReplay:
    """A session as it stands in a file."""

    replay: ReplayFile
    id: str
    """As given, else the file's name without its suffixes, with what pytest could not select replaced by `-`."""
    line: int
    """Where it begins in its file, from 1."""
    data: dict[str, Any] = field(repr=False)
    """The plain data that `replay` was made from."""
    _origin: _Origin = field(repr=False)

    @property
    def path(self) -> Path:
        """The file in which it stands."""
        return self._origin.path

    @property
    def display(self) -> str:
        """The file's path as shown to users."""
        return self._origin.display

    @property
    def directories(self) -> tuple[Path, ...]:
        """Where relative paths in it are looked for, nearest first: its folder, a `flakestorm.yaml`'s that names it."""
        own = self.path.parent
        config = self._origin.config
        return (own,) if config is None or config.parent == own else (own, config.parent)

    def place(self) -> ReplayPlace:
        """Its data with lines and columns; the file is read once more when one is asked for."""
        return ReplayPlace(self)

    def problem(self, loc: Loc, message: str) -> Problem:
        """`message` at the place of `loc` in its file, which is read once more for that."""
        return self.place().problem(loc, message)

    def packed(self) -> PackedReplay:
        """The form to keep when there are thousands."""
        return PackedReplay(self)


class ReplayPlace:
    """The data of a loaded session and its places: a `validation.Placed`."""

    def __init__(self, loaded: LoadedReplay) -> None:
        self._loaded = loaded
        self._part: _Part | None = None
        self._was_read = False

    @property
    def path(self) -> str:
        """The file's path as shown to users."""
        return self._loaded.display

    def at(self, loc: Loc = ()) -> Any:
        """The value at `loc`. Raises `LookupError` when there is none."""
        return _at(self._loaded.data, loc)

    def position(self, loc: Loc = ()) -> tuple[int, int]:
        """Line and column of `loc`; of the session when its file has changed so that it is not found there."""
        part = self._read()
        return part.position(loc) if part is not None else (self._loaded.line, 1)

    def problem(self, loc: Loc, message: str) -> Problem:
        """`message` at the place of `loc`."""
        part = self._read()
        if part is not None:
            return part.problem(loc, message)
        return Problem(self.path, self._loaded.line, 1, message, field_path(loc))

    def _read(self) -> _Part | None:
        if not self._was_read:
            self._was_read = True
            origin = self._loaded._origin
            try:
                self._part = next((part for part in _parts(origin) if part.origin == origin), None)
            except FormatError:
                pass
        return self._part


class PackedReplay:
    """A session in about the memory of its file, with what a list of tests needs of it."""

    __slots__ = ("_data", "_origin", "_unused", "forks", "id", "line", "tags")

    def __init__(self, loaded: LoadedReplay) -> None:
        self.id = loaded.id
        self.line = loaded.line
        self.tags: tuple[str, ...] = tuple(loaded.replay.tags)
        self.forks: tuple[str, ...] = tuple(fork.name for fork in loaded.replay.forks)
        """The names of its forks."""
        self._data = marshal.dumps(loaded.data)
        self._origin = loaded._origin
        self._unused = loaded if len(self._data) <= KEPT_SIZE else None

    @property
    def path(self) -> Path:
        """The file in which it stands."""
        return self._origin.path

    @property
    def display(self) -> str:
        """The file's path as shown to users."""
        return self._origin.display

    def unpacked(self) -> LoadedReplay:
        """The session as it was loaded, each time anew, so that nobody sees what others do to it.

        Its file is not read again.
        """
        loaded, self._unused = self._unused, None
        if loaded is not None:
            return loaded
        data = marshal.loads(self._data)
        replay = ReplayFile.model_validate(data, context=PLAIN)
        return LoadedReplay(replay, self.id, self.line, data, self._origin)


def _at(value: Any, loc: Loc) -> Any:
    for step in loc:
        value = value[step]
    return value


def _display(path: Path, root: Path) -> str:
    text, folder = str(path), str(root)
    if not folder.endswith(os.sep):
        folder += os.sep
    return text[len(folder) :] if text.startswith(folder) else text


def _loaded(part: _Part) -> LoadedReplay:
    replay = validate(ReplayFile, part)
    if replay.parent is not None:
        _referenced(part, ("parent",), replay.parent, part.origin)
    return LoadedReplay(
        replay=replay,
        id=replay.id if replay.id is not None else _default_id(part.origin.path),
        line=part.document.position(part.base)[0],
        data=part.data,
        _origin=part.origin,
    )


def _default_id(path: Path) -> str:
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
            break
    else:
        name = path.stem
    return _UNSELECTABLE.sub("-", name)


def _parts(origin: _Origin) -> Iterator[_Part]:
    document = load_document(origin.path, display=origin.display, max_size=origin.max_size)
    named_by_config = origin.config is not None and origin.session is None
    if _is_flakestorm(document) and not named_by_config:
        yield from _sessions(origin, document)
    else:
        yield _expanded(_Part(origin, document, (), document.data))


def _is_flakestorm(document: Document) -> bool:
    """Whether this is a flakestorm configuration, by keys that no replay file has."""
    return isinstance(document.data, dict) and ("replays" in document.data or "golden_prompts" in document.data)


def _sessions(origin: _Origin, document: Document) -> Iterator[_Part]:
    from pytest_agent_replay.formats.flakestorm import read_flakestorm

    config = read_flakestorm(document)
    agent = {} if config.agent is None else {"agent": config.agent.as_agent()}
    for index, session in enumerate(config.replays.sessions):
        base = ("replays", "sessions", index)
        if "file" not in session:
            here = origin._replace(session=index, config=origin.path)
            yield _expanded(_Part(here, document, base, {**agent, **session}))
            continue
        path = _referenced(document, (*base, "file"), session["file"], origin)
        there = origin._replace(path=path, display=_display(path, origin.root), session=None, config=origin.path)
        for part in _parts(there):
            data = {**agent, **part.data} if isinstance(part.data, dict) else part.data
            yield part._replace(data=data)


def _referenced(document: Placed, loc: Loc, text: str, origin: _Origin) -> Path:
    try:
        path = resolve_reference(text, origin.path.parent, origin.root)
    except ValueError as error:
        raise FormatError(document.problem(loc, str(error))) from None
    if not os.path.exists(path):
        raise FormatError(document.problem(loc, f"there is no file `{text}`"))
    return path


def _expanded(part: _Part) -> _Part:
    """Puts what other files recorded in the place of the entries `{responses: path}` of `tool_responses`."""
    files: dict[str, list[dict[str, Any]]] = {}
    for container in _recording_lists(part.data):
        written = part.at(container)
        if not any(map(_is_pull, written)):
            continue
        entries: list[Any] = []
        indexes: list[int] = []
        for index, entry in enumerate(written):
            new = _pulled(part, (*container, index), entry, files) if _is_pull(entry) else [entry]
            entries += new
            indexes += [index] * len(new)
            if len(entries) > MAX_PULLED:
                message = f"these are more than {MAX_PULLED:,} recordings"
                raise FormatError(part.document.problem((*part.base, *container, index), message))
        sources = {**part.sources, container: indexes}
        part = part._replace(data=_replaced(part.data, container, entries), sources=sources)
    return part


def _recording_lists(data: Any) -> Iterator[tuple[str | int, ...]]:
    if not isinstance(data, dict):
        return
    if isinstance(data.get("tool_responses"), list):
        yield ("tool_responses",)
    for key in ("turns", "forks"):
        for index, item in enumerate(data[key] if isinstance(data.get(key), list) else ()):
            if isinstance(item, dict) and isinstance(item.get("tool_responses"), list):
                yield (key, index, "tool_responses")


def _is_pull(entry: Any) -> bool:
    return isinstance(entry, dict) and "responses" in entry and "tool" not in entry


def _replaced(value: Any, loc: tuple[str | int, ...], new: Any) -> Any:
    if not loc:
        return new
    copy = value.copy()
    copy[loc[0]] = _replaced(value[loc[0]], loc[1:], new)
    return copy


def _pulled(
    part: _Part, loc: tuple[str | int, ...], entry: dict[str, Any], files: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    place = (*part.base, *loc)
    for key in entry:
        if key != "responses" and not key.startswith("x-"):
            raise FormatError(part.document.problem((*place, key), unknown_key(key, ["responses"])))
    text = entry["responses"]
    if not isinstance(text, str):
        message = "must be the path of a file that the `responses` library recorded"
        raise FormatError(part.document.problem((*place, "responses"), message))
    if text not in files:
        path = _referenced(part.document, (*place, "responses"), text, part.origin)
        from pytest_agent_replay.formats.recorded import recorded_responses

        files[text] = list(recorded_responses(path, _display(path, part.origin.root), part.origin.max_size))
    return files[text]
