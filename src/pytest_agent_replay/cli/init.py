"""`agent-replay init [DIR]`: a conftest, a small agent, a contract and a first replay that runs at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

__all__ = ["FILES", "add_parser"]

CONFTEST = '''\
"""Tells pytest which agent the replays in this folder are run against."""

from pathlib import Path

import pytest


@pytest.fixture
def replay_agent():
    # your own agent: a function, an object with `run` or `invoke`, or a reference such as "my_app.agent:answer"
    return f"{Path(__file__).with_name('order_agent.py')}:answer"
'''

AGENT = '''\
"""A small agent to begin with: it says when an order arrives."""

import json
import re
from urllib.request import urlopen


def order_status(order_id):
    """Asks the order service. A replay answers this call from its recording; the service is not asked."""
    with urlopen(f"https://orders.example.com/orders/{order_id}", timeout=10) as response:
        return json.load(response)


def answer(question):
    number = re.search(r"\\d+", question)
    if number is None:
        return "Which order do you mean?"
    try:
        status = order_status(number.group())
    except Exception:
        return f"I cannot look up order {number.group()} right now. Please try again later."
    return f"Order {number.group()} arrives on {status['arrives']}."
'''

CONTRACT = """\
name: "Order Agent Contract"
description: "What the order agent must and must not do"
invariants:
  - id: asked-the-order-service
    type: tool_called
    tool: order_status
    severity: high
  - id: says-that-it-does-not-know
    type: contains_any
    values: ["cannot look up", "not available"]
    when: tool_faults_active
    severity: high
  - id: never-invents-a-figure
    type: grounded_numbers
    severity: critical
"""

REPLAY = """\
id: order-service-down
name: "The order service timed out, and the agent made up a date"
input: "When does order 1042 arrive?"
tool_responses:
  - tool: order_status
    args: {order_id: "1042"}
    status: 504
    latency_ms: 10000
output: "Order 1042 arrives on March 17."
expected_failure: "The agent invented a date although the order service was down"
contract: "Order Agent Contract"
"""

FILES = {
    "conftest.py": CONFTEST,
    "order_agent.py": AGENT,
    "order_agent.contract.yaml": CONTRACT,
    "order-service-down.replay.yaml": REPLAY,
}


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "init",
        help="write a first replay with its agent and contract",
        description="Writes a conftest.py, a small agent, a contract and a replay that runs at once, to be replaced "
        "by your own one by one.",
    )
    parser.add_argument("dir", nargs="?", default="replays", metavar="DIR", help="where to (default: replays)")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.set_defaults(main=main)


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


def main(given: argparse.Namespace) -> int:
    """Writes the files; none when one of them exists already."""
    from pytest_agent_replay.errors import ReplayError
    from pytest_agent_replay.formats.writing import write_text_atomic

    folder = Path(given.dir)
    existing = [name for name in FILES if (folder / name).exists()]
    if existing and not given.force:
        raise ReplayError(f"{folder / existing[0]}: exists already; nothing was written (--force overwrites)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReplayError(f"{folder}: cannot be made: {error.strerror or error}") from None
    for name, text in FILES.items():
        write_text_atomic(folder / name, text, force=given.force)
        print(f"wrote {folder / name}")
    print(f"\nNow run: pytest {_quoted(str(folder))}")
    return 0
