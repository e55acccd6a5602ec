"""Recorded answers in the words of Gemini's `generateContent` (whole, streamed, as errors), and live ones read.

Formats: https://ai.google.dev/api/generate-content and https://cloud.google.com/apis/design/errors.

- A block of the format's own is `{part: …}` (executable code, inline data, …), `{candidate: …}` (grounding, citations,
  safety ratings) or `{response: …}` (the feedback to a prompt that was blocked).
- Calls have an id where one is recorded; this API often gives none. A call whose arguments are no JSON object ends
  the answer with `MALFORMED_FUNCTION_CALL`, as it does at the API.
- `candidatesTokenCount` is without the thoughts, the neutral `output_tokens` are with them. Details per modality say
  that the prompt was text.
- A request for several candidates gets the recorded one that many times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.failures import error_message, error_status, without_back_off
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.parts import Part, answer_of, finish_reason, parts_of
from pytest_agent_replay.llm.reading import clean, dicts, json_object, tool_call
from pytest_agent_replay.llm.rendering import IdMaker, json_reply, pieces, reply_headers, stream_reply
from pytest_agent_replay.llm.sse import sse_data, sse_event
from pytest_agent_replay.player.http import HttpReply

__all__ = ["content_reply", "error_body", "error_reply", "read_content", "unlisted"]

_WIRE = "gemini"
_FINISH_REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
_BESIDE = ("thoughtSignature", "partMetadata", "videoMetadata")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def content_reply(answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
    """The answer, whole or streamed: as events, or as a list."""
    headers = _headers(answer)
    content = _Content(answer, request)
    if not request.stream:
        return json_reply(status, headers, content.whole())
    chunks = [*content.chunks(), *([error_body(answer)] if answer.error is not None else [])]
    if "sse" not in parse_qs(urlsplit(request.http.url).query).get("alt", ()):
        return json_reply(200, headers, chunks)
    return stream_reply(200, [("content-type", "text/event-stream"), *headers[1:]], map(sse_event, chunks))


def error_reply(answer: LlmResponse, request: ModelRequest) -> HttpReply:
    """An error."""
    return json_reply(error_status(answer), without_back_off(_headers(answer)), error_body(answer))


def _headers(answer: LlmResponse) -> list[tuple[str, str]]:
    return reply_headers(answer, "application/json; charset=UTF-8")


class _Content:
    """One answer to one request."""

    def __init__(self, answer: LlmResponse, request: ModelRequest) -> None:
        self.answer = answer
        parts = parts_of(answer)
        blocks = [block for part in parts if (block := part.block(_WIRE)) is not None]
        self.of_candidate = _merged(block.get("candidate") for block in blocks)
        self.of_response = _merged(block.get("response") for block in blocks)
        self.broken = next((call.raw_args for call in answer.tool_calls if call.raw_args is not None), None)
        self.parts = [given for part in parts if (given := _given(part)) is not None]
        config = request.raw.get("generationConfig") or request.raw.get("generation_config") or {}
        self.count = config.get("candidateCount") or 1
        self.tail = {
            "usageMetadata": _usage(answer.usage),
            "modelVersion": answer.model or request.model or "recorded",
            "responseId": IdMaker(answer, request)("", length=22),
        }

    def whole(self) -> dict[str, Any]:
        return self._chunk(self.parts, self._end())

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The same content in pieces; the last one says how it ended."""
        streamed = [piece for part in self.parts for piece in _streamed(part)] or [{"text": ""}]
        for part in streamed[:-1]:
            yield self._chunk([part], {})
        yield self._chunk(streamed[-1:], self._end())

    def _chunk(self, parts: list[dict[str, Any]], end: dict[str, Any]) -> dict[str, Any]:
        if "promptFeedback" in self.of_response:
            return self.of_response | self.tail
        content = ({"parts": parts} if parts else {}) | {"role": "model"}
        candidates = [{"content": content, **end, "index": index} for index in range(self.count)]
        return {"candidates": candidates} | self.of_response | self.tail

    def _end(self) -> dict[str, Any]:
        if self.answer.error is not None:
            return {}
        if self.broken is not None:
            told = {"finishMessage": f"Malformed function call: {self.broken}"}
            return {"finishReason": "MALFORMED_FUNCTION_CALL"} | told
        given = self.answer.finish_reason
        if given is None or not given.isupper():
            given = _FINISH_REASONS.get(finish_reason(self.answer), "STOP")
        return {"finishReason": given} | self.of_candidate


def _merged(values: Any) -> dict[str, Any]:
    return {key: item for value in values if isinstance(value, dict) for key, item in value.items()}


def _given(part: Part) -> dict[str, Any] | None:
    """A part as this API gives it; None for what it cannot say."""
    beside = {key: part.own[key] for key in _BESIDE if key in part.own}
    if part.call is not None:
        if part.call.raw_args is not None:
            return None
        named = {"name": part.call.name, "args": part.call.args or {}}
        return {"functionCall": named | ({"id": part.call.id} if part.call.id else {})} | beside
    if part.kind == "reasoning":
        return {"text": part.text, "thought": True} | beside if part.text or beside else None
    if part.kind == "own":
        block = (part.block(_WIRE) or {}).get("part")
        return block if isinstance(block, dict) else None
    return {"text": part.text} | beside


def _streamed(part: dict[str, Any]) -> list[dict[str, Any]]:
    if "text" not in part:
        return [part]
    thought = {"thought": True} if part.get("thought") else {}
    return [
        *({"text": piece} | thought for piece in pieces(part["text"])[:-1]),
        part | {"text": (pieces(part["text"]) or [""])[-1]},
    ]


def _usage(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    given, made, thoughts = known.input_tokens or 0, known.output_tokens or 0, known.reasoning_tokens or 0
    counts = {
        "promptTokenCount": given,
        "candidatesTokenCount": max(made - thoughts, 0),
        "totalTokenCount": known.total_tokens if known.total_tokens is not None else given + made,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": given}],
    }
    cached = {"cachedContentTokenCount": known.cached_tokens} if known.cached_tokens else {}
    return counts | ({"thoughtsTokenCount": thoughts} if thoughts else {}) | cached


def error_body(answer: LlmResponse) -> dict[str, Any]:
    """The body of an error: the recorded one, unless it is in the form of another provider."""
    if isinstance(answer.content, dict):
        error = answer.content.get("error")
        if isinstance(error, dict) and isinstance(error.get("status"), str):
            return answer.content
    status = error_status(answer)
    message = error_message(answer) or f"recorded error {status}"
    named = _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": status, "message": message, "status": named}}


# -- live answers


def read_content(body: bytes, request: ModelRequest) -> LlmResponse | None:
    """A live answer, put together again when it was streamed. Raises one of `UNREADABLE`."""
    return _answer(_responses(body), request.stream)


def unlisted(body: bytes) -> bytes:
    """An error that a stream without `alt=sse` ends in lies in a list."""
    responses = _listed(body)
    return json.dumps(responses[0]).encode() if len(responses) == 1 else body


def _responses(body: bytes) -> list[dict[str, Any]]:
    whole = json_object(body)
    if whole is not None:
        return [whole]
    return _listed(body) or [chunk for data in sse_data(body) if (chunk := json_object(data)) is not None]


def _listed(body: bytes) -> list[dict[str, Any]]:
    try:
        return dicts(json.loads(body))
    except (ValueError, RecursionError):
        return []


def _answer(responses: list[dict[str, Any]], streamed: bool) -> LlmResponse | None:
    parts: list[Part] = []
    candidate: dict[str, Any] = {}
    for response in responses:
        first = next((c for c in dicts(response.get("candidates")) if not c.get("index")), {})
        candidate |= first
        for part in dicts((first.get("content") or {}).get("parts")):
            _add(parts, _part(part), joined=streamed)
    whole = _merged(responses)
    feedback, error = whole.get("promptFeedback"), whole.get("error")
    if not candidate and not feedback and not error:
        return None
    parts.extend(_blocks(candidate, feedback))
    usage = whole.get("usageMetadata")
    answer = answer_of(
        parts,
        model=whole.get("modelVersion"),
        usage=_read_usage(usage) if isinstance(usage, dict) else None,
        finish_reason=candidate.get("finishReason") or (feedback or {}).get("blockReason"),
    )
    return answer.model_copy(update={"status": 200, "error": _read_error(error)}) if error else answer


def _read_error(error: dict[str, Any]) -> ErrorSpec:
    """An error in the middle of a stream."""
    kind = "ServerError" if error.get("code", 500) >= 500 else "ClientError"
    beside = clean(code=error.get("code"), status=error.get("status"))
    return ErrorSpec(type=f"google.genai.errors.{kind}", message=str(error.get("message") or ""), attributes=beside)


def _blocks(candidate: dict[str, Any], feedback: Any) -> Iterator[Part]:
    beside = {key: value for key, value in candidate.items() if key not in ("content", "finishReason", "index")}
    if beside:
        yield Part("own", own={"of": _WIRE, "block": {"candidate": beside}})
    if feedback:
        yield Part("own", own={"of": _WIRE, "block": {"response": {"promptFeedback": feedback}}})


def _add(parts: list[Part], part: Part, *, joined: bool) -> None:
    """Adds a part; in a stream, a text goes on in the next chunk until it is signed."""
    last = parts[-1] if parts else None
    if joined and part.kind in ("text", "reasoning"):
        if last is not None and last.kind == part.kind and not last.own:
            last.text += part.text
            last.own = part.own
            return
        if not part.text and not part.own:
            return
    parts.append(part)


def _part(part: dict[str, Any]) -> Part:
    beside = {key: part[key] for key in _BESIDE if key in part}
    called = part.get("functionCall")
    if isinstance(called, dict):
        read = tool_call(called.get("id"), called.get("name"), called.get("args"))
        return Part("call", call=RecordedToolCall(**read), own=beside)
    if isinstance(part.get("text"), str):
        return Part("reasoning" if part.get("thought") else "text", part["text"], own=beside)
    return Part("own", own={"of": _WIRE, "block": {"part": part}})


def _read_usage(usage: dict[str, Any]) -> Usage:
    made, thoughts = usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount")
    return Usage(
        input_tokens=usage.get("promptTokenCount"),
        output_tokens=None if made is None and thoughts is None else (made or 0) + (thoughts or 0),
        total_tokens=usage.get("totalTokenCount"),
        cached_tokens=usage.get("cachedContentTokenCount"),
        reasoning_tokens=thoughts,
    )
