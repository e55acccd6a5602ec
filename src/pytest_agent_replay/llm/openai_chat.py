"""OpenAI chat completions (`POST …/chat/completions`), which many other servers and gateways speak too.

Format: https://platform.openai.com/docs/api-reference/chat and …/chat/streaming.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.answering import Answering
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.openai_answers import completion_reply, error_body, error_reply
from pytest_agent_replay.llm.openai_messages import neutral_messages, neutral_tools
from pytest_agent_replay.llm.reading import clean, content_text, dicts, json_object, path_of
from pytest_agent_replay.llm.sse import sse_data
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["OpenAIChat"]

_NO_SETTINGS = frozenset({"model", "messages", "tools", "functions", "stream", "stream_options"})
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/chat/completions$")


class OpenAIChat(Answering):
    """Chat completions, whole and streamed; see `openai_answers` for what is sent."""

    name = "openai.chat"
    _reply = staticmethod(completion_reply)
    _error = staticmethod(error_reply)
    _error_body = staticmethod(error_body)

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to `…/chat/completions` whose body lists messages; Azure's deployment stands for the model."""
        path = path_of(request)
        if request.method != "POST" or not path.endswith("/chat/completions"):
            return None
        body = json_object(request.body)
        if body is None or not isinstance(body.get("messages"), list):
            return None
        deployment = _DEPLOYMENT.search(path)
        return ModelRequest(
            wire=self,
            model=body.get("model") or (deployment.group(1) if deployment else None),
            messages=neutral_messages(body["messages"]),
            tools=neutral_tools(body.get("tools"), body.get("functions")),
            stream=bool(body.get("stream")),
            raw=body,
            http=request,
            settings={key: value for key, value in body.items() if key not in _NO_SETTINGS},
        )

    def _read(self, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """The first choice of a live answer."""
        if request.stream:
            return _from_chunks([chunk for data in sse_data(body) if (chunk := json_object(data)) is not None])
        data = json_object(body)
        return None if data is None else _from_completion(data)


def _from_completion(data: dict[str, Any]) -> LlmResponse | None:
    choices = dicts(data.get("choices"))
    if not choices or not isinstance(choices[0].get("message"), dict):
        return None
    return _response(data, choices[0]["message"], choices[0].get("finish_reason"), data.get("usage"))


def _from_chunks(chunks: list[dict[str, Any]]) -> LlmResponse | None:
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, Any]] = {}
    finish_reason: Any = None
    usage: Any = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in dicts(chunk.get("choices")):
            if choice.get("index", 0) == 0:
                finish_reason = choice.get("finish_reason") or finish_reason
                _add_delta(message, calls, choice.get("delta") or {})
    error = next((chunk["error"] for chunk in chunks if isinstance(chunk.get("error"), dict)), None)
    if not message and not calls and finish_reason is None and error is None:
        return None
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    answer = _response(chunks[0], message, finish_reason, usage)
    return answer if error is None else answer.model_copy(update={"status": 200, "error": _read_error(error)})


def _read_error(error: dict[str, Any]) -> ErrorSpec:
    """An error in the middle of a stream."""
    beside: dict[str, Any] = {key: error[key] for key in ("type", "param", "code") if key in error}
    limited = "rate_limit" in f"{error.get('type')} {error.get('code')}"
    kind = "openai.RateLimitError" if limited else "openai.InternalServerError"
    return ErrorSpec(type=kind, message=str(error.get("message") or ""), attributes=beside)


def _add_delta(message: dict[str, Any], calls: dict[int, dict[str, Any]], delta: dict[str, Any]) -> None:
    for key in ("content", "refusal", "reasoning_content", "reasoning"):
        if isinstance(delta.get(key), str):
            message[key] = message.get(key, "") + delta[key]
    if isinstance(delta.get("function_call"), dict):
        _add_function(message.setdefault("function_call", {}), delta["function_call"])
    for piece in dicts(delta.get("tool_calls")):
        call = calls.setdefault(_index(piece, calls), {})
        call.update(clean(id=piece.get("id")))
        for kind in ("function", "custom"):
            if isinstance(piece.get(kind), dict):
                _add_function(call.setdefault(kind, {}), piece[kind])
    if delta.get("annotations"):
        message["annotations"] = [*message.get("annotations", []), *dicts(delta["annotations"])]


def _index(piece: dict[str, Any], calls: dict[int, dict[str, Any]]) -> int:
    """Which call a piece belongs to. Some servers give no index, and each call as one piece."""
    index = piece.get("index")
    if isinstance(index, int):
        return index
    return len(calls) if piece.get("id") or not calls else max(calls)


def _add_function(function: dict[str, Any], piece: dict[str, Any]) -> None:
    function.update(clean(name=piece.get("name")))
    for key in ("arguments", "input"):
        if isinstance(piece.get(key), str):
            function[key] = function.get(key, "") + piece[key]


def _response(data: dict[str, Any], message: dict[str, Any], finish_reason: Any, usage: Any) -> LlmResponse:
    return LlmResponse(
        model=data.get("model"),
        content=_content(message),
        tool_calls=_calls(message),
        usage=_usage(usage) if isinstance(usage, dict) else None,
        finish_reason=finish_reason,
        refusal=message.get("refusal") or None,
        reasoning=content_text(message.get("reasoning_content") or message.get("reasoning")) or None,
    )


def _content(message: dict[str, Any]) -> Any:
    """The text; with the web pages that it cites, in the form that the responses API has."""
    cited = [
        {"type": "url_citation", **found["url_citation"]}
        for found in dicts(message.get("annotations"))
        if isinstance(found.get("url_citation"), dict)
    ]
    content = message.get("content")
    return [{"type": "text", "text": content, "annotations": cited}] if cited and isinstance(content, str) else content


def _calls(message: dict[str, Any]) -> list[RecordedToolCall]:
    found = neutral_messages([{"role": "assistant", **message}])[0].get("tool_calls", [])
    return [RecordedToolCall(**call) for call in found]


def _usage(usage: dict[str, Any]) -> Usage:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cost = usage.get("cost")
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        total_tokens=usage.get("total_tokens"),
        cached_tokens=prompt.get("cached_tokens"),
        reasoning_tokens=completion.get("reasoning_tokens"),
        cost=float(cost) if isinstance(cost, (int, float)) else None,
    )
