"""What the red check says of an incident in which production's agent raised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.contracts.resolve import ContractFinder
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.report.text import failure_text
from pytest_agent_replay.runner import Case, run_replay
from pytest_agent_replay.settings import Settings
from tests.contracts.session import ROOT, make_replay

NO_REFUND = {"type": "tool_not_called", "tool": "refund"}


def agent(input: str) -> str:
    return "fine"


def result_of(*invariants: dict[str, Any]) -> ReplayResult:
    replay = make_replay(error={"type": "ValueError", "message": "broken"})
    spec = {"invariants": list(invariants)}
    document = parse_document(json.dumps({"contract": spec}), "x.replay.json")
    contract = ContractFinder(ROOT).resolve(spec, ROOT / "x.replay.json", document)
    settings = Settings(require_red=True)
    return run_replay(Case(replay, "x", Path("x.replay.json"), ROOT, agent, contract=contract, settings=settings))


def test_an_agent_that_raised_in_production_would_have_failed_the_replay() -> None:
    """An agent that raises fails the replay, so the incident is caught although no invariant speaks of it."""
    result = result_of(NO_REFUND)
    assert (result.reproduces, result.outcome) == ("yes", "passed"), result.reasons


@pytest.mark.parametrize("others", [[], [NO_REFUND]])
def test_an_exception_that_the_contract_expects_is_not_red(others: list[dict[str, Any]]) -> None:
    """`completes` with `negate` holds on what production did."""
    assert result_of({"type": "completes", "negate": True}, *others).reproduces != "yes"


def test_a_report_says_why_the_incident_is_caught() -> None:
    """Where no invariant fails on what production did, that its agent raised is named."""
    silent = result_of({"type": "tool_called", "tool": "refund", "when": {"tool_called": "lookup"}})
    assert silent.reproduces == "yes"
    assert "What production did fails too: the agent raised" in failure_text(silent)
