"""What the plugin costs in pytest: installed and unused, per replay, and in memory. Prints ratios of one run.

    python benchmarks/plugin_cost.py [--count 2000] [--rounds 5]

CPU times are user plus system time of child processes, medians over rounds in which the sides take turns. A first round
does not count: installed packages have their bytecode cached. That of test files is what differs between a fresh
checkout, as on CI, and a folder in which pytest has run before; replay files have none. Other plugins are off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

PLUGIN = ("-p", "pytest_agent_replay.plugin")

AGENT = """
def lookup(order):
    raise RuntimeError("the real tool was called")

def answer(question):
    order = int(question.split()[-1])
    return f"Order {order} costs {lookup(order)['total']} dollars."
"""

REPLAY = """\
id: order-{number:04d}
name: "What order {number} costs"
source: manual
tags: [orders]
input: "What is the total of order {number}"
tool_responses:
  - tool: lookup
    args: {{order: {number}}}
    response: {{order: {number}, total: {total}, currency: USD}}
    latency_ms: 120
output: "Order {number} costs {wrong} dollars."
expected_failure: "A total that no tool gave"
contract: "Order Contract"
"""

CONTRACT = """\
name: "Order Contract"
invariants:
  - {id: grounded, type: grounded_numbers, severity: critical}
  - {id: asked-the-tool, type: tool_called, tool: lookup, max: 1}
"""

MEMORY = """
import gc, sys, tracemalloc
from pathlib import Path
import pytest

class Probe:
    def pytest_collection_finish(self, session):
        gc.collect()
        print("BYTES", tracemalloc.get_traced_memory()[0] - self.before, len(session.items))

    def pytest_sessionstart(self, session):
        import pytest_agent_replay.pytest_plugin.nodes
        import pytest_agent_replay.runner
        gc.collect()
        tracemalloc.start()
        self.before = tracemalloc.get_traced_memory()[0]

pytest.main(["--collect-only", "-p", "no:terminal", *sys.argv[1:]], plugins=[Probe()])
"""


def main() -> None:
    """Runs the three comparisons and prints a line for each."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--count", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder).resolve()
        unused(base / "empty", given.rounds)
        per_replay(base, given.count, given.rounds)
        memory(base / "large", 500)


def unused(folder: Path, rounds: int) -> None:
    """An empty folder, with the plugin and with an empty one: for either, pytest looks through all packages."""
    folder.mkdir()
    (folder / "empty_plugin.py").touch()
    command = ("-q", "--collect-only", "-p", "no:cacheprovider")
    # a start is short: more rounds make up for it
    with_it, without = compare(
        lambda: cpu(folder, *PLUGIN, *command), lambda: cpu(folder, "-p", "empty_plugin", *command), 5 * rounds
    )
    print(f"installed and unused: {with_it / without:.3f} of bare pytest's CPU ({with_it:.3f} s / {without:.3f} s)")
    print(f"  modules: {modules_of_the_plugin(folder)}")


def per_replay(base: Path, count: int, rounds: int) -> None:
    """Many one-tool replays, one of a hundred of which fails, and as many files with one empty test."""
    replays, plain = base / "replays", base / "plain"
    write_replays(replays, count)
    plain.mkdir()
    for number in range(count):
        (plain / f"test_{number:04d}.py").write_text("def test_empty():\n    pass\n")
    command = ("-q", "-p", "no:cacheprovider")

    def first_run() -> float:
        shutil.rmtree(plain / "__pycache__", ignore_errors=True)
        return cpu(plain, *command)

    def ours() -> float:
        return cpu(replays, *PLUGIN, *command, expected=1)

    for where, theirs in (("on a fresh checkout", first_run), ("with bytecode cached", lambda: cpu(plain, *command))):
        replay, test = compare(ours, theirs, rounds)
        print(
            f"{count} replays: {replay / test:.3f} of the CPU of {count} test files {where} "
            f"({replay:.2f} s / {test:.2f} s)"
        )


def write_replays(folder: Path, count: int, padding: str = "") -> None:
    """The replays with their agent and contract."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nreplay_agent = order_agent:answer\n")
    (folder / "order_agent.py").write_text(AGENT)
    (folder / "orders.contract.yaml").write_text(CONTRACT)
    for number in range(count):
        text = REPLAY.format(number=number, total=number * 7 + 3, wrong=number * 7 + 4)
        if number % 100 == 99:  # the recorded answer lacks what the agent wants of it
            text = text.replace("response: {order", "response: {item")
            text = text.replace("total:", "sum:")
        (folder / f"order-{number:04d}.replay.yaml").write_text(text + padding)


def memory(folder: Path, count: int) -> None:
    """What a collected replay of 5 kB keeps in memory."""
    padding = "notes: >-\n" + textwrap.indent("The quick brown fox jumps over the lazy dog again.\n" * 87, "  ")
    write_replays(folder, count, padding)
    size = (folder / "order-0001.replay.yaml").stat().st_size
    output = python(folder, MEMORY, *PLUGIN)
    used, items = next(line.split()[1:] for line in output.splitlines() if line.startswith("BYTES"))
    print(f"memory: {int(used) / int(items) / 1000:.1f} kB per collected replay of {size / 1000:.1f} kB")


def compare(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Medians of both, run in turns."""
    first(), second()
    pairs = [(first(), second()) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def cpu(folder: Path, *arguments: str, expected: int | None = None) -> float:
    """CPU seconds of one pytest process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], cwd=folder, env=environment(), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if expected is not None and code != expected:
        raise SystemExit(f"pytest exited with {code} instead of {expected} in {folder}: {' '.join(arguments)}")
    return usage.ru_utime + usage.ru_stime


def modules_of_the_plugin(folder: Path) -> str:
    """Which modules a run without replays loads because of the plugin, and how long that takes."""
    program = (
        "import sys, time, pytest, argparse; before = set(sys.modules); start = time.perf_counter();"
        "import pytest_agent_replay.plugin, pytest_agent_replay.pytest_plugin.hookspecs;"
        "took = time.perf_counter() - start; new = sorted(set(sys.modules) - before);"
        "print(len(new), 'in', round(took * 1000, 2), 'ms:', *new)"
    )
    return python(folder, program).strip()


def python(folder: Path, program: str, *arguments: str) -> str:
    """What a Python program prints."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True, check=True).stdout


def environment() -> dict[str, str]:
    """The surroundings of the measured processes: no other plugins, bytecode cached."""
    values = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        values.pop(name, None)
    return values


if __name__ == "__main__":
    main()
