"""The project's own replays: each passes with the agent as it is and fails with the one of the day of the incident."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

BROKEN = [
    ("finance-incident", "replays.agents.finance_broken:answer", "never-fabricate-when-tools-fail"),
    ("refund-sent-twice", "replays.agents.refunds_broken:RefundAgent", "one-refund"),
    ("rebooking-not-confirmed", "replays.agents.travel_broken:TravelAgent", "no-false-confirmation"),
]


def replay(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Runs pytest as a newcomer would, without any key in the environment."""
    results = tmp_path / "results.json"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "--replay-json", str(results), "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert results.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(results.read_text("utf-8"))


def test_the_agents_as_they_are_pass(tmp_path: Path) -> None:
    """Every incident is fixed, and every contract would have caught it."""
    code, results = replay(tmp_path, "replays")
    assert code == 0
    assert {r["id"]: r["outcome"] for r in results["replays"]}.keys() >= {"incident-2026-02-15", "refund-sent-twice"}
    assert results["summary"]["passed"] == len(BROKEN)
    assert results["summary"]["reproduces"]["yes"] == len(BROKEN)


@pytest.mark.parametrize(("name", "agent", "invariant"), BROKEN, ids=[name for name, *_ in BROKEN])
def test_the_agents_of_the_incident_fail(tmp_path: Path, name: str, agent: str, invariant: str) -> None:
    """By the invariant that was written for it."""
    code, results = replay(tmp_path, f"replays/{name}.replay.yaml", "--replay-agent", agent)
    assert code == 1
    (result,) = results["replays"]
    assert result["outcome"] == "failed"
    assert invariant in [i["id"] for i in result["invariants"] if i["outcome"] == "failed"]
    assert result["unrecorded"] == []
