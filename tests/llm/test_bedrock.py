"""Recorded answers through the real `boto3` SDK: the same data as from Bedrock's own bytes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm import event_stream
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.parity import NOWHERE, Ask, Sent, both, live, playing, recorded, without
from tests.llm.sdk import http_request

boto3 = pytest.importorskip("boto3")
botocore = pytest.importorskip("botocore")
config = pytest.importorskip("botocore.config")
exceptions = pytest.importorskip("botocore.exceptions")

MADE_UP = ("ResponseMetadata", "metrics")
MODEL = "eu.anthropic.claude-x-v1:0"
ASK: dict[str, Any] = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "Weather in Oslo?"}]}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}]},
}
INVOKE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Weather in Oslo?"}],
}
USAGE = {
    "inputTokens": 330,
    "outputTokens": 52,
    "totalTokens": 395,
    "cacheReadInputTokens": 13,
    "cacheWriteInputTokens": 0,
}
LONG = "I cannot see it right now, but let me look that up. åäö 🌧️"
Events = list[tuple[str, dict[str, Any]]]


def response(*content: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    """A response as the API's reference shows it."""
    return {
        "metrics": {"latencyMs": 1275},
        "output": {"message": {"content": list(content), "role": "assistant"}},
        "stopReason": stop,
        "usage": USAGE,
    }


WEATHER = {"toolUse": {"toolUseId": "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "name": "get_weather", "input": {"city": "Oslo"}}}
TIME = {"toolUse": {"toolUseId": "tooluse_2", "name": "get_time", "input": {}}}
THOUGHT = {
    "reasoningContent": {"reasoningText": {"text": "Let me think\nabout it.", "signature": "EqQBCgIYAhIM1gbc=="}}
}
UNSIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm."}}}
REDACTED = {"reasoningContent": {"redactedContent": base64.b64encode(b"secret").decode()}}
CITED = {
    "citationsContent": {
        "content": [{"text": "the grass is green"}],
        "citations": [
            {
                "title": "Doc",
                "sourceContent": [{"text": "The grass is green."}],
                "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 20}},
            }
        ],
    }
}
HOSTED = {"toolUse": {"toolUseId": "srv_1", "name": "grounding", "type": "server_tool_use", "input": {"q": "Oslo"}}}
FOUND = {
    "toolResult": {"toolUseId": "srv_1", "type": "grounding_result", "status": "success", "content": [{"text": "x"}]}
}
RESPONSES = {
    "text": response({"text": LONG}),
    "calls": response({"text": "Looking."}, WEATHER, TIME, stop="tool_use"),
    "a call alone": response(WEATHER, stop="tool_use"),
    "thoughts": response(THOUGHT, {"text": LONG}, WEATHER, stop="tool_use"),
    "other thoughts": response(UNSIGNED, REDACTED, {"text": LONG}),
    "citations": response({"text": "As the text says, "}, CITED),
    "a hosted tool": response(HOSTED, FOUND, {"text": "It rains."}),
    "nothing": response(),
    "cut": response({"text": "The"}, stop="max_tokens"),
    "a guardrail": response({"text": "Sorry."}, stop="guardrail_intervened"),
    "filtered": response(stop="content_filtered"),
}


def whole(body: dict[str, Any]) -> Sent:
    """The response in one piece."""
    return Sent(json.dumps(body).encode())


def framed(events: Events, *more: bytes) -> Sent:
    """The bytes of a stream."""
    body = b"".join(event_stream.event(kind, {**payload, "p": "abcdef"}) for kind, payload in events)
    return Sent(body + b"".join(more), content_type=event_stream.CONTENT_TYPE)


def streamed(body: dict[str, Any]) -> Sent:
    """The response as the reference of `ConverseStream` shows it."""
    events: Events = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(body["output"]["message"]["content"]):
        at = {"contentBlockIndex": index}
        start, deltas = _deltas(block)
        events.extend([("contentBlockStart", {"start": start, **at})] if start else [])
        events.extend(("contentBlockDelta", {"delta": delta, **at}) for delta in deltas)
        events.append(("contentBlockStop", at))
    events.append(("messageStop", {"stopReason": body["stopReason"]}))
    events.append(("metadata", {"usage": body["usage"], "metrics": body["metrics"]}))
    return framed(events)


def _deltas(block: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    [(kind, value)] = block.items()
    if kind == "text":
        return None, [{"text": value[:3]}, {"text": value[3:]}] if value[3:] else [{"text": value}]
    if kind == "toolUse":
        start = {key: item for key, item in value.items() if key != "input"}
        return {kind: start}, [{kind: {"input": piece}} for piece in ("", *json.dumps(value["input"]).partition(":"))]
    if kind == "toolResult":
        return {kind: {key: item for key, item in value.items() if key != "content"}}, [{kind: value["content"]}]
    if kind == "citationsContent":
        return None, [{"text": value["content"][0]["text"]}, {"citation": value["citations"][0]}]
    pieces = value.get("reasoningText", value)
    return None, [{kind: {key: text}} for key, text in pieces.items()]


def sdk(url: str, **options: Any) -> Any:
    """The client."""
    return SESSION.client(
        "bedrock-runtime", endpoint_url=url, config=config.Config(retries={"total_max_attempts": 1, **options})
    )


SESSION = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="eu-west-1")


def created(url: str) -> Any:
    """`converse`."""
    return without(sdk(url).converse(**ASK), *MADE_UP)


def joined(url: str) -> Any:
    """`converse_stream`, with the pieces of each block put together."""
    return _joined(without(list(sdk(url).converse_stream(**ASK)["stream"]), *MADE_UP))


def _joined(events: list[dict[str, Any]]) -> Any:
    kinds: list[Any] = []
    texts: dict[Any, str] = {}
    for event in events:
        delta = event.get("contentBlockDelta", {}).get("delta", {})
        pieces = {**delta, **delta.get("toolUse", {}), **delta.get("reasoningContent", {})}
        found = next((key for key in ("text", "input", "signature") if isinstance(pieces.get(key), str)), None)
        if found is None:
            kinds.append(event)
            continue
        place = event["contentBlockDelta"]["contentBlockIndex"], found
        texts[place] = texts.get(place, "") + pieces[found]
    return [kinds, {place: json.loads(text) if place[1] == "input" else text for place, text in texts.items()}]


@pytest.mark.parametrize("name", RESPONSES)
def test_a_recorded_response_is_the_apis_response(name: str) -> None:
    """`converse`: every kind of block, stop reason and usage."""
    real, replayed = both(created, whole(RESPONSES[name]))
    assert replayed == real


@pytest.mark.parametrize("name", RESPONSES)
def test_a_recorded_stream_is_the_apis_stream(name: str) -> None:
    """`converse_stream` gives the same events, in the binary framing that the SDK checks."""
    real, replayed = both(joined, streamed(RESPONSES[name]))
    assert replayed == real


@pytest.mark.parametrize("name", RESPONSES)
def test_a_stream_is_recorded_as_the_whole_response_is(name: str) -> None:
    """One recording serves an agent that began to stream."""
    _, asked = live(created, whole(RESPONSES[name]))
    _, asked_streaming = live(joined, streamed(RESPONSES[name]))
    left = recorded(whole(RESPONSES[name]), asked)
    assert left.model_dump() == recorded(streamed(RESPONSES[name]), asked_streaming).model_dump()


def test_what_is_recorded_is_neutral() -> None:
    """Text is a string, calls are calls, all input counts; the model is the one that was asked."""
    _, asked = live(created, whole(RESPONSES["calls"]))
    assert recorded(whole(RESPONSES["calls"]), asked) == LlmResponse(
        model=MODEL,
        content="Looking.",
        reasoning=None,
        refusal=None,
        tool_calls=[
            RecordedToolCall(id="tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", name="get_weather", args={"city": "Oslo"}),
            RecordedToolCall(id="tooluse_2", name="get_time", args={}),
        ],
        usage=Usage(input_tokens=343, output_tokens=52, total_tokens=395, cached_tokens=13),
        finish_reason="tool_use",
    )


def test_an_answer_of_another_provider_is_given_out() -> None:
    """What the others answered: thoughts, calls without ids, broken arguments, their stop reasons, a refusal."""
    calls = [{"name": "f", "args": {}}, {"name": "f", "raw_args": "{x"}]
    with playing({"reasoning": "Hm.", "content": "Looking.", "tool_calls": calls, "finish_reason": "tool_calls"}):
        got = created(NOWHERE)
    thought, text, *uses = got["output"]["message"]["content"]
    assert (thought, text) == (UNSIGNED, {"text": "Looking."})
    assert [use["toolUse"]["input"] for use in uses] == [{}, "{x"]
    assert len({use["toolUse"]["toolUseId"] for use in uses}) == 2
    assert got["stopReason"] == "tool_use"
    for answer, reason in (
        ({"content": "x", "finish_reason": "length"}, "max_tokens"),
        ({"content": "x", "finish_reason": "STOP"}, "end_turn"),
        ({"tool_calls": calls, "finish_reason": "STOP"}, "tool_use"),
        ({"tool_calls": calls, "finish_reason": "stop"}, "tool_use"),
        ({"refusal": "No.", "finish_reason": "stop"}, "end_turn"),
        ({"content": "x", "finish_reason": "refusal"}, "content_filtered"),
    ):
        with playing(answer):
            assert created(NOWHERE)["stopReason"] == reason


# -- errors


def failure(ask: Ask) -> Ask:
    """What the SDK raises, as plain data."""

    def asked(url: str) -> Any:
        with pytest.raises(exceptions.ClientError) as caught:
            ask(url)
        error = caught.value
        return [type(error), str(error), without(error.response, "ResponseMetadata")]

    return asked


@pytest.mark.parametrize("ask", [created, joined])
@pytest.mark.parametrize(
    ("status", "named"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_a_recorded_error_is_the_sdks_own(status: int, named: str, ask: Ask) -> None:
    """Class, code and text are those of the API's error."""
    sent = Sent(b'{"message":"slow down"}', status, headers={"x-amzn-ErrorType": named})
    real, replayed = both(failure(ask), sent)
    assert replayed == real
    assert replayed[0].__name__ == named


def test_the_type_of_an_error_can_be_recorded() -> None:
    """Also one that shares its status with another; its status follows from it."""
    with playing({"status": 400, "error": {"type": "ServiceQuotaExceededException", "message": "enough"}}):
        assert failure(created)(NOWHERE)[0].__name__ == "ServiceQuotaExceededException"
    with playing({"error": {"type": "ThrottlingException", "message": "slow down"}}):
        assert failure(created)(NOWHERE)[0].__name__ == "ThrottlingException"
    with playing({"status": 529, "error": "Overloaded", "headers": {"x-amz-retry-after": "5000"}}):
        assert failure(created)(NOWHERE)[2]["Error"] == {"Code": "ServiceUnavailableException", "Message": "Overloaded"}


def test_an_error_in_the_middle_of_a_stream() -> None:
    """What came before it arrives, then the SDK raises as it did; a request that does not stream gets it whole."""
    start: Events = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"delta": {"text": "The"}, "contentBlockIndex": 0}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
    ]
    broken = framed(start, event_stream.exception("throttlingException", {"message": "slow down"}))

    def told(url: str) -> Any:
        got: list[Any] = []
        with pytest.raises(exceptions.EventStreamError) as caught:
            got.extend(sdk(url).converse_stream(**ASK)["stream"])
        return [str(caught.value), caught.value.response["Error"]]

    real, replayed = both(told, broken)
    assert replayed == real
    _, asked = live(told, broken)
    answer = recorded(broken, asked)
    assert answer.content == "The"
    with playing(answer.model_dump(exclude_unset=True)):
        assert failure(created)(NOWHERE)[0].__name__ == "ThrottlingException"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 0, "error": "Connection refused"}, "EndpointConnectionError"),
        ({"status": 0, "error": "Read timed out"}, "ReadTimeoutError"),
        ({"content": "late", "latency_ms": 700_000}, "ReadTimeoutError"),
    ],
)
def test_failures_of_the_transport(answer: dict[str, Any], error: str) -> None:
    """They are the SDK's own exceptions too."""
    with playing(answer), pytest.raises(getattr(exceptions, error)):
        created(NOWHERE)


# -- event streams


def test_a_message_is_framed_as_documented() -> None:
    """The known bytes of an empty message are read; a wrong checksum and another kind of header are refused."""
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    assert list(event_stream.messages(empty)) == [({}, {})]
    framed_one = event_stream.event("a", {"x": 1})
    headers = {":event-type": "a", ":content-type": "application/json", ":message-type": "event"}
    assert list(event_stream.messages(empty + framed_one)) == [({}, {}), (headers, {"x": 1})]
    assert list(event_stream.messages(framed_one[:-5])) == []
    for broken in (b"\0\0\0\x11" + empty[4:], framed_one.replace(b"\x07\0\x01a", b"\x06\0\x01a")):
        with pytest.raises(ValueError, match="event stream"):
            list(event_stream.messages(broken))


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"{}", b'{"output": {"message": {"content": [{"text": 7}]}}}', b"\0" * 40]
)
@pytest.mark.parametrize("method", ["converse", "converse-stream", "invoke", "invoke-with-response-stream"])
def test_an_unreadable_live_answer_is_none(body: bytes, method: str) -> None:
    """What has not the documented form is not guessed at."""
    request = recognise(http_request({**ASK, **INVOKE}, f"{NOWHERE}/model/{MODEL}/{method}"))
    assert request is not None
    assert request.wire.read(200, body, request) is None


# -- Anthropic's messages through Bedrock

MESSAGE = {
    "id": "msg_bdrk_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "Eq=="},
        {"type": "text", "text": LONG},
        {"type": "tool_use", "id": "toolu_bdrk_1", "name": "get_weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 20,
        "service_tier": "standard",
    },
}


def invoked(url: str) -> Any:
    """`invoke_model`."""
    got = sdk(url).invoke_model(modelId=MODEL, body=json.dumps(INVOKE))
    return without(json.loads(got["body"].read()), "id")


def invoked_stream(url: str) -> Any:
    """`invoke_model_with_response_stream`: what the events add up to."""
    got = sdk(url).invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(INVOKE))
    texts: dict[str, str] = {}
    for event in got["body"]:
        data = json.loads(event["chunk"]["bytes"])
        for key, value in data.get("delta", {}).items():
            texts[key] = texts.get(key, "") + str(value) if key != "type" else ""
    return texts


def test_anthropics_messages_through_invoke() -> None:
    """`invoke_model` and its streamed twin have Anthropic's messages in Bedrock's framing and with its errors."""
    real, replayed = both(invoked, whole(MESSAGE))
    assert replayed == real
    pieces = (
        {"type": "message_start", "message": {**MESSAGE, "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": LONG}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 10}},
    )
    events: Events = [("chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode()}) for piece in pieces]
    real, replayed = both(invoked_stream, framed(events))
    assert replayed == real
    assert replayed["text"] == LONG
    sent = Sent(b'{"message":"slow down"}', 429, headers={"x-amzn-ErrorType": "ThrottlingException"})
    real, replayed = both(failure(invoked), sent)
    assert replayed == real


def test_bedrocks_own_token_counts_beside_anthropics() -> None:
    """`invoke_model` has them in headers, its streamed twin in the last event: LangChain counts by them."""
    usage = {"input_tokens": 30, "cached_tokens": 10, "output_tokens": 4}
    kept = {"headers": {"X-Amzn-Bedrock-Output-Token-Count": "4"}}
    with playing({"content": "one", "usage": usage, **kept}, {"content": "one", "usage": usage}):
        whole_reply = sdk(NOWHERE).invoke_model(modelId=MODEL, body=json.dumps(INVOKE))
        streamed = sdk(NOWHERE).invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(INVOKE))
        events = [json.loads(event["chunk"]["bytes"]) for event in streamed["body"]]
    headers = whole_reply["ResponseMetadata"]["HTTPHeaders"]
    counts = [headers[f"x-amzn-bedrock-{name}-token-count"] for name in ("input", "cache-read-input", "output")]
    assert counts == ["20", "10", "4"]
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["cacheReadInputTokenCount"], metrics["outputTokenCount"]) == (20, 10, 4)


def test_a_stream_through_invoke_that_ends_in_an_error() -> None:
    """The exception is read and raised again after what came before it."""
    request = recognise(http_request(INVOKE, f"{NOWHERE}/model/{MODEL}/invoke-with-response-stream"))
    assert request is not None
    answer = LlmResponse.model_validate(
        {"content": "The", "status": 200, "error": {"type": "ModelStreamErrorException", "message": "boom"}}
    )
    read = request.wire.read(200, request.wire.render(answer, request).body, request)
    assert read is not None
    assert (read.content, read.status, read.error) == ("The", 200, answer.error)
