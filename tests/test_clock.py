"""`clock:` of a replay: the date that the agent sees."""

from __future__ import annotations

import datetime
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.runner import Case, run_replay

pytest.importorskip("time_machine")

ROOT = Path(__file__).parent.parent


def today(input: str) -> str:
    """The agent."""
    return (
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} {datetime.date.today().year} {time.time():.0f}"
    )


def case(agent: Any = today, **replay: Any) -> Case:
    """A replay of this content."""
    return Case(ReplayFile.model_validate(replay), "dated", ROOT / "dated.replay.yaml", ROOT, agent)


def answers(**replay: Any) -> list[Any]:
    """What the agent says in each turn."""
    return [turn.output for turn in run_replay(case(**replay)).turns]


@pytest.mark.parametrize(
    ("clock", "seen"),
    [
        ("captured_at", "2026-02-15 09:12 2026 1771146720"),
        ("2024-02-29T23:30:00+01:00", "2024-02-29 22:30 2024 1709245800"),
    ],
)
def test_the_agent_sees_the_recorded_date(clock: str, seen: str) -> None:
    """That of the recording, or a given one; afterwards the real one is back."""
    before = time.time()
    assert answers(input="Hi", captured_at="2026-02-15T09:12:00Z", clock=clock) == [seen]
    assert 0 <= time.time() - before < 60


def test_without_clock_it_sees_the_real_one() -> None:
    """Also when the file knows when it was recorded."""
    (said,) = answers(input="Hi", captured_at="2020-02-15T09:12:00Z")
    assert abs(int(said.split()[-1]) - time.time()) < 60


def test_turns_begin_when_they_were_said() -> None:
    """Those that have `started_at`; between them time goes on."""
    turns = [{"input": "a"}, {"input": "b", "started_at": "2026-02-16T10:00:00Z"}, {"input": "c"}]
    said = answers(turns=turns, captured_at="2026-02-15T09:12:00Z", clock="captured_at")
    assert [text[:16] for text in said] == ["2026-02-15 09:12", "2026-02-16 10:00", "2026-02-16 10:00"]


def test_two_dates_at_once_are_an_error() -> None:
    """The process has one clock; equal dates share it."""
    both = Barrier(2, timeout=5)

    def agent(input: str) -> str:
        try:
            both.wait()
        except Exception:
            return "alone"
        return today(input)

    def play(clock: str) -> str:
        try:
            return str(run_replay(case(agent, input="Hi", clock=clock)).turns[0].output)
        except ReplayError as error:
            both.abort()
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        same = list(pool.map(play, ["2024-01-01T00:00:00Z"] * 2))
        both.reset()
        other = sorted(pool.map(play, ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]))
    assert [text[:10] for text in same] == ["2024-01-01"] * 2
    assert other[1] == "alone"
    assert "cannot run beside one at" in other[0]
    assert datetime.date.today().year >= 2026


def test_without_the_library_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which says what to install; the agent is not asked."""
    monkeypatch.setitem(sys.modules, "time_machine", None)
    with pytest.raises(ReplayError, match=r"pip install 'pytest-agent-replay\[clock\]'"):
        run_replay(case(input="Hi", clock="2024-01-01T00:00:00Z"))
