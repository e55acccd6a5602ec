"""Ctrl-C may come at any moment, also while patches are being made or taken back: nothing stays patched."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.intercept.registry import installed
from pytest_agent_replay.runner import Case, run_replay

ROOT = Path(__file__).parent.parent
REPLAY = ReplayFile.model_validate(
    {"input": "x", "tool_responses": [{"tool": "look_up", "response": "a"}, {"tool": "book", "response": "b"}]}
)
# what patches and what puts back, apart from the lines by which a `with` comes to it
MAKES_AND_UNDOES = {
    "registry.py": {"set", "tree", "again", "undo", "apply", "start", "stop"},
    "functions.py": {"bind_function", "bind_nested", "_hold", "_let_go", "do", "undo", "release"},
    "environment.py": {"_leave"},
}


def look_up() -> str:
    """A tool."""
    raise RuntimeError("the real one was called")


def book() -> str:
    """Another tool."""
    raise RuntimeError("the real one was called")


def agent(question: str) -> str:
    """Calls both."""
    return look_up() + book()


def everything_patched() -> dict[str, Any]:
    """What a replay changes in this process."""
    return {
        "code": (look_up.__code__, book.__code__, look_up.__dict__.copy()),
        "library": (socket.socket.connect, threading.Thread.start, time.sleep),
        "imports": (list(sys.meta_path), list(sys.path)),
        "variables": dict(os.environ),
        "installed": installed(),
    }


def interrupted_at(line: int) -> bool:
    """Runs the replay, interrupted before the `line`-th line that makes or undoes a patch. False: it has less lines."""
    passed = count(1)

    def each_line(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line" and next(passed) == line:
            raise KeyboardInterrupt
        return each_line

    def each_call(frame: FrameType, event: str, arg: Any) -> Any:
        names = MAKES_AND_UNDOES.get(os.path.basename(frame.f_code.co_filename), ())
        return each_line if frame.f_code.co_name in names else None

    before = sys.gettrace()
    sys.settrace(each_call)
    try:
        run_replay(Case(REPLAY, "case", ROOT / "x.replay.yaml", ROOT, agent))
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def interrupt_everywhere() -> None:
    """Checks each line that makes a patch or takes it back."""
    result = run_replay(Case(REPLAY, "case", ROOT / "x.replay.yaml", ROOT, agent))
    assert result.turns[0].output == "ab"
    before = everything_patched()
    for line in count(1):
        was_interrupted = interrupted_at(line)
        assert everything_patched() == before, f"line {line}"
        if not was_interrupted:
            break
    assert line > 100


def test_nothing_stays_patched_wherever_a_replay_is_interrupted() -> None:
    """In a process of its own: between the end of a `with` and its lock, where no signal is handled, a trace raises."""
    code = "from tests.test_interrupts import interrupt_everywhere; interrupt_everywhere()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
