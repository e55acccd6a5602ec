"""Whether an HTTP request asks a model, on whatever host: by its path, and by its body when the path fits."""

from __future__ import annotations

from pytest_agent_replay.llm.anthropic_messages import AnthropicMessages
from pytest_agent_replay.llm.bedrock import BedrockAnthropic, BedrockConverse, BedrockInvoke
from pytest_agent_replay.llm.gemini import Gemini
from pytest_agent_replay.llm.neutral import ModelRequest, WireFormat
from pytest_agent_replay.llm.openai_chat import OpenAIChat
from pytest_agent_replay.llm.openai_responses import OpenAIResponses
from pytest_agent_replay.llm.other_apis import OtherModelApi
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["WIRE_FORMATS", "recognise"]

WIRE_FORMATS: tuple[WireFormat, ...] = (
    OpenAIChat(),
    OpenAIResponses(),
    AnthropicMessages(),
    Gemini(),
    BedrockConverse(),
    BedrockAnthropic(),
    BedrockInvoke(),
    OtherModelApi(),
)


def recognise(request: HttpRequest) -> ModelRequest | None:
    """The request in neutral form; None when it asks no model."""
    for wire in WIRE_FORMATS:
        found = wire.recognise(request)
        if found is not None:
            return found
    return None
