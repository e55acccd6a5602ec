"""OpenAI chat transcripts as replay files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.llm.openai_messages import neutral_messages
from pytest_agent_replay.sources.writer import ImportReport
from tests.sources.chats import import_openai_chat

NO_SYSTEM = "the system prompt is not in the transcript: it is not compared"
SYSTEM = {"role": "system", "content": "Be brief."}


def user(text: Any) -> dict[str, Any]:
    """What the user says."""
    return {"role": "user", "content": text}


def says(text: Any, **more: Any) -> dict[str, Any]:
    """What the agent says."""
    return {"role": "assistant", "content": text, **more}


def calls(*wanted: tuple[str | None, str, str], content: Any = None) -> dict[str, Any]:
    """A message with calls of (id, name, arguments)."""
    listed = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in wanted]
    return says(content, tool_calls=listed)


def told(call_id: str | None, content: Any, **more: Any) -> dict[str, Any]:
    """A tool's result."""
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


SESSION = [
    SYSTEM,
    user("Where is my order?"),
    says("Which one?"),
    user("O-1"),
    calls(("c1", "get_order", '{"id": "O-1"}'), content="Looking."),
    told("c1", '{"state": "sent"}'),
    says("It was sent."),
    user("Thanks, bye"),
]


class Import:
    """Imports data as a file, and loads what was written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "replays"

    def run(self, data: Any, name: str = "shop.json", **options: Any) -> ImportReport:
        """Imports `data`, which is written as JSON unless it is text or bytes."""
        path = self.folder / name
        raw = data if isinstance(data, (str, bytes)) else json.dumps(data)
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return import_openai_chat(path, out=self.out, **options)

    def one(self, data: Any, **options: Any) -> ReplayFile:
        """Imports one session."""
        report = self.run(data, **options)
        assert report.problems == []
        [path] = report.written
        return self.load(path)

    def load(self, path: Path) -> ReplayFile:
        """Loads a written file as pytest will."""
        [loaded] = load_replays(path, root=self.folder)
        assert loaded.id == path.name.removesuffix(".replay.yaml")
        return loaded.replay

    def turn(self, *messages: dict[str, Any]) -> Any:
        """Imports a session of one turn with these messages after the user's question."""
        return self.one([user("?"), *messages], force=True).turn_list[0]


@pytest.fixture
def importer(tmp_path: Path) -> Import:
    """An importer with a folder of its own."""
    return Import(tmp_path)


def lines(replay: ReplayFile, kind: str) -> str:
    """What the file says that was guessed or lost."""
    return "\n".join((replay.import_ or {}).get(kind, []))


def test_a_session_becomes_turns(importer: Import) -> None:
    """System prompt, turns, tool results, model answers, outputs and the unanswered message have their places."""
    replay = importer.one(SESSION)
    assert (replay.id, replay.context, replay.unanswered) == ("shop", "Be brief.", "Thanks, bye")
    first, second = replay.turn_list
    assert (first.input, first.output, first.ended) == ("Where is my order?", "Which one?", "answered")
    assert first.tool_responses == []
    [recorded] = second.tool_responses
    assert (recorded.tool, recorded.args, recorded.response, recorded.call_id, recorded.failed) == (
        "get_order", {"id": "O-1"}, '{"state": "sent"}', "c1", False,
    )  # fmt: skip
    asking, answering = second.llm_responses or []
    assert (asking.content, asking.tool_calls[0].id, asking.tool_calls[0].args) == ("Looking.", "c1", {"id": "O-1"})
    assert (answering.content, answering.tool_calls, second.output) == ("It was sent.", [], "It was sent.")
    assert answering.request is not None
    assert (answering.request.tools, answering.request.model) == (None, None)
    assert "tools that the model was offered" in lines(replay, "lost")


def test_the_digests_are_those_of_an_ordinary_loop(importer: Import) -> None:
    """Each answer's request is the conversation before it, as a loop that appends messages sends it."""
    late = {"role": "system", "content": "It is late."}
    answer = calls(("c2", "f", "{}"), ("c3", "f", "{}"))
    messages = [*SESSION[:-1], late, user("?"), answer, told("c3", "three"), told("c2", "two"), says("Done")]
    recorded = [answer for turn in importer.one(messages).turn_list for answer in turn.llm_responses or []]
    asked = [messages[:index] for index, message in enumerate(messages) if message["role"] == "assistant"]
    expected = [request_digests(neutral_messages(before)) for before in asked]
    assert [answer.request for answer in recorded] == expected


def test_one_turn_takes_the_short_form(importer: Import) -> None:
    """A session of one question has no list of turns."""
    replay = importer.one([SYSTEM, user("Hi"), says("Hello")])
    assert (replay.turns, replay.input, replay.output, replay.context) == (None, "Hi", "Hello", "Be brief.")


def test_the_agent_may_speak_first(importer: Import) -> None:
    """A greeting is a turn that is not played."""
    replay = importer.one([SYSTEM, says("Hello!"), user("Hi"), says("How can I help?")])
    greeting, turn = replay.turn_list
    assert (greeting.is_played, greeting.output, greeting.llm_responses) == (False, "Hello!", None)
    assert (turn.input, turn.output) == ("Hi", "How can I help?")


def test_how_a_turn_ended(importer: Import) -> None:
    """With an answer, with a tool's result, or cut before the result."""
    asking = calls(("c", "f", "{}"))
    assert importer.turn(says("Done")).ended == "answered"
    transferred = importer.turn(asking, told("c", "transferred"))
    assert (transferred.ended, transferred.given("output"), len(transferred.llm_responses)) == ("after_tool", False, 1)
    cut = importer.turn(asking, told("c", "1"), asking)
    assert (cut.ended, cut.given("output"), len(cut.llm_responses), len(cut.tool_responses)) == ("cut", False, 1, 1)
    assert importer.turn(asking).ended == "cut"


def test_calls_that_were_not_executed_are_left_out(importer: Import) -> None:
    """Of several calls only those with a result stay, in the answer and in the digests; the file says it."""
    both = calls(("a", "f", '{"x": 1}'), ("b", "f", '{"x": 2}'))
    replay = importer.one([user("?"), both, told("a", "1"), says("Done")])
    answers = replay.llm_responses or []
    assert [call.id for call in answers[0].tool_calls] == ["a"]
    assert [response.args for response in replay.tool_responses] == [{"x": 1}]
    assert "without a result" in lines(replay, "lost")
    trimmed = importer.one([user("?"), calls(("a", "f", '{"x": 1}')), told("a", "1"), says("Done")], force=True)
    assert answers[1].request == (trimmed.llm_responses or [])[1].request


@pytest.mark.parametrize(
    "text",
    [
        "Error: user not found", "ERROR - x", "Traceback (most recent call last):\n…", "ValueError: no", "error 404",
        "requests.exceptions.ConnectionError: x",
        "PaymentError('declined')", '{"error": "declined"}', "Error executing tool f: boom", "An error occurred: x",
    ],
)  # fmt: skip
def test_a_result_that_begins_as_an_error_is_marked(importer: Import, text: str) -> None:
    """Such a result counts as a failed tool, keeps its text, and the guess is said."""
    replay = importer.one([user("?"), calls(("c", "f", "{}")), told("c", text), says("Sorry")])
    assert (replay.tool_responses[0].failed, replay.tool_responses[0].response) == (True, text)
    assert "`failed`" in lines(replay, "guessed")


@pytest.mark.parametrize(
    "text",
    [
        "No errors: all good",
        "Errors are rare",
        '{"error": null, "id": 1}',
        '{"id": 1, "error": "x"}',
        "",
        "Failed flights",
    ],
)
def test_a_result_that_only_speaks_of_errors_is_not_marked(importer: Import, text: str) -> None:
    """The beginning of the text decides."""
    assert not importer.turn(calls(("c", "f", "{}")), told("c", text), says("x")).tool_responses[0].failed


def test_strings_stay_strings(importer: Import) -> None:
    """A result that looks like JSON, a number or YAML is the same text after loading."""
    texts = [
        '{"a": 1}',
        "2024-05-20",
        "yes",
        "007",
        "null",
        "",
        " spaced \n",
        "a: b # c",
        "ünïcode \u2028 \x07",
    ]
    listed = [(f"c{i}", "f", "{}") for i in range(len(texts))]
    turn = importer.turn(calls(*listed), *[told(f"c{i}", text) for i, text in enumerate(texts)], says("x"))
    assert [response.response for response in turn.tool_responses] == texts


def test_half_characters_are_replaced(importer: Import) -> None:
    """Text that was cut within a character does not cost the session, and the change is said."""
    replay = importer.one([user("Hi \ud83c"), says("\U0001f327 \udf27")])
    assert (replay.input, replay.output) == ("Hi \ufffd", "\U0001f327 \ufffd")
    assert "half a character" in lines(replay, "guessed")


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", '{"x": NaN}', '{"x": 1e999}', "x"])
def test_broken_arguments_are_kept_as_text(importer: Import, arguments: str) -> None:
    """What is no JSON object stays as `raw_args`, in the answer and in the recording."""
    turn = importer.turn(calls(("c", "f", arguments)), told("c", "Error: bad arguments"), says("x"))
    [call] = turn.llm_responses[0].tool_calls
    assert (call.args, call.raw_args) == (None, arguments)
    assert (turn.tool_responses[0].args, turn.tool_responses[0].raw_args) == (None, arguments)


def test_ids_that_come_twice_go_by_their_place(importer: Import) -> None:
    """A result belongs to the nearest call with its id; within one message to the first open one of its name."""
    turn = importer.turn(
        calls(("c", "f", '{"n": 1}')), told("c", "one"),
        calls(("c", "f", '{"n": 2}'), ("c", "g", '{"n": 3}')), told("c", "three", name="g"), told("c", "two"),
        says("x"),
    )  # fmt: skip
    assert [(r.tool, r.args, r.response) for r in turn.tool_responses] == [
        ("f", {"n": 1}, "one"), ("f", {"n": 2}, "two"), ("g", {"n": 3}, "three"),
    ]  # fmt: skip


def test_legacy_functions(importer: Import) -> None:
    """`function_call` and the `function` role are calls and results without ids."""
    turn = importer.turn(
        says(None, function_call={"name": "f", "arguments": '{"x": 1}'}),
        {"role": "function", "name": "f", "content": "one"},
        says("Done"),
    )
    assert [(r.tool, r.args, r.response, r.call_id) for r in turn.tool_responses] == [("f", {"x": 1}, "one", None)]
    assert turn.llm_responses[0].tool_calls[0].name == "f"


def test_flat_calls(importer: Import) -> None:
    """Calls that lie flat, with arguments as a mapping, and results with a flag are read too."""
    turn = importer.turn(
        says(None, tool_calls=[{"id": "c", "name": "f", "arguments": {"x": 1}}]),
        {"role": "tool", "id": "c", "content": "gone", "error": True},
        says("Done"),
    )
    assert [(r.args, r.response, r.failed) for r in turn.tool_responses] == [({"x": 1}, "gone", True)]


def test_results_without_a_call(importer: Import) -> None:
    """They are recorded when they name their tool, for any arguments; the others are said to be lost."""
    replay = importer.one([user("?"), says("x"), told("zz", "1", name="f"), told("zz", "2"), says("y")])
    assert [(r.tool, r.args, r.response) for r in replay.tool_responses] == [("f", None, "1")]
    assert "answer no call" in lines(replay, "guessed")
    assert "name no tool" in lines(replay, "lost")


def test_images_and_parts(importer: Import) -> None:
    """A single text part is text; other content stays a list of parts."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "What is this?"}, image]
    replay = importer.one([user(parts), says([{"type": "text", "text": "A cat"}])])
    assert (replay.input, replay.output) == (parts, "A cat")


def test_system_messages_in_the_middle(importer: Import) -> None:
    """Before a user message they are that turn's context; within a turn the agent has to add them, which is said."""
    late = {"role": "developer", "content": "Be kind."}
    replay = importer.one([SYSTEM, user("1"), says("one"), late, user("2"), late, says("two")])
    assert [turn.context for turn in replay.turn_list] == [None, "Be kind."]
    assert "system messages within a turn" in lines(replay, "guessed")
    several = importer.one([SYSTEM, late, user("1"), says("one")], force=True)
    assert several.context == [{"role": "system", "content": "Be brief."}, {"role": "system", "content": "Be kind."}]


def test_user_messages_in_a_row_are_one_turn(importer: Import) -> None:
    """They are joined, also in the digests, and that is said."""
    replay = importer.one([user("Hi"), user("Are you there?"), says("Yes")])
    assert replay.input == "Hi\n\nAre you there?"
    assert "joined" in lines(replay, "guessed")
    joined = importer.one([user("Hi\n\nAre you there?"), says("Yes")], force=True)
    assert replay.llm_responses == joined.llm_responses


def test_refusals_and_several_texts(importer: Import) -> None:
    """A refusal is an output; of several texts in a turn the last one is."""
    refused = importer.turn(says(None, refusal="No."))
    assert (refused.output, refused.llm_responses[0].refusal) == ("No.", "No.")
    replay = importer.one([user("?"), says("Wait."), says("Done.")], force=True)
    assert (replay.output, len(replay.llm_responses or [])) == ("Done.", 2)
    assert "several texts" in lines(replay, "guessed")


@pytest.mark.parametrize("shape", [lambda m: m, lambda m: {"messages": m, "model": "gpt-4o", "tools": []}])
@pytest.mark.parametrize("has_system", [True, False])
def test_a_system_prompt_that_is_not_there_is_not_compared(importer: Import, shape: Any, has_system: bool) -> None:
    """Apps store the messages without it: only one that is there was sent for sure, and anything else is said."""
    [system, *rest] = SESSION
    replay = importer.one(shape([system, *rest] if has_system else rest))
    answers = [answer for turn in replay.turn_list for answer in turn.llm_responses or []]
    assert {answer.request.system is not None for answer in answers if answer.request} == {has_system}
    assert (NO_SYSTEM in lines(replay, "lost")) is not has_system


@pytest.mark.parametrize(("results", "count"), [(["sent", "sent"], 1), ([{"state": "sent"}, "sent"], 1), ([], 0)])
def test_results_are_said_to_be_texts_once(importer: Import, results: list[Any], count: int) -> None:
    """A transcript has what the model was told, whatever the tools returned."""
    messages = [user("?")]
    for number, each in enumerate(results):
        messages += [calls((f"c{number}", "track", "{}")), told(f"c{number}", each)]
    replay = importer.one([SYSTEM, *messages, says("!")])
    assert lines(replay, "lost").count("what tools returned: their results are texts, as the model saw them") == count
    assert "(2)" not in lines(replay, "lost")


def test_what_a_session_knows_of_itself(importer: Import) -> None:
    """Reward, scores, time, model, tools, tags and metadata have their places; the rest is said to be lost."""
    data = {
        "id": "s/1", "messages": [user("Hi"), says("Hello")], "reward": 0.0, "scores": {"user": 1}, "model": "gpt-4o",
        "created_at": "2026-02-15T09:12:00Z", "tags": ["vip"], "metadata": {"region": "eu"}, "extra": 1,
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }  # fmt: skip
    replay = importer.one(data, tags=["sev1", "vip"], golden=True)
    assert (replay.id, replay.scores, replay.captured_at) == ("s-1", {"user": 1, "reward": 0.0}, "2026-02-15T09:12:00Z")
    assert (replay.tags, replay.golden, replay.metadata) == (["vip", "sev1"], True, {"region": "eu"})
    assert replay.agent_config == {"model": "gpt-4o"}
    [answer] = replay.llm_responses or []
    assert answer.model == "gpt-4o"
    assert answer.request is not None
    assert (answer.request.model, answer.request.tools is None) == (None, False)
    assert lines(replay, "lost") == f"the session's `extra`\n{NO_SYSTEM}"


# -- files


TALK = [user("Hi"), says("Hello")]


@pytest.mark.parametrize(
    ("name", "data", "count"),
    [
        ("a.json", TALK, 1),
        ("a.json", {"messages": TALK}, 1),
        ("a.json", [TALK, {"traj": TALK}, {"messages": TALK}], 3),
        ("a.json", {"sessions": [TALK, TALK]}, 2),
        ("a.jsonl", "\n".join(map(json.dumps, [TALK, {"messages": TALK}])) + "\n\n", 2),
        ("a.jsonl", "\r\n".join(map(json.dumps, TALK)), 1),
        ("a.json", "\n".join(map(json.dumps, [{"messages": TALK}] * 2)), 2),
        ("a.json", "\ufeff" + json.dumps(TALK), 1),
    ],
)
def test_the_shapes_of_a_file(importer: Import, name: str, data: Any, count: int) -> None:
    """One transcript or many, as JSON or JSON Lines, also when the name does not say so."""
    report = importer.run(data, name)
    assert (len(report.written), report.problems) == (count, [])
    assert [importer.load(path).turn_list[0].output for path in report.written] == ["Hello"] * count


def test_ids_are_unique_and_stable(importer: Import) -> None:
    """Tasks, trials and equal ids get names of their own, the same in every run, safe on every file system."""
    sessions: list[Any] = [{"task_id": 12, "trial": trial, "traj": TALK} for trial in (0, 3)]
    sessions += [{"task_id": 12, "traj": TALK}, TALK]
    sessions += [
        {"id": name, "traj": TALK} for name in ("a", "A", "a-2", "a", "../up", "nul", "[x]::y", "ü", "x" * 200, "", ".")
    ]
    report = importer.run(sessions, "airline.json")
    names = [path.name.removesuffix(".replay.yaml") for path in report.written]
    assert names[:4] == ["airline-12-trial-0", "airline-12-trial-3", "airline-12", "airline-4"]
    assert names[4:11] == ["a", "A-2", "a-2-2", "a-3", "up", "session-nul", "x-y"]
    assert len({name.lower() for name in names}) == len(names) == 15
    assert max(map(len, names)) == 100
    again = importer.run(sessions, "airline.json", force=True)
    assert again.written == report.written


def test_a_second_run_gives_the_same_bytes(importer: Import) -> None:
    """What is there stays as it is, and what is new is written; `force` writes the same again."""
    first = {path: path.read_bytes() for path in importer.run([SESSION, TALK]).written}
    more = importer.run([SESSION, TALK, TALK])
    assert (len(more.written), sorted(more.there), more.problems) == (1, sorted(first), [])
    report = importer.run([SESSION, TALK], force=True)
    assert {path: path.read_bytes() for path in report.written} == first


def test_bad_sessions_do_not_stop_the_others(importer: Import) -> None:
    """Each has one clear error with its place."""
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    report = importer.run(
        [
            TALK, 7, {"talk": TALK}, {"messages": "x"}, [user("Hi")], [says("Hi")], [user("Hi"), {"role": "asistant"}],
            [user("Hi"), "x", says("y")], [user("Hi"), says(5)], {"traj": []}, [user("Hi"), says(deep)],
            {"messages": TALK, "metadata": {"x": deep}}, [user("Hi"), calls(("c", " ", "{}"))], TALK,
        ]
    )  # fmt: skip
    assert len(report.written) == 2
    starts = [problem.removeprefix(str(importer.folder)) for problem in report.problems]
    assert [start.split(": ")[1] for start in starts] == [f"session {n}" for n in range(2, 14)]
    assert "it has `talk`" in report.problems[1]
    assert "never answered" in report.problems[3]
    assert "no user message" in report.problems[4]
    assert "did you mean 'assistant'?" in report.problems[5]
    assert "message 2 is not an object" in report.problems[6]
    assert "nested" in report.problems[9]
    assert report.problems[11].endswith("message 2 calls a tool without a name")


def test_bad_lines_do_not_stop_the_others(importer: Import) -> None:
    """A broken line is named with its line and column."""
    report = importer.run(f'{json.dumps(TALK)}\n{{"messages": [\n{json.dumps(TALK)}\n{{"a": NaN}}', "a.jsonl")
    assert len(report.written) == 2
    assert report.problems[0].startswith(f"{importer.folder / 'a.jsonl'}:2:")
    assert report.problems[1] == f"{importer.folder / 'a.jsonl'}:4: it is not JSON: NaN is no JSON value"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", "the file is empty"),
        ('{"messages":\n [1,, 2]}', "shop.json:2:"),
        ("[" * 100_000, "it is nested too deeply"),
        (gzip.compress(b"[]", mtime=0), "it is packed with gzip: unpack it first"),
        (b"\xff\xfe[\x00]\x00", "it is not UTF-8"),
        ("[]", "there is no session in it"),
        ("7", "there is no session in it"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(importer: Import, data: Any, text: str) -> None:
    """With its path, and the line where it is known."""
    with pytest.raises(FormatError) as caught:
        importer.run(data)
    assert str(importer.folder / "shop.json") in str(caught.value)
    assert text in str(caught.value)
    assert not importer.out.exists()


def test_a_missing_file_and_a_blocked_folder(importer: Import) -> None:
    """Both are plain errors."""
    with pytest.raises(FormatError, match=r"nowhere\.json: it cannot be read: No such file"):
        import_openai_chat(importer.folder / "nowhere.json", out=importer.out)
    importer.out.write_text("")
    with pytest.raises(ReplayError, match="cannot be made"):
        importer.run(TALK)


def replay_contract(importer: Import) -> Any:
    """What the written file has as its contract."""
    return importer.load(importer.out / "shop.replay.yaml").contract


def test_a_contract_file_is_named_from_the_replay(
    importer: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path counts from the working directory when given, and from the replay when written; a name is a name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.contract.yaml").write_text("name: Shop\ninvariants: [{id: a, type: completes}]\n")
    importer.run(TALK, contract="shop.contract.yaml")
    assert replay_contract(importer) == "../shop.contract.yaml"
    importer.run(TALK, contract="Shop Contract", force=True)
    assert replay_contract(importer) == "Shop Contract"


def test_the_report_counts_and_sums_up(importer: Import) -> None:
    """Figures, notes over all sessions, and progress after each file."""
    seen: list[int] = []
    failing = [user("?"), calls(("c", "f", "{}")), told("c", "Error: x"), says("Sorry")]
    report = importer.run([SESSION, failing, failing], progress=lambda done, total: seen.append(done))
    assert (report.turns, report.tool_calls, report.failed_calls, report.model_answers) == (4, 3, 2, 7)
    assert seen == [1, 2, 3]
    assert any(note.startswith("guessed: ") and "`failed` (2 in 2 of 3 sessions)" in note for note in report.notes)


def test_a_redacted_result_is_no_recording(importer: Import) -> None:
    """And what the model was asked after it is not known, so that it is not compared."""
    messages = [
        user("?"),
        calls(("a", "f", "{}"), ("b", "g", "{}")),
        told("a", "[REDACTED]"),
        told("b", "2"),
        says("Ok"),
    ]
    replay = importer.one([{"role": "system", "content": "__REDACTED__"}, *messages])
    [turn] = replay.turn_list
    assert [recorded.tool for recorded in turn.tool_responses] == ["g"]
    asking, answering = turn.llm_responses or []
    assert asking.request is not None
    assert answering.request is not None
    assert (asking.request.messages is None, asking.request.system) == (False, None)
    assert (answering.request.messages, replay.context) == (None, None)
    assert "result the source does not have" in lines(replay, "lost")


def test_what_was_cut_off_is_no_expected_value(importer: Import) -> None:
    """An argument and an answer are left out; a result is served as the model was told it, which is said."""
    given = calls(("a", "f", '{"q": "milk", "text": "Once upon... [truncated]"}'))
    replay = importer.one([user("?"), given, told("a", "A, B, C... [truncated]"), says("It says... [truncated]")])
    [turn] = replay.turn_list
    [recorded] = turn.tool_responses
    assert (recorded.args, recorded.response) == ({"q": "milk"}, "A, B, C... [truncated]")
    assert not turn.given("output")
    assert "values that the source cut off" in lines(replay, "lost")
    assert "recorded as the model was told them" in lines(replay, "guessed")


def test_a_session_ends_before_what_the_user_said_was_redacted(importer: Import) -> None:
    """Nobody can say it again."""
    replay = importer.one([user("Hi"), says("Hello"), user("[REDACTED]"), says("Thanks")])
    assert (replay.input, replay.output) == ("Hi", "Hello")
    assert "from the first on that has no input" in lines(replay, "lost")
