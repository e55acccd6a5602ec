"""What a capture has seen, beside its file until that is written: nothing is lost when the process dies.

One line of JSON for each event, handed to the operating system at once: a killed process loses nothing, a machine that
loses its power may lose the last seconds. The last line may be half written. Secrets are taken out of each line.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError

__all__ = ["SUFFIX", "Journal", "is_in_use", "journal_line", "journals_of", "read_journal"]

SUFFIX = ".journal"
_FORMAT = "agent-replay capture 1"

_numbers = itertools.count(1)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Journal:
    """An append-only file. Raises `OSError`."""

    def __init__(self, target: Path, header: dict[str, Any]) -> None:
        """`target` is the replay file that will be written."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path = target.with_name(f"{target.name}.{os.getpid()}-{next(_numbers)}{SUFFIX}")
        self.is_broken = False
        """A line could not be written, and no other will be."""
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.add(journal_line({"format": _FORMAT, "target": str(target), **header}))

    def add(self, line: str) -> None:
        """Writes the line of an event."""
        data = f"{line}\n".encode()
        self.is_broken = True
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.is_broken = False

    def close(self, *, remove: bool) -> None:
        """Ends it; `remove` when the replay file is there."""
        os.close(self._file)
        if remove:
            self.path.unlink(missing_ok=True)


def journal_line(event: dict[str, Any]) -> str:
    """An event as one line of text. Keys that begin with `_` are for the memory alone."""
    return _encode({key: value for key, value in event.items() if not key.startswith("_")})


def journals_of(path: Path) -> list[Path]:
    """The journals in a folder, those of a replay file, or the journal that is named itself."""
    if path.name.endswith(SUFFIX):
        return [path]
    if path.is_dir():
        return sorted(path.glob(f"*{SUFFIX}"))
    return sorted(each for each in path.parent.glob(f"*{SUFFIX}") if each.name.startswith(f"{path.name}."))


def is_in_use(journal: Path) -> bool:
    """Whether a process of the number that wrote it is running, as far as this system tells."""
    number = journal.name.removesuffix(SUFFIX).rpartition(".")[2].partition("-")[0]
    if os.name != "posix" or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's process
        pass
    return True


def read_journal(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the events; a last line that was not wholly written is left out. Raises `ReplayError`."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from None
    found = [event for event in map(_event, lines) if event is not None]
    if not found or found[0].get("format") != _FORMAT:
        raise ReplayError(f"{path}: is no journal of a capture")
    return found[0], found[1:]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
