"""Where imported replay files go: a folder that knows which sessions it has, so that an import can be run again.

A session is known by its `source:` block, whatever its file is called by now and whatever somebody changed in it.
Running an import again leaves what is there as it is and writes what is missing: after an import that was stopped, and
for sessions that are new since. A digest of what was recorded, in the file's `import:` block, tells a file that was
edited from a session that is another by now in its source.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from enum import Enum
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.files import SUFFIXES, is_replay_path
from pytest_agent_replay.formats.loading import load_document, parse_document
from pytest_agent_replay.formats.writing import write_text_atomic

__all__ = ["Outcome", "ReplayFolder", "safe_name"]

_LONGEST_ID = 100
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_STALE_S = 600.0
"""So old is what a killed import left behind, and no running one."""


class Outcome(Enum):
    """What became of a session."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    EDITED = "edited"
    """There is a file of this session, which was changed or renamed since; it was left alone."""
    CHANGED = "changed"
    """There is a file of this session, which is another in its source by now; it was left alone."""
    TAKEN = "taken"
    """There is a file of this name, which is not of this session; it was left alone."""


class ReplayFolder:
    """A folder of replay files, or one file when `out` is named like one."""

    def __init__(self, out: Path, *, force: bool = False) -> None:
        self.force = force
        self.single = out if out.name.lower().endswith((".yaml", ".yml", ".json")) and not out.is_dir() else None
        self.path = out.parent if self.single is not None else out
        self._by_source: dict[str, Path] | None = None
        self._taken: set[str] = set()
        self._is_used = False

    def find(self, source: Mapping[str, Any]) -> Path | None:
        """The file of the session with this `source:` block."""
        return self._files().get(_key(source))

    def name_for(self, wish: str, source: Mapping[str, Any]) -> str:
        """The id of a session: its file's name where it has one; else a free name, the same in every run."""
        if self.single is not None:
            return safe_name(_stem(self.single))
        known = self.find(source)
        if known is not None:
            return _stem(known)
        safe, number = safe_name(wish), 1
        name = safe
        while name.lower() in self._taken:
            number += 1
            name = f"{safe}-{number}"
        return name

    def path_of(self, name: str, source: Mapping[str, Any]) -> Path:
        """The file of a session, which need not be there yet."""
        return self.single or self.find(source) or self.path / f"{name}.replay.yaml"

    def put(self, name: str, source: Mapping[str, Any], text: str, digest: str | None = None) -> tuple[Path, Outcome]:
        """Writes the file of a session, whole or not at all. Raises `ReplayError` when it cannot be written.

        `digest` is what the text has as `import: {digest: …}`.
        """
        path = self.path_of(name, source)
        if self.single is not None and self._is_used:
            raise ValueError(f"{path} holds one session; name a folder for several")
        self._is_used = True
        self._make()
        self._taken.add(name.lower())
        if path.exists() and not self.force:
            return path, _outcome(path, source, text, digest)
        try:
            write_text_atomic(path, text, force=self.force)
        except ReplayError:
            if self.force or not path.exists():
                raise
            return path, self._written_meanwhile(path, source, text, digest)
        self._files()[_key(source)] = path
        return path, Outcome.WRITTEN

    def _written_meanwhile(self, path: Path, source: Mapping[str, Any], text: str, digest: str | None) -> Outcome:
        """What became of a session whose file another import wrote first."""
        if _block_of(path, "source") != dict(source):
            raise ValueError(f"{path}: another import has just taken this name; import again to get the next one")
        self._files()[_key(source)] = path
        return _outcome(path, source, text, digest)

    def _files(self) -> dict[str, Path]:
        if self._by_source is None:
            self._by_source = {}
            for path in sorted(self.path.iterdir()) if self.path.is_dir() else ():
                if is_replay_path(path):
                    self._taken.add(_stem(path).lower())
                    source = _block_of(path, "source")
                    if source is not None:
                        self._by_source.setdefault(_key(source), path)
                elif _is_left_behind(path):
                    path.unlink(missing_ok=True)
        return self._by_source

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReplayError(f"{self.path}: the folder cannot be made: {error.strerror or error}") from None


def _outcome(path: Path, source: Mapping[str, Any], text: str, digest: str | None) -> Outcome:
    """What a file that is there is to a session."""
    try:
        if path.read_bytes() == text.encode():
            return Outcome.UNCHANGED
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from None
    if _block_of(path, "source") != dict(source):
        return Outcome.TAKEN
    known = (_block_of(path, "import") or {}).get("digest", digest)
    return Outcome.EDITED if known == digest else Outcome.CHANGED


def safe_name(wish: str) -> str:
    """An id that is a file name on every system. What was changed or cut is told apart by a digest of the wish."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", wish).strip("-.") or "session"
    if safe != wish and re.search(r"[^\x00-\x7f]", wish):
        safe = f"{safe}-{_hash(wish)}"
    if len(safe) > _LONGEST_ID:
        safe = f"{safe[: _LONGEST_ID - 9]}-{_hash(wish)}"
    return f"session-{safe}" if _RESERVED.fullmatch(safe) else safe


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _key(source: Mapping[str, Any]) -> str:
    return _hash(json.dumps(source, sort_keys=True)) + json.dumps(source.get("type"))


def _stem(path: Path) -> str:
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), path.suffix)
    return path.name[: -len(suffix)]


def _block_of(path: Path, key: str) -> dict[str, Any] | None:
    """The block `source:` or `import:` of a file; None when there is none."""
    if path.name.lower().endswith(".json"):
        try:
            return _block(load_document(path).data, key)
        except ReplayError:
            return None
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            lines = dropwhile(lambda line: not line.startswith(f"{key}:"), file)
            head = next(lines, None)
            block = takewhile(lambda line: line[0] in " \t" or not line.strip(), lines)
            data = parse_document("".join([head, *block]), f"{key}.yaml").data if head is not None else None
    except (OSError, ReplayError):
        return None
    return _block(data, key)


def _block(data: Any, key: str) -> dict[str, Any] | None:
    block = data.get(key) if isinstance(data, dict) else None
    return block if isinstance(block, dict) else None


def _is_left_behind(path: Path) -> bool:
    if not re.fullmatch(r"\..*\.tmp", path.name) or ".replay." not in path.name:
        return False
    try:
        return time.time() - os.stat(path).st_mtime > _STALE_S
    except OSError:
        return False
