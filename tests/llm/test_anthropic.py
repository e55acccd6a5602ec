"""Recorded answers through the real `anthropic` SDK: the same objects as from the API's own bytes."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.parity import NOWHERE, Ask, Sent, both, events, live, playing, recorded, without
from tests.llm.sdk import http_request

anthropic = pytest.importorskip("anthropic")

MADE_UP = ("id", "request_id", "_request_id")
ASK: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 1024,
    "stop_sequences": ["###"],
    "messages": [{"role": "user", "content": "Weather in Oslo?"}],
    "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
}
BASIC_USAGE = {
    "input_tokens": 2095,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 2051,
    "output_tokens": 503,
    "service_tier": "standard",
}


def message(*content: dict[str, Any], stop_reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    """A message as the API's reference shows it."""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": BASIC_USAGE,
    } | more


TEXT = {"type": "text", "text": "Hi! My name is Claude. åäö 🌧️ And then some more."}
WEATHER = {"type": "tool_use", "id": "toolu_01A", "name": "get_weather", "input": {"city": "Oslo", "days": [1, 2.5]}}
TIME = {"type": "tool_use", "id": "toolu_01B", "name": "get_time", "input": {}}
THINKING = {"type": "thinking", "thinking": "Let me think\nabout it.", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw"}
CITED = {
    "type": "text",
    "text": "the grass is green",
    "citations": [
        {
            "type": "char_location",
            "cited_text": "The grass is green.",
            "document_index": 0,
            "document_title": "Example Document",
            "start_char_index": 0,
            "end_char_index": 20,
        }
    ],
}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Oslo weather"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": "Oslo",
            "encrypted_content": "Eqg",
            "page_age": "today",
        }
    ],
}
MESSAGES = {
    "text": message(TEXT),
    "tools": message(TEXT, WEATHER, TIME, stop_reason="tool_use"),
    "a tool alone": message(WEATHER, stop_reason="tool_use"),
    "thinking": message(THINKING, REDACTED, TEXT, WEATHER, stop_reason="tool_use"),
    "thinking between tools": message(THINKING, WEATHER, THINKING, TEXT, TIME, stop_reason="tool_use"),
    "a called tool's caller": message(
        WEATHER | {"caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}}, stop_reason="tool_use"
    ),
    "citations": message({"type": "text", "text": "As the text says, "}, CITED),
    "a hosted tool": message(TEXT, SEARCH, FOUND, {"type": "text", "text": "It rains."}),
    "nothing": message(),
    "stop sequence": message(TEXT, stop_reason="stop_sequence", stop_sequence="###"),
    "cut": message(TEXT, stop_reason="max_tokens"),
    "pause": message(SEARCH, stop_reason="pause_turn"),
    "refusal": message(stop_reason="refusal"),
    "thinking tokens": message(TEXT, usage=BASIC_USAGE | {"output_tokens_details": {"thinking_tokens": 40}}),
}


def whole(body: dict[str, Any]) -> Sent:
    """The message in one piece."""
    return Sent(json.dumps(body).encode())


def streamed(body: dict[str, Any]) -> Sent:
    """The message as the documentation of streaming shows it."""
    start = body | {"content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = body["usage"] | {"output_tokens": 3}
    stream: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(body["content"]):
        first, deltas = _deltas(block)
        stream.append({"type": "content_block_start", "index": index, "content_block": first})
        stream.extend({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        stream.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": body["stop_reason"], "stop_sequence": body["stop_sequence"]}
    usage = {key: value for key, value in body["usage"].items() if key != "service_tier"}
    return events(*stream, {"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"})


def _deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        half = len(block["text"]) // 2
        texts = [{"type": "text_delta", "text": piece} for piece in (block["text"][:half], block["text"][half:])]
        cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", [])]
        return {**block, "text": ""} | ({"citations": []} if cited else {}), [*cited, *texts]
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    if "input" in block:
        text = json.dumps(block["input"]) if block["input"] else ""
        return {**block, "input": {}}, [
            {"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:7], text[7:])
        ]
    return block, []


def sdk(url: str, **options: Any) -> Any:
    """The synchronous client."""
    http = anthropic.DefaultHttpxClient(verify=False)
    return anthropic.Anthropic(api_key="none", base_url=url, max_retries=0, http_client=http, **options)


def async_sdk(url: str) -> Any:
    """The asynchronous client."""
    http = anthropic.DefaultAsyncHttpxClient(verify=False)
    return anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0, http_client=http)


def created(url: str) -> Any:
    """`messages.create`."""
    return sdk(url).messages.create(**ASK).to_dict()


def created_async(url: str) -> Any:
    """`messages.create` of the asynchronous client."""
    return asyncio.run(async_sdk(url).messages.create(**ASK)).to_dict()


def created_beta(url: str) -> Any:
    """`beta.messages.create`."""
    return sdk(url).beta.messages.create(**ASK).to_dict()


def final(url: str) -> Any:
    """`messages.stream`, put together by the SDK."""
    with sdk(url).messages.stream(**ASK) as stream:
        return stream.get_final_message().to_dict()


def final_async(url: str) -> Any:
    """`messages.stream` of the asynchronous client."""

    async def run() -> Any:
        async with async_sdk(url).messages.stream(**ASK) as stream:
            return (await stream.get_final_message()).to_dict()

    return asyncio.run(run())


def joined(url: str) -> Any:
    """`create(stream=True)`: the events, with the pieces of each block put together."""
    with sdk(url).messages.create(**ASK, stream=True) as stream:
        return _joined([event.to_dict() for event in stream])


def joined_async(url: str) -> Any:
    """`create(stream=True)` of the asynchronous client."""

    async def run() -> Any:
        stream = await async_sdk(url).messages.create(**ASK, stream=True)
        return _joined([event.to_dict() async for event in stream])

    return asyncio.run(run())


def _joined(listed: list[dict[str, Any]]) -> list[Any]:
    kinds: list[Any] = []
    texts: dict[tuple[int, str], str] = {}
    for event in listed:
        if event["type"] == "message_start":
            event["message"]["usage"]["output_tokens"] = 0
        if event["type"] != "content_block_delta":
            kinds.append(event)
            continue
        for key in ("text", "partial_json", "thinking", "signature"):
            if key in event["delta"]:
                place = event["index"], key
                texts[place] = texts.get(place, "") + event["delta"][key]
    return [
        kinds,
        [(place, json.loads(t) if place[1] == "partial_json" and t else t) for place, t in texts.items() if t],
    ]


SOME = ("tools", "thinking", "a hosted tool")


@pytest.mark.parametrize(
    ("ask", "name"),
    [*((created, name) for name in MESSAGES), *((ask, name) for ask in (created_async, created_beta) for name in SOME)],
)
def test_a_recorded_message_is_the_apis_message(name: str, ask: Ask) -> None:
    """`create`, sync and async: every kind of block, stop reason and usage."""
    real, replayed = both(ask, whole(MESSAGES[name]))
    assert without(replayed, *MADE_UP) == without(real, *MADE_UP)


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        *((ask, name) for ask in (final, joined) for name in MESSAGES),
        *((ask, name) for ask in (final_async, joined_async) for name in SOME),
    ],
)
def test_a_recorded_stream_is_the_apis_stream(name: str, ask: Ask) -> None:
    """`stream` and `stream=True`, sync and async, give the same message and the same events."""
    real, replayed = both(ask, streamed(MESSAGES[name]))
    assert without(replayed, *MADE_UP) == without(real, *MADE_UP)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_stream_is_recorded_as_the_whole_message_is(name: str) -> None:
    """One recording serves an agent that began to stream."""
    _, asked = live(created, whole(MESSAGES[name]))
    _, asked_streaming = live(final, streamed(MESSAGES[name]))
    left = recorded(whole(MESSAGES[name]), asked)
    right = recorded(streamed(MESSAGES[name]), asked_streaming)
    assert left.model_dump() == right.model_dump()


def test_text_arrives_in_pieces() -> None:
    """`text_stream` has more than one piece of a longer text."""
    with playing({"content": TEXT["text"]}), sdk(NOWHERE).messages.stream(**ASK) as stream:
        texts = list(stream.text_stream)
    assert len(texts) > 1
    assert "".join(texts) == TEXT["text"]


def test_what_is_recorded_is_neutral() -> None:
    """Text is a string, calls are calls, all input counts, whatever came from the cache."""
    _, asked = live(created, whole(MESSAGES["tools"]))
    answer = recorded(whole(MESSAGES["tools"]), asked)
    assert answer == LlmResponse(
        model="claude-sonnet-4-5-20250929",
        content=TEXT["text"],
        tool_calls=[
            RecordedToolCall(id="toolu_01A", name="get_weather", args={"city": "Oslo", "days": [1, 2.5]}),
            RecordedToolCall(id="toolu_01B", name="get_time", args={}),
        ],
        reasoning=None,
        refusal=None,
        usage=Usage(input_tokens=4146, output_tokens=503, cached_tokens=2051),
        finish_reason="tool_use",
    )
    thought = recorded(whole(MESSAGES["thinking"]), asked)
    assert thought.reasoning == THINKING["thinking"]


def test_an_answer_of_another_provider_is_given_out() -> None:
    """What OpenAI answered: its stop reason, reasoning without a signature, calls without ids, a refusal."""
    said = {"reasoning": "Hmm.", "content": "Looking.", "finish_reason": "tool_calls"}
    with playing({**said, "model": "gpt-4o", "tool_calls": [{"name": "f", "args": {}}, {"name": "f", "args": {}}]}):
        got = sdk(NOWHERE).messages.create(**ASK)
    thinking, text, *calls = got.content
    assert (thinking.thinking, bool(thinking.signature), text.text) == ("Hmm.", True, "Looking.")
    assert len({call.id for call in calls}) == 2
    assert (got.stop_reason, got.model) == ("tool_use", "gpt-4o")
    for answer, reason in (
        ({"content": "x", "finish_reason": "length"}, "max_tokens"),
        ({"content": "x", "finish_reason": "stop"}, "end_turn"),
        ({"refusal": "No."}, "refusal"),
        ({"tool_calls": [{"name": "f"}], "finish_reason": "stop"}, "tool_use"),
        ({"content": [{"type": "text", "text": "x"}, {"type": "own", "of": "gemini", "block": {}}]}, "end_turn"),
    ):
        with playing(answer):
            got = sdk(NOWHERE).messages.create(**ASK)
        assert got.stop_reason == reason
        assert (
            answer.get("refusal", "") in [getattr(block, "text", "") for block in got.content]
            or "refusal" not in answer
        )


def test_arguments_that_are_no_json_object() -> None:
    """As they were written in a stream; under `INVALID_JSON` in a whole message, from where they are read again."""
    broken = {"tool_calls": [{"id": "t", "name": "f", "raw_args": '{"city": "Os'}]}
    with playing(broken, broken):
        assert sdk(NOWHERE).messages.create(**ASK).content[0].input == {"INVALID_JSON": '{"city": "Os'}
        with sdk(NOWHERE).messages.stream(**ASK) as stream:
            texts = [event.delta.partial_json for event in stream if event.type == "content_block_delta"]
    assert "".join(texts) == '{"city": "Os'
    for stream_it in (False, True):
        request = recognise(http_request({**ASK, "stream": stream_it}, f"{NOWHERE}/v1/messages"))
        assert request is not None
        reply = request.wire.render(LlmResponse.model_validate(broken), request)
        read = request.wire.read(200, reply.body, request)
        assert read is not None
        assert read.tool_calls[0].raw_args == '{"city": "Os'


# -- errors


def failure(ask: Ask) -> Ask:
    """What the SDK raises, as plain data."""

    def asked(url: str) -> Any:
        with pytest.raises(anthropic.AnthropicError) as caught:
            ask(url)
        error = caught.value
        return [type(error), str(error), getattr(error, "status_code", None), getattr(error, "body", None)]

    return asked


def error_body(kind: str, text: str = "slow down", **more: Any) -> dict[str, Any]:
    """An error as the API's documentation shows it."""
    return {
        "type": "error",
        "error": {"type": kind, "message": text, **more},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }


@pytest.mark.parametrize("ask", [created, created_async, final])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_a_recorded_error_is_the_sdks_own(status: int, kind: str, ask: Ask) -> None:
    """Class, status and body of the error are those of the API's error; its text but for the request's id."""
    real, replayed = both(failure(ask), Sent(json.dumps(error_body(kind)).encode(), status))
    assert (replayed[0], replayed[2]) == (real[0], real[2])
    assert without(replayed[3], *MADE_UP) == without(real[3], *MADE_UP)
    assert "slow down" in replayed[1]


def test_what_an_error_says_beside_is_kept() -> None:
    """Details of an error body, and a body that is no JSON at all."""
    body = error_body("invalid_request_error", details={"error_code": "too_long"})
    real, replayed = both(failure(created), Sent(json.dumps(body).encode(), 400))
    assert replayed == real
    real, replayed = both(failure(created), Sent(b"<html>bad gateway</html>", 502, "text/html"))
    assert (replayed[0], replayed[2]) == (real[0], real[2])
    assert "bad gateway" in replayed[1]


def test_an_error_in_the_middle_of_a_stream() -> None:
    """What came before it arrives, then the SDK raises as it did; a request that does not stream gets it whole."""
    sent = streamed(message(TEXT))
    head = sent.body.partition(b"event: message_delta")[0]
    error = events({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    broken = Sent(head + error.body, content_type=sent.content_type)

    def texts(url: str) -> Any:
        got: list[str] = []
        with sdk(url).messages.stream(**ASK) as stream, pytest.raises(anthropic.APIStatusError) as caught:
            got.extend(stream.text_stream)
        return ["".join(got), type(caught.value), caught.value.status_code, caught.value.body]

    real, replayed = both(texts, broken)
    assert replayed == real
    assert replayed[0] == TEXT["text"]
    _, asked = live(texts, broken)
    with playing(recorded(broken, asked).model_dump(exclude_unset=True)):
        assert failure(created)(NOWHERE)[2] == 529


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 0, "error": "Connection refused"}, "APIConnectionError"),
        ({"content": "late", "latency_ms": 700_000}, "APITimeoutError"),
        ({"error": {"type": "openai.RateLimitError", "message": "x"}}, "RateLimitError"),
        ({"status": 429, "content": {"error": {"message": "slow down", "code": "x"}}, "error": "y"}, "RateLimitError"),
    ],
)
def test_failures_of_the_transport_and_of_other_providers(answer: dict[str, Any], error: str) -> None:
    """They are the SDK's own exceptions too."""
    with playing(answer), pytest.raises(getattr(anthropic, error)):
        sdk(NOWHERE, timeout=600).messages.create(**ASK)


def test_the_sdk_retries_without_sleeping() -> None:
    """429 with any `retry-after`, and 529, then success: the SDK's own retries, in no time."""
    headers = {"retry-after": "600"}
    started = time.perf_counter()
    with playing(
        {"status": 429, "error": "slow down", "headers": headers}, {"status": 529, "error": "x"}, {"content": "ok"}
    ) as session:
        client = anthropic.Anthropic(api_key="none", base_url=NOWHERE)
        assert client.messages.create(**ASK).content[0].text == "ok"
    assert time.perf_counter() - started < 2
    assert [call.failed for call in session.trace.llm_calls] == [True, True, False]


def test_headers_reach_raw_responses() -> None:
    """Recorded headers, and an id of the request."""
    with playing({"content": "x", "headers": {"anthropic-ratelimit-requests-remaining": "7"}}):
        raw = sdk(NOWHERE).messages.with_raw_response.create(**ASK)
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "7"
    assert raw.headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"{}",
        b'{"content": 7}',
        b'{"content": [{"type": "text"}]}',
        b'data: {"type": "message_start", "message": {"model": 7}}\n\n',
        b'data: {"type": "content_block_start"}\n\n',
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_unreadable_live_answer_is_none(body: bytes, stream: bool) -> None:
    """What has not the documented form is not guessed at."""
    request = recognise(http_request({**ASK, "stream": stream}, f"{NOWHERE}/v1/messages"))
    assert request is not None
    assert request.wire.read(200, body, request) is None


def test_the_neutral_error_of_a_stream_names_the_exception() -> None:
    """So that other formats know its status."""
    request = recognise(http_request({**ASK, "stream": True}, f"{NOWHERE}/v1/messages"))
    assert request is not None
    sent = events({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    read = request.wire.read(200, sent.body, request)
    assert read is not None
    assert (read.status, read.error) == (
        200,
        ErrorSpec(type="anthropic.OverloadedError", message="Overloaded", attributes={"type": "overloaded_error"}),
    )


def hosted(name: str) -> Any:
    """The SDK's client for a cloud's own endpoint."""
    http = anthropic.DefaultHttpxClient(verify=False)
    if name == "vertex":
        return anthropic.AnthropicVertex(
            region="eu", project_id="p", access_token="none", base_url=NOWHERE, http_client=http, max_retries=0
        )
    pytest.importorskip("boto3")
    return anthropic.AnthropicBedrock(
        aws_access_key="none",
        aws_secret_key="none",
        aws_region="eu-west-1",
        base_url=NOWHERE,
        http_client=http,
        max_retries=0,
    )


@pytest.mark.parametrize("name", ["vertex", "bedrock"])
def test_the_same_model_at_a_cloud(name: str) -> None:
    """Vertex AI and Bedrock give the message, its stream and its errors through the SDK's clients for them."""
    if name == "vertex":
        pytest.importorskip("google.auth")
    answer = {"content": TEXT["text"], "tool_calls": [{"id": "t", "name": "get_time", "args": {"zone": "CET"}}]}
    with playing(answer, answer, {"status": 429, "error": "slow down"}):
        client = hosted(name)
        got = client.messages.create(**ASK)
        with client.messages.stream(**ASK) as stream:
            streamed_one = stream.get_final_message()
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(**ASK)
    for one in (got, streamed_one):
        assert (one.content[0].text, one.content[1].input) == (TEXT["text"], {"zone": "CET"})
        assert one.stop_reason == "tool_use"


@pytest.mark.parametrize("ask", [created, final, final_async])
def test_what_a_live_model_answers_is_in_the_trace(ask: Ask) -> None:
    """A live answer is read while the SDK gets it, whole and streamed."""
    seen: list[Any] = []

    def asked(url: str) -> Any:
        with playing(llm="live") as session:
            ask(url)
        seen.extend(session.trace.llm_calls)

    live(asked, (whole if ask is created else streamed)(MESSAGES["tools"]))
    [call] = seen
    assert (call.content, call.recorded, call.usage["output_tokens"]) == (TEXT["text"], False, 503)
    assert [made["name"] for made in call.tool_calls] == ["get_weather", "get_time"]
