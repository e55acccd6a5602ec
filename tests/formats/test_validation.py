"""Mistakes in replay files, as users read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.validation import did_you_mean, unknown_key, validate


def mistakes(text: str, model: type[BaseModel] = ReplayFile, loc: tuple[str | int, ...] = ()) -> list[str]:
    with pytest.raises(FormatError) as caught:
        validate(model, parse_document(text, "f.yaml"), loc)
    return str(caught.value).splitlines()


def mistake(text: str) -> str:
    (only,) = mistakes(text)
    return only


def test_every_mistake_is_reported_in_the_order_of_the_file() -> None:
    """One error has all problems of a file, each with its line, column and field."""
    assert mistakes(
        """\
input: x
golden: yes
tool_responses:
  - tool: a
    respnse: x
    status: 700
  - status: "200"
captured_at: 2026-02-30
"""
    ) == [
        "f.yaml:2:1: golden: must be true or false, not `yes`; write true",
        "f.yaml:5:5: tool_responses[0].respnse: unknown key `respnse`; did you mean `response`?",
        "f.yaml:6:5: tool_responses[0].status: 700 is no HTTP status (100 to 599), nor 0 for a transport that failed",
        "f.yaml:7:5: tool_responses[1].tool: required, but missing",
        "f.yaml:7:5: tool_responses[1].status: must be a whole number, not `200`; write it without quotes",
        "f.yaml:8:1: captured_at: `2026-02-30` is not a date: day is out of range for month",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input: x\nname: 5", "f.yaml:2:1: name: must be text, not the number 5; quote it"),
        ("input: x\ntags: a", "f.yaml:2:1: tags: must be a list, not `a`"),
        ("input: x\ntags: [a, true]", "f.yaml:2:11: tags[1]: must be text, not true; quote it"),
        ("input: x\nmetadata: [a]", "f.yaml:2:1: metadata: must be a mapping, not a list"),
        ("input: x\nversion: 2", "f.yaml:2:1: version: must be 1, not the number 2"),
        ("input: x\nversion: '1'", "f.yaml:2:1: version: must be 1, not `1`; write it without quotes"),
        ("- a", "f.yaml:1:1: must be a mapping, not a list"),
        ("just text", "f.yaml:1:1: must be a mapping, not `just text`"),
        (
            "input: x\nended: cu",
            "f.yaml:2:1: ended: must be one of `answered`, `after_tool`, `cut`, not `cu`; did you mean `cut`?",
        ),
        (
            "input: x\ntool_responses: [{tool: a, times: 0}]",
            "f.yaml:2:28: tool_responses[0].times: must be at least 1, not the number 0",
        ),
        (
            "input: x\ntool_responses: [{tool: a, latency_ms: -1}]",
            "f.yaml:2:28: tool_responses[0].latency_ms: must be at least 0, not the number -1",
        ),
        (
            "input: x\nmatching: {tools: {t: {order: stric}}}",
            "f.yaml:2:24: matching.tools.t.order: must be one of `any`, `strict`, not `stric`; did you mean `strict`?",
        ),
    ],
)
def test_messages_are_in_our_words(text: str, expected: str) -> None:
    """Each kind of mistake says what is wanted, what is there, and often what to do."""
    assert mistake(text) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("error: 5", "error: must be text or a mapping, not the number 5; quote it"),
        ("error: {typ: E}", "error.typ: unknown key `typ`; did you mean `type`?"),
        ("error: {type: 5}", "error.type: must be text, not the number 5; quote it"),
        ("headers: {a: 5}", "headers.a: must be text or a list, not the number 5; quote it"),
        ("headers: {a: [5]}", "headers.a[0]: must be text, not the number 5; quote it"),
    ],
)
def test_alternatives_are_one_mistake(entry: str, expected: str) -> None:
    """Where a value may be of several kinds, only the kind that it is meant to be complains."""
    assert mistake(f"input: x\ntool_responses:\n- {{tool: a, {entry}}}").partition("tool_responses[0].")[2] == expected


def test_unknown_keys_without_a_near_one_list_the_known() -> None:
    """When no known key is near, all are listed."""
    message = mistake("input: x\nmatching: {zzz: 1}")
    assert message == (
        "f.yaml:2:12: matching.zzz: unknown key `zzz`; known are `args`, `ignore_args`, `order`, `unrecorded`, "
        "`exhausted`, `unused`, `tools`"
    )


def test_the_key_import_is_known_by_its_name_in_the_file() -> None:
    """A key whose name is a Python keyword is suggested as it is written."""
    assert mistake("input: x\nimprt: {}").endswith("did you mean `import`?")


def test_free_keys_are_free_everywhere() -> None:
    """Keys that begin with `x-` may hold anything, at every level."""
    text = "input: x\nx-a: {b: 1}\ntool_responses: [{tool: a, x-b: [1], error: {type: E, x-c: 1}}]"
    replay = validate(ReplayFile, parse_document(text, "f.yaml"))
    assert replay.tool_responses[0].error_spec is not None


def test_a_part_of_a_document_is_validated_in_its_place() -> None:
    """Places and fields count from the document, not from the part."""
    assert mistakes("sessions:\n- {}\n- input: x\n  tgas: []", loc=("sessions", 1)) == [
        "f.yaml:4:3: sessions[1].tgas: unknown key `tgas`; did you mean `tags`?"
    ]


def test_the_list_of_mistakes_is_bounded() -> None:
    """Of thousands of mistakes a hundred are shown, and how many more there are."""
    lines = mistakes(f"input: x\ntags: [{'1, ' * 3000}]")
    assert len(lines) == 101
    assert lines[-1] == "f.yaml: and 2,900 more problems"


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Literal["dog"]
    name: str


class Home(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    either: list[Cat] | dict[str, Dog] | None = None
    number: Annotated[int, Field(gt=2, lt=5)] | None = None
    names: Annotated[list[str], Field(min_length=1)] = ["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pets: [{kind: dog, nme: x, name: y}]", "pets[0].nme: unknown key `nme`; did you mean `name`?"),
        ("pets: [{kind: cat, lives: x}]", "pets[0].lives: must be a whole number, not `x`"),
        ("either: [{kind: cat, lives: x}]", "either[0].lives: must be a whole number, not `x`"),
        ("either: {rex: {kind: dog}}", "either.rex.name: required, but missing"),
        ("either: 5", "either: must be a list or a mapping, not the number 5"),
        ("number: 5", "number: must be less than 5, not the number 5"),
        ("names: []", "names: may not be empty"),
    ],
)
def test_models_of_others_are_understood(text: str, expected: str) -> None:
    """Unions told apart by a field, lists and mappings of models, and bounds have the same messages."""
    assert mistakes(text, Home)[0].partition(": ")[2] == expected


def test_names_that_are_near() -> None:
    """A suggestion ignores case and the kind of dash; there is none when nothing is near."""
    known = ["tool_responses", "input"]
    assert did_you_mean("Tool-Response", known) == "; did you mean `tool_responses`?"
    assert did_you_mean("zzz", known) == ""
    assert did_you_mean("i" * 1_000_000, known) == ""
    assert unknown_key("zzz", known) == "unknown key `zzz`; known are `tool_responses`, `input`"


def test_a_model_in_use_is_not_validated_again() -> None:
    """What is valid comes back as the model."""
    data: Any = validate(ReplayFile, parse_document("input: [1, {a: null}]", "f.yaml"))
    assert data.input == [1, {"a": None}]
