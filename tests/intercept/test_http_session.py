"""A session behind the real clients: tools found by URL and route, everything else refused, nothing really reached."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.intercept import built_in_interceptors
from pytest_agent_replay.intercept.registry import install
from pytest_agent_replay.player.session import Session
from pytest_agent_replay.settings import Settings

requests = pytest.importorskip("requests")
httpx = pytest.importorskip("httpx")


@contextmanager
def playing(recordings: list[dict[str, Any]], settings: Settings | None = None, **file: Any) -> Iterator[Session]:
    replay = ReplayFile.model_validate({"input": "hi", "tool_responses": recordings, **file})
    session = Session(replay, settings or Settings(), label="test")
    with install(built_in_interceptors()), session:
        session.begin_turn(1, input="hi", context=None)
        yield session


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    """A real server that keeps what reached it."""
    reached: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"real")

        def log_message(self, *args: Any) -> None:
            pass

    http_server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http_server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http_server.server_port}", reached
    http_server.shutdown()
    thread.join()


def test_the_finance_incident() -> None:
    """A 504 after 30 s against a timeout of 10 s, and a reset: native exceptions, at once, in virtual time."""
    recordings: list[dict[str, Any]] = [
        {"tool": "market_data_api", "response": None, "status": 504, "latency_ms": 30000},
        {"tool": "web_search", "response": "Connection reset by peer", "status": 0},
    ]
    with playing(recordings) as session:
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get("https://market-data-api.example.com/v1/quote", params={"t": "ACME"}, timeout=10)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get("https://example.com/web_search?q=x", timeout=10)
    assert session.clock.simulated_ms == 10_000
    assert session.findings.unrecorded == []
    assert [call.failed for call in session.trace.tool_calls] == [True, True]
    assert session.bindings == {"market_data_api": "requests, by URL", "web_search": "requests, by URL"}


def test_routes_in_the_file_name_a_tool() -> None:
    """With captured path segments as arguments."""
    recordings: list[dict[str, Any]] = [
        {"tool": "get_order", "args": {"id": "A1"}, "response": {"n": 1}},
        {"tool": "get_order", "args": {"id": "A2"}, "status": 404, "response": {"detail": "no such order"}},
    ]
    with playing(recordings, tools={"get_order": "GET https://shop.example.com/orders/{id}"}) as session:
        assert httpx.get("https://shop.example.com/orders/A1").json() == {"n": 1}
        answer = httpx.get("https://shop.example.com/orders/A2")
        with pytest.raises(httpx.HTTPStatusError):
            answer.raise_for_status()
    assert session.findings.unrecorded == []


def test_an_unrecorded_request_never_leaves(server: tuple[str, list[str]]) -> None:
    """Every client gets its own connection error, and the item fails also when that is swallowed."""
    url, reached = server
    reached.clear()

    async def with_aiohttp() -> None:
        aiohttp = pytest.importorskip("aiohttp")
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.get(url + "/aiohttp")

    async def with_httpx() -> None:
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(url + "/async")

    with playing([]) as session:
        with pytest.raises(requests.ConnectionError):
            requests.get(url + "/requests")
        with pytest.raises(httpx.ConnectError):
            httpx.get(url + "/httpx")
        asyncio.run(with_httpx())
        asyncio.run(with_aiohttp())
    assert reached == []
    assert len(session.findings.unrecorded) == 4
    assert requests.get(url + "/after").text == "real"


def test_allowed_hosts_are_reached(server: tuple[str, list[str]]) -> None:
    """`replay_allow_hosts` is an explicit wish."""
    url, _ = server
    with playing([], Settings(allow_hosts=("127.0.0.*",))) as session:
        assert httpx.get(url + "/allowed").text == "real"
        assert requests.get(url + "/allowed").text == "real"
    assert session.findings.unrecorded == []


def test_telemetry_is_answered_quietly() -> None:
    """An exporter inside the agent neither fails the item nor sends anything."""
    with playing([]) as session:
        assert requests.post("https://api.smith.langchain.com/runs/multipart", data=b"x").ok
        assert httpx.post("http://collector:4318/v1/traces", json={"resourceSpans": []}).status_code == 200
    assert session.trace.tool_calls == []
    assert session.findings.problems == []


def test_raw_connections_are_refused_and_noted() -> None:
    """A database driver that no interceptor knows, even when its error is swallowed."""
    with playing([]) as session:
        with pytest.raises(OSError):
            socket.create_connection(("db.example.com", 5432), timeout=1)
        with pytest.raises(OSError):
            socket.create_connection(("192.0.2.1", 5432), timeout=1)
    assert any("db.example.com" in problem for problem in session.findings.problems)
    assert any("192.0.2.1" in problem for problem in session.findings.problems)


def test_recorded_responses_stay_the_clients_own() -> None:
    """Redirects, cookies and streams are the client's business."""
    recordings: list[dict[str, Any]] = [
        {"tool": "start", "status": 302, "headers": {"Location": "https://x.example.com/end", "Set-Cookie": "a=1"}},
        {"tool": "end", "response": "done"},
        {"tool": "events", "stream": ["data: 1\n\n", "data: 2\n\n"]},
    ]
    with playing(recordings) as session:
        with requests.Session() as client:
            answer = client.get("https://x.example.com/start")
            assert answer.text == "done"
            assert answer.history[0].status_code == 302
            assert client.cookies.get("a") == "1"
        with httpx.stream("GET", "https://x.example.com/events") as stream:
            assert list(stream.iter_lines()) == ["data: 1", "", "data: 2", ""]
    assert session.findings.unrecorded == []


def test_two_sessions_in_threads_do_not_mix() -> None:
    """Each thread's session answers its own calls."""
    answers: dict[str, Any] = {}

    def run(name: str) -> None:
        replay = ReplayFile.model_validate({"input": "hi", "tool_responses": [{"tool": "who", "response": name}]})
        with install(built_in_interceptors()), Session(replay, Settings(), label=name) as session:
            session.begin_turn(1, input="hi", context=None)
            answers[name] = [httpx.get("https://x.example.com/who").text for _ in range(5)]

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {name: [name] * 5 for name in "abcd"}


def test_a_thread_from_before_is_refused_while_two_sessions_run() -> None:
    """It cannot be known whose call it is: an error in both, never the wrong answer."""
    begin = threading.Event()
    replay = ReplayFile.model_validate({"input": "hi", "tool_responses": [{"tool": "who", "response": "x"}]})
    caught: list[BaseException] = []

    def foreign() -> None:
        begin.wait(10)
        try:
            httpx.get("https://x.example.com/who")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=foreign)
    thread.start()
    first, second = (Session(replay, Settings(), label=name) for name in ("first", "second"))
    with install(built_in_interceptors()), first, second:
        begin.set()
        thread.join()
    assert "2 replays" in str(caught[0])
    assert first.findings.problems == second.findings.problems != []
