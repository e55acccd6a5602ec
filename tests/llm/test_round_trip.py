"""What a format gives out is what it reads: nothing of a neutral answer is lost or changed on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.sdk import http_request

URLS = {
    "chat": ("/v1/chat/completions", "/v1/chat/completions"),
    "responses": ("/v1/responses", "/v1/responses"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "gemini": ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse"),
    "gemini list": ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent"),
    "converse": ("/model/m/converse", "/model/m/converse-stream"),
    "invoke": ("/model/m/invoke", "/model/m/invoke-with-response-stream"),
}
BODY = {
    "model": "m",
    "max_tokens": 9,
    "input": "x",
    "messages": [],
    "contents": [],
    "anthropic_version": "x",
    "stream_options": {"include_usage": True},
}

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
names = st.text("abc_-", min_size=1, max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)
arguments = st.dictionaries(words, values, max_size=3)
calls = st.builds(RecordedToolCall, id=names, name=names, args=arguments)
counts = st.integers(0, 10**6)
usages = st.builds(
    lambda fresh, cached, made, thought: Usage(
        input_tokens=fresh + cached,
        output_tokens=made + thought,
        total_tokens=fresh + cached + made + thought,
        cached_tokens=cached,
        reasoning_tokens=thought,
    ),
    *[st.integers(1, 10**6)] * 4,
)
answers = st.builds(
    LlmResponse,
    model=st.just("m"),
    content=st.none() | words,
    tool_calls=st.lists(calls, max_size=3),
    reasoning=st.none() | words,
    usage=usages,
)


def request(name: str, stream: bool) -> ModelRequest:
    """A request in this format."""
    found = recognise(http_request({**BODY, "stream": stream}, f"https://api.openai.com{URLS[name][stream]}"))
    assert found is not None
    return found


def told(answer: LlmResponse, name: str) -> dict[str, Any]:
    """What an agent uses of an answer."""
    usage = answer.usage.model_dump() if answer.usage is not None else {}
    if name in ("anthropic", "invoke"):
        usage["total_tokens"] = None  # this API tells no total
    if name == "converse":
        usage["reasoning_tokens"] = None  # nor this one the tokens of thoughts
    content = answer.content
    if isinstance(content, list):
        texts = [part["text"] for part in content if part["type"] == "text"]
        content = "".join(texts) if texts else None
    return {
        "model": answer.model,
        "content": content or None,
        "tool_calls": [call.model_dump() for call in answer.tool_calls],
        "reasoning": answer.reasoning,
        "usage": usage,
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", URLS)
def test_an_answer_survives_the_wire(name: str, stream: bool) -> None:
    """Text, calls, thoughts and usage are read as they were given out, whatever characters are in them."""
    asked = request(name, stream)

    @settings(max_examples=12, deadline=None, database=None)
    @given(answers)
    def check(answer: LlmResponse) -> None:
        reply = asked.wire.render(answer, asked)
        read = asked.wire.read(reply.status, reply.body, asked)
        assert read is not None
        assert told(read, name) == told(answer, name)
        again = asked.wire.read(200, asked.wire.render(read, asked).body, asked)
        assert again == read

    check()
