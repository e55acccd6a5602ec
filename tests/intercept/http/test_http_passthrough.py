"""A request that the session lets through goes out for real, once, and is observed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_agent_replay.errors import SessionError
from pytest_agent_replay.player.http import HttpRequest, PassThrough

from .http_clients import Server, Session, client, every_client, failing_server, json_reply, replaying

Seen = list[tuple[int, list[tuple[str, str]], bytes]]
HTTPX = pytest.mark.parametrize("module", ["httpx", "httpx2"])


class Watch:
    """Lets everything through and keeps what is observed."""

    def __init__(self) -> None:
        self.seen: Seen = []
        self.errors: list[BaseException] = []

    def __call__(self, request: HttpRequest) -> PassThrough:
        return PassThrough(lambda *seen: self.seen.append(seen), self.errors.append)


@every_client
def test_goes_out_once_and_is_observed(name: str, server: Server) -> None:
    """The real server answers, is asked once, and what it said is observed once."""
    watch = Watch()
    with replaying(Session(script=watch)) as session:
        got = client(name)(f"{server.url}/live", "POST", body=b"question")
    assert json.loads(got.body) == {"path": "/live", "body": "question"}
    assert server.seen == [("POST", "/live", b"question")]
    assert len(session.requests) == 1
    ((status, headers, body),) = watch.seen
    assert (status, body) == (200, got.body)
    assert ("Content-Type", "application/json") in [(key.title(), value) for key, value in headers]
    assert watch.errors == []


@every_client
@pytest.mark.parametrize(("method", "path"), [("HEAD", "/head"), ("GET", "/empty"), ("GET", "/sse")])
def test_other_shapes_are_observed(name: str, method: str, path: str, server: Server) -> None:
    """An answer without a body and a chunked one are observed once each."""
    watch = Watch()
    with replaying(Session(script=watch)):
        got = client(name)(server.url + path, method)
    ((status, _, body),) = watch.seen
    assert (status, body) == (got.status, got.body)


@every_client
@pytest.mark.parametrize("failure", ["refused", "reset", "eof"])
def test_failures_are_observed(name: str, failure: Any) -> None:
    """The client raises its own exception, and an error is observed for each attempt; nothing else is."""
    watch = Watch()
    with failing_server(failure) as url, replaying(Session(script=watch)) as session, pytest.raises(Exception):  # noqa: B017
        client(name)(url)
    assert len(watch.errors) == len(session.requests) >= 1
    assert watch.seen == []


@every_client
def test_observers_are_optional(name: str, server: Server) -> None:
    """A request is let through without anybody who wants to know."""
    with replaying(Session(PassThrough())):
        assert client(name)(server.url).status == 200


@pytest.mark.parametrize("name", ["requests", "httpx", "http.client"])
def test_keep_alive_connections_serve_both_kinds(name: str, server: Server) -> None:
    """One pooled connection takes live, recorded, live and recorded requests in turn, and is opened once."""

    def script(request: HttpRequest) -> Any:
        return json_reply("recorded") if request.url.endswith("/recorded") else PassThrough()

    with replaying(Session(script=script)) as session, _keeping_alive(name, server) as get:
        answers = [json.loads(get(path)) for path in ("/live", "/recorded") * 2]
    assert answers == [{"path": "/live", "body": ""}, "recorded"] * 2
    assert len(session.requests) == 4
    assert (len(server.seen), server.accepted) == (2, 1)


@contextlib.contextmanager
def _keeping_alive(name: str, server: Server) -> Iterator[Any]:
    """A client that keeps its connection, as a function from path to body."""
    if name == "requests":
        with pytest.importorskip("requests").Session() as session:
            yield lambda path: session.get(server.url + path).content
    elif name == "httpx":
        with pytest.importorskip("httpx").Client() as session:
            yield lambda path: session.get(server.url + path).content
    else:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.server_port)) as connection:

            def get(path: str) -> bytes:
                connection.request("GET", path)
                return connection.getresponse().read()

            yield get


def test_connections_opened_before_are_caught(server: Server) -> None:
    """A connection that was already open when the replay began is not used behind the session's back."""
    requests, httpx, aiohttp = map(pytest.importorskip, ("requests", "httpx", "aiohttp"))
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", "/before")
    connection.getresponse().read()

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(server.url) as found:
                await found.read()
            with replaying(Session(json_reply(1))):
                async with session.get(server.url) as found:
                    assert await found.json() == 1

    with requests.Session() as one, httpx.Client() as two:
        one.get(server.url)
        two.get(server.url)
        with replaying(Session(json_reply(1))):
            assert one.get(server.url).json() == 1
            assert two.get(server.url).json() == 1
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"1"
    asyncio.run(with_aiohttp())
    connection.close()
    assert len(server.seen) == 4


@contextlib.contextmanager
def tunnel_proxy(status: bytes = b"200 OK") -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that notes what it is asked, accepts a CONNECT, and then hangs up."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    with accepted:
                        asked.append(accepted.recv(65536).split(b"\r\n")[0])
                        accepted.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], asked


@pytest.mark.parametrize("name", ["requests", "httpx", "http.client", "aiohttp"])
def test_tunnels_are_opened_once(name: str) -> None:
    """An HTTPS request through a proxy opens its CONNECT tunnel when it is let through, and is asked about once."""
    pytest.importorskip(name)
    with (
        tunnel_proxy() as (port, asked),
        replaying(Session(script=Watch())) as session,
        pytest.raises(Exception),  # noqa: B017
    ):
        _through_proxy(name, f"http://127.0.0.1:{port}")
    assert asked[0].startswith(b"CONNECT api.example.com:443")
    assert len(asked) == len(session.requests)
    assert {request.url for request in session.requests} == {"https://api.example.com/x"}


def test_refused_tunnels_are_named_by_urllib3() -> None:
    """A proxy that refuses the tunnel of a request that is let through is urllib3's own ProxyError."""
    requests = pytest.importorskip("requests")
    with (
        tunnel_proxy(b"403 Forbidden") as (port, _),
        replaying(Session(PassThrough())),
        pytest.raises(requests.exceptions.ProxyError, match="403"),
    ):
        requests.get("https://api.example.com/x", proxies={"https": f"http://127.0.0.1:{port}"})


def _through_proxy(name: str, proxy: str) -> None:
    url = "https://api.example.com/x"
    if name == "requests":
        import requests

        requests.get(url, proxies={"https": proxy}, timeout=2)
    elif name == "httpx":
        import httpx

        httpx.Client(mounts={"https://": httpx.HTTPTransport(proxy=httpx.Proxy(proxy))}).get(url)
    elif name == "aiohttp":
        import aiohttp

        async def run() -> None:
            async with aiohttp.ClientSession() as session:
                await session.post(url, proxy=proxy)

        asyncio.run(run())
    else:
        port = int(proxy.rpartition(":")[2])
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2)
        connection.set_tunnel("api.example.com", 443)
        with contextlib.closing(connection):
            connection.request("GET", "/x")


@HTTPX
def test_streams_are_observed_when_they_end(module: str, server: Server) -> None:
    """A live stream arrives in its pieces; it is observed at its end, or with what was read when it is closed early."""
    httpx = pytest.importorskip(module)
    watch = Watch()

    async def early() -> None:
        async with httpx.AsyncClient(trust_env=False) as http, http.stream("GET", f"{server.url}/sse") as found:
            await found.aiter_bytes().__anext__()

    with replaying(Session(script=watch)), httpx.Client(trust_env=False) as http:
        with http.stream("GET", f"{server.url}/sse") as found:
            for _ in found.iter_bytes():
                pass
            assert [body for _, _, body in watch.seen] == [b"data: 1\n\ndata: 2\n\n"]
        asyncio.run(early())
    assert len(watch.seen) == 2
    assert watch.seen[1][2].startswith(b"data: 1\n\n")


def test_streams_of_requests_are_observed(server: Server) -> None:
    """A live stream read in pieces with requests is observed when it is read, or when it is closed early."""
    requests = pytest.importorskip("requests")
    watch = Watch()
    with replaying(Session(script=watch)):
        with requests.get(f"{server.url}/sse", stream=True) as found:
            assert b"".join(found.iter_content(None)) == b"data: 1\n\ndata: 2\n\n"
        requests.get(f"{server.url}/sse", stream=True).close()
    assert [body for _, _, body in watch.seen] == [b"data: 1\n\ndata: 2\n\n", b""]


@pytest.mark.parametrize("name", ["requests", "httpx", "httpx-async", "aiohttp", "http.client", "boto3"])
def test_codings_are_taken_off_what_is_observed(name: str) -> None:
    """A compressed live answer is observed as text, without the header that named the coding."""
    watch = Watch()
    with _gzip_server() as url, replaying(Session(script=watch)):
        client(name)(url)
    ((_, headers, body),) = watch.seen
    assert body == b"plain"
    assert "content-encoding" not in {key.lower() for key, _ in headers}


@contextlib.contextmanager
def _gzip_server() -> Iterator[str]:
    packed = gzip.compress(b"plain")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(packed)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(65536)
                accepted.sendall(head + packed)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@every_client
def test_requests_after_the_replay_are_refused(name: str, server: Server) -> None:
    """A session that is over makes every further request an error: nothing goes out."""
    fetch = client(name)
    session = Session(json_reply(1))
    with replaying(session):
        session.is_over = True
        with pytest.raises(SessionError if name != "boto3" else Exception, match="after its replay"):
            fetch(server.url)
    assert server.seen == []


@every_client
def test_without_a_session_nothing_changes(name: str, server: Server) -> None:
    """Patches of which no session is current let requests go their way."""
    from pytest_agent_replay.intercept.registry import install

    from .http_clients import ALL

    with install(ALL):
        assert client(name)(server.url).status == 200
    assert len(server.seen) == 1


def test_requests_from_threads_without_context(server: Server) -> None:
    """A thread that does not inherit the context belongs to the only running session."""
    requests = pytest.importorskip("requests")
    found: list[Any] = []
    with replaying(Session(json_reply("recorded"))):
        thread = threading.Thread(target=lambda: found.append(requests.get(server.url).json()))
        thread.start()
        thread.join()
    assert found == ["recorded"]
