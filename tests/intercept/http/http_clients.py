"""Every HTTP client behind one call, a session that plays a script, and a loopback server that can fail."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import socket
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pytest_agent_replay.intercept import aiohttp_, http_client, httpx_, sockets, urllib3_
from pytest_agent_replay.intercept.registry import install
from pytest_agent_replay.player.current import activate
from pytest_agent_replay.player.http import HttpReply, HttpRequest, PassThrough

ALL = (
    *urllib3_.INTERCEPTORS,
    *httpx_.INTERCEPTORS,
    *aiohttp_.INTERCEPTORS,
    *http_client.INTERCEPTORS,
    *sockets.INTERCEPTORS,
)

Answer = HttpReply | PassThrough | BaseException
Script = Callable[[HttpRequest], Answer]


class Session:
    """Answers from a list (the last one again and again) or a function; refuses every raw connection."""

    def __init__(self, *answers: Answer, script: Script | None = None, allowed: tuple[str, ...] = ()) -> None:
        self.label = "test"
        self.is_over = False
        self.answers = list(answers)
        self.script = script
        self.allowed = allowed
        self.requests: list[HttpRequest] = []
        self.connections: list[tuple[str, int | None]] = []
        self.failures: list[str] = []
        self.functions: dict[int, Any] = {}
        self.background: weakref.WeakSet[Any] = weakref.WeakSet()
        self.may_start_processes = False
        self.notes: list[str] = []

    def handle_http(self, request: HttpRequest) -> HttpReply | PassThrough:
        self.requests.append(request)
        if self.script is not None:
            answer = self.script(request)
        else:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def check_connection(self, host: str, port: int | None) -> Exception | None:
        self.connections.append((host, port))
        return None if host in self.allowed else ConnectionRefusedError(111, f"refused by the guard: {host}")

    def fail(self, message: str) -> None:
        self.failures.append(message)

    def thread_started(self, thread: threading.Thread) -> None:
        pass

    def thread_joined(self, thread: threading.Thread) -> None:
        pass

    def note(self, message: str) -> None:
        self.notes.append(message)

    @property
    def only(self) -> HttpRequest:
        """The one request there was."""
        (request,) = self.requests
        return request


@contextlib.contextmanager
def replaying(session: Session) -> Iterator[Session]:
    """Everything patched, and `session` current; it is over at the end."""
    with install(ALL), activate(session):
        yield session
    session.is_over = True


def json_reply(value: Any, status: int = 200, **fields: Any) -> HttpReply:
    """A JSON answer."""
    headers = [("Content-Type", "application/json"), *fields.pop("headers", [])]
    return HttpReply(status, headers, json.dumps(value).encode(), **fields)


@dataclass
class Got:
    """What a client made of a response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    native: Any = field(repr=False, default=None)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


Fetch = Callable[..., Got]


def _requests(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        found = session.request(method, url, data=body, headers=headers, timeout=timeout)
        return Got(found.status_code, list(found.raw.headers.items()), found.content, found)


def _urllib3(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    import urllib3

    with urllib3.PoolManager() as pool:
        found: Any = pool.request(method, url, body=body, headers=headers, timeout=timeout, retries=False)
        return Got(found.status, list(found.headers.items()), found.data, found)


def _urllib(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as found:
            return Got(found.status, found.headers.items(), found.read(), found)
    except urllib.error.HTTPError as error:
        with error:
            return Got(error.code, error.headers.items(), error.read(), error)


def _http_client(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with contextlib.closing(connection):
        connection.request(method, target, body=body, headers=headers or {})
        found = connection.getresponse()
        return Got(found.status, found.getheaders(), found.read(), found)


def _httplib2(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    client = importlib.import_module("httplib2").Http(timeout=timeout, proxy_info=None)
    client.follow_redirects = False
    with contextlib.closing(client):
        found, data = client.request(url, method, body=body, headers=headers)
        return Got(found.status, list(found.items()), data, found)


def _httpx(name: str) -> Fetch:
    def fetch(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
        module = importlib.import_module(name)
        with module.Client(timeout=timeout, verify=False, trust_env=False, follow_redirects=True) as client:
            found = client.request(method, url, content=body, headers=headers)
            return Got(found.status_code, found.headers.multi_items(), found.content, found)

    return fetch


def _httpx_async(name: str) -> Fetch:
    def fetch(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
        module = importlib.import_module(name)

        async def run() -> Got:
            async with module.AsyncClient(
                timeout=timeout, verify=False, trust_env=False, follow_redirects=True
            ) as client:
                found = await client.request(method, url, content=body, headers=headers)
                return Got(found.status_code, found.headers.multi_items(), found.content, found)

        return asyncio.run(run())

    return fetch


def _aiohttp(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)

    async def run() -> Got:
        async with (
            aiohttp.ClientSession(timeout=limits) as session,
            session.request(method, url, data=body, headers=headers) as found,
        ):
            return Got(found.status, list(found.headers.items()), await found.read(), found)

    return asyncio.run(run())


def _boto3(url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: float = 5) -> Got:
    session = importlib.import_module("botocore.httpsession").URLLib3Session(timeout=timeout)
    make: Any = importlib.import_module("botocore.awsrequest").AWSRequest
    with contextlib.closing(session):
        found = session.send(make(method, url, headers=headers or {}, data=body).prepare())
        return Got(found.status_code, list(found.raw.headers.items()), found.content, found)


CLIENTS: dict[str, tuple[str, Fetch]] = {
    "requests": ("requests", _requests),
    "urllib3": ("urllib3", _urllib3),
    "urllib.request": ("urllib.request", _urllib),
    "http.client": ("http.client", _http_client),
    "httplib2": ("httplib2", _httplib2),
    "httpx": ("httpx", _httpx("httpx")),
    "httpx-async": ("httpx", _httpx_async("httpx")),
    "httpx2": ("httpx2", _httpx("httpx2")),
    "httpx2-async": ("httpx2", _httpx_async("httpx2")),
    "aiohttp": ("aiohttp", _aiohttp),
    "boto3": ("boto3", _boto3),
}
"""Name in the tests → module that must be there, and the call."""


def client(name: str) -> Fetch:
    """The call of a client; the test is skipped where it is not installed."""
    module, fetch = CLIENTS[name]
    pytest.importorskip(module)
    return fetch


every_client = pytest.mark.parametrize("name", list(CLIENTS))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.accepted += 1  # type: ignore[attr-defined]

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self._chunks()
        self.server.seen.append((self.command, self.path, body))  # type: ignore[attr-defined]
        if self.path == "/sse":
            self._stream([b"data: 1\n\n", b"data: 2\n\n"])
            return
        data = b"" if self.path == "/empty" else json.dumps({"path": self.path, "body": body.decode()}).encode()
        self.send_response(204 if self.path == "/empty" else 200)
        self.send_header("Content-Type", "application/json")
        if self.path != "/empty":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _chunks(self) -> bytes:
        data = b""
        while self.headers.get("Transfer-Encoding"):
            size = int(self.rfile.readline(), 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
        return data

    def _stream(self, parts: list[bytes]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in [*parts, b""]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))

    do_GET = do_POST = do_PUT = do_HEAD = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    """A real HTTP server on loopback that keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.accepted = 0
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is no error of the server."""

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Server]:
        """Serves inside the block."""
        with cls() as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            try:
                yield server
            finally:
                server.shutdown()


@contextlib.contextmanager
def failing_server(how: str) -> Iterator[str]:
    """The URL of something real that fails in this way."""
    if how == "dns":
        yield "http://no-such-host.invalid/x"
        return
    with socket.create_server(("127.0.0.1", 0), backlog=0 if how == "connect_timeout" else 50) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with contextlib.ExitStack() as stack:
            if how == "refused":
                listener.close()
            elif how == "connect_timeout":
                for _ in range(3):
                    waiting = stack.enter_context(socket.socket())
                    waiting.setblocking(False)
                    waiting.connect_ex(listener.getsockname())
            else:
                threading.Thread(target=_misbehave, args=(listener, how), daemon=True).start()
            yield url


def _misbehave(listener: socket.socket, how: str) -> None:
    held = []
    with contextlib.suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            if how == "read_timeout":
                held.append(accepted)
                continue
            accepted.recv(65536)
            if how == "reset":
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
