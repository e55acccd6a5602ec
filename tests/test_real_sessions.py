"""Real sessions of an airline agent, imported and replayed: served whole, mistakes caught, variations let through."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

from pytest_agent_replay.contracts.resolve import ContractFinder
from pytest_agent_replay.formats.files import LoadedReplay, load_replays
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay
from pytest_agent_replay.settings import Settings
from tests.airline_agent import TOOLS, WRITES, Agent
from tests.sources.chats import import_openai_chat

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "tau-bench" / "airline-even-tasks.json"
CONTRACT = {
    "name": "golden",
    "invariants": [
        {
            "type": "trajectory",
            "tools": "recorded",
            "repeatable": ["get_*", "search_*", "list_*", "calculate", "think"],
        },
        {"type": "completes", "turn": "all"},
    ],
}

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the real sessions in ../shared/data")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[LoadedReplay]:
    """Every fourth session: one trial of each task."""
    folder = tmp_path_factory.mktemp("airline")
    report = import_openai_chat(DATA, out=folder, contract=None, golden=True, tags=[], force=False, progress=None)
    paths = sorted(report.written)
    assert len(paths) == 100
    return [load_replays(path, root=folder)[0] for path in paths[::4]]


def play(session: LoadedReplay, change: Callable[..., Any] | None = None) -> ReplayResult:
    place = parse_document(json.dumps({"contract": CONTRACT}), "x.replay.json")
    contract = ContractFinder(ROOT).resolve(CONTRACT, ROOT / "x.replay.json", place)
    agent = (lambda: Agent(change)) if change is not None else Agent
    settings = Settings(llm="recorded")
    return run_replay(Case(session.replay, session.id, session.path, ROOT, agent, contract=contract, settings=settings))


def calls_of(session: LoadedReplay) -> list[Any]:
    return [response for _, response in session.replay.all_recordings()]


def test_every_recorded_call_is_served_with_its_own_result(sessions: list[LoadedReplay]) -> None:
    """No unrecorded call, none unused, every answer as recorded, no network."""
    for session in sessions:
        result = play(session)
        assert result.outcome == "passed", (session.id, result.reasons)
        assert not result.unused
        assert not result.unrecorded
        assert result.diverged_at is None
        assert result.trace is not None
        for call in result.trace.tool_calls:
            assert call.recording is not None
            recorded = session.replay.recording(call.recording)
            assert (recorded.tool, recorded.args, recorded.response) == (call.tool, call.args, call.result)
        assert all(turn.output == turn.baseline for turn in result.turns if turn.has_baseline)


def test_a_dropped_call_is_caught(sessions: list[LoadedReplay]) -> None:
    """The agent tells the model something that no tool said."""
    for session in sessions:
        if calls_of(session):
            result = play(session, lambda n, name, args: "done" if n == 0 else TOOLS[name](**args))
            assert result.outcome == "failed", session.id


def test_a_changed_argument_is_caught(sessions: list[LoadedReplay]) -> None:
    """The nearest recording is named with the field that differs."""
    for session in sessions:
        texts = [k for r in calls_of(session)[:1] for k, v in (r.args or {}).items() if isinstance(v, str)]
        if texts:
            key = texts[0]

            def change(n: int, name: str, args: dict[str, Any], key: str = key) -> Any:
                return TOOLS[name](**({**args, key: args[key] + "X"} if n == 0 else args))

            result = play(session, change)
            assert result.outcome == "failed", session.id
            assert any(text.startswith(key) for text in result.unrecorded[0].nearest[0]["differences"])


def test_a_repeated_write_is_caught_and_a_repeated_read_is_not(sessions: list[LoadedReplay]) -> None:
    """Both are answered again from the recording; the contract tells them apart."""
    seen = set()
    for session in sessions:
        for index, response in enumerate(calls_of(session)):

            def change(n: int, name: str, args: dict[str, Any], index: int = index) -> Any:
                if n == index:
                    TOOLS[name](**args)
                return TOOLS[name](**args)

            writes = response.tool in WRITES
            if response.failed or response.tool == "transfer_to_human_agents" or (session.id, writes) in seen:
                continue
            seen.add((session.id, writes))
            assert play(session, change).outcome == ("failed" if writes else "passed"), (session.id, response.tool)
    assert {writes for _, writes in seen} == {True, False}
