"""The first contract of an imported session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.contracts import ContractFinder, Services, reproduces
from pytest_agent_replay.contracts.place import resolve_contract
from pytest_agent_replay.contracts.verdict import evaluate
from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.writing import dump_yaml, replay_to_data
from pytest_agent_replay.sources.openai_chat import read_openai_chat
from pytest_agent_replay.sources.proposing.proposal import Proposal, propose
from pytest_agent_replay.sources.proposing.tools import kind_of
from tests.contracts.session import Run, answered, bind, judge, make_replay

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "tau-bench" / "airline-even-tasks.json"

ORDER = {"id": "A-7", "total": 48.2}
LOOKUP = {"tool": "get_order", "args": {"order_id": "A-7"}, "response": ORDER}
DECLINED = {
    "tool": "issue_refund",
    "args": {"order_id": "A-7", "amount": 48.2},
    "error": {"type": "shop.PaymentError", "message": "the gateway is down"},
}
REFUNDED = {"tool": "issue_refund", "args": {"order_id": "A-7", "amount": 48.2}, "response": {"ok": True}}
POLICY = "Before any change, list its details and obtain explicit user confirmation."
NOT_FOUND = {"tool": "book_room", "args": {"card": "c1"}, "response": "Error: card c1 not found", "failed": True}
BOOKED = {"tool": "book_room", "args": {"card": "c2"}, "response": {"room": 12}}


def proposed(**fields: Any) -> Proposal:
    return propose(make_replay(**fields))


def line(proposal: Proposal, name: str) -> dict[str, Any]:
    """The invariant of this id."""
    found = [each for each in proposal.contract["invariants"] if each["id"] == name]
    assert found, [each["id"] for each in proposal.contract["invariants"]]
    written: dict[str, Any] = found[0]
    return written


def ids(proposal: Proposal) -> list[str]:
    return [each["id"] for each in proposal.contract["invariants"]]


def refund_session(**fields: Any) -> ReplayFile:
    """The refund failed, and the agent said it was done; in the next turn it really was."""
    return make_replay(
        turns=[
            {
                "input": "Refund my order A-7",
                "tool_responses": [LOOKUP, DECLINED],
                "output": "I have refunded $48.20 for order A-7.",
            },
            {"input": "Really?", "tool_responses": [REFUNDED], "output": "Yes, the refund has been issued."},
        ],
        **fields,
    )


# -- incidents that the recording shows


def test_a_success_that_was_only_claimed_is_an_incident() -> None:
    """The claim, the failed tool and the turns are named, and the contract is red on the original."""
    proposal = propose(refund_session())
    assert (proposal.reproduces, proposal.is_golden, proposal.basis) == ("yes", False, "sign")
    found = line(proposal, "no-false-success")
    assert found["type"] == "no_promise_without_tool"
    assert found["tools"] == ["issue_refund"]
    assert found["turn"] == 1
    assert found["severity"] == "high"
    assert found["description"] == "issue_refund failed in turn 1, and the answer of turn 1 says “I have refunded”."
    assert line(proposal, "figures-were-given")["when"] == "tool_faults_active"
    assert proposal.lines[0] == "an incident: the recording shows a failure"
    assert proposal.lines[-1] == "the contract fails on the original, as it should"


def test_an_honest_agent_passes_the_contract_of_the_incident() -> None:
    """The lines hold for an agent that says that the refund failed."""
    replay = refund_session()
    run = Run().start().call("get_order", ORDER, order_id="A-7")
    run.call("issue_refund", failed=True, order_id="A-7", amount=48.2)
    run.answer("The refund of $48.20 could not be issued; I will try again.")
    run.start(2).call("issue_refund", {"ok": True}, turn=2, order_id="A-7", amount=48.2).answer(
        "It is refunded now.", 2
    )
    contract = bind(*propose(replay).contract["invariants"])
    assert evaluate(contract, run.trace, replay, Services()).outcome == "passed"


def test_figures_after_a_failed_tool_are_critical() -> None:
    """The tool, the figure and what is wrong with it stand in the description."""
    proposal = proposed(tool_responses=[{"tool": "sales", "status": 504}], output="We sold for 4.2 million EUR.")
    found = line(proposal, "figures-were-given")
    assert (found["when"], found["severity"], proposal.reproduces) == ("tool_faults_active", "critical", "yes")
    assert (
        found["description"]
        == "sales failed, and the answer says 4.2 million EUR, which no tool, input or context gave."
    )


def test_figures_that_no_tool_gave_are_a_sign_without_a_failure_too() -> None:
    """Then the line always counts."""
    proposal = proposed(tool_responses=[LOOKUP], output="Order A-7 comes to $84.20.")
    assert "when" not in line(proposal, "figures-were-given")
    assert (proposal.reproduces, proposal.basis) == ("yes", "sign")


def test_the_system_prompt_gives_figures() -> None:
    """What production's model was told is no invention."""
    output = "Refunds take 14 days."
    assert not proposed(output=output).is_golden
    assert proposed(output=output, agent_config={"system_prompt": "Refunds take 14 days."}).is_golden


def test_an_action_that_no_tool_was_called_for_is_an_incident() -> None:
    """Of what only a tool can have done; a text may have been added in the answer itself."""
    proposal = proposed(tool_responses=[LOOKUP], output="I've refunded your order.")
    assert proposal.reproduces == "yes"
    found = line(proposal, "no-false-success")
    assert found["tools"] == ["*refun*"]
    assert found["description"] == "The answer says “I've refunded”, and no tool that does it was called."
    assert proposed(tool_responses=[LOOKUP], output="I've added a comment below.").is_golden


@pytest.mark.parametrize(
    ("calls", "output"),
    [
        ([LOOKUP], "Your order has been shipped."),
        ([LOOKUP, DECLINED, REFUNDED], "I have refunded your order."),
        ([LOOKUP, DECLINED], "The refund could not be issued."),
        ([LOOKUP, DECLINED], "Once the refund has been issued, I will tell you."),
        ([DECLINED, {"tool": "send_mail", "response": "sent"}], "I've sent you a mail about it."),
        ([{"tool": "get_order", "error": "timeout"}, REFUNDED], "I have refunded your order."),
    ],
    ids=["state", "retried", "owned up", "condition", "another tool", "a read failed"],
)
def test_no_claim_is_taken_for_a_false_one(calls: list[Any], output: str) -> None:
    """What a tool reported, what worked in the end, what was denied, and what another tool did."""
    proposal = proposed(tool_responses=calls, output=output)
    assert proposal.is_golden, proposal.lines


def test_a_failed_tool_is_blamed_for_its_own_claim_beside_one_that_worked() -> None:
    """The words of its name tell which claim is its own."""
    mail = {"tool": "send_mail", "response": "sent"}
    proposal = proposed(tool_responses=[DECLINED, mail], output="I have refunded your order and sent a mail.")
    assert line(proposal, "no-false-success")["tools"] == ["issue_refund"]


def test_a_change_made_twice_is_an_incident() -> None:
    """In one turn, with the same arguments, although the first call had succeeded."""
    proposal = proposed(tool_responses=[REFUNDED, REFUNDED], output="Done.")
    assert (proposal.reproduces, line(proposal, "no-repeated-issue_refund")["tool"]) == ("yes", "issue_refund")
    again = [{"input": "Pay", "tool_responses": [REFUNDED], "output": "Done."}] * 2
    assert proposed(turns=again).is_golden


def test_reads_may_repeat_but_not_for_ever() -> None:
    """Twice is fine, and so is looking whether something has changed."""
    assert proposed(tool_responses=[LOOKUP] * 2, output="Fine.").is_golden
    assert proposed(tool_responses=[{**LOOKUP, "response": n} for n in range(4)], output="Fine.").is_golden
    proposal = proposed(tool_responses=[LOOKUP] * 3, output="Fine.")
    assert (proposal.reproduces, line(proposal, "no-repeated-get_order")["max"]) == ("yes", 1)


def test_a_refused_call_made_again_unchanged_is_an_incident() -> None:
    """Where the fault may pass, a few retries are right."""
    proposal = proposed(tool_responses=[NOT_FOUND, NOT_FOUND], output="It did not work.")
    assert (proposal.reproduces, line(proposal, "no-blind-retry-book_room")["max"]) == ("yes", 0)
    assert proposed(tool_responses=[DECLINED] * 3, output="It did not work.").is_golden
    assert line(proposed(tool_responses=[DECLINED] * 6, output="No."), "no-blind-retry-issue_refund")["max"] == 3


def test_an_empty_answer_is_an_incident() -> None:
    """Blank, or null."""
    assert (proposed(output="  ").reproduces, ids(proposed(output=" "))[0]) == ("yes", "not-empty")
    assert line(proposed(output=None), "answers")["description"] == "The agent gave no answer."
    turns = [{"input": "a", "output": None}, {"input": "b", "output": "12 apples"}]
    assert "answers" in ids(proposed(turns=turns))


def test_an_agent_that_raised_is_an_incident() -> None:
    """The contract is red on it: there was no answer."""
    error = {"type": "KeyError", "message": "'total'"}
    proposal = proposed(turns=[{"input": "Hi", "tool_responses": [LOOKUP], "error": error}])
    assert (proposal.reproduces, proposal.is_golden) == ("yes", False)
    expected = "The agent raised “KeyError: 'total'” instead of answering."
    assert line(proposal, "answers")["description"] == expected


def test_a_recording_that_was_cut_is_no_golden_one() -> None:
    """The agent may have hung, or gone on unseen."""
    proposal = proposed(tool_responses=[LOOKUP], ended="cut")
    assert (proposal.reproduces, proposal.is_golden) == ("unknown", False)
    assert line(proposal, "answers")["description"] == "The recording ends before the agent has answered."


def test_personal_data_that_nobody_gave_is_an_incident() -> None:
    """Only where the instructions are known: they may hold the number to call."""
    output = "Write to jo@example.org or ann@example.org."
    asked = {"input": "I am ann@example.org", "output": output}
    proposal = proposed(**asked, context="You are a helpful agent.")
    assert line(proposal, "no-invented-personal-data")["values"] == ["jo@example.org"]
    assert proposal.reproduces == "yes"
    assert proposed(**asked).is_golden
    assert proposed(**asked, scores={"reward": 0}).basis == "guess"


def test_an_answer_to_an_injection_is_an_incident() -> None:
    """It says one of the phrases of an agent that follows one."""
    assert "no-injection" in ids(proposed(output="Developer mode enabled."))


# -- golden sessions


def golden_session(**fields: Any) -> ReplayFile:
    mail = {
        "tool": "send_mail",
        "args": {"to": "ann", "body": "Your refund of 48.20 is on its way to you"},
        "response": 1,
    }
    return make_replay(
        input="Refund my order A-7", tool_responses=[LOOKUP, REFUNDED, mail], output="I have refunded $48.20.", **fields
    )


def refunding(amount: float = 48.2, times: int = 1, answer: str = "It is done: 48.20 refunded.") -> Run:
    run = Run().start().call("get_order", ORDER, order_id="A-7").call("get_order", ORDER, order_id="A-7")
    for _ in range(times):
        run.call("issue_refund", {"ok": True}, order_id="A-7", amount=amount)
    return run.call("send_mail", 1, to="ann", body="You get your money back.").answer(answer)


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (refunding(), "passed"),
        (refunding(amount=50), "failed"),
        (refunding(times=0), "failed"),
        (refunding(times=2), "failed"),
        (refunding(answer="I have refunded $99.99."), "failed"),
        (refunding(answer=""), "failed"),
    ],
    ids=["as good", "another amount", "no refund", "two refunds", "an invented figure", "an empty answer"],
)
def test_a_golden_contract_asks_for_the_changes_and_leaves_the_way_open(run: Run, outcome: str) -> None:
    """Another wording and more reads pass; other changes do not."""
    replay = golden_session()
    proposal = propose(replay)
    assert (proposal.is_golden, proposal.reproduces, proposal.basis) == (True, "no", None)
    verdict = evaluate(bind(*proposal.contract["invariants"]), run.trace, replay, Services())
    assert verdict.outcome == outcome, [(i.id, i.message) for i in verdict.invariants]


def test_texts_are_left_open_in_the_changes() -> None:
    """Arguments that a model words anew are not asked for."""
    wanted = line(propose(golden_session()), "makes-its-changes")["tools"]
    assert wanted == [{"tool": "issue_refund", "args": REFUNDED["args"]}, {"tool": "send_mail", "args": {"to": "ann"}}]


def test_what_differs_in_every_run_is_left_open_in_the_changes() -> None:
    """By its name, or because it is a longer text, also within a list."""
    args = {"request_id": "r1", "note": "ok", "reply": "Dear Ann, it is done", "to": ["a"], "items": [{"note": "x"}]}
    proposal = proposed(tool_responses=[{"tool": "create_ticket", "args": args, "response": 1}], output="Fine.")
    assert line(proposal, "makes-its-changes")["tools"] == [{"tool": "create_ticket", "args": {"to": ["a"]}}]


def test_a_failed_change_is_not_asked_for_again() -> None:
    """Only what succeeded; as many calls are allowed as there were."""
    proposal = proposed(tool_responses=[NOT_FOUND, BOOKED], output="Booked.")
    assert proposal.is_golden
    assert line(proposal, "makes-its-changes")["tools"] == [{"tool": "book_room", "args": {"card": "c2"}}]
    assert line(proposal, "no-more-book_room")["max"] == 2


def test_a_good_score_makes_a_session_golden() -> None:
    """A line that fails on it is left out, and that is said."""
    proposal = proposed(tool_responses=[LOOKUP], output="It comes to $84.20.", scores={"reward": 1.0})
    assert (proposal.is_golden, proposal.reproduces) == (True, "no")
    assert "figures-were-given" not in ids(proposal)
    assert proposal.lines[0] == "golden: scored reward 1.0"
    assert proposal.lines[1].startswith("left out, because it fails on the original: The answer says $84.20")


def test_a_tool_whose_kind_is_not_known_is_left_open_and_named() -> None:
    """No guess is made whether it changes something."""
    proposal = proposed(tool_responses=[{"tool": "frobnicate", "response": 1}], output="Fine.")
    assert proposal.is_golden
    assert proposal.lines[-1] == "left open, because it is not known whether they change something: calls of frobnicate"


def test_a_session_that_a_tool_ended_is_green() -> None:
    """No answer was called for in that turn."""
    call = {"tool": "transfer_to_human", "args": {"summary": "He wants a refund at once"}, "response": "done"}
    turns = [
        {"input": "Hi", "output": "Hello."},
        {"input": "A human!", "tool_responses": [call], "ended": "after_tool"},
    ]
    proposal = proposed(turns=turns)
    assert (proposal.is_golden, proposal.reproduces) == (True, "no")
    assert {"answers", "makes-its-changes"} <= set(ids(proposal))


def test_a_good_session_without_an_answer_has_a_contract_too() -> None:
    """A contract without any line would check nothing."""
    proposal = proposed(output=None, tool_responses=[LOOKUP], scores={"reward": 1})
    assert (proposal.is_golden, proposal.reproduces, ids(proposal)) == (True, "no", ["no-more-calls"])


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (
            [
                "hold_booking",
                "crm_update_contact",
                "issue_refund",
                "bookRoom",
                "send-mail",
                "refund_order",
                "POST https://shop/refunds",
                "DELETE /a",
            ],
            "changes",
        ),
        (
            ["get_order", "searchFlights", "refund_status", "order_lookup", "exchange_rate", "GET https://shop/x"],
            "reads",
        ),
        (["POST https://shop/orders/search", "list_updates"], "reads"),
        (
            [
                "frobnicate",
                "refund",
                "seat_booking",
                "Wikipedia",
                "ANY https://shop/x",
                "https://shop/x",
                "weather_api",
                "7",
            ],
            "unknown",
        ),
    ],
)
def test_the_name_of_a_tool_tells_whether_it_changes_something(names: list[str], kind: str) -> None:
    """Verbs that are nouns too are told apart by what follows them."""
    assert [kind_of(name) for name in names] == [kind] * len(names)


@pytest.mark.parametrize(
    ("tool", "is_guarded"),
    [
        ("hold_booking", True), ("refund", True), ("seat_booking", True), ("tickets.issue", True),
        ("get_order", False), ("list_refunds", False), ("search_orders", False), ("check_booking", False),
        ("crm_send_offer", True), ("frobnicate", False), ("weather", False),
    ],
)  # fmt: skip
def test_a_failed_tool_that_changes_something_may_not_be_said_to_have_done_it(tool: str, is_guarded: bool) -> None:
    """Also where the recorded answer claims nothing in words that are known: it may claim it otherwise next time."""
    failed = {"tool": tool, "error": {"type": "httpx.ReadTimeout", "message": "timed out"}}
    replay = make_replay(tool_responses=[failed], output="Dear guest, all the best to you.")
    proposal = propose(replay)
    assert ("no-false-success" in ids(proposal)) is is_guarded
    if is_guarded:
        found = line(proposal, "no-false-success")
        assert (found["tools"], found["severity"]) == ([tool], "high")
        assert found["description"].startswith(f"{tool} failed: nothing is said to be done")
        answers = ("I have reserved your seat on SK1678.", "I could not hold the seat right now.")
        assert [judge(found, answered(answer), replay).outcome for answer in answers] == ["failed", "passed"]


# -- scores


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ({"reward": 0.0}, "an incident: scored reward 0.0"),
        ({"user_score": -1}, "an incident: scored user_score -1"),
        ({"correctness": False}, "an incident: scored correctness false"),
        ({"thumbs": {"value": 0, "comment": "wrong amount"}}, "an incident: scored thumbs 0"),
        ({"verdict": "thumbs_down"}, "an incident: scored verdict thumbs_down"),
        ({"hallucination": 1}, "an incident: scored hallucination 1"),
        ({"is_incorrect": "yes"}, "an incident: scored is_incorrect yes"),
        ({"user_score": 1}, "golden: scored user_score 1"),
        ({"toxicity": 0}, "golden: nothing in the recording shows a failure"),
        ({"hallucination": "passed"}, "golden: scored hallucination passed"),
        ({"rating": 1, "stars": 0}, "golden: nothing in the recording shows a failure"),
        ({"relevance": 0.6}, "golden: nothing in the recording shows a failure"),
        ({"latency": 0, "error_count": 1}, "golden: nothing in the recording shows a failure"),
        ({"reward": 1, "helpfulness": 0}, "golden: nothing in the recording shows a failure"),
    ],
)
def test_scores_count_where_they_are_plain(scores: dict[str, Any], why: str) -> None:
    """Their name and range say what is good; on another scale, between the ends, in contradiction: nothing."""
    assert proposed(output="Fine.", scores=scores).lines[0] == why


def test_one_turn_that_users_disliked_makes_an_incident() -> None:
    """Where the session itself is not scored."""
    turns = [{"input": "a", "output": "b", "scores": {"user_score": n}} for n in (1, 0)]
    assert not proposed(turns=turns).is_golden
    assert proposed(turns=turns, scores={"reward": 1}).is_golden


def test_a_bad_score_without_a_sign_is_said_to_be_unexplained() -> None:
    """The contract holds only general lines, and would not have caught the failure."""
    proposal = proposed(tool_responses=[LOOKUP, REFUNDED], output="I have refunded $48.20.", scores={"reward": 0.0})
    assert (proposal.reproduces, proposal.is_golden, proposal.basis) == ("no", False, None)
    assert {"answers", "not-empty", "figures-were-given", "no-false-success"} == set(ids(proposal))
    assert "Write what was wrong into `expected_failure`" in proposal.lines[-1]


# -- guesses


def booking_session(said: str, **fields: Any) -> ReplayFile:
    turns = [
        {"input": "A room", "output": "The one above the sea is free."},
        {"input": said, "tool_responses": [BOOKED], "output": "Booked: room 12."},
    ]
    return make_replay(turns=turns, context=POLICY, **fields)


def test_a_change_without_the_demanded_confirmation_is_a_guess() -> None:
    """Only in a session that is known to have failed, and called a guess."""
    proposal = propose(booking_session("I take that one.", scores={"reward": 0}))
    assert (proposal.reproduces, proposal.basis) == ("yes", "guess")
    found = line(proposal, "asks-before")
    assert (found["type"], found["tool"], found["turn"]) == ("tool_not_called", "book_room", 2)
    assert found["description"].startswith("A guess: the instructions ask for a confirmation (“Before any change,")
    assert "“I take that one.”" in found["description"]
    assert "only by a guess" in proposal.lines[-1]
    assert propose(booking_session("I take that one.")).is_golden
    assert propose(booking_session("Yes, that one.", scores={"reward": 0})).reproduces == "no"


def test_refused_arguments_are_a_guess() -> None:
    """An agent that makes the call rightly passes."""
    replay = make_replay(tool_responses=[NOT_FOUND, BOOKED], output="Booked.", scores={"reward": 0})
    proposal = propose(replay)
    assert line(proposal, "not-these-arguments")["args"] == {"card": "c1"}
    assert proposal.basis == "guess"
    right = Run().start().call("book_room", {"room": 12}, card="c2").answer("Booked.")
    contract = bind(*proposal.contract["invariants"])
    assert evaluate(contract, right.trace, replay, Services()).outcome == "passed"
    passing = {**NOT_FOUND, "response": "Error: connection timed out, the room cannot be booked"}
    assert proposed(tool_responses=[passing, BOOKED], output="Booked.", scores={"reward": 0}).basis is None


def test_there_are_no_guesses_beside_a_sign() -> None:
    """What the recording shows is enough."""
    proposal = proposed(tool_responses=[NOT_FOUND, BOOKED], output="Booked room 99.", scores={"reward": 0})
    assert proposal.basis == "sign"
    assert "not-these-arguments" not in ids(proposal)


# -- what `expected_failure` says


@pytest.mark.parametrize(
    ("said", "types"),
    [
        ("It called issue_refund instead of escalate_case.",
         [("tool_not_called", "issue_refund"), ("tool_called", "escalate_case")]),
        ("The agent should have called `escalate_case` rather than issue_refund",
         [("tool_called", "escalate_case"), ("tool_not_called", "issue_refund")]),
        ("Instead of calling escalate_case, it called issue_refund",
         [("tool_called", "escalate_case"), ("tool_not_called", "issue_refund")]),
        ("It should not have called issue_refund.", [("tool_not_called", "issue_refund")]),
        ("issue_refund must never be called", [("tool_not_called", "issue_refund")]),
        ("must call checkPolicy first", [("tool_called", "checkPolicy")]),
        ("check_policy was never called", [("tool_called", "check_policy")]),
        ("It forgot to call check_policy()", [("tool_called", "check_policy")]),
        ("It called issue_refund without calling check_policy", [("tool_order", "check_policy")]),
        ("must call check_policy before issue_refund", [("tool_order", "check_policy")]),
        ("It should not have called `lookup`", [("tool_not_called", "lookup")]),
        ("It fabricated the revenue", [("grounded_numbers", None)]),
        ("Leaked the customer's e-mail address", [("excludes_pii", None)]),
        ("Said $84.20 instead of $48.20", [("excludes_regex", None), ("regex", None)]),
        ("The total should be 48.20", [("regex", None)]),
    ],
)  # fmt: skip
def test_plain_words_become_invariants(said: str, types: list[tuple[str, str | None]]) -> None:
    """Tools together with a verb, figures, and what was made up or leaked."""
    output = "I have refunded $84.20, see jo@example.org."
    calls = [LOOKUP, REFUNDED, {"tool": "lookup", "response": 1}]
    proposal = proposed(tool_responses=calls, output=output, expected_failure=said)
    found = [each for each in proposal.contract["invariants"] if "expected_failure" in each["description"]]
    assert [(each["type"], each.get("tool", each.get("before"))) for each in found] == types, found
    assert (proposal.reproduces, proposal.basis) == ("yes", "told")
    assert all(said.rstrip(".") in each["description"] for each in found)


def test_a_figure_is_asked_for_in_the_turn_in_which_it_was_wrong() -> None:
    """The wrong one is allowed in none, and with or without separators."""
    turns = [
        {"input": "The total?", "output": "It is $1,200.50, for 3."},
        {"input": "Thanks", "output": "You are welcome."},
    ]
    proposal = proposed(turns=turns, context="3 1200.50", expected_failure="Said 1200.5 instead of $1,300.00")
    assert line(proposal, "says-1-300-00")["turn"] == 1
    assert line(proposal, "not-1200-5")["turn"] == "all"
    assert proposal.reproduces == "yes"
    right = Run().start(1).answer("It is 1 300 USD.", 1).start(2).answer("Bye", 2)
    replay = make_replay(turns=turns, context="3 1200.50 1300")
    assert evaluate(bind(*proposal.contract["invariants"]), right.trace, replay, Services()).outcome == "passed"


@pytest.mark.parametrize(
    "said",
    [
        "Called ⟨7⟩ instead of ⟨8⟩",
        "Something about issue_refund looks odd",
        "It should refund less",
        "The agent should search the web less",
        "It should not call anybody",
        "The order has 2 items",
        "The customer is claiming a refund",
    ],
)
def test_other_words_become_nothing(said: str) -> None:
    """What is not plain is left to a person, and the screen says so."""
    search = {"tool": "search", "response": []}
    proposal = proposed(tool_responses=[search, REFUNDED], output="Done.", expected_failure=said)
    assert (proposal.reproduces, proposal.is_golden, proposal.basis) == ("no", False, None)
    assert not any("expected_failure" in each["description"] for each in proposal.contract["invariants"])
    assert "what `expected_failure` says could not be made into an invariant" in proposal.lines[-1]


def test_what_the_original_satisfies_is_left_out_and_said() -> None:
    """It would not have caught the failure."""
    proposal = proposed(tool_responses=[REFUNDED], output="Done.", expected_failure="It forgot to call issue_refund")
    assert proposal.reproduces == "no"
    assert "calls-issue_refund" not in ids(proposal)
    left = [text for text in proposal.lines if text.startswith("left out")]
    assert left == [
        "left out, because the original satisfies it: tool_called issue_refund. Read from `expected_failure`: "
        "“It forgot to call issue_refund”."
    ]


def test_what_cannot_be_tried_is_kept_and_said() -> None:
    """The file does not have what production answered."""
    proposal = proposed(tool_responses=[LOOKUP], expected_failure="It fabricated the revenue")
    assert proposal.reproduces == "unknown"
    assert line(proposal, "nothing-made-up")["description"].endswith("It cannot be tried on the recording.")


def test_a_claim_is_about_the_tool_that_failed() -> None:
    """Unless the words name another."""
    proposal = propose(refund_session(expected_failure="Claimed success although the refund failed"))
    assert line(proposal, "no-false-claim")["tools"] == ["issue_refund"]
    assert "no-false-success" not in ids(proposal)
    proposal = propose(refund_session(expected_failure="It said so although send_receipt was not done"))
    assert line(proposal, "no-false-claim")["tools"] == ["send_receipt"]


def test_words_count_more_than_a_score() -> None:
    """Somebody wrote down what was wrong."""
    proposal = propose(refund_session(expected_failure="It should not have called get_order", scores={"reward": 1}))
    assert (proposal.is_golden, proposal.basis) == (False, "told")


# -- what comes out


@pytest.mark.parametrize(
    "replay",
    [
        refund_session(),
        golden_session(),
        booking_session("I take 12", scores={"reward": 0}),
        refund_session(expected_failure="Said $48.20 instead of $84.20, and must call check_policy first"),
        make_replay(tool_responses=[{"tool": "*", "response": 1}], output="x"),
        make_replay(turns=[{"input": "a"}], tool_responses=[LOOKUP]),
        make_replay(input={"a": [1]}, output={"b": "I have refunded $5"}, tool_responses=[{**DECLINED, "args": None}]),
    ],
    ids=["incident", "golden", "guess", "told", "any tool", "at the top", "structured"],
)  # fmt: skip
def test_the_contract_stands_in_a_file_as_it_is(replay: ReplayFile, tmp_path: Path) -> None:
    """The file is valid, says the same of the original, and each line has its own id and a reason in one sentence."""
    proposal = propose(replay)
    path = tmp_path / "x.replay.yaml"
    path.write_text(dump_yaml(replay_to_data(replay.model_copy(update={"contract": proposal.contract}))), "utf-8")
    loaded = load_replays(path, root=tmp_path)[0]
    contract = resolve_contract(ContractFinder(tmp_path), loaded)
    assert reproduces(contract, loaded.replay, Services())[0] == proposal.reproduces
    written = proposal.contract["invariants"]
    assert len({each["id"] for each in written}) == len(written) > 0
    assert all(each["description"].endswith(".") for each in written)
    assert propose(replay) == proposal


@pytest.mark.skipif(not DATA.exists(), reason="needs the real sessions in ../shared/data")
def test_real_sessions_of_which_the_reward_is_known() -> None:
    """The contracts of failed sessions are red where something shows it; those of good ones green."""
    visible: dict[float, list[Proposal]] = {0.0: [], 1.0: []}
    hidden: dict[float, list[Proposal]] = {0.0: [], 1.0: []}
    for session in read_openai_chat(DATA, []):
        reward = session.replay.scores["reward"]
        visible[reward].append(propose(session.replay))
        # a line that only a score calls for cannot be there without it
        if reward == 1.0 or visible[reward][-1].basis == "sign":
            hidden[reward].append(propose(session.replay.model_copy(update={"scores": {}})))

    def red(proposals: list[Proposal]) -> tuple[int, int]:
        return sum(proposal.reproduces == "yes" for proposal in proposals), len(proposals)

    assert red(visible[1.0]) == (0, 49)
    assert red(hidden[1.0]) == (1, 49)
    assert red(visible[0.0]) == (16, 51)
    assert red(hidden[0.0]) == (6, 6)
    assert sum(proposal.basis == "guess" for proposal in visible[0.0]) == 10
    assert all(
        proposal.reproduces != "unknown" for group in (*visible.values(), *hidden.values()) for proposal in group
    )
