"""What an SDK makes of a provider's own bytes, and what it makes of the same answer played from a recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import LlmResponse, ReplayFile
from pytest_agent_replay.formats.writing import dump_yaml
from pytest_agent_replay.intercept import built_in_interceptors
from pytest_agent_replay.intercept.registry import install
from pytest_agent_replay.llm.recognise import recognise
from pytest_agent_replay.llm.sse import sse_event
from pytest_agent_replay.player.http import HttpRequest
from pytest_agent_replay.player.session import Session
from pytest_agent_replay.settings import Settings

NOWHERE = "http://127.0.0.1:9"
Ask = Callable[[str], Any]
"""Asks the model at this base URL, and gives what the SDK made of the answer as plain data."""


@dataclass
class Sent:
    """What a provider sends."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def events(*data: dict[str, Any], named: bool = True) -> Sent:
    """A stream of server-sent events, named by their `type`."""
    body = b"".join(sse_event(event, event["type"] if named else None) for event in data)
    return Sent(body, content_type="text/event-stream; charset=utf-8")


@contextmanager
def playing(*answers: dict[str, Any], llm: Any = "auto", **file: Any) -> Iterator[Session]:
    """A session in its first turn, with these recorded answers."""
    replay = ReplayFile.model_validate({"input": "Hi", "llm_responses": list(answers), **file})
    session = Session(replay, Settings(llm=llm), label="test")
    with install(built_in_interceptors()), session:
        session.begin_turn(1, input="Hi", context=None)
        yield session


def live(ask: Ask, sent: Sent) -> tuple[Any, HttpRequest]:
    """What `ask` gives when a server on this machine sends these bytes, and the request that the server got."""
    got: list[HttpRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            got.append(HttpRequest("test", "POST", f"http://host{self.path}", self.headers.items(), body))
            self.send_response(sent.status)
            for name, value in {"content-type": sent.content_type, **sent.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(sent.body)))
            self.end_headers()
            self.wfile.write(sent.body)

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        return ask(f"http://127.0.0.1:{server.server_port}"), got[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def recorded(sent: Sent, asked: HttpRequest) -> LlmResponse:
    """The answer as it is read from the wire."""
    request = recognise(asked)
    assert request is not None
    answer = request.wire.read(sent.status, sent.body, request)
    assert answer is not None
    return answer


def as_written(answer: LlmResponse) -> dict[str, Any]:
    """The answer after it was written to a file and read again."""
    text = dump_yaml(answer.model_dump(mode="json", exclude_unset=True, exclude_none=True))
    found = parse_document(text, "x.yaml").data
    assert isinstance(found, dict)
    return found


def both(ask: Ask, sent: Sent) -> tuple[Any, Any]:
    """What `ask` gives from the provider's bytes, and from a recording of them."""
    real, asked = live(ask, sent)
    with playing(as_written(recorded(sent, asked))):
        return real, ask(NOWHERE)


def without(value: Any, *keys: str) -> Any:
    """The data without these keys, at any depth: ids and dates that are made up in a replay."""
    if isinstance(value, dict):
        return {key: without(item, *keys) for key, item in value.items() if key not in keys}
    if isinstance(value, (list, tuple)):
        return [without(item, *keys) for item in value]
    return value
