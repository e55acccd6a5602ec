"""`agent-replay redact PATH…`: takes secrets and personal data out of replay files that exist."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_agent_replay.redaction import Redactor

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "redact",
        help="take secrets and personal data out of replay files",
        description="Puts stand-ins of the same shape in the place of secrets and personal data; equal values get "
        "equal stand-ins in all files, so that the replays still match. A file is replaced whole; one with comments, "
        "which would be lost, only with --force.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a replay file, or a folder to be searched")
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="write the redacted files there, in the same folders, and leave these"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; the exit code is 1 when something would be"
    )
    parser.add_argument("--force", action="store_true", help="also files with comments; with -o, overwrite")
    parser.add_argument(
        "--root", metavar="DIR", default=".", help="where the rules are configured (default: the working directory)"
    )
    parser.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Redacts all files; the exit code is 1 when one could not be."""
    from pytest_agent_replay.cli.files import named_files
    from pytest_agent_replay.errors import ReplayError
    from pytest_agent_replay.redaction import redactors

    make = redactors(Path(given.root))
    code = 0
    files = named_files(given.paths, replays_only=True)
    # files of one name in several folders keep these
    folder = "" if given.out is None else os.path.commonpath([path.parent for path in files])
    for path in files:
        target = path if given.out is None else Path(given.out, os.path.relpath(path, folder))
        try:
            code |= _redact(path, target, given, make)
        except ReplayError as error:
            print(f"not redacted: {error}", file=sys.stderr)
            code = 1
    return code


def _redact(path: Path, target: Path, given: argparse.Namespace, make: Callable[[], Redactor]) -> int:
    from pytest_agent_replay.errors import ReplayError
    from pytest_agent_replay.formats.writing import write_text_atomic
    from pytest_agent_replay.redaction.files import has_comments, redact_file

    shown = os.path.relpath(path)
    text, lines = redact_file(path, make(), display=shown)
    if not lines:
        print(f"{shown}: nothing to take out")
    else:
        print(f"{shown}: {', '.join(lines)}")
    if given.check:
        return 1 if lines else 0
    if not lines and target == path:
        return 0
    if target == path and not given.force and has_comments(path):
        raise ReplayError(
            f"{shown}: it has comments, which would be lost; --force redacts it all the same, -o elsewhere"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(target, text, force=given.force or target == path)
    return 0
