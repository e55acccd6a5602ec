"""Checks on what the agent did, and on what it cost."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_agent_replay.contracts.claims import find_claim
from pytest_agent_replay.errors import FormatError
from tests.contracts.session import Run, bind, judge, judge_recording, make_replay


def lookup_twice() -> Run:
    return Run().start().call("lookup", id=1).call("refund", id=1, amount=5).call("lookup", id=2).answer("ok")


@pytest.mark.parametrize(
    ("invariant", "holds"),
    [
        ({"type": "tool_called", "tool": "lookup"}, True),
        ({"type": "tool_called", "tool": "look*"}, True),
        ({"type": "tool_called", "tool": "other"}, False),
        ({"type": "tool_called", "tool": "lookup", "max": 1}, False),
        ({"type": "tool_called", "tool": "lookup", "min": 3}, False),
        ({"type": "tool_called", "tool": "lookup", "args": {"id": 2}, "max": 1}, True),
        ({"type": "tool_called", "tool": "lookup", "args": {"id": 3}}, False),
        ({"type": "tool_called", "tool": "other", "min": 0, "max": 0}, True),
        ({"type": "tool_not_called", "tool": "other"}, True),
        ({"type": "tool_not_called", "tool": "refund"}, False),
        ({"type": "tool_not_called", "tool": "refund", "args": {"amount": 6}}, True),
        ({"type": "tool_not_called", "tool": "lookup", "min": 3}, True),
        ({"type": "tool_args", "tool": "lookup", "schema": {"required": ["id"]}}, True),
        ({"type": "tool_args", "tool": "lookup", "schema": {"properties": {"id": {"maximum": 1}}}}, False),
        ({"type": "tool_args", "tool": "never", "schema": False}, True),
        ({"type": "trajectory", "tools": ["lookup", "refund", "lookup"]}, True),
        ({"type": "trajectory", "tools": ["lookup", {"tool": "refund", "args": {"amount": 5}}, "look*"]}, True),
        ({"type": "trajectory", "tools": ["lookup", {"tool": "refund", "args": {"amount": 6}}, "lookup"]}, False),
        ({"type": "trajectory", "tools": ["refund", "lookup", "lookup"]}, False),
        ({"type": "trajectory", "tools": ["lookup", "refund"]}, False),
        ({"type": "trajectory", "tools": ["lookup", "refund", "lookup", "lookup"]}, False),
        ({"type": "trajectory", "tools": ["refund", "lookup", "lookup"], "mode": "unordered"}, True),
        ({"type": "trajectory", "tools": ["lookup", {"tool": "lookup", "args": {"id": 1}}, "*"], "mode":
        "unordered"}, True),
        ({"type": "trajectory", "tools": ["refund", "lookup"], "mode": "unordered"}, False),
        ({"type": "trajectory", "tools": ["refund", "lookup", "lookup", "x"], "mode": "subset"}, True),
        ({"type": "trajectory", "tools": ["refund", "lookup"], "mode": "subset"}, False),
        ({"type": "trajectory", "tools": ["refund"], "mode": "superset"}, True),
        ({"type": "trajectory", "tools": ["refund", "refund"], "mode": "superset"}, False),
        ({"type": "tool_order", "before": "lookup", "after": "refund"}, True),
        ({"type": "tool_order", "before": "refund", "after": "lookup"}, False),
        ({"type": "tool_order", "before": "never", "after": "refund"}, False),
        ({"type": "tool_order", "before": "refund", "after": "never"}, True),
        ({"type": "max_tool_calls", "max": 3}, True),
        ({"type": "max_tool_calls", "max": 2}, False),
        ({"type": "max_tool_calls", "max": 1, "tool": "refund"}, True),
        ({"type": "max_steps", "max": 3}, True),
        ({"type": "max_steps", "max": 2}, False),
        ({"type": "no_repeated_calls"}, True),
        ({"type": "no_unrecorded_calls"}, True),
        ({"type": "max_retries", "max": 0}, True),
    ],
)  # fmt: skip
def test_checks_of_calls(invariant: dict[str, Any], holds: bool) -> None:
    """Each type holds exactly where its row in the documentation says."""
    result = judge(invariant, lookup_twice())
    assert result.outcome == ("passed" if holds else "failed"), result.message
    assert not result.message[0].islower()


@pytest.mark.parametrize(
    ("invariant", "field", "said"),
    [
        ({"type": "tool_not_called", "tool": "refund", "max": 0}, "max", "`tool_not_called` takes no `max`"),
        ({"type": "tool_not_called", "tool": "refund", "max": 3}, "max", "`min: 0` and `max: 3`"),
        ({"type": "tool_not_called", "tool": "refund", "min": 0}, "min", "at least 1"),
        ({"type": "tool_called", "tool": "refund", "max": 0}, "max", "`type: tool_not_called`"),
        ({"type": "tool_called", "tool": "refund", "min": 3, "max": 1}, "max", "at least 3 and at most 1"),
        ({"type": "tool_called", "tool": "refund", "min": 0}, "min", "cannot fail"),
        ({"type": "trajectory", "tools": [], "mode": "superset"}, "tools", "cannot fail"),
    ],
)
def test_bounds_that_cannot_hold_or_cannot_fail_are_refused(invariant: dict[str, Any], field: str, said: str) -> None:
    """When the contract is loaded, with what to write instead."""
    with pytest.raises(FormatError) as caught:
        bind(invariant)
    assert f"{field}: " in str(caught.value)
    assert said in str(caught.value)


def test_a_recording_without_calls_is_no_expectation_of_others() -> None:
    """`superset` of nothing holds for everything; that nothing else was called can be checked."""
    invariant = {"type": "trajectory", "tools": "recorded", "mode": "superset"}
    assert judge(invariant, lookup_twice(), make_replay(output="x")).outcome == "error"
    assert judge({**invariant, "mode": "subset"}, lookup_twice(), make_replay(output="x")).outcome == "failed"
    assert judge({**invariant, "tools": [], "mode": "strict"}, lookup_twice()).outcome == "failed"


def test_the_nearest_call_and_its_differences_are_evidence() -> None:
    """What was called instead, argument by argument."""
    result = judge({"type": "tool_called", "tool": "refund", "args": {"amount": 7, "id": 1}}, lookup_twice())
    assert "amount is 5 instead of 7" in result.message
    assert result.evidence["nearest"]["args"] == {"id": 1, "amount": 5}


def test_the_call_that_came_too_early_is_named() -> None:
    """With its number and what it should have waited for."""
    result = judge({"type": "tool_order", "before": "refund", "after": "lookup"}, lookup_twice())
    assert "call 1" in result.message
    assert "before refund had come back" in result.message


def test_a_call_that_runs_beside_another_has_not_waited_for_it() -> None:
    """Order is by the end of the first and the beginning of the second."""
    run = Run().start().parallel(("verify", {}), ("refund", {})).answer("ok")
    assert judge({"type": "tool_order", "before": "verify", "after": "refund"}, run).outcome == "failed"


def test_parallel_calls_compare_as_a_set() -> None:
    """Their order among themselves does not decide a strict trajectory."""
    run = Run().start().call("a").parallel(("c", {}), ("b", {})).call("d").answer("ok")
    assert judge({"type": "trajectory", "tools": ["a", "b", "c", "d"]}, run).outcome == "passed"
    assert judge({"type": "trajectory", "tools": ["b", "a", "c", "d"]}, run).outcome == "failed"


def test_the_recorded_trajectory_is_what_production_did() -> None:
    """`tools: recorded` leaves out what was written by hand, and can only hold on the recording."""
    recordings = [{"tool": "lookup", "args": {"id": 1}}, {"tool": "refund"}, {"tool": "x", "origin": "added"}]
    replay = make_replay(output="ok", tool_responses=recordings)
    invariant = {"type": "trajectory", "tools": "recorded"}
    assert (
        judge(invariant, Run().start().call("lookup", id=1).call("refund", n=2).answer("ok"), replay).outcome
        == "passed"
    )
    assert judge(invariant, Run().start().call("lookup", id=2).call("refund").answer("ok"), replay).outcome == "failed"
    replay = make_replay(output="ok", tool_responses=recordings[:1])
    assert judge_recording(invariant, replay)[0] == "no"


def test_reads_may_be_repeated_where_the_contract_says_so() -> None:
    """Repeats of `repeatable` tools do not count; a repeated write does, and so does a read that is missing."""
    recordings = [
        {"tool": "get_order", "args": {"id": 1}},
        {"tool": "refund", "args": {"id": 1}},
        {"tool": "get_order", "args": {"id": 1}},
    ]
    replay = make_replay(output="ok", tool_responses=recordings)
    invariant = {"type": "trajectory", "tools": "recorded", "repeatable": ["get_*"]}

    def outcome(*tools: str) -> str:
        run = Run().start()
        for tool in tools:
            run.call(tool, id=1)
        return judge(invariant, run.answer("ok"), replay).outcome

    assert outcome("get_order", "refund", "get_order") == "passed"
    assert outcome("get_order", "refund", "get_order", "get_order") == "passed"
    assert outcome("get_order", "refund", "refund", "get_order") == "failed"
    assert outcome("get_order", "refund") == "failed"
    assert outcome("refund", "get_order", "get_order") == "failed"


def test_checks_of_calls_may_look_at_one_turn() -> None:
    """`turn` narrows the session."""
    replay = make_replay(turns=[{"input": "a", "output": "1"}, {"input": "b", "output": "2"}])
    run = Run().start(1).call("t", turn=1).answer("1", 1).start(2).answer("2", 2)
    assert judge({"type": "tool_called", "tool": "t"}, run, replay).outcome == "passed"
    assert judge({"type": "tool_called", "tool": "t", "turn": "last"}, run, replay).outcome == "failed"
    assert judge({"type": "tool_called", "tool": "t", "turn": "all"}, run, replay).outcome == "failed"


def test_a_repeat_is_a_call_that_had_not_failed() -> None:
    """After a failure it is a retry, which another type counts."""
    retried = Run().start().call("t", failed=True, a=1).call("t", failed=True, a=1).call("t", a=1).answer("ok")
    assert judge({"type": "no_repeated_calls"}, retried).outcome == "passed"
    assert judge({"type": "max_retries", "max": 2}, retried).outcome == "passed"
    assert judge({"type": "max_retries", "max": 1}, retried).outcome == "failed"
    repeated = Run().start().call("t", a=1).call("t", a=2).call("t", a=1).answer("ok")
    assert judge({"type": "no_repeated_calls"}, repeated).outcome == "failed"
    assert judge({"type": "no_repeated_calls", "max": 1}, repeated).outcome == "passed"
    assert judge({"type": "max_retries", "max": 0}, repeated).outcome == "passed"


def test_unrecorded_calls_are_counted() -> None:
    """And the first is named."""
    result = judge({"type": "no_unrecorded_calls"}, Run().start().call("t", unrecorded=True, a=1).answer("ok"))
    assert (result.outcome, "t(a=1)" in result.message) == ("failed", True)


def test_latency_is_measured_per_turn() -> None:
    """Measured plus simulated time; the slowest call is named."""
    run = Run().start().call("slow", took=30000).answer("ok")
    assert judge({"type": "latency", "max_ms": 30000}, run).outcome == "passed"
    result = judge({"type": "latency", "max_ms": 29999}, run)
    assert (result.outcome, "slow" in result.message) == ("failed", True)


def test_tokens_and_cost_are_summed() -> None:
    """Without usage they cannot be known, unless the known part is too much already."""
    usage = {"input_tokens": 10, "output_tokens": 5}
    run = Run().start().model(usage=usage, cost=0.5).model(usage={"total_tokens": 20}, cost=0.25).answer("ok")
    assert judge({"type": "max_tokens", "max": 35}, run).outcome == "passed"
    assert judge({"type": "max_tokens", "max": 34}, run).outcome == "failed"
    assert judge({"type": "max_cost", "max": 0.75}, run).outcome == "passed"
    assert judge({"type": "max_cost", "max": 0.7}, run).outcome == "failed"
    assert judge({"type": "max_llm_calls", "max": 1}, run).outcome == "failed"
    run.model()
    assert judge({"type": "max_tokens", "max": 100}, run).outcome == "error"
    assert judge({"type": "max_tokens", "max": 10}, run).outcome == "failed"
    assert judge({"type": "max_cost", "max": 10}, run).outcome == "error"


@pytest.mark.parametrize(
    "text",
    [
        "I have refunded your order.",
        "I've just cancelled it.",
        "We processed the refund.",
        "Your reservation has been successfully cancelled.",
        "Both bookings have now been updated.",
        "Your booking is confirmed!",
        "The order is now cancelled.",
        "You're all set.",
        "Great news: successfully booked.",
        "After reviewing your account, I've issued a refund of your fee.",
        "No problem, I have cancelled it.",
        "No worries — I've refunded your order.",
        "Before we continue: I have cancelled your booking.",
        "Since your flight was not changed, I have issued a refund.",
        "I could see the order and I have refunded it.",
        "If you check your account, you will see that I have refunded you.",
        "Only the second order was affected, and I have refunded it.",
        "After a look at your case, a refund has been issued.",
        "I've refunded you, would you like anything else?",
        "I have refunded the order — is there anything else I can do?",
        "You've been refunded.",
        "The refund’s been issued.",
        "Each order has been refunded.",
        "Your refund was processed.",
        "The cancellation is complete.",
        "I was able to refund your order.",
        "I went ahead and refunded it.",
        "Your booking is no longer active and has been cancelled.",
    ],
)
def test_claims_of_finished_actions_are_found(text: str) -> None:
    """First person, passive perfect, and the state that follows."""
    assert find_claim(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "I can refund your order.",
        "Shall I cancel it?",
        "Has it been cancelled already?",
        "It has not been cancelled.",
        "Once it has been processed, you get an e-mail.",
        "If your booking is confirmed, bring the code.",
        "I will cancel it now.",
        "Your refund cannot be processed.",
        "Your flight is booked in the economy cabin.",
        "I am sorry.",
        "Nothing has been cancelled.",
        "I don't think it has been refunded.",
        "Neither order has been refunded.",
        "I’m sorry, but I couldn’t confirm your refund has been processed.",
        "Orders that have been shipped cannot be returned.",
        "You mentioned that it has been cancelled.",
        "Once your order, number 7, has been cancelled, you get an e-mail.",
        "If it was late, the fee has been waived.",
        "So your flight has been cancelled, right?",
        "Do you know that it has been refunded, or do you want me to look?",
        "Any flight I have booked for you is in the list.",
        "The refund is processed within 5 days.",
    ],
)
def test_offers_questions_conditions_and_denials_are_no_claims(text: str) -> None:
    """Nothing was said to be done."""
    assert find_claim(text) is None


@pytest.mark.parametrize("text", ["I have refunded, ", "if x, has been refunded, ", "If it has been refunded. "])
def test_many_claims_that_are_none_are_read_in_good_time(text: str) -> None:
    """Looking for claims needs about linear time."""
    begun = time.process_time()
    find_claim(text * 2000 + "?")
    assert time.process_time() - begun < 1


def test_a_claim_needs_a_tool_that_succeeded() -> None:
    """In this turn or before; a failed call is no success."""
    invariant = {"type": "no_promise_without_tool", "tools": ["issue_refund", "cancel_*"]}
    claim = "I have refunded you."
    assert judge(invariant, Run().start().call("issue_refund").answer(claim)).outcome == "passed"
    assert judge(invariant, Run().start().call("cancel_order").answer(claim)).outcome == "passed"
    assert judge(invariant, Run().start().call("lookup").answer("Shall I?")).outcome == "passed"
    failed = judge(invariant, Run().start().call("issue_refund", failed=True).answer(claim))
    assert (failed.outcome, "issue_refund failed" in failed.message) == ("failed", True)
    never = judge(invariant, Run().start().call("lookup").answer(claim))
    assert (never.outcome, "never called" in never.message) == ("failed", True)
    own = {**invariant, "pattern": "(?i)done"}
    assert judge(own, Run().start().answer("Done.")).outcome == "failed"
    assert judge(own, Run().start().answer(claim)).outcome == "passed"


def test_the_claim_of_every_turn_counts() -> None:
    """A false claim in the middle is not made good by a later success."""
    replay = make_replay(turns=[{"input": "a", "output": "1"}, {"input": "b", "output": "2"}])
    run = (
        Run().start(1).answer("I have refunded it.", 1).start(2).call("refund", turn=2).answer("I have refunded it.", 2)
    )
    result = judge({"type": "no_promise_without_tool", "tools": "refund"}, run, replay)
    assert (result.outcome, result.evidence["turn"]) == ("failed", 1)


def test_a_promise_in_a_structured_answer_is_one() -> None:
    """Also at the beginning of a line, which JSON writes as an escape."""
    promise = Run().start().answer({"text": "Good news:\nI have refunded it."})
    assert judge({"type": "no_promise_without_tool", "tools": "refund"}, promise).outcome == "failed"


READS = {"type": "trajectory", "repeatable": ["read"]}


@pytest.mark.parametrize(
    ("expected", "made", "outcome"),
    [
        (["b", "read", "c", "read"], ["b", "read", "read", "c", "read"], "passed"),
        (["read", "b"], ["read", "b", "read"], "passed"),
        (["read", "read", "b"], ["read", "read", "read", "b"], "passed"),
        (["read", "read", "b"], ["read", "b"], "failed"),
        (["read", "b", "read"], ["read", "read", "b"], "failed"),
        (["read", "b"], ["b", "read", "read"], "failed"),
        (["b"], ["b", "read"], "failed"),
    ],
)
def test_a_repeated_read_counts_where_it_is_expected_and_nowhere_else(
    expected: list[str], made: list[str], outcome: str
) -> None:
    """A read that production made twice may be made a third time, wherever that is."""
    run = Run().start()
    for tool in made:
        run.call(tool)
    result = judge({**READS, "tools": expected}, run.answer("ok"))
    assert result.outcome == outcome, result.message


@pytest.mark.parametrize("mode", ["unordered", "subset", "superset"])
def test_a_repeat_takes_no_expected_call_from_another_one(mode: str) -> None:
    """Two reads are expected and made, one of them twice."""
    run = Run().start().call("read", x=1).call("read", x=1).call("read", x=2).answer("ok")
    assert judge({**READS, "tools": ["read", "read"], "mode": mode}, run).outcome == "passed"


def test_recorded_calls_at_the_top_of_a_file_with_turns_are_expected() -> None:
    """As far as they say it: of the session as a whole, and in their order when all stand there."""
    turns = [{"input": "a", "output": "x"}, {"input": "b", "output": "y"}]
    top = make_replay(turns=turns, tool_responses=[{"tool": "look", "args": {"n": 1}}, {"tool": "pay"}])
    right = Run().start(1).call("look", n=1).answer("x", 1).start(2).call("pay", turn=2).answer("y", 2)
    dropped = Run().start(1).answer("x", 1).start(2).answer("y", 2)
    recorded = {"type": "trajectory", "tools": "recorded"}
    assert judge(recorded, right, top).outcome == "passed"
    assert judge(recorded, dropped, top).outcome == "failed"
    by_turn = judge({**recorded, "turn": 2}, right, top)
    assert (by_turn.outcome, "move them into their turns" in by_turn.message) == ("error", True)
    mixed = make_replay(
        turns=[turns[0], {**turns[1], "tool_responses": [{"tool": "pay"}]}],
        tool_responses=[{"tool": "look", "args": {"n": 1}}],
    )
    assert judge(recorded, right, mixed).outcome == "error"
    assert judge({**recorded, "mode": "unordered"}, right, mixed).outcome == "passed"


def test_a_call_that_nothing_recorded_answers_has_failed() -> None:
    """The agent was given an error: its next try is a retry, and conditions on faults hold."""
    run = Run().start().call("t", unrecorded=True, n=8).call("t", unrecorded=True, n=8).answer("ok")
    assert judge({"type": "no_repeated_calls"}, run).outcome == "passed"
    assert judge({"type": "max_retries", "max": 0}, run).outcome == "failed"
    for when in ("tool_faults_active", "any_chaos_active", {"tool_failed": "t"}):
        assert judge({"type": "contains", "value": "sorry", "when": when}, run).outcome == "failed"
    assert judge({"type": "contains", "value": "sorry", "when": "no_chaos"}, run).outcome == "skipped"


def test_cents_add_up() -> None:
    """Three times 0.1 dollars are within 0.3."""
    run = Run().start().model(cost=0.1).model(cost=0.1).model(cost=0.1).answer("ok")
    assert judge({"type": "max_cost", "max": 0.3}, run).outcome == "passed"
    assert judge({"type": "max_cost", "max": 0.299}, run).outcome == "failed"
