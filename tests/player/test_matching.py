"""Which recording answers a call: the rules of the replay format, one test a rule."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.formats.replay import Matching, ReplayFile
from pytest_agent_replay.player.matching import Match, RecordingBook, rules_for


def book(*recordings: dict[str, Any], top: list[dict[str, Any]] | None = None, **matching: Any) -> RecordingBook:
    data: dict[str, Any] = {"turns": [{"input": "x", "tool_responses": list(recordings)}]}
    if top is not None:
        data["tool_responses"] = top
    replay = ReplayFile.model_validate(data)
    rules = Matching.model_validate(matching)
    made = RecordingBook(replay.all_recordings(), lambda tool: rules_for(tool, {}, rules, golden=False))
    made.begin_turn(1)
    return made


def value(match: Match) -> Any:
    assert match.entry is not None, match.why_not
    return match.entry.response.response


A = {"tool": "t", "args": {"k": "A"}, "response": "a"}
B = {"tool": "t", "args": {"k": "B"}, "response": "b"}
C = {"tool": "t", "args": {"k": "C"}, "response": "c"}


def test_calls_are_matched_by_arguments_not_by_position() -> None:
    """Recorded A, B, C; asked C, A, B: each gets its own answer."""
    it = book(A, B, C)
    assert [value(it.match("t", {"k": k})) for k in "CAB"] == ["c", "a", "b"]
    assert it.unused() == []


def test_equal_calls_get_their_answers_in_the_recorded_order() -> None:
    """The same call twice with different answers: order counts there."""
    it = book(A, {**A, "response": "a2"})
    assert [value(it.match("t", {"k": "A"})) for _ in range(3)] == ["a", "a2", "a2"]


def test_of_recordings_that_fit_the_one_that_says_most_of_the_call_answers() -> None:
    """Recorded without `page` and then with it, and asked in another order: each call gets its own answer."""
    first = {"tool": "t", "args": {"q": "x"}, "response": "page 1"}
    second = {"tool": "t", "args": {"q": "x", "page": 2}, "response": "page 2"}
    it = book(first, second)
    assert value(it.match("t", {"q": "x", "page": 2}, {"page": 1})) == "page 2"
    assert value(it.match("t", {"q": "x"}, {"page": 1})) == "page 1"
    nested = {"tool": "t", "args": {"q": "x", "by": {"size": 5, "page": 2}}, "response": "nested"}
    it = book({"tool": "t", "args": {"q": "x", "by": {"size": 5}}, "response": "less"}, nested)
    assert value(it.match("t", {"q": "x", "by": {"size": 5, "page": 2}})) == "nested"


def test_a_match_tells_what_of_the_call_its_recording_does_not_say() -> None:
    """Defaults, null and ignored arguments are not missed; `args: exact` lets nothing through that could be."""
    it = book({"tool": "t", "args": {"q": "x", "by": {"size": 5}}, "response": 1, "times": 9}, ignore_args=["id"])
    match = it.match("t", {"q": "x", "by": {"size": 5, "page": 2}, "safe": True, "id": 7}, {"lang": "en"})
    assert match.unsaid == ["by.page", "safe"]
    assert it.match("t", {"q": "x", "by": {"size": 5}, "lang": "en", "cursor": None}, {"lang": "en"}).unsaid == []


def test_a_match_tells_that_its_answer_may_be_of_another_state() -> None:
    """A balance, a withdrawal, the new balance: asked twice before the withdrawal, or for the first time after it."""
    balance, less = {**A, "response": 100}, {**A, "response": 50}
    for calls in ("AA", "BA"):
        it = book(balance, B, less)
        first, second = [it.match("t", {"k": k}) for k in calls]
        assert first.out_of_step is None
        assert second.out_of_step is not None
        assert second.out_of_step.response.args == {"k": "B"}
    down = {"tool": "t", "args": {"k": "A"}, "status": 504}
    benign: list[tuple[list[dict[str, Any]], str]] = [
        ([balance, B, less], "ABA"),  # as production did
        ([balance, B, balance], "AA"),  # nothing had changed
        ([down, B, less], "AA"),  # tried again
        ([balance, {**B, "origin": "added"}, less], "AA"),
        ([balance, less, B], "AA"),
    ]
    for recordings, calls in benign:
        it = book(*recordings)
        assert [it.match("t", {"k": k}).out_of_step for k in calls] == [None] * len(calls)


def test_a_recording_without_arguments_answers_what_no_other_does() -> None:
    """A matching recording goes before one for any call."""
    it = book({"tool": "t", "response": "any"}, A)
    assert value(it.match("t", {"k": "A"})) == "a"
    assert value(it.match("t", {"k": "Z"})) == "any"


def test_other_arguments_are_unrecorded_and_told_apart() -> None:
    """Never first-in-first-out across different arguments; the nearest recordings come with their differences."""
    match = book(A, B).match("t", {"k": "Z"})
    assert match.entry is None
    assert match.nearest[0].differences == ['k: recorded "A", called with "Z"']


def test_served_again_is_the_last_answer_to_equal_arguments() -> None:
    """Retries and polling get what they got last; other arguments get nothing."""
    it = book(A, B)
    it.match("t", {"k": "A"})
    it.match("t", {"k": "B"})
    again = it.match("t", {"k": "A"})
    assert again.again
    assert value(again) == "a"


def test_a_failing_service_stays_down() -> None:
    """A recorded failure without arguments answers any further call of that tool."""
    it = book({"tool": "t", "status": 504})
    it.match("t", {"k": "A"})
    again = it.match("t", {"k": "B"})
    assert again.again
    assert again.entry is not None


def test_a_success_without_arguments_answers_once() -> None:
    """Its answer was for one call: a call with other arguments must not get it."""
    it = book({"tool": "t", "response": "one"})
    it.match("t", {"k": "A"})
    assert it.match("t", {"k": "B"}).entry is None
    assert value(it.match("t", {"k": "A"})) == "one"


def test_a_service_that_recovered_is_not_down_again() -> None:
    """Only the last state of the tool is repeated."""
    it = book({"tool": "t", "status": 504}, {"tool": "t", "response": "ok"})
    it.match("t", {"k": "A"})
    it.match("t", {"k": "B"})
    assert it.match("t", {"k": "C"}).entry is None


def test_times_bounds_both_the_first_and_the_repeated_use() -> None:
    """`times: 2` is two answers and no third."""
    it = book({**A, "times": 2})
    first, second = it.match("t", {"k": "A"}), it.match("t", {"k": "A"})
    assert not first.again
    assert not second.again
    assert it.match("t", {"k": "A"}).entry is None
    down = book({"tool": "t", "status": 503, "times": 1})
    down.match("t", {})
    assert down.match("t", {"other": 1}).entry is None


def test_the_top_of_the_file_serves_every_turn() -> None:
    """A recording at the top is fresh in each turn; the turn's own come first among equals."""
    replay = ReplayFile.model_validate(
        {
            "tool_responses": [{"tool": "t", "response": "top"}],
            "turns": [{"input": "1", "tool_responses": [{"tool": "t", "response": "own"}]}, {"input": "2"}],
        }
    )
    it = RecordingBook(replay.all_recordings(), lambda tool: rules_for(tool, {}, None, golden=False))
    it.begin_turn(1)
    assert [value(it.match("t", {"n": 1})), value(it.match("t", {"n": 2}))] == ["own", "top"]
    it.begin_turn(2)
    assert value(it.match("t", {"n": 3})) == "top"


def test_a_recording_of_another_turn_does_not_answer() -> None:
    """The message says in which turn the tool is recorded."""
    replay = ReplayFile.model_validate(
        {"turns": [{"input": "1", "tool_responses": [A]}, {"input": "2", "tool_responses": []}]}
    )
    it = RecordingBook(replay.all_recordings(), lambda tool: rules_for(tool, {}, None, golden=False))
    it.begin_turn(2)
    match = it.match("t", {"k": "A"})
    assert match.entry is None
    assert match.why_not == "`t` is recorded only in turn 1"


def test_globs_match_any_tool_of_that_shape() -> None:
    """`*` in a recorded tool name is a glob."""
    it = book({"tool": "get_*", "response": "x"})
    assert value(it.match("get_order", {})) == "x"
    assert it.match("set_order", {}).entry is None


def test_defaults_of_the_signature_may_be_absent_on_either_side() -> None:
    """A call that leaves an argument out means its default."""
    it = book({"tool": "t", "args": {"k": "A", "limit": 10}, "response": "x"})
    assert value(it.match("t", {"k": "A"}, {"limit": 10})) == "x"
    exact = book({"tool": "t", "args": {"k": "A"}, "response": "x"}, args="exact")
    assert value(exact.match("t", {"k": "A", "limit": 10}, {"limit": 10})) == "x"
    assert exact.match("t", {"k": "A", "limit": 11}, {"limit": 10}).entry is None


def test_exact_arguments_refuse_what_was_not_recorded() -> None:
    """`args: exact` takes no further argument; the difference names it."""
    match = book(A, args="exact").match("t", {"k": "A", "extra": 1})
    assert match.entry is None
    assert match.nearest[0].differences == ["extra: not recorded, called with 1"]


def test_ignored_arguments_do_not_count() -> None:
    """A request id differs in every run."""
    it = book({"tool": "t", "args": {"k": "A", "request_id": "1"}, "response": "x"}, ignore_args=["request_id"])
    assert value(it.match("t", {"k": "A", "request_id": "2"})) == "x"


def test_where_arguments_do_not_count_any_call_is_served_again() -> None:
    """`args: ignore` makes all calls of the tool equal."""
    it = book(A, args="ignore")
    assert [value(it.match("t", {"k": k})) for k in "XYZ"] == ["a", "a", "a"]


def test_rules_of_one_tool_win_over_the_files() -> None:
    """`tools: {NAME: …}` is the exception."""
    it = book(A, {"tool": "u", "args": {"k": "A"}, "response": "u"}, args="ignore", tools={"u": {"args": "subset"}})
    assert value(it.match("t", {"k": "other"})) == "a"
    assert it.match("u", {"k": "other"}).entry is None


def test_strict_order_refuses_a_swap() -> None:
    """`order: strict` says which recording is next."""
    it = book(A, {"tool": "u", "response": "u"}, order="strict")
    match = it.match("u", {})
    assert match.entry is None
    assert "the next recording is of `t`" in match.why_not
    assert value(it.match("t", {"k": "A"})) == "a"
    assert value(it.match("u", {})) == "u"


def test_exhausted_fail_gives_nothing_again() -> None:
    """`exhausted: fail` is for tools whose second call is a mistake."""
    it = book(A, exhausted="fail")
    it.match("t", {"k": "A"})
    assert it.match("t", {"k": "A"}).entry is None


def test_the_set_of_answers_does_not_depend_on_the_order_of_parallel_calls() -> None:
    """Every order of the same calls takes the same recordings."""
    import itertools

    for order in itertools.permutations("ABC"):
        it = book(A, B, C)
        assert {k: value(it.match("t", {"k": k})) for k in order} == {"A": "a", "B": "b", "C": "c"}


@pytest.mark.parametrize(("golden", "unused"), [(True, "fail"), (False, "report")])
def test_golden_sessions_want_every_recording_used(golden: bool, unused: str) -> None:
    """The default of `unused` depends on what the session is for; a file may say otherwise."""
    assert rules_for("t", {}, None, golden=golden).unused == unused
    assert rules_for("t", {"unused": "ignore"}, None, golden=golden).unused == "ignore"
