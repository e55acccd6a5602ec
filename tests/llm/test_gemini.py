"""Recorded answers through the real `google-genai` SDK: the same objects as from the API's own bytes."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import ssl
from typing import Any

import pytest
from pydantic import BaseModel

from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.recognise import recognise
from pytest_agent_replay.llm.sse import sse_event
from tests.llm.parity import NOWHERE, Ask, Sent, both, live, playing, recorded, without
from tests.llm.sdk import http_request

genai = pytest.importorskip("google.genai")
errors = pytest.importorskip("google.genai.errors")

MADE_UP = ("response_id", "sdk_http_response", "automatic_function_calling_history")
DECLARED = {"function_declarations": [{"name": "get_weather", "parameters_json_schema": {"type": "object"}}]}
ASK: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "Weather in Oslo?", "config": {"tools": [DECLARED]}}
USAGE = {
    "promptTokenCount": 28,
    "candidatesTokenCount": 15,
    "totalTokenCount": 83,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 28}],
    "thoughtsTokenCount": 40,
    "cachedContentTokenCount": 7,
}
SIGNATURE = base64.b64encode(b"a signature of a thought").decode()
LONG = "I cannot see it right now, but let me look that up. åäö 🌧️"


def response(*parts: dict[str, Any], candidate: Any = None, finish: str = "STOP", **more: Any) -> dict[str, Any]:
    """A response as the API's reference shows it."""
    content = ({"parts": list(parts)} if parts else {}) | {"role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": finish, "index": 0, **(candidate or {})}],
        "usageMetadata": USAGE,
        "modelVersion": "gemini-2.5-flash-001",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
    } | more


WEATHER = {"functionCall": {"name": "get_weather", "args": {"city": "Oslo", "days": [1, 2.5]}}}
TIME = {"functionCall": {"id": "call_7", "name": "get_time", "args": {}}}
GROUNDING = {
    "groundingMetadata": {
        "webSearchQueries": ["Oslo weather"],
        "groundingChunks": [{"web": {"uri": "https://example.com", "title": "Oslo"}}],
    },
    "avgLogprobs": -0.25,
    "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}],
}
BLOCKED = {
    "promptFeedback": {
        "blockReason": "SAFETY",
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH"}],
    },
    "usageMetadata": USAGE,
    "modelVersion": "gemini-2.5-flash-001",
    "responseId": "x",
}
RESPONSES = {
    "text": response({"text": LONG}),
    "calls": response(WEATHER, TIME),
    "text and signed calls": response({"text": "Looking."}, WEATHER | {"thoughtSignature": SIGNATURE}, TIME),
    "a thought": response({"text": "**Hm**", "thought": True}, {"text": LONG}),
    "a signed text": response({"text": "**Hm**", "thought": True}, {"text": LONG, "thoughtSignature": SIGNATURE}),
    "code": response(
        {"text": "Let me see."},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"text": "It is 1."},
    ),
    "an image": response({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
    "grounding": response({"text": "It rains."}, candidate=GROUNDING),
    "nothing": response(finish="MAX_TOKENS"),
    "cut": response({"text": "The"}, finish="MAX_TOKENS"),
    "unsafe": response(finish="SAFETY", candidate={"safetyRatings": [{"category": "HARM_CATEGORY_HATE_SPEECH"}]}),
    "malformed": response(finish="MALFORMED_FUNCTION_CALL", candidate={"finishMessage": "Malformed: print("}),
    "a blocked prompt": BLOCKED,
}
SOME = ("calls", "a signed text", "a blocked prompt")


def whole(body: dict[str, Any]) -> Sent:
    """The response in one piece, indented as the API does."""
    return Sent(json.dumps(body, indent=2).encode(), content_type="application/json; charset=UTF-8")


def streamed(body: dict[str, Any]) -> Sent:
    """The response as a stream has it: text in pieces, the end in the last chunk."""
    chunks = [body]
    if "candidates" in body:
        [candidate] = body["candidates"]
        pieces = [piece for part in candidate["content"].get("parts", []) for piece in _pieces(part)] or [{"text": ""}]
        chunks = []
        for piece in pieces:
            chunk = copy.deepcopy(body)
            chunk["candidates"] = [{"content": {"parts": [piece], "role": "model"}, "index": 0}]
            chunks.append(chunk)
        chunks[-1]["candidates"][0] |= {key: value for key, value in candidate.items() if key != "content"}
    return Sent(b"".join(map(sse_event, chunks)), content_type="text/event-stream")


def _pieces(part: dict[str, Any]) -> list[dict[str, Any]]:
    if len(part.get("text", "")) < 4:
        return [part]
    thought = {"thought": True} if part.get("thought") else {}
    return [{"text": part["text"][:3]} | thought, part | {"text": part["text"][3:]}]


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
QUICK = {"client_args": {"verify": TLS}, "async_client_args": {"verify": TLS, "ssl": TLS}}
"""So that not every client reads all certificates."""


def sdk(url: str, **options: Any) -> Any:
    """The client, for the Gemini API."""
    return genai.Client(api_key="none", http_options={"base_url": url, **QUICK, **options})


def plain(found: Any) -> Any:
    """What the SDK made, as plain data."""
    return without(found.model_dump(mode="json", exclude_none=True), *MADE_UP)


def created(url: str) -> Any:
    """`generate_content`."""
    client = sdk(url)
    return plain(client.models.generate_content(**ASK))


def created_async(url: str) -> Any:
    """`generate_content` of the asynchronous client."""

    async def ask(client: Any) -> Any:
        return plain(await client.aio.models.generate_content(**ASK))

    return with_async_client(url, ask)


def with_async_client(url: str, ask: Any) -> Any:
    """What `ask` gives with a client that is closed then, where the SDK can do that."""

    async def run() -> Any:
        client = sdk(url)
        try:
            return await ask(client)
        finally:
            if hasattr(client.aio, "aclose"):
                await client.aio.aclose()

    return asyncio.run(run())


def created_on_vertex(url: str) -> Any:
    """`generate_content` through Vertex AI."""
    client = genai.Client(vertexai=True, api_key="none", http_options={"base_url": url, **QUICK})
    return plain(client.models.generate_content(**ASK))


def joined(url: str) -> Any:
    """`generate_content_stream`, with the pieces of each text put together."""
    client = sdk(url)
    return _joined([plain(chunk) for chunk in client.models.generate_content_stream(**ASK)])


def joined_async(url: str) -> Any:
    """`generate_content_stream` of the asynchronous client."""

    async def ask(client: Any) -> Any:
        return _joined([plain(chunk) async for chunk in await client.aio.models.generate_content_stream(**ASK)])

    return with_async_client(url, ask)


def _joined(chunks: list[dict[str, Any]]) -> Any:
    parts: list[dict[str, Any]] = []
    for chunk in chunks:
        for part in (chunk.get("candidates") or [{}])[0].get("content", {}).get("parts", []):
            if parts and "text" in part and parts[-1].keys() <= part.keys() and len(parts[-1]) <= len(part):
                parts[-1] = part | {"text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(part)
    last = copy.deepcopy(chunks[-1])
    for candidate in last.get("candidates", []):
        del candidate["content"]
    return [parts, last]


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        *((created, name) for name in RESPONSES),
        *((ask, name) for ask in (created_async, created_on_vertex) for name in SOME),
    ],
)
def test_a_recorded_response_is_the_apis_response(name: str, ask: Ask) -> None:
    """`generate_content`, sync and async, also on Vertex AI: every kind of part, ending and usage."""
    real, replayed = both(ask, whole(RESPONSES[name]))
    assert replayed == real


@pytest.mark.parametrize(
    ("ask", "name"), [*((joined, name) for name in RESPONSES), *((joined_async, name) for name in SOME)]
)
def test_a_recorded_stream_is_the_apis_stream(name: str, ask: Ask) -> None:
    """`generate_content_stream`, sync and async: the same parts, and the same last chunk."""
    real, replayed = both(ask, streamed(RESPONSES[name]))
    assert replayed == real


@pytest.mark.parametrize("name", RESPONSES)
def test_a_stream_is_recorded_as_the_whole_response_is(name: str) -> None:
    """One recording serves an agent that began to stream."""
    _, asked = live(created, whole(RESPONSES[name]))
    _, asked_streaming = live(joined, streamed(RESPONSES[name]))
    left = recorded(whole(RESPONSES[name]), asked)
    assert left.model_dump() == recorded(streamed(RESPONSES[name]), asked_streaming).model_dump()


def test_a_stream_without_events_is_a_list() -> None:
    """Without `alt=sse` the API streams one JSON list; it is read and given out."""
    url = f"{NOWHERE}/v1beta/models/gemini-x:streamGenerateContent"
    request = recognise(http_request({"contents": []}, url))
    assert request is not None
    answer = LlmResponse(model="m", content=LONG, usage=Usage(input_tokens=3, output_tokens=4), finish_reason="STOP")
    reply = request.wire.render(answer, request)
    assert len(json.loads(reply.body)) > 1
    read = request.wire.read(200, reply.body, request)
    assert read is not None
    assert (read.content, read.model, read.finish_reason) == (LONG, "m", "STOP")
    error = request.wire.read(503, b'[{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}]', request)
    assert error is not None
    assert (error.status, error.error) == (503, "busy")


def test_what_is_recorded_is_neutral() -> None:
    """Text is a string, calls are calls, output counts the thoughts."""
    body = response({"text": "**Hm**", "thought": True}, {"text": "Looking."}, WEATHER)
    _, asked = live(created, whole(body))
    assert recorded(whole(body), asked) == LlmResponse(
        model="gemini-2.5-flash-001",
        content="Looking.",
        reasoning="**Hm**",
        refusal=None,
        tool_calls=[RecordedToolCall(name="get_weather", args={"city": "Oslo", "days": [1, 2.5]})],
        usage=Usage(input_tokens=28, output_tokens=55, total_tokens=83, cached_tokens=7, reasoning_tokens=40),
        finish_reason="STOP",
    )


def test_a_chat_and_structured_output() -> None:
    """`chats` keep their history; `parsed` is made of the recorded text."""
    call = {"tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}]}
    with playing(call, {"content": "Rain."}, {"content": {"city": "Oslo", "degrees": 3.5}}) as session:
        client = sdk(NOWHERE)
        chat = client.chats.create(model="gemini-x", config={"tools": [DECLARED]})
        assert chat.send_message("Weather?").function_calls[0].args == {"city": "Oslo"}
        part = genai.types.Part.from_function_response(name="get_weather", response={"result": "rain"})
        assert chat.send_message(part).text == "Rain."
        parsed = client.models.generate_content(
            model="gemini-x",
            contents="?",
            config={"response_mime_type": "application/json", "response_schema": Weather},
        )
    assert parsed.parsed == Weather(city="Oslo", degrees=3.5)
    assert session.trace.llm_calls[1].messages[-1]["content"] == "rain"


class Weather(BaseModel):
    """What the model is asked to answer."""

    city: str
    degrees: float


def test_functions_that_the_sdk_calls_itself() -> None:
    """Automatic function calling runs with recorded answers, and tools."""
    called: list[str] = []

    def get_weather(city: str) -> str:
        """The weather in a city."""
        called.append(city)
        return "rain"

    get_weather.__annotations__ = {"city": str, "return": str}  # older versions do not look for what a text stands for
    call = {"tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}]}
    weather = {"tool": "get_weather", "args": {"city": "Oslo"}, "response": "rain"}
    with playing(call, {"content": "Rain."}, tool_responses=[weather]) as session:
        client = sdk(NOWHERE)
        got = client.models.generate_content(model="gemini-x", contents="?", config={"tools": [get_weather]})
    assert (got.text, called) == ("Rain.", [])
    assert "rain" in str(session.trace.llm_calls[-1].messages)


def test_an_answer_of_another_provider_is_given_out() -> None:
    """What the others answered: ids, signatures and stop reasons that are theirs, a refusal, broken arguments."""
    content = [
        {"type": "thinking", "thinking": "Hmm.", "signature": "abc"},
        {"type": "own", "of": "anthropic.messages", "block": {"type": "redacted_thinking", "data": "x"}},
        {"type": "text", "text": "Looking.", "citations": []},
        {"type": "tool_call", "index": 0, "caller": {}},
    ]
    with playing({"content": content, "tool_calls": [{"id": "t", "name": "f"}], "finish_reason": "tool_use"}):
        got = created(NOWHERE)
    assert got["candidates"][0]["content"]["parts"] == [
        {"text": "Hmm.", "thought": True},
        {"text": "Looking."},
        {"function_call": {"id": "t", "name": "f", "args": {}}},
    ]
    for answer, reason in (
        ({"content": "x", "finish_reason": "tool_calls"}, "STOP"),
        ({"content": "x", "finish_reason": "end_turn"}, "STOP"),
        ({"content": "x", "finish_reason": "max_output_tokens"}, "MAX_TOKENS"),
        ({"content": "x", "finish_reason": "content_filter"}, "SAFETY"),
        ({"refusal": "No."}, "STOP"),
        ({"tool_calls": [{"name": "f", "raw_args": "{x"}]}, "MALFORMED_FUNCTION_CALL"),
    ):
        with playing(answer):
            [candidate] = created(NOWHERE)["candidates"]
        assert candidate["finish_reason"] == reason
        assert "f" not in str(candidate["content"].get("parts"))


def test_several_candidates_are_the_recorded_one_again() -> None:
    """`candidate_count` candidates come."""
    with playing({"content": "Hi"}):
        client = sdk(NOWHERE)
        got = client.models.generate_content(model="m", contents="?", config={"candidate_count": 2})
    assert [candidate.content.parts[0].text for candidate in got.candidates] == ["Hi", "Hi"]


# -- errors


def failure(ask: Ask) -> Ask:
    """What the SDK raises, as plain data."""

    def asked(url: str) -> Any:
        with pytest.raises(errors.APIError) as caught:
            ask(url)
        error = caught.value
        return [type(error), str(error), error.code, error.status, error.message, error.details]

    return asked


@pytest.mark.parametrize("ask", [created, created_async, joined, joined_async])
@pytest.mark.parametrize(
    ("status", "named"),
    [
        (400, "INVALID_ARGUMENT"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_a_recorded_error_is_the_sdks_own(status: int, named: str, ask: Ask) -> None:
    """Class, code, status, text and details are those of the API's error."""
    body = {"error": {"code": status, "message": "slow down", "status": named}}
    real, replayed = both(failure(ask), Sent(json.dumps(body).encode(), status))
    assert replayed == real


def test_details_of_an_error_are_kept() -> None:
    """What an error says beside its text, and a body that is no JSON."""
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    body = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [detail]}}
    real, replayed = both(failure(created), Sent(json.dumps(body).encode(), 429))
    assert replayed == real
    real, replayed = both(failure(created), Sent(b"<html>bad gateway</html>", 502, "text/html"))
    assert (replayed[0], replayed[2]) == (real[0], real[2])
    assert "bad gateway" in replayed[1]


def test_an_error_in_the_middle_of_a_stream() -> None:
    """What came before it arrives, then the SDK raises as it did; a request that does not stream gets it whole."""
    body = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    chunk = {"candidates": [{"content": {"parts": [{"text": "The"}], "role": "model"}, "index": 0}]}
    broken = Sent(sse_event(chunk) + sse_event(body), content_type="text/event-stream")
    texts: list[Any] = []

    def text_first(url: str) -> Any:
        client = sdk(url)
        for found in client.models.generate_content_stream(**ASK):
            texts.append((found.text, found.candidates[0].finish_reason))

    real, replayed = both(failure(text_first), broken)
    assert replayed == real
    assert texts == [("The", None)] * 2
    _, asked = live(failure(text_first), broken)
    with playing(recorded(broken, asked).model_dump(exclude_unset=True)), pytest.raises(errors.ServerError) as caught:
        created(NOWHERE)
    assert caught.value.code == 503


def test_retries_of_the_sdk() -> None:
    """With `retry_options` the SDK asks again; its own waits are real, and here none."""
    options = {"attempts": 3, "initial_delay": 0.0, "max_delay": 0.0, "jitter": 0.0}
    answers: list[dict[str, Any]] = [{"status": 429, "error": "x"}, {"status": 503, "error": "x"}, {"content": "ok"}]
    with playing(*answers) as session:
        client = sdk(NOWHERE, retry_options=options)
        got = client.models.generate_content(**ASK)
    assert got.text == "ok"
    assert [call.failed for call in session.trace.llm_calls] == [True, True, False]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"{}",
        b"[]",
        b'{"candidates": [{"content": {"parts": [{"functionCall": {"id": 7, "name": []}}]}}], "modelVersion": 7}',
        b'data: {"candidates": [{"content": 7}]}\n\n',
    ],
)
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse"])
def test_an_unreadable_live_answer_is_none(body: bytes, method: str) -> None:
    """What has not the documented form is not guessed at."""
    request = recognise(http_request({"contents": []}, f"{NOWHERE}/v1beta/models/m:{method}"))
    assert request is not None
    assert request.wire.read(200, body, request) is None
