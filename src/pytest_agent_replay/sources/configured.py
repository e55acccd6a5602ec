"""Sources that a project's configuration names, fetched into a folder that later runs use without a network.

They are written as on the command line (`langsmith --project shop --filter-status error`), or as `replays.sources` of
a `flakestorm.yaml`.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.errors import FormatError, Problem, ReplayError
from pytest_agent_replay.formats.flakestorm import FlakestormConfig, LangSmithProject, read_flakestorm
from pytest_agent_replay.formats.loading import load_document
from pytest_agent_replay.sources.fetching import ApiError
from pytest_agent_replay.sources.options import import_parser, refuse_addresses, wishes
from pytest_agent_replay.sources.source import Source, find_source
from pytest_agent_replay.sources.writer import ImportReport, import_sessions

if TYPE_CHECKING:
    from pytest_agent_replay.redaction import Redactor

__all__ = ["ConfiguredSource", "Refreshed", "from_flakestorm", "from_lines", "refresh"]

_NOT_HERE = ("out", "force", "run")
"""Options of `agent-replay import` that a configured source does not have."""


@dataclass(frozen=True, slots=True)
class ConfiguredSource:
    """One source: the words after `agent-replay import`, and where they stand."""

    words: tuple[str, ...]
    where: str
    contract: str | None = None
    agent: str | None = None

    @property
    def text(self) -> str:
        """As on the command line."""
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of one source. `offline` says why it could not be asked; its earlier files are used then."""

    source: ConfiguredSource
    report: ImportReport | None = None
    offline: str | None = None


def from_lines(lines: Sequence[str], where: str) -> list[ConfiguredSource]:
    """Sources that are written as on the command line. Raises `ReplayError`."""
    found = []
    for line in lines:
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise ReplayError(f"{where}: `{line}`: {error}") from None
        if words:
            found.append(ConfiguredSource(tuple(words), where))
    return found


def from_flakestorm(path: Path) -> tuple[list[ConfiguredSource], list[str]]:
    """`replays.sources` of a `flakestorm.yaml`, and what is to be said of those that are not fetched.

    A project is fetched when it says `auto_import: true`. Raises `FormatError`.
    """
    document = load_document(path, display=path.name)
    config = read_flakestorm(document)
    found, notes = [], []
    for index, source in enumerate(config.replays.sources):
        line = document.position(("replays", "sources", index))[0]
        where = f"{path.name}:{line}"
        made = ConfiguredSource((), where, _contract(document.data), _agent(config))
        if not isinstance(source, LangSmithProject):
            found.append(replace(made, words=("langsmith", source.run_id)))
            continue
        words = _project_words(source, where)
        if source.auto_import:
            found.append(replace(made, words=words))
        else:
            notes.append(
                f"{where}: not fetched without `auto_import: true`; by hand: agent-replay import {shlex.join(words)}"
            )
    return found, notes


def _project_words(source: LangSmithProject, where: str) -> tuple[str, ...]:
    words = ["langsmith", "--project", source.project]
    if source.filter is None:
        return (*words, "--filter-status", "error")
    status = source.filter.status
    if status not in ("error", "warning", "all", "success"):
        raise FormatError(Problem(where, 0, 0, f"`{status}` is none of error, warning, success, all", "filter.status"))
    # what flakestorm calls a warning: the run looks fine, and something in it failed
    words += ["--tool-errors"] if status == "warning" else ["--filter-status", status]
    if source.filter.date_range is not None:
        words += ["--since", _since(source.filter.date_range, where)]
    if source.filter.min_latency_ms is not None:
        words += ["--min-latency-ms", str(source.filter.min_latency_ms)]
    return tuple(words)


def _since(text: str, where: str) -> str:
    match = re.fullmatch(r"last_(\d+)_(hours?|days?|weeks?)", text)
    if match is None:
        raise FormatError(Problem(where, 0, 0, f"`{text}` is not of the form `last_7_days`", "filter.date_range"))
    count, unit = int(match[1]), match[2][0]
    return f"{count * 7}d" if unit == "w" else f"{count}{unit}"


def _contract(data: Any) -> str | None:
    contract = data.get("contract") if isinstance(data, dict) else None
    name = contract.get("name") if isinstance(contract, dict) else None
    return name if isinstance(name, str) else None


def _agent(config: FlakestormConfig) -> str | None:
    agent = config.agent.as_agent() if config.agent is not None else None
    return agent if isinstance(agent, str) else None


def refresh(
    sources: Sequence[ConfiguredSource], folder: Path, redactor: Callable[[], Redactor] | None
) -> list[Refreshed]:
    """Fetches what is new of each source into `folder`.

    A server that cannot be reached is no error where `folder` has files of earlier imports. Raises `ReplayError` for
    everything else.
    """
    asked = [(source, *_understood(source)) for source in sources]
    done = []
    for configured, source, given in asked:
        asked_for = wishes(given, redactor, contract=configured.contract, agent=configured.agent)
        try:
            done.append(Refreshed(configured, import_sessions(source, given, folder, asked_for)))
        except ApiError as error:
            is_away = error.status is None or error.status == 429 or error.status >= 500
            if not is_away or not any(folder.glob("*.replay.*")):
                raise ReplayError(f"{configured.where}: {configured.text}: {error}") from None
            done.append(Refreshed(configured, offline=str(error)))
    return done


def _understood(configured: ConfiguredSource) -> tuple[Source, argparse.Namespace]:
    """The source and its options. Raises `ReplayError` for words that it does not know."""
    try:
        source = find_source(configured.words[0])
        parser = import_parser(source)
        said = StringIO()
        try:
            with redirect_stderr(said):
                given = parser.parse_args(configured.words[1:])
        except SystemExit:
            raise ReplayError(said.getvalue().strip().rpartition("error: ")[2] or "it asks for help") from None
        for name in _NOT_HERE:
            if getattr(given, name) != parser.get_default(name):
                raise ReplayError(f"`--{name}` cannot be given here")
        refuse_addresses(given, source.addresses)
        source.check(given)
    except ReplayError as error:
        raise ReplayError(f"{configured.where}: {configured.text}: {error}") from None
    return source, given
