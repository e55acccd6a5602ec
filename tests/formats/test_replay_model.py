"""What a replay file may say, beyond the types of its fields."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, ReplayFile, ToolResponse, Turn
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.formats.validation import validate


def load(text: str) -> ReplayFile:
    return validate(ReplayFile, parse_document(text, "f.yaml"))


def mistake(text: str) -> str:
    with pytest.raises(FormatError) as caught:
        load(text)
    (problem,) = caught.value.problems
    return str(problem).removeprefix("f.yaml:")


@pytest.mark.parametrize("key", ["captured_at", "expires", "clock"])
@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-02-15T25:00:00Z", "20260215", "12:30"])
def test_times_must_be_iso(key: str, text: str) -> None:
    """Fields with times take ISO dates and date-times only."""
    assert mistake(f"input: x\n{key}: {text!r}").startswith(f"2:1: {key}: `{text}` is ")


def test_times_of_turns_and_sources() -> None:
    """A turn's start and a source's import are times too."""
    assert mistake("turns: [{input: x, started_at: soon}]").startswith(
        "1:20: turns[0].started_at: `soon` is not an ISO"
    )
    assert mistake("input: x\nsource: {type: y, imported_at: soon}").startswith(
        "2:19: source.imported_at: `soon` is not"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-15", datetime(2026, 2, 15, tzinfo=timezone.utc)),
        ("2026-02-15T09:12:00Z", datetime(2026, 2, 15, 9, 12, tzinfo=timezone.utc)),
        ("2026-02-15 09:12", datetime(2026, 2, 15, 9, 12, tzinfo=timezone.utc)),
        ("2026-02-15T09:12:00.5+02:00", datetime(2026, 2, 15, 9, 12, 0, 500_000, timezone(timedelta(hours=2)))),
        (
            "2026-02-15t09:12:00.123456789-0530",
            datetime(2026, 2, 15, 9, 12, 0, 123_456, timezone(-timedelta(hours=5.5))),
        ),
    ],
)
def test_times_are_read(text: str, expected: datetime) -> None:
    """ISO times mean the same on every Python; without an offset they are UTC."""
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["2026-02-15T09:12:00+25:00", "0000-01-01", "٢٠٢٦-02-15", "2026-02-15T"])
def test_times_that_cannot_be(text: str) -> None:
    """An impossible time is a `ValueError` that names it."""
    with pytest.raises(ValueError, match="is not"):
        parse_time(text)


def test_clock() -> None:
    """The clock is `captured_at`, which then must be there, `real`, or a time."""
    assert load("input: x\nclock: real").clock == "real"
    assert load("input: x\nclock: 2026-02-15").clock == "2026-02-15"
    assert load("input: x\nclock: captured_at\ncaptured_at: 2026-02-15").clock == "captured_at"
    assert mistake("input: x\nclock: captured_at") == "2:1: clock: `clock: captured_at` needs `captured_at`"
    assert "none of `captured_at`, `real`, or a time" in mistake("input: x\nclock: now")


@pytest.mark.parametrize("name", ["'a[1]'", "'a::b'", '"a\\nb"', "'  '", "''", '"a\\x00"'])
def test_names_that_pytest_cannot_select(name: str) -> None:
    """Ids and names of forks have no brackets, `::`, line ends, and are not blank."""
    assert mistake(f"input: x\nid: {name}").startswith("2:1: id: it may not ")
    assert mistake(f"input: x\nforks: [{{name: {name}, input: y}}]").startswith("2:10: forks[0].name: it may not ")


def test_forks() -> None:
    """Forks have different names, change something, and begin at a turn that there is."""
    assert mistake("input: x\nforks: [{name: a, input: y}, {name: a, input: z}]") == (
        "2:31: forks[1].name: another fork is named `a` already"
    )
    assert mistake("input: x\nforks: [{name: a}]").startswith("2:9: forks[0]: it changes nothing; give `at_turn`")
    assert mistake("input: x\nforks: [{name: a, at_turn: 2}]") == "2:19: forks[0].at_turn: the session has 1 turn"
    assert mistake("turns: [{input: x}, {input: y}]\nforks: [{name: a, at_turn: 3}]").endswith(
        "the session has 2 turns"
    )
    assert mistake("input: x\nforks: [{name: a, at_turn: 1, at_event: 2}]").endswith("not both")
    assert load("input: x\nforks: [{name: a, at_turn: 1}, {name: b, overrides: {model: m}}]").forks[1].name == "b"


def test_files_that_are_forks() -> None:
    """A file with a parent says where it forks off or what changes, and lists no turns."""
    assert load("parent: ./a.replay.yaml\nat_turn: 2").at_turn == 2
    assert load("parent: ./a.replay.yaml\ntool_responses: [{tool: a}]").parent == "./a.replay.yaml"
    assert "it changes nothing" in mistake("parent: ./a.replay.yaml\nname: x")
    assert mistake("parent: a\nturns: [{input: x}]\nat_turn: 1").startswith("2:1: turns: a file with a `parent`")
    assert mistake("input: x\nat_event: 3").startswith("2:1: at_event: `at_event` says where a file forks off")


def test_the_short_form_and_turns_exclude_each_other() -> None:
    """With `turns`, what belongs to one turn may not stand at the top; what serves all may."""
    for key in ("input", "output", "ended"):
        value = "cut" if key == "ended" else "x"
        assert mistake(f"turns: [{{input: x}}]\n{key}: {value}").startswith(f"2:1: {key}: `{key}` is the short form")
    assert load("turns: [{input: x}]\ncontext: c\ntool_responses: [{tool: a}]").tool_responses[0].tool == "a"


def test_an_agent_answers_or_raises() -> None:
    """Not both; and what it raised belongs to a turn."""
    assert load("input: Hi\nerror: broken\n").turn_list[0].error_spec == ErrorSpec(message="broken")
    assert "give `output` or `error`, not both" in mistake("input: Hi\noutput: null\nerror: broken\n")
    assert "not both" in mistake("turns:\n  - {input: Hi, output: x, error: {type: KeyError}}\n")
    assert "belongs to one of them" in mistake("error: broken\nturns: [{input: Hi}]\n")


def test_something_must_be_played() -> None:
    """A file needs an input, of its own or in a turn; null is one."""
    assert mistake("id: a").startswith("1:1: `input` is missing")
    assert mistake("turns: [{output: hello}]").startswith("1:1: turns: no turn has an `input`")
    assert mistake("turns: []").startswith("1:1: turns: no turn has an `input`")
    assert load("input: null").turn_list[0].is_played
    assert mistake("turns: [{input: 1, played: false, output: x}]").startswith("1:1: turns: no turn has an `input`")


def test_a_turn_from_before_the_recording_is_not_played() -> None:
    """It has what user and assistant said."""
    before, now = load("turns: [{input: hi, played: false, output: x}, {input: now}]").turn_list
    assert (before.is_played, now.is_played) == (False, True)
    assert before.messages == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]


@pytest.mark.parametrize("contract", ["5", "[a, 5]", "''", "[null]"])
def test_contracts_are_names_paths_or_mappings(contract: str) -> None:
    """Anything else as a contract is refused where it stands."""
    with pytest.raises(FormatError, match="a contract is a name, a path, an inline mapping"):
        load(f"input: x\ncontract: {contract}")


def test_contexts_are_text_mappings_or_messages() -> None:
    """A number is no context, also in a turn."""
    assert mistake("input: x\ncontext: 5").startswith("2:1: context: the context is")
    assert mistake("turns: [{input: x, context: 5}]").startswith("1:20: turns[0].context: the context is")


@pytest.mark.parametrize("target", ["app.tools:f", "a:B.method", "GET https://h/p*", "https://h/{id}", "post /v1/x"])
def test_targets_of_tools(target: str) -> None:
    """A tool is tied to a callable or to a route."""
    assert load(f"input: x\ntools: {{t: {target!r}}}").tools["t"] == target


@pytest.mark.parametrize("target", ["os.system", "a b:c", "GET", "FETCH https://h", "", "a:b:c", "/x"])
def test_targets_that_are_none(target: str) -> None:
    """What is neither a callable nor a route is refused."""
    assert "is neither `pkg.mod:callable` nor a route" in mistake(f"input: x\ntools: {{t: {target!r}}}")


def test_long_targets() -> None:
    """The long form has one target, and matchers for routes only."""
    both = mistake("input: x\ntools: {t: {target: 'a:b', route: GET /x}}")
    assert both.startswith("2:9: tools.t: give either `target`")
    assert mistake("input: x\ntools: {t: {}}").startswith("2:9: tools.t: give either `target`")
    assert mistake("input: x\ntools: {t: {target: 'a:b', match: {}}}").endswith("`match` narrows a `route`")
    assert "is not a route" in mistake("input: x\ntools: {t: {route: 'a:b'}}")


def test_recorded_answers() -> None:
    """A tool has a name, one form of answer, and a status that there is; a model's answer says something."""
    assert "a tool needs a name" in mistake("input: x\ntool_responses: [{tool: ' '}]")
    assert "is not a route" in mistake("input: x\ntool_responses: [{tool: 'NOPE ftp://'}]")
    assert mistake("input: x\ntool_responses: [{tool: a, response: 1, stream: []}]").endswith("`stream`, not both")
    for status in (-1, 1, 99, 600):
        assert f"{status} is no HTTP status" in mistake(f"input: x\ntool_responses: [{{tool: a, status: {status}}}]")
    assert load("input: x\ntool_responses: [{tool: a, status: 0}]").tool_responses[0].is_failure
    assert mistake("input: x\nllm_responses: [{latency_ms: 5}]").startswith(
        "2:17: llm_responses[0]: this answer says nothing"
    )
    assert "64 hexadecimal digits" in mistake("input: x\nllm_responses: [{content: a, request: {system: 'sha256:x'}}]")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1,), "input: a tuple is not a JSON value"),
        (float("nan"), "input: nan is not a JSON value"),
        ({"a": [float("inf")]}, "input.a.0: inf is not a JSON value"),
        ({1: 2}, "input: the key 1 is not text"),
        (datetime(2026, 2, 15), "input: a datetime is not a JSON value"),
        (b"x", "input: a bytes is not a JSON value"),
    ],
)
def test_models_made_in_python_hold_json(value: Any, message: str) -> None:
    """What could not be written into a file is refused when a model is made, too."""
    with pytest.raises(ValidationError) as caught:
        ReplayFile(input=value)
    assert message in str(caught.value)
    with pytest.raises(ValidationError):
        ToolResponse(tool="t", response=value)


def test_models_made_in_python_do_not_recurse() -> None:
    """A value that contains itself is refused."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(ValidationError, match="nested more than 100 levels deep"):
        ReplayFile(input=cycle)


def test_models_may_be_put_together() -> None:
    """Models that were made in Python may be parts of others."""
    turn = Turn(
        input="x", tool_responses=[ToolResponse(tool="t", response={"a": 1})], llm_responses=[LlmResponse(content="y")]
    )
    assert ReplayFile(id="a", turns=[turn]).turn_list[0].tool_responses[0].response == {"a": 1}
