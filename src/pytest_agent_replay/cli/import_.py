"""`agent-replay import SOURCE FILE -o DIR`: recorded sessions from elsewhere, as replay files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from pytest_agent_replay.sources.writer import ImportReport

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declares the command, and a command of it for each source."""
    parser = commands.add_parser("import", help="make replay files of sessions recorded elsewhere")
    sources = parser.add_subparsers(title="sources", metavar="SOURCE", required=True)
    openai = sources.add_parser(
        "openai-chat",
        help="OpenAI chat transcripts",
        description="Reads a JSON or JSONL file of OpenAI chat transcripts: one list of messages, or many sessions "
        "with `messages` or `traj`. What was guessed or lost is said on the screen and in each file.",
    )
    openai.add_argument("file", metavar="FILE")
    openai.add_argument("-o", "--out", metavar="DIR", required=True, help="where the replay files go")
    openai.add_argument("--contract", metavar="REF", help="the contract of all of them: a name, or the path of a file")
    openai.add_argument("--golden", action="store_true", help="good behaviour to keep, not incidents")
    openai.add_argument("--tag", metavar="T", action="append", default=[], help="repeatable")
    openai.add_argument("--force", action="store_true", help="overwrite files that exist")
    openai.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Imports; the exit code is 1 when a session could not be imported."""
    from pytest_agent_replay.sources.openai_chat import import_openai_chat

    report = import_openai_chat(
        Path(given.file),
        out=Path(given.out),
        contract=given.contract,
        golden=given.golden,
        tags=given.tag,
        force=given.force,
        progress=_show if sys.stderr.isatty() else None,
    )
    return _say(report, given.out)


def _show(done: int, total: int) -> None:
    end = "\r\x1b[K" if done == total else ""
    print(f"\rimporting {done}/{total}", end=end, file=sys.stderr, flush=True)


def _say(report: ImportReport, out: str) -> int:
    files = "1 replay file" if len(report.written) == 1 else f"{len(report.written)} replay files"
    print(
        f"{files} in {out}: {report.turns} turns, {report.tool_calls} tool calls ({report.failed_calls} failed), "
        f"{report.model_answers} model answers"
    )
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"not imported: {problem}", file=sys.stderr)
    return 1 if report.problems else 0
