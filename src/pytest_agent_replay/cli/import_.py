"""`agent-replay import SOURCE …`: recorded sessions from elsewhere, as replay files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_agent_replay.sources.source import Source
    from pytest_agent_replay.sources.writer import ImportReport

__all__ = ["add_parser", "main"]

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
    from pytest_agent_replay.sources.options import import_parser, refuse_addresses
    from pytest_agent_replay.sources.source import find_source

    source = find_source(words[0])
    given = import_parser(source).parse_args(words[1:])
    refuse_addresses(given, source.addresses)
    source.check(given)
    return _end(given, [_import(source, given)])


def _auto(words: Sequence[str]) -> int:
    """Each file goes to the source that recognises it."""
    from pytest_agent_replay.sources.options import (
        DESCRIPTION,
        add_common,
        common_values,
        import_parser,
        refuse_addresses,
    )
    from pytest_agent_replay.sources.recognising import by_source

    parser = argparse.ArgumentParser(
        prog="agent-replay import auto", description=f"Finds out what each file is. {DESCRIPTION}"
    )
    parser.add_argument("file", metavar="FILE", nargs="+")
    add_common(parser)
    given = parser.parse_args(words)
    refuse_addresses(given)
    reports = []
    for source, files in by_source([Path(file) for file in given.file]):
        names = ", ".join(map(str, files))
        print(f"{source.name}: {names}")
        # the source's own options have their defaults; the common ones are those of this call
        own = import_parser(source).parse_args([str(file) for file in files])
        reports.append(_import(source, argparse.Namespace(**{**vars(own), **common_values(given)})))
    return _end(given, reports)


def _overview() -> argparse.ArgumentParser:
    from pytest_agent_replay.sources.options import DESCRIPTION
    from pytest_agent_replay.sources.source import source_entries

    rows = [("auto", "files of any kind: finds out which"), *((e.name, e.help) for e in source_entries())]
    return argparse.ArgumentParser(
        prog="agent-replay import",
        usage="agent-replay import SOURCE … [-o DIR]",
        description=DESCRIPTION,
        epilog="sources:\n"
        + "\n".join(f"  {name:<14} {text}" for name, text in rows)
        + "\n\n`agent-replay import SOURCE --help` shows the options of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _import(source: Source, given: argparse.Namespace) -> ImportReport:
    from pytest_agent_replay.redaction import redactors
    from pytest_agent_replay.sources.options import wishes
    from pytest_agent_replay.sources.writer import import_sessions

    asked = wishes(given, redactors(Path.cwd()))
    report = import_sessions(source, given, Path(given.out), asked, force=given.force, progress=_progress())
    _say(report, given.out)
    return report


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

    files = _counted(len(report.written), "replay file")
    there = f"; {report.unchanged} there already{_edited(report)}" if report.unchanged else ""
    print(
        f"{files} in {out}: {_counted(report.turns, 'turn')}, {_counted(report.tool_calls, 'tool call')} "
        f"({report.failed_calls} failed), {_counted(report.model_answers, 'model answer')}{there}"
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


def _edited(report: ImportReport) -> str:
    """` (edited since)`, ` (2 of them edited since)`."""
    some = f"{report.edited} of them " if report.edited < report.unchanged else ""
    return f" ({some}edited since)" if report.edited else ""


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s'[: number != 1]}"


_VERDICTS = {
    "yes": "{} red on what production did",
    "guess": "{} red only by a guess",
    "no": "{} green on it: say in these files what was wrong",
    "unknown": "{} cannot tell",
    "golden": "{} golden: no sign of a failure",
}


def _proposals(counts: dict[str, int]) -> str:
    return ", ".join(text.format(counts[verdict]) for verdict, text in _VERDICTS.items() if counts.get(verdict))
