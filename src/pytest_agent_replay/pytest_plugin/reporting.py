"""Results from where replays run to where they are shown: workers → controller → terminal, results file.

A result travels as an attribute of the test report, which xdist carries along. Not as a user property: those make
junit files invalid, and pile up over reruns.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.pytest_plugin.marked import Param, Replay
from pytest_agent_replay.pytest_plugin.playing import RESULTS
from pytest_agent_replay.report.results import Outcome, ReplayResult
from pytest_agent_replay.report.summary import needed, summary_lines

__all__ = ["Reporting", "reporting_of"]

_ATTRIBUTE = "agent_replay"
_SUFFIXES = (".replay.yaml", ".replay.yml", ".replay.json")


def reporting_of(config: pytest.Config) -> Reporting:
    """The reporting of a pytest run; it becomes a plugin when it is first asked for."""
    found = config.pluginmanager.get_plugin("agent-replay-reporting")
    if found is None:
        found = Reporting(config)
        config.pluginmanager.register(found, "agent-replay-reporting")
    assert isinstance(found, Reporting)
    return found


class Reporting:
    """Registered as a plugin once the run has replays, or was told to write results."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        path = config.getoption("replay_json")
        self.json: Path | None = None if path is None else config.invocation_params.dir / path
        self.started = time.time()
        self.clock = time.perf_counter()
        self.rows: dict[str, list[dict[str, Any]]] = {}
        """By node id: the results of the last attempt, in their JSON form."""
        self.reruns: dict[str, int] = {}
        self.order: Sequence[str] = ()
        self.error: str | None = None

    # -- where replays run

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attaches the results of the item to its report. After the last report they are not kept."""
        report = yield
        if call.when == "call" or report.outcome != "passed":
            rows = list(_rows(item, report))
            if rows:
                setattr(report, _ATTRIBUTE, json.dumps(rows, default=repr) if self.is_worker else rows)
        if call.when == "teardown" and RESULTS in item.stash:
            del item.stash[RESULTS]
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test that has a replay and never ran it has checked nothing."""
        outcome = yield
        replay = getattr(item, "funcargs", {}).get("replay")
        if isinstance(replay, Replay) and not replay.was_run:
            pytest.fail(
                f"the test takes the replay {replay.id} and never ran it, so nothing was checked: call `replay.run()` "
                "or `await replay.arun()`",
                pytrace=False,
            )
        return outcome

    # -- where they are shown

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the results off the report; of several attempts the last one counts."""
        if self.is_worker:
            return
        rows = report.__dict__.pop(_ATTRIBUTE, None)
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]
            self.reruns[report.nodeid] = self.reruns.get(report.nodeid, 0) + 1
        if rows is None:
            rows = _lost(report)
        elif isinstance(rows, str):
            rows = json.loads(rows)
        if rows is not None:
            self._keep(report, rows)

    def _keep(self, report: pytest.TestReport, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if report.nodeid in self.reruns:
                row["reruns"] = self.reruns[report.nodeid]
        if self.json is None:
            rows = [needed(row) for row in rows]
        self.rows[report.nodeid] = rows

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        """The order in which a worker collected; it is the same in all of them."""
        self.order = ids

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The order in which this process collected."""
        if session.items:
            self.order = [item.nodeid for item in session.items]

    def _all_rows(self) -> list[dict[str, Any]]:
        position = {nodeid: index for index, nodeid in enumerate(self.order)}
        nodeids = sorted(self.rows, key=lambda nodeid: position.get(nodeid, len(position)))
        return [row for nodeid in nodeids for row in self.rows[nodeid]]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the results file."""
        if self.json is None or self.is_worker or self.config.getoption("collectonly"):
            return
        from pytest_agent_replay.report.files import results_document, write_json

        duration = time.perf_counter() - self.clock
        try:
            write_json(self.json, results_document(self._all_rows(), started=self.started, duration_s=duration))
        except ReplayError as error:
            self.error = f"--replay-json: {error}"
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Says what came of the replays."""
        lines = summary_lines(self._all_rows(), verbosity=self.config.getoption("verbose"))
        if lines or self.error:
            terminalreporter.section("agent replays")
        for line in lines:
            terminalreporter.line(line)
        if self.error:
            terminalreporter.line(f"ERROR: {self.error}", red=True)


def _rows(item: pytest.Item, report: pytest.TestReport) -> Iterator[dict[str, Any]]:
    """The results of an item as far as its phase `report.when` knows them."""
    results = list(item.stash.get(RESULTS, ()))
    if report.when != "setup" and results:
        failed = report.outcome == "failed"
        if failed and (report.when == "teardown" or all(result.passed for result in results)):
            last = results[-1]
            last.outcome = "error" if report.when == "teardown" else "failed"
            last.reasons = [f"{report.when} of the test failed: {_first_line(report)}", *last.reasons]
    elif report.when != "teardown":
        named = _named(item)
        results = [named] if named is not None else []
        for result in results:
            result.outcome = _outcome_of(report)
            result.reasons = [_first_line(report)]
    for result in results:
        row = result.to_dict()
        result.trace = result.trace if report.outcome == "failed" else None
        yield row


def _named(item: pytest.Item) -> ReplayResult | None:
    """The replay that an item would have run."""
    param = getattr(getattr(item, "callspec", None), "params", {}).get("replay")
    origin = param if isinstance(param, Param) else item
    source = getattr(origin, "packed", None)
    if source is not None:
        return ReplayResult(source.id, source.display, "error", nodeid=item.nodeid, tags=list(source.tags))
    if hasattr(origin, "problem"):
        name = param.id if isinstance(param, Param) else item.name
        return ReplayResult(name, item.nodeid.partition("::")[0], "error", nodeid=item.nodeid)
    return None


def _outcome_of(report: pytest.TestReport) -> Outcome:
    return "skipped" if report.outcome == "skipped" else "error"


def _first_line(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2])
    crash = getattr(longrepr, "reprcrash", None)
    text = longrepr if isinstance(longrepr, str) else crash.message if crash is not None else report.longreprtext
    return text.strip().partition("\n")[0] if text.strip() else str(report.outcome)


def _lost(report: pytest.TestReport) -> list[dict[str, Any]] | None:
    """The result of a replay whose worker died in it."""
    path, _, name = report.nodeid.partition("::")
    if report.outcome != "failed" or report.when in ("setup", "call", "teardown") or not path.endswith(_SUFFIXES):
        return None
    return [ReplayResult(name, path, "error", nodeid=report.nodeid, reasons=[_first_line(report)]).to_dict()]
