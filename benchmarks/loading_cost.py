"""What loading a replay file of 5 kB costs, beside PyYAML's C loader alone, and what it keeps. Median of 5 rounds.

python benchmarks/loading_cost.py
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.validation import validate
from pytest_agent_replay.formats.writing import dump_yaml

ROUNDS, LOADS, FILES = 5, 40, 200
LIMIT_KB = 25

RECORDING: dict[str, Any] = {
    "tool": "market_data_api",
    "args": {"ticker": "ACME", "page": 1},
    "response": {
        "rows": [1.5, 2, 3],
        "note": "Quarterly figures are published six weeks after the end of the quarter.",
    },
    "status": 200,
    "latency_ms": 310,
}
PROSE = "The customer asked for the figures of the third quarter and was told that they are not published yet. "


def session(recordings: int, prose: int) -> dict[str, Any]:
    return {
        "id": "benchmark",
        "captured_at": "2026-02-15T09:12:00Z",
        "tags": ["finance", "sev1"],
        "context": PROSE * prose,
        "input": "What was the revenue in the third quarter?",
        "tool_responses": [RECORDING] * recordings,
        "output": "It is not published yet.",
        "contract": "Finance",
    }


def per_call_ms(call: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(LOADS):
            call()
        rounds.append((time.process_time() - started) / LOADS * 1e3)
    return statistics.median(rounds)


def compare(title: str, data: dict[str, Any]) -> None:
    text = dump_yaml(data)
    in_json = json.dumps(data)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    base = per_call_ms(lambda: yaml.load(text, loader))
    ours = per_call_ms(lambda: parse_document(text, "a.yaml"))
    whole = per_call_ms(lambda: validate(ReplayFile, parse_document(text, "a.yaml")))
    from_json = per_call_ms(lambda: validate(ReplayFile, parse_document(in_json, "a.json")))
    print(f"{title}, {len(text):,} bytes")
    print(f"  yaml.load with the C loader      {base:6.2f} ms")
    print(f"  parsed with places               {ours:6.2f} ms   ratio {ours / base:.2f}")
    print(f"  parsed and validated             {whole:6.2f} ms   ratio {whole / base:.2f}")
    print(f"  the same as JSON                 {from_json:6.2f} ms   ratio {from_json / base:.2f}")


def kept_kb(folder: Path, data: dict[str, Any]) -> float:
    paths = [folder / f"r{number}.replay.yaml" for number in range(FILES)]
    for path in paths:
        path.write_text(dump_yaml(data), encoding="utf-8")
    load_replays(paths[0], root=folder)
    tracemalloc.start()
    kept = [replay.packed() for path in paths for replay in load_replays(path, root=folder)]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / len(kept) / 1000


def main() -> int:
    compare("many short values", session(21, 1))
    compare("mostly prose", session(4, 37))
    with tempfile.TemporaryDirectory() as name:
        kept = kept_kb(Path(name), session(21, 1))
    print(f"kept per collected session         {kept:6.2f} kB   (limit {LIMIT_KB} kB, with the test item)")
    return 0 if kept <= LIMIT_KB else 1


if __name__ == "__main__":
    sys.exit(main())
