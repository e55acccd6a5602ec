"""Recorded answers in the words of OpenAI's chat completions API: whole, streamed, and as errors.

A request for several choices (`n`) gets the recorded one that many times. A recorded cost is in the usage, where
OpenRouter puts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.failures import error_message, error_status, without_back_off
from pytest_agent_replay.llm.neutral import ModelRequest, error_spec
from pytest_agent_replay.llm.parts import Part, answer_text, finish_reason, parts_of
from pytest_agent_replay.llm.reading import clean, dicts
from pytest_agent_replay.llm.rendering import (
    CREATED,
    IdMaker,
    arguments_text,
    json_reply,
    pieces,
    reply_headers,
    stream_reply,
)
from pytest_agent_replay.llm.sse import sse_event
from pytest_agent_replay.player.http import HttpReply

__all__ = ["completion_reply", "error_body", "error_reply", "openai_headers"]

_ERROR_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_REASONING = ("reasoning_content", "reasoning")
"""DeepSeek and others know the first, Groq, OpenRouter and Together the second; vLLM sends both."""
# The SDK gives up on its own when it is told to wait longer than this many seconds.
_LONGEST_RETRY_S = 120.0


# -- answers


def completion_reply(answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
    """The answer, whole or streamed."""
    completion = _Completion(answer, request)
    if request.stream:
        headers = openai_headers(answer, completion.id, "text/event-stream; charset=utf-8")
        end = error_body(answer) if answer.error is not None else "[DONE]"
        return stream_reply(200, headers, [*map(sse_event, completion.chunks()), sse_event(end)])
    return json_reply(status, openai_headers(answer, completion.id, "application/json"), completion.whole())


class _Completion:
    """One answer to one request."""

    def __init__(self, answer: LlmResponse, request: ModelRequest) -> None:
        self.answer = answer
        self.raw = request.raw
        self.made_id = IdMaker(answer, request)
        self.id = self.made_id("chatcmpl-")
        self.model = answer.model or request.model or "recorded"
        self.legacy = bool(self.raw.get("functions")) and not self.raw.get("tools")
        self.text = answer_text(answer)
        self.calls = [self._call(index, call) for index, call in enumerate(answer.tool_calls)]
        self.annotations = [found for part in parts_of(answer) for found in _annotations(part)]

    def _call(self, index: int, call: RecordedToolCall) -> dict[str, Any]:
        call_id = call.id or self.made_id("call_", f"call {index}", 24)
        tools = [tool.get("custom") for tool in self.raw.get("tools") or () if tool.get("type") == "custom"]
        if any(tool.get("name") == call.name for tool in tools if isinstance(tool, dict)):
            return {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": arguments_text(call)}}
        return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}

    @property
    def finish_reason(self) -> str:
        reason = finish_reason(self.answer)
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
        return {"id": self.id, "object": kind, "created": CREATED, "model": self.model, "service_tier": "default"}

    def _message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": self.answer.refusal}
        if self.answer.reasoning is not None:
            message |= dict.fromkeys(_REASONING, self.answer.reasoning)
        if self.calls and self.legacy:
            message["function_call"] = self.calls[0]["function"]
        elif self.calls:
            message["tool_calls"] = self.calls
        return message | {"annotations": self.annotations}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The chunks of a stream; the last one carries the usage when `stream_options.include_usage` asks for it."""
        options = self.raw.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        head = self._head("chat.completion.chunk") | ({"usage": None} if with_usage else {})
        for index in range(self._choices()):
            for delta, reason in self._deltas():
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
                yield head | {"choices": [choice]}
        if with_usage and self.answer.error is None:
            yield head | {"choices": [], "usage": _usage(self.answer.usage)}

    def _deltas(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        start = None if self.calls and not self.text else ""
        yield {"role": "assistant", "content": start, "refusal": None}, None
        for keys, text in (
            (_REASONING, self.answer.reasoning),
            (("content",), self.text),
            (("refusal",), self.answer.refusal),
        ):
            yield from ((dict.fromkeys(keys, piece), None) for piece in pieces(text))
        if self.annotations:
            yield {"annotations": self.annotations}, None
        for index, call in enumerate(self.calls[:1] if self.legacy else self.calls):
            yield from ((delta, None) for delta in self._call_deltas(index, call))
        if self.answer.error is None:
            yield {}, self.finish_reason

    def _call_deltas(self, index: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
        kind, key = (call["type"], "input" if call["type"] == "custom" else "arguments")
        first = call[kind] | {key: ""}
        rest = [{key: piece} for piece in pieces(call[kind][key])]
        if self.legacy:
            yield from ({"function_call": piece} for piece in (first, *rest))
            return
        yield {"tool_calls": [{"index": index, **call, kind: first}]}
        yield from ({"tool_calls": [{"index": index, kind: piece}]} for piece in rest)


def _annotations(part: Part) -> list[dict[str, Any]]:
    """Citations of web pages, which this API puts a level deeper than the responses API."""
    found = [given for given in dicts(part.own.get("annotations")) if given.get("type") == "url_citation"]
    return [
        {"type": "url_citation", "url_citation": {key: value for key, value in given.items() if key != "type"}}
        for given in found
    ]


def _usage(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    prompt, completion = known.input_tokens or 0, known.output_tokens or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": known.total_tokens if known.total_tokens is not None else prompt + completion,
        "prompt_tokens_details": {"cached_tokens": known.cached_tokens or 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": known.reasoning_tokens or 0, "audio_tokens": 0},
    } | clean(cost=known.cost)


# -- errors


def error_reply(answer: LlmResponse, request: ModelRequest) -> HttpReply:
    """An error as all of OpenAI's APIs send it."""
    reply = json_reply(error_status(answer), [], error_body(answer))
    headers = openai_headers(answer, hashlib.sha256(reply.body).hexdigest(), "application/json")
    reply.headers = without_back_off(headers, _LONGEST_RETRY_S)
    return reply


def error_body(answer: LlmResponse) -> dict[str, Any]:
    """The body of an error: the recorded one, unless it is in the form of another provider."""
    if isinstance(answer.content, dict) and answer.content.get("type") != "error":
        return answer.content
    status, spec = error_status(answer), error_spec(answer)
    given = {} if spec is None else spec.attributes
    kind, code = _ERROR_KINDS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return {
        "error": {
            "message": error_message(answer) or f"recorded error {status}",
            "type": given.get("type", kind),
            "param": given.get("param"),
            "code": given.get("code", code),
        }
    }


def openai_headers(answer: LlmResponse, made_id: str, content_type: str) -> list[tuple[str, str]]:
    """The headers of a reply, with the request's id."""
    return reply_headers(answer, content_type, ("x-request-id", f"req_{made_id[-29:]}"))
