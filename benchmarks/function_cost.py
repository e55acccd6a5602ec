"""What an intercepted function call costs: microseconds per call, and its ratio to the plain call. Median of 5 rounds.

python benchmarks/function_cost.py
"""

from __future__ import annotations

import statistics
import sys
import time
import types
from collections.abc import Callable

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.intercept.functions import bind_function, release
from pytest_agent_replay.player.session import Session
from pytest_agent_replay.settings import Settings

ROUNDS, CALLS = 5, 2_000


def quote(ticker: str, currency: str = "USD") -> dict[str, object]:
    return {"ticker": ticker, "price": 12.5}


def per_call_us(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - started) / CALLS * 1e6


def main() -> int:
    replay = ReplayFile.model_validate(
        {
            "input": "x",
            "tool_responses": [
                {"tool": "quote", "args": {"ticker": "ACME"}, "response": {"ticker": "A", "price": 12.5}}
            ],
        }
    )
    plain, caught = [], []
    for _ in range(ROUNDS):
        plain.append(per_call_us(lambda: quote("ACME")))
        session = Session(replay, Settings(max_calls=10 * CALLS), label="benchmark")
        with session:
            bind_function(session, _function(quote), "quote")
            session.begin_turn(1, input="x", context=None)
            caught.append(per_call_us(lambda: quote("ACME")))
            release(session)
    cost, base = statistics.median(caught), statistics.median(plain)
    print(f"plain call        {base:8.2f} µs")
    print(f"intercepted call  {cost:8.2f} µs   ratio {cost / base:.0f}   (limit 20 µs)")
    return 0 if cost <= 20 else 1


def _function(value: object) -> types.FunctionType:
    assert isinstance(value, types.FunctionType)
    return value


if __name__ == "__main__":
    sys.exit(main())
