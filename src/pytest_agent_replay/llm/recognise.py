"""Whether an HTTP request asks a model: by its path, and by its body when the path fits.

Formats that are unusual enough are known on any host, the others where the request is for a provider: what looks like
a model request and is none would not be answered from the recording in a live run, but really be sent.
"""

from __future__ import annotations

import re

from pytest_agent_replay.llm.anthropic_messages import AnthropicMessages
from pytest_agent_replay.llm.bedrock import BedrockAnthropic, BedrockConverse, BedrockEmbeddings, BedrockInvoke
from pytest_agent_replay.llm.gemini import Gemini
from pytest_agent_replay.llm.neutral import ModelRequest, WireFormat
from pytest_agent_replay.llm.openai_chat import OpenAIChat
from pytest_agent_replay.llm.openai_responses import OpenAIResponses
from pytest_agent_replay.llm.other_apis import OtherChatApi, OtherModelApi
from pytest_agent_replay.llm.providers import is_for_provider
from pytest_agent_replay.llm.reading import path_of
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["WIRE_FORMATS", "recognise"]

WIRE_FORMATS: tuple[WireFormat, ...] = (
    OpenAIChat(),
    OpenAIResponses(),
    AnthropicMessages(),
    Gemini(),
    BedrockConverse(),
    BedrockAnthropic(),
    BedrockEmbeddings(),
    BedrockInvoke(),
    OtherModelApi(),
    OtherChatApi(),
)


_USUAL = ("openai.responses", "bedrock.embeddings", "bedrock.invoke", "model.other")
"""Formats whose last path segment other APIs have too: it counts below `/v1/` and the like, or for a provider."""
_VERSIONED = re.compile(r"/(v\d+(beta\d*)?|openai)/")


def recognise(request: HttpRequest, *, is_known_host: bool = False) -> ModelRequest | None:
    """The request in neutral form; None when it asks no model. `is_known_host`: the user vouches for the host."""
    for wire in WIRE_FORMATS:
        found = wire.recognise(request)
        if found is not None:
            is_unusual = wire.name not in _USUAL or _VERSIONED.search(path_of(request)) is not None
            return found if is_unusual or is_known_host or is_for_provider(request) else None
    return None
