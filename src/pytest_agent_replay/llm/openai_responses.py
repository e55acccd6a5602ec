"""OpenAI's responses API (`POST …/responses`); format: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.neutral import ModelRequest, RecognisedOnly
from pytest_agent_replay.llm.openai_messages import neutral_message, neutral_tools
from pytest_agent_replay.llm.reading import dicts, json_object, path_of, tool_call
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["OpenAIResponses"]

_ASKS = ("input", "prompt", "previous_response_id", "conversation")


class OpenAIResponses(RecognisedOnly):
    """Requests are read; recorded answers are not given out in this format."""

    name = "openai.responses"
    converses = True

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST whose path ends in `/responses`, with a model (or a stored prompt) and something to answer."""
        if request.method != "POST" or not path_of(request).endswith("/responses"):
            return None
        body = json_object(request.body)
        if body is None or not (body.get("model") or body.get("prompt")) or not any(body.get(key) for key in _ASKS):
            return None
        return ModelRequest(
            wire=self,
            model=body.get("model"),
            messages=_messages(body),
            tools=neutral_tools(
                [tool if tool.get("type") != "function" else {"function": tool} for tool in dicts(body.get("tools"))]
            ),
            stream=bool(body.get("stream")),
            raw=body,
            http=request,
        )


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    said = body.get("input")
    if isinstance(said, str):
        messages.append({"role": "user", "content": said})
    for item in dicts(said):
        _add_item(messages, item)
    return messages


def _add_item(messages: list[dict[str, Any]], item: dict[str, Any]) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        messages.append(neutral_message(item))
    elif kind in ("function_call", "custom_tool_call"):
        _assistant(messages).setdefault("tool_calls", []).append(
            tool_call(item.get("call_id"), item.get("name"), item.get("arguments", item.get("input")))
        )
    elif kind in ("function_call_output", "custom_tool_call_output"):
        messages.append({"role": "tool", "content": item.get("output"), "tool_call_id": item.get("call_id")})


def _assistant(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a call belongs to: text and calls of one answer are items beside each other."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    return messages[-1]
