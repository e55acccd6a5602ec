"""A model's API on this machine, and what it takes to capture an agent and to replay the file without that API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pytest_agent_replay.contracts.place import resolve_contract
from pytest_agent_replay.contracts.resolve import ContractFinder
from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay

ROOT = Path(__file__).parents[2]
Answer = Callable[[str, str, dict[str, Any]], tuple[int, dict[str, str], bytes]]


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """The URL of a server that answers by `answer(method, path, body)`; gone afterwards."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, body = answer(self.command, self.path, json.loads(data) if data[:1] == b"{" else {})
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Model:
    """Chat completions that ask for these tools, and then for nothing more."""

    def __init__(self, *calls: tuple[str, dict[str, Any]], text: str = "It costs 12.") -> None:
        self.calls = calls
        self.text = text
        self.requests: list[dict[str, Any]] = []

    def __call__(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        self.requests.append(body)
        if path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
            return _json({"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 1}})
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if body.get("tools") and body["messages"][-1]["role"] == "user":
            message = {"role": "assistant", "content": None, "tool_calls": list(map(_call, enumerate(self.calls)))}
        return _streamed(message) if body.get("stream") else _whole(message)


def _call(numbered: tuple[int, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    number, (name, args) = numbered
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}


BASE = {"id": "c", "created": 1, "model": "gpt-4o", "object": "chat.completion"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"content-type": "application/json"}, json.dumps(value).encode()


def _whole(message: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    return _json({**BASE, "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": USAGE})


def _streamed(message: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    calls = message.get("tool_calls")
    delta = {**message, "tool_calls": [{**c, "index": i} for i, c in enumerate(calls)]} if calls else message
    chunk = {**BASE, "object": "chat.completion.chunk"}
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}]},
        {**chunk, "choices": [], "usage": USAGE},
    ]
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"
    return 200, {"content-type": "text/event-stream"}, body.encode()


def loaded(path: Path) -> ReplayFile:
    """The one replay of a file."""
    [found] = load_replays(path, root=path.parent)
    return found.replay


def replayed(path: Path, agent: Any) -> ReplayResult:
    """What comes of the file with this agent."""
    [found] = load_replays(path, root=path.parent)
    contract = resolve_contract(ContractFinder(path.parent), found)
    return run_replay(Case(found.replay, found.id, path, ROOT, agent, contract=contract))


def assert_green(path: Path, agent: Any) -> ReplayResult:
    """It passes, with every recording asked for."""
    result = replayed(path, agent)
    assert result.outcome == "passed", result.reasons
    assert result.unused == [], (result.unused, result.tool_calls, result.notes)
    assert not [note for note in result.notes if "for real" in note]
    return result
