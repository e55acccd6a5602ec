"""`agent-replay prune PATH…`: deletes replay files whose time has come."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "prune",
        help="delete replay files that have expired",
        description="Deletes the replay files whose `expires` has passed. A file that another of these names as its "
        "`parent` is kept until that one goes. What cannot be read is named and kept.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a replay file, or a folder to be searched")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    parser.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Deletes; the exit code is 1 when a file could not be read."""
    from pytest_agent_replay.cli.files import named_files

    files = named_files(given.paths, replays_only=True)
    known = {path: _read(path) for path in files}
    expired = {path for path, data in known.items() if data is not None and _is_expired(data)}
    parents = {_parent(path, data) for path, data in known.items() if data is not None and path not in expired}
    verb = "would be deleted" if given.dry_run else "deleted"
    for path in sorted(expired):
        if path in parents:
            print(f"{_shown(path)}: kept, another file names it as its parent")
            continue
        if not given.dry_run:
            path.unlink()
        data = known[path] or {}
        print(f"{_shown(path)}: {verb}, it expired {data['expires']}")
    print(f"{len(expired - parents)} of {len(files)} {verb}")
    return 1 if None in known.values() else 0


def _read(path: Path) -> dict[str, Any] | None:
    import sys

    from pytest_agent_replay.errors import FormatError
    from pytest_agent_replay.formats.loading import load_document

    try:
        data = load_document(path, display=_shown(path)).data
        if isinstance(data, dict) and {"input", "turns", "parent"} & set(data):
            _is_expired(data)
            return data
        raise ValueError("it is no replay file")
    except (FormatError, ValueError) as error:
        print(f"not read: {error if isinstance(error, FormatError) else f'{_shown(path)}: {error}'}", file=sys.stderr)
        return None


def _is_expired(data: dict[str, Any]) -> bool:
    from pytest_agent_replay.formats.times import parse_time

    expires = data.get("expires")
    return isinstance(expires, str) and parse_time(expires) <= datetime.now(timezone.utc)


def _parent(path: Path, data: dict[str, Any]) -> Path | None:
    parent = data.get("parent")
    return Path(os.path.abspath(path.parent / parent)) if isinstance(parent, str) else None


def _shown(path: Path) -> str:
    return os.path.relpath(path)
