"""Recorded answers through the real `openai` SDK's responses API: the same objects as from the API's own bytes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.parity import NOWHERE, Ask, Sent, both, events, live, playing, recorded, without
from tests.llm.sdk import http_request

MADE_UP = ("id", "item_id", "created_at", "completed_at", "sequence_number", "obfuscation")
ASK: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "temperature": 0.5,
    "metadata": {"run": "7"},
    "input": [{"role": "user", "content": "Weather in Oslo?"}],
    "tools": [
        {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False},
        {"type": "custom", "name": "query"},
    ],
}
USAGE = {
    "input_tokens": 328,
    "input_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 0},
    "output_tokens": 52,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 380,
}


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response as the API's reference shows it."""
    return {
        "id": "resp_67ccd3a9da748190baa7f1570fe91ac604becb25c45c1d41",
        "object": "response",
        "created_at": 1741476777,
        "completed_at": 1741476778,
        "status": "completed",
        "background": False,
        "conversation": None,
        "error": None,
        "incomplete_details": None,
        "instructions": "Be brief.",
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "gpt-5-2025-08-07",
        "output": [item | {"id": f"{item['id']}{index}"} for index, item in enumerate(output)],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": ASK["tools"],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": USAGE,
        "user": None,
        "metadata": {"run": "7"},
    } | more


def said(*texts: str | dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    """A message item."""
    content = [
        text if isinstance(text, dict) else {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
        for text in texts
    ]
    item = {"id": "msg_67ccd3acc8d48190a77525dc6de64b40", "type": "message", "status": status, "role": "assistant"}
    return item | {"content": content} | more


LONG = "I cannot see it right now, but let me look that up. åäö 🌧️"
WEATHER = {
    "id": "fc_12345xyz",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_w",
    "name": "get_weather",
    "arguments": '{"city":"Oslo","days":[1,2.5]}',
}
BROKEN = WEATHER | {"id": "fc_2", "call_id": "call_x", "arguments": '{"city": "Os'}
QUERY = {
    "id": "ctc_1",
    "type": "custom_tool_call",
    "status": "completed",
    "call_id": "call_q",
    "name": "query",
    "input": '{"select": 1}',
}
THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "**Looking** it up"}]}
NO_THOUGHT: dict[str, Any] = {"id": "rs_2", "type": "reasoning", "summary": []}
TWO_THOUGHTS = {
    "id": "rs_3",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Second."}],
    "encrypted_content": "gAAAAABoIS",
}
OPEN_THOUGHT = {"id": "rs_4", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}
SEARCH = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "Oslo weather"},
}
CITED = {
    "type": "output_text",
    "annotations": [
        {"type": "url_citation", "start_index": 0, "end_index": 4, "url": "https://example.com", "title": "Oslo"}
    ],
    "logprobs": [],
    "text": "It rains.",
}
RESPONSES = {
    "text": response(said(LONG)),
    "calls": response(WEATHER, BROKEN),
    "text and calls": response(said("Looking."), WEATHER, QUERY),
    "thoughts": response(THOUGHT, said(LONG), WEATHER),
    "an empty thought": response(NO_THOUGHT, WEATHER),
    "all sorts of thoughts": response(TWO_THOUGHTS, WEATHER, OPEN_THOUGHT, said("x")),
    "a hosted tool": response(SEARCH, said(CITED)),
    "several messages": response(
        said("a", phase="commentary"), said("b", phase="final_answer"), said("c", "d"), said("e")
    ),
    "a refusal": response(said({"type": "refusal", "refusal": "I can't."})),
    "nothing": response(),
    "cut": response(
        said("The", status="incomplete"),
        status="incomplete",
        completed_at=None,
        incomplete_details={"reason": "max_output_tokens"},
    ),
    "filtered": response(
        said("The", status="incomplete"),
        status="incomplete",
        completed_at=None,
        incomplete_details={"reason": "content_filter"},
    ),
    "failed": response(
        status="failed",
        completed_at=None,
        usage=None,
        error={"code": "rate_limit_exceeded", "message": "slow down"},
    ),
}
SOME = ("text and calls", "thoughts", "failed")


def whole(body: dict[str, Any]) -> Sent:
    """The response in one piece."""
    return Sent(json.dumps(body).encode())


def streamed(body: dict[str, Any]) -> Sent:
    """The response as the reference of streaming events shows it."""
    first = body | {"status": "in_progress", "output": [], "usage": None, "error": None, "incomplete_details": None}
    stream: list[dict[str, Any]] = [
        {"type": "response.created", "response": first},
        {"type": "response.in_progress", "response": first},
    ]
    for index, item in enumerate(body["output"]):
        empty, changes = _changes(item)
        at = {"output_index": index, "item_id": item["id"]}
        stream.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        stream.extend({"type": f"response.{kind}", **at, **change} for kind, change in changes)
        stream.append({"type": "response.output_item.done", "output_index": index, "item": item})
    stream.append({"type": f"response.{body['status']}", "response": body})
    return events(*({**event, "sequence_number": number} for number, event in enumerate(stream)))


def _changes(item: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    begun = item | ({"status": "in_progress"} if "status" in item else {})
    for kind, event, key in (
        ("function_call", "function_call_arguments", "arguments"),
        ("custom_tool_call", "custom_tool_call_input", "input"),
    ):
        if item["type"] == kind:
            done = {key: item[key], "name": item["name"]}
            return begun | {key: ""}, [(f"{event}.delta", {"delta": item[key]}), (f"{event}.done", done)]
    if item["type"] == "reasoning":
        empty = item | {"summary": []} | ({"content": []} if "content" in item else {})
        return empty, [*_thoughts(item), *_contents(item.get("content", []))]
    if item["type"] == "message":
        return begun | {"content": []}, _contents(item["content"])
    return begun, []


def _thoughts(item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    changes: list[tuple[str, dict[str, Any]]] = []
    for index, part in enumerate(item["summary"]):
        at = {"summary_index": index}
        changes.append(("reasoning_summary_part.added", at | {"part": part | {"text": ""}}))
        changes.append(("reasoning_summary_text.delta", at | {"delta": part["text"]}))
        changes.append(("reasoning_summary_text.done", at | {"text": part["text"]}))
        changes.append(("reasoning_summary_part.done", at | {"part": part}))
    return changes


def _contents(content: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    changes: list[tuple[str, dict[str, Any]]] = []
    for index, part in enumerate(content):
        kind, at = part["type"], {"content_index": index}
        key = "refusal" if kind == "refusal" else "text"
        more: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        changes.append(("content_part.added", at | {"part": part | {key: ""} | ({"annotations": []} if more else {})}))
        changes.append((f"{kind}.delta", at | {"delta": part[key]} | more))
        for number, annotation in enumerate(part.get("annotations", [])):
            added = {"annotation_index": number, "annotation": annotation}
            changes.append(("output_text.annotation.added", at | added))
        changes.append((f"{kind}.done", at | {key: part[key]} | more))
        changes.append(("content_part.done", at | {"part": part}))
    return changes


def sdk(url: str, **options: Any) -> openai.OpenAI:
    """The synchronous client."""
    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(api_key="none", base_url=url, http_client=http, **{"max_retries": 0, **options})


def async_sdk(url: str) -> openai.AsyncOpenAI:
    """The asynchronous client."""
    http = openai.DefaultAsyncHttpxClient(verify=False)
    return openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http)


def created(url: str) -> Any:
    """`responses.create`."""
    return sdk(url).responses.create(**ASK).to_dict()


def created_async(url: str) -> Any:
    """`responses.create` of the asynchronous client."""
    return asyncio.run(async_sdk(url).responses.create(**ASK)).to_dict()


def joined(url: str) -> Any:
    """`create(stream=True)`: the events, with pieces that follow each other put together."""
    return _joined([event.to_dict() for event in sdk(url).responses.create(**ASK, stream=True)])


def joined_async(url: str) -> Any:
    """`create(stream=True)` of the asynchronous client."""

    async def run() -> Any:
        stream = await async_sdk(url).responses.create(**ASK, stream=True)
        return _joined([event.to_dict() async for event in stream])

    return asyncio.run(run())


def _joined(listed: list[dict[str, Any]]) -> list[Any]:
    found: list[Any] = []
    for _, group in itertools.groupby(listed, key=lambda event: {**event, "delta": "", "sequence_number": 0}):
        same = list(group)
        found.append(same[0] if "delta" not in same[0] else same[0] | {"delta": "".join(e["delta"] for e in same)})
    return found


def final(url: str) -> Any:
    """`responses.stream`, put together by the SDK."""
    with sdk(url).responses.stream(**ASK) as stream:
        return stream.get_final_response().to_dict()


@pytest.mark.parametrize(
    ("ask", "name"), [*((created, name) for name in RESPONSES), *((created_async, name) for name in SOME)]
)
def test_a_recorded_response_is_the_apis_response(name: str, ask: Ask) -> None:
    """`create`, sync and async: every kind of item, what the API says again of the request, and usage."""
    real, replayed = both(ask, whole(RESPONSES[name]))
    assert without(replayed, *MADE_UP) == without(real, *MADE_UP)


@pytest.mark.parametrize(
    ("ask", "name"), [*((joined, name) for name in RESPONSES), *((joined_async, name) for name in SOME)]
)
def test_a_recorded_stream_is_the_apis_stream(name: str, ask: Ask) -> None:
    """`stream=True`, sync and async, gives the same events in the same order."""
    real, replayed = both(ask, streamed(RESPONSES[name]))
    assert without(replayed, *MADE_UP) == without(real, *MADE_UP)


@pytest.mark.parametrize("name", ["text and calls", "thoughts", "several messages", "a hosted tool"])
def test_the_stream_helper_puts_the_same_response_together(name: str) -> None:
    """The SDK's own accumulator makes the same of both streams."""
    real, replayed = both(final, streamed(RESPONSES[name]))
    assert without(replayed, *MADE_UP) == without(real, *MADE_UP)


@pytest.mark.parametrize("name", RESPONSES)
def test_a_stream_is_recorded_as_the_whole_response_is(name: str) -> None:
    """One recording serves an agent that began to stream."""
    _, asked = live(created, whole(RESPONSES[name]))
    _, asked_streaming = live(joined, streamed(RESPONSES[name]))
    left = recorded(whole(RESPONSES[name]), asked)
    assert left.model_dump() == recorded(streamed(RESPONSES[name]), asked_streaming).model_dump()


def test_what_is_recorded_is_neutral() -> None:
    """Text is a string, calls are calls, a summary is the reasoning."""
    _, asked = live(created, whole(RESPONSES["thoughts"]))
    assert recorded(whole(RESPONSES["thoughts"]), asked) == LlmResponse(
        model="gpt-5-2025-08-07",
        content=LONG,
        reasoning="**Looking** it up",
        refusal=None,
        tool_calls=[RecordedToolCall(id="call_w", name="get_weather", args={"city": "Oslo", "days": [1, 2.5]})],
        usage=Usage(input_tokens=328, output_tokens=52, total_tokens=380, cached_tokens=12, reasoning_tokens=8),
        finish_reason="completed",
    )


def test_a_stream_that_broke_off_is_read_as_far_as_it_came() -> None:
    """The items that were done, and the text of one that was not."""
    request = recognise(http_request({**ASK, "stream": True}, f"{NOWHERE}/v1/responses"))
    assert request is not None
    sent = streamed(response(WEATHER, said(LONG)))
    read = request.wire.read(200, sent.body.partition(b"event: response.output_text.done")[0], request)
    assert read is not None
    assert ([call.name for call in read.tool_calls], read.finish_reason) == (["get_weather"], None)
    assert isinstance(read.content, list)
    assert read.content[-1] == {"type": "text", "text": LONG}


def test_an_error_event_is_a_failure() -> None:
    """A stream that ended in `error` is one whose response failed."""
    request = recognise(http_request({**ASK, "stream": True}, f"{NOWHERE}/v1/responses"))
    assert request is not None
    sent = events({"type": "error", "code": "server_error", "message": "boom", "param": None, "sequence_number": 0})
    read = request.wire.read(200, sent.body, request)
    assert read is not None
    assert (read.status, getattr(read.error, "message", None)) == (200, "boom")


class Weather(BaseModel):
    """What the model is asked to answer."""

    city: str
    degrees: float


@pytest.mark.parametrize("content", ['{"city": "Oslo", "degrees": 3.5}', {"city": "Oslo", "degrees": 3.5}])
def test_structured_output_is_parsed_by_the_sdk(content: Any) -> None:
    """`parse` works on recorded text and on recorded JSON."""
    with playing({"content": content}):
        parsed = sdk(NOWHERE).responses.parse(model="gpt-5", input="Weather?", text_format=Weather)
    assert parsed.output_parsed == Weather(city="Oslo", degrees=3.5)
    assert parsed.output_text


def test_a_conversation_that_the_provider_keeps() -> None:
    """Steps that differ only in `previous_response_id` have ids of their own."""
    call = {"tool_calls": [{"name": "get_weather", "args": {}}]}
    with playing(call, call, {"content": "Rain."}):
        given: list[Any] = [sdk(NOWHERE).responses.create(**ASK)]
        for _ in range(2):
            last = given[-1]
            output: Any = {"type": "function_call_output", "call_id": last.output[0].call_id, "output": "3 hits"}
            given.append(sdk(NOWHERE).responses.create(model="gpt-5", previous_response_id=last.id, input=[output]))
    assert given[2].output_text == "Rain."
    assert given[1].previous_response_id == given[0].id
    assert len({one.id for one in given}) == 3
    assert given[0].output[0].call_id != given[1].output[0].call_id
    with playing({"content": "x"}):
        kept = sdk(NOWHERE).responses.create(model="gpt-5", input="Hi", conversation="conv_1")
    assert kept.conversation is not None
    assert kept.conversation.id == "conv_1"


def test_an_answer_of_another_provider_is_given_out() -> None:
    """What Anthropic answered: thoughts with signatures, its stop reasons, blocks that only it has."""
    content = [
        {"type": "thinking", "thinking": "Hmm.", "signature": "abc"},
        {"type": "own", "of": "anthropic.messages", "block": {"type": "redacted_thinking", "data": "x"}},
        {"type": "text", "text": "Looking.", "citations": []},
    ]
    with playing({"content": content, "tool_calls": [{"name": "f", "args": {}}], "finish_reason": "tool_use"}):
        got: Any = sdk(NOWHERE).responses.create(**ASK)
    assert [item.type for item in got.output] == ["reasoning", "message", "function_call"]
    assert (got.status, got.output_text, got.output[0].summary[0].text) == ("completed", "Looking.", "Hmm.")
    with playing({"content": "x", "finish_reason": "max_tokens"}):
        assert sdk(NOWHERE).responses.create(**ASK).status == "incomplete"


# -- errors


@pytest.mark.parametrize("ask", [created, created_async, joined])
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_recorded_error_is_the_sdks_own(status: int, ask: Ask) -> None:
    """Class, text, status, code and body of the error are those of the API's error."""

    def failing(url: str) -> Any:
        with pytest.raises(openai.APIStatusError) as caught:
            ask(url)
        return [type(caught.value), str(caught.value), caught.value.status_code, caught.value.body]

    error = {"message": "slow down", "type": "requests", "param": "input", "code": "some_code"}
    real, replayed = both(failing, Sent(json.dumps({"error": error}).encode(), status))
    assert replayed == real


def test_the_sdk_retries_without_sleeping() -> None:
    """429 with a wait of 20 s, then success: the SDK's own retry, in no time."""
    started = time.perf_counter()
    with playing({"status": 429, "error": "slow down", "headers": {"retry-after": "20"}}, {"content": "ok"}):
        assert sdk(NOWHERE, max_retries=2).responses.create(**ASK).output_text == "ok"
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 0, "error": "Connection refused"}, openai.APIConnectionError),
        ({"content": "late", "latency_ms": 700_000}, openai.APITimeoutError),
        ({"status": 529, "error": "Overloaded"}, openai.InternalServerError),
    ],
)
def test_failures_of_the_transport_and_of_other_providers(answer: dict[str, Any], error: type[Exception]) -> None:
    """They are the SDK's own exceptions too."""
    with playing(answer), pytest.raises(error):
        sdk(NOWHERE).responses.create(**ASK)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"{}",
        b'{"status": "completed", "output": [{"type": "message"}]}',
        b'data: {"type": "response.completed", "response": {"model": 7, "status": "completed"}}\n\n',
        b'data: {"type": "response.output_item.done"}\n\n',
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_unreadable_live_answer_is_none(body: bytes, stream: bool) -> None:
    """What has not the documented form is not guessed at."""
    request = recognise(http_request({**ASK, "stream": stream}, f"{NOWHERE}/v1/responses"))
    assert request is not None
    assert request.wire.read(200, body, request) is None
