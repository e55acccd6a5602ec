"""Recorded answers through the real `openai` SDK, and live answers read back."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.sse import sse_event
from tests.llm.parity import NOWHERE, Sent, as_written, both, live, playing, recorded, without
from tests.llm.sdk import Recordings, async_client, client, model_request, run

ASK: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Weather in Oslo?"}]}
LONG = "Let me look that up for you — it takes a moment, åäö 🌧️ and then some more."


def calling(*names: str) -> LlmResponse:
    """An answer that calls these tools."""
    calls = [RecordedToolCall(id=f"c{i}", name=name, args={"city": "Oslo", "n": i}) for i, name in enumerate(names)]
    return LlmResponse(
        model="gpt-4o-2024-08-06", content=LONG, tool_calls=calls, usage=Usage(input_tokens=245, output_tokens=18)
    )


def answered(answer: LlmResponse, **options: Any) -> tuple[OpenAI, Recordings]:
    """A client that always gets this answer."""
    recordings = Recordings(lambda _: answer)
    return client(recordings, **options), recordings


def assert_has_it_all(completion: Any) -> None:
    """Checks what `calling("weather", "time")` says."""
    choice = completion.choices[0]
    assert (completion.model, choice.finish_reason, choice.message.content) == ("gpt-4o-2024-08-06", "tool_calls", LONG)
    assert [
        (call.id, call.type, call.function.name, json.loads(call.function.arguments))
        for call in choice.message.tool_calls
    ] == [
        ("c0", "function", "weather", {"city": "Oslo", "n": 0}),
        ("c1", "function", "time", {"city": "Oslo", "n": 1}),
    ]
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        245,
        18,
        263,
    )


def test_an_answer_arrives_whole() -> None:
    """Text, parallel calls, usage and model of the recording are what the SDK's object has."""
    sdk, _ = answered(calling("weather", "time"))
    assert_has_it_all(sdk.chat.completions.create(**ASK))


def test_an_answer_arrives_whole_in_async_code() -> None:
    """The asynchronous client gets the same."""
    sdk = async_client(Recordings(lambda _: calling("weather", "time")))
    assert_has_it_all(run(sdk.chat.completions.create(**ASK)))


def test_the_stream_helper_puts_the_same_answer_together() -> None:
    """The SDK's own accumulator makes of the chunks what it makes of the whole answer."""
    sdk, recordings = answered(calling("weather", "time"))
    with sdk.chat.completions.stream(**ASK, stream_options={"include_usage": True}) as stream:
        events = [event.type for event in stream]
        assert_has_it_all(stream.get_final_completion())
    assert recordings.asked[0].stream
    assert events.count("content.delta") > 1
    assert events.count("tool_calls.function.arguments.done") == 2


def test_the_asynchronous_stream_helper_puts_the_same_answer_together() -> None:
    """Likewise with the asynchronous client."""

    async def final() -> Any:
        sdk = async_client(Recordings(lambda _: calling("weather", "time")))
        async with sdk.chat.completions.stream(**ASK, stream_options={"include_usage": True}) as stream:
            return await stream.get_final_completion()

    assert_has_it_all(run(final()))


def test_chunks_have_the_documented_order() -> None:
    """The role comes first, then text in pieces, calls by index, the finish reason, and usage when asked for."""
    sdk, _ = answered(calling("weather", "time"))
    chunks = list(sdk.chat.completions.create(**ASK, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert "".join(delta.content or "" for delta in deltas) == LONG
    firsts = [call for delta in deltas for call in delta.tool_calls or [] if call.id]
    assert [(call.index, call.id, call.function.name, call.function.arguments) for call in firsts if call.function] == [
        (0, "c0", "weather", ""),
        (1, "c1", "time", ""),
    ]
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "tool_calls"]
    assert {chunk.usage for chunk in chunks} == {None}
    with_usage = list(sdk.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert with_usage[-1].choices == []
    assert with_usage[-1].usage is not None
    assert with_usage[-1].usage.prompt_tokens == 245


def test_the_answer_is_what_the_api_itself_would_have_sent() -> None:
    """The SDK's object equals the one it makes of a body in OpenAI's documented form."""
    documented = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }
    request = model_request(*ASK["messages"])
    live = request.wire.read(200, json.dumps(documented).encode(), request)
    assert live is not None
    sdk, _ = answered(live)
    ours = sdk.chat.completions.create(**ASK).to_dict()
    made_up = {"id", "created"}
    assert {key: value for key, value in ours.items() if key not in made_up} == {
        key: value for key, value in documented.items() if key not in made_up
    }


def test_the_same_request_gets_the_same_bytes() -> None:
    """Ids are made of the recording and the request; two steps of a conversation never share a call id."""
    request = model_request(*ASK["messages"])
    later = model_request(*ASK["messages"], {"role": "assistant", "content": "x"})
    answer = LlmResponse(tool_calls=[RecordedToolCall(name="f", args={}), RecordedToolCall(name="f", args={})])
    first, again, other = (request.wire.render(answer, r) for r in (request, request, later))
    assert first == again
    ids = [
        call["id"] for reply in (first, other) for call in json.loads(reply.body)["choices"][0]["message"]["tool_calls"]
    ]
    assert len(set(ids)) == 4
    assert json.loads(first.body)["usage"]["total_tokens"] == 0


def test_broken_arguments_are_given_out_as_they_were() -> None:
    """What the model wrote wrongly reaches the agent wrongly."""
    sdk, _ = answered(LlmResponse(tool_calls=[RecordedToolCall(id="c", name="f", raw_args='{"x": tru')]))
    call: Any = (sdk.chat.completions.create(**ASK).choices[0].message.tool_calls or [])[0]
    assert call.function.arguments == '{"x": tru'


class Weather(BaseModel):
    """What the model is asked to answer."""

    city: str
    degrees: float


@pytest.mark.parametrize("content", ['{"city": "Oslo", "degrees": 3.5}', {"city": "Oslo", "degrees": 3.5}])
def test_structured_output_is_parsed_by_the_sdk(content: Any) -> None:
    """`parse` works on recorded text and on recorded JSON."""
    sdk, _ = answered(LlmResponse(content=content))
    parsed = sdk.chat.completions.parse(**ASK, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather(city="Oslo", degrees=3.5)


def test_refusal_reasoning_and_finish_reason() -> None:
    """A refusal and reasoning arrive in their own fields; other providers' finish reasons become OpenAI's."""
    sdk, _ = answered(LlmResponse(refusal="I can't.", reasoning="Hmm.", finish_reason="max_tokens"))
    choice = sdk.chat.completions.create(**ASK).choices[0]
    assert (choice.message.refusal, choice.message.content, choice.finish_reason) == ("I can't.", None, "length")
    assert choice.message.to_dict()["reasoning_content"] == "Hmm."
    deltas = [chunk.choices[0].delta for chunk in sdk.chat.completions.create(**ASK, stream=True)]
    assert "".join(delta.refusal or "" for delta in deltas) == "I can't."


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_under_the_name_that_the_server_has_for_it(key: str) -> None:
    """That of DeepSeek and that of Groq and OpenRouter, whole and streamed, as vLLM sends both."""
    sdk, _ = answered(LlmResponse(content="Hi", reasoning=LONG))
    assert sdk.chat.completions.create(**ASK).choices[0].message.to_dict()[key] == LONG
    deltas = [chunk.choices[0].delta.to_dict() for chunk in sdk.chat.completions.create(**ASK, stream=True)]
    assert "".join(str(delta.get(key) or "") for delta in deltas) == LONG


@pytest.mark.parametrize("cost", [0.0125, None])
def test_a_recorded_cost_is_in_the_usage(cost: float | None) -> None:
    """Where OpenRouter puts it, whole and streamed; nowhere when none was recorded."""
    sdk, _ = answered(LlmResponse(content="Hi", usage=Usage(input_tokens=3, output_tokens=1, cost=cost)))
    whole = sdk.chat.completions.create(**ASK).usage
    *_, last = sdk.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    assert whole is not None
    assert last.usage is not None
    assert [usage.to_dict().get("cost") for usage in (whole, last.usage)] == [cost, cost]


def test_several_choices_are_the_recorded_one_again() -> None:
    """`n` choices come, whole and streamed."""
    sdk, _ = answered(LlmResponse(content="Hi"))
    assert [c.message.content for c in sdk.chat.completions.create(**ASK, n=3).choices] == ["Hi"] * 3
    chunks = sdk.chat.completions.create(**ASK, n=2, stream=True)
    assert sorted(chunk.choices[0].index for chunk in chunks if chunk.choices[0].delta.content == "Hi") == [0, 1]


def test_legacy_functions_get_a_function_call() -> None:
    """A request that offers `functions` is answered in that form, whole and streamed."""
    sdk, _ = answered(calling("weather"))
    ask = {**ASK, "functions": [{"name": "weather", "parameters": {}}]}
    choice = sdk.chat.completions.create(**ask).choices[0]
    assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
    assert choice.message.function_call is not None
    assert choice.message.function_call.name == "weather"
    deltas = [chunk.choices[0].delta.function_call for chunk in sdk.chat.completions.create(**ask, stream=True)]
    assert json.loads("".join(delta.arguments or "" for delta in deltas if delta)) == {"city": "Oslo", "n": 0}


def test_headers_of_the_recording_reach_raw_responses() -> None:
    """`with_raw_response` shows recorded headers, but none that belong to other bytes."""
    sdk, _ = answered(LlmResponse(content="Hi", headers={"x-ratelimit-remaining": "7", "Content-Length": "3"}))
    raw = sdk.chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-ratelimit-remaining"] == "7"
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers.get_list("content-length") != ["3"]
    assert raw.parse().choices[0].message.content == "Hi"
    request = model_request(*ASK["messages"])
    reply = request.wire.render(
        LlmResponse(content="Hi", headers={"Content-Encoding": "gzip", "x-a": ["1", "2"]}), request
    )
    assert [pair for pair in reply.headers if pair[0].lower() in ("content-encoding", "x-a")] == [
        ("x-a", "1"),
        ("x-a", "2"),
    ]


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (LlmResponse(status=429, error="slow down"), openai.RateLimitError, 429),
        (LlmResponse(status=500, error="slow down"), openai.InternalServerError, 500),
        (LlmResponse(status=400, error="slow down"), openai.BadRequestError, 400),
        (LlmResponse(status=401, error="slow down"), openai.AuthenticationError, 401),
        (LlmResponse(error="slow down"), openai.InternalServerError, 500),
        (LlmResponse(error=ErrorSpec(type="openai.RateLimitError", message="slow down")), openai.RateLimitError, 429),
        (LlmResponse(status=422, content={"error": {"message": "slow down"}}), openai.UnprocessableEntityError, 422),
    ],
)
def test_recorded_errors_are_the_sdks_own(answer: LlmResponse, error: type[openai.APIStatusError], status: int) -> None:
    """An error arrives as the class that the SDK makes of its status, with the recorded text."""
    sdk, _ = answered(answer, max_retries=0)
    for stream in (False, True):
        with pytest.raises(error, match="slow down") as caught:
            sdk.chat.completions.create(**ASK, stream=stream)
        assert caught.value.status_code == status


def test_error_code_and_type_can_be_recorded() -> None:
    """`attributes` of the error are OpenAI's `code`, `type` and `param`."""
    spec = ErrorSpec(message="too long", attributes={"code": "context_length_exceeded", "param": "messages"})
    sdk, _ = answered(LlmResponse(status=400, error=spec))
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(**ASK)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")


@pytest.mark.parametrize(
    ("answer", "error", "failure"),
    [
        (LlmResponse(status=0, error="Connection refused"), openai.APIConnectionError, "refused"),
        (LlmResponse(status=0, error="Connection reset by peer"), openai.APIConnectionError, "reset"),
        (LlmResponse(status=0, error="Could not resolve host"), openai.APIConnectionError, "dns"),
        (LlmResponse(status=0), openai.APIConnectionError, "refused"),
        (LlmResponse(error=ErrorSpec(type="openai.APITimeoutError")), openai.APITimeoutError, "read_timeout"),
    ],
)
def test_failures_below_http(answer: LlmResponse, error: type[Exception], failure: str) -> None:
    """Status 0 and the SDK's connection errors are failures of the transport."""
    request = model_request(*ASK["messages"])
    assert request.wire.render(answer, request).failure == failure
    sdk, _ = answered(answer, max_retries=0)
    with pytest.raises(error) as caught:
        sdk.chat.completions.create(**ASK)
    assert isinstance(caught.value, openai.APIConnectionError)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, {"retry-after-ms": "1"}),
        ({"retry-after": "20"}, {"retry-after": "20", "retry-after-ms": "1"}),
        ({"Retry-After-Ms": "9000"}, {"retry-after-ms": "1"}),
        ({"retry-after": "soon"}, {"retry-after": "soon", "retry-after-ms": "1"}),
        ({"retry-after": "600"}, {"retry-after": "600"}),
    ],
)
def test_the_sdk_does_not_sleep_before_it_tries_again(headers: Any, expected: dict[str, str]) -> None:
    """An error asks for a wait of 1 ms, unless the SDK was told to wait so long that it gives up."""
    request = model_request(*ASK["messages"])
    reply = request.wire.render(LlmResponse(status=429, error="x", headers=headers), request)
    assert {k.lower(): v for k, v in reply.headers if k.lower().startswith("retry")} == expected


# -- live answers


@pytest.mark.parametrize("stream", [False, True])
def test_a_live_answer_is_read_back(stream: bool) -> None:
    """What was rendered is read as it was recorded, also when it was streamed."""
    request = model_request(*ASK["messages"], stream=stream, stream_options={"include_usage": True})
    answer = calling("weather", "time").model_copy(update={"reasoning": "Hmm.", "finish_reason": "tool_calls"})
    broken = RecordedToolCall(id="c9", name="raw", raw_args="{x")
    answer.tool_calls.append(broken)
    read = request.wire.read(200, request.wire.render(answer, request).body, request)
    assert read is not None
    assert read.usage is not None
    assert (read.usage.input_tokens, read.usage.total_tokens) == (245, 263)
    left_out = {"usage", "request"}
    assert read.model_dump(exclude=left_out, exclude_none=True) == answer.model_dump(
        exclude=left_out, exclude_none=True
    )


def test_a_live_error_is_read_back() -> None:
    """The status and the message of an error body; the body itself when it has another form."""
    request = model_request(*ASK["messages"])
    read = request.wire.read(429, b'{"error": {"message": "slow down"}}', request)
    assert read is not None
    assert (read.status, read.error) == (429, "slow down")
    read = request.wire.read(502, b"<html>bad gateway</html>", request)
    assert read is not None
    assert read.error == "<html>bad gateway</html>"


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"{}", b'{"choices": []}', b'{"choices": [{"message": {}}], "model": 7}']
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_unreadable_live_answer_is_none(body: bytes, stream: bool) -> None:
    """What has not the documented form is not guessed at."""
    request = model_request(*ASK["messages"], stream=stream)
    assert request.wire.read(200, body, request) is None


def test_a_stream_that_broke_off_is_read_as_far_as_it_came() -> None:
    """A live stream that ended early gives its text; line separators inside of text do not end an event."""
    request = model_request(*ASK["messages"], stream=True)
    chunk = {"model": "m", "choices": [{"index": 0, "delta": {"content": "a\u2028b"}}]}
    raw = (
        b": ping\r\n\r\n"
        + json.dumps(chunk, ensure_ascii=False).join(["data:", "\r\n\r\n"]).encode()
        + sse_event("{cut")
    )
    read = request.wire.read(200, raw, request)
    assert read is not None
    assert (read.content, read.model, read.finish_reason) == ("a\u2028b", "m", None)


# -- the same as the API itself


def completion(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    """A completion as the API's reference shows it."""
    said = {"role": "assistant", "content": None, "refusal": None, "annotations": [], **message}
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0},
        },
        "service_tier": "default",
    }


FUNCTION = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
CUSTOM = {"id": "call_b", "type": "custom", "custom": {"name": "query", "input": '{"select": 1}'}}
CITATION = {"start_index": 0, "end_index": 4, "url": "https://example.com", "title": "Oslo"}
COMPLETIONS = {
    "text": completion({"content": LONG}),
    "calls": completion({"tool_calls": [FUNCTION, {**FUNCTION, "id": "call_c"}]}, "tool_calls"),
    "text and a custom call": completion({"content": "Looking.", "tool_calls": [FUNCTION, CUSTOM]}, "tool_calls"),
    "citations": completion({"content": LONG, "annotations": [{"type": "url_citation", "url_citation": CITATION}]}),
    "a refusal": completion({"refusal": "I can't."}),
    "reasoning": completion({"content": LONG, "reasoning_content": "Hmm.", "reasoning": "Hmm."}),
    "cut": completion({"content": "The"}, "length"),
    "filtered": completion({"content": "The"}, "content_filter"),
}


def chunked(whole: dict[str, Any]) -> Sent:
    """The completion as the reference of streaming shows it."""
    message, finish = whole["choices"][0]["message"], whole["choices"][0]["finish_reason"]
    start = None if message.get("tool_calls") and not message["content"] else ""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": start, "refusal": None}]
    for keys in (("reasoning_content", "reasoning"), ("content",), ("refusal",)):
        text = message.get(keys[0]) or ""
        deltas.extend(dict.fromkeys(keys, piece) for piece in (text[:5], text[5:]) if piece)
    if message["annotations"]:
        deltas.append({"annotations": message["annotations"]})
    for index, call in enumerate(message.get("tool_calls", ())):
        kind = call["type"]
        key = "arguments" if kind == "function" else "input"
        deltas.append({"tool_calls": [{"index": index, **call, kind: {**call[kind], key: ""}}]})
        deltas.append({"tool_calls": [{"index": index, kind: {key: call[kind][key]}}]})
    head = {key: whole[key] for key in ("id", "created", "model", "service_tier")} | {"usage": None}
    head["object"] = "chat.completion.chunk"
    ends = [*((delta, None) for delta in deltas), ({}, finish)]
    choices = [[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}] for delta, end in ends]
    chunks = [*({**head, "choices": one} for one in choices), {**head, "choices": [], "usage": whole["usage"]}]
    body = b"".join(map(sse_event, chunks)) + sse_event("[DONE]")
    return Sent(body, content_type="text/event-stream; charset=utf-8")


PARITY: Any = {
    **ASK,
    "tools": [
        {"type": "function", "function": {"name": "weather", "parameters": {}}},
        {"type": "custom", "custom": {"name": "query"}},
    ],
}
MADE_UP = ("id", "created")


def created(url: str) -> Any:
    """`create`."""
    http = openai.DefaultHttpxClient(verify=False)
    made = OpenAI(api_key="none", base_url=url, http_client=http, max_retries=0)
    return without(made.chat.completions.create(**PARITY).to_dict(), *MADE_UP)


def joined(url: str) -> Any:
    """`create(stream=True)`: the deltas, with pieces that follow each other put together."""
    http = openai.DefaultHttpxClient(verify=False)
    made = OpenAI(api_key="none", base_url=url, http_client=http, max_retries=0)
    chunks = made.chat.completions.create(**PARITY, stream=True, stream_options={"include_usage": True})
    return _joined([without(chunk.to_dict(), *MADE_UP) for chunk in chunks])


def _joined(chunks: list[Any]) -> list[Any]:
    found: list[Any] = []
    texts: dict[str, str] = {}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
        key = next((key for key in ("reasoning_content", "content", "refusal") if delta.get(key)), None)
        piece = delta.get("tool_calls", [{}])[0]
        if key is not None:
            texts[key] = texts.get(key, "") + delta[key]
        elif piece and "type" not in piece:
            place = f"call {piece['index']}"
            written = {**piece.get("function", {}), **piece.get("custom", {})}
            texts[place] = texts.get(place, "") + "".join(written.values())
        else:
            found.append(chunk)
    return [found, texts]


@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_recorded_completion_is_the_apis_completion(name: str) -> None:
    """The SDK's object from a recording equals the one from the API's own bytes, whole and streamed."""
    real, replayed = both(created, Sent(json.dumps(COMPLETIONS[name]).encode()))
    assert replayed == real
    real, replayed = both(joined, chunked(COMPLETIONS[name]))
    assert replayed == real


def test_an_error_in_the_middle_of_a_stream() -> None:
    """What came before it arrives, then the SDK raises as it did; a request that does not stream gets it whole."""
    error = {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": None}}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"index": 0, "delta": {"content": "The"}, "finish_reason": None}
    broken = Sent(sse_event({**chunk, "choices": [delta]}) + sse_event(error), content_type="text/event-stream")

    def told(url: str) -> Any:
        texts: list[str] = []
        made = OpenAI(api_key="none", base_url=url, max_retries=0)
        with pytest.raises(openai.APIError) as caught:
            texts.extend(one.choices[0].delta.content or "" for one in made.chat.completions.create(**ASK, stream=True))
        return ["".join(texts), type(caught.value), str(caught.value), caught.value.body]

    real, replayed = both(told, broken)
    assert replayed == real
    assert replayed[0] == "The"
    _, asked = live(told, broken)
    with playing(as_written(recorded(broken, asked))), pytest.raises(openai.RateLimitError):
        created(NOWHERE)


def test_calls_without_an_index_are_told_apart() -> None:
    """Some servers stream each call as one piece and number none."""
    request = model_request(*ASK["messages"], stream=True)
    calls = [{"id": f"c{n}", "function": {"name": "f", "arguments": f'{{"n":{n}}}'}} for n in range(2)]
    body = b"".join(sse_event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}) for call in calls)
    read = request.wire.read(200, body, request)
    assert read is not None
    assert [(call.id, call.args) for call in read.tool_calls] == [("c0", {"n": 0}), ("c1", {"n": 1})]
