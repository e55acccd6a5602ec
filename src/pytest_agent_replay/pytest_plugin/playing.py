"""Runs one replay for an item, and makes its result the item's: noted for reports, raised when it is no pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.report.text import failure_text, headline

if TYPE_CHECKING:
    from pytest_agent_replay.formats.files import LoadedReplay
    from pytest_agent_replay.pytest_plugin.project import Project
    from pytest_agent_replay.runner import Case

__all__ = ["RESULTS", "ReplayFailed", "conclude", "note", "record"]

RESULTS = pytest.StashKey[list[ReplayResult]]()
"""On an item: the results of the replays that it ran, in order."""


class ReplayFailed(AssertionError):
    """A replay that did not pass. `result` is all that is known of it."""

    __module__ = "builtins"  # as pytest's own outcomes: the line of a failed test has room for the headline then

    def __init__(self, result: ReplayResult, verbosity: int = 0) -> None:
        super().__init__(headline(result))
        self.result = result
        self._verbosity = verbosity

    def __str__(self) -> str:
        return failure_text(self.result, self._verbosity)


def note(project: Project, item: pytest.Item, loaded: LoadedReplay, result: ReplayResult) -> None:
    """Keeps a result for the reports, hands it to the hooks, and writes its trace."""
    result.nodeid = item.nodeid
    results = item.stash.setdefault(RESULTS, [])
    results.append(result)
    if project.traces is not None and result.trace is not None:
        from pytest_agent_replay.report.files import trace_name, write_trace

        own = item.name == loaded.id
        label = loaded.id if own else f"{loaded.id}@{item.name}"
        write_trace(
            project.traces / trace_name(label if len(results) == 1 else f"{label}@{len(results)}"), result.trace
        )
    item.ihook.pytest_agent_replay_result(item=item, result=result)


def conclude(project: Project, result: ReplayResult, *, skip: bool) -> None:
    """Raises `ReplayFailed` unless the result lets the item pass; with `skip`, what was not judged is skipped."""
    __tracebackhide__ = True
    undecided = result.outcome == "inconclusive" and project.settings.allow_inconclusive
    if result.outcome == "passed" or (undecided and not skip):
        return
    if undecided or result.outcome == "skipped":
        pytest.skip(headline(result))
    raise ReplayFailed(result, project.config.getoption("verbose"))


def record(project: Project, case: Case) -> str:
    """Records the session anew (`--replay-record`), with everything real; says where. Raises `ReplayError`."""
    from pytest_agent_replay.capturing.again import record_again

    captured = record_again(case, force=project.records == "force")
    assert captured.path is not None
    return f"recorded, not judged: {captured.path.name}"
