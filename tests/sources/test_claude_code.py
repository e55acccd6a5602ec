"""Claude Code's session files and stream-json as replay files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import FormatError
from tests.sources.reading import Reading

SESSION = "0b7c9d1e-1111-4222-8333-444455556666"


class Log:
    """A session file as Claude Code writes it: one line a second, each with its parent."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.last: str | None = None

    def add(self, kind: str, **more: Any) -> str:
        """A line; `parent` where it does not follow the last one. Gives its id."""
        number = len(self.lines)
        line = {
            "type": kind,
            "uuid": f"u{number}",
            "parentUuid": self.last,
            "sessionId": SESSION,
            "timestamp": f"2026-02-24T10:{number // 60:02}:{number % 60:02}.000Z",
            "isSidechain": False,
            "version": "2.1.81",
            "cwd": "/home/jane/shop",
            "gitBranch": "main",
        }
        if "parent" in more:
            line["parentUuid"] = more.pop("parent")
        self.lines.append({**line, **more})
        self.last = str(line["uuid"])
        return self.last

    def user(self, content: Any, **more: Any) -> str:
        """What the user said."""
        return self.add("user", message={"role": "user", "content": content}, **more)

    def model(self, message_id: str, block: dict[str, Any], **more: Any) -> str:
        """One block of an answer of the model."""
        usage = {"input_tokens": 7, "output_tokens": 5, "cache_read_input_tokens": 100}
        message = {"id": message_id, "model": "claude-opus-4-6", "role": "assistant", "usage": usage}
        return self.add("assistant", message={**message, "content": [block]}, requestId="req", **more)

    def told(self, call_id: str, content: Any, **more: Any) -> str:
        """The result of a tool."""
        flag = {"is_error": more.pop("is_error")} if "is_error" in more else {}
        block = {"type": "tool_result", "tool_use_id": call_id, "content": content, **flag}
        return self.user([block], toolUseResult={"stdout": content}, **more)


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def use(call_id: str, name: str, **given: Any) -> dict[str, Any]:
    """A call."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def refund() -> Log:
    """Two turns; two parallel calls and one that failed, and a false claim."""
    log = Log()
    log.lines.append({"type": "file-history-snapshot", "messageId": "m", "snapshot": {}})
    log.user("I want a refund for ORD-1001.")
    log.model("m1", {"type": "thinking", "thinking": "Look first.", "signature": "c2ln"})
    order = log.model("m1", use("t1", "get_order", order_id="ORD-1001"))
    customer = log.model("m1", use("t2", "get_customer", customer_id="C-77"))
    log.told("t1", '{"total": 4599}', parent=order)
    log.told("t2", [text("jane")], parent=customer)
    log.model("m2", use("t3", "issue_refund", amount_cents=4599))
    log.told("t3", "payment gateway timeout", is_error=True)
    log.model("m3", text("Your refund has been issued."))
    log.user("I do not see it.")
    log.model("m4", use("t4", "issue_refund", amount_cents=4599, retry=True))
    log.told("t4", "RF-9", is_error=False)
    log.model("m5", text("It went through now."))
    return log


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """The source with a folder of its own."""
    return Reading("claude-code", tmp_path)


def test_the_refund_is_two_turns_with_one_failure(reading: Reading) -> None:
    """Lines of one message are one answer, a parallel result beside the way to the last line is found."""
    session = reading.one(refund().lines, f"{SESSION}.jsonl")
    replay = session.replay
    assert (session.wish, replay.captured_at) == (SESSION, "2026-02-24T10:00:01Z")
    assert replay.source is not None
    first, second = replay.turn_list
    assert [(r.tool, r.args, r.response, r.failed, r.latency_ms) for r in first.tool_responses] == [
        ("get_order", {"order_id": "ORD-1001"}, '{"total": 4599}', False, 2000),
        ("get_customer", {"customer_id": "C-77"}, "jane", False, 2000),
        ("issue_refund", {"amount_cents": 4599}, "payment gateway timeout", True, 1000),
    ]
    assert (first.output, first.started_at) == ("Your refund has been issued.", "2026-02-24T10:00:01Z")
    assert [(r.args, r.failed) for r in second.tool_responses] == [({"amount_cents": 4599, "retry": True}, False)]
    assert (second.output, second.started_at) == ("It went through now.", "2026-02-24T10:00:10Z")


def test_answers_have_thoughts_usage_and_latencies(reading: Reading) -> None:
    """The usage that each line repeats is counted once, and the time is that of the last line."""
    answers = reading.replay(refund().lines, "a.jsonl").turn_list[0].llm_responses or []
    assert [len(answer.tool_calls) for answer in answers] == [2, 1, 0]
    assert answers[0].usage is not None
    assert (answers[0].reasoning, answers[0].usage.output_tokens, answers[0].usage.cached_tokens) == (
        "Look first.", 5, 100,
    )  # fmt: skip
    assert [answer.latency_ms for answer in answers] == [3000, 1000, 1000]
    assert answers[0].request is not None
    assert (answers[0].request.system, answers[0].request.tools) == (None, None)


def test_what_the_user_took_back_is_no_turn(reading: Reading) -> None:
    """The way is the one from the last line; the other branch is counted as lost."""
    log = Log()
    asked = log.user("Hi")
    log.model("m1", text("Hello"), parent=asked)
    answered = log.last
    log.user("Delete everything")
    log.model("m2", text("Deleted."))
    log.user("List everything", parent=answered)
    log.model("m3", text("Listed."))
    session = reading.one(log.lines, "a.jsonl")
    assert [turn.input for turn in session.replay.turn_list] == ["Hi", "List everything"]
    assert session.notes.lost["messages that the user took back (rewound)"] == 2


def test_sub_agents_are_inside_of_their_call(reading: Reading) -> None:
    """What they said is no turn and no recording; the call of the tool that started them is."""
    log = Log()
    log.user("Review it")
    asking = log.model("m1", use("t1", "Task", prompt="Look"))
    log.user("Look", isSidechain=True, parent=None)
    log.model("s1", use("x1", "Read", path="a"), isSidechain=True)
    log.told("x1", "text", isSidechain=True)
    log.told("t1", "Looks fine", parent=asking)
    log.model("m2", text("Fine."))
    session = reading.one(log.lines, "a.jsonl")
    [turn] = session.replay.turn_list
    assert [(r.tool, r.response) for r in turn.tool_responses] == [("Task", "Looks fine")]
    assert any(line.startswith("messages of sub-agents") for line in session.notes.lost)


def test_a_file_of_a_sub_agent_is_refused(reading: Reading) -> None:
    """With the file to take instead."""
    log = Log()
    log.user("Look", isSidechain=True)
    log.model("s1", text("Seen"), isSidechain=True)
    assert "import the session that started it" in reading.problem(log.lines, "agent-1.jsonl")


def test_an_interrupted_turn_is_cut(reading: Reading) -> None:
    """What Claude Code writes for it was not said by the user."""
    log = Log()
    log.user("Build it")
    log.model("m1", use("t1", "Bash", command="make"))
    log.told("t1", "done")
    log.user([text("[Request interrupted by user for tool use]")])
    log.user("Only test it")
    log.model("m2", text("Tested."))
    first, second = reading.replay(log.lines, "a.jsonl").turn_list
    assert (first.ended, first.given("output"), len(first.tool_responses)) == ("cut", False, 1)
    assert (second.input, second.output) == ("Only test it", "Tested.")


def test_a_call_that_the_user_refused_says_so(reading: Reading) -> None:
    """The model was told that, and the tool never ran."""
    log = Log()
    log.user("Clean up")
    log.model("m1", use("t1", "Bash", command="rm -rf /"))
    refusal = "The user doesn't want to proceed with this tool use. The tool use was rejected."
    log.told("t1", refusal, is_error=True)
    log.model("m2", text("Then not."))
    session = reading.one(log.lines, "a.jsonl")
    [recorded] = session.replay.turn_list[0].tool_responses
    assert (recorded.response, recorded.failed) == (refusal, True)
    assert any("refused" in line for line in session.notes.guessed)


def test_what_claude_code_puts_in_is_no_turn(reading: Reading) -> None:
    """Caveats, local commands and their output, reminders, its own words in the model's place."""
    log = Log()
    log.user("Caveat: …", isMeta=True)
    log.user("<command-name>/clear</command-name><command-args></command-args>")
    log.user("<local-command-stdout></local-command-stdout>")
    log.user([text("<system-reminder>Be nice</system-reminder>"), text("Hi")])
    log.model("m1", text("Hello"))
    log.add("system", subtype="turn_duration", durationMs=5)
    silent = {"id": "x", "model": "<synthetic>", "content": [text("No response requested.")]}
    log.add("assistant", message=silent)
    session = reading.one(log.lines, "a.jsonl")
    [turn] = session.replay.turn_list
    assert (turn.input, turn.output) == ("Hi", "Hello")
    assert session.notes.lost["messages that Claude Code put in by itself (reminders, output of local commands)"] == 4


def test_a_command_that_the_model_answered_is_what_the_user_said(reading: Reading) -> None:
    """The prompt that it stands for is not."""
    log = Log()
    log.user(
        "<command-message>review</command-message>\n<command-name>/review</command-name>\n"
        "<command-args>a b</command-args>"
    )
    log.user([text("You are a reviewer …")], isMeta=True)
    log.model("m1", text("Reviewed."))
    session = reading.one(log.lines, "a.jsonl")
    assert session.replay.input == "/review a b"
    assert any("as typed" in line for line in session.notes.guessed)


def test_an_error_of_the_api_ends_the_turn(reading: Reading) -> None:
    """Its text is no answer of the model."""
    log = Log()
    log.user("Hi")
    log.add(
        "assistant",
        message={"id": "x", "model": "<synthetic>", "content": [text("API Error: 529 Overloaded")]},
        isApiErrorMessage=True,
    )
    log.user("Hi again")
    log.model("m1", text("Hello"))
    session = reading.one(log.lines, "a.jsonl")
    first, second = session.replay.turn_list
    assert (first.ended, first.given("output"), first.llm_responses) == ("cut", False, None)
    assert second.output == "Hello"
    assert any(line.startswith("errors of the model's API") for line in session.notes.lost)


def compacted(*, with_beginning: bool) -> Log:
    """A session that went on with a summary."""
    log = Log()
    log.user("First")
    log.model("m1", text("One"))
    before = log.last
    log.add("system", subtype="compact_boundary", parent=None, logicalParentUuid=before if with_beginning else "gone")
    log.user("This session is being continued …", isCompactSummary=True, isVisibleInTranscriptOnly=True)
    log.user("Second")
    log.model("m2", text("Two"))
    return log


def test_a_compaction_is_crossed(reading: Reading) -> None:
    """What was said before it is in the file; the summary is no turn."""
    session = reading.one(compacted(with_beginning=True).lines, "a.jsonl")
    assert [turn.input for turn in session.replay.turn_list] == ["First", "Second"]
    assert session.replay.context is None
    assert any(line.startswith("compactions") for line in session.notes.guessed)


def test_a_summary_stands_for_what_is_not_there(reading: Reading) -> None:
    """It is the context, and the file says that the beginning is lost."""
    session = reading.one(compacted(with_beginning=False).lines, "a.jsonl")
    assert (session.replay.input, session.replay.context) == ("Second", "This session is being continued …")
    assert any(line.startswith("what was said before") for line in session.notes.lost)


def test_titles_and_versions(reading: Reading) -> None:
    """A title that the user gave wins, summaries of other sessions are left alone; nothing tells the folder."""
    lines = refund().lines
    lines += [
        {"type": "summary", "summary": "Another session", "leafUuid": "elsewhere"},
        {"type": "ai-title", "aiTitle": "Refund", "sessionId": SESSION},
        {"type": "custom-title", "customTitle": "The refund", "sessionId": SESSION},
    ]
    replay = reading.replay(lines, "a.jsonl")
    assert replay.name == "The refund"
    assert replay.metadata == {"claude_code_version": "2.1.81", "git_branch": "main"}
    assert replay.agent_config == {"model": "claude-opus-4-6"}
    assert "/home/jane" not in str(replay)


def test_summaries_are_titles_only_of_their_own_session(reading: Reading) -> None:
    """Claude Code wrote those of other sessions into files too."""
    log = refund()
    stray = {"type": "summary", "summary": "Another session", "leafUuid": "elsewhere"}
    assert reading.replay([stray, *log.lines], "a.jsonl").name is None
    own = {"type": "summary", "summary": "The refund", "leafUuid": log.last}
    assert reading.replay([own, stray, *log.lines], "b.jsonl").name == "The refund"


def stream(*, is_error: bool = False) -> list[dict[str, Any]]:
    """What `claude -p --output-format stream-json` prints."""
    common = {"session_id": SESSION, "parent_tool_use_id": None}
    answer = {"role": "assistant", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1, "output_tokens": 2}}
    inner = {**common, "parent_tool_use_id": "t1"}
    return [
        {"type": "system", "subtype": "init", "session_id": SESSION, "tools": ["Bash"], "model": "claude-sonnet-4-5"},
        {
            "type": "assistant",
            "message": {**answer, "id": "m1", "content": [use("t1", "Bash", command="ls")]},
            **common,
        },
        {"type": "assistant", "message": {**answer, "id": "i1", "content": [text("inside")]}, **inner},
        {
            "type": "user",
            "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a.py"}]},
            **common,
        },
        {"type": "assistant", "message": {**answer, "id": "m2", "content": [text("One file.")]}, **common},
        {
            "type": "result",
            "subtype": "error_max_turns" if is_error else "success",
            "is_error": is_error,
            "session_id": SESSION,
            "total_cost_usd": 0.01,
            "duration_ms": 900,
        },
    ]


def test_stream_json_needs_the_prompt(reading: Reading) -> None:
    """It is not repeated in the output."""
    assert "--prompt TEXT" in reading.problem(stream(), "out.jsonl")
    reading.importing.problems.clear()
    replay = reading.replay(stream(), "out.jsonl", "--prompt", "Which files?")
    assert (replay.input, replay.output) == ("Which files?", "One file.")
    assert [(r.tool, r.response) for r in replay.turn_list[0].tool_responses] == [("Bash", "a.py")]
    assert (replay.metadata["cost_usd"], replay.metadata["result"]) == (0.01, "success")
    assert replay.agent_config == {"model": "claude-sonnet-4-5", "tools": ["Bash"]}


def test_stream_json_that_ended_in_an_error_is_cut(reading: Reading) -> None:
    """The last text is not what it answered."""
    [turn] = reading.replay(stream(is_error=True), "out.json", "--prompt", "Which files?").turn_list
    assert (turn.ended, turn.given("output")) == ("cut", False)


def test_only_its_own_files_are_recognised(reading: Reading) -> None:
    """Session files from any line on, and stream-json as lines or as one list."""
    assert reading.knows(refund().lines, "a.jsonl")
    assert reading.knows([{"type": "summary", "summary": "x", "leafUuid": "y"}, *refund().lines], "a.jsonl")
    assert reading.knows(stream(), "a.jsonl")
    assert reading.knows(stream(), "a.json")
    assert not reading.knows([{"role": "user", "content": "Hi"}], "a.jsonl")
    assert not reading.knows([{"type": "message", "role": "user", "content": "Hi"}], "a.jsonl")
    assert not reading.knows({"type": "user"}, "a.json")


def test_another_file_is_one_error(reading: Reading) -> None:
    """It says what is missing."""
    with pytest.raises(FormatError, match="no line of a Claude Code session"):
        reading.read(reading.file([{"role": "user", "content": "Hi"}], "a.jsonl"))


@pytest.mark.parametrize("odd", [{}, [], 7, None])
@pytest.mark.parametrize("key", ["uuid", "parentUuid", "sessionId", "id", "tool_use_id"])
def test_ids_may_be_anything(reading: Reading, key: str, odd: Any) -> None:
    """An id that is no text is none."""
    log = refund()
    for line in log.lines:
        for owner in (line, line.get("message", {}), *_blocks_of(line)):
            if key in owner:
                owner[key] = odd
    for session in reading.read(reading.file(log.lines, "a.jsonl")):
        assert session.replay.turn_list


def _blocks_of(line: dict[str, Any]) -> list[dict[str, Any]]:
    content = line.get("message", {}).get("content")
    return content if isinstance(content, list) else []
