"""The real `openai` SDK on a transport that answers from recordings, as the tests of this folder use it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAI

from pytest_agent_replay.formats.replay import LlmResponse, ReplayFile
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.player import Decision, LlmPlayer
from pytest_agent_replay.llm.recognise import recognise
from pytest_agent_replay.player.http import HttpReply, HttpRequest
from pytest_agent_replay.settings import LlmMode

URL = "https://api.openai.com/v1/chat/completions"
Answer = Callable[[ModelRequest], LlmResponse]


def http_request(body: Any, url: str = URL, method: str = "POST", headers: Any = (), **more: Any) -> HttpRequest:
    """A request as an interceptor hands it over; a mapping is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest("httpx2", method, url, headers, data, **more)


def model_request(*messages: dict[str, Any], url: str = URL, **body: Any) -> ModelRequest:
    """A chat completion request with these messages."""
    found = recognise(http_request({"model": "gpt-4o", "messages": list(messages), **body}, url))
    assert found is not None
    return found


class Stopped(BaseException):
    """The replay is inconclusive."""


class Recordings:
    """Answers an SDK's requests by a function, or as a player decides; keeps what it was asked."""

    def __init__(self, answer: Answer | ReplayFile, mode: LlmMode = "auto") -> None:
        self.asked: list[ModelRequest] = []
        self.decisions: list[Decision] = []
        self.player = LlmPlayer(answer, mode) if isinstance(answer, ReplayFile) else None
        self._answer = answer

    def reply(self, request: HttpRequest) -> HttpReply:
        found = recognise(request)
        assert found is not None
        self.asked.append(found)
        return found.wire.render(self._for(found), found)

    def _for(self, request: ModelRequest) -> LlmResponse:
        if self.player is None:
            assert callable(self._answer)
            return self._answer(request)
        decision = self.player.decide(request)
        self.decisions.append(decision)
        if decision.kind != "serve":
            raise Stopped(decision.text or decision.kind)
        assert decision.answer is not None
        return decision.answer


class _Stream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


class Transport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Hands requests to `Recordings`, and their replies back as the HTTP client has them."""

    def __init__(self, recordings: Recordings) -> None:
        self.recordings = recordings

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answered(request, request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answered(request, await request.aread())

    def _answered(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        headers = list(request.headers.items())
        reply = self.recordings.reply(HttpRequest("httpx2", request.method, str(request.url), headers, body))
        if reply.failure == "read_timeout":
            raise httpx2.ReadTimeout(reply.message or "", request=request)
        if reply.failure is not None:
            raise httpx2.ConnectError(reply.message or "", request=request)
        return httpx2.Response(reply.status, headers=reply.headers, stream=_Stream(reply.chunks or [reply.body]))


def client(recordings: Recordings, **options: Any) -> OpenAI:
    """The SDK's synchronous client."""
    return OpenAI(api_key="sk-none", http_client=httpx2.Client(transport=Transport(recordings)), **options)


def async_client(recordings: Recordings, **options: Any) -> AsyncOpenAI:
    """The SDK's asynchronous client."""
    return AsyncOpenAI(api_key="sk-none", http_client=httpx2.AsyncClient(transport=Transport(recordings)), **options)


def run(awaitable: Any) -> Any:
    """Runs a coroutine to its end."""
    return asyncio.run(awaitable)
