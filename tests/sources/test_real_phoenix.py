"""A real Phoenix server: agents traced by OpenInference's own instrumentations, imported, and replayed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from pytest_agent_replay.cli.import_ import main
from pytest_agent_replay.formats.replay import ErrorSpec, ReplayFile

ENVIRONMENT = os.environ.get("AGENT_REPLAY_TEST_PHOENIX", "")
AGENTS = Path(__file__).parent / "traced"

pytestmark = [
    pytest.mark.skipif(
        not ENVIRONMENT,
        reason="AGENT_REPLAY_TEST_PHOENIX names no environment with arize-phoenix, arize-phoenix-otel, langchain, "
        "langchain-openai, langgraph, openai, openinference-instrumentation-langchain and -openai",
    ),
    pytest.mark.xdist_group("real-phoenix"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose project `refunds` has the refund of two agents."""
    http, grpc = _free_port(), _free_port()
    folder = tmp_path_factory.mktemp("phoenix")
    settings = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    url = f"http://127.0.0.1:{http}"
    with (folder / "log").open("wb") as log:
        command = [str(Path(ENVIRONMENT) / "bin" / "phoenix"), "serve"]
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)
        try:
            _wait(f"{url}/healthz", process, folder / "log")
            _send(url)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 200
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"Phoenix did not start:\n{log.read_text()[-2000:]}")


def _send(url: str) -> None:
    script = AGENTS / "send_to_phoenix.py"
    python = str(Path(ENVIRONMENT) / "bin" / "python")
    done = subprocess.run(
        [python, str(script), url, "refunds"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def imported(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what `agent-replay import phoenix` wrote, beside the agents."""
    out = Path(shutil.copytree(AGENTS, tmp_path_factory.mktemp("project") / "root")) / "replays"
    assert main(["phoenix", "--url", server, "--project", "refunds", "-o", str(out)]) == 0
    return out


@pytest.mark.parametrize("session", ["graph-1", "loop-1"])
def test_a_traced_conversation_is_the_refund(imported: Path, session: str) -> None:
    """Of LangGraph and of OpenAI's client: parallel calls, the failure, the false success, the retry."""
    replay = ReplayFile(**yaml.safe_load((imported / f"{session}.replay.yaml").read_text()))
    first, second = replay.turn_list
    assert sorted(call.tool for call in first.tool_responses[:2]) == ["get_customer", "get_order"]
    assert first.tool_responses[2].error == ErrorSpec(
        type="shop.PaymentError", message="payment gateway timeout after 2000ms"
    )
    assert first.output == "Good news, your refund of $45.99 has been issued."
    (retry,) = second.tool_responses
    assert retry.args == {"order_id": "ORD-1001", "amount_cents": 4599, "retry": True}
    assert [len(turn.llm_responses or []) for turn in replay.turn_list] == [3, 2]


def test_sessions_with_a_failed_tool_are_found(server: str, tmp_path: Path) -> None:
    """Though all roots are fine."""
    assert main(["phoenix", "--url", server, "--project", "refunds", "--errors", "-o", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph-1.replay.yaml", "loop-1.replay.yaml"]


@pytest.mark.parametrize(
    ("agent", "options", "status"),
    [
        ("graph:answer", ("--replay-llm=auto",), 1),
        ("loop:answer", ("--replay-llm=auto",), 1),
        ("graph:answer", ("--replay-llm=recorded",), 1),
        ("loop:fixed", ("--replay-llm=recorded",), 0),
    ],
)
def test_the_incident_is_replayed(imported: Path, agent: str, options: tuple[str, ...], status: int) -> None:
    """Red on the agent of production, whose every request is the recorded one; green on the fixed one."""
    path = imported / f"{agent.partition(':')[0]}-1.replay.yaml"
    root = imported.parent
    given = {"PYTHONPATH": str(root), "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir=.", str(path), f"--replay-agent={agent}", *options],
        cwd=root,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert "inconclusive" not in done.stdout
    if status:
        assert "claims 'has been issued'" in done.stdout
