"""What flakestorm's users type and configure, against a LangSmith server on loopback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agent_replay.cli import main
from pytest_agent_replay.formats.files import load_replays
from tests.sources.langsmith_server import LangSmithServer
from tests.sources.test_langsmith import id_of, refund, server

__all__ = ["server"]

AGENT = """
def issue_refund(order_id, cents, retry=False):
    raise RuntimeError("really called")

def answer(question):
    try:
        issue_refund(order_id="O-1", cents=4599, retry="see" in question)
    except Exception:
        return "The refund did not go through."
    return "It is done."
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LangSmithServer) -> Path:
    """A working directory with an agent, and a server with a conversation."""
    refund(server)
    (tmp_path / "shop.py").write_text(AGENT)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_by_its_id(here: Path) -> None:
    """Into one file."""
    assert (
        main(["replay", "run", "--from-langsmith", id_of("t-1/1"), "-o", "replay.yaml", "-c", "flakestorm.yaml"]) == 0
    )
    [loaded] = load_replays(here / "replay.yaml", root=here)
    assert len(loaded.replay.turn_list) == 2


def test_a_project_and_a_run_afterwards(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--filter-status`, `-o DIR`, `--run`; also with `=`."""
    words = ["replay", "run", "--from-langsmith-project=shop", "--filter-status", "all", "-o", "./incidents/", "--run"]
    assert main(words) == 1, "no agent is named, so the replay fails"
    said = capfd.readouterr().out
    assert "1 replay file in ./incidents/" in said
    assert "1 failed" in said


def test_a_server_that_cannot_be_reached_is_said_in_a_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with `agent-replay import`: the exit code is 2, and there is no traceback."""
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "no address")
    assert main(["replay", "run", "--from-langsmith", id_of("t-1/1")]) == 2
    assert capsys.readouterr().err.startswith("agent-replay: ")


def test_sources_of_a_flakestorm_file(here: Path) -> None:
    """With `auto_import`, with its contract and its agent; a run by its id is fetched once."""
    (here / "flakestorm.yaml").write_text(
        'version: "2.0"\n'
        'agent: {endpoint: "shop:answer", type: python}\n'
        "contract: {name: Shop, invariants: [{type: output_not_empty}]}\n"
        "replays:\n"
        "  sources:\n"
        "    - {type: langsmith, project: shop, auto_import: true, filter: {status: all}}\n"
        f'    - {{type: langsmith_run, run_id: "{id_of("t-1/2")}"}}\n'
    )
    command = [sys.executable, "-m", "pytest", "--replay-import", "-p", "no:randomly", "-p", "no:langsmith_plugin"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "langsmith --project shop --filter-status all: 1 new in replays/imported, 0 there already" in done.stdout
    assert "0 new in replays/imported, 1 there already" in done.stdout
    [path] = (here / "replays" / "imported").glob("*.replay.yaml")
    [loaded] = load_replays(path, root=here)
    assert (loaded.replay.contract, loaded.replay.agent) == ("Shop", "shop:answer")
    assert "1 replay: 1 passed" in done.stdout, done.stdout
