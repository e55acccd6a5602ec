"""Conditions, turns, negation, severity, score, and what a contract says of the recording."""

from __future__ import annotations

import pytest

from pytest_agent_replay.contracts import Case, Finding, Invariant, Registry, Services, check, evaluate, reproduces
from pytest_agent_replay.contracts.verdict import failing
from pytest_agent_replay.settings import Severity
from tests.contracts.session import Run, answered, bind, judge, judge_recording, make_replay

HAS_X = {"type": "contains", "value": "x"}


@pytest.mark.parametrize(
    ("when", "run", "applies"),
    [
        ("always", answered("x"), True),
        ("tool_faults_active", answered("x"), False),
        ("tool_faults_active", Run().start().call("t", failed=True).answer("x"), True),
        ("llm_faults_active", Run().start().model(failed=True).answer("x"), True),
        ("llm_faults_active", Run().start().model().answer("x"), False),
        ("any_chaos_active", Run().start().model(failed=True).answer("x"), True),
        ("any_chaos_active", answered("x"), False),
        ("no_chaos", answered("x"), True),
        ("no_chaos", Run().start().call("t", failed=True).answer("x"), False),
        ({"tool_failed": "t"}, Run().start().call("t", failed=True).answer("x"), True),
        ({"tool_failed": "t"}, Run().start().call("u", failed=True).answer("x"), False),
        ({"tool_called": "t*"}, Run().start().call("two").answer("x"), True),
        ({"tool_called": "t"}, answered("x"), False),
        ({"tag": "sev1"}, answered("x"), True),
        ({"tag": "other"}, answered("x"), False),
    ],
)
def test_an_invariant_applies_when_its_condition_holds(when: object, run: Run, applies: bool) -> None:
    """Otherwise it is skipped and says why."""
    result = judge({**HAS_X, "when": when}, run, make_replay(tags=["sev1"]))
    assert result.outcome == ("passed" if applies else "skipped")
    assert applies or "condition" in result.message


def test_nothing_evaluated_is_inconclusive() -> None:
    """An empty contract, and one of which every invariant was skipped, is no pass."""
    skipped = bind({**HAS_X, "when": "tool_faults_active"})
    for contract in (bind(), skipped):
        verdict = evaluate(contract, answered("x").trace, make_replay(), Services())
        assert (verdict.outcome, verdict.score) == ("inconclusive", None)


def test_the_score_weighs_severities_and_leaves_out_the_skipped() -> None:
    """3 for critical, 2 for high, 1 for medium and low."""
    contract = bind(
        {**HAS_X, "severity": "critical"},
        {"type": "contains", "value": "no", "severity": "high"},
        {**HAS_X, "severity": "low"},
        {**HAS_X, "when": "tool_faults_active"},
    )
    verdict = evaluate(contract, answered("x").trace, make_replay(), Services())
    assert verdict.outcome == "failed"
    assert verdict.score == pytest.approx(4 / 6 * 100)


@pytest.mark.parametrize(
    ("severity", "fail_on", "fails"),
    [
        ("low", "low", True),
        ("low", "medium", False),
        ("high", "high", True),
        ("critical", "critical", True),
        ("high", "critical", False),
    ],
)
def test_only_severities_from_the_threshold_on_fail(severity: str, fail_on: Severity, fails: bool) -> None:
    """`fail_on` is the least severity that fails a replay."""
    verdict = evaluate(
        bind({"type": "contains", "value": "no", "severity": severity}),
        answered("x").trace,
        make_replay(),
        Services(),
        fail_on=fail_on,
    )
    assert (verdict.outcome == "failed") is fails
    assert bool(failing(verdict.invariants, fail_on)) is fails


def test_negate_turns_a_finding_round() -> None:
    """The message says that it must not be."""
    assert judge({**HAS_X, "negate": True}, answered("y")).outcome == "passed"
    result = judge({**HAS_X, "negate": True}, answered("x"))
    assert result.outcome == "failed"
    assert "must not be" in result.message


@pytest.mark.parametrize("negate", [True, False])
def test_without_an_answer_text_checks_fail_negated_or_not(negate: bool) -> None:
    """A crash and an answer of None satisfy no text check."""
    crashed = judge({**HAS_X, "negate": negate}, Run().start().crash())
    assert (crashed.outcome, "ValueError: boom" in crashed.message) == ("failed", True)
    assert judge({**HAS_X, "negate": negate}, answered(None)).outcome == "failed"


THREE = make_replay(
    turns=[
        {"input": "a", "output": "1"},
        {"input": "b", "output": "2"},
        {"input": "c", "tool_responses": [{"tool": "t"}], "ended": "after_tool"},
    ]
)


@pytest.mark.parametrize(
    ("turn", "outcome"),
    [
        (None, "passed"),
        ("last", "passed"),
        ("all", "failed"),
        ("any", "passed"),
        (1, "failed"),
        (2, "passed"),
        ([1, 2], "failed"),
        (7, "error"),
    ],
)
def test_a_text_check_looks_at_the_turn_it_names(turn: object, outcome: str) -> None:
    """The default is the last turn that production answered; a turn that does not exist is an error."""
    run = Run().start(1).answer("y", 1).start(2).answer("x", 2).start(3).answer(None, 3)
    result = judge({**HAS_X, **({} if turn is None else {"turn": turn})}, run, THREE)
    assert result.outcome == outcome


@pytest.mark.parametrize("turn", ["any", "all", [1, 2]])
@pytest.mark.parametrize(("said", "holds"), [(("x", "y"), False), (("y", "x"), False), (("x", "x"), False),
                                             (("y", "y"), True)])  # fmt: skip
def test_negated_it_must_hold_in_none_of_the_turns(turn: object, said: tuple[str, str], holds: bool) -> None:
    """Whatever the word for the turns, so that no turn may say what must not be said."""
    run = Run().start(1).answer(said[0], 1).start(2).answer(said[1], 2).start(3).answer(None, 3)
    result = judge({**HAS_X, "turn": turn, "negate": True}, run, THREE)
    assert result.outcome == ("passed" if holds else "failed"), result.message


def test_a_turn_without_an_answer_fails_what_no_turn_may_say() -> None:
    """Nothing is known of what it would have said."""
    run = Run().start(1).answer("y", 1).start(2).crash(2)
    assert judge({**HAS_X, "turn": "any", "negate": True}, run, THREE).outcome == "failed"
    recorded = make_replay(turns=[{"input": "a", "output": "y"}, {"input": "b"}])
    assert judge_recording({**HAS_X, "turn": "any", "negate": True}, recorded)[0] == "unknown"


def test_a_check_that_raises_is_an_error_that_counts_as_failed() -> None:
    """No swallowed exception, and no pass."""

    @check("broken", Invariant)
    def broken(params: Invariant, case: Case) -> Finding:
        raise KeyError("oops")

    verdict = evaluate(
        bind({"type": "broken"}, registry=Registry([broken])), answered("x").trace, make_replay(), Services()
    )
    assert verdict.outcome == "failed"
    assert verdict.invariants[0].outcome == "error"
    assert "KeyError" in verdict.invariants[0].message


@pytest.mark.parametrize("raised", [pytest.skip.Exception("not today"), SystemExit(0), pytest.fail.Exception("bad"),
                                    pytest.xfail.Exception("known")])  # fmt: skip
def test_a_check_that_skips_or_exits_is_an_error_of_it(raised: BaseException) -> None:
    """A check neither skips the test nor ends the run; the other invariants are judged."""

    def function(trace: object) -> None:
        raise raised

    services = Services(allow_python=True, resolve_reference=lambda reference: function)
    contract = bind({"type": "python", "check": "checks:one"}, HAS_X)
    verdict = evaluate(contract, answered("x").trace, make_replay(), services)
    assert [result.outcome for result in verdict.invariants] == ["error", "passed"]
    assert type(raised).__name__ in verdict.invariants[0].message
    assert verdict.outcome == "failed"


def test_the_user_can_interrupt_a_check() -> None:
    """Ctrl-C is nobody's finding."""

    def function(trace: object) -> None:
        raise KeyboardInterrupt

    services = Services(allow_python=True, resolve_reference=lambda reference: function)
    with pytest.raises(KeyboardInterrupt):
        evaluate(bind({"type": "python", "check": "checks:one"}), answered("x").trace, make_replay(), services)


# -- the recording


def test_a_contract_that_fails_on_the_recording_reproduces_it() -> None:
    """`yes` when production's answer fails."""
    assert judge_recording(HAS_X, make_replay(output="y"))[0] == "yes"


def test_a_contract_that_holds_on_the_recording_does_not() -> None:
    """`no` when everything could be evaluated and holds."""
    assert judge_recording(HAS_X, make_replay(output="x"))[0] == "no"


@pytest.mark.parametrize(
    ("invariants", "fail_on", "reproduces_it"),
    [
        ([("no", "low")], "low", "yes"),
        ([("no", "low")], "medium", "no"),
        ([("no", "low"), ("x", "high")], "medium", "no"),
        ([("no", "low"), ("no", "high")], "medium", "yes"),
        ([("no", "critical")], "critical", "yes"),
    ],
)
def test_only_what_would_have_failed_the_incident_reproduces_it(
    invariants: list[tuple[str, str]], fail_on: Severity, reproduces_it: str
) -> None:
    """An invariant below `fail_on` fails no replay, so it would not have caught the incident either."""
    contract = bind(*({"type": "contains", "value": v, "severity": s} for v, s in invariants))
    replay = make_replay(output="x")
    outcome, results = reproduces(contract, replay, Services(), fail_on=fail_on)
    assert outcome == reproduces_it
    assert results[0].outcome == "failed" or invariants[0][0] == "x"


def test_what_the_agent_raised_in_production_is_no_answer() -> None:
    """So a contract that asks for one would have caught it."""
    contract = bind({"type": "completes"})
    for fields in ({"error": {"type": "KeyError", "message": "'x'"}}, {"turns": [{"input": "Hi", "error": "broken"}]}):
        outcome, [result] = reproduces(contract, make_replay(**fields), Services(), fail_on="low")
        assert outcome == "yes"
        assert "the agent raised" in result.message


@pytest.mark.parametrize(("fail_on", "reproduces_it"), [("low", "unknown"), ("high", "no")])
def test_what_is_unknown_counts_from_the_threshold_on(fail_on: Severity, reproduces_it: str) -> None:
    """What would fail nothing needs not be known."""
    contract = bind({**HAS_X, "severity": "low"}, {"type": "tool_called", "tool": "t", "severity": "critical"})
    replay = make_replay(tool_responses=[{"tool": "t"}])
    assert reproduces(contract, replay, Services(), fail_on=fail_on)[0] == reproduces_it


def test_what_was_not_recorded_makes_it_unknown() -> None:
    """Without `output`, text checks cannot be evaluated; without anything, neither can those of calls."""
    outcome, result = judge_recording(HAS_X, make_replay(tool_responses=[{"tool": "t"}]))
    assert (outcome, result.outcome) == ("unknown", "skipped")
    assert "no `output`" in result.message
    assert judge_recording({"type": "tool_called", "tool": "t"}, make_replay())[0] == "unknown"


def test_one_failure_outweighs_what_is_unknown() -> None:
    """A call that production made is enough, whatever it answered."""
    replay = make_replay(tool_responses=[{"tool": "refund"}])
    outcome, _ = reproduces(bind(HAS_X, {"type": "tool_not_called", "tool": "refund"}), replay, Services())
    assert outcome == "yes"


def test_calls_without_arguments_are_unknown_to_checks_of_arguments() -> None:
    """`args` absent in a recording does not mean that there were none."""
    replay = make_replay(output="x", tool_responses=[{"tool": "t"}])
    assert judge_recording({"type": "tool_called", "tool": "t", "args": {"a": 1}}, replay)[0] == "unknown"
    assert judge_recording({"type": "tool_called", "tool": "t"}, replay)[0] == "no"


def test_recordings_by_hand_are_not_what_production_did() -> None:
    """`origin: added` answers calls, but production never made them."""
    replay = make_replay(output="x", tool_responses=[{"tool": "check", "origin": "added"}])
    assert judge_recording({"type": "tool_called", "tool": "check"}, replay)[0] == "yes"


def test_a_recording_of_several_times_is_so_many_calls() -> None:
    """`times: 2` stands for two recordings that are alike."""
    replay = make_replay(output="x", tool_responses=[{"tool": "refund", "args": {"o": 1}, "times": 2}])
    assert judge_recording({"type": "tool_called", "tool": "refund", "max": 1}, replay)[0] == "yes"
    assert judge_recording({"type": "tool_called", "tool": "refund", "min": 3}, replay)[0] == "yes"
    assert judge_recording({"type": "tool_called", "tool": "refund", "min": 2}, replay)[0] == "no"
    assert judge_recording({"type": "no_repeated_calls"}, replay)[0] == "yes"
    assert judge_recording({"type": "trajectory", "tools": "recorded"}, replay)[0] == "no"
    model = make_replay(output="x", llm_responses=[{"content": "a", "times": 3}])
    assert judge_recording({"type": "max_llm_calls", "max": 2}, model)[0] == "yes"
    assert judge_recording({"type": "max_llm_calls", "max": 3}, model)[0] == "no"


def test_a_recording_that_may_be_served_without_end_is_no_endless_trace() -> None:
    """A million times is more than anybody counts."""
    replay = make_replay(output="x", tool_responses=[{"tool": "t", "times": 10**12}])
    assert judge_recording({"type": "tool_called", "tool": "t", "max": 9}, replay)[0] == "yes"


def test_recordings_for_every_turn_do_not_say_when_they_were_called() -> None:
    """At the top of a file with several turns, what production called is unknown."""
    replay = make_replay(turns=[{"input": "a", "output": "b"}], tool_responses=[{"tool": "t"}])
    assert judge_recording({"type": "tool_called", "tool": "t"}, replay)[0] == "unknown"


def test_latency_of_the_recording_is_at_least_that_of_its_slowest_call() -> None:
    """More than that is not known."""
    replay = make_replay(output="x", tool_responses=[{"tool": "t", "latency_ms": 30000}])
    assert judge_recording({"type": "latency", "max_ms": 10000}, replay)[0] == "yes"
    assert judge_recording({"type": "latency", "max_ms": 60000}, replay)[0] == "unknown"


def test_counts_of_model_calls_need_recorded_model_answers() -> None:
    """Unless those that are known are too many already."""
    assert judge_recording({"type": "max_llm_calls", "max": 3}, make_replay(output="x"))[0] == "unknown"
    replay = make_replay(output="x", llm_responses=[{"content": "a"}, {"content": "x"}])
    assert judge_recording({"type": "max_llm_calls", "max": 3}, replay)[0] == "no"
    assert judge_recording({"type": "max_llm_calls", "max": 1}, replay)[0] == "yes"


def test_an_invariant_that_never_applied_says_nothing_of_the_recording() -> None:
    """Nothing evaluated is unknown, not `no`."""
    assert judge_recording({**HAS_X, "when": "tool_faults_active"}, make_replay(output="y"))[0] == "unknown"


def test_errors_below_the_level_that_fails_are_no_pass() -> None:
    """Where no invariant could be evaluated, nothing was checked."""
    unknown = {"type": "llm_judge", "rubric": "polite", "severity": "low"}
    verdict = evaluate(bind(unknown), answered("x").trace, make_replay(), Services(), fail_on="high")
    assert verdict.outcome == "inconclusive"
    both = bind(unknown, {"type": "contains", "value": "x"})
    assert evaluate(both, answered("x").trace, make_replay(), Services(), fail_on="high").outcome == "passed"
    assert evaluate(both, answered("x").trace, make_replay(), Services()).outcome == "failed"
