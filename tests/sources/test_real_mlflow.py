"""MLflow itself: a real server and a bare SQLite tracking URI, its own autologging, replayed with pytest.

Runs when AGENT_REPLAY_TEST_MLFLOW names an environment with `mlflow`, `langchain`, `langgraph`,
`langchain-openai` and `openai`; it takes a few minutes. The replays are run by the Python that runs the tests.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.mlflow import MLflow
from pytest_agent_replay.sources.source import Importing

ENVIRONMENT = os.environ.get("AGENT_REPLAY_TEST_MLFLOW", "")
PYTHON = Path(ENVIRONMENT, "bin", "python").absolute()
HERE = Path(__file__).parent / "real_mlflow"

pytestmark = [
    pytest.mark.skipif(not ENVIRONMENT, reason="AGENT_REPLAY_TEST_MLFLOW names no environment with mlflow"),
    pytest.mark.timeout(600),
]

SESSIONS = {"real-langgraph": "langgraph_agent", "real-openai": "openai_agent"}


@dataclass
class Traced:
    """Where MLflow has the traces."""

    folder: Path
    url: str

    def place(self, name: str) -> list[object]:
        """What the command line is told for `server`, `database` or `export`."""
        if name == "server":
            return ["--tracking-uri", self.url]
        return [self.folder / {"database": "bare.db", "export": "bare.json"}[name]]


# -- a model that follows a script


def answer(messages: list[Any]) -> Any:
    """The next step: tool calls, or words. In the first turn it claims what did not happen."""
    last = max(place for place, message in enumerate(messages) if message["role"] == "user")
    done = sum(message["role"] == "tool" for message in messages[last:])
    refund = {"order_id": "ORD-1001", "amount_cents": 4599}
    if sum(message["role"] == "user" for message in messages) > 1:
        again: list[Any] = [[("issue_refund", {**refund, "retry": True})], "The refund went through now: RF-9."]
        return again[done]
    lookups = [("get_order", {"order_id": "ORD-1001"}), ("get_customer", {"customer_id": "C-77"})]
    first: list[Any] = [lookups, None, [("issue_refund", refund)], "Good news, your refund of $45.99 has been issued."]
    return first[done]


@contextmanager
def scripted_model() -> Iterator[str]:
    """A server that speaks OpenAI's API."""
    count = iter(range(1, 10_000))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            number = next(count)
            said = answer(json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"])
            message: dict[str, Any] = {"role": "assistant", "content": said if isinstance(said, str) else None}
            if isinstance(said, list):
                functions = [{"name": name, "arguments": json.dumps(args)} for name, args in said]
                message["tool_calls"] = [
                    {"id": f"call_{number}_{place}", "type": "function", "function": function}
                    for place, function in enumerate(functions)
                ]
            reason = "tool_calls" if isinstance(said, list) else "stop"
            body = {
                "id": f"chatcmpl-{number}",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": "gpt-4o-mini-2024-07-18",
                "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
            }
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


# -- MLflow


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """`mlflow server` on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(PYTHON), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "a")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *stores], env={**os.environ, **quiet}, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_for(f"{url}/health", process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(360):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer")


def trace_agents(folder: Path, uri: str, export: Path, model_url: str) -> None:
    """Runs the agents in MLflow's environment."""
    environment = {**os.environ, "MODEL_URL": model_url, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(PYTHON), "trace_agents.py", uri, str(export)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Both agents, traced to a server and to a database."""
    folder = tmp_path_factory.mktemp("mlflow")
    for name in ("refund_agents.py", "trace_agents.py"):
        shutil.copy(HERE / name, folder / name)
    with scripted_model() as model_url, mlflow_server(folder) as url:
        trace_agents(folder, f"sqlite:///{folder / 'bare.db'}", folder / "bare.json", model_url)
        trace_agents(folder, url, folder / "server.json", model_url)
        yield Traced(folder, url)


# -- imported and replayed


def stories(*words: object) -> dict[str, Any]:
    """What a replay of each session will play."""
    source, parser = MLflow(), ArgumentParser()
    source.add_arguments(parser)
    given = parser.parse_args([str(word) for word in words])
    source.check(given)
    found = {}
    for session in source.sessions(given, Importing()):
        turns = build_session(session).replay.turn_list
        found[session.id] = [
            (turn.input, sorted((each.tool, each.is_failure) for each in turn.tool_responses), turn.output)
            for turn in turns
        ]
    return found


EXPECTED = [
    (
        "I want a refund for order ORD-1001, my customer id is C-77.",
        [("get_customer", False), ("get_order", False), ("issue_refund", True)],
        "Good news, your refund of $45.99 has been issued.",
    ),
    (
        "I still do not see the refund on my card.",
        [("issue_refund", False)],
        "The refund went through now: RF-9.",
    ),
]


@pytest.mark.parametrize("place", ["server", "database", "export"])
def test_the_same_sessions_from_everywhere(traced: Traced, place: str) -> None:
    """Two turns, three tool calls of which one failed, then one."""
    assert stories(*traced.place(place)) == dict.fromkeys(SESSIONS, EXPECTED)


def test_the_database_of_the_server(traced: Traced) -> None:
    """It can be read while the server has it open."""
    assert stories(traced.folder / "server.db") == dict.fromkeys(SESSIONS, EXPECTED)


def test_the_database_does_not_change(traced: Traced) -> None:
    """Nor does its folder."""
    before = (traced.folder / "bare.db").read_bytes(), sorted(path.name for path in traced.folder.iterdir())
    stories(traced.folder / "bare.db", "--tool-errors")
    assert ((traced.folder / "bare.db").read_bytes(), sorted(path.name for path in traced.folder.iterdir())) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tool-errors"], ["real-langgraph", "real-openai"]),
        (["--session", "real-openai"], ["real-openai"]),
        (["--experiment", "real-refunds", "--limit", "1"], ["real-openai"]),
        (["--filter", "trace.name = 'LangGraph'"], ["real-langgraph"]),
        (["--filter", "span.name = 'issue_refund'", "--since", "2020-01-01"], ["real-langgraph", "real-openai"]),
        (["--until", "2020-01-01"], []),
    ],
)
def test_what_the_server_finds(traced: Traced, words: list[str], expected: list[str]) -> None:
    """The real search language understands what is asked of it."""
    assert list(stories(*traced.place("server"), *words)) == expected


def replay(traced: Traced, file: Path, agent: str, mode: str) -> str:
    """The end of what pytest says, with the agent run for real in a process of its own."""
    command = [sys.executable, "-m", "pytest", str(file), "-q", "-p", "no:langsmith_plugin", "-p", "no:randomly"]
    options = [f"--replay-agent=refund_agents:{agent}", f"--replay-llm={mode}"]
    environment = {name: value for name, value in os.environ.items() if name != "MODEL_URL"}
    done = subprocess.run(
        [*command, *options],
        cwd=traced.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("mode", ["recorded", "auto"])
@pytest.mark.parametrize(("place", "session"), [("server", "real-langgraph"), ("database", "real-openai")])
def test_replayed(traced: Traced, place: str, session: str, mode: str) -> None:
    """The agent as it was fails the proposed contract, the fixed one passes; in `auto`, requests are as recorded."""
    out = traced.folder / "replays" / f"{place}-{mode}-{session}"
    cli = "import sys; from pytest_agent_replay.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", cli, "import", "mlflow", *map(str, traced.place(place))]
    done = subprocess.run(
        [*command, "--session", session, "-o", str(out)], cwd=traced.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (file,) = out.glob("*.replay.yaml")
    said = replay(traced, file, SESSIONS[session], mode)
    assert "1 replay: 1 failed" in said
    assert "no-false-success" in said
    assert "inconclusive" not in said
    assert "1 replay: 1 passed" in replay(traced, file, f"fixed_{SESSIONS[session]}", mode)
