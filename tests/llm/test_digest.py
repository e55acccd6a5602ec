"""The digests by which a request is found again."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import LlmRequestDigests
from pytest_agent_replay.llm.digest import (
    canonical_messages,
    canonical_system,
    canonical_tools,
    differing_parts,
    digests,
    request_digests,
)
from tests.llm.sdk import model_request

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "a"}}


def called(*calls: tuple[str | None, str, Any], content: Any = None) -> dict[str, Any]:
    """An assistant's message with calls of (id, name, arguments as sent)."""
    listed = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    return {"role": "assistant", "content": content, "tool_calls": listed}


def result(call_id: str, content: Any, **more: Any) -> dict[str, Any]:
    """A tool's message."""
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


def test_a_digest_is_the_hash_of_the_documented_json() -> None:
    """Others can compute a digest from the canonical form alone."""
    text = '[{"content":[{"text":"H\\u00e9"}],"role":"user"}]'
    expected = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert request_digests([SYSTEM, {"role": "user", "content": "Hé"}]).messages == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([USER], [{"content": [{"type": "text", "text": "Hi"}], "role": "user"}]),
        ([USER], [{**USER, "name": None}]),
        ([called(("a", "f", '{"x": 1, "y": 2}'))], [called(("b", "f", {"y": 2.0, "x": 1}))]),
        ([called(("a", "f", "{}"))], [called(("a", "f", ""), content="")]),
        (
            [called(("a", "f", "{}"), ("b", "g", "{}")), result("a", "1"), result("b", "2")],
            [called(("x", "f", "{}"), ("y", "g", "{}")), result("y", "2", name="g"), result("x", "1")],
        ),
        (
            [called(("a", "f", "{}")), result("a", "1"), called(("a", "f", "{}")), result("a", "2")],
            [called(("p", "f", "{}")), result("p", "1"), called(("q", "f", "{}")), result("q", "2")],
        ),
        (
            [called(("a", "f", "{}")), result("a", "1")],
            [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
             {"role": "function", "name": "f", "content": "1"}],
        ),
        (
            [called(("a", "f", "{}"), ("a", "f", "{}")), result("a", "1"), result("a", "2")],
            [called(("p", "f", "{}"), ("q", "f", "{}")), result("p", "1"), result("q", "2")],
        ),
        (
            [called(("a", "f", "{}")), called(("a", "g", "{}")), result("a", "1")],
            [called(("p", "f", "{}")), called(("q", "g", "{}")), result("q", "1")],
        ),
        (
            [called(("a", "f", "{}"), ("a", "g", "{}")), result("a", "1", name="g")],
            [called(("p", "f", "{}"), ("q", "g", "{}")), result("q", "1")],
        ),
        (
            [{"role": "user", "content": [IMAGE]}],
            [{"role": "user", "content": [{**IMAGE, "cache_control": {"type": "ephemeral"}, "detail": None}]}],
        ),
        ([USER, {"role": "assistant", "content": ""}], [USER]),
        (
            [USER, {"role": "assistant", "content": "x", "refusal": None, "annotations": [], "audio": None}],
            [USER, {"role": "assistant", "content": "x"}],
        ),
    ],
    ids=[
        "parts", "null", "arguments", "empty", "parallel", "same-ids", "legacy",
        "id-twice", "nearest", "named", "cache", "empty-stop", "sdk-dump",
    ],
)  # fmt: skip
def test_what_says_the_same_has_the_same_digest(left: list[Any], right: list[Any]) -> None:
    """Spelling, ids, null values and the order in which parallel calls ended do not count."""
    assert digests(model_request(*left)) == digests(model_request(*right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([USER], [{"role": "user", "content": "Hi!"}]),
        ([called(("a", "f", '{"x": 1}'))], [called(("a", "f", '{"x": "1"}'))]),
        ([called(("a", "f", '{"x": 1}'))], [called(("a", "f", '{"x": true}'))]),
        ([called(("a", "f", '{"x": null}'))], [called(("a", "f", "{}"))]),
        ([called(("a", "f", "{x}"))], [called(("a", "f", "{}"))]),
        (
            [called(("a", "f", "{}"), ("b", "f", "{}")), result("a", "1"), result("b", "2")],
            [called(("a", "f", "{}"), ("b", "f", "{}")), result("b", "1"), result("a", "2")],
        ),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]}],
         [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "b"}}]}]),
        ([USER], [USER, USER]),
        ([USER, {"role": "assistant", "content": "x"}], [USER, {"role": "user", "content": "x"}]),
    ],
    ids=["text", "type", "bool", "null-argument", "raw", "results-swapped", "image", "twice", "role"],
)  # fmt: skip
def test_what_says_another_thing_has_another_digest(left: list[Any], right: list[Any]) -> None:
    """Texts, arguments, images and which call got which result count."""
    assert digests(model_request(*left)).messages != digests(model_request(*right)).messages


def test_system_prompt_is_apart_from_the_messages() -> None:
    """A changed system prompt changes only its own digest; `developer` is the same as `system`."""
    plain, other = digests(model_request(SYSTEM, USER)), digests(model_request(USER))
    developer = digests(model_request({"role": "developer", "content": "Be brief."}, USER))
    assert differing_parts(plain, other) == ["system"]
    assert plain == developer


def test_a_later_system_message_is_one_of_the_messages() -> None:
    """Only the head of the request is the system prompt."""
    assert canonical_system([SYSTEM, USER, SYSTEM]) == [{"text": "Be brief."}]
    assert canonical_messages([SYSTEM, USER, SYSTEM])[1] == {"role": "system", "content": [{"text": "Be brief."}]}


def test_a_result_without_its_call_keeps_its_name() -> None:
    """A tool message that answers nothing is told from others by its name."""
    assert canonical_messages([{"role": "tool", "tool_call_id": "?", "content": "1", "name": "f"}]) == [
        {"role": "tool", "call": None, "content": [{"text": "1"}], "name": "f"}
    ]


def test_tools_count_without_their_order() -> None:
    """Tools are compared as a set; descriptions and schemas count."""
    a, b = {"name": "a", "description": "A"}, {"name": "b", "description": "", "parameters": {}}
    assert canonical_tools([b, a]) == canonical_tools([a, {"name": "b"}])
    assert request_digests([], tools=[a]).tools != request_digests([], tools=[{"name": "a"}]).tools


def test_only_what_the_recording_gives_is_compared() -> None:
    """A recording without a tools digest fits any tools; the model goes by its name."""
    actual = digests(model_request(USER, tools=[{"type": "function", "function": {"name": "f"}}]))
    assert differing_parts(LlmRequestDigests(messages=actual.messages), actual) == []
    assert differing_parts(LlmRequestDigests(model="gpt-4o-mini", tools="sha256:" + "0" * 64), actual) == [
        "model",
        "tools",
    ]


def test_odd_characters_have_a_digest() -> None:
    """Unpaired surrogates and control characters are escaped, not an error."""
    assert digests(model_request({"role": "user", "content": "\ud800\x00"})).messages
