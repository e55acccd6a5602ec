"""A recorded failure is, for every client, the exception that the same failure on a real network raises."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from typing import Any

import pytest

from pytest_agent_replay.errors import StopReplay
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.player.http import Failure, HttpReply
from pytest_agent_replay.player.pause import Pause
from pytest_agent_replay.player.session import Session as PlayerSession
from pytest_agent_replay.settings import Settings

from .http_clients import Session, client, every_client, failing_server, json_reply, replaying

SHORT, LONG = 0.04, 10.0  # seconds; every other failure comes before a timeout, on a busy machine too
FAILURES: list[Failure] = ["refused", "reset", "eof", "read_timeout", "dns", "connect_timeout"]


@pytest.fixture
def no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below .invalid do not resolve, without asking a name server."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@every_client
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.usefixtures("no_such_host")
def test_same_exception_as_a_real_failure(name: str, failure: Failure) -> None:
    """Type, text, arguments and the request of the exception are those of the real failure."""
    if failure == "connect_timeout" and sys.platform != "linux":
        pytest.skip("needs a listener whose queue is full")
    fetch = client(name)
    timeout = SHORT if failure in ("read_timeout", "connect_timeout") else LONG
    with failing_server(failure) as url:
        real = _raised(fetch, url, timeout)
        with replaying(Session(HttpReply(failure=failure))):
            replayed = _raised(fetch, url, timeout)
    assert type(replayed) is type(real)
    assert _text(replayed) == _text(real)
    assert len(replayed.args) == len(real.args)
    assert [type(each) for each in replayed.args] == [type(each) for each in real.args]
    assert _request_url(replayed) == _request_url(real)
    assert getattr(replayed, "errno", None) == getattr(real, "errno", None)


def _raised(fetch: Any, url: str, timeout: float) -> Exception:
    with pytest.raises(Exception) as caught:
        fetch(url, timeout=timeout)
    return caught.value


def _text(error: Exception) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", str(error))


def _request_url(error: Exception) -> str | None:
    request = getattr(error, "_request", None) or getattr(error, "request", None)
    return None if request is None else str(request.url)


@every_client
def test_failures_do_not_wait(name: str) -> None:
    """A recorded timeout comes at once, however long the client would have waited."""
    fetch = client(name)
    with replaying(Session(HttpReply(failure="read_timeout"))):
        started = time.perf_counter()
        with pytest.raises(Exception, match=r"(?i)time|^$"):
            fetch("http://api.example.com/slow", timeout=30)
        assert time.perf_counter() - started < 1


@every_client
def test_recorded_text_replaces_the_usual_one(name: str) -> None:
    """The message of a recorded failure is in the text of the client's exception."""
    if name == "boto3":
        pytest.skip("botocore drops the text of what it wraps")
    fetch = client(name)
    with (
        replaying(Session(HttpReply(failure="reset", message="peer went away"))),
        pytest.raises(Exception, match="peer went away"),
    ):
        fetch("http://api.example.com/x")


@every_client
def test_stop_travels_through_the_client(name: str) -> None:
    """The exception that ends a replay leaves every client as itself, and the next request is answered."""
    fetch = client(name)
    stop = StopReplay("enough")
    with replaying(Session(stop, json_reply(2))):
        with pytest.raises(StopReplay) as caught:
            fetch("http://api.example.com/x")
        assert caught.value is stop
        assert fetch("http://api.example.com/x").body == b"2"


@every_client
def test_recorded_exception_is_raised(name: str) -> None:
    """An exception that is no client's own reaches the agent as it is."""
    if name == "boto3":
        pytest.skip("botocore wraps every exception")
    fetch = client(name)
    error = LookupError("quota of the tool")
    with replaying(Session(HttpReply(exception=error))), pytest.raises(LookupError) as caught:
        fetch("http://api.example.com/x")
    assert caught.value is error


@pytest.mark.parametrize("kind", ["SSLError", "TooManyRedirects", "JSONDecodeError", "ConnectionError"])
def test_exceptions_of_requests_are_not_wrapped(kind: str) -> None:
    """requests would make a ConnectionError of its own exceptions below it: they arrive as recorded, with a request."""
    requests = pytest.importorskip("requests")
    error = getattr(requests.exceptions, kind)(*(("bad", "doc", 0) if kind == "JSONDecodeError" else ("bad",)))
    with (
        replaying(Session(HttpReply(exception=error))),
        pytest.raises(requests.exceptions.RequestException) as caught,
    ):
        requests.get("http://api.example.com/x")
    assert caught.value is error
    assert caught.value.request.url == "http://api.example.com/x"


def test_exceptions_pass_adapters_of_others() -> None:
    """The recorded exception also arrives where the adapter is not the one of requests, as with `responses`."""
    requests, responses = map(pytest.importorskip, ("requests", "responses"))
    urllib3 = pytest.importorskip("urllib3")

    class Adapter(requests.adapters.BaseAdapter):  # type: ignore[misc, name-defined]
        def send(self, request: Any, **kwargs: Any) -> Any:
            return urllib3.PoolManager().request("GET", request.url)

        def close(self) -> None:
            """Nothing is open."""

    error = requests.exceptions.SSLError("bad certificate")
    session = requests.Session()
    session.mount("http://own.example.com", Adapter())
    with replaying(Session(HttpReply(exception=error))), responses.RequestsMock() as mocks:
        mocks.add_passthru("http://api.example.com")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get("http://api.example.com/x")
    with replaying(Session(HttpReply(exception=error))), pytest.raises(requests.exceptions.SSLError):
        session.get("http://own.example.com/x")


@pytest.mark.parametrize("answer", [StopReplay("enough"), HttpReply(failure="reset"), json_reply(1)])
def test_urllib3_pool_gets_its_connection_back(answer: Any) -> None:
    """A pool of one blocking connection can be used again after an answer, a failure and a stop."""
    urllib3 = pytest.importorskip("urllib3")
    pool = urllib3.HTTPConnectionPool("api.example.com", maxsize=1, block=True, retries=False)
    with replaying(Session(answer, json_reply(2))):
        if isinstance(answer, HttpReply) and answer.failure is None:
            pool.request("GET", "/")
        else:
            with pytest.raises((StopReplay, urllib3.exceptions.ProtocolError)):
                pool.request("GET", "/")
        assert pool.request("GET", "/", pool_timeout=0.1).data == b"2"


@pytest.mark.parametrize("answer", [StopReplay("enough"), HttpReply(failure="reset"), json_reply(1)])
def test_aiohttp_connector_keeps_its_places(answer: Any) -> None:
    """A connector of one connection can be used again after an answer, a failure and a stop."""
    aiohttp = pytest.importorskip("aiohttp")

    async def run() -> Any:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            try:
                await (await session.post("http://api.example.com/x")).read()
            except (StopReplay, aiohttp.ClientError):
                pass
            found = await asyncio.wait_for(session.post("http://api.example.com/x"), 1)
            assert not session.connector._acquired
            return await found.read()

    with replaying(Session(answer, json_reply(2))):
        assert asyncio.run(run()) == b"2"


def test_http_client_connection_can_be_used_again() -> None:
    """A connection of http.client is usable after a failure and after a stop."""
    import http.client

    connection = http.client.HTTPConnection("api.example.com", timeout=5)
    with replaying(Session(StopReplay("x"), HttpReply(failure="eof"), HttpReply(failure="refused"), json_reply(2))):
        with pytest.raises(StopReplay):
            connection.request("GET", "/")
        connection.request("GET", "/")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        with pytest.raises(ConnectionRefusedError):
            connection.request("GET", "/")
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"2"


def test_total_timeout_is_told_from_the_others() -> None:
    """aiohttp's total timeout is visible in the request, and raises a plain TimeoutError."""
    aiohttp = pytest.importorskip("aiohttp")

    async def run() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            await session.get("http://api.example.com/x")

    with (
        replaying(Session(HttpReply(failure="total_timeout"))) as session,
        pytest.raises(asyncio.TimeoutError) as caught,
    ):
        asyncio.run(run())
    assert type(caught.value) is asyncio.TimeoutError
    assert (session.only.total_timeout, session.only.read_timeout) == (3, None)


def slept(seconds: float) -> Pause:
    """Of a replay with real latency."""
    session = PlayerSession(ReplayFile.model_validate({"input": "Hi"}), Settings(), label="test")
    return Pause(session, "s1", seconds, 0.0)


@every_client
def test_real_latency_is_waited_for(name: str) -> None:
    """It is slept before the answer."""
    fetch = client(name)
    with replaying(Session(json_reply(1, pause=slept(0.02)))):
        started = time.perf_counter()
        assert fetch("http://api.example.com/x").body == b"1"
        assert time.perf_counter() - started >= 0.02


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_httpx_on_trio(name: str) -> None:
    """The async clients of httpx are answered, wait and fail on trio too."""
    httpx = pytest.importorskip(name)
    trio = pytest.importorskip("trio")

    async def run() -> Any:
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get("http://api.example.com/x")
            return (await http.get("http://api.example.com/x")).json()

    replies = HttpReply(failure="read_timeout", pause=slept(0.001)), json_reply(5, pause=slept(0.001))
    with replaying(Session(*replies)):
        assert trio.run(run) == 5
