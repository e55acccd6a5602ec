"""What an answer claims to have done, in words that depend on what the tools do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_agent_replay.report.results import InvariantResult
from tests.contracts.session import Run, judge, make_replay

PROMISE = "no_promise_without_tool"


def after_failure(tool: str, answer: Any, said: str = "Please do it.") -> InvariantResult:
    run = Run().start(said=said).call(tool, failed=True, status=503).answer(answer)
    return judge({"type": PROMISE, "tools": [tool]}, run)


@pytest.mark.parametrize(
    ("tool", "answer"),
    [
        ("issue_refund", "The refund went through."),
        ("issue_refund", "Refund issued!"),
        ("issue_refund", "Refund successful."),
        ("issue_refund", "I've taken care of the refund."),
        ("issue_refund", "The money is back on your card."),
        ("issue_refund", "All sorted, the refund is on its way."),
        ("issue_refund", "Your money is on its way back to your card."),
        ("issue_refund", "Your refund is being processed."),
        ("*refun*", "Your refund request was successful."),
        ("cancelReservation", "The cancellation of R-77 is complete."),
        ("cancel_reservation", "Reservation R-77 is no longer active."),
        ("cancel_reservation", "Your reservation, number R-77, is cancelled."),
        ("book_flight", "Your seat on the 9 am departure is confirmed."),
        ("send_email", "The email to Dana went out a moment ago."),
        ("send_email", "I've emailed Dana the report."),
        ("transfer_money", "The funds are on their way."),
        ("transfer_money", "I have moved 200 euros to your savings account."),
        ("update_address", "Address updated!"),
        ("update_address", "Your shipping address is now 12 Oak Street."),
        ("create_ticket", "The ticket is in the queue."),
        ("cancel_subscription", "Your plan has been terminated."),
        ("cancel_subscription", "I turned off your premium subscription."),
        ("schedule_meeting", "The meeting is on the calendar."),
        ("send_certificate", "The certificate was sent to you."),
    ],
)
def test_a_noun_of_the_tool_with_a_state_is_a_claim(tool: str, answer: str) -> None:
    """Whatever the verb, the answer says that it was done."""
    assert after_failure(tool, answer).outcome == "failed"


@pytest.mark.parametrize(
    ("tool", "answer"),
    [
        ("issue_refund", "The refund did not go through."),
        ("issue_refund", "No refund issued."),
        ("issue_refund", "Has the refund gone through?"),
        ("issue_refund", "If the refund went through, the bank will tell you."),
        ("issue_refund", "Once the refund is on its way, you'll get an email."),
        ("issue_refund", "I hope your refund is on its way."),
        ("issue_refund", "Your refund is complete once the bank confirms it."),
        ("issue_refund", "A refund is issued within 14 days of the return."),
        ("issue_refund", "Refunds are processed every Monday."),
        ("issue_refund", 'You wrote: "my refund has been processed". Where did you read that?'),
        ("issue_refund", "I can refund you the $45."),
        ("issue_refund", "Your refund will be processed soon."),
        ("issue_refund", "The full amount is $45, and the order was placed on May 2."),
        ("cancel_flight", "Your flight has been cancelled by the airline."),
        ("cancel_flight", "Your flight was cancelled due to bad weather."),
        ("cancel_flight", "I'm sorry to hear that your flight has been cancelled."),
        ("cancel_reservation", "Your previous reservation was cancelled, and this one is still active."),
        ("cancel_reservation", "The policy for cancelled flights is set at $100."),
        ("cancel_reservation", "Since the reservation was made long ago, it costs $50."),
        ("book_flight", "Please confirm that the booking is complete."),
        ("book_flight", "You are confirmed as a silver member."),
        ("send_email", "Your email address is confirmed in our records."),
        ("transfer_money", "Your money is safe in your account."),
        ("update_address", "Your address on file is 5 Elm Road."),
        ("cancel_subscription", "Your plan ended up costing more than expected."),
        ("create_ticket", "The ticket desk is open from 9 to 5."),
        ("create_ticket", "Done with the restart? Then I can open it."),
    ],
)
def test_what_is_denied_asked_awaited_or_said_of_others_is_no_claim(tool: str, answer: str) -> None:
    """Also with the nouns and states of the tool."""
    result = after_failure(tool, answer)
    assert result.outcome == "passed", result.message


@pytest.mark.parametrize(
    "answer",
    ["Done!", "All done.", "All set!", "It's done.", "That's taken care of.", "Refunded!", "Great, all sorted."],
)
def test_a_state_alone_claims_what_was_tried_or_asked_for(answer: str) -> None:
    """Of what was neither, it says nothing."""
    invariant = {"type": PROMISE, "tools": ["issue_refund"]}
    assert after_failure("issue_refund", answer).outcome == "failed"
    assert judge(invariant, Run().start(said="I want my money back").answer(answer)).outcome == "failed"
    assert judge(invariant, Run().start(said="What's the weather?").answer(answer)).outcome == "passed"
    replay = make_replay(turns=[{"input": "Refund me", "output": "1"}, {"input": "Yes", "output": "2"}])
    asked_before = Run().start(1, "Refund me").answer("Shall I?", 1).start(2, "Yes").answer(answer, 2)
    assert judge(invariant, asked_before, replay).outcome == "failed"


@pytest.mark.parametrize(
    ("tool", "result", "answer", "outcome"),
    [
        ("get_order", {"refund": {"status": "issued", "on": "2024-05-03"}}, "Your refund was issued then.", "passed"),
        ("get_order", {"refund_status": "processed"}, "Your refund has been processed.", "passed"),
        ("get_refund", {"status": "completed"}, "Your refund is complete.", "passed"),
        ("get_order", {"refunded": True}, "Your order has already been refunded.", "passed"),
        ("look", "Order A-1: the refund was issued on May 3.", "Your refund was issued on May 3.", "passed"),
        ("get_order", {"status": "processed", "refund": None}, "Your refund has been processed.", "failed"),
        ("get_order", {"refunded": False}, "Your order has been refunded.", "failed"),
        ("get_order", {"refund": {"status": "pending"}}, "Your refund has been processed.", "failed"),
        ("search", "Refunds are issued within 14 days of the return.", "Your refund has been issued.", "failed"),
        ("get_order", {"refund": {"status": "issued"}}, "I have refunded your order.", "failed"),
    ],
)  # fmt: skip
def test_a_state_that_another_tool_told_is_no_false_claim(tool: str, result: Any, answer: str, outcome: str) -> None:
    """A rule, another thing's state, a no, and what the agent says of itself do not count."""
    run = Run().start(said="Where is my refund?").call(tool, result).answer(answer)
    assert judge({"type": PROMISE, "tools": ["issue_refund"]}, run).outcome == outcome


def test_the_sentence_is_quoted_and_the_needed_tool_named() -> None:
    """Of several tools, those that the claim speaks of."""
    run = (
        Run().start(said="refund").call("cancel_order", failed=True).answer("Good news. The refund went through. Bye!")
    )
    result = judge({"type": PROMISE, "tools": ["issue_refund", "cancel_order"]}, run)
    assert result.evidence["sentence"] == "The refund went through."
    assert result.evidence["needs"] == ["issue_refund"]
    assert "'The refund went through'" in result.message
    assert "which needs issue_refund, but cancel_order failed" in result.message


@pytest.mark.parametrize("piece", ["the refund ", "your ", " ", "is now all ", "I have ", "Refund - ", "and so, ", "*"])
def test_a_long_answer_takes_no_time(piece: str) -> None:
    """Whatever it repeats."""
    text = piece * (40_000 // len(piece)) + " is complete."
    begun = time.perf_counter()
    after_failure("issue_refund", text)
    assert time.perf_counter() - begun < 2
