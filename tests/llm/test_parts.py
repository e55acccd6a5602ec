"""The parts of a recorded answer."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.parts import Part, answer_of, answer_text, finish_reason, parts_of, spoken
from tests.llm.test_round_trip import request

CALLS = [{"name": "f", "args": {}}, {"name": "g", "args": {}}]
BLOCK = {"type": "own", "of": "gemini", "block": {"part": {}}}


def answer(content: Any, **more: Any) -> LlmResponse:
    """A recorded answer."""
    return LlmResponse.model_validate({"content": content, **more})


def kinds(found: LlmResponse) -> list[str]:
    """What its parts are."""
    return [part.call.name if part.call is not None else f"{part.kind}:{part.text}" for part in parts_of(found)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, []),
        ("", []),
        ("a", ["text:a"]),
        (["a", {"type": "output_text", "text": "b"}], ["text:a", "text:b"]),
        ({"city": "Oslo"}, ['text:{"city": "Oslo"}']),
        ([{"city": "Oslo"}], ['text:[{"city": "Oslo"}]']),
        ([1, 2], ["text:[1, 2]"]),
        (7, ["text:7"]),
        ([BLOCK, {"type": "text", "text": "a"}], ["own:", "text:a"]),
    ],
)
def test_what_a_content_is_read_as(content: Any, expected: list[str]) -> None:
    """A text, a list of parts, or any other JSON value as JSON text."""
    assert kinds(answer(content)) == expected
    assert (answer_text(answer(content)) or "") == "".join(kind[5:] for kind in expected if kind != "own:")


def test_thoughts_come_first_and_calls_last() -> None:
    """Unless the content says where they stand; what it places wrongly is not lost."""
    assert kinds(answer("a", reasoning="r", refusal="n", tool_calls=CALLS)) == [
        "reasoning:r", "text:a", "refusal:n", "f", "g",
    ]  # fmt: skip
    placed = [
        {"type": "tool_call", "index": 1},
        {"type": "thinking", "thinking": "r"},
        {"type": "tool_call", "index": 9},
    ]
    assert kinds(answer(placed, reasoning="r", tool_calls=CALLS)) == ["g", "reasoning:r", "f"]


def test_an_answer_is_written_as_short_as_it_can_be() -> None:
    """A list only where a string would lose something."""
    f, g = (part for part in parts_of(answer(None, tool_calls=CALLS)))
    short = answer_of([Part("reasoning", "r"), Part("text", "a"), f, g])
    assert (short.content, short.reasoning, short.tool_calls) == ("a", "r", [f.call, g.call])
    assert answer_of([f]).content is None
    signed = answer_of([Part("reasoning", "r", own={"signature": "s"}), Part("text", "a")])
    assert signed.content == [
        {"type": "thinking", "thinking": "r", "signature": "s"},
        {"type": "text", "text": "a"},
    ]
    assert (signed.reasoning, spoken(signed)) == ("r", "a")
    assert answer_of([f, Part("text", "a")]).content == [
        {"type": "tool_call", "index": 0},
        {"type": "text", "text": "a"},
    ]
    with pytest.raises(TypeError):
        answer_of([Part("text", 7)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "calls", "expected"),
    [
        (None, [], "stop"),
        (None, CALLS, "tool_calls"),
        ("STOP", CALLS, "tool_calls"),
        ("completed", CALLS, "tool_calls"),
        ("stop", CALLS, "stop"),
        ("tool_use", CALLS, "tool_calls"),
        ("MAX_TOKENS", [], "length"),
        ("max_output_tokens", [], "length"),
        ("guardrail_intervened", [], "content_filter"),
        ("something_new", [], "something_new"),
    ],
)
def test_every_providers_finish_reasons_are_known(given: str | None, calls: Any, expected: str) -> None:
    """In OpenAI's words; one word of Gemini and of the responses API says nothing about calls."""
    assert finish_reason(answer("x", finish_reason=given, tool_calls=calls)) == expected


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "wire"), [("anthropic", "anthropic.messages"), ("responses", "openai.responses"), ("gemini", "gemini")]
)
def test_a_block_that_is_none_is_a_clear_error(name: str, wire: str, stream: bool) -> None:
    """A mistake in a file that was edited by hand says what is wrong."""
    asked = request(name, stream)
    broken = answer([{"type": "own", "of": wire, "block": "x"}])
    with pytest.raises(ReplayError, match=f"no block of {wire}"):
        asked.wire.render(broken, asked)
