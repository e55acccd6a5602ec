"""Recorded answers in the words of Bedrock's `converse` (whole, streamed, as errors), and live ones read.

Formats: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …_ConverseStream.html.

- A text with citations has them under `cited`. Other blocks of the format's own (images, hosted tools, redacted
  thoughts) are kept as they came; a stream has those of them that this API streams.
- Neutral `input_tokens` count all input, with what was read from or written to a cache.
- The class of an error is in a header, which is not read: it is the usual one of the status. Recorded, it is the
  error's `type` (`ThrottlingException`).
- An error in the middle of a stream is one with status 200.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm import event_stream
from pytest_agent_replay.llm.failures import error_message, error_status
from pytest_agent_replay.llm.neutral import ModelRequest, error_spec
from pytest_agent_replay.llm.parts import Part, answer_of, finish_reason, parts_of
from pytest_agent_replay.llm.reading import clean, dicts, json_object, tool_call
from pytest_agent_replay.llm.rendering import (
    IdMaker,
    json_reply,
    pieces,
    reply_headers,
    stream_reply,
)
from pytest_agent_replay.player.http import HttpReply

__all__ = [
    "bedrock_headers",
    "conversation_reply",
    "error_body",
    "error_reply",
    "exception_event",
    "read_conversation",
    "read_exception",
]

_WIRE = "bedrock.converse"
_STOP_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "content_filtered",
}
_OWN_STOP_REASONS = frozenset(
    {
        "end_turn",
        "tool_use",
        "max_tokens",
        "stop_sequence",
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
    }
)
_EXCEPTIONS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def conversation_reply(answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
    """The answer, whole or streamed."""
    if not request.stream:
        return json_reply(status, bedrock_headers(answer, request, "application/json"), _whole(answer, request))
    events = [event_stream.event(kind, payload) for kind, payload in _events(answer, request)]
    headers = bedrock_headers(answer, request, event_stream.CONTENT_TYPE)
    broke_off = answer.error is not None
    return stream_reply(200, headers, [*events[:-2], exception_event(answer)] if broke_off else events)


def bedrock_headers(answer: LlmResponse, request: ModelRequest, content_type: str) -> list[tuple[str, str]]:
    """The headers of a reply, with the request's id."""
    text = IdMaker(answer, request)("", "request", 32)
    made_up = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return reply_headers(answer, content_type, ("x-amzn-requestid", made_up))


def _whole(answer: LlmResponse, request: ModelRequest) -> dict[str, Any]:
    made_id = IdMaker(answer, request)
    content = [block for index, part in enumerate(parts_of(answer)) if (block := _block(part, index, made_id))]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _stop_reason(answer),
        "usage": _usage(answer.usage),
        "metrics": {"latencyMs": int(answer.latency_ms or 0)},
    }


def _stop_reason(answer: LlmResponse) -> str:
    given = answer.finish_reason
    if given in _OWN_STOP_REASONS:
        return given or ""
    if answer.tool_calls and given == "stop":
        return "tool_use"
    return _STOP_REASONS.get(finish_reason(answer), "end_turn")


def _usage(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    given, made, cached = known.input_tokens or 0, known.output_tokens or 0, known.cached_tokens or 0
    counts = {
        "inputTokens": max(given - cached, 0),
        "outputTokens": made,
        "totalTokens": known.total_tokens if known.total_tokens is not None else given + made,
    }
    told = known.cached_tokens is not None
    return counts | ({"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0} if told else {})


def _block(part: Part, index: int, made_id: IdMaker) -> dict[str, Any] | None:
    """A part as a block of this API; None for what it cannot say."""
    if part.call is not None:
        call_id = part.call.id or made_id(f"tooluse_{index:02}", f"call {index}", 22)
        given = part.call.raw_args if part.call.raw_args is not None else part.call.args or {}
        return {"toolUse": {"toolUseId": call_id, "name": part.call.name, "input": given}}
    if part.kind == "reasoning":
        thought = {"text": part.text} | clean(signature=part.own.get("signature"))
        return {"reasoningContent": {"reasoningText": thought}} if part.text or len(thought) > 1 else None
    if part.kind == "own":
        return part.block(_WIRE)
    if part.own.get("cited"):
        return {"citationsContent": {"content": [{"text": part.text}], "citations": part.own["cited"]}}
    return {"text": part.text}


# -- streams


def _events(answer: LlmResponse, request: ModelRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a stream, in the documented order; the last two say how it ended."""
    whole = _whole(answer, request)
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(whole["output"]["message"]["content"]):
        at = {"contentBlockIndex": index}
        start, deltas = _streamed(block)
        if start is not None:
            yield "contentBlockStart", {"start": start} | at
        yield from (("contentBlockDelta", {"delta": delta} | at) for delta in deltas)
        yield "contentBlockStop", at
    yield "messageStop", {"stopReason": whole["stopReason"]}
    yield "metadata", {"usage": whole["usage"], "metrics": whole["metrics"]}


def _streamed(block: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """How a block begins (a text just comes), and what is added to it."""
    kind, value = next(iter(block.items()))
    if kind == "text":
        return None, [{"text": piece} for piece in pieces(value)]
    if kind == "toolUse":
        given = value["input"]
        written = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, separators=(",", ":"))
        start = {key: item for key, item in value.items() if key != "input"}
        return {"toolUse": start}, [{"toolUse": {"input": piece}} for piece in pieces(written)]
    if kind == "reasoningContent":
        thought = value.get("reasoningText")
        if thought is None:
            return None, [{"reasoningContent": value}]
        texts = [{"text": piece} for piece in pieces(thought["text"])]
        signed = [{"signature": thought["signature"]}] if "signature" in thought else []
        return None, [{"reasoningContent": delta} for delta in (*texts, *signed)]
    if kind == "citationsContent":
        texts = [{"text": piece} for content in value["content"] for piece in pieces(content["text"])]
        return None, [*texts, *({"citation": citation} for citation in value["citations"])]
    if kind == "toolResult":
        return {kind: {key: item for key, item in value.items() if key != "content"}}, [{kind: value.get("content")}]
    if kind == "image":
        return {kind: {"format": value.get("format")}}, [{kind: {"source": value.get("source")}}]
    return None, []


# -- errors


def error_reply(answer: LlmResponse, request: ModelRequest) -> HttpReply:
    """An error as all of Bedrock's APIs send it, without `x-amz-retry-after`: the SDK would wait longer for it."""
    kind = _exception(answer)
    told = bedrock_headers(answer, request, "application/json")
    headers = [pair for pair in told if pair[0].lower() not in ("x-amzn-errortype", "x-amz-retry-after")]
    return json_reply(error_status(answer), [*headers, ("x-amzn-errortype", kind)], error_body(answer))


def error_body(answer: LlmResponse) -> dict[str, Any]:
    """The body of an error: the recorded one, unless it is in the form of another provider."""
    if isinstance(answer.content, dict) and isinstance(answer.content.get("message"), str):
        return answer.content
    return {"message": error_message(answer) or f"recorded error {error_status(answer)}"}


def exception_event(answer: LlmResponse) -> bytes:
    """An error in the middle of a stream."""
    kind = _exception(answer)
    return event_stream.exception(kind[:1].lower() + kind[1:], error_body(answer))


def _exception(answer: LlmResponse) -> str:
    spec = error_spec(answer)
    named = (spec.type or "").rpartition(".")[2] if spec is not None else ""
    status = error_status(answer)
    usual = _EXCEPTIONS.get(status, "ServiceUnavailableException" if status > 500 else "ValidationException")
    return named if named.endswith("Exception") else usual


def read_exception(headers: dict[str, str], payload: dict[str, Any]) -> ErrorSpec:
    """An exception that ended a stream."""
    kind = headers.get(":exception-type") or headers.get(":error-code") or "internalServerException"
    message = payload.get("message") or payload.get("Message") or headers.get(":error-message") or ""
    return ErrorSpec(type=kind[:1].upper() + kind[1:], message=str(message))


# -- live answers


def read_conversation(body: bytes, request: ModelRequest) -> LlmResponse | None:
    """A live answer, put together again when it was streamed. Raises one of `UNREADABLE`."""
    if request.stream:
        return _from_events(body, request)
    data = json_object(body) or {}
    return _answer(data["output"]["message"]["content"], data, request)


def _from_events(body: bytes, request: ModelRequest) -> LlmResponse | None:
    blocks: dict[int, dict[str, Any]] = {}
    told: dict[str, Any] = {}
    error: ErrorSpec | None = None
    for headers, payload in event_stream.messages(body):
        kind = headers.get(":event-type")
        told |= {key: payload[key] for key in ("role", "stopReason", "usage") if key in payload}
        if kind == "contentBlockStart":
            blocks[payload["contentBlockIndex"]] = _begun(payload["start"])
        elif kind == "contentBlockDelta":
            _add_delta(blocks.setdefault(payload["contentBlockIndex"], {}), payload["delta"])
        elif headers.get(":message-type") in ("exception", "error"):
            error = read_exception(headers, payload)
    if not told and error is None:
        return None
    answer = _answer([blocks[index] for index in sorted(blocks)], told, request)
    return answer.model_copy(update={"status": 200, "error": error}) if error is not None else answer


def _begun(start: dict[str, Any]) -> dict[str, Any]:
    return {kind: dict(value) for kind, value in start.items()}


def _add_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Puts a piece to its block, which then has the form that it has in a whole message."""
    [(kind, value)] = delta.items()
    if kind == "text" and "citationsContent" in block:
        block["citationsContent"]["content"][0]["text"] += value
    elif kind == "text":
        block["text"] = block.get("text", "") + value
    elif kind == "toolUse":
        block[kind]["input"] = block[kind].get("input", "") + value["input"]
    elif kind == "reasoningContent" and "redactedContent" in value:
        block[kind] = value
    elif kind == "reasoningContent":
        thought = block.setdefault(kind, {}).setdefault("reasoningText", {"text": ""})
        for key, text in value.items():
            thought[key] = thought.get(key, "") + text
    elif kind == "citation":
        cited = block.setdefault("citationsContent", {"content": [{"text": block.pop("text", "")}], "citations": []})
        cited["citations"].append(value)
    elif kind == "toolResult":
        block[kind].setdefault("content", []).extend(value)
    else:
        block.setdefault(kind, {}).update(value)


def _answer(content: list[dict[str, Any]], told: dict[str, Any], request: ModelRequest) -> LlmResponse:
    usage = told.get("usage")
    return answer_of(
        [_part(block) for block in dicts(content) if block],
        model=request.model,
        usage=_read_usage(usage) if isinstance(usage, dict) else None,
        finish_reason=told.get("stopReason"),
    )


def _part(block: dict[str, Any]) -> Part:
    [(kind, value)] = block.items()
    if kind == "text":
        return Part("text", value)
    if kind == "toolUse" and "type" not in value:
        read = tool_call(value.get("toolUseId"), value.get("name"), value.get("input"))
        return Part("call", call=RecordedToolCall(**read))
    if kind == "toolUse" and isinstance(value.get("input"), str):
        block = {kind: value | {"input": json_object(value["input"] or "{}")}}
    thought = value.get("reasoningText") if kind == "reasoningContent" else None
    if thought is not None:
        return Part("reasoning", thought["text"], own=clean(signature=thought.get("signature")))
    if kind == "citationsContent" and value.get("citations"):
        return Part("text", "".join(one["text"] for one in value["content"]), own={"cited": value["citations"]})
    return Part("own", own={"of": _WIRE, "block": block})


def _read_usage(usage: dict[str, Any]) -> Usage:
    cached, fresh = usage.get("cacheReadInputTokens"), usage.get("inputTokens")
    return Usage(
        input_tokens=None if fresh is None else fresh + (cached or 0) + (usage.get("cacheWriteInputTokens") or 0),
        output_tokens=usage.get("outputTokens"),
        total_tokens=usage.get("totalTokens"),
        cached_tokens=cached,
    )
