"""Redirects, retries, cookies, streaming and proxies stay the client's own."""

from __future__ import annotations

import asyncio
import importlib
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pytest_agent_replay.player.http import HttpReply, HttpRequest, PassThrough

from .http_clients import Server, Session, client, json_reply, replaying

URL = "http://api.example.com/start"
FOLLOWING = ["requests", "urllib3", "urllib.request", "httpx", "httpx-async", "httpx2", "httpx2-async", "aiohttp"]
HTTPX = pytest.mark.parametrize("module", ["httpx", "httpx2"])


def redirect(status: int, to: str = "/end") -> HttpReply:
    """A redirect that also sets a cookie."""
    return HttpReply(status, [("Location", to), ("Set-Cookie", "seen=yes; Path=/")], b"moved")


def plain(request: HttpRequest) -> tuple[str, str, bytes]:
    """What is compared of a request."""
    return request.method, request.url, request.body


@pytest.mark.parametrize("name", FOLLOWING)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirects_turn_post_into_get(name: str, status: int) -> None:
    """A redirected POST becomes a GET, asked about as a request of its own."""
    if name == "urllib3" and status != 303:
        pytest.skip("urllib3 itself keeps the method")
    fetch = client(name)
    with replaying(Session(redirect(status), json_reply("end"))) as session:
        got = _follow(name, fetch)(URL, "POST", body=b"data")
    assert got.body == b'"end"'
    assert plain(session.requests[1]) == ("GET", "http://api.example.com/end", b"")


@pytest.mark.parametrize("name", [each for each in FOLLOWING if each != "urllib.request"])
def test_redirect_307_repeats_the_body(name: str) -> None:
    """A 307 sends method and body again, to another host when it says so."""
    fetch = client(name)
    with replaying(Session(redirect(307, "http://other.example.com/end"), json_reply("end"))) as session:
        _follow(name, fetch)("http://api.example.com/start", "POST", body=b"data")
    assert plain(session.requests[1]) == ("POST", "http://other.example.com/end", b"data")


def _follow(name: str, fetch: Any) -> Any:
    if name != "urllib3":
        return fetch
    urllib3 = pytest.importorskip("urllib3")

    def request(url: str, method: str, body: bytes) -> Any:
        from .http_clients import Got

        found = urllib3.PoolManager().request(method, url, body=body, retries=3)
        return Got(found.status, [], found.data)

    return request


def test_cookies_are_kept_by_each_session() -> None:
    """A cookie of a recorded answer is sent with the next request by sessions that keep cookies."""
    requests, httpx, aiohttp = map(pytest.importorskip, ("requests", "httpx", "aiohttp"))

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                await session.get(URL)

    with replaying(Session(HttpReply(200, [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]))) as session:
        jar = requests.Session()
        one = httpx.Client()
        for _ in range(2):
            jar.get(URL)
            one.get(URL)
        asyncio.run(with_aiohttp())
    sent = [request.header("cookie") for request in session.requests]
    assert sent == [None, None, "a=1; b=2", "a=1; b=2", None, "a=1; b=2"]


def test_retries_of_requests_run_on_recorded_statuses() -> None:
    """`Retry(status_forcelist)` tries again and gets the next recording."""
    requests = pytest.importorskip("requests")
    retry = pytest.importorskip("urllib3").Retry(total=3, status_forcelist=[503], backoff_factor=0)
    http = requests.Session()
    http.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    with replaying(Session(HttpReply(503), HttpReply(503), json_reply("up"))) as session:
        assert http.get(URL).json() == "up"
    assert len(session.requests) == 3


def test_retries_after_lost_connections() -> None:
    """urllib3 tries again after a reset, and sends a file from its beginning; giving up is its own MaxRetryError."""
    urllib3 = pytest.importorskip("urllib3")
    retry = urllib3.Retry(total=2, allowed_methods=None, backoff_factor=0)
    with replaying(Session(HttpReply(failure="reset"), HttpReply(failure="refused"), json_reply(1))) as session:
        body = io.BytesIO(b"skipped the file")
        body.seek(8)
        found = urllib3.PoolManager().request("PUT", URL, body=body, retries=retry, headers={"Content-Length": "8"})
        assert found.data == b"1"
    assert [request.body for request in session.requests] == [b"the file"] * 3
    with replaying(Session(HttpReply(failure="reset"))), pytest.raises(urllib3.exceptions.MaxRetryError):
        urllib3.PoolManager().request("GET", URL, retries=urllib3.Retry(1, backoff_factor=0))


def test_boto3_client_works_whole() -> None:
    """A service call of boto3 parses recorded XML, retries a throttled call, and raises its own ClientError."""
    boto3 = pytest.importorskip("boto3")
    config = importlib.import_module("botocore.config").Config(retries={"max_attempts": 1}, read_timeout=11)
    s3 = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b", config=config)
    listing = b"<ListAllMyBucketsResult><Buckets><Bucket><Name>one</Name></Bucket></Buckets></ListAllMyBucketsResult>"
    with replaying(Session(HttpReply(200, [("Content-Type", "application/xml")], listing))) as session:
        assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["one"]
        s3.put_object(Bucket="one", Key="k", Body=io.BytesIO(b"payload"))
    assert (session.requests[0].client, session.requests[0].read_timeout) == ("botocore", 11)
    assert b"payload" in session.requests[1].body
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with replaying(Session(HttpReply(403, [], denied))), pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.list_buckets()


def test_raise_for_status_is_the_clients() -> None:
    """A recorded 504 becomes each client's own status error."""
    requests, httpx, aiohttp = map(pytest.importorskip, ("requests", "httpx", "aiohttp"))

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.get(URL)

    with replaying(Session(HttpReply(504, body=b"late"))):
        with pytest.raises(requests.HTTPError, match=r"504 Server Error: Gateway Time-?out"):
            requests.get(URL).raise_for_status()
        with pytest.raises(httpx.HTTPStatusError, match=r"504 Gateway Time-?out"):
            httpx.get(URL).raise_for_status()
        with pytest.raises(aiohttp.ClientResponseError, match="504"):
            asyncio.run(with_aiohttp())


EVENTS = [b"data: one\n\n", b"data: two\n\n", b"data: [DONE]\n\n"]


def stream() -> HttpReply:
    """A stream of server-sent events."""
    return HttpReply(200, [("Content-Type", "text/event-stream")], chunks=list(EVENTS))


def test_chunks_stay_apart_in_requests() -> None:
    """A streamed answer is read in its recorded pieces, and by lines."""
    requests = pytest.importorskip("requests")
    with replaying(Session(stream())):
        assert list(requests.get(URL, stream=True).iter_content(None)) == EVENTS
        assert next(filter(None, requests.get(URL, stream=True).iter_lines())) == b"data: one"


@HTTPX
def test_chunks_stay_apart_in_httpx(module: str) -> None:
    """The sync and async clients read a streamed answer in its recorded pieces."""
    httpx = pytest.importorskip(module)

    async def read() -> list[bytes]:
        async with httpx.AsyncClient() as http, http.stream("GET", URL) as found:
            return [each async for each in found.aiter_bytes()]

    with replaying(Session(stream())):
        with httpx.stream("GET", URL) as found:
            assert list(found.iter_bytes()) == EVENTS
        assert asyncio.run(read()) == EVENTS


def test_chunks_stay_apart_in_aiohttp() -> None:
    """A streamed answer is read in its recorded pieces, also by a reader that takes whatever is there."""
    aiohttp = pytest.importorskip("aiohttp")

    async def read(how: str) -> list[bytes]:
        async with aiohttp.ClientSession() as session, session.get(URL) as found:
            return [each async for each in getattr(found.content, how)()]

    with replaying(Session(stream())):
        assert asyncio.run(read("iter_any")) == EVENTS
        chunks: list[Any] = asyncio.run(read("iter_chunks"))
        assert [data for data, _ in chunks if data] == EVENTS


def test_large_answers_arrive_whole() -> None:
    """Ten megabytes pass through every client's buffers."""
    body = bytes(range(256)) * 40_000
    with replaying(Session(HttpReply(200, body=body))):
        for name in ("requests", "httpx", "aiohttp", "http.client"):
            assert client(name)(URL).body == body


def test_stream_closed_early_leaves_clients_usable() -> None:
    """A streamed answer that is left after its first piece does no harm."""
    requests, httpx, aiohttp = map(pytest.importorskip, ("requests", "httpx", "aiohttp"))

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.get(URL) as found:
                    await found.content.readany()

    with replaying(Session(stream())), requests.Session() as http, httpx.Client() as other:
        for _ in range(2):
            with http.get(URL, stream=True) as found:
                next(found.iter_content(None))
            with other.stream("GET", URL) as found:
                next(found.iter_bytes())
        asyncio.run(with_aiohttp())


def test_multipart_uploads_are_seen() -> None:
    """Form uploads with files arrive in the request whole, and the file is left to the caller."""
    requests, httpx, aiohttp = map(pytest.importorskip, ("requests", "httpx", "aiohttp"))

    async def with_aiohttp() -> None:
        form = aiohttp.FormData({"field": "value"})
        form.add_field("doc", io.BytesIO(b"content of the file"), filename="doc.txt")
        async with aiohttp.ClientSession() as session:
            await session.post(URL, data=form)

    with replaying(Session(json_reply(1))) as session:
        requests.post(URL, data={"field": "value"}, files={"doc": io.BytesIO(b"content of the file")})
        httpx.post(URL, data={"field": "value"}, files={"doc": io.BytesIO(b"content of the file")})
        asyncio.run(with_aiohttp())
    for request in session.requests:
        assert b"content of the file" in request.body
        assert (request.header("content-type") or "").startswith("multipart/form-data; boundary=")


@HTTPX
def test_generators_can_be_sent_after_they_were_read(module: str, server: Server) -> None:
    """A streamed upload that is let through goes out whole, and so does one that is redirected."""
    httpx = pytest.importorskip(module)

    def parts() -> Iterator[bytes]:
        yield from (b"part1", b"part2")

    async def later() -> AsyncIterator[bytes]:
        for each in parts():
            yield each

    async def send() -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(server.url, content=later())

    with replaying(Session(PassThrough())):
        httpx.post(server.url, content=parts(), trust_env=False)
        asyncio.run(send())
    assert [body for _, _, body in server.seen] == [b"part1part2"] * 2


@pytest.mark.parametrize("name", ["requests", "urllib3", "http.client", "boto3"])
@pytest.mark.parametrize("kind", ["file", "generator"])
def test_uploads_can_be_sent_after_they_were_read(name: str, kind: str, server: Server) -> None:
    """A file and a generator that are let through go out whole."""
    if (name, kind) == ("boto3", "generator"):
        pytest.skip("takes no generator")
    body: Any = io.BytesIO(b"part1part2") if kind == "file" else iter([b"part1", b"part2"])
    with replaying(Session(PassThrough())) as session:
        client(name)(server.url, "POST", body=body)
    assert [body for _, _, body in server.seen] == [b"part1part2"] == [session.only.body]


def test_aiohttp_sends_what_was_read(server: Server) -> None:
    """Async generators, files and forms that were read to be looked at are sent when they are let through."""
    aiohttp = pytest.importorskip("aiohttp")

    async def parts() -> AsyncIterator[bytes]:
        yield b"part1"
        yield b"part2"

    async def send() -> None:
        async with aiohttp.ClientSession() as session:
            for body in ({"data": parts()}, {"data": io.BytesIO(b"file")}, {"data": {"a": "b"}}, {"json": {"a": "b"}}):
                async with session.post(server.url, **body) as found:
                    await found.read()

    with replaying(Session(PassThrough())) as session:
        asyncio.run(send())
    assert [body for _, _, body in server.seen] == [b"part1part2", b"file", b"a=b", b'{"a": "b"}']
    assert [request.body for request in session.requests] == [body for _, _, body in server.seen]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxied_requests_are_asked_about_as_their_target(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment or from the client's own settings is never connected to."""
    requests, httpx, aiohttp = map(pytest.importorskip, ("requests", "httpx", "aiohttp"))
    import http.client
    import urllib.request

    target = f"{scheme}://api.example.com/x"
    proxy = "http://proxy.example.com:3128"
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession(trust_env=True) as session:
            await session.get(target)
            await session.get(target, proxy=proxy)

    with replaying(Session(json_reply(1))) as session:
        assert requests.get(target).json() == 1
        assert requests.get(target, proxies={scheme: proxy}).json() == 1
        assert httpx.get(target).json() == 1
        assert urllib.request.urlopen(target).read() == b"1"
        asyncio.run(with_aiohttp())
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        tunnel = kind("proxy.example.com", 3128)
        tunnel.set_tunnel("api.example.com", 443 if scheme == "https" else 80)
        tunnel.request("GET", "/x")
        assert tunnel.getresponse().read() == b"1"
    assert {request.url for request in session.requests} == {target}
    assert len(session.requests) == 7
    assert session.connections == []


@pytest.mark.parametrize("failure", ["reset", "read_timeout"])
def test_failures_behind_a_proxy_are_the_targets(failure: Any) -> None:
    """A target that fails behind a proxy is not reported as an unreachable proxy."""
    requests = pytest.importorskip("requests")
    if pytest.importorskip("urllib3").__version__.startswith("1."):
        pytest.skip("urllib3 1.26 calls each of these a ProxyError itself")
    with (
        replaying(Session(HttpReply(failure=failure))),
        pytest.raises((requests.ConnectionError, requests.Timeout)) as caught,
    ):
        requests.get("https://api.example.com/x", proxies={"https": "http://proxy.example.com:1"})
    assert not isinstance(caught.value, requests.exceptions.ProxyError)


@HTTPX
def test_unix_sockets_are_answered(module: str) -> None:
    """A transport on a Unix socket is answered by the URL of its requests, without the socket."""
    httpx = pytest.importorskip(module)
    with replaying(Session(json_reply("engine"))) as session:
        http = httpx.Client(transport=httpx.HTTPTransport(uds="/nowhere/engine.sock"))
        assert http.get("http://engine/info").json() == "engine"
    assert session.only.url == "http://engine/info"


@HTTPX
def test_applications_in_the_process_are_left_alone(module: str) -> None:
    """ASGI and mock transports are no network: the session is not asked."""
    httpx = pytest.importorskip(module)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"app"})

    async def call() -> bytes:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            return bytes((await http.get("http://app/")).content)

    with replaying(Session(json_reply("recorded"))) as session:
        assert asyncio.run(call()) == b"app"
        mock = httpx.MockTransport(lambda request: httpx.Response(200, text="mock"))
        assert httpx.Client(transport=mock).get("http://app/").text == "mock"
    assert session.requests == []


def test_mocks_of_responses_work_beside_the_replay() -> None:
    """A mock that a suite registered with `responses` answers; what it passes on is asked about here."""
    requests = pytest.importorskip("requests")
    responses = pytest.importorskip("responses")
    with replaying(Session(json_reply("recorded"))) as session, responses.RequestsMock() as mocks:
        mocks.add(responses.GET, "http://mocked.example.com/", json="mocked")
        mocks.add_passthru("http://api.example.com")
        assert requests.get("http://mocked.example.com/").json() == "mocked"
        assert requests.get("http://api.example.com/x").json() == "recorded"
        with pytest.raises(requests.ConnectionError, match="Connection refused by Responses"):
            requests.get("http://unknown.example.com/")
    assert [request.url for request in session.requests] == ["http://api.example.com/x"]


def test_responses_started_before_the_replay() -> None:
    """The order in which `responses` and the replay begin and end does not matter."""
    requests = pytest.importorskip("requests")
    responses = pytest.importorskip("responses")
    places = (requests.adapters.HTTPAdapter, requests.Session)
    originals = [each.__dict__["send"] for each in places]
    with responses.RequestsMock() as mocks:
        mocks.add(responses.GET, "http://mocked.example.com/", json="mocked")
        mocks.add_passthru("http://api.example.com")
        with replaying(Session(json_reply("recorded"))):
            assert requests.get("http://mocked.example.com/").json() == "mocked"
            assert requests.get("http://api.example.com/x").json() == "recorded"
    assert [each.__dict__["send"] for each in places] == originals


def test_callers_of_urllib3_are_told_apart() -> None:
    """The library that the agent uses is named, also inside retries and through PoolManager."""
    requests, urllib3 = map(pytest.importorskip, ("requests", "urllib3"))
    with replaying(Session(redirect(302), json_reply(1), redirect(302), json_reply(1))) as session:
        requests.get(URL, headers={"User-Agent": "my-agent"})
        urllib3.PoolManager().request("GET", URL)
    assert [request.client for request in session.requests] == ["requests", "requests", "urllib3", "urllib3"]


def test_urllib3_before_2_3_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its responses are made without the text of their HTTP version."""
    urllib3 = pytest.importorskip("urllib3", minversion="2.0")
    classes = importlib.import_module("urllib3.response")
    made = classes.HTTPResponse.__init__

    def older(self: Any, *args: Any, **kwargs: Any) -> None:
        if "version_string" in kwargs:
            raise TypeError("HTTPResponse.__init__() got an unexpected keyword argument 'version_string'")
        made(self, *args, **kwargs)

    monkeypatch.setattr(classes.HTTPResponse, "__init__", older)
    with replaying(Session(json_reply("end"))):
        answer = urllib3.PoolManager().request("GET", URL)
    assert (answer.data, answer.version_string) == (b'"end"', "HTTP/1.1")
