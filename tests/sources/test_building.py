"""Recorded runs become sessions: joined calls, turns, and nothing expected that the source does not know."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.spans import Model, Span
from tests.sources.spans_of import (
    SYSTEM,
    Timeline,
    asks,
    built,
    refund_traces,
    replay_of,
    says,
    session,
    told,
    user,
)


def one_call(**tool: Any) -> Timeline:
    """A turn in which the model asks for `f(x=1)` by the id `c1`."""
    time = Timeline()
    time.model([user("?")], asks(("c1", "f", {"x": 1})))
    if tool:
        time.tool(tool.pop("name", "f"), **tool)
    return time


def finished(time: Timeline, text: Any = "7") -> Timeline:
    """The model is told the result, and answers."""
    time.model([user("?"), asks(("c1", "f", {"x": 1})), told("c1", text)], says("It is 7."))
    return time


def test_traces_of_a_thread_are_its_turns() -> None:
    """In time order, with calls, failures, answers and the model's answers."""
    replay = replay_of(*reversed(refund_traces()))
    first, second = replay.turn_list
    assert (first.input, second.input) == ("Refund ORD-1, I am C-7.", "It is not there. Try again.")
    assert [response.tool for response in first.tool_responses] == ["get_customer", "get_order", "issue_refund"]
    assert [response.call_id for response in first.tool_responses] == ["c2", "c1", "c3"]
    failed = first.tool_responses[2]
    assert failed.error == ErrorSpec(type="shop.PaymentError", message="timeout")
    assert failed.args == {"order_id": "ORD-1", "cents": 4599}
    assert failed.latency_ms == 500
    assert first.output == "Your refund of $45.99 went through."
    [retried] = second.tool_responses
    assert (retried.args or {})["retry"] is True
    assert retried.response == {"refund_id": "RF-9"}
    assert [len(turn.llm_responses or ()) for turn in replay.turn_list] == [3, 2]
    assert replay.context is None
    assert replay.agent_config == {"model": "gpt-4o-mini", "system_prompt": "You refund."}
    assert replay.captured_at == first.started_at == "2026-11-21T08:33:21Z"


def test_model_answers_have_the_digests_of_what_was_really_sent() -> None:
    """Not of what an ordinary loop would send."""
    messages = [SYSTEM, user("?"), {"role": "system", "content": "Be brief."}]
    time = Timeline()
    time.model(messages, says("Hi"), tools=[{"name": "f", "parameters": {"type": "object"}}])
    [answer] = replay_of(time.trace()).llm_responses or []
    assert answer.request == request_digests(messages, tools=[{"name": "f", "parameters": {"type": "object"}}])


def test_spans_that_come_twice_count_once() -> None:
    """As when two exporters send the same trace."""
    time = finished(one_call(args={"x": 1}, result="7"))
    time.spans *= 2
    imported = built(time.trace())
    assert len(imported.replay.tool_responses) == 1
    assert len(imported.replay.llm_responses or ()) == 2


# -- joining


def test_ids_that_repeat_do_not_join_by_themselves() -> None:
    """The name and the arguments count with them."""
    time = Timeline()
    first, second = asks(("c", "f", {"x": 1})), asks(("c", "f", {"x": 2}))
    time.model([user("?")], first)
    time.tool("f", {"x": 1}, "one", call_id="c")
    time.model([user("?"), first, told("c", "one")], second)
    time.tool("f", {"x": 2}, "two", call_id="c")
    time.model([user("?"), first, told("c", "one"), second, told("c", "two")], says("."))
    responses = replay_of(time.trace()).tool_responses
    assert [(response.args, response.response) for response in responses] == [({"x": 1}, "one"), ({"x": 2}, "two")]


def test_parallel_calls_go_by_their_arguments() -> None:
    """Whatever the order in which they ran, with and without ids."""
    for ids in (("a", "b"), (None, None)):
        time = Timeline()
        time.model([user("?")], asks((ids[0], "f", {"x": 1}), (ids[1], "f", {"x": 2})))
        time.tool("f", {"x": 2, "unit": "eur"}, "two")
        time.tool("f", {"x": 1, "unit": "eur"}, "one")
        responses = replay_of(time.trace()).tool_responses
        assert [(response.args, response.response) for response in responses] == [({"x": 2}, "two"), ({"x": 1}, "one")]


def test_equal_parallel_calls_have_their_own_results() -> None:
    """Each takes one run."""
    time = Timeline()
    time.model([user("?")], asks(("a", "f", {"x": 1}), ("b", "f", {"x": 1})))
    time.tool("f", {"x": 1}, "one", call_id="b")
    time.tool("f", {"x": 1}, "two", call_id="a")
    responses = replay_of(time.trace()).tool_responses
    assert [(response.call_id, response.response) for response in responses] == [("b", "one"), ("a", "two")]


def test_an_argument_that_lost_its_name_has_it_from_the_model() -> None:
    """As in a single-argument tool of LangChain under OpenInference."""
    [response] = replay_of(finished(one_call(bare="1", result="7")).trace()).tool_responses
    assert response.args == {"x": 1}


def test_arguments_that_were_changed_on_the_way_join_where_there_is_no_choice() -> None:
    """What the model sent is recorded; among several, nothing is guessed."""
    [response] = replay_of(finished(one_call(args={"x": "one"}, result="7")).trace()).tool_responses
    assert (response.args, response.response, response.call_id) == ({"x": 1}, "7", "c1")
    time = Timeline()
    time.model([user("?")], asks((None, "f", {"x": 1}), (None, "f", {"x": 2})))
    time.tool("f", {"x": "two"}, "2")
    time.tool("f", {"x": "one"}, "1")
    responses = replay_of(time.trace()).tool_responses
    assert [(response.args, response.response) for response in responses] == [({"x": "two"}, "2"), ({"x": "one"}, "1")]


def test_a_framework_that_tries_again_has_a_recording_for_each_try() -> None:
    """The first failed, the second did not; in this order they are served."""
    time = one_call(args={"x": 1}, error=("TimeoutError", "slow"))
    time.tool("f", {"x": 1}, "7")
    responses = replay_of(finished(time).trace()).tool_responses
    assert [response.is_failure for response in responses] == [True, False]


def test_a_call_that_was_not_traced_is_known_from_what_the_model_was_told() -> None:
    """And the file says so."""
    imported = built(finished(one_call()).trace())
    [response] = imported.replay.tool_responses
    assert (response.tool, response.args, response.response, response.call_id) == ("f", {"x": 1}, "7", "c1")
    assert any("what the model was told" in note for note in imported.notes.guessed)


def test_a_failure_that_only_the_message_tells_is_marked() -> None:
    """The framework said so to the model's API."""
    time = one_call()
    failed = {**told("c1", "no such order"), "error": True}
    time.model([user("?"), asks(("c1", "f", {"x": 1})), failed], says("Sorry."))
    assert replay_of(time.trace()).tool_responses[0].failed


def test_a_call_without_a_result_is_left_out() -> None:
    """It would be served as null, which nobody ever answered."""
    imported = built(one_call().trace())
    assert imported.replay.tool_responses == []
    assert imported.replay.ended == "after_tool"
    assert any("result the source does not have" in note for note in imported.notes.lost)


def test_the_next_turn_tells_the_result_of_the_last_call() -> None:
    """When a tool ended a turn."""
    time = one_call()
    first = time.trace()
    time.model([user("?"), asks(("c1", "f", {"x": 1})), told("c1", "7"), user("And?")], says("Seven."))
    replay = replay_of(first, time.trace())
    assert replay.turn_list[0].tool_responses[0].response == "7"
    assert replay.turn_list[0].ended == "after_tool"
    assert replay.turn_list[1].input == "And?"


def test_a_call_of_the_agents_own_is_recorded() -> None:
    """No model asked for it."""
    time = Timeline()
    time.agent("Weather?", "Sunny")
    time.tool("lookup", {"city": "Rome"}, {"sky": "clear"})
    replay = replay_of(time.trace())
    assert (replay.input, replay.output) == ("Weather?", "Sunny")
    assert replay.tool_responses[0].response == {"sky": "clear"}
    assert replay.llm_responses is None


def test_calls_inside_of_a_tool_belong_to_it() -> None:
    """A sub-agent that is a tool is answered as a whole."""
    time = Timeline()
    time.model([user("?")], asks(("c1", "f", {"x": 1})))
    outer = time.tool("f", {"x": 1}, "7")
    time.model([SYSTEM, user("work")], asks(("i", "inner", {})), parent_id=outer.id)
    time.tool("inner", {}, "6", parent_id=outer.id)
    imported = built(finished(time).trace())
    assert [response.tool for response in imported.replay.tool_responses] == ["f"]
    assert len(imported.replay.llm_responses or ()) == 2
    assert imported.notes.lost["calls inside of tool calls, which are answered as a whole"] == 2


def test_a_call_seen_by_framework_and_client_is_one() -> None:
    """What the outer does not know, the inner may."""
    time = Timeline()
    time.model([user("?")], asks(("c1", "f", {"x": 1})))
    outer = time.tool("f", {"x": 1})
    time.tool("f", {"x": 1}, "7", parent_id=outer.id)
    [response] = replay_of(finished(time).trace()).tool_responses
    assert response.response == "7"


def test_a_model_span_around_a_loop_is_no_call() -> None:
    """The calls inside of it are; a model call seen by two layers is one; tools inside of a call count."""
    time = Timeline()
    loop = time.model([user("?")], says("7"))
    first = asks(("c1", "f", {"x": 1}))
    outer = time.model([user("?")], first, parent_id=loop.id)
    time.model([user("?")], first, parent_id=outer.id)
    time.tool("f", {"x": 1}, "7", parent_id=loop.id)
    time.model([user("?"), first, told("c1", "7")], says("7"), parent_id=loop.id)
    replay = replay_of(time.trace())
    assert [answer.content for answer in replay.llm_responses or []] == [None, "7"]
    assert len(replay.tool_responses) == 1
    time = Timeline()
    asking = time.model([user("?")], first)
    time.tool("f", {"x": 1}, "7", parent_id=asking.id)
    assert [response.call_id for response in replay_of(time.trace()).tool_responses] == ["c1"]


# -- turns


def test_one_trace_around_a_conversation_is_its_turns() -> None:
    """The user spoke again after an answer."""
    time = Timeline()
    time.agent()
    time.model([user("One?")], says("1"))
    time.tool("log", {}, "ok")
    time.model([user("One?"), says("1"), user("Two?")], says("2"))
    imported = built(time.trace())
    replay = imported.replay
    assert any("turns within one trace" in note for note in imported.notes.guessed)
    assert [(turn.input, turn.output) for turn in replay.turn_list] == [("One?", "1"), ("Two?", "2")]
    assert [len(turn.tool_responses) for turn in replay.turn_list] == [0, 1]


def test_what_the_agent_says_to_itself_is_no_turn() -> None:
    """The trace's own input is what the user said first: the critique later is the agent's doing."""
    time = Timeline()
    time.agent({"question": "One?"}, "1!")
    time.model([user("Answer: One?")], says("1"))
    time.model([user("Answer: One?"), says("1"), user("Improve it.")], says("1!"))
    replay = replay_of(time.trace())
    assert (replay.input, replay.output, len(replay.llm_responses or ())) == ("One?", "1!", 2)


def test_each_run_of_an_agent_is_a_turn_where_the_source_says_so() -> None:
    """Two of them in one trace; one inside of another is a sub-agent's."""
    time = Timeline()
    for text in ("One?", "Two?"):
        run = time.agent(is_turn=True)
        inner = time.agent(is_turn=True, parent_id=run.id)
        time.model([user(text)], says(text[:-1]), parent_id=inner.id)
    assert [turn.input for turn in replay_of(time.trace()).turn_list] == ["One?", "Two?"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Refund?", "Refund?"),
        ({"messages": [SYSTEM, user("Earlier"), says("Yes"), user("Refund?")]}, "Refund?"),
        ({"question": "Refund?", "user_id": 7}, "Refund?"),
        ({"text": "und?"}, "und?"),
        ({"order": 7, "kind": "refund"}, {"order": 7, "kind": "refund"}),
        ({}, "Please: Refund?"),
    ],
)
def test_the_input_is_what_the_agent_was_called_with(given: Any, expected: Any) -> None:
    """The user's words in it where they are found, else all of it; without any, what the model was asked."""
    time = Timeline()
    time.agent(given)
    time.model([user("Please: Refund?")], says("Yes"))
    assert replay_of(time.trace()).input == expected


def test_messages_that_the_agent_was_given_are_its_context() -> None:
    """Those before the user's; not the prompt that it adds by itself."""
    time = Timeline()
    time.agent({"messages": [user("Earlier"), says("Yes"), user("Now?")]})
    time.model([SYSTEM, user("Earlier"), says("Yes"), user("Now?")], says("No"))
    assert replay_of(time.trace()).context == [user("Earlier"), says("Yes")]


def test_history_is_the_context_of_a_part_of_a_conversation() -> None:
    """Else it is thought to be the agent's own examples; both are said."""
    for is_part in (True, False):
        time = Timeline()
        time.agent("Now?")
        time.model([SYSTEM, user("Earlier"), says("Yes"), user("Now?")], says("No"))
        imported = built(time.trace(), is_part=is_part)
        assert imported.replay.context == ([user("Earlier"), says("Yes")] if is_part else None)
        assert len(imported.notes.guessed) == 1


def test_the_agent_may_speak_first() -> None:
    """A turn without an input, which is not played."""
    time = Timeline()
    time.model([SYSTEM], says("Hello, how can I help?"))
    greeting = time.trace()
    time.model([SYSTEM, says("Hello, how can I help?"), user("Hi")], says("Yes?"))
    first, second = replay_of(greeting, time.trace()).turn_list
    assert (first.is_played, first.output, second.input) == (False, "Hello, how can I help?", "Hi")


def test_how_a_turn_ended() -> None:
    """The agent raised, or nobody knows."""
    time = Timeline()
    time.agent("Hi", error=ErrorSpec(type="KeyError", message="'x'"))
    time.model([user("Hi")], asks((None, "f", {})))
    replay = replay_of(time.trace())
    assert replay.error == ErrorSpec(type="KeyError", message="'x'")
    assert not replay.turn_list[0].given("output")
    time.agent("Hi", ended=None)
    imported = built(time.trace())
    assert imported.replay.ended == "cut"
    assert any("no end" in note for note in imported.notes.lost)


# -- what is missing, cut or redacted


@pytest.mark.parametrize("hidden", ["__REDACTED__", "[Scrubbed due to 'session']"])
def test_a_redacted_result_is_not_served(hidden: str) -> None:
    """What the model was told stands for it; without that there is no recording."""
    [response] = replay_of(finished(one_call(args={"x": 1}, result=hidden)).trace()).tool_responses
    assert response.response == "7"
    imported = built(one_call(args={"x": 1}, result=hidden).trace())
    assert imported.replay.tool_responses == []
    assert imported.notes.lost


def test_a_redacted_argument_need_not_match() -> None:
    """It is left out, and the file says so."""
    time = Timeline()
    time.tool("f", {"x": 1, "auth": "__REDACTED__"}, "7")
    time.model([user("?")], says("7"))
    imported = built(time.trace())
    assert imported.replay.tool_responses[0].args == {"x": 1}
    assert imported.notes.lost["values that the source redacted"] == 1


def test_a_redacted_answer_is_no_baseline() -> None:
    """Neither it nor the model's answers are recorded."""
    time = Timeline()
    time.agent("Hi", "__REDACTED__")
    time.model([user("Hi")], says("__REDACTED__"))
    replay = replay_of(time.trace())
    assert (replay.given("output"), replay.llm_responses) == (False, None)


def test_a_redacted_request_has_no_digest() -> None:
    """It would never be met again."""
    time = Timeline()
    time.agent("Hi")
    time.model([SYSTEM, user("__REDACTED__")], says("Yes"))
    [answer] = replay_of(time.trace()).llm_responses or []
    assert answer.request is not None
    assert (answer.request.messages, answer.request.system is not None) == (None, True)


def test_a_request_of_which_the_text_is_not_known_has_no_digest() -> None:
    """The source has a tool's result as data: how it was written to the model, nobody knows."""
    _, answer = replay_of(finished(one_call(args={"x": 1}), {"found": [7]}).trace()).llm_responses or []
    assert answer.request is not None
    assert answer.request.messages is None
    parts = [{"type": "text", "text": "7"}]
    _, answer = replay_of(finished(one_call(args={"x": 1}), parts).trace()).llm_responses or []
    assert answer.request is not None
    assert answer.request.messages is not None


def test_an_error_that_is_not_told_is_the_text_that_the_model_saw() -> None:
    """So that the agent is told the same."""
    time = one_call(args={"x": 1}, error=(None, "Tool execution failed. Error details are redacted."))
    [response] = replay_of(finished(time, "An error occurred while running the tool.").trace()).tool_responses
    assert (response.response, response.failed, response.error) == (
        "An error occurred while running the tool.",
        True,
        None,
    )


def test_a_failure_hidden_in_a_result_is_marked() -> None:
    """The transport succeeded, the tool did not."""
    [response] = replay_of(finished(one_call(args={"x": 1}, result={"success": False})).trace()).tool_responses
    assert response.failed


def test_without_the_content_of_all_answers_none_is_recorded() -> None:
    """A part of them would be given out at the wrong place."""
    time = finished(one_call(args={"x": 1}, result="7"))
    model = time.spans[0].what
    assert isinstance(model, Model)
    model.answer = None
    imported = built(time.trace())
    assert imported.replay.llm_responses is None
    assert any("model answers" in note for note in imported.notes.lost)


def test_a_failed_model_call_is_recorded_with_its_status() -> None:
    """The agent may have tried again."""
    time = Timeline()
    time.model(
        [user("Hi")],
        None,
        error=ErrorSpec(type="openai.RateLimitError", message="slow down", attributes={"status_code": 429}),
    )
    time.model([user("Hi")], says("Yes"))
    failed, answer = replay_of(time.trace()).llm_responses or []
    assert (failed.status, answer.content) == (429, "Yes")


@pytest.mark.parametrize("first", [None, [user("__REDACTED__")]])
def test_a_session_without_words_is_refused(first: Any) -> None:
    """With the reason."""
    time = Timeline()
    time.model(first, says("Yes"))
    with pytest.raises(SessionProblem, match="what the user said is not in the source"):
        built(time.trace())


def test_an_empty_session_is_refused() -> None:
    """There is nothing to play."""
    with pytest.raises(SessionProblem, match="nothing to play"):
        built(Timeline().trace())


def test_a_turn_without_words_ends_the_session() -> None:
    """The turns before it can be played."""
    time = Timeline()
    time.model([user("Hi")], says("Yes"))
    first = time.trace()
    time.model([user("__REDACTED__")], says("No"))
    imported = built(first, time.trace())
    assert [turn.input for turn in imported.replay.turn_list] == ["Hi"]
    assert any("turns from the first on" in note for note in imported.notes.lost)


def test_labels_are_kept() -> None:
    """Name, tags, metadata, scores, what was wrong."""
    time = Timeline()
    time.model([user("Hi")], says("Yes"))
    replay = replay_of(
        time.trace(scores={"helpful": 0}), name="N", tags=["a", "a"], metadata={"tier": "gold"}, scores={"user": 0},
        remarks=["made it up"], expected_failure="It made up a figure",
    )  # fmt: skip
    assert (replay.name, replay.tags, replay.metadata) == ("N", ["a"], {"tier": "gold"})
    assert replay.scores == {"helpful": 0, "user": 0}
    assert (replay.notes, replay.expected_failure) == ("made it up", "It made up a figure")


def test_spans_without_times_keep_their_order() -> None:
    """`order` decides."""
    spans = [
        Span("a", Model(messages=[user("?")], answer=asks(("c1", "f", {"x": 1}))), order=1),
        Span("c", Model(messages=[user("?"), asks(("c1", "f", {"x": 1})), told("c1", "7")], answer=says("7")), order=3),
    ]
    run = session(Timeline().trace())
    run.traces[0].spans = spans[::-1]
    from pytest_agent_replay.sources.building import build_session

    replay = build_session(run).replay
    assert (replay.output, replay.tool_responses[0].response) == ("7", "7")


# -- what cannot be


def test_spans_inside_of_themselves_are_taken_out() -> None:
    """Else a circle of parents would keep them out of the tree, and nobody would know."""
    time = Timeline()
    outer = time.agent("?")
    inner = time.agent(parent_id=outer.id)
    outer.parent_id = inner.id
    time.model([user("?")], asks(("c1", "f", {"x": 1})))
    time.tool("f", {"x": 1}, "7")
    imported = built(time.trace())
    assert len(imported.replay.tool_responses) == 1
    assert len(imported.replay.llm_responses or ()) == 1
    assert any("inside of themselves" in note for note in imported.notes.guessed)


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1e18, 1e30])
def test_a_time_that_cannot_be_is_none(moment: float) -> None:
    """And the session is imported without it."""
    time = finished(one_call(args={"x": 1}, result="7"))
    for span in time.spans:
        span.started = moment
    imported = built(time.trace(started=moment))
    assert imported.replay.captured_at is None
    assert imported.notes.lost["times that cannot be"] == 4


# -- calls that are alike


def asked_twice(ids: tuple[str | None, str | None], *args: dict[str, Any]) -> tuple[Timeline, dict[str, Any]]:
    """A turn in which the model asks for two calls of `f` at once."""
    time = Timeline()
    asked = asks((ids[0], "f", args[0]), (ids[1], "f", args[-1]))
    time.model([user("?")], asked)
    return time, asked


def outcomes(time: Timeline, asked: dict[str, Any], *results: Any) -> dict[str | None, Any]:
    """What is recorded of each call, after the model was told these results."""
    calls = asked["tool_calls"]
    told_all = [told(call["id"], result) for call, result in zip(calls, results, strict=True)]
    time.model([user("?"), asked, *told_all], says("."))
    return {
        response.call_id: response.error_spec.message if response.error_spec else response.response
        for response in replay_of(time.trace()).tool_responses
    }


def test_equal_calls_have_the_results_that_were_told() -> None:
    """Their runs ended in another order, and have no ids."""
    time, asked = asked_twice(("a", "b"), {"x": 1})
    time.tool("f", {"x": 1}, "two")
    time.tool("f", {"x": 1}, {"n": 1})
    assert outcomes(time, asked, '{"n": 1}', "two") == {"a": {"n": 1}, "b": "two"}


def test_equal_calls_of_which_nothing_tells_more_are_a_guess() -> None:
    """In the order of their runs, and the file says so."""
    time, _ = asked_twice(("a", "b"), {"x": 1})
    time.tool("f", {"x": 1}, "one")
    time.tool("f", {"x": 1}, "two")
    assert any("equal tool calls" in note for note in built(time.trace()).notes.guessed)


def test_arguments_that_look_the_same_are_not_equal() -> None:
    """The text is not the number, where there are both."""
    time, asked = asked_twice(("a", "b"), {"x": "1"}, {"x": 1})
    time.tool("f", {"x": 1}, "number")
    time.tool("f", {"x": "1"}, "text")
    assert outcomes(time, asked, "?", "!") == {"a": "text", "b": "number"}


def test_another_try_is_no_run_of_an_equal_call() -> None:
    """That one was not traced: what it gave is what the model was told."""
    time, asked = asked_twice(("a", "b"), {"x": 1})
    time.tool("f", {"x": 1, "unit": "eur"}, error=("TimeoutError", "slow"))
    time.tool("f", {"x": 1, "unit": "eur"}, "two")
    assert outcomes(time, asked, "one", "two") == {"a": "one", None: "slow", "b": "two"}


def test_a_run_with_the_id_of_one_call_is_of_no_other() -> None:
    """However equal they are."""
    time, asked = asked_twice(("a", "b"), {"x": 1})
    time.tool("f", {"x": 1}, error=("TimeoutError", "slow"), call_id="a")
    time.tool("f", {"x": 1}, error=("TimeoutError", "slower"), call_id="a")
    assert outcomes(time, asked, "?", "two")["b"] == "two"


def test_runs_without_arguments_go_by_what_was_told() -> None:
    """Among several calls of a tool."""
    time, asked = asked_twice(("a", "b"), {"x": 1}, {"x": 2})
    time.tool("f", None, "two")
    time.tool("f", None, "one")
    assert outcomes(time, asked, "one", "two") == {"a": "one", "b": "two"}


def test_tries_have_the_arguments_of_the_model() -> None:
    """Not those that the signature added: they are to be found by what the agent asks for."""
    time = one_call(args={"x": 1, "unit": "eur"}, error=("TimeoutError", "slow"))
    time.tool("f", {"x": 1, "unit": "eur"}, "7")
    responses = replay_of(finished(time).trace()).tool_responses
    assert [(response.args, response.is_failure) for response in responses] == [({"x": 1}, True), ({"x": 1}, False)]


def test_another_try_is_no_run_of_a_call_with_other_arguments() -> None:
    """Though that one was not traced."""
    time, asked = asked_twice(("a", "b"), {"x": 1}, {"x": 2})
    time.tool("f", {"x": 2}, error=("TimeoutError", "slow"))
    time.tool("f", {"x": 2}, "two")
    assert outcomes(time, asked, "one", "two") == {"a": "one", None: "slow", "b": "two"}


def test_another_try_without_arguments_is_no_run_of_another_call() -> None:
    """That one was not traced, and the model was told something else of it."""
    time, asked = asked_twice(("a", "b"), {"x": 1}, {"x": 2})
    time.tool("f", None, error=("TimeoutError", "slow"))
    time.tool("f", None, "two")
    assert outcomes(time, asked, "one", "two") == {"a": "one", None: "slow", "b": "two"}
