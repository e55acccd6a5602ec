"""The neutral form of a model request, which every wire format is read into, and the Protocol of a wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.player.http import HttpReply, HttpRequest

__all__ = ["ModelRequest", "WireFormat"]


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


class WireFormat(Protocol):
    """How one provider's API looks on the wire. One file per format."""

    name: str
    """`openai.chat`, `openai.responses`, `anthropic.messages`, `gemini`, `bedrock.converse`."""
    can_render: bool
    """Whether recorded answers can be given out in this format."""

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """Reads a request of this format, on any host; None when it is not one."""

    def render(self, answer: LlmResponse, request: ModelRequest) -> HttpReply:
        """A recorded answer as this API sends it, streamed when the request asks so; errors and their status too."""

    def read(self, status: int, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """What a live model answered (streamed or not), in neutral form; None when it cannot be read."""
