"""What is said of a replay that did not pass."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.report.results import InvariantResult, ReplayResult, TurnResult, UnrecordedCall
from pytest_agent_replay.report.text import HEADLINE, failure_text, headline


def a_result(**changes: Any) -> ReplayResult:
    """A failed replay of one turn."""
    values: dict[str, Any] = {
        "id": "incident",
        "file": "replays/incident.replay.yaml",
        "outcome": "failed",
        "reasons": ["invariant grounded failed: The figure 4.2 is in no tool response."],
        "invariants": [
            InvariantResult("grounded", "grounded_numbers", "high", "failed", "The figure 4.2 is in no tool response.",
                            {"figures": ["4.2"]}),
            InvariantResult("asked", "tool_called", "medium", "passed", "called once"),
        ],
        "turns": [TurnResult(1, "What was the revenue?", "It was 4.2.", "It was 5.", True)],
    }  # fmt: skip
    return ReplayResult(**{**values, **changes})


def a_call(**changes: Any) -> dict[str, Any]:
    """A row of the table of calls."""
    row = {"turn": 1, "tool": "quote", "args": {"ticker": "ACME"}, "status": 504, "failed": True, "latency_ms": 30000.0}
    return {**row, "recording": {"turn": 1, "index": 0}, "error": None, "unrecorded": False, **changes}


def test_the_first_line_names_the_replay_and_its_worst_reason() -> None:
    """And how many reasons there are beside it."""
    assert headline(a_result()) == "incident: invariant grounded failed: The figure 4.2 is in no tool response."
    assert headline(a_result(reasons=["first", "second", "third"])) == "incident: first (+2 more)"
    assert headline(a_result(outcome="inconclusive", reasons=["no contract"])) == "incident: inconclusive: no contract"


def test_the_first_line_is_short_and_one_line_whatever_is_in_it() -> None:
    """Long ids and reasons are cut, line ends are spaces."""
    text = headline(a_result(id="i" * 300, reasons=["a\nb " * 300, "more"]))
    assert len(text) <= HEADLINE
    assert "\n" not in text
    assert text.endswith("… (+1 more)")


def test_evidence_and_answers_are_shown_and_passed_invariants_only_counted() -> None:
    """With `-v` they are shown too."""
    text = failure_text(a_result())
    assert "  asked       What was the revenue?\n  answered    It was 4.2.\n  production  It was 5." in text
    assert "Invariants: 1 failed, 1 passed" in text
    assert '    figures: ["4.2"]' in text
    assert "PASSED asked" not in text
    assert "  PASSED asked (tool_called, medium)" in failure_text(a_result(), 1)


def test_a_reason_that_no_section_spells_out_is_listed() -> None:
    """Beside those of invariants, which have their own section."""
    text = failure_text(
        a_result(reasons=["invariant grounded failed: The figure 4.2 is in no tool response.", "too slow"])
    )
    assert "\n- too slow\n" in text
    assert text.count("The figure 4.2 is in no tool response.") == 2


def test_long_values_are_cut_and_vv_shows_them() -> None:
    """The last line says so."""
    result = a_result(turns=[TurnResult(1, "x" * 2000, "short")])
    assert "… (2,000 characters)" in failure_text(result)
    assert failure_text(result).endswith("Hint: `-vv` shows everything; `--replay-traces=DIR` keeps the whole trace")
    assert "x" * 2000 in failure_text(result, 2)
    assert "-vv" not in failure_text(a_result())


def test_of_many_turns_the_last_and_the_diverging_one_are_shown() -> None:
    """All of them with `-vv`."""
    turns = [TurnResult(n, f"question {n}", f"answer {n}") for n in range(1, 9)]
    text = failure_text(a_result(turns=turns, diverged_at=3))
    assert "Turn 3: here it left the recording" in text
    assert "question 8" in text
    assert "question 5" not in text
    assert "(6 of 8 turns are not shown)" in text
    assert "question 5" in failure_text(a_result(turns=turns), 2)


def test_an_agent_that_raised_is_shown_in_the_place_of_its_answer() -> None:
    """Beside what production answered."""
    turns = [TurnResult(1, "hi", None, "hello", True, {"type": "KeyError", "message": "'total'"})]
    assert "  raised      KeyError: 'total'\n  production  hello" in failure_text(a_result(turns=turns))


def test_a_turn_that_the_replay_stopped_did_not_raise() -> None:
    """Its reason stands above already, and is said once."""
    why = "the model would have to be asked: step 2 differs"
    error = {"type": "pytest_agent_replay.errors.StopReplay", "message": why}
    stopped = [TurnResult(1, "What was it?", None, "5", True, error)]
    text = failure_text(a_result(turns=stopped, reasons=[why], invariants=[]))
    assert "  stopped     by the replay, for the reason above" in text
    assert text.count(why) == 1
    assert "raised" not in text
    other = failure_text(a_result(turns=stopped, reasons=["another"], invariants=[]))
    assert f"  stopped     {why}" in other


def test_calls_are_shown_with_what_they_gave() -> None:
    """Status, error, latency; those that nothing answers; earlier ones of many are left out."""
    calls = [a_call(), a_call(error={"type": "Timeout", "message": "late"}, status=None), a_call(unrecorded=True)]
    text = failure_text(a_result(tool_calls=calls))
    assert '  quote(ticker="ACME") -> status 504 after 30,000 ms' in text
    assert '  quote(ticker="ACME") -> Timeout: late after 30,000 ms' in text
    assert '  quote(ticker="ACME") -> not recorded' in text
    assert "(8 earlier calls are not shown)" in failure_text(a_result(tool_calls=[a_call()] * 20))


def test_an_unrecorded_call_shows_the_nearest_recordings_and_how_to_relax() -> None:
    """With their places and differences."""
    near = {
        "recording": {"turn": 2, "index": 0},
        "args": {"ticker": "B"},
        "differences": ["ticker: 'A' / 'B'"],
        "used": True,
    }
    asked = UnrecordedCall(2, "quote", {"ticker": "A"}, "function", [near], "no recording answers quote")
    text = failure_text(a_result(unrecorded=[asked], reasons=[asked.message]))
    assert '  turn 2: quote(ticker="A") [function]' in text
    assert '    nearest: quote(ticker="B") (recording 1 of turn 2, used already)' in text
    assert "      ticker: 'A' / 'B'" in text
    assert "`origin: added`" in text
    none = failure_text(a_result(unrecorded=[UnrecordedCall(1, "quote", {}, "http")]))
    assert "the recording has no call of this tool" in none


def test_it_is_said_whether_the_contract_would_have_caught_the_incident() -> None:
    """For incidents, not for golden sessions."""
    recorded = [InvariantResult("grounded", "grounded_numbers", "high", "failed")]
    assert "the contract fails too: grounded" in failure_text(a_result(recorded_invariants=recorded, reproduces="yes"))
    assert "would not have caught" in failure_text(a_result(recorded_invariants=recorded, reproduces="no"))
    assert "is unknown" in failure_text(a_result(recorded_invariants=recorded, reproduces="unknown"))
    assert "On what production did" not in failure_text(a_result(recorded_invariants=recorded, golden=True))


def test_details_name_bindings_recordings_and_notes() -> None:
    """With `-v` only."""
    result = a_result(tool_calls=[a_call()], bindings={"quote": "function my_app.tools:quote"}, notes=["not asked"])
    assert "my_app" not in failure_text(result)
    text = failure_text(result, 1)
    assert "  quote: function my_app.tools:quote" in text
    assert '  quote(ticker="ACME"): recording 1 of turn 1' in text
    assert "Note: not asked" in text


def test_unused_and_repeated_recordings_are_listed() -> None:
    """A few of each."""
    unused = [{"tool": f"t{n}", "args": None, "recording": {"turn": 1, "index": n}} for n in range(7)]
    again = [{"tool": "poll", "args": {"id": 1}, "turn": 1, "times": 3, "recording": {"turn": 1, "index": 0}}]
    text = failure_text(a_result(unused=unused, served_again=again))
    assert "Recorded and not asked for: t0(), t1(), t2(), t3(), t4() and 2 more" in text
    assert "Served again: poll(id=1) x3" in text


def test_the_hint_on_severity_is_not_given_for_critical_failures() -> None:
    """They fail whatever the option says."""
    critical = [InvariantResult("x", "equals", "critical", "failed", "no")]
    assert "--replay-fail-on" in failure_text(a_result())
    assert "--replay-fail-on" not in failure_text(a_result(invariants=critical))


def test_control_characters_reach_neither_terminals_nor_xml() -> None:
    """Escape sequences and lone surrogates are spelled out; umlauts and line ends stay."""
    turns = [TurnResult(1, "a\x1b[31mb \ud800 grüße\nnext", {"k": "\x00"})]
    text = failure_text(a_result(turns=turns, reasons=["x\x1b[0m"]), 2)
    assert not {"\x1b", "\ud800", "\x00"} & set(text)
    assert "a\\x1b[31mb \\ud800 grüße\n              next" in text


def test_what_is_no_json_is_shown_all_the_same() -> None:
    """Evidence of third-party checks may be anything."""
    loop: list[Any] = []
    loop.append(loop)
    evidence = {"object": object(), "loop": loop}
    text = failure_text(a_result(invariants=[InvariantResult("x", "y", "low", "failed", "no", evidence)]))
    assert "object: " in text
    assert "loop: " in text
