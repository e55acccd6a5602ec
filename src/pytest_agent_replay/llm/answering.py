"""What the formats have in common in which recorded answers are given out: which of these fail, and how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.failures import error_status, read_error, transport_failure
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.reading import UNREADABLE
from pytest_agent_replay.player.http import HttpReply

__all__ = ["Answering"]


class Answering(ABC):
    """The half of a `WireFormat` that speaks for the API; the other half, `recognise`, listens to the agent."""

    can_render = True
    converses = True
    fails_inside = False
    """An answer that is not streamed can have failed with status 200 too."""

    def render(self, answer: LlmResponse, request: ModelRequest) -> HttpReply:
        """The reply of the API: `status` 0 is a failure below HTTP, 4xx and 5xx (or an `error`) an error body.

        An error with status 200 came in the middle of a stream, and does again.
        """
        status = error_status(answer)
        if status == 0:
            return transport_failure(answer)
        if status >= 400 and not (answer.status == 200 and (request.stream or self.fails_inside)):
            return self._error(answer, request)
        return self._reply(answer, request, 200 if status >= 400 else status)

    def read(self, status: int, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """A live answer, put together again when it was streamed; None when it has not the documented form."""
        try:
            return read_error(status, body, request, self._error_body) if status >= 400 else self._read(body, request)
        except UNREADABLE:
            return None

    @abstractmethod
    def _reply(self, answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
        """The answer, whole or streamed as the request asks; with an `error` a stream breaks off."""

    @abstractmethod
    def _error(self, answer: LlmResponse, request: ModelRequest) -> HttpReply:
        """The reply in place of an answer."""

    @abstractmethod
    def _error_body(self, answer: LlmResponse) -> dict[str, Any]:
        """The body of an error: the recorded one, unless it is in the form of another provider."""

    @abstractmethod
    def _read(self, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """A live answer. Raises one of `UNREADABLE` for what has not the documented form."""
