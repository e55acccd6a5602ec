"""What is loaded for a replay whose agent only calls functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

AGENT = """
def lookup(order):
    raise RuntimeError("the real tool was called")

def answer(question):
    return f"It costs {lookup(7)['total']} dollars."
"""

PROGRAM = """
import sys
from pathlib import Path
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.runner import Case, run_replay

replay = ReplayFile.model_validate({
    "input": "What does it cost?",
    "tool_responses": [{"tool": "lookup", "args": {"order": 7}, "response": {"total": 10}, "latency_ms": 120}],
    "output": "It costs 10 dollars.",
})
root = Path(sys.argv[1])
result = run_replay(Case(replay, "order", root / "order.replay.yaml", root, "order_agent:answer"))
assert result.turns[0].output == "It costs 10 dollars.", result
print(*sys.modules)
"""

NOT_NEEDED = {"asyncio", "http.client", "jsonschema", "responses", "ssl", "urllib.request"}


def test_a_replay_without_requests_loads_no_event_loop_and_no_http(tmp_path: Path) -> None:
    """Neither asyncio nor anything of HTTP is imported for an agent that uses none of them."""
    (tmp_path / "order_agent.py").write_text(AGENT)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "pytest_agent_replay.runner" in loaded
    assert not loaded & NOT_NEEDED
    assert not [name for name in loaded if name.startswith("pytest_agent_replay.intercept.") and name.endswith("_")]
