"""Which files a path on the command line means."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_agent_replay.errors import ReplayError

__all__ = ["is_contract", "is_replay", "named_files", "stem"]

_ENDINGS = (".yaml", ".yml", ".json")
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})


def named_files(words: Sequence[str], *, replays_only: bool = False) -> list[Path]:
    """The files that are named, whatever they are called, and what the named folders hold of ours.

    Raises `ReplayError` when a path does not exist, or nothing is found.
    """
    named = [Path(os.path.abspath(word)) for word in words]
    for path, word in zip(named, words, strict=True):
        if not path.exists():
            raise ReplayError(f"{word}: there is no such file or folder")
    files = list(dict.fromkeys(file for path in named for file in _files(path, replays_only)))
    if not files:
        what = "replay file" if replays_only else "replay file, contract or flakestorm.yaml"
        raise ReplayError(f"{', '.join(words)}: there is no {what}")
    return files


def _files(path: Path, replays_only: bool) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        for name in sorted(names):
            is_ours = stem(name).endswith(".replay") if replays_only else is_replay(name) or is_contract(name)
            if is_ours:
                yield Path(folder, name)


def is_replay(name: str) -> bool:
    """Whether a file's name says that it has replays."""
    return stem(name).endswith(".replay") or stem(name) == "flakestorm"


def is_contract(name: str) -> bool:
    """Whether a file's name says that it has contracts."""
    return stem(name).endswith(".contract") or stem(name) == "contracts"


def stem(name: str) -> str:
    """The name without `.yaml`, `.yml` or `.json`, in small letters; empty for other files."""
    found, ending = os.path.splitext(name.lower())
    return found if ending in _ENDINGS else ""
