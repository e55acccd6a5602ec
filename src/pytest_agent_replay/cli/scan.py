"""`agent-replay scan PATH…`: is there a secret or personal data in these files? A gate for CI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "scan",
        help="look for secrets and personal data in files",
        description="Prints a line for each secret and each piece of personal data in replay files and contracts; the "
        "exit code is 1 when there is one. A file of any other kind is looked through when it is named.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder to be searched")
    parser.add_argument(
        "--root", metavar="DIR", default=".", help="where the rules are configured (default: the working directory)"
    )
    parser.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Looks through all files."""
    from pytest_agent_replay.cli.files import named_files
    from pytest_agent_replay.cli.progress import progress
    from pytest_agent_replay.redaction import project_rules
    from pytest_agent_replay.redaction.files import scan_file

    rules = project_rules(Path(given.root))
    files = named_files(given.paths)
    problems = []
    with progress("scanning", len(files)) as step:
        for path in files:
            problems += scan_file(path, rules, display=_shown(path))
            step()
    for problem in problems:
        print(problem)
    if problems:
        print(
            f"{len(problems)} found in {len(files)} file{'s'[: len(files) != 1]}; `agent-replay redact` takes them "
            "out, the rules for redaction can allow what is nobody's",
            file=sys.stderr,
        )
        return 1
    print(f"nothing found in {len(files)} file{'s'[: len(files) != 1]}")
    return 0


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
