"""An agent behind an HTTP endpoint, served on loopback by a thread of the test."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pytest_agent_replay.agents.answers import read_answer
from pytest_agent_replay.agents.call import make_agent
from pytest_agent_replay.agents.endpoint import EndpointError
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.agents.template import ResponsePath, Template
from pytest_agent_replay.errors import AgentError
from pytest_agent_replay.player.bypass import is_outside_replay, outside_replay
from pytest_agent_replay.runner import run_replay_async
from tests.test_runner import case, run

TURN = TurnInput(
    input='Say "hi"', context={"tone": "kind"}, history=[{"role": "user", "content": "Hello"}], session_id="s-1"
)


class Server(ThreadingHTTPServer):
    """Answers what the test says, and keeps what it was asked."""

    daemon_threads = True
    status = 200
    answer: bytes = b'{"output": "hi"}'
    content_type = "application/json"
    extra: dict[str, str]
    seen: list[tuple[str, str, dict[str, str], bytes]]
    hold: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that did not wait

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.server.hold.wait(5)
        self.send_response(self.server.status)
        self.send_header("Content-Type", self.server.content_type)
        for name, value in self.server.extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_GET = do_PUT = do_POST

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.seen, running.extra, running.hold = [], {}, threading.Event()
        running.hold.set()
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.hold.set()
        running.shutdown()


def ask(mapping: Any, turn: TurnInput = TURN) -> Any:
    conversation = make_agent(mapping, name="the endpoint").start(turn)
    return conversation.ask(turn)


def test_without_more_the_input_is_posted_and_output_is_read(server: Server) -> None:
    """The default request and answer are those of flakestorm; a URL alone is enough."""
    assert ask(f"{server.url}/chat") == "hi"
    method, path, headers, body = server.seen[0]
    assert (method, path, headers["content-type"]) == ("POST", "/chat", "application/json")
    assert json.loads(body) == {"input": 'Say "hi"'}


def test_an_async_runner_gets_the_same(server: Server) -> None:
    """The request does not block the loop."""
    conversation = make_agent(server.url, name="a").start(TURN)
    assert asyncio.run(conversation.ask_async(TURN)) == "hi"


def test_template_path_query_and_headers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a mapping may say ends in the request; environment variables are expanded."""
    monkeypatch.setenv("STAGING_KEY", "k-1")
    server.answer = b'{"choices": [{"message": {"content": "done"}}]}'
    mapping = {
        "endpoint": f"{server.url}/v1?a=1",
        "method": "put",
        "headers": {"Authorization": "Bearer ${STAGING_KEY}"},
        "query_params": {"key": "${STAGING_KEY}"},
        "request_template": {"messages": [{"role": "user", "content": "{prompt}"}], "stream": False},
        "response_path": "$.choices[0].message.content",
        "timeout": 5000,
    }
    assert ask(mapping) == "done"
    method, path, headers, body = server.seen[0]
    assert (method, path, headers["authorization"]) == ("PUT", "/v1?a=1&key=k-1", "Bearer k-1")
    assert json.loads(body) == {"messages": [{"role": "user", "content": 'Say "hi"'}], "stream": False}


def test_get_sends_the_template_as_query(server: Server) -> None:
    """Text of the form name=value, and a mapping."""
    ask({"endpoint": server.url, "method": "GET", "request_template": "q={prompt}&n=1"})
    ask({"endpoint": server.url, "method": "GET", "request_template": {"q": "{prompt}"}})
    assert [seen[1] for seen in server.seen] == ["/?q=Say%20%22hi%22&n=1", "/?q=Say+%22hi%22"]


def test_the_request_is_outside_of_the_replay(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interceptors are told so while the request is on its way, and only then."""
    states = []
    original = socket.create_connection

    def connect(*args: Any, **kwargs: Any) -> socket.socket:
        states.append(is_outside_replay())
        return original(*args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", connect)
    ask(server.url)
    assert states == [True]
    assert not is_outside_replay()
    with outside_replay():
        assert is_outside_replay()


@pytest.mark.parametrize(
    ("content_type", "body", "path", "expected"),
    [
        ("application/json", b'{"answer": "x"}', None, {"answer": "x"}),
        ("application/json", b'{"output": {"a": 1}}', None, {"a": 1}),
        ("application/json", b'["x"]', None, ["x"]),
        ("application/vnd.api+json; charset=utf-8", b'{"data": {"text": "\xc3\xa9"}}', "data.text", "é"),
        ("text/plain", b"plain", None, "plain"),
        ("text/plain", b'{"a": null}', "$.a", None),
        ("text/event-stream", b"data: Hel\n\ndata: lo\n\ndata: [DONE]\n\n", None, "Hello"),
        ("text/event-stream", b'event: t\r\ndata: {"t": "a"}\r\n\r\n: ping\r\n\r\ndata: {"t": "b"}\r\n\r\n', "t", "ab"),
        ("text/event-stream", b'data: She\n\ndata:  has "\n\ndata: 12\n\ndata: "\n\n', None, 'She has "12"'),
        ("text/event-stream", b'data: "She has"\n\ndata: " 12"\n\n', None, "She has 12"),
        ("text/event-stream", b'data: {"output": {"a": 1}}\n\n', None, {"a": 1}),
        ("text/event-stream", b'data: {"t": "a\xe2\x80\xa8b"}', "t", "a\u2028b"),
        (
            "text/event-stream",
            b"event: thinking\ndata: Hm\n\nevent: token\ndata: a\n\nevent: done\ndata: ok\n\n",
            None,
            "a",
        ),
        ("text/event-stream", b"\n\n", None, None),
        ("text/plain", b'data: {"type": "token", "text": "a"}\n\ndata: {"type": "done"}\n\n', None, "a"),
        (
            "text/plain",
            b"data: as a word\nat the beginning of a text",
            None,
            "data: as a word\nat the beginning of a text",
        ),
        ("text/plain", b'{"a": 1}\n{"a": 2}', None, '{"a": 1}\n{"a": 2}'),
        ("application/x-ndjson", b'{"message": {"content": "a"}}\n{"message": {"content": "b"}}\n', None, "ab"),
        ("application/x-ndjson", b'{"t": "So far"}\n{"t": "So far, so good"}\n', "t", "So far, so good"),
        ("application/x-ndjson", b'{"t": "a"}\n{"n": 1}\n{"t": "b"}\n', "t", "ab"),
        ("application/json", b'{"type": "token", "text": "a"}{"type": "token", "text": "b"}', None, "ab"),
    ],
)
def test_answers_are_read(server: Server, content_type: str, body: bytes, path: str | None, expected: Any) -> None:
    """JSON by the path, or `output`, or whole; text as text; server-sent events joined."""
    server.content_type, server.answer = content_type, body
    assert ask({"endpoint": server.url, **({"response_path": path} if path else {})}) == expected


TOKENS = (
    {"type": "token", "text": "we have 12 u"},
    {"type": "tool", "name": "stock"},
    {"type": "token", "text": "nits in stock"},
    {"type": "tool_result", "text": "12"},
    {"type": "done"},
)


@pytest.mark.parametrize("path", [None, "$.text"])
@pytest.mark.parametrize("last", [[], [{"type": "final", "text": "we have 12 units in stock"}]])
def test_events_of_several_kinds_are_one_answer(server: Server, path: str | None, last: list[Any]) -> None:
    """The texts of their pieces, with and without a path: tools say nothing, and nothing is said twice."""
    server.content_type = "text/event-stream"
    server.answer = "".join(f"data: {json.dumps(event)}\n\n" for event in (*TOKENS, *last)).encode()
    answer = ask({"endpoint": server.url, **({"response_path": path} if path else {})})
    assert read_answer(answer).output == (last[0] if last and path is None else "we have 12 units in stock")


def test_events_without_what_the_path_names_are_an_error_when_all_are(server: Server) -> None:
    """It says how many there were, and names no place: nothing in the agent's code is at fault."""
    server.content_type = "text/event-stream"
    server.answer = "".join(f"data: {json.dumps(event)}\n\n" for event in TOKENS).encode()
    mapping = {"endpoint": server.url, "response_path": "$.txt"}
    with pytest.raises(EndpointError) as caught:
        ask(mapping)
    assert "there is no 'txt' in an object with 'type' (and in none of its 5 events)" in str(caught.value)
    result = run(mapping)
    assert result.turns[0].raised_at == []
    assert "EndpointError in turn 1: POST" in result.reasons[0]
    assert asyncio.run(run_replay_async(case(mapping))).turns[0].raised_at == []


@pytest.mark.parametrize(
    ("status", "body", "path", "expected"),
    [
        (500, b"overloaded", None, "answered HTTP 500: overloaded"),
        (404, b'{"detail": "no"}', None, 'answered HTTP 404: {"detail": "no"}'),
        (302, b"", None, "answered HTTP 302 (it points to /elsewhere: name that one)"),
        (200, b"<html>", "$.a", "with a body that is not JSON"),
        (
            200,
            b'{"reply": "x"}',
            "$.data.text",
            "response_path '$.data.text': there is no 'data' in an object with 'reply'",
        ),
        (200, b'{"data": [1]}', "data[3]", "there is no 3 in a list of 1"),
        (500, b"x" * 2000, None, "(2000 characters)"),
    ],
)
def test_what_is_no_answer_is_an_exception_of_the_agent(
    server: Server, status: int, body: bytes, path: str | None, expected: str
) -> None:
    """Status, body and what was looked for stand in the text; the exception carries status and body."""
    server.status, server.answer, server.extra = status, body, {"Location": "/elsewhere"} if status == 302 else {}
    with pytest.raises(EndpointError) as caught:
        ask({"endpoint": server.url, **({"response_path": path} if path else {})})
    assert str(caught.value).startswith(f"POST {server.url} answered")
    assert expected in str(caught.value)
    assert caught.value.status == status
    assert caught.value.body == body.decode()
    assert len(server.seen) == 1


def test_a_server_that_does_not_answer_in_time(server: Server) -> None:
    """The time-out is in milliseconds, or has a unit."""
    server.hold.clear()
    with pytest.raises(EndpointError, match=r"no answer within 0\.05 s"):
        ask({"endpoint": server.url, "timeout": "50ms"})


def test_a_server_that_is_not_there() -> None:
    """The text asks whether it is running."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(EndpointError, match=r"cannot be reached .* is the agent's server running\?"):
        ask(f"http://127.0.0.1:{port}")


def test_an_endpoint_elsewhere_is_remote() -> None:
    """So that a runner can refuse recordings that could not be played to it."""
    agent = make_agent({"endpoint": "http://localhost:1/"}, name="a")
    assert agent.is_remote
    assert not make_agent(lambda q: q, name="a").is_remote


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"endpoint": "localhost:8000/chat"}, "neither an http(s) URL nor `package.module:app`"),
        ({"endpoint": "ftp://host/"}, "neither an http(s) URL"),
        ({"endpoint": "http:///chat"}, "neither an http(s) URL"),
        ({"url": "http://h/"}, "unknown key 'url' of an endpoint; known are endpoint, "),
        ({"endpoint": "http://h/", "respons_path": "a"}, "did you mean 'response_path'?"),
        ({"endpoint": "http://h/", "path": "/chat"}, "`path` is for an app in this process"),
        ({"endpoint": None}, "`endpoint` must be a URL or `package.module:app`, not NoneType"),
        ({"endpoint": "http://h/", "method": "SEND"}, "unknown method 'SEND'"),
        ({"endpoint": "http://h/", "method": 1}, "`method` must be a str, not int"),
        ({"endpoint": "http://h/", "headers": ["a"]}, "`headers` must be a mapping, not list"),
        ({"endpoint": "http://h/", "timeout": 30}, "timeout is 30; write milliseconds (30000)"),
        ({"endpoint": "http://h/", "timeout": True}, "timeout is True"),
        ({"endpoint": "http://h/", "timeout": "0s"}, "timeout is '0s'"),
        ({"endpoint": "http://h/", "request_template": 3}, "request_template must be"),
        (
            {"endpoint": "http://h/", "request_template": "{promt}"},
            "unknown placeholder {promt}; did you mean {prompt}?",
        ),
        ({"endpoint": "http://h/", "response_path": "a[b"}, "response_path 'a[b' cannot be read from '[b' on"),
        ({"endpoint": "http://h/", "response_path": 3}, "response_path must be text"),
    ],
)
def test_a_wrong_mapping_is_an_error_that_says_what_is_right(mapping: Any, expected: str) -> None:
    """Found when the agent is made, before anything is sent."""
    with pytest.raises(AgentError) as caught:
        make_agent(mapping, name="e")
    assert str(caught.value).startswith("agent 'e': ")
    assert expected in str(caught.value)


def test_a_missing_environment_variable_and_overrides_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent without the key, and no override is dropped silently."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(AgentError, match="the environment variable NO_SUCH_KEY is not set"):
        ask({"endpoint": "http://h/", "headers": {"X": "${NO_SUCH_KEY}"}})
    with pytest.raises(AgentError, match="cannot be handed to an endpoint"):
        ask({"endpoint": "http://h/"}, TurnInput(input="x", overrides={"model": "m"}))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"message": "{prompt}"}', {"message": 'Say "hi"'}),
        (
            '{"message": "{prompt}", "stream": false, "h": {history}}',
            {"message": 'Say "hi"', "stream": False, "h": TURN.history},
        ),
        ({"c": "{context}", "s": "{session_id}"}, {"c": {"tone": "kind"}, "s": "s-1"}),
        ({"m": "C: {context} Q: {input}"}, {"m": 'C: {"tone": "kind"} Q: Say "hi"'}),
        (
            {"m": "literal {{prompt}}", "{session_id}": [1, None, "{input}"]},
            {"m": "literal {prompt}", "s-1": [1, None, 'Say "hi"']},
        ),
        (["{input}"], ['Say "hi"']),
        ("q={prompt}&s={session_id}", "q=Say%20%22hi%22&s=s-1"),
        ("Question: {prompt}", 'Question: Say "hi"'),
    ],
)
def test_templates_are_filled_safely(template: Any, expected: Any) -> None:
    """A quotation mark in the input can break neither JSON nor a form."""
    assert Template(template, "t").render(TURN) == expected


def test_input_keeps_its_type_and_prompt_is_text() -> None:
    """A structured input goes in as JSON, or as its JSON text."""
    turn = TurnInput(input={"a": [1]})
    assert Template({"i": "{input}", "p": "{prompt}", "c": "{context}"}, "t").render(turn) == {
        "i": {"a": [1]},
        "p": '{"a": [1]}',
        "c": None,
    }
    assert Template("{context}|{prompt}", "t").render(turn) == '|{"a": [1]}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", None),
        ("a.b", 1),
        ("$.a.b", 1),
        ("$['a']['b']", 1),
        ('["a"].b', 1),
        ("list.0.x", 2),
        ("list[0].x", 2),
        ("list[-1]", 3),
        ("$.odd-key", 4),
        ("['dotted.key']", 5),
        ("7", 6),
    ],
)
def test_response_paths(path: str, expected: Any) -> None:
    """Dotted, JSONPath-like, with indexes and quoted keys."""
    data = {"a": {"b": 1}, "list": [{"x": 2}, 3], "odd-key": 4, "dotted.key": 5, "7": 6}
    assert ResponsePath(path, "t").find(data) == (data if path == "$" else expected)
