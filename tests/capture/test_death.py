"""A process that dies while it is captured leaves nothing half written, and loses nothing."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agent_replay import ReplayError, capture
from pytest_agent_replay.capturing.capture import recover
from pytest_agent_replay.capturing.journal import journals_of
from pytest_agent_replay.cli import main
from tests.capture import bots
from tests.capture.harness import Model, loaded, served

ROOT = Path(__file__).parents[2]
KEY = "sk-proj-" + "Zx9" * 10
DIES = """
import os, sys
from pytest_agent_replay import capture
from tests.capture import bots
bots.base_url = sys.argv[2]
with capture(sys.argv[1], agent="tests.capture.bots:chat", tools=["later"]) as session:
    session.input = "How much? " + os.environ["SHOP_API_KEY"]
    bots.chat("How much?")
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def remains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a process that was killed after its agent had answered."""
    folder = tmp_path_factory.mktemp("died")
    with served(Model(("check", {"order": "A-1"}), text="12.")) as url:
        died = subprocess.run(
            [sys.executable, "-c", DIES, str(folder / "a.replay.yaml"), url],
            cwd=ROOT,
            env={**os.environ, "SHOP_API_KEY": KEY},
            timeout=60,
            check=False,
        )
    assert died.returncode == -9
    [found] = folder.iterdir()
    return found


@pytest.fixture
def journal(remains: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(remains, tmp_path))


def test_a_killed_process_loses_nothing(journal: Path) -> None:
    """Everything until its death is in the recovered file, and the journal is gone then."""
    assert KEY not in journal.read_text("utf-8")
    assert journal.stat().st_mode & 0o077 == 0
    [(path, built)] = recover(journal)
    file = loaded(path)
    assert path.name == "a.replay.yaml"
    assert file.input == "How much? [secret 1]"
    assert file.agent == "tests.capture.bots:chat"
    assert [response.tool for response in file.tool_responses] == ["check"]
    assert [answer.content for answer in file.llm_responses or ()] == [None, "12."]
    assert file.ended == "cut"
    assert list(path.parent.iterdir()) == [path]
    assert built.replay == file


def test_a_half_written_line_is_left_out(journal: Path) -> None:
    """Whatever byte the process died at."""
    whole = journal.read_bytes()
    for cut in range(len(whole) - 200, len(whole), 7):
        journal.write_bytes(whole[:cut])
        [(path, _)] = recover(journal)
        assert loaded(path).input == "How much? [secret 1]"
        path.unlink()
    journal.write_bytes(whole[:5])
    with pytest.raises(ReplayError, match="is no journal of a capture"):
        recover(journal)


def test_the_command_recovers(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder, or the file that should have been; nothing to recover is no error, a running process is left alone."""
    with capture(journal.parent / "running.replay.yaml") as session:
        session.input = "?"
        assert main(["record", "--recover", str(journal.parent / "running.replay.yaml")]) == 0
        assert "its process is running" in capsys.readouterr().out
    assert main(["record", "--recover", str(journal.parent / "a.replay.yaml")]) == 0
    assert "1 turn, 1 tool call (0 failed), 2 model answers" in capsys.readouterr().err
    assert main(["record", "--recover", str(journal.parent)]) == 0
    assert "nothing to recover" in capsys.readouterr().err


def test_a_journal_that_was_left_is_mentioned(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By the next capture to the same file, which leaves it alone. Those of running processes are not."""
    with caplog.at_level(logging.WARNING), capture(journal.parent / "a.replay.yaml") as session:
        session.input = "?"
    assert "agent-replay record --recover" in caplog.text
    assert journals_of(journal.parent) == [journal]
    caplog.clear()
    with capture(journal.parent / "b.replay.yaml"), capture(journal.parent / "b.replay.yaml"):
        pass
    assert caplog.text == ""


def test_the_journal_grows_with_each_event(tmp_path: Path) -> None:
    """A call is in it before it has ended."""
    seen: list[list[str]] = []

    def slow() -> None:
        [found] = journals_of(tmp_path)
        seen.append([json.loads(line).get("event", "") for line in found.read_text("utf-8").splitlines()])

    bots.slow = slow  # type: ignore[attr-defined]
    slow.__module__, slow.__qualname__ = bots.__name__, "slow"
    with capture(tmp_path / "a.replay.yaml", tools={"slow": slow}) as session:
        session.input = "?"
        slow()
    assert seen == [["", "turn", "begin"]]
    assert [path.name for path in tmp_path.iterdir()] == ["a.replay.yaml"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_writes_nothing(tmp_path: Path) -> None:
    """Two processes in one journal would spoil it."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools=["check"]) as session:
        session.input = "?"
        child = os.fork()
        if child == 0:
            bots.check("child")
            os._exit(0)
        os.waitpid(child, 0)
        bots.check("parent")
    assert [response.args for response in loaded(path).tool_responses] == [{"order": "parent"}]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_that_leaves_the_capture_ends_nothing(tmp_path: Path) -> None:
    """It writes no file, and the journal of the process that captures stays."""
    path = tmp_path / "a.replay.yaml"
    captured = capture(path, tools=["check"])
    parent = os.getpid()
    with captured as session:
        session.input = "?"
        bots.check("before")
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            left = [each.suffix for each in tmp_path.iterdir()]
    if os.getpid() != parent:
        os._exit(captured.captured.path is not None)
    assert status == 0
    assert left == [".journal"]
    assert captured.captured.path == path


def test_a_journal_that_cannot_go_on_is_removed_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full for a while costs nothing in the end, and is said once."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools=["check"]) as session:
        session.input = "?"
        with monkeypatch.context() as full:
            full.setattr("os.write", lambda file, data: len(data) // 2)
            bots.check("A-1")
        bots.check("A-2")
    assert [response.args for response in loaded(path).tool_responses] == [{"order": "A-1"}, {"order": "A-2"}]
    assert list(tmp_path.iterdir()) == [path]
    assert caplog.text.count("the journal cannot be written") == 1
