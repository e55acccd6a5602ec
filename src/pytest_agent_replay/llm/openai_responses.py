"""OpenAI's responses API (`POST …/responses`); format: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.answering import Answering
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.openai_answers import error_body, error_reply
from pytest_agent_replay.llm.openai_items import read_response, response_reply
from pytest_agent_replay.llm.openai_messages import neutral_message, neutral_tools
from pytest_agent_replay.llm.reading import dicts, json_object, path_of, tool_call
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["OpenAIResponses", "response_messages"]

_ASKS = ("input", "prompt", "previous_response_id", "conversation")
_WRITTEN = ("function", "custom")


class OpenAIResponses(Answering):
    """Responses, whole and streamed; see `openai_items` for what is sent.

    What the provider keeps (`previous_response_id`, `conversation`) is not in the request, and so not in its messages.
    """

    name = "openai.responses"
    fails_inside = True
    _reply = staticmethod(response_reply)
    _error = staticmethod(error_reply)
    _error_body = staticmethod(error_body)
    _read = staticmethod(read_response)

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
            messages=response_messages(body),
            tools=neutral_tools(
                [{tool["type"]: tool} if tool.get("type") in _WRITTEN else tool for tool in dicts(body.get("tools"))]
            ),
            stream=bool(body.get("stream")),
            raw=body,
            http=request,
            continues=any(body.get(key) for key in ("previous_response_id", "conversation")),
        )


def response_messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The instructions and the input of a request, in neutral form; reasoning and hosted tools are no messages."""
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
    elif kind == "function_call":
        call = tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))
        _assistant(messages).setdefault("tool_calls", []).append(call)
    elif kind == "custom_tool_call":
        call = {"id": item.get("call_id"), "name": str(item.get("name")), "raw_args": str(item.get("input") or "")}
        _assistant(messages).setdefault("tool_calls", []).append(call)
    elif kind in ("function_call_output", "custom_tool_call_output"):
        messages.append({"role": "tool", "content": item.get("output"), "tool_call_id": item.get("call_id")})


def _assistant(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a call belongs to: text and calls of one answer are items beside each other."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    return messages[-1]
