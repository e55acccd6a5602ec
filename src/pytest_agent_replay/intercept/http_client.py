"""http.client, and what stands on it: urllib.request, xmlrpc.client, httplib2 (google-api-python-client), slack_sdk.

The point is below the connection's own request building: what it sends is kept until the request is complete, then
asked about. The reply's bytes are read by the connection's own parser. A request that is let through goes out over the
socket that the connection had, or over a new one.

A connection of urllib3 is left alone: urllib3 has its own point above, and what that lets through goes out untouched.
While a replay runs, `connect()` opens nothing (the request that decides is not known yet): failures to connect come
from the call that sends the last byte of the request, as they do where `connect()` is not called by hand.
"""

from __future__ import annotations

import functools
import http.client
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept import wire
from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.http import HttpReply, HttpRequest

__all__ = ["INTERCEPTORS"]

_LIVE = "_agent_replay_live"
"""Attribute of a connection while it sends a request to the network."""
_OBSERVED = "_agent_replay_observed"
"""Attribute of a connection that waits for a live response: the method and the observation."""


class _Pending:
    """Stands in for the socket from the first byte of a request to the last of its answer."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.sent = bytearray()
        self.reply: HttpReply | None = None
        self.answer = b""
        self._head: tuple[str, str, list[tuple[str, str]], int] | None = None

    def head(self) -> tuple[str, str, list[tuple[str, str]], int] | None:
        """Method, target, headers and the position of the body; None while the head is not complete."""
        if self._head is None:
            end = self.sent.find(b"\r\n\r\n")
            if end >= 0:
                line, *lines = bytes(self.sent[:end]).decode("latin-1").split("\r\n")
                method, target, _ = line.split(" ", 2)
                pairs = [(name, value.strip()) for name, _, value in (each.partition(":") for each in lines)]
                self._head = method, target, pairs, end + 4
        return self._head

    def body(self) -> bytes | None:
        """The body; None while it is not complete."""
        head = self.head()
        if head is None:
            return None
        headers = {name.lower(): value for name, value in head[2]}
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return wire.dechunk(bytes(self.sent[head[3] :])) if self.sent.endswith(b"\r\n\r\n") else None
        if len(self.sent) - head[3] < int(headers.get("content-length") or 0):
            return None
        return bytes(self.sent[head[3] :])

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        return wire.ReplaySocket(self.answer).makefile()

    def settimeout(self, value: float | None) -> None:
        """Nothing is waited for."""

    def setsockopt(self, *args: Any) -> None:
        """There is no network below."""

    shutdown = setsockopt

    def close(self) -> None:
        if self.real is not None:
            self.real.close()


def _is_urllib3(connection: Any) -> bool:
    return any(each.__module__ == "urllib3.connection" for each in type(connection).__mro__)


def _is_ours(connection: Any) -> bool:
    """Whether what happens on this connection belongs to a replay, and is no request that is being let through."""
    if _LIVE in connection.__dict__ or _is_urllib3(connection):
        return False
    return isinstance(connection.sock, _Pending) or current_session(f"a request to {connection.host}") is not None


def _apply(module: ModuleType, patcher: Patcher) -> None:
    plain = module.HTTPConnection
    patcher.set(plain, "send", _send(plain.send))
    patcher.set(plain, "getresponse", _getresponse(plain.getresponse))
    for owner in (plain, module.HTTPSConnection):
        patcher.set(owner, "connect", _connect(owner.connect))


def _apply_httplib2(module: ModuleType, patcher: Patcher) -> None:
    for owner in (module.HTTPConnectionWithTimeout, module.HTTPSConnectionWithTimeout):
        patcher.set(owner, "connect", _connect(owner.connect))


def _connect(original: Any) -> Any:
    @functools.wraps(original)
    def connect(self: Any) -> None:
        if _is_ours(self):
            self.sock = _Pending(None)
        else:
            original(self)

    return connect


def _send(original: Any) -> Any:
    @functools.wraps(original)
    def send(self: Any, data: Any) -> None:
        if not _is_ours(self):
            original(self, data)
            return
        if not isinstance(self.sock, _Pending):
            if self.sock is None and not self.auto_open:
                raise http.client.NotConnected
            self.sock = _Pending(self.sock)
        self.sock.sent += wire.read_body(data, "iso-8859-1").data
        body = self.sock.body()
        if body is not None:
            _settle(self, body)

    return send


def _settle(connection: Any, body: bytes) -> None:
    """Asks about the complete request. Raises failures to connect."""
    connection.__dict__.pop(_OBSERVED, None)
    pending = connection.sock
    request = _request(connection, pending, body)
    try:
        answer = wire.ask(request, _proxy(connection))
        if isinstance(answer, HttpReply):
            if answer.pause is not None:
                answer.pause.sleep()
            pending.reply = answer
            if answer.exception is None and answer.failure in wire.CONNECT_FAILURES:
                raise wire.socket_error(answer.failure, answer.message)
            return
    except BaseException:
        connection.close()
        raise
    _let_through(connection, pending, request.method, wire.Observation(answer))


def _let_through(connection: Any, pending: _Pending, method: str, observation: wire.Observation) -> None:
    connection.sock = pending.real
    connection.__dict__[_LIVE] = True
    try:
        if connection.sock is None:
            connection.connect()
        connection.sock.sendall(pending.sent)
    except BaseException as error:
        connection.close()
        observation.failed(error)
        raise
    finally:
        del connection.__dict__[_LIVE]
    connection.__dict__[_OBSERVED] = method, observation


def _request(connection: Any, pending: _Pending, body: bytes) -> HttpRequest:
    head = pending.head()
    assert head is not None
    method, target, headers, _ = head
    tunnel = getattr(connection, "_tunnel_host", None)
    host, port = (tunnel, connection._tunnel_port) if tunnel else (connection.host, connection.port)
    scheme = "https" if isinstance(connection, http.client.HTTPSConnection) else "http"
    timeout = wire.seconds(connection.timeout)
    return HttpRequest(
        client="http.client",
        method=method,
        url=wire.url_of(scheme, host, port, target),
        headers=headers,
        body=body,
        connect_timeout=timeout,
        read_timeout=timeout,
    )


def _proxy(connection: Any) -> str:
    """The host that the socket goes to, which is a proxy where the request names another."""
    return wire.url_of("http", connection.host, connection.port, "")


def _getresponse(original: Any) -> Any:
    @functools.wraps(original)
    def getresponse(self: Any) -> Any:
        if isinstance(self.sock, _Pending):
            return _answered(self, original)
        method, observation = self.__dict__.pop(_OBSERVED, ("", None))
        if observation is None:
            return original(self)
        try:
            response = original(self)
        except BaseException as error:
            observation.failed(error)
            raise
        if observation.wanted:
            wire.TeeFile.attach(response, method, observation)
        return response

    return getresponse


def _answered(connection: Any, original: Any) -> Any:
    pending, method = connection.sock, connection._method
    if pending.reply is None:
        raise http.client.ResponseNotReady("the request is not complete: its body is shorter than its headers say")
    reply: HttpReply = pending.reply
    error = reply.exception
    if error is None and reply.failure is not None:
        error = wire.socket_error(reply.failure, reply.message)
    if error is not None:
        connection.close()
        raise error
    pending.answer = b"".join(wire.render(reply, method))
    response = original(connection)
    if connection.sock is pending:
        connection.sock = pending.real
    return response


INTERCEPTORS = (
    Interceptor("http.client", "http.client", _apply),
    Interceptor("httplib2", "httplib2", _apply_httplib2),
)
