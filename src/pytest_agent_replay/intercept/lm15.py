"""lm15, the HTTP client that DSPy has brought along since 3.4 and asks models with: its own, on sockets.

The points are `StdlibTransport.stream` and `StdlibAsyncTransport._do_stream`, which take a request and give a response
that is read in chunks; statuses, retries and the formats of the providers are above.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept import wire
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.http import Failure, HttpReply, HttpRequest

__all__ = ["patch_async", "patch_sync"]

_PACKAGE = "dspy._vendor.lm15.transports"
_ERRORS: dict[Failure, tuple[str, str]] = {
    "connect_timeout": ("ConnectTimeout", "timed out connecting"),
    "read_timeout": ("ReadTimeout", "read timed out waiting for headers"),
    "total_timeout": ("ReadTimeout", "read timed out waiting for headers"),
    "refused": ("ConnectError", "failed to connect: [Errno 111] Connection refused"),
    "dns": ("ConnectError", "failed to connect: [Errno -2] Name or service not known"),
    "reset": ("ReadError", "read failed: [Errno 104] Connection reset by peer"),
    "eof": ("ReadError", "server closed connection before sending response"),
}
"""The class and text of the client's own error for each failure."""


def patch_sync(module: ModuleType, patcher: Patcher) -> None:
    """Once `…transports._sync` is imported."""
    original = module.StdlibTransport.stream

    @functools.wraps(original)
    def stream(self: Any, request: Any) -> Any:
        if current_session(f"{request.method} {request.url}") is None:
            return original(self, request)
        answer = wire.ask(_request(self, request))
        if isinstance(answer, HttpReply):
            if answer.pause is not None:
                answer.pause.sleep()
            _raise(answer)
            return _response(module.TransportResponse, answer, request, iter(_pieces(answer, request)), _released)
        observation = wire.Observation(answer)
        try:
            response = original(self, request)
        except BaseException as error:
            observation.failed(error)
            raise
        if observation.wanted:
            response._chunks = _tee(response, response._chunks, observation)
        return response

    patcher.set(module.StdlibTransport, "stream", stream)


def patch_async(module: ModuleType, patcher: Patcher) -> None:
    """Once `…transports._async` is imported."""
    original = module.StdlibAsyncTransport._do_stream

    @functools.wraps(original)
    async def _do_stream(self: Any, request: Any) -> Any:
        if current_session(f"{request.method} {request.url}") is None:
            return await original(self, request)
        answer = wire.ask(_request(self, request))
        if isinstance(answer, HttpReply):
            if answer.pause is not None:
                await answer.pause.wait()
            _raise(answer)
            chunks = _async_iterator(_pieces(answer, request))
            return _response(module.AsyncTransportResponse, answer, request, chunks, _async_released)
        observation = wire.Observation(answer)
        try:
            response = await original(self, request)
        except BaseException as error:
            observation.failed(error)
            raise
        if observation.wanted:
            response._chunks = _async_tee(response, response._chunks, observation)
        return response

    patcher.set(module.StdlibAsyncTransport, "_do_stream", _do_stream)


def _request(transport: Any, request: Any) -> HttpRequest:
    return HttpRequest(
        client="lm15",
        method=request.method,
        url=request.url,
        headers=wire.text_headers(request.headers),
        body=bytes(request.body or b""),
        connect_timeout=request.connect_timeout or transport._connect_timeout,
        read_timeout=request.read_timeout or transport._read_timeout,
    )


def _raise(reply: HttpReply) -> None:
    """Raises what the reply says, if it is no answer."""
    if reply.exception is not None:
        raise reply.exception
    if reply.failure is not None:
        name, text = _ERRORS[reply.failure]
        cause = wire.socket_error(reply.failure, reply.message)
        raise getattr(sys.modules[f"{_PACKAGE}._exceptions"], name)(reply.message or text) from cause


def _pieces(reply: HttpReply, request: Any) -> list[bytes]:
    return wire.pieces(reply) if wire.has_body(reply, request.method) else []


def _response(kind: Any, reply: HttpReply, request: Any, chunks: Any, release: Any) -> Any:
    return kind(
        status=reply.status,
        reason=wire.reason(reply.status),
        headers=wire.reply_headers(reply, request.method),
        http_version="HTTP/1.1",
        chunks=chunks,
        release=release,
    )


def _released(body_consumed: bool) -> None:
    """There is no connection to be given back."""


async def _async_released(body_consumed: bool) -> None:
    """There is no connection to be given back."""


async def _async_iterator(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _tee(response: Any, chunks: Iterator[bytes], observation: wire.Observation) -> Iterator[bytes]:
    body = bytearray()
    try:
        for chunk in chunks:
            body += chunk
            yield chunk
    except Exception as error:
        observation.failed(error)
        raise
    finally:
        observation.done(response.status, response.headers, bytes(body))


async def _async_tee(
    response: Any, chunks: AsyncIterator[bytes], observation: wire.Observation
) -> AsyncIterator[bytes]:
    body = bytearray()
    try:
        async for chunk in chunks:
            body += chunk
            yield chunk
    except Exception as error:
        observation.failed(error)
        raise
    finally:
        observation.done(response.status, response.headers, bytes(body))
