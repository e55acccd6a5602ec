"""Conversations of the OpenAI Agents SDK: items, its database, traces, and items with traces."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import FormatError, ReplayError
from tests.sources.reading import Reading

DATA = Path(__file__).parents[3] / "shared" / "data" / "traces" / "openai_agents"
REDACTED = "An error occurred while running the tool. Please try again."
CLAIM = "Good news, your refund of $45.99 has been issued."


def call(call_id: str, name: str, **given: Any) -> dict[str, Any]:
    """An item with a call."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": json.dumps(given), "id": "fc"}


def output(call_id: str, result: Any) -> dict[str, Any]:
    """An item with a result."""
    return {"type": "function_call_output", "call_id": call_id, "output": result}


def says(text: str) -> dict[str, Any]:
    """An item with what the model says."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "id": "msg", "status": "completed", "content": content}


def user(text: Any) -> dict[str, Any]:
    """An item with what the user says."""
    return {"role": "user", "content": text}


ITEMS = [
    user("I want a refund for ORD-1001."),
    {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Look first."}]},
    call("c1", "get_order", order_id="ORD-1001"),
    call("c2", "get_customer", customer_id="C-77"),
    output("c1", "{'total_cents': 4599}"),
    output("c2", [{"type": "input_text", "text": "jane"}]),
    call("c3", "issue_refund", amount_cents=4599),
    output("c3", REDACTED),
    says(CLAIM),
    user("I do not see it."),
    call("c4", "issue_refund", amount_cents=4599, retry=True),
    output("c4", "{'refund_id': 'RF-9'}"),
    says("It went through now."),
]


class Trace:
    """One run as the SDK's exporter sends it."""

    def __init__(self, number: int, group: str | None = "thread-1") -> None:
        self.id = f"trace_{number}"
        self.begin = number * 100
        self.steps = 0
        self.objects: list[dict[str, Any]] = [
            {
                "object": "trace",
                "id": self.id,
                "workflow_name": "Refunds",
                "group_id": group,
                "metadata": {"tier": "gold"},
            }
        ]
        self.span({"type": "custom", "name": "task", "data": {}}, 0, 50)
        self.span({"type": "agent", "name": "refund_agent", "tools": ["get_order"], "handoffs": []}, 0, 50)

    def span(self, data: dict[str, Any], begin: int, end: int, error: Any = None) -> None:
        """A span; the first is the parent of all."""
        self.steps += 1
        self.objects.append(
            {
                "object": "trace.span",
                "id": f"{self.id}_{self.steps}",
                "trace_id": self.id,
                "parent_id": f"{self.id}_1" if self.steps > 1 else None,
                "started_at": self.time(begin),
                "ended_at": self.time(end),
                "span_data": data,
                "error": error,
            }
        )

    def time(self, seconds: int) -> str:
        """Seconds after the beginning of the run."""
        total = self.begin + seconds
        return f"2026-11-21T09:{total // 60:02}:{total % 60:02}.000000+00:00"

    def response(self, begin: int, end: int) -> None:
        """A call of the responses API, which has no content."""
        usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
        self.span({"type": "response", "response_id": "resp", "usage": usage}, begin, end)

    def tool(self, begin: int, end: int, name: str, result: str | None, error: Any = None, **given: Any) -> None:
        """A run of a tool."""
        data = {"type": "function", "name": name, "input": json.dumps(given), "output": result, "mcp_data": None}
        self.span(data, begin, end, error)


def failure(text: str) -> dict[str, Any]:
    """How a span tells that its tool raised."""
    return {"message": "Error running tool (non-fatal)", "data": {"tool_name": "t", "error": text}}


def traces(group: str | None = "thread-1") -> list[dict[str, Any]]:
    """The two runs of the conversation; spans before their trace, as an exporter may send them."""
    first, second = Trace(1, group), Trace(3, group)
    first.response(1, 2)
    first.tool(2, 5, "get_customer", "jane", customer_id="C-77")
    first.tool(2, 3, "get_order", "{'total_cents': 4599}", order_id="ORD-1001")
    first.response(5, 6)
    redacted = failure("Tool execution failed. Error details are redacted.")
    first.tool(6, 8, "issue_refund", REDACTED, redacted, amount_cents=4599)
    first.response(8, 9)
    second.response(1, 2)
    second.tool(2, 6, "issue_refund", "{'refund_id': 'RF-9'}", amount_cents=4599, retry=True)
    second.response(6, 7)
    return [*second.objects[1:], *first.objects[1:], first.objects[0], second.objects[0]]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """The source with a folder of its own."""
    return Reading("openai-agents", tmp_path)


def test_items_are_two_turns_with_one_failure(reading: Reading) -> None:
    """Results stay the text that the model saw, however it looks; the redacted error is one."""
    session = reading.one(ITEMS, "session_items.json")
    first, second = session.replay.turn_list
    assert [(r.tool, r.args, r.response, r.call_id, r.failed) for r in first.tool_responses] == [
        ("get_order", {"order_id": "ORD-1001"}, "{'total_cents': 4599}", "c1", False),
        ("get_customer", {"customer_id": "C-77"}, "jane", "c2", False),
        ("issue_refund", {"amount_cents": 4599}, REDACTED, "c3", True),
    ]
    assert (first.input, first.output) == ("I want a refund for ORD-1001.", CLAIM)
    assert [(r.args, r.failed) for r in second.tool_responses] == [({"amount_cents": 4599, "retry": True}, False)]
    assert second.output == "It went through now."


def test_answers_are_the_items_between_inputs(reading: Reading) -> None:
    """With their thoughts; instructions and tools are not known, so they are not compared."""
    session = reading.one(ITEMS)
    answers = session.replay.turn_list[0].llm_responses or []
    assert [([call.name for call in answer.tool_calls], answer.reasoning) for answer in answers] == [
        (["get_order", "get_customer"], "Look first."),
        (["issue_refund"], None),
        ([], None),
    ]
    assert answers[0].request is not None
    assert answers[0].request.messages is not None
    assert (answers[0].request.system, answers[0].request.tools) == (None, None)
    assert sum("not compared" in line for line in session.notes.lost) == 2


def test_the_digests_are_those_of_a_request_of_the_responses_api(reading: Reading) -> None:
    """The SDK sends the items again, which is read as the same conversation."""
    from pytest_agent_replay.llm.digest import digests
    from pytest_agent_replay.llm.recognise import recognise
    from pytest_agent_replay.player.http import HttpRequest

    body = json.dumps({"model": "gpt-5", "instructions": "Be nice.", "input": ITEMS[:9] + ITEMS[9:10]}).encode()
    request = recognise(HttpRequest("httpx", "POST", "https://api.openai.com/v1/responses", (), body))
    assert request is not None
    answer = (reading.replay(ITEMS).turn_list[1].llm_responses or [])[0]
    assert answer.request is not None
    assert answer.request.messages == digests(request).messages


def test_handoffs_are_no_tools(reading: Reading) -> None:
    """They stay in the model's answers; a tool that only has such a name is one."""
    session = reading.one(
        [
            user("Sell me something"),
            call("h1", "transfer_to_sales"),
            output("h1", '{"assistant": "sales"}'),
            call("h2", "transfer_to_human_agents", summary="x"),
            output("h2", "Transfer successful"),
            call("h3", "transfer_to_account", cents=5),
            output("h3", '{"ok": true}'),
            says("Done."),
        ]
    )
    [turn] = session.replay.turn_list
    assert [recorded.tool for recorded in turn.tool_responses] == ["transfer_to_human_agents", "transfer_to_account"]
    assert [[call.name for call in answer.tool_calls] for answer in turn.llm_responses or []] == [
        ["transfer_to_sales"],
        ["transfer_to_human_agents"],
        ["transfer_to_account"],
        [],
    ]
    assert any(line.startswith("handoffs") for line in session.notes.guessed)


def test_hosted_and_built_in_tools_are_said(reading: Reading) -> None:
    """The provider's search stands in the answer; a computer's screen is no recording."""
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "x"}}
    screen = {"type": "computer_call_output", "call_id": "k", "output": {"type": "computer_screenshot"}}
    session = reading.one([user("?"), search, says("Found."), screen, {"type": "item_reference", "id": "x"}])
    assert session.replay.output == "Found."
    assert len([line for line in session.notes.lost if "tools" in line or "items that stand" in line]) == 4


def test_items_and_traces_are_joined(reading: Reading) -> None:
    """The items give the content; the trace gives times, errors, token counts and what the trace says of itself."""
    items, exported = reading.file(ITEMS, "items.json"), reading.file(traces(), "spans.json")
    [session] = reading.read(items, exported)
    replay = session.replay
    assert reading.importing.problems == []
    assert replay.captured_at == "2026-11-21T09:01:40Z"
    first, second = replay.turn_list
    assert [(r.tool, r.latency_ms, r.failed) for r in first.tool_responses] == [
        ("get_order", 1000, False),
        ("get_customer", 3000, False),
        ("issue_refund", 2000, True),
    ]
    assert (second.started_at, [r.latency_ms for r in second.tool_responses]) == ("2026-11-21T09:05:00Z", [4000])
    answers = first.llm_responses or []
    assert [(answer.latency_ms, answer.usage and answer.usage.total_tokens) for answer in answers] == [(1000, 12)] * 3
    assert replay.metadata == {"group_id": "thread-1", "tier": "gold", "workflow_name": "Refunds"}
    assert replay.source == reading.read(items)[0].replay.source
    assert replay.agent_config == {"agents": [{"name": "refund_agent", "tools": ["get_order"]}]}
    assert session.notes.guessed == {}


def test_a_trace_of_another_conversation_is_not_joined(reading: Reading) -> None:
    """Nobody's times are better than another's."""
    other = [user("?"), call("c", "get_order", order_id="ORD-2"), output("c", "x"), says("Done")]
    [session] = reading.read(reading.file(other, "items.json"), reading.file(traces(), "spans.json"))
    assert session.replay.captured_at is None
    assert "none has just these tool calls" in reading.importing.notes[0]
    assert "thread-1" in reading.importing.problems[0]


def test_a_trace_that_could_be_of_several_conversations_is_not_joined(reading: Reading) -> None:
    """Unless the session's id is the group's."""
    exported = reading.file([*traces("a"), *renamed(traces("b"))], "spans.json")
    [session] = reading.read(reading.file(ITEMS, "items.json"), exported)
    assert session.replay.captured_at is None
    assert "several have just these tool calls" in reading.importing.notes[0]
    session = reading.read(reading.file({"session_id": "b", "items": ITEMS}, "items.json"), exported)[0]
    assert session.replay.metadata["group_id"] == "b"


def renamed(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same runs under other ids."""
    return [
        json.loads(json.dumps(each).replace("trace_1", "trace_5").replace("trace_3", "trace_7")) for each in objects
    ]


def test_model_times_need_as_many_model_calls(reading: Reading) -> None:
    """A guardrail's model, say, is among the spans: then only the tools have times, and the file says so."""
    objects = traces()
    more = {**objects[2], "id": "more"}
    assert more["span_data"]["type"] == "response"
    [session] = reading.read(reading.file(ITEMS, "items.json"), reading.file([*objects, more], "spans.json"))
    [first, _] = session.replay.turn_list
    assert [answer.latency_ms for answer in first.llm_responses or []] == [None] * 3
    assert [recorded.latency_ms for recorded in first.tool_responses] == [1000, 3000, 2000]
    assert any(line.startswith("times and token counts") for line in session.notes.lost)


def test_a_trace_around_a_conversation_has_a_turn_per_run(reading: Reading) -> None:
    """The SDK marks each run with a task, also when one trace is around several."""
    objects = json.loads(json.dumps(traces()).replace("trace_3_", "run_").replace('"trace_3"', '"trace_1"'))
    words = ("--input", "One", "--input", "Two")
    first, second = reading.replay(objects, "spans.json", *words).turn_list
    assert (len(first.tool_responses), len(second.tool_responses)) == (3, 1)


def test_a_trace_without_content_says_what_is_missing(reading: Reading) -> None:
    """And what would help."""
    problem = reading.problem(traces(), "spans.json")
    assert problem.startswith("thread-1: ")
    assert "Session.get_items()" in problem
    assert "--input TEXT" in problem


def test_a_trace_without_content_can_be_told_what_the_user_said(reading: Reading) -> None:
    """Then its tools are played; the model is asked anew."""
    words = ("--input", "I want a refund.", "--input", "I do not see it.")
    session = reading.one({"data": traces()}, "ingest.json", *words)
    first, second = session.replay.turn_list
    assert (first.input, second.input) == ("I want a refund.", "I do not see it.")
    assert [(r.tool, r.failed) for r in first.tool_responses] == [
        ("get_customer", False), ("get_order", False), ("issue_refund", True),
    ]  # fmt: skip
    assert first.tool_responses[2].response == REDACTED
    assert (first.llm_responses, first.given("output")) == (None, False)
    assert "2 turns" in reading.problem(traces(), "spans.json", "--input", "one")


def test_one_conversation_of_many_traces(reading: Reading) -> None:
    """`--group` takes it by its group, or by its trace where it has no group."""
    objects = [*traces("thread-1"), *Trace(9, None).objects]
    assert reading.read(reading.file(objects, "a.jsonl"), "--group", "trace_9") == []
    assert [problem.partition(":")[0] for problem in reading.importing.problems] == ["trace_9"]
    with pytest.raises(ReplayError, match="nobody"):
        reading.read(reading.file(objects, "a.jsonl"), "--group", "nobody")


def chat_trace(**error: Any) -> list[dict[str, Any]]:
    """A run with a chat completions model, whose spans have content."""
    trace = Trace(1)
    asked = [{"role": "system", "content": "Be nice."}, {"role": "user", "content": "Refund!"}]
    wanted = [{"id": "c1", "type": "function", "function": {"name": "issue_refund", "arguments": '{"cents": 1}'}}]
    asking = {"role": "assistant", "content": None, "tool_calls": wanted}
    told = {"role": "tool", "tool_call_id": "c1", "content": "failed, sorry"}
    generation = {
        "type": "generation",
        "model": "gpt-4o",
        "model_config": {"temperature": 0, "base_url": "https://u:p@x"},
    }
    trace.span({**generation, "input": asked, "output": [asking], "usage": {"input_tokens": 3}}, 1, 2)
    trace.tool(2, 3, "issue_refund", "failed, sorry", error or None, cents=1)
    trace.span(
        {**generation, "input": [*asked, asking, told], "output": [{"role": "assistant", "content": "Done."}]}, 3, 5
    )
    return trace.objects


def test_a_trace_with_content_is_a_session(reading: Reading) -> None:
    """Texts, system prompt, model and settings come from it; where the model was is not kept."""
    replay = reading.replay(chat_trace(), "spans.jsonl")
    [turn] = replay.turn_list
    assert (turn.input, turn.output) == ("Refund!", "Done.")
    assert [answer.latency_ms for answer in turn.llm_responses or []] == [1000, 2000]
    assert replay.agent_config is not None
    assert (replay.agent_config["model"], replay.agent_config["temperature"]) == ("gpt-4o", 0)
    assert "u:p" not in str(replay)


def test_an_error_that_the_trace_tells_is_raised_again(reading: Reading) -> None:
    """The SDK makes the text for the model of it, as it did."""
    [recorded] = reading.replay(chat_trace(**failure("gateway timeout")), "spans.json").turn_list[0].tool_responses
    assert recorded.error_spec is not None
    assert recorded.error_spec.message == "gateway timeout"


def test_a_preview_is_not_the_content(reading: Reading) -> None:
    """The exporter cuts what is too long: nothing of it becomes an expected value."""
    objects = chat_trace()
    for each in objects:
        if each.get("span_data", {}).get("type") == "generation":
            each["span_data"]["output"] = {
                "truncated": True,
                "original_type": "list",
                "preview": "<list len=1 truncated>",
            }
    session = reading.one(objects, "spans.json")
    [turn] = session.replay.turn_list
    assert (turn.llm_responses, turn.given("output")) == (None, False)
    assert "truncated" not in str(session.replay)
    for each in objects:
        if each.get("span_data", {}).get("type") == "generation":
            preview = {"truncated": True, "original_type": "str", "preview": "<str len=200000 truncated>"}
            each["span_data"]["input"] = [{"role": "user", "content": preview}]
    assert "not what the user and the model said" in reading.problem(objects, "spans.json")


def database(path: Path, tables: str = "agent") -> None:
    """What SQLiteSession writes (openai-agents 0.24)."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"CREATE TABLE {tables}_sessions (session_id TEXT PRIMARY KEY, created_at TIMESTAMP)")
        db.execute(
            f"CREATE TABLE {tables}_messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, "
            "message_data TEXT NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
        )
        rows = [("jane", json.dumps(item)) for item in ITEMS]
        rows[3:3] = [("joe", json.dumps(item)) for item in (user("Hi"), says("Hello"))]
        rows += [("jane", "{broken")]
        for second, (session, item) in enumerate(rows):
            db.execute(
                f"INSERT INTO {tables}_messages (session_id, message_data, created_at) VALUES (?, ?, ?)",
                (session, item, f"2026-02-15 09:12:{second:02}"),
            )
        db.commit()


@pytest.mark.parametrize("tables", ["agent", "custom"])
def test_the_sdks_database(reading: Reading, tmp_path: Path, tables: str) -> None:
    """Its sessions in the order in which they began, with times by the second; nothing is written beside it."""
    path = tmp_path / "conversations.db"
    database(path, tables)
    before = sorted(tmp_path.iterdir()), path.read_bytes()
    jane, joe = reading.read(path)
    assert (sorted(tmp_path.iterdir()), path.read_bytes()) == before
    assert [(session.wish, len(session.replay.turn_list)) for session in (jane, joe)] == [("jane", 2), ("joe", 1)]
    assert (jane.replay.captured_at, joe.replay.captured_at) == ("2026-02-15T09:12:00Z", "2026-02-15T09:12:03Z")
    assert jane.replay.turn_list[0].tool_responses[2].failed
    [problem] = reading.importing.problems
    assert "is no JSON" in problem


def test_other_branches_of_a_conversation_are_told(reading: Reading, tmp_path: Path) -> None:
    """What AdvancedSQLiteSession keeps of them is no part of the session, and is counted as lost."""
    path = tmp_path / "conversations.db"
    items = [user("Hi"), says("Hello"), says("Good day"), says("Good evening")]
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE agent_messages (id INTEGER PRIMARY KEY, session_id TEXT, message_data TEXT)")
        db.execute("CREATE TABLE message_structure (message_id INTEGER, branch_id TEXT)")
        for number, item in enumerate(items, 1):
            db.execute("INSERT INTO agent_messages VALUES (?, 'jane', ?)", (number, json.dumps(item)))
            db.execute("INSERT INTO message_structure VALUES (?, ?)", (number, "main" if number < 3 else "other"))
        db.execute("INSERT INTO message_structure VALUES (1, 'other')")
        db.commit()
    [jane] = reading.read(path)
    assert [turn.output for turn in jane.replay.turn_list] == ["Hello"]
    assert jane.notes.lost["items of other branches of the conversation than `main`"] == 2


def test_another_database_is_refused(reading: Reading, tmp_path: Path) -> None:
    """And not recognised."""
    from pytest_agent_replay.sources.json_files import Sample

    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE runs (id TEXT)")
    assert not reading.source.recognises(Sample(path))
    with pytest.raises(FormatError, match="no table with `session_id` and `message_data`"):
        reading.read(path)
    database(tmp_path / "own.db")
    assert reading.source.recognises(Sample(tmp_path / "own.db"))


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([user("?"), {"type": "function_call", "call_id": "c", "arguments": "{}"}, output("c", "x")], "without a name"),
        ([user("?"), says("x"), 5], "item 3 is not an object"),
        ([user("?"), {"id": "x"}], "neither a `type` nor a `role`"),
        (
            [user("?"), {"type": "message", "role": "assistant", "content": [{"type": "output_text"}]}],
            "documented form",
        ),
        ({"items": [{"__enc__": 1, "payload": "…"}]}, "encrypted"),
    ],
)
def test_what_cannot_be_imported_says_why(reading: Reading, items: Any, reason: str) -> None:
    """In one line."""
    assert reason in reading.problem(items)


def test_the_shapes_of_a_file(reading: Reading) -> None:
    """One conversation, one with labels, several, and one item a line."""
    assert reading.replay({"session_id": "s-1", "items": ITEMS, "scores": {"ok": 0}}).scores == {"ok": 0}
    assert [session.wish for session in reading.read(reading.file([ITEMS, ITEMS[:9]]))] == ["log", "log-2"]
    assert len(reading.replay(ITEMS, "items.jsonl").turn_list) == 2


def test_only_its_own_files_are_recognised(reading: Reading, tmp_path: Path) -> None:
    """Items, and traces wherever they lie; chat messages are not."""
    chat = Reading("openai-chat", tmp_path)
    for own in (
        ITEMS,
        {"items": ITEMS},
        [user("Hi"), says("Hello")],
        traces(),
        {"req": [{"body": {"data": traces()}}]},
    ):
        assert reading.knows(own)
        assert not chat.knows(own)
    assert reading.knows(traces(), "a.jsonl")
    assert not reading.knows([user("Hi"), {"role": "assistant", "content": "Hello"}])
    assert not reading.knows({"items": [{"call_id": "x"}]})


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the captured traces in ../shared/data")
def test_the_captured_refund(reading: Reading) -> None:
    """Items and both exports of the real SDK: the same session, and the run that raised, once told what was asked."""
    plain = reading.read(DATA / "session_items.json")
    exports = ("exported_spans.json", "ingest_requests.json")
    joined = [s for name in exports for s in reading.read(DATA / "session_items.json", DATA / name)]
    sessions = [*plain, *reading.read(DATA / "to_input_list.json"), *joined]
    for session in sessions:
        first, second = session.replay.turn_list
        assert [(r.tool, r.failed) for r in first.tool_responses] == [
            ("get_order", False), ("get_customer", False), ("issue_refund", True),
        ]  # fmt: skip
        assert str(first.output).startswith("Good news, your refund of $45.99")
        assert [(r.tool, r.args["retry"], r.failed) for r in second.tool_responses if r.args] == [
            ("issue_refund", True, False)
        ]
    assert len(sessions) == 4
    assert joined[0].replay.turn_list[0].tool_responses[2].latency_ms == pytest.approx(25.825)
    words = ("--group", "thread-oa-2", "--input", "I want a refund.")
    [raised] = reading.read(DATA / "exported_spans.json", *words)
    error = raised.replay.turn_list[0].tool_responses[2].error_spec
    assert error is not None
    assert "payment gateway timeout" in error.message


def test_an_item_of_an_odd_type_is_told(reading: Reading) -> None:
    """Its place too."""
    assert "item 2: its `type` is not text" in reading.problem([ITEMS[0], {"type": ["message"]}])
