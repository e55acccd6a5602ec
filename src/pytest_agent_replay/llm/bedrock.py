"""Amazon Bedrock: `converse` and `converse-stream`, and raw model invocations.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from pytest_agent_replay.llm.answering import Answering
from pytest_agent_replay.llm.anthropic_messages import anthropic_messages, anthropic_tools
from pytest_agent_replay.llm.bedrock_answers import conversation_reply, error_body, error_reply, read_conversation
from pytest_agent_replay.llm.bedrock_invocations import invocation_reply, read_invocation
from pytest_agent_replay.llm.neutral import ModelRequest, RecognisedOnly, WireFormat
from pytest_agent_replay.llm.reading import clean, dicts, json_object, path_of, tool_call
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["BedrockAnthropic", "BedrockConverse", "BedrockEmbeddings", "BedrockInvoke"]

_CONVERSE = re.compile(r"/model/([^/]+)/(converse|converse-stream)$")
_INVOKE = re.compile(r"/model/([^/]+)/(invoke|invoke-with-response-stream)$")
_EMBEDS = re.compile(r"embed|rerank")


class BedrockConverse(Answering):
    """`converse` and `converse-stream`; see `bedrock_answers` for what is sent."""

    name = "bedrock.converse"
    _reply = staticmethod(conversation_reply)
    _error = staticmethod(error_reply)
    _error_body = staticmethod(error_body)
    _read = staticmethod(read_conversation)

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to `/model/ID/converse` or `/model/ID/converse-stream`."""
        found = _CONVERSE.search(path_of(request)) if request.method == "POST" else None
        body = json_object(request.body) if found is not None else None
        if found is None or body is None:
            return None
        return ModelRequest(
            wire=self,
            model=unquote(found.group(1)),
            messages=_messages(body),
            tools=_tools(body),
            stream=found.group(2) == "converse-stream",
            raw=body,
            http=request,
        )


class BedrockInvoke(RecognisedOnly):
    """A model's own format through Bedrock. Only the model is known: recorded answers are not given out in it."""

    name = "bedrock.invoke"
    converses = True

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to `/model/ID/invoke` or `/model/ID/invoke-with-response-stream`."""
        return _invocation(self, request)


class BedrockEmbeddings(RecognisedOnly):
    """Embeddings and ranking through Bedrock's `invoke`: no conversation, known by the model's id."""

    name = "bedrock.embeddings"
    converses = False

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """An invocation of a model of this kind."""
        found = _invocation(self, request)
        return found if found is not None and _EMBEDS.search(found.model or "") else None


class BedrockAnthropic(Answering):
    """Anthropic's messages through Bedrock: as their API has them, but in Bedrock's event streams and errors."""

    name = "bedrock.anthropic"
    _reply = staticmethod(invocation_reply)
    _error = staticmethod(error_reply)
    _error_body = staticmethod(error_body)
    _read = staticmethod(read_invocation)

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """An invocation with `anthropic_version`."""
        found = _invocation(self, request)
        if found is None or "anthropic_version" not in found.raw:
            return None
        return replace(found, messages=anthropic_messages(found.raw), tools=anthropic_tools(found.raw))


def _invocation(wire: WireFormat, request: HttpRequest) -> ModelRequest | None:
    found = _INVOKE.search(path_of(request)) if request.method == "POST" else None
    body = json_object(request.body) if found is not None else None
    if found is None or body is None:
        return None
    return ModelRequest(
        wire=wire,
        model=unquote(found.group(1)),
        messages=[],
        tools=[],
        stream=found.group(2) == "invoke-with-response-stream",
        raw=body,
        http=request,
    )


def _tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    config = body.get("toolConfig")
    specs = [tool.get("toolSpec") for tool in dicts(config.get("tools"))] if isinstance(config, dict) else []
    return [
        {"name": str(spec.get("name") or "")}
        | clean(description=spec.get("description"), parameters=(spec.get("inputSchema") or {}).get("json"))
        for spec in dicts(specs)
    ]


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if body.get("system"):
        messages.append({"role": "system", "content": _parts(body["system"])})
    for message in dicts(body.get("messages")):
        messages.extend(_neutral(message))
    return messages


def _neutral(message: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = dicts(message.get("content"))
    results: list[dict[str, Any]] = [
        {"role": "tool", "content": _parts(result.get("content")), "tool_call_id": result.get("toolUseId")}
        for block in blocks
        if isinstance(result := block.get("toolResult"), dict)
    ]
    calls = [
        tool_call(use.get("toolUseId"), use.get("name"), use.get("input"))
        for block in blocks
        if isinstance(use := block.get("toolUse"), dict)
    ]
    parts = _parts(message.get("content"))
    if parts or calls or not results:
        results.append({"role": message.get("role"), "content": parts} | ({"tool_calls": calls} if calls else {}))
    return results


def _parts(blocks: Any) -> list[Any]:
    """Text blocks are read as text parts; tool calls and results are read elsewhere, reasoning is not content."""
    left_out = {"toolUse", "toolResult", "reasoningContent", "cachePoint"}
    parts: list[Any] = []
    for block in dicts(blocks):
        cited = block.get("citationsContent")
        if isinstance(cited, dict):
            parts.extend(dicts(cited.get("content")))
        elif not left_out & block.keys():
            parts.append(block)
    return parts
