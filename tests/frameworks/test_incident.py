"""One replay file, unchanged, for the agent of every framework that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.contracts.place import resolve_contract
from pytest_agent_replay.contracts.resolve import ContractFinder
from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay
from pytest_agent_replay.settings import Settings
from tests.frameworks import bodies
from tests.frameworks.harness import App, apps

HERE = Path(__file__).parent
EVERY = [
    pytest.param(app, id=app.name, marks=pytest.mark.skipif(not app.is_installed, reason="not installed"))
    for app in apps()
]


def play(app: App, **changes: Any) -> ReplayResult:
    """The file, as the app's first agent answers it."""
    bodies.ran.clear()
    (loaded,) = load_replays(HERE / "incident.yaml", root=HERE)
    contract = resolve_contract(ContractFinder(HERE), loaded)
    replay = loaded.replay.model_copy(update=changes)
    agent, settings = app.agent(app.variants[0]), Settings(llm="recorded")
    return run_replay(Case(replay, loaded.id, loaded.path, HERE, agent, contract=contract, settings=settings))


@pytest.mark.parametrize("app", EVERY)
def test_the_same_file_passes(app: App) -> None:
    """With both recorded calls answered, and a contract that production would have failed."""
    result = play(app)
    assert bodies.ran == []
    assert result.reasons == []
    assert result.outcome == "passed"
    assert {(call["tool"], call["channel"]) for call in result.tool_calls} == {("lookup", app.name)}
    assert result.reproduces == "yes"
    assert [row["tool"] for row in result.unused] == ["quote"]


@pytest.mark.parametrize("app", EVERY)
def test_what_production_said_fails(app: App) -> None:
    """The model's old answer, given out by the same agent."""
    (loaded,) = load_replays(HERE / "incident.yaml", root=HERE)
    first, last = loaded.replay.turn_list[0].llm_responses or ()
    old = last.model_copy(update={"content": loaded.replay.turn_list[0].output})
    result = play(app, llm_responses=[first, old])
    assert result.outcome == "failed"
    assert [i.id for i in result.invariants if i.outcome == "failed"] == ["grounded", "no-stock"]
