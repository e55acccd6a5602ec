"""A small project with an agent, a contract and replays, and a way to run pytest in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

AGENT = """
def lookup(order):
    raise RuntimeError("the real tool was called")

def good(question):
    order = question.split()[-1]
    try:
        found = lookup(order)
    except Exception:
        return "The total is not available."
    return f"Order {order} costs {found['total']} dollars."

async def good_async(question):
    return good(question)

def bad(question):
    order = question.split()[-1]
    try:
        lookup(order)
    except Exception:
        pass
    return f"Order {order} costs 99 dollars."

def lazy(question):
    return "Order 7 costs 12 dollars."

def wrong_call(question):
    try:
        lookup("8")
    except Exception:
        pass
    return "The total is not available."
"""

CONTRACT = """
name: Order Contract
invariants:
  - {id: asked-the-tool, type: tool_called, tool: lookup, severity: medium}
  - {id: invents-nothing, type: excludes_pattern, patterns: ["99 dollars"], severity: high}
"""

REPLAY = """
id: {id}
name: What the order costs
tags: [orders, {tag}]
input: What is the total of order 7
tool_responses:
  - tool: lookup
    args: {{order: "7"}}
    response: {{total: 12}}
    latency_ms: 250
output: Order 7 costs 99 dollars.
expected_failure: A total that no tool gave
contract: Order Contract
"""


QUIET = ("-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:langsmith_plugin")


class Project:
    """What a user has: files, and pytest in their folder."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        self.write("tox.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        self.write("shop_agent.py", AGENT)
        self.write("orders.contract.yaml", CONTRACT)

    def write(self, name: str, text: str) -> Path:
        """Writes a file; folders are made."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def ini(self, *lines: str) -> None:
        """Adds lines to the ini file."""
        path = self.path / "tox.ini"
        path.write_text(path.read_text("utf-8") + "\n".join(lines) + "\n", "utf-8")

    def replay(self, *ids: str, tag: str = "sev1", folder: str = ".", extra: str = "") -> None:
        """Writes a replay file for each id."""
        for id_ in ids:
            self.write(f"{folder}/{id_}.replay.yaml", REPLAY.format(id=id_, tag=tag) + extra)

    def run(self, *options: str, agent: str | None = "good") -> pytest.RunResult:
        """Runs pytest in this process, in the order of the files."""
        named = [] if agent is None else [f"--replay-agent=shop_agent:{agent}"]
        return self.pytester.runpytest_inprocess(*QUIET, *named, *options)

    def run_apart(self, *options: str, agent: str | None = "good") -> pytest.RunResult:
        """Runs pytest in a process of its own, in the order of the files."""
        named = [] if agent is None else [f"--replay-agent=shop_agent:{agent}"]
        return self.pytester.runpytest_subprocess(*QUIET, *named, *options)

    def results(self, name: str = "out.json") -> Any:
        """The results file."""
        return json.loads((self.path / name).read_text("utf-8"))
