"""A recorded answer reaches every client as a real server's would."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from pytest_agent_replay.player.http import HttpReply

from .http_clients import Session, client, every_client, json_reply, replaying

URL = "http://api.example.com/v1/quote?ticker=ACME&n=1"


@every_client
def test_request_is_described(name: str) -> None:
    """The session sees library, method, whole URL, headers, body and timeouts of the request."""
    fetch = client(name)
    with replaying(Session(json_reply({}))) as session:
        fetch(URL, "POST", body=b'{"a": 1}', headers={"X-Key": "k", "Content-Type": "application/json"}, timeout=7)
    request = session.only
    libraries = {"boto3": "botocore", "urllib.request": "http.client", "httplib2": "http.client"}
    assert request.client == libraries.get(name, name.removesuffix("-async"))
    assert (request.method, request.url, request.body) == ("POST", URL, b'{"a": 1}')
    assert request.header("x-key") == "k"
    assert (request.connect_timeout, request.read_timeout) == (7, 7)


@every_client
def test_json_answer_arrives(name: str) -> None:
    """Status, headers and body are the recorded ones."""
    with replaying(Session(json_reply({"price": 4.2}, headers=[("X-Served-By", "replay")]))):
        got = client(name)(URL)
    assert got.status == 200
    assert json.loads(got.body) == {"price": 4.2}
    assert got.all("x-served-by") == ["replay"]


@every_client
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_host_need_not_exist(name: str, scheme: str) -> None:
    """Neither a name look-up nor a connection nor a TLS handshake happens for a recorded answer."""
    with replaying(Session(json_reply(1))) as session:
        got = client(name)(f"{scheme}://no-such-host.invalid:8443/x")
    assert got.body == b"1"
    assert session.only.url == f"{scheme}://no-such-host.invalid:8443/x"
    assert session.connections == []


@every_client
@pytest.mark.parametrize("status", [201, 404, 418, 503, 599])
def test_status_is_delivered(name: str, status: int) -> None:
    """Any status arrives with its body."""
    with replaying(Session(HttpReply(status, body=b"text"))):
        got = client(name)(URL)
    assert (got.status, got.body) == (status, b"text")


@every_client
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_body(name: str, method: str, status: int) -> None:
    """HEAD, 204 and 304 end after the head, also when a length and a body are recorded."""
    with replaying(Session(HttpReply(status, [("Content-Length", "12")], b"twelve bytes"))):
        got = client(name)(URL, method)
    assert (got.status, got.body) == (status, b"")


@every_client
def test_length_of_a_head_request_is_kept(name: str) -> None:
    """The answer to HEAD tells the length that the body would have."""
    with replaying(Session(HttpReply(200, [("Content-Length", "1234")]))):
        assert client(name)(URL, "HEAD").all("content-length") == ["1234"]


@every_client
@pytest.mark.parametrize(
    "framing",
    [
        [("Content-Length", "3")],
        [("Content-Length", "9999")],
        [("content-length", "1"), ("Content-Length", "2")],
        [("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
        [("Transfer-Encoding", "gzip")],
        [(":status", "200"), ("bad name", "x"), ("X-Line", "a\r\nSet-Cookie: b=c")],
    ],
)
def test_contradicting_framing_is_harmless(name: str, framing: list[tuple[str, str]]) -> None:
    """Recorded lengths, codings and impossible names that contradict the body do not break the client."""
    with replaying(Session(HttpReply(200, framing, b"hello world"))):
        got = client(name)(URL)
    assert got.body == b"hello world"
    assert got.all("set-cookie") == []


@every_client
def test_repeated_headers_stay_apart(name: str) -> None:
    """Several Set-Cookie headers arrive as several."""
    cookies = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]
    with replaying(Session(HttpReply(200, cookies, b"x"))):
        got = client(name)(URL)
    assert ", ".join(got.all("set-cookie")) == "a=1; Path=/, b=2; Path=/"
    assert len(got.all("set-cookie")) == (1 if name == "httplib2" else 2)


@every_client
def test_gzip_body_is_decoded_as_the_client_does(name: str) -> None:
    """A compressed body is decoded by clients that decode, and given as it is by the others."""
    packed = gzip.compress(b"plain text")
    with replaying(Session(HttpReply(200, [("Content-Encoding", "gzip")], packed))):
        got = client(name)(URL)
    assert got.body == (packed if name in ("urllib.request", "http.client", "boto3") else b"plain text")


@every_client
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_coding_that_the_body_does_not_have(name: str, coding: str) -> None:
    """A decoded body that was recorded with its original Content-Encoding header is readable."""
    with replaying(Session(HttpReply(200, [("Content-Encoding", coding)], b'{"a": 1}'))):
        got = client(name)(URL)
    assert got.body == b'{"a": 1}'


@every_client
def test_chunks_make_the_body(name: str) -> None:
    """A body that is recorded in chunks arrives whole; an empty chunk does not end it."""
    with replaying(Session(HttpReply(200, [], chunks=[b"one ", b"", b"two"]))):
        got = client(name)(URL)
    assert got.body == b"one two"


@every_client
def test_header_text_beyond_latin_1(name: str) -> None:
    """A header value that HTTP/1.1 would have to encode does not break the client."""
    with replaying(Session(HttpReply(200, [("X-Name", "Zoë – ✓")], b"x"))):
        assert client(name)(URL).body == b"x"


@every_client
@pytest.mark.parametrize("kind", ["file", "generator"])
def test_streamed_request_bodies_are_seen(name: str, kind: str) -> None:
    """A file and a generator arrive in the request as one body."""
    if kind == "generator" and name in ("boto3", "urllib.request"):
        pytest.skip("takes no generator without a length")
    with replaying(Session(json_reply(1))) as session:
        client(name)(URL, "POST", body=_body(name, kind), headers={"Content-Type": "text/plain"})
    assert session.only.body == b"part1part2"


def _body(name: str, kind: str) -> Any:
    asynchronous = name.endswith("async") or name == "aiohttp"

    async def parts() -> Any:
        yield b"part1"
        yield b"part2"

    if kind == "file" and not name.endswith("async"):
        return io.BytesIO(b"part1part2")
    return parts() if asynchronous else iter([b"part1", b"part2"])


@every_client
def test_nothing_stays_patched(name: str) -> None:
    """After the replay every patched attribute is the very object that was there, or absent where it was inherited."""
    fetch = client(name)
    before = _patched_places()
    with replaying(Session(json_reply(1))):
        fetch(URL)
        assert _patched_places() != before
    assert _patched_places() == before


def _patched_places() -> list[int | None]:
    import http.client
    import socket
    import sys

    places: list[tuple[Any, str]] = [
        *((http.client.HTTPConnection, each) for each in ("send", "getresponse", "connect", "endheaders")),
        (http.client.HTTPSConnection, "connect"),
        *((socket.socket, each) for each in ("connect", "connect_ex", "sendto", "sendmsg")),
        *((socket, each) for each in ("getaddrinfo", "gethostbyname", "gethostbyname_ex")),
    ]
    for module, owner, name in (
        ("urllib3.connectionpool", "HTTPConnectionPool", "_make_request"),
        ("urllib3.connectionpool", "HTTPSConnectionPool", "_prepare_proxy"),
        ("urllib3.connectionpool", "HTTPSConnectionPool", "_make_request"),
        ("requests.adapters", "HTTPAdapter", "send"),
        ("requests.sessions", "Session", "send"),
        ("httpx", "HTTPTransport", "handle_request"),
        ("httpx", "AsyncHTTPTransport", "handle_async_request"),
        ("httpx2", "HTTPTransport", "handle_request"),
        ("httpx2", "AsyncHTTPTransport", "handle_async_request"),
        ("aiohttp.connector", "BaseConnector", "connect"),
        ("aiohttp.connector", "TCPConnector", "connect"),
        ("aiohttp.connector", "TCPConnector", "_resolve_host"),
        ("httplib2", "HTTPConnectionWithTimeout", "connect"),
    ):
        if module in sys.modules:
            places.append((getattr(sys.modules[module], owner), name))
    return [id(owner.__dict__[name]) if name in owner.__dict__ else None for owner, name in places]


def test_clients_imported_during_the_replay_are_answered() -> None:
    """A library that the agent imports only while the replay runs is answered like one that was there before."""
    import subprocess
    import sys
    from pathlib import Path

    pytest.importorskip("requests")
    pytest.importorskip("httpx")
    pytest.importorskip("aiohttp")
    code = """
from tests.intercept.http.http_clients import *
import sys
assert not {"urllib3", "requests", "httpx", "aiohttp"} & set(sys.modules)
with replaying(Session(json_reply(7))) as session:
    assert [client(name)("http://x.invalid/").body for name in ("requests", "httpx", "aiohttp")] == [b"7"] * 3
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
