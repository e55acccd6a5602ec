"""Recorded answers in the words of Anthropic's messages API (whole, streamed, as errors), and live ones read.

Formats: https://docs.anthropic.com/en/api/messages, …/build-with-claude/streaming and …/api/errors.

- A thought that was recorded without its signature (it came from another provider) gets a made-up one.
- Arguments that are no JSON object are sent as they are in a stream; a whole message has them under `INVALID_JSON`, as
  Anthropic's documentation of fine-grained tool streaming does.
- Neutral `input_tokens` count all input; what was read from the cache is told apart. What was written to the cache is
  part of the input, and the stop sequence that was met is known where the request names just one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.failures import error_message, error_status, without_back_off
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
from pytest_agent_replay.llm.sse import sse_data, sse_event
from pytest_agent_replay.player.http import HttpReply

__all__ = [
    "error_body",
    "error_reply",
    "events_of",
    "message_answer",
    "message_reply",
    "read_events",
    "read_message",
    "whole_message",
]

_WIRE = "anthropic.messages"
_INVALID = "INVALID_JSON"
_STOP_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
_OWN_STOP_REASONS = frozenset(
    {"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"}
)
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_CLASSES = {"overloaded_error": "anthropic.OverloadedError", "rate_limit_error": "anthropic.RateLimitError"}


def message_reply(answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
    """The answer, whole or streamed."""
    if not request.stream:
        return json_reply(status, _headers(answer, request, "application/json"), whole_message(answer, request))
    headers = _headers(answer, request, "text/event-stream; charset=utf-8")
    return stream_reply(200, headers, (sse_event(event, event["type"]) for event in events_of(answer, request)))


def whole_message(answer: LlmResponse, request: ModelRequest) -> dict[str, Any]:
    """The message as it is sent when it is not streamed."""
    made_id = IdMaker(answer, request)
    return {
        "id": made_id("msg_", length=24),
        "type": "message",
        "role": "assistant",
        "model": answer.model or request.model or "recorded",
        "content": list(_blocks(answer, made_id)),
        **_stop(answer, request),
        "usage": _usage(answer.usage),
    }


def _stop(answer: LlmResponse, request: ModelRequest) -> dict[str, Any]:
    given = answer.finish_reason
    if given in _OWN_STOP_REASONS:
        reason = given
    else:
        natural = "tool_calls" if answer.tool_calls and given == "stop" else finish_reason(answer)
        reason = "refusal" if answer.refusal else _STOP_REASONS.get(natural, "end_turn")
    sequences = request.raw.get("stop_sequences")
    met = sequences[0] if isinstance(sequences, list) and len(sequences) == 1 else None
    return {"stop_reason": reason, "stop_sequence": met if reason == "stop_sequence" else None}


def _usage(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    cached = known.cached_tokens or 0
    return {
        "input_tokens": max((known.input_tokens or 0) - cached, 0),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": known.output_tokens or 0,
        "service_tier": "standard",
    } | ({"output_tokens_details": {"thinking_tokens": known.reasoning_tokens}} if known.reasoning_tokens else {})


def _blocks(answer: LlmResponse, made_id: IdMaker) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(parts_of(answer)):
        if part.call is not None:
            yield _tool_use(part.call, made_id(f"toolu_{index:02}", f"call {index}", 22)) | _named(part, "caller")
        elif part.kind == "reasoning" and (part.text or part.own.get("signature")):
            signature = part.own.get("signature") or made_id("", f"signature {index}", 64)
            yield {"type": "thinking", "thinking": part.text, "signature": signature}
        elif part.kind in ("text", "refusal"):
            yield {"type": "text", "text": part.text} | _named(part, "citations")
        elif (block := part.block(_WIRE, "type")) is not None:
            yield block


def _named(part: Part, key: str) -> dict[str, Any]:
    return {key: part.own[key]} if part.own.get(key) else {}


def _tool_use(call: RecordedToolCall, made_up: str) -> dict[str, Any]:
    given = (call.args or {}) if call.raw_args is None else {_INVALID: call.raw_args}
    return {"type": "tool_use", "id": call.id or made_up, "name": call.name, "input": given}


# -- streams


def events_of(answer: LlmResponse, request: ModelRequest) -> Iterator[dict[str, Any]]:
    """The events of a stream, in the documented order; an error that the answer has ends it."""
    message = whole_message(answer, request)
    yield from _content_events(message)
    if answer.error is not None:
        yield error_body(answer)
        return
    usage = {key: value for key, value in message["usage"].items() if key != "service_tier"}
    stop = {key: message[key] for key in ("stop_reason", "stop_sequence")}
    yield {"type": "message_delta", "delta": stop, "usage": usage}
    yield {"type": "message_stop"}


def _content_events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    usage = message["usage"] | {"output_tokens": 1}
    empty = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": message | empty}
    for index, block in enumerate(message["content"]):
        start, deltas = _streamed(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        if index == 0:
            yield {"type": "ping"}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}


def _streamed(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block begins, and what is added to it."""
    if block["type"] == "text":
        citations = block.get("citations") or []
        start: dict[str, Any] = {"type": "text", "text": ""} | ({"citations": []} if citations else {})
        texts = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        return start, [*texts, *({"type": "citations_delta", "citation": citation} for citation in citations)]
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return block | {"thinking": "", "signature": ""}, [*thoughts, signature]
    if "input" in block:
        written = ["", *pieces(_written(block["input"]))]
        return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in written]
    return block, []


def _written(given: dict[str, Any]) -> str:
    if given.keys() == {_INVALID}:
        return str(given[_INVALID])
    return json.dumps(given, ensure_ascii=False, separators=(",", ":")) if given else ""


# -- errors


def error_reply(answer: LlmResponse, request: ModelRequest) -> HttpReply:
    """An error, with the request's id in it."""
    body = error_body(answer)
    headers = _headers(answer, request, "application/json")
    body.setdefault("request_id", next(value for name, value in headers if name.lower() == "request-id"))
    return json_reply(error_status(answer), without_back_off(headers), body)


def error_body(answer: LlmResponse) -> dict[str, Any]:
    """The body of an error: the recorded one, unless it is in the form of another provider."""
    if isinstance(answer.content, dict) and answer.content.get("type") == "error":
        return dict(answer.content)
    status, spec = error_status(answer), error_spec(answer)
    given = spec.attributes.get("type") if spec is not None else None
    kind = given or _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error_message(answer) or f"recorded error {status}"}}


def _headers(answer: LlmResponse, request: ModelRequest, content_type: str) -> list[tuple[str, str]]:
    made_up = IdMaker(answer, request)("req_", "request", 24)
    return reply_headers(answer, content_type, ("request-id", made_up))


# -- live answers


def read_message(body: bytes, request: ModelRequest) -> LlmResponse | None:
    """A live answer, put together again when it was streamed. Raises one of `UNREADABLE`."""
    if request.stream:
        return read_events([event for data in sse_data(body) if (event := json_object(data)) is not None])
    return message_answer(json_object(body) or {})


def read_events(events: list[dict[str, Any]]) -> LlmResponse | None:
    """The answer that a stream's events make; with status 200 and the error when it ended in one."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        kind = event.get("type")
        if kind == "message_start":
            message = dict(event.get("message") or {})
        elif kind == "content_block_start":
            blocks[event["index"]] = dict(event.get("content_block") or {})
        elif kind == "content_block_delta":
            _add_delta(blocks.get(event["index"], {}), event.get("delta") or {})
        elif kind == "message_delta":
            message |= event.get("delta") or {}
            message["usage"] = (message.get("usage") or {}) | clean(**(event.get("usage") or {}))
    answer = message_answer(message | {"content": [blocks[index] for index in sorted(blocks)]}) if message else None
    error = next((event.get("error") for event in events if event.get("type") == "error"), None)
    return answer if not isinstance(error, dict) else _with_error(answer or LlmResponse(content=None), error)


def _with_error(answer: LlmResponse, error: dict[str, Any]) -> LlmResponse:
    kind = _CLASSES.get(str(error.get("type")), "anthropic.InternalServerError")
    spec = ErrorSpec(type=kind, message=str(error.get("message") or ""), attributes=clean(type=error.get("type")))
    return answer.model_copy(update={"status": 200, "error": spec, "finish_reason": None})


def _add_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind = delta.get("type")
    if kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
    elif kind == "input_json_delta":
        block["input"] = (block["input"] if isinstance(block.get("input"), str) else "") + delta["partial_json"]
    else:
        for key in ("text", "thinking", "signature"):
            if isinstance(delta.get(key), str):
                block[key] = (block.get(key) or "") + delta[key]


def message_answer(message: dict[str, Any]) -> LlmResponse | None:
    """The answer that a message of the API is; None when it has no content blocks.

    Raises one of `UNREADABLE` when a block has not the documented form.
    """
    if not isinstance(message.get("content"), list):
        return None
    parts = [_part(block) for block in dicts(message["content"])]
    usage = message.get("usage")
    return answer_of(
        parts,
        model=message.get("model"),
        usage=_read_usage(usage) if isinstance(usage, dict) else None,
        finish_reason=message.get("stop_reason"),
    )


def _part(block: dict[str, Any]) -> Part:
    kind = block.get("type")
    if kind == "text":
        return Part("text", block["text"], own=clean(citations=block.get("citations") or None))
    if kind == "thinking":
        return Part("reasoning", block["thinking"], own=clean(signature=block.get("signature") or None))
    if kind == "tool_use":
        given = block.get("input")
        invalid = given.get(_INVALID) if isinstance(given, dict) and given.keys() == {_INVALID} else given
        call = RecordedToolCall(**tool_call(block.get("id"), block.get("name"), invalid))
        return Part("call", call=call, own=clean(caller=block.get("caller")))
    whole = block | {"input": json_object(block["input"] or "{}")} if isinstance(block.get("input"), str) else block
    return Part("own", own={"of": _WIRE, "block": whole})


def _read_usage(usage: dict[str, Any]) -> Usage:
    cached, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    fresh = usage.get("input_tokens")
    details = usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=usage.get("output_tokens"),
        cached_tokens=cached,
        reasoning_tokens=details.get("thinking_tokens"),
    )
