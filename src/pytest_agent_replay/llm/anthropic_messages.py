"""Anthropic's messages API (`POST …/v1/messages`, also through Vertex AI); format: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.answering import Answering
from pytest_agent_replay.llm.anthropic_answers import error_body, error_reply, message_reply, read_message
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.reading import clean, dicts, json_object, path_of, tool_call
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["AnthropicMessages", "anthropic_messages", "anthropic_tools"]

_VERTEX = (":rawPredict", ":streamRawPredict")


class AnthropicMessages(Answering):
    """Messages, whole and streamed; see `anthropic_answers` for what is sent."""

    name = "anthropic.messages"
    _reply = staticmethod(message_reply)
    _error = staticmethod(error_reply)
    _error_body = staticmethod(error_body)
    _read = staticmethod(read_message)

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to `…/messages` with `max_tokens`, or a raw prediction on Vertex AI with Anthropic's version mark."""
        if request.method != "POST":
            return None
        path = path_of(request)
        vertex = path.endswith(_VERTEX)
        if not vertex and not path.endswith("/messages"):
            return None
        body = json_object(request.body)
        if body is None or not isinstance(body.get("messages"), list):
            return None
        if ("anthropic_version" not in body) if vertex else ("max_tokens" not in body or not body.get("model")):
            return None
        thread = body.get("thread")
        return ModelRequest(
            wire=self,
            model=body.get("model") or path.rpartition("/")[2].partition(":")[0],
            messages=anthropic_messages(body),
            tools=anthropic_tools(body),
            stream=bool(body.get("stream")) or path.endswith(":streamRawPredict"),
            raw=body,
            http=request,
            # a message thread is kept at the provider
            continues=isinstance(thread, dict) and thread.get("type") == "continue",
        )


def anthropic_tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools of a request; hosted tools have a name too."""
    return [
        {"name": str(tool.get("name") or tool.get("type") or "")}
        | clean(description=tool.get("description"), parameters=tool.get("input_schema"))
        for tool in dicts(body.get("tools"))
    ]


def anthropic_messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The system prompt and messages of a request, in neutral form."""
    messages: list[dict[str, Any]] = []
    if body.get("system"):
        messages.append({"role": "system", "content": body["system"]})
    for message in dicts(body.get("messages")):
        messages.extend(_neutral(message))
    return messages


def _neutral(message: dict[str, Any]) -> list[dict[str, Any]]:
    """One message, or several: tool results lie in a user message, before what the user says."""
    content = message.get("content")
    if not isinstance(content, list):
        return [{"role": message.get("role"), "content": content}]
    results: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    parts: list[Any] = []
    for part in dicts(content):
        kind = part.get("type")
        if kind == "tool_result":
            results.append({"role": "tool", "content": part.get("content"), "tool_call_id": part.get("tool_use_id")})
        elif kind == "tool_use":
            calls.append(tool_call(part.get("id"), part.get("name"), part.get("input")))
        elif kind not in ("thinking", "redacted_thinking"):
            parts.append(part)
    if parts or calls or not results:
        results.append({"role": message.get("role"), "content": parts} | ({"tool_calls": calls} if calls else {}))
    return results
