"""`agent-replay import SOURCE …`: recorded sessions from elsewhere, as replay files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_agent_replay.sources.source import Source
    from pytest_agent_replay.sources.writer import ImportReport, Wishes

__all__ = ["add_parser", "import_parser", "main"]

_DESCRIPTION = (
    "Makes a replay file of each session. What was guessed, lost or redacted is said on the screen and in the file. "
    "Run again, it writes what is new and leaves the rest as it is."
)
_OUT = "replays"
_FEW = 4
"""So many files are spoken of one by one, and no more."""


def add_parser(commands: Any) -> None:
    """Declares the command; each source has options of its own, and is loaded when it is named."""
    commands.add_parser("import", help="make replay files of sessions recorded elsewhere")


def main(words: Sequence[str]) -> int:
    """Imports; the exit code is 1 when a session could not be imported, 2 for a wrong call."""
    if not words or words[0].startswith("-"):
        _overview().print_help()
        return 0 if words and words[0] in ("-h", "--help") else 2
    if words[0] == "auto":
        return _auto(words[1:])
    from pytest_agent_replay.sources.source import find_source

    source = find_source(words[0])
    parser = import_parser(source)
    given = parser.parse_args(words[1:])
    source.check(given)
    return _end(given, [_import(source, given)])


def _auto(words: Sequence[str]) -> int:
    """Each file goes to the source that recognises it."""
    from pytest_agent_replay.sources.recognising import by_source

    parser = argparse.ArgumentParser(
        prog="agent-replay import auto", description="Finds out what each file is. " + _DESCRIPTION
    )
    parser.add_argument("file", metavar="FILE", nargs="+")
    _add_common(parser)
    given = parser.parse_args(words)
    reports = []
    for source, files in by_source([Path(file) for file in given.file]):
        names = ", ".join(map(str, files))
        print(f"{source.name}: {names}")
        # the source's own options have their defaults; the common ones are those of this call
        own = import_parser(source).parse_args([str(file) for file in files])
        reports.append(_import(source, argparse.Namespace(**{**vars(own), **_common(given)})))
    return _end(given, reports)


def _overview() -> argparse.ArgumentParser:
    from pytest_agent_replay.sources.source import source_entries

    rows = [("auto", "files of any kind: finds out which"), *((e.name, e.help) for e in source_entries())]
    return argparse.ArgumentParser(
        prog="agent-replay import",
        usage="agent-replay import SOURCE … [-o DIR]",
        description=_DESCRIPTION,
        epilog="sources:\n"
        + "\n".join(f"  {name:<14} {text}" for name, text in rows)
        + "\n\n`agent-replay import SOURCE --help` shows the options of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def import_parser(source: Source) -> argparse.ArgumentParser:
    """What `agent-replay import NAME` understands: the options of the source, and those that all have."""
    parser = argparse.ArgumentParser(
        prog=f"agent-replay import {source.name}", description=f"{source.description} {_DESCRIPTION}".strip()
    )
    source.add_arguments(parser)
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the replay files")
    group.add_argument(
        "-o", "--out", metavar="DIR", default=_OUT, help=f"where they go (default: {_OUT}), or one file for one session"
    )
    group.add_argument(
        "--contract", metavar="REF", help="a contract's name, or the path of its file (default: proposed)"
    )
    group.add_argument("--no-contract", action="store_true", help="propose none")
    group.add_argument("--golden", action="store_true", default=None, help="all are good behaviour to keep")
    group.add_argument("--incident", action="store_false", dest="golden", help="none is, whatever it looks like")
    group.add_argument("--agent", metavar="REF", help="the agent under test, `package.module:name`")
    taken = parser._option_string_actions
    names = ["--add-tag"] if "--tag" in taken else ["--add-tag", "--tag"]
    group.add_argument(*names, metavar="T", action="append", default=[], dest="add_tag", help="repeatable")
    group.add_argument(
        "--expires",
        metavar="TIME",
        help="when the files are to go: 90d after the session, or a date (`agent-replay prune`)",
    )
    group.add_argument("--force", action="store_true", help="write over files that exist")
    group.add_argument(
        "--no-redaction", action="store_true", help="leave secrets and personal data as they are in the source"
    )
    group.add_argument("--run", action="store_true", help="run the files with pytest afterwards")


_COMMON = ("out", "contract", "no_contract", "golden", "agent", "add_tag", "expires", "force", "no_redaction", "run")


def _common(given: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(given, name) for name in _COMMON}


def _import(source: Source, given: argparse.Namespace) -> ImportReport:
    from pytest_agent_replay.sources.writer import import_sessions

    report = import_sessions(source, given, Path(given.out), _wishes(given), force=given.force, progress=_progress())
    _say(report, given.out)
    return report


def _wishes(given: argparse.Namespace) -> Wishes:
    from pytest_agent_replay.redaction import redactors
    from pytest_agent_replay.sources.writer import Wishes

    return Wishes(
        contract=given.contract,
        golden=given.golden,
        tags=given.add_tag,
        agent=given.agent,
        propose=not given.no_contract,
        expires=given.expires,
        redactor=None if given.no_redaction else redactors(Path.cwd()),
    )


def _end(given: argparse.Namespace, reports: list[ImportReport]) -> int:
    code = 1 if any(report.problems for report in reports) else 0
    if not given.run:
        return code
    from pytest_agent_replay.cli import run

    paths = [str(path) for report in reports for path in report.paths]
    if not paths:
        print("there is nothing to run", file=sys.stderr)
        return code or 1
    return run.main(paths) or code


def _progress() -> Callable[[int, int | None], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int | None) -> None:
        if total is None:
            print(f"\rimporting {done}", end="", file=sys.stderr, flush=True)
            return
        width = 30
        bar = "#" * (width * done // max(total, 1))
        end = "\r\x1b[K" if done >= total else ""
        print(f"\rimporting [{bar:<{width}}] {done}/{total}", end=end, file=sys.stderr, flush=True)

    return show


def _say(report: ImportReport, out: str) -> None:
    from pytest_agent_replay.report.values import plain

    files = "1 replay file" if len(report.written) == 1 else f"{len(report.written)} replay files"
    there = f"; {report.unchanged} there already" if report.unchanged else ""
    print(
        f"{files} in {out}: {report.turns} turns, {report.tool_calls} tool calls ({report.failed_calls} failed), "
        f"{report.model_answers} model answers{there}"
    )
    if report.proposals:
        print(f"proposed contracts: {_proposals(report.proposals)}")
    if len(report.said) < _FEW:
        for path, lines in report.said:
            for line in lines:
                print(plain(f"  {path.name}: {line}"))
    if report.redacted:
        print("redacted: " + ", ".join(f"{kind} ({count})" for kind, count in sorted(report.redacted.items())))
    for note in report.notes:
        print(plain(f"note: {note}"))
    for problem in report.problems:
        print(plain(f"not imported: {problem}"), file=sys.stderr)


_VERDICTS = {
    "yes": "{} red on what production did",
    "guess": "{} red only by a guess",
    "no": "{} green on it: say in these files what was wrong",
    "unknown": "{} cannot tell",
    "golden": "{} golden: no sign of a failure",
}


def _proposals(counts: dict[str, int]) -> str:
    return ", ".join(text.format(counts[verdict]) for verdict, text in _VERDICTS.items() if counts.get(verdict))
