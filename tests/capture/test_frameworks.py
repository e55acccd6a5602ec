"""Agents of every framework that is installed: captured with their real tools, the file replays without these."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.capturing.again import record_again
from pytest_agent_replay.capturing.session import CaptureSession
from pytest_agent_replay.formats.replay import LlmResponse, ReplayFile
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.player.http import HttpReply
from pytest_agent_replay.runner import Case
from tests.capture.harness import loaded, replayed
from tests.frameworks import bodies
from tests.frameworks.harness import ROOT, App, apps, calls

CASES = [pytest.param(app, variant, id=f"{app.name}-{variant}") for app in apps() for variant in app.variants]
STEPS = (
    [("lookup", {"order": 7}), ("lookup", {"order": 8})],
    [("boom", {"text": "x"})],
)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is asked like a real one, and answers from a list."""
    answers = iter(calls(*STEPS))
    original = CaptureSession._model_call

    def model_call(self: CaptureSession, request: ModelRequest) -> HttpReply:
        passed = original(self, request)
        reply = request.wire.render(LlmResponse.model_validate(next(answers)), request)
        assert passed.observe is not None
        passed.observe(reply.status, reply.headers, b"".join(reply.chunks) if reply.chunks else reply.body)
        return reply

    monkeypatch.setattr(CaptureSession, "_model_call", model_call)


@pytest.fixture
def _alone(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agents of the other frameworks have tools of the same names."""
    for name in list(sys.modules):
        if name.startswith("tests.frameworks.apps.") and name.rpartition(".")[2] != app.name:
            monkeypatch.delitem(sys.modules, name)


def parsed(value: Any) -> Any:
    """Some frameworks want their tools to return JSON as text."""
    return json.loads(value) if isinstance(value, str) else value


@pytest.mark.usefixtures("scripted", "_alone")
@pytest.mark.parametrize(("app", "variant"), CASES)
def test_captured_and_replayed(app: App, variant: str, tmp_path: Path) -> None:
    """Two calls at once and one that fails: with results, arguments and errors, and nothing else."""
    if not app.is_installed:
        pytest.skip(f"{', '.join(app.packages)} not installed")
    agent: Any = app.agent(variant)
    if app.name == "dspy":  # an answer out of a cache is no model call
        sys.modules["dspy"].configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    asked = Case(ReplayFile(input="Go"), "incident", tmp_path / "incident.replay.yaml", ROOT, agent)
    bodies.ran.clear()
    path = record_again(asked).path
    assert path is not None
    assert sorted(bodies.ran) == ["boom", "lookup", "lookup"]
    # libraries may ask for something of their own when they are imported
    tools = [response for response in loaded(path).tool_responses if "://" not in response.tool]
    recorded = {str((r.tool, r.args, parsed(r.response), r.is_failure)) for r in tools}
    assert recorded == {
        str(("lookup", {"order": 7}, {"order": 7, "total": 35}, False)),
        str(("lookup", {"order": 8}, {"order": 8, "total": 40}, False)),
        str(("boom", {"text": "x"}, None, True)),
    }
    bodies.ran.clear()
    result = replayed(path, agent)
    assert result.outcome == "passed", result.reasons
    assert [row for row in result.unused if "://" not in row["tool"]] == []
    assert bodies.ran == []
