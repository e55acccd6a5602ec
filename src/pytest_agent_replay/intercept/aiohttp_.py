"""aiohttp, and what can be told to use it (litellm, google-genai, the OpenAI SDK).

The point is `BaseConnector.connect`: the client gets a connection whose protocol is aiohttp's own and is fed the bytes
of the reply, so that redirects, cookies, middlewares, the one repetition after a lost connection, content decoding and
`raise_for_status` stay aiohttp's. Unix sockets and proxies belong to the connector: such a request is asked about as
its target. Neither the limits of the connector nor the connection events of a `TraceConfig` apply to a replayed one.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import sys
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept import wire
from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.intercept.sockets import learn
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.http import HttpReply, HttpRequest

__all__ = ["INTERCEPTORS"]


def _apply(module: ModuleType, patcher: Patcher) -> None:
    original = module.BaseConnector.connect
    connection = _connection_class(module)

    @functools.wraps(original)
    async def connect(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        if current_session(f"{req.method} {req.url}") is None:
            return await original(self, req, *args, **kwargs)
        timeout = kwargs.get("timeout") or args[-1]
        answer = wire.ask(await _request(req, timeout), str(req.proxy) if req.proxy else None)
        if isinstance(answer, HttpReply):
            # what a connection takes is bounded by itself; a recorded latency is that of the whole answer
            if answer.pause is not None and not (timeout.connect and timeout.connect <= answer.pause.seconds):
                await answer.pause.wait()
            return _Reply(module, answer, req).connection(connection, self)
        observation = wire.Observation(answer)
        try:
            found = await original(self, req, *args, **kwargs)
        except BaseException as error:
            observation.failed(error)
            raise
        if observation.wanted:
            _Relay.attach(found, req.method, observation)
        return found

    patcher.set(module.BaseConnector, "connect", connect)
    patcher.set(module.TCPConnector, "_resolve_host", _resolve_host(module.TCPConnector._resolve_host))


def _resolve_host(original: Any) -> Any:
    """Tells the egress guard what the connector knows of a permitted host: it caches, and may ask c-ares."""

    @functools.wraps(original)
    async def resolve_host(self: Any, host: str, *args: Any, **kwargs: Any) -> Any:
        found = await original(self, host, *args, **kwargs)
        learn(host, [entry["host"] for entry in found])
        return found

    return resolve_host


async def _request(req: Any, timeout: Any) -> HttpRequest:
    return HttpRequest(
        client="aiohttp",
        method=req.method,
        url=str(req.url),
        headers=wire.text_headers(req.headers.items()),
        body=await _read_body(req),
        connect_timeout=min(filter(None, (timeout.sock_connect, timeout.connect)), default=None),
        read_timeout=timeout.sock_read,
        total_timeout=timeout.total,
    )


class _Collector:
    """The part of a stream writer that payloads use."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, chunk: Any) -> None:
        self.data += chunk


async def _read_body(req: Any) -> bytes:
    """Reads the body of a `ClientRequest` so that it can be sent afterwards."""
    body = req.body
    if not body:
        return b""
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if hasattr(body, "as_bytes"):
        data: bytes = await body.as_bytes()
        return data
    # aiohttp up to 3.11 cannot repeat a payload: what was read replaces it. The headers that frame it are already made.
    collector = _Collector()
    await body.write(collector)
    req.body = bytes(collector.data)
    return req.body  # type: ignore[no-any-return]


class _Transport(asyncio.Transport):
    """Takes what the client writes, and starts the reply with the first of it."""

    def __init__(self, steps: list[Callable[[], None]]) -> None:
        super().__init__({"peername": ("127.0.0.1", 0)})
        self._steps = deque(steps)
        self._started = False
        self._closing = False

    def write(self, data: Any) -> None:
        if not self._started:
            self._started = True
            asyncio.get_running_loop().call_soon(self._step)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"")

    def _step(self) -> None:
        """One part of the reply for each turn of the loop, so that a reader gets the parts one by one."""
        if self._closing:
            return
        self._steps.popleft()()
        if self._steps:
            asyncio.get_running_loop().call_soon(self._step)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        """The whole reply is in memory already."""

    resume_reading = pause_reading


class _Reply:
    """Delivers one reply through aiohttp's protocol."""

    def __init__(self, module: ModuleType, reply: HttpReply, req: Any) -> None:
        self._module = module
        self._errors = sys.modules["aiohttp.client_exceptions"]
        self._reply = reply
        self._req = req

    def connection(self, connection: Any, connector: Any) -> Any:
        """A connection that answers the request. Raises what connecting raises."""
        self._raise_early()
        loop = asyncio.get_running_loop()
        protocol = self._module.ResponseHandler(loop)
        protocol.connection_made(_Transport(self._steps(protocol)))
        return connection(connector, self._req.connection_key, protocol, loop)

    def _raise_early(self) -> None:
        failure, key = self._reply.failure, self._req.connection_key
        if self._reply.exception is not None:
            raise self._reply.exception
        if failure == "connect_timeout":
            # The client makes its own exception of it, which names the host.
            raise asyncio.TimeoutError(*filter(None, [self._reply.message]))
        if failure == "refused":
            text = self._reply.message or f"Connect call failed ({key.host!r}, {key.port})"
            refused = wire.socket_error(failure, text)
            raise self._errors.ClientConnectorError(key, refused) from refused
        if failure == "dns":
            kind = getattr(self._errors, "ClientConnectorDNSError", self._errors.ClientConnectorError)
            unknown = wire.socket_error(failure, self._reply.message)
            raise kind(key, unknown) from unknown

    def _steps(self, protocol: Any) -> list[Callable[[], None]]:
        if self._reply.failure is not None:
            return [functools.partial(self._fail, protocol)]
        return [functools.partial(protocol.data_received, part) for part in wire.render(self._reply, self._req.method)]

    def _fail(self, protocol: Any) -> None:
        failure, message = self._reply.failure, self._reply.message
        if failure == "total_timeout":
            protocol.set_exception(asyncio.TimeoutError(*filter(None, [message])))
        elif failure == "read_timeout":
            kind = getattr(self._errors, "SocketTimeoutError", self._errors.ServerTimeoutError)
            protocol.set_exception(kind(message or "Timeout on reading data from socket"))
        elif failure == "eof":
            protocol.set_exception(self._errors.ServerDisconnectedError(message))
        elif failure is not None:
            protocol.connection_lost(wire.socket_error(failure, message))


def _connection_class(module: ModuleType) -> Any:
    class ReplayConnection(module.Connection):  # type: ignore[misc, name-defined]
        """A connection that belongs to no pool."""

        _protocol: Any

        def close(self) -> None:
            self._notify_release()
            protocol, self._protocol = self._protocol, None
            if protocol is not None:
                protocol.close()

        release = close

    return ReplayConnection


class _Relay(asyncio.Protocol):
    """Stands between a live transport and aiohttp's protocol, and keeps what comes in."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.seen = bytearray()

    @classmethod
    def attach(cls, connection: Any, method: str, observation: wire.Observation) -> None:
        """Observes the one response that this connection is used for."""
        inner, transport = connection.protocol, connection.transport
        relay = cls(inner)
        transport.set_protocol(relay)

        def released() -> None:
            if not transport.is_closing():
                transport.set_protocol(inner)
            try:
                observation.done(*wire.parse_response(bytes(relay.seen), method))
            except http.client.HTTPException as error:
                observation.failed(inner.exception() or error)

        connection.add_callback(released)

    def data_received(self, data: bytes) -> None:
        self.seen += data
        self._inner.data_received(data)

    def eof_received(self) -> Any:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


INTERCEPTORS = (Interceptor("aiohttp", "aiohttp.connector", _apply),)
