"""Anthropic transcripts as replay files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.llm.anthropic_messages import anthropic_messages
from pytest_agent_replay.llm.digest import request_digests
from tests.sources.reading import Reading


def use(call_id: str, name: str, **given: Any) -> dict[str, Any]:
    """A call in the model's answer."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id: str, content: Any, **more: Any) -> dict[str, Any]:
    """What a tool gave."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def user(content: Any) -> dict[str, Any]:
    """What the user says, or the tools."""
    return {"role": "user", "content": content}


def model(*content: Any) -> dict[str, Any]:
    """What the model answers."""
    return {"role": "assistant", "content": list(content)}


TIMEOUT = "PaymentError: payment gateway timeout"
REFUND = [
    user("I want a refund for order ORD-1001, my customer id is C-77."),
    model(
        {"type": "thinking", "thinking": "Two lookups.", "signature": "c2ln"},
        text("Let me look."),
        use("t1", "get_order", order_id="ORD-1001"),
        use("t2", "get_customer", customer_id="C-77"),
    ),
    user([result("t2", [text("jane")]), result("t1", '{"total_cents": 4599}')]),
    model(use("t3", "issue_refund", order_id="ORD-1001", amount_cents=4599)),
    user([result("t3", TIMEOUT, is_error=True)]),
    model(text("Good news, your refund of $45.99 has been issued.")),
    user("I still do not see it."),
    model(use("t4", "issue_refund", order_id="ORD-1001", amount_cents=4599, retry=True)),
    user([result("t4", '{"refund_id": "RF-9"}')]),
    model(text("It went through now, reference RF-9.")),
]
TOOLS = [{"name": "get_order", "description": "Looks up.", "input_schema": {"type": "object"}}]
REQUEST = {"model": "claude-sonnet-4-5", "system": "Be brief.", "tools": TOOLS, "max_tokens": 99, "messages": REFUND}


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """The source with a folder of its own."""
    return Reading("anthropic", tmp_path)


def test_the_refund_is_two_turns_with_one_failure(reading: Reading) -> None:
    """Calls by the model's order, results by their ids, the flag of the failure, and the false claim as the output."""
    session = reading.one(REQUEST, "refund.json")
    replay = session.replay
    assert (session.wish, replay.context) == ("refund", "Be brief.")
    assert replay.agent_config == {"model": "claude-sonnet-4-5"}
    first, second = replay.turn_list
    assert first.input == "I want a refund for order ORD-1001, my customer id is C-77."
    assert [(r.tool, r.args, r.response, r.call_id, r.failed) for r in first.tool_responses] == [
        ("get_order", {"order_id": "ORD-1001"}, '{"total_cents": 4599}', "t1", False),
        ("get_customer", {"customer_id": "C-77"}, "jane", "t2", False),
        ("issue_refund", {"order_id": "ORD-1001", "amount_cents": 4599}, TIMEOUT, "t3", True),
    ]  # fmt: skip
    assert first.output == "Good news, your refund of $45.99 has been issued."
    [retry] = second.tool_responses
    assert (retry.args, retry.failed) == ({"order_id": "ORD-1001", "amount_cents": 4599, "retry": True}, False)
    assert second.output == "It went through now, reference RF-9."
    assert session.notes.guessed == {}


def test_answers_keep_thoughts_and_their_request_is_what_a_loop_sends(reading: Reading) -> None:
    """Each answer has its blocks in order, and the digests of the messages before it."""
    answers = [answer for turn in reading.replay(REQUEST).turn_list for answer in turn.llm_responses or []]
    assert [len(answer.tool_calls) for answer in answers] == [2, 1, 0, 1, 0]
    assert answers[0].reasoning == "Two lookups."
    assert answers[0].content == [
        {"type": "thinking", "thinking": "Two lookups.", "signature": "c2ln"},
        {"type": "text", "text": "Let me look."},
    ]
    asked = [REFUND[:index] for index, message in enumerate(REFUND) if message["role"] == "assistant"]
    tools = [{"name": "get_order", "description": "Looks up.", "parameters": {"type": "object"}}]
    expected = [
        request_digests(anthropic_messages({"system": "Be brief.", "messages": before}), tools=tools)
        for before in asked
    ]
    assert [answer.request for answer in answers] == expected


def test_what_a_list_of_messages_cannot_know_is_not_compared(reading: Reading) -> None:
    """Without the request's body, neither the system prompt nor the tools are known."""
    session = reading.one(REFUND)
    answer = (session.replay.turn_list[0].llm_responses or [])[0]
    assert answer.request is not None
    assert (answer.request.system, answer.request.tools) == (None, None)
    assert sorted(line.partition(" ")[2][:13] for line in session.notes.lost) == [
        "system prompt", "tools returne", "tools that th",
    ]  # fmt: skip


@pytest.mark.parametrize(("beside", "is_known"), [({"max_tokens": 99}, True), ({"id": "s-1", "model": "m"}, False)])
def test_an_object_without_a_system_prompt(reading: Reading, beside: dict[str, Any], is_known: bool) -> None:
    """A request's body tells that none was sent; what an app stores of a session does not."""
    session = reading.one({**beside, "messages": REFUND})
    assert {
        answer.request.system is not None
        for turn in session.replay.turn_list
        for answer in turn.llm_responses or []
        if answer.request
    } == {is_known}
    assert ("the system prompt is not in the transcript: it is not compared" in session.notes.lost) is not is_known


def test_hosted_tools_are_no_recordings(reading: Reading) -> None:
    """A search of the provider stands in the model's answer, and is said."""
    search = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
    ]
    session = reading.one([user("?"), model(*search, text("Found."))])
    [turn] = session.replay.turn_list
    assert (turn.tool_responses, turn.output) == ([], "Found.")
    [answer] = turn.llm_responses or []
    assert [part["type"] for part in answer.content] == ["own", "own", "text"]
    assert any("own tools" in line for line in session.notes.lost)


def test_an_error_without_a_flag_is_found_in_the_text(reading: Reading) -> None:
    """`is_error` is absent, but the result says that it failed."""
    turn = reading.replay([user("?"), model(use("t", "f")), user([result("t", '{"success": false}')])]).turn_list[0]
    assert (turn.tool_responses[0].failed, turn.ended) == (True, "after_tool")


def test_calls_that_never_ran_are_left_out_of_the_answer(reading: Reading) -> None:
    """Their place in the blocks too, which name calls by number."""
    messages = [
        user("?"),
        model(use("a", "f"), text("and"), use("b", "g", x=1)),
        user([result("b", "2")]),
        model(text("Done")),
    ]
    session = reading.one(messages)
    [turn] = session.replay.turn_list
    asking = (turn.llm_responses or [])[0]
    assert [call.name for call in asking.tool_calls] == ["g"]
    assert asking.content == "and"
    assert [recorded.tool for recorded in turn.tool_responses] == ["g"]


def test_results_and_words_in_one_message(reading: Reading) -> None:
    """The tool's result ends one turn, and what the user says beside it begins the next."""
    messages = [user("?"), model(use("t", "f")), user([result("t", "1"), text("Stop!")]), model(text("Stopped."))]
    first, second = reading.replay(messages).turn_list
    assert (first.ended, second.input, second.output) == ("after_tool", "Stop!", "Stopped.")


def test_marks_for_the_cache_are_no_content(reading: Reading) -> None:
    """They move from request to request."""
    marked = {**text("Hi"), "cache_control": {"type": "ephemeral"}}
    image = {"type": "image", "source": {"type": "url", "url": "https://x.invalid/a.png"}}
    replay = reading.replay([user([marked, image]), model(text("Hello"))])
    assert replay.input == [text("Hi"), image]


def pair(messages: list[Any], answer: list[Any], **more: Any) -> dict[str, Any]:
    """A request with its response, as proxies log them."""
    response: dict[str, Any] = {
        "type": "message",
        "role": "assistant",
        "content": answer,
        "model": "claude-sonnet-4-5-20250929",
    }
    response |= {"stop_reason": "end_turn", "usage": {"input_tokens": 10, "output_tokens": 3}}
    return {"request": {**REQUEST, "messages": messages}, "response": response, **more}


def test_requests_that_repeat_a_conversation_are_one_session(reading: Reading) -> None:
    """Two conversations that begin alike are told apart by the answers; times and usage are those of each request."""
    begin = [user("Hi")]
    log = [
        pair(begin, [text("One")], timestamp="2026-02-15T09:12:00Z", duration_ms=250),
        pair(begin, [text("Two")]),
        pair([*begin, {"role": "assistant", "content": "One"}, user("And?")], [text("More of one")]),
        pair([*begin, model(text("Two")), user("Well?")], [text("More of two")]),
    ]
    sessions = reading.read(reading.file(log, "log.jsonl"))
    assert reading.importing.problems == []
    outputs = [[turn.output for turn in session.replay.turn_list] for session in sessions]
    assert outputs == [["One", "More of one"], ["Two", "More of two"]]
    first = sessions[0].replay
    assert (first.captured_at, first.turn_list[0].started_at) == ("2026-02-15T09:12:00Z", "2026-02-15T09:12:00Z")
    answer = (first.turn_list[0].llm_responses or [])[0]
    assert answer.usage is not None
    assert (answer.model, answer.latency_ms, answer.usage.input_tokens) == ("claude-sonnet-4-5-20250929", 250, 10)


def test_an_entry_of_a_log_that_is_no_exchange_is_a_problem(reading: Reading) -> None:
    """The others are imported."""
    sessions = reading.read(reading.file([pair([user("Hi")], [text("One")]), {"request": {}, "response": None}]))
    assert len(sessions) == 1
    assert "entry 2" in reading.importing.problems[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([{"role": "narrator", "content": "x"}], "no message of the user or the assistant"),
        ([user(5)], "neither text nor a list of blocks"),
        ([user("?"), model({"type": "text"})], "not the documented form"),
        ({"messages": "x"}, "needs a list `messages`"),
        ([user("[REDACTED]"), model(text("Hello"))], "was redacted in the source"),
    ],
)
def test_what_cannot_be_imported_says_why(reading: Reading, data: Any, reason: str) -> None:
    """In one line."""
    assert reason in reading.problem(data)


def test_what_was_redacted_is_no_expected_value(reading: Reading) -> None:
    """Not as an argument, a result, an answer, or what a request is compared with."""
    session = reading.one(
        [
            user("Log me in"),
            model(use("t", "login", user="jane", password="[REDACTED]"), use("u", "token")),
            user([result("t", "fine"), result("u", "***")]),
            model(text("Done")),
        ]
    )
    [turn] = session.replay.turn_list
    [recorded] = turn.tool_responses
    assert (recorded.tool, recorded.args, turn.llm_responses) == ("login", {"user": "jane"}, None)
    assert any(line.startswith("all model answers") for line in session.notes.lost)
    assert "REDACTED" not in str(session.replay)
    assert "***" not in str(session.replay)


def test_only_its_own_files_are_recognised(reading: Reading, tmp_path: Path) -> None:
    """Blocks, a system prompt beside the messages, or exchanges; plain texts are anybody's."""
    plain = [user("Hi"), {"role": "assistant", "content": "Hello"}]
    assert reading.knows(REFUND)
    assert reading.knows({"system": "Be brief.", "messages": plain})
    assert reading.knows([{"messages": REFUND}, {"messages": plain}])
    assert reading.knows(REFUND, "log.jsonl")
    assert reading.knows([pair([user("Hi")], [text("One")])], "pairs.jsonl")
    chat = Reading("openai-chat", tmp_path)
    for other in (plain, {"messages": plain}, [{"messages": plain}]):
        assert not reading.knows(other)
        assert chat.knows(other)
    assert not chat.knows(REFUND)
    assert not chat.knows({"system": "Be brief.", "messages": plain})
    assert not reading.knows([{"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}])
    assert not reading.knows({"spans": []})


def test_a_file_that_cannot_be_read_stops_only_when_it_is_alone(reading: Reading) -> None:
    """Among others, it is a problem."""
    broken, good = reading.file(b"{", "broken.json"), reading.file(REQUEST, "good.json")
    with pytest.raises(FormatError, match=r"broken\.json"):
        reading.read(broken)
    assert [session.wish for session in reading.read(broken, good)] == ["good"]
    assert "broken.json" in reading.importing.problems[0]
