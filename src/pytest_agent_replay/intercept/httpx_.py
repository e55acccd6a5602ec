"""httpx and httpx2 (the same code in two packages), and what stands on them: the OpenAI and Anthropic SDKs, many more.

The points are `HTTPTransport.handle_request` and `AsyncHTTPTransport.handle_async_request`: below redirects, cookies,
authentication, event hooks, content decoding and `raise_for_status`. Proxies, mounts and Unix sockets belong to the
transport, so such a request is asked about as its target. The transports for applications in the same process
(`ASGITransport`, `WSGITransport`, `MockTransport`) are left alone on purpose. The connection retries of
`HTTPTransport(retries=…)` happen below the point: a recorded failure to connect is not tried again.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept import wire
from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.http import Failure, HttpReply, HttpRequest

__all__ = ["INTERCEPTORS"]

_ERRORS: dict[Failure, str] = {
    "connect_timeout": "ConnectTimeout",
    "read_timeout": "ReadTimeout",
    "total_timeout": "ReadTimeout",
    "refused": "ConnectError",
    "dns": "ConnectError",
    "reset": "ReadError",
    "eof": "RemoteProtocolError",
}
_EOF = "Server disconnected without sending a response."
_ASYNC_TEXTS: dict[Failure, str] = {
    "connect_timeout": "",
    "read_timeout": "",
    "total_timeout": "",
    "reset": "",
    "refused": "All connection attempts failed",
    "eof": _EOF,
}
"""What anyio's errors say where they differ from the socket's."""


def _apply(module: ModuleType, patcher: Patcher) -> None:
    streams = _streams(module)
    _patch_sync(module, streams, patcher)
    _patch_async(module, streams, patcher)


def _patch_sync(module: ModuleType, streams: _Streams, patcher: Patcher) -> None:
    original = module.HTTPTransport.handle_request

    @functools.wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        if current_session(f"{request.method} {request.url}") is None:
            return original(self, request)
        answer = wire.ask(_request(module, request, request.read()), _proxy(self))
        if isinstance(answer, HttpReply):
            if answer.pause is not None:
                answer.pause.sleep()
            _raise(module, answer, _text(answer, request))
            return _response(module, answer, request.method, streams.replay)
        observation = wire.Observation(answer)
        try:
            response = original(self, request)
        except BaseException as error:
            observation.failed(error)
            raise
        if observation.wanted:
            response.stream = streams.tee(response, observation)
        return response

    patcher.set(module.HTTPTransport, "handle_request", handle_request)


def _patch_async(module: ModuleType, streams: _Streams, patcher: Patcher) -> None:
    original = module.AsyncHTTPTransport.handle_async_request

    @functools.wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        if current_session(f"{request.method} {request.url}") is None:
            return await original(self, request)
        answer = wire.ask(_request(module, request, await request.aread()), _proxy(self))
        if isinstance(answer, HttpReply):
            if answer.pause is not None:
                await answer.pause.wait()
            _raise(module, answer, _ASYNC_TEXTS.get(answer.failure) if answer.failure else None)
            return _response(module, answer, request.method, streams.async_replay)
        observation = wire.Observation(answer)
        try:
            response = await original(self, request)
        except BaseException as error:
            observation.failed(error)
            raise
        if observation.wanted:
            response.stream = streams.async_tee(response, observation)
        return response

    patcher.set(module.AsyncHTTPTransport, "handle_async_request", handle_async_request)


def _request(module: ModuleType, request: Any, body: bytes) -> HttpRequest:
    timeout = request.extensions.get("timeout") or {}
    return HttpRequest(
        client=module.__name__,
        method=request.method,
        url=str(request.url),
        headers=wire.text_headers(request.headers.raw),
        body=body,
        connect_timeout=timeout.get("connect"),
        read_timeout=timeout.get("read"),
    )


def _proxy(transport: Any) -> str | None:
    """The proxy that this transport was made with; httpcore keeps it as bytes."""
    url = getattr(getattr(transport, "_pool", None), "_proxy_url", None)
    return None if url is None else f"{url.scheme.decode()}://{url.host.decode()}"


def _text(reply: HttpReply, request: Any) -> str | None:
    """What the sync client's error says where it differs from the socket's: a TLS socket words its timeouts."""
    if reply.failure == "eof":
        return _EOF
    if reply.failure in ("read_timeout", "total_timeout") and request.url.scheme == "https":
        return "The read operation timed out"
    return None


def _raise(module: ModuleType, reply: HttpReply, text: str | None) -> None:
    """Raises what the reply says, if it is no answer. `text` is the client's own (None: the socket's)."""
    if reply.exception is not None:
        raise reply.exception
    if reply.failure is not None:
        cause = wire.socket_error(reply.failure, reply.message)
        chosen = str(cause) if text is None else text
        raise getattr(module, _ERRORS[reply.failure])(reply.message or chosen) from cause


def _response(module: ModuleType, reply: HttpReply, method: str, stream: Any) -> Any:
    headers = [(name.encode(), value.encode()) for name, value in wire.reply_headers(reply, method)]
    return module.Response(
        reply.status,
        headers=headers,
        stream=stream(wire.pieces(reply) if wire.has_body(reply, method) else []),
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": wire.reason(reply.status).encode()},
    )


class _Streams:
    """The four kinds of response stream, made from one package's base classes."""

    replay: Any
    async_replay: Any
    tee: Any
    async_tee: Any


def _streams(module: ModuleType) -> _Streams:
    found = _Streams()
    found.replay, found.async_replay = _replay_streams(module.SyncByteStream, module.AsyncByteStream)
    found.tee = _tee_stream(module.SyncByteStream)
    found.async_tee = _async_tee_stream(module.AsyncByteStream)
    return found


def _replay_streams(sync_base: Any, async_base: Any) -> tuple[Any, Any]:
    class ReplayStream(sync_base):  # type: ignore[misc]
        def __init__(self, pieces: list[bytes]) -> None:
            self._pieces = pieces

        def __iter__(self) -> Iterator[bytes]:
            yield from self._pieces

    class AsyncReplayStream(async_base):  # type: ignore[misc]
        def __init__(self, pieces: list[bytes]) -> None:
            self._pieces = pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

    return ReplayStream, AsyncReplayStream


class _Seen:
    """The part of a live response that went by. The client closes every stream, also one that it read to its end."""

    def __init__(self, response: Any, observation: wire.Observation) -> None:
        self._status = response.status_code
        self._headers = wire.text_headers(response.headers.raw)
        self._observation = observation
        self.body = bytearray()

    def failed(self, error: BaseException) -> None:
        self._observation.failed(error)

    def ended(self) -> None:
        self._observation.done(self._status, self._headers, bytes(self.body))


def _tee_stream(base: Any) -> Any:
    class TeeStream(base):  # type: ignore[misc]
        def __init__(self, response: Any, observation: wire.Observation) -> None:
            self._stream = response.stream
            self._seen = _Seen(response, observation)

        def __iter__(self) -> Iterator[bytes]:
            try:
                for part in self._stream:
                    self._seen.body += part
                    yield part
            except Exception as error:
                self._seen.failed(error)
                raise

        def close(self) -> None:
            self._stream.close()
            self._seen.ended()

    return TeeStream


def _async_tee_stream(base: Any) -> Any:
    class AsyncTeeStream(base):  # type: ignore[misc]
        def __init__(self, response: Any, observation: wire.Observation) -> None:
            self._stream = response.stream
            self._seen = _Seen(response, observation)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for part in self._stream:
                    self._seen.body += part
                    yield part
            except Exception as error:
                self._seen.failed(error)
                raise

        async def aclose(self) -> None:
            await self._stream.aclose()
            self._seen.ended()

    return AsyncTeeStream


INTERCEPTORS = (Interceptor("httpx", "httpx", _apply), Interceptor("httpx2", "httpx2", _apply))
