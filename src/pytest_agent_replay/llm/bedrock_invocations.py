"""Anthropic's messages as Bedrock's `invoke` and `invoke-with-response-stream` send them, and live ones read.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html.
Each event of Anthropic's stream is the base64 text `bytes` of a `chunk`. Bedrock counts the tokens of its own accord
too: in headers, or beside the last event of a stream.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm import event_stream
from pytest_agent_replay.llm.anthropic_answers import events_of, read_events, read_message, whole_message
from pytest_agent_replay.llm.bedrock_answers import bedrock_headers, exception_event, read_exception
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.rendering import json_reply, stream_reply
from pytest_agent_replay.player.http import HttpReply

__all__ = ["invocation_reply", "read_invocation"]

_COUNTS = {
    "input": "input_tokens",
    "cache-read-input": "cache_read_input_tokens",
    "cache-write-input": "cache_creation_input_tokens",
    "output": "output_tokens",
}
"""Bedrock's name of each count in Anthropic's `usage`."""


def invocation_reply(answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
    """The answer, whole or streamed."""
    message = whole_message(answer, request)
    counts = {name: message["usage"][key] for name, key in _COUNTS.items()}
    if not request.stream:
        headers = bedrock_headers(answer, request, "application/json")
        recorded = {name.lower() for name, _ in headers}
        counted = ((f"x-amzn-bedrock-{name}-token-count", str(count)) for name, count in counts.items())
        headers += [(name, count) for name, count in counted if name not in recorded]
        return json_reply(status, headers, message)
    metrics = {_camel_case(f"{name}-token-count"): count for name, count in counts.items()}
    last = {"message_stop": {"amazon-bedrock-invocationMetrics": metrics}}
    events = (event for event in events_of(answer, request) if event["type"] not in ("ping", "error"))
    chunks = [_chunk(event | last.get(event["type"], {})) for event in events]
    headers = bedrock_headers(answer, request, event_stream.CONTENT_TYPE)
    return stream_reply(200, headers, [*chunks, exception_event(answer)] if answer.error is not None else chunks)


def _camel_case(name: str) -> str:
    first, *others = name.split("-")
    return first + "".join(map(str.capitalize, others))


def _chunk(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, separators=(",", ":")).encode()
    return event_stream.event("chunk", {"bytes": base64.b64encode(text).decode()})


def read_invocation(body: bytes, request: ModelRequest) -> LlmResponse | None:
    """A live answer, put together again when it was streamed. Raises one of `UNREADABLE`."""
    return _from_chunks(body) if request.stream else read_message(body, request)


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
