"""Anthropic's messages as Bedrock's `invoke` and `invoke-with-response-stream` send them, and live ones read.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html.
Each event of Anthropic's stream is the base64 text `bytes` of a `chunk`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm import event_stream
from pytest_agent_replay.llm.anthropic_answers import events_of, read_events, read_message, whole_message
from pytest_agent_replay.llm.bedrock_answers import (
    bedrock_headers,
    error_body,
    error_reply,
    exception_event,
    read_exception,
)
from pytest_agent_replay.llm.failures import error_status, read_error, transport_failure
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.reading import UNREADABLE
from pytest_agent_replay.llm.rendering import json_reply, stream_reply
from pytest_agent_replay.player.http import HttpReply

__all__ = ["invoked", "read_invoked"]


def invoked(answer: LlmResponse, request: ModelRequest) -> HttpReply:
    """The reply of the API: `status` 0 is a failure below HTTP, 4xx and 5xx (or an `error`) an error body."""
    status = error_status(answer)
    broke_off = status >= 400 and answer.status == 200 and request.stream
    if status == 0:
        return transport_failure(answer)
    if status >= 400 and not broke_off:
        return error_reply(answer, request)
    if not request.stream:
        return json_reply(status, bedrock_headers(answer, request, "application/json"), whole_message(answer, request))
    chunks = [_chunk(event) for event in events_of(answer, request) if event["type"] not in ("ping", "error")]
    headers = bedrock_headers(answer, request, event_stream.CONTENT_TYPE)
    return stream_reply(200, headers, [*chunks, exception_event(answer)] if broke_off else chunks)


def _chunk(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, separators=(",", ":")).encode()
    return event_stream.event("chunk", {"bytes": base64.b64encode(text).decode()})


def read_invoked(status: int, body: bytes, request: ModelRequest) -> LlmResponse | None:
    """A live answer, put together again when it was streamed; None when it has not the documented form."""
    if status >= 400:
        return read_error(status, body, request, error_body)
    if not request.stream:
        return read_message(status, body, request)
    try:
        return _from_chunks(body)
    except UNREADABLE:
        return None


def _from_chunks(body: bytes) -> LlmResponse | None:
    events: list[dict[str, Any]] = []
    for headers, payload in event_stream.messages(body):
        if "bytes" in payload:
            events.append(json.loads(base64.b64decode(payload["bytes"])))
        elif headers.get(":message-type") in ("exception", "error"):
            answer = read_events(events) or LlmResponse(content=None)
            told = {"status": 200, "error": read_exception(headers, payload), "finish_reason": None}
            return answer.model_copy(update=told)
    return read_events(events)
