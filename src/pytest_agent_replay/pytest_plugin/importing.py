"""`--replay-import`: new sessions from the configured sources, before anything is collected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_agent_replay.errors import ReplayError

if TYPE_CHECKING:
    from pytest_agent_replay.sources.configured import ConfiguredSource, Refreshed

__all__ = ["import_configured"]

_DEFAULT = "replays/imported"
_FLAKESTORM = ("flakestorm.yaml", "flakestorm.yml")


def import_configured(config: pytest.Config) -> None:
    """Fetches and says what was fetched. Raises `pytest.UsageError` when that cannot be done.

    The workers of a distributed run find the files that their controller has fetched.
    """
    if hasattr(config, "workerinput"):
        return
    from pytest_agent_replay.redaction import redactors
    from pytest_agent_replay.sources.configured import refresh

    folder = config.rootpath / (config.getini("replay_import_dir") or _DEFAULT)
    try:
        sources, notes = _sources(config)
        if not sources:
            more = "".join(f"\n{note}" for note in notes)
            raise ReplayError(f"--replay-import: no source is configured; list some in `replay_sources`{more}")
        done = refresh(sources, folder, redactors(config.rootpath))
    except ReplayError as error:
        raise pytest.UsageError(str(error)) from None
    shown = folder.relative_to(config.rootpath) if folder.is_relative_to(config.rootpath) else folder
    for line in [*notes, *(line for each in done for line in _lines(each, shown))]:
        _write(config, line)


def _sources(config: pytest.Config) -> tuple[list[ConfiguredSource], list[str]]:
    from pytest_agent_replay.sources.configured import from_flakestorm, from_lines

    sources = from_lines(config.getini("replay_sources"), f"{config.inipath or 'ini'}: replay_sources")
    path = next((config.rootpath / name for name in _FLAKESTORM if (config.rootpath / name).is_file()), None)
    if path is None:
        return sources, []
    more, notes = from_flakestorm(path)
    return [*sources, *more], notes


def _lines(done: Refreshed, folder: Path) -> list[str]:
    report = done.report
    if report is None:
        return [f"{done.source.text}: not reached, earlier files are used ({done.offline})"]
    written = len(report.written)
    first = f"{done.source.text}: {written} new in {folder}, {report.unchanged} there already"
    return [first, *(f"not imported: {problem}" for problem in report.problems)]


def _write(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"replay import: {line}")
