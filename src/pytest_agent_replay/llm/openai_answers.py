"""Recorded answers in the words of OpenAI's chat completions API: whole, streamed, and as errors.

What a recording does not say is made up so that the same recording and request always give the same bytes: ids are
hashes, `created` is a fixed date, token counts that are not known are sent as 0 (the API always sends counts).
A request for several choices (`n`) gets the recorded one that many times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.neutral import ModelRequest, error_spec
from pytest_agent_replay.llm.reading import content_text
from pytest_agent_replay.llm.sse import sse_event
from pytest_agent_replay.player.http import Failure, HttpReply

__all__ = ["rendered"]

_CREATED = 1_735_689_600  # 2025-01-01T00:00:00Z
_PIECE = 24  # characters of text per streamed chunk

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "safety": "content_filter",
}
_STATUS_OF_ERROR = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
    "APIConnectionError": 0,
    "APITimeoutError": 0,
}
_ERROR_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_MADE_ANEW = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding", "connection"})
# The SDK gives up on its own when it is told to wait longer than this many seconds.
_LONGEST_RETRY_S = 120.0


def rendered(answer: LlmResponse, request: ModelRequest) -> HttpReply:
    """The reply of the API: `status` 0 is a failure below HTTP, 4xx and 5xx (or an `error`) an error body."""
    status = _status(answer)
    if status == 0:
        return HttpReply(failure=_failure(error_spec(answer)), message=_error_message(answer) or None)
    if status >= 400:
        return _error(answer, status)
    completion = _Completion(answer, request)
    if request.stream:
        chunks = [*map(sse_event, completion.chunks()), sse_event("[DONE]")]
        headers = _headers(answer, completion.id, "text/event-stream; charset=utf-8")
        return HttpReply(status=status, headers=headers, body=b"".join(chunks), chunks=chunks)
    body = json.dumps(completion.whole(), separators=(",", ":")).encode()
    return HttpReply(status=status, headers=_headers(answer, completion.id, "application/json"), body=body)


# -- answers


class _Completion:
    """One answer to one request."""

    def __init__(self, answer: LlmResponse, request: ModelRequest) -> None:
        self.answer = answer
        self.raw = request.raw
        self.seed = f"{len(request.messages)}:{answer.model_dump_json(exclude_none=True)}"
        self.id = f"chatcmpl-{self._hash('id')}"
        self.model = answer.model or request.model or "recorded"
        self.legacy = bool(self.raw.get("functions")) and not self.raw.get("tools")
        self.text = _text(answer.content)
        self.calls = [self._call(index, call) for index, call in enumerate(answer.tool_calls)]

    def _hash(self, purpose: str) -> str:
        return hashlib.sha256(f"{purpose}:{self.seed}".encode("utf-8", "surrogatepass")).hexdigest()[:29]

    def _call(self, index: int, call: RecordedToolCall) -> dict[str, Any]:
        arguments = (
            call.raw_args
            if call.raw_args is not None
            else json.dumps(call.args or {}, ensure_ascii=False, separators=(",", ":"))
        )
        call_id = call.id or f"call_{self._hash(f'call {index}')[:24]}"
        return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}

    @property
    def finish_reason(self) -> str:
        given = self.answer.finish_reason
        if given is None:
            given = "tool_calls" if self.calls else "stop"
        reason = _FINISH_REASONS.get(given.lower(), given.lower())
        return "function_call" if reason == "tool_calls" and self.legacy else reason

    def whole(self) -> dict[str, Any]:
        choices = [
            {"index": index, "message": self._message(), "logprobs": None, "finish_reason": self.finish_reason}
            for index in range(self._choices())
        ]
        return self._head("chat.completion") | {"choices": choices, "usage": _usage(self.answer.usage)}

    def _choices(self) -> int:
        n = self.raw.get("n")
        return n if isinstance(n, int) and n > 1 else 1

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": _CREATED, "model": self.model, "service_tier": "default"}

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": self.answer.refusal}
        if self.answer.reasoning is not None:
            message["reasoning_content"] = self.answer.reasoning
        if self.calls and self.legacy:
            message["function_call"] = self.calls[0]["function"]
        elif self.calls:
            message["tool_calls"] = self.calls
        return message | {"annotations": []}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The chunks of a stream; the last one carries the usage when `stream_options.include_usage` asks for it."""
        options = self.raw.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        head = self._head("chat.completion.chunk") | ({"usage": None} if with_usage else {})
        for index in range(self._choices()):
            for delta, reason in self._deltas():
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
                yield head | {"choices": [choice]}
        if with_usage:
            yield head | {"choices": [], "usage": _usage(self.answer.usage)}

    def _deltas(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        start = None if self.calls and not self.text else ""
        yield {"role": "assistant", "content": start, "refusal": None}, None
        for key, text in (
            ("reasoning_content", self.answer.reasoning),
            ("content", self.text),
            ("refusal", self.answer.refusal),
        ):
            yield from (({key: piece}, None) for piece in _pieces(text))
        for index, call in enumerate(self.calls[:1] if self.legacy else self.calls):
            yield from ((delta, None) for delta in self._call_deltas(index, call))
        yield {}, self.finish_reason

    def _call_deltas(self, index: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
        function = call["function"]
        first = {"name": function["name"], "arguments": ""}
        pieces = [{"arguments": piece} for piece in _pieces(function["arguments"])]
        if self.legacy:
            yield from ({"function_call": piece} for piece in (first, *pieces))
            return
        yield {"tool_calls": [{"index": index, **call, "function": first}]}
        yield from ({"tool_calls": [{"index": index, "function": piece}]} for piece in pieces)


def _pieces(text: str | None) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] if text else []


def _text(content: Any) -> str | None:
    return None if content is None else content_text(content)


def _usage(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    prompt, completion = known.input_tokens or 0, known.output_tokens or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": known.total_tokens if known.total_tokens is not None else prompt + completion,
        "prompt_tokens_details": {"cached_tokens": known.cached_tokens or 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": known.reasoning_tokens or 0, "audio_tokens": 0},
    }


# -- errors


def _status(answer: LlmResponse) -> int:
    if answer.status is not None:
        return answer.status
    if answer.error is None:
        return 200
    spec = error_spec(answer)
    return _STATUS_OF_ERROR.get(_class_name(spec), 500)


def _class_name(spec: ErrorSpec | None) -> str:
    return (spec.type or "").rpartition(".")[2] if spec is not None else ""


def _failure(spec: ErrorSpec | None) -> Failure:
    """Which failure below HTTP a recorded error speaks of; a refused connection when it does not say."""
    told = f"{_class_name(spec)} {spec.message}".lower() if spec is not None else ""
    if "timeout" in told or "timed out" in told:
        return "read_timeout"
    if "reset" in told:
        return "reset"
    if "resolv" in told or "name or service" in told or "getaddrinfo" in told:
        return "dns"
    return "refused"


def _error_message(answer: LlmResponse) -> str:
    spec = error_spec(answer)
    if spec is not None and spec.message:
        return spec.message
    return content_text(answer.content)


def _error(answer: LlmResponse, status: int) -> HttpReply:
    spec = error_spec(answer)
    given = {} if spec is None else spec.attributes
    kind, code = _ERROR_KINDS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    error = {
        "message": _error_message(answer) or f"recorded error {status}",
        "type": given.get("type", kind),
        "param": given.get("param"),
        "code": given.get("code", code),
    }
    body = answer.content if isinstance(answer.content, dict) else {"error": error}
    data = json.dumps(body, separators=(",", ":")).encode()
    headers = _headers(answer, hashlib.sha256(data).hexdigest(), "application/json")
    return HttpReply(status=status, headers=_without_back_off(headers), body=data)


def _headers(answer: LlmResponse, request_id: str, content_type: str) -> list[tuple[str, str]]:
    headers = [("content-type", content_type)]
    for name, value in (answer.headers or {}).items():
        if name.lower() not in _MADE_ANEW:
            headers.extend((name, item) for item in ([value] if isinstance(value, str) else value))
    if not any(name.lower() == "x-request-id" for name, _ in headers):
        headers.append(("x-request-id", f"req_{request_id[-29:]}"))
    return headers


def _without_back_off(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers with a wait of 1 ms before a retry: the SDK sleeps for real, and recorded latency is virtual.

    A wait so long that the SDK does not retry at all stays, so that it still does not.
    """
    told = {name.lower(): value for name, value in headers}
    if max(_seconds(told.get("retry-after-ms")) / 1000, _seconds(told.get("retry-after"))) > _LONGEST_RETRY_S:
        return headers
    return [*(pair for pair in headers if pair[0].lower() != "retry-after-ms"), ("retry-after-ms", "1")]


def _seconds(value: str | None) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return 0.0
