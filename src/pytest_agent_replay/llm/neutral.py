"""The neutral form of a model request, which every wire format is read into, and the Protocol of a wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse
from pytest_agent_replay.player.http import HttpReply, HttpRequest

__all__ = ["ModelRequest", "RecognisedOnly", "WireFormat", "error_spec", "is_error"]


@dataclass(slots=True)
class ModelRequest:
    """One request to a model. Messages are neutral: `{role, content, tool_calls?, tool_call_id?, name?}`.

    `tool_calls` in them are `{id, name, args}` with parsed arguments (`raw_args` when they are no JSON object). System
    messages are in `messages` too. `tools` are `{name, description, parameters}`.
    """

    wire: WireFormat
    model: str | None
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    stream: bool
    raw: dict[str, Any]
    http: HttpRequest
    settings: dict[str, Any] = field(default_factory=dict)
    """Sampling settings as sent (temperature, max_tokens, response_format, …)."""
    continues: bool = False
    """The provider keeps messages before these, which the request does not repeat."""


class WireFormat(Protocol):
    """How one provider's API looks on the wire. One file per format."""

    name: str
    """`openai.chat`, `openai.responses`, `anthropic.messages`, `gemini`, `bedrock.converse`, `bedrock.anthropic`, …"""
    can_render: bool
    """Whether recorded answers can be given out in this format."""
    converses: bool
    """Whether `llm_responses` can be meant: false for embeddings, moderation, model lists, audio and the like."""

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """Reads a request of this format, on any host; None when it is not one."""

    def render(self, answer: LlmResponse, request: ModelRequest) -> HttpReply:
        """A recorded answer as this API sends it, streamed when the request asks so; errors and their status too."""

    def read(self, status: int, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """What a live model answered (streamed or not), in neutral form; None when it cannot be read."""


class RecognisedOnly:
    """Base of formats whose requests are known for what they are, but in which nothing recorded is given out."""

    can_render = False

    def render(self, answer: LlmResponse, request: ModelRequest) -> HttpReply:
        """Raises `ReplayError`: `LlmPlayer` never serves a format that cannot be rendered."""
        raise ReplayError(f"recorded answers cannot be given out as {request.wire.name}")

    def read(self, status: int, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """None: what a live model answered in this format is not read."""
        return None


def error_spec(answer: LlmResponse) -> ErrorSpec | None:
    """The recorded error in its long form."""
    return ErrorSpec(message=answer.error) if isinstance(answer.error, str) else answer.error


def is_error(answer: LlmResponse) -> bool:
    """Whether the model's API failed instead of answering."""
    return answer.error is not None or (answer.status is not None and not 200 <= answer.status < 400)
