"""What an intercepted call costs in each framework that is installed, as a ratio to the same call of the real tool.

    python benchmarks/framework_cost.py [NAME ...]

A call is what the framework does to call the tool `lookup` of its app in tests/frameworks/apps, without a model.
Microseconds of CPU time per call of one run, medians over rounds in which the sides take turns. First it is checked
that the plugin imports no framework: exits 1 when it does, when a call was not answered from the recording, and when
one costs more than the limit beside what the framework itself takes.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.frameworks import bodies  # noqa: E402
from tests.frameworks.harness import apps  # noqa: E402

from pytest_agent_replay.formats.replay import ReplayFile  # noqa: E402
from pytest_agent_replay.intercept import built_in_interceptors  # noqa: E402
from pytest_agent_replay.intercept.frameworks import FRAMEWORKS  # noqa: E402
from pytest_agent_replay.intercept.registry import install  # noqa: E402
from pytest_agent_replay.player.session import Session  # noqa: E402
from pytest_agent_replay.settings import Settings  # noqa: E402

ROUNDS, CALLS, LIMIT_US = 7, 100, 2000

LOADED = """
import sys
import pytest_agent_replay.plugin
from pytest_agent_replay.intercept import built_in_interceptors
from pytest_agent_replay.intercept.registry import install
with install(built_in_interceptors()):
    print(*[name for name in sys.argv[1:] if name in sys.modules])
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    loaded = imported_by_the_plugin()
    print(f"imported by the plugin: {' '.join(loaded) or 'none of the frameworks'}")
    is_good = not loaded
    logging.disable(logging.CRITICAL)
    print(f"{'framework':<18}{'real tool':>12}{'intercepted':>14}{'ratio':>8}   (limit {LIMIT_US} µs more)")
    for app in apps():
        if not app.is_installed or (names and app.name not in names):
            continue
        call = getattr(import_module(f"tests.frameworks.apps.{app.name}"), "call_lookup", None)
        if call is None:
            continue
        real, caught, ran, missed = measured(call)
        problem = f"   {ran} of the calls ran for real" if ran else f"   {missed} were not answered" if missed else ""
        is_good = is_good and not ran and not missed and caught - real <= LIMIT_US
        print(f"{app.name:<18}{real:>9.1f} µs{caught:>11.1f} µs{caught / real:>8.2f}{problem}", flush=True)
    return 0 if is_good else 1


def imported_by_the_plugin() -> list[str]:
    """Packages of frameworks that are there once the plugin is imported and its interceptors wait."""
    waited = [module.split(".") for modules in FRAMEWORKS.values() for module in modules]
    packages = {".".join(parts[: 2 if parts[0] == "google" else 1]) for parts in waited}  # `google` is a namespace
    command = [sys.executable, "-c", LOADED, *sorted(packages)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()


def measured(call: Callable[[], object]) -> tuple[float, float, int, int]:
    """Microseconds per call of the real tool, and per intercepted call; how often it ran then, or was not answered."""
    replay = ReplayFile.model_validate(
        {
            "input": "x",
            "tool_responses": [{"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}],
        }
    )
    plain, caught, ran, missed = [], [], 0, 0
    per_call_us(call)  # what a first call prepares does not count
    for _ in range(ROUNDS):
        plain.append(per_call_us(call))
        bodies.ran.clear()
        session = Session(replay, Settings(max_calls=10 * CALLS), label="benchmark")
        with install(built_in_interceptors()), session:
            session.begin_turn(1, input="x", context=None)
            caught.append(per_call_us(call))
        ran += len(bodies.ran)
        missed += CALLS - sum(call.recording is not None for call in session.trace.tool_calls)
    return statistics.median(plain), statistics.median(caught), ran, missed


def per_call_us(call: Callable[[], object]) -> float:
    if inspect.iscoroutinefunction(call):
        return asyncio.run(per_async_call_us(call))
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - started) / CALLS * 1e6


async def per_async_call_us(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        await call()  # type: ignore[misc]
    return (time.process_time() - started) / CALLS * 1e6


if __name__ == "__main__":
    sys.exit(main())
