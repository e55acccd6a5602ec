"""Amazon Bedrock: `converse` and `converse-stream`, and raw model invocations.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from pytest_agent_replay.llm.anthropic_messages import anthropic_messages, anthropic_tools
from pytest_agent_replay.llm.neutral import ModelRequest, RecognisedOnly
from pytest_agent_replay.llm.reading import clean, dicts, json_object, path_of, tool_call
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["BedrockConverse", "BedrockInvoke"]

_CONVERSE = re.compile(r"/model/([^/]+)/(converse|converse-stream)$")
_INVOKE = re.compile(r"/model/([^/]+)/(invoke|invoke-with-response-stream)$")


class BedrockConverse(RecognisedOnly):
    """Requests are read; recorded answers are not given out in this format."""

    name = "bedrock.converse"
    converses = True

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
    """A model's own format through Bedrock; Anthropic's is read, of others only the model is known."""

    name = "bedrock.invoke"
    converses = True

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to `/model/ID/invoke` or `/model/ID/invoke-with-response-stream`."""
        found = _INVOKE.search(path_of(request)) if request.method == "POST" else None
        body = json_object(request.body) if found is not None else None
        if found is None or body is None:
            return None
        anthropic = "anthropic_version" in body
        return ModelRequest(
            wire=self,
            model=unquote(found.group(1)),
            messages=anthropic_messages(body) if anthropic else [],
            tools=anthropic_tools(body) if anthropic else [],
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
    return [block for block in dicts(blocks) if not left_out & block.keys()]
