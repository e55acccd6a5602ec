"""`--replay-import`: sessions of configured sources, fetched before collection and used without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pytest_layer.project import Project

pytest_plugins = ["pytester"]

SOURCE = """
import os
from pytest_agent_replay.sources.fetching import ApiError
from pytest_agent_replay.sources.source import Source
from pytest_agent_replay.sources.spans import Agent, RunSession, RunTrace, Span, Tool


class Orders(Source):
    name = "orders"

    def add_arguments(self, parser):
        parser.add_argument("--count", type=int, default=1)

    def sessions(self, given, importing):
        status = os.environ.get("ORDERS_STATUS")
        if status:
            raise ApiError("orders.example.com does not answer", int(status) or None)
        for number in range(given.count):
            source = {"type": "orders", "thread_id": f"o{number}"}
            if importing.has(source):
                continue
            spans = [
                Span("a", Agent("What is the total of order 7", "Order 7 costs 99 dollars."), started=1, ended=9),
                Span("b", Tool("lookup", {"order": "7"}, result={"total": 12}), parent_id="a", started=2, ended=3),
            ]
            yield RunSession(f"order-{number}", [RunTrace("t", spans)], source)
"""


@pytest.fixture
def sources(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose ini file names a source."""
    info = "site/orders-1.0.dist-info"
    project.write("site/orders_source.py", SOURCE)
    project.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: orders\nVersion: 1.0\n")
    project.write(f"{info}/entry_points.txt", "[pytest_agent_replay.sources]\norders = orders_source:Orders\n")
    monkeypatch.setenv("PYTHONPATH", str(project.path / "site"))
    project.ini("replay_sources =", "    orders --count 2 --contract 'Order Contract' --incident")
    return project


def imported(project: Project) -> dict[str, bytes]:
    """What was fetched."""
    folder: Path = project.path / "replays" / "imported"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def test_nothing_is_fetched_unasked(sources: Project) -> None:
    """The configuration alone does nothing."""
    sources.replay("a")
    sources.run_apart().assert_outcomes(passed=1)
    assert imported(sources) == {}


def test_sessions_are_fetched_before_collection(sources: Project) -> None:
    """And run at once; the second time they are there."""
    result = sources.run_apart("--replay-import")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["replay import: orders --count 2 *: 2 new in replays/imported, 0 there already"])
    before = imported(sources)
    sources.run_apart("--replay-import").stdout.fnmatch_lines(["*: 0 new in replays/imported, 2 there already"])
    assert imported(sources) == before
    sources.run_apart().assert_outcomes(passed=2)


def test_workers_do_not_fetch(sources: Project) -> None:
    """Their controller did."""
    result = sources.run_apart("--replay-import", "-n2")
    result.assert_outcomes(passed=2)
    assert result.stdout.str().count("replay import:") == 1


@pytest.mark.parametrize("status", ["0", "503"])
def test_without_a_network_the_earlier_files_are_used(
    sources: Project, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """And the report says so; without earlier files it is an error."""
    monkeypatch.setenv("ORDERS_STATUS", status)
    result = sources.run_apart("--replay-import")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*replay_sources: orders --count 2 *does not answer*"])
    monkeypatch.delenv("ORDERS_STATUS")
    sources.run_apart("--replay-import")
    monkeypatch.setenv("ORDERS_STATUS", status)
    result = sources.run_apart("--replay-import")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["replay import: * not reached, earlier files are used (orders.example.com *)"])


def test_a_refused_key_is_an_error(sources: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not go away by itself, as a network does that is down."""
    sources.run_apart("--replay-import")
    monkeypatch.setenv("ORDERS_STATUS", "401")
    assert sources.run_apart("--replay-import").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ordrs --count 2", "there is no source `ordrs`; did you mean `orders`?"),
        ("orders --cuont 2", "unrecognized arguments: --cuont 2"),
        ("orders --count x", "invalid int value: 'x'"),
        ("orders --run", "`--run` cannot be given here"),
        ("orders 'x", "No closing quotation"),
    ],
)
def test_a_wrong_source_is_one_error(project: Project, sources: Project, line: str, text: str) -> None:
    """With its line, before anything is fetched."""
    project.ini(f"    {line}")
    result = project.run_apart("--replay-import")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text in result.stderr.str()
    assert imported(project) == {}


def test_sources_of_a_flakestorm_file(project: Project) -> None:
    """Are read; a project without `auto_import` is named and left, and then there is nothing to fetch."""
    project.write(
        "flakestorm.yaml",
        "replays:\n  sources:\n"
        "    - {type: langsmith, project: shop, filter: {status: error, date_range: last_7_days}}\n",
    )
    result = project.run_apart("--replay-import")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert "flakestorm.yaml:3: not fetched without `auto_import: true`" in said
    assert "agent-replay import langsmith --project shop --filter-status error --since 7d" in said
