"""`replay_scan`: an item of every replay file that looks for secrets and personal data; and files that expire."""

from __future__ import annotations

import pytest

from tests.pytest_layer.project import Project

pytest_plugins = ["pytester"]


def test_every_file_is_scanned(project: Project) -> None:
    """Beside its replays; what is found fails, with its place."""
    project.replay("a", "b")
    project.replay("c", extra="notes: ask jane@corp-mail.io\n")
    project.run().assert_outcomes(passed=3)
    project.ini("replay_scan = true")
    result = project.run("-v")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["a.replay.yaml::scan PASSED*", "c.replay.yaml::scan FAILED*"])
    result.stdout.fnmatch_lines(["c.replay.yaml:*:1: notes: e-mail addresses: jan… (17 characters)"])
    project.run("-k", "scan").assert_outcomes(passed=2, failed=1, deselected=3)


def test_a_broken_file_is_scanned_too(project: Project) -> None:
    """It may have secrets all the same."""
    project.ini("replay_scan = true")
    project.write("a.replay.yaml", "input: [\n")
    project.replay("scan")
    project.run().assert_outcomes(passed=3, failed=1)


def test_an_expired_replay_warns(project: Project) -> None:
    """And runs."""
    project.replay("a", extra="expires: 2020-01-01\n")
    project.replay("b", extra="expires: 2999-01-01\n")
    result = project.run()
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*PytestWarning: this replay expired 2020-01-01; `agent-replay prune` deletes*"])


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_it_works_with_workers(project: Project, workers: str) -> None:
    """Once for each file."""
    project.ini("replay_scan = true")
    project.replay("a", "b", extra="expires: 2020-01-01\n")
    project.run_apart(workers).assert_outcomes(passed=4, warnings=2)
