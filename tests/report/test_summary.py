"""All results of a run, added up."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.report.summary import needed, summary, summary_lines


def a_row(id: str = "a", outcome: Any = "passed", **changes: Any) -> dict[str, Any]:
    """A result in its JSON form."""
    return ReplayResult(id, f"{id}.replay.yaml", outcome, **changes).to_dict()


def test_numbers_of_the_summary() -> None:
    """Skipped replays count neither for the regression nor for the score."""
    rows = [
        a_row("a", score=100.0, reproduces="yes"),
        a_row("b", "failed", score=50.0, reproduces="no"),
        a_row("c", "inconclusive"),
        a_row("d", "error"),
        a_row("e", "skipped", score=10.0),
        a_row("f", score=90.0, golden=True, reproduces="no"),
    ]
    assert summary(rows) == {
        "replays": 6,
        "passed": 2,
        "failed": 1,
        "inconclusive": 1,
        "errors": 1,
        "skipped": 1,
        "replay_regression": 40.0,
        "score": 80.0,
        "reproduces": {"yes": 1, "no": 1, "unknown": 2},
    }


def test_nothing_to_count_is_none_and_says_nothing() -> None:
    """No division by zero, no empty section."""
    assert summary([])["replay_regression"] is None
    assert summary([a_row(outcome="skipped")])["replay_regression"] is None
    assert summary_lines([]) == []


def test_lines_name_what_needs_a_look() -> None:
    """A few of each kind, on one line."""
    unused = [{"tool": "t", "args": {}, "recording": {"turn": 1, "index": 0}}] * 2
    again = [{"tool": "poll", "args": {}, "turn": 1, "times": 4, "recording": {"turn": 1, "index": 0}}]
    rows = [
        a_row("a", reproduces="no", unused=unused),
        a_row("b", "inconclusive", reasons=["no\ncontract"]),
        a_row("c", served_again=again),
        {**a_row("d"), "reruns": 2},
        *(a_row(f"n{i}", reproduces="no") for i in range(6)),
    ]
    assert summary_lines(rows) == [
        "10 replays: 9 passed, 1 inconclusive; replay_regression 90.0",
        "inconclusive: 1: b (no contract)",
        "would not have caught its incident (the contract holds on what production did): 7: a; n0; n1; n2; n3, "
        "and 2 more",
        "served again: 1: c (poll x4)",
        "unused: 1: a (t)",
        "run again: 1: d (2x)",
    ]


def test_the_contract_of_a_capture_is_no_mistake_of_the_users() -> None:
    """Nobody has written one yet: the line says so, and what to write."""
    rows = [a_row("a", reproduces="no", contract="As captured"), a_row("b", reproduces="no", contract="Mine")]
    _, mine, captured = summary_lines([needed(row) for row in rows])
    assert mine == "would not have caught its incident (the contract holds on what production did): 1: b"
    assert captured.startswith("asks only for what production did (")
    assert captured.endswith("): 1: a")
    assert "write into `contract:` what should have happened" in captured


def test_bindings_are_said_on_request() -> None:
    """With `-v`."""
    rows = [a_row("a", bindings={"search": "function app:search"})]
    assert summary_lines(rows, 1)[-1] == "a: tools answered by search: function app:search"
    assert len(summary_lines(rows)) == 1


def test_what_is_kept_of_a_result_is_enough() -> None:
    """The lines are the same, and the rest is dropped."""
    row = a_row(
        "a", "failed", tool_calls=[{"big": "x" * 1000}], unused=[{"tool": "t", "args": {"big": 1}}], reasons=["r"]
    )
    assert summary_lines([needed(row)], 1) == summary_lines([row], 1)
    assert "big" not in str(needed(row))


def test_notes_are_said_once_with_the_replays_of_which_they_are_true() -> None:
    """Also of replays that passed: nobody reads their details."""
    rows = [a_row(f"n{i}", notes=["the clock was not applied"]) for i in range(7)]
    rows.append(a_row("other", notes=["expired", "the clock was not applied"]))
    assert summary_lines([needed(row) for row in rows])[1:] == [
        "note: the clock was not applied (n0, n1, n2, n3, n4, and 3 more)",
        "note: expired (other)",
    ]


def test_many_notes_are_counted() -> None:
    """Ten of them are enough to read."""
    lines = summary_lines([a_row(notes=[f"number {i}" for i in range(12)])])
    assert len(lines) == 12
    assert lines[-1].startswith("note: 2 more")


def test_served_again_adds_up_by_tool() -> None:
    """Each recording was counted on its own."""
    again = [
        {"tool": "stock", "args": {}, "turn": 1, "times": 1, "recording": {"turn": 1, "index": i}} for i in range(2)
    ]
    assert "served again: 1: a (stock x2)" in summary_lines([a_row(served_again=again)])


def test_where_a_run_left_its_recording_is_a_detail() -> None:
    """Of a fixed agent that is to be expected."""
    rows = [a_row("a", diverged_at=2), a_row("b")]
    assert not any("otherwise" in line for line in summary_lines(rows))
    assert "did otherwise than the recording: 1: a (from turn 2)" in summary_lines(rows, verbosity=1)
