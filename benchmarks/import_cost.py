"""What an import costs: with and without redaction and proposed contracts, and how its memory grows.

Prints ratios of one run, for transcripts of two turns with a tool call each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VARIANTS = {
    "neither": ["--no-redaction", "--no-contract"],
    "redaction": ["--no-contract"],
    "contracts": ["--no-redaction"],
    "both": [],
}
START = "import sys; from pytest_agent_replay.cli import main; code = main(sys.argv[1:]); import resource; "
START += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"


def session(number: int) -> list[dict[str, Any]]:
    """A conversation with a mail address, a phone number and a failure."""
    email = f"jane{number}@corp-mail.io"
    args = json.dumps({"email": email, "order": f"A-{number}"})
    ask = {"id": "c", "type": "function", "function": {"name": "track_order", "arguments": args}}
    found = json.dumps({"order": f"A-{number}", "phone": "+1 415 555 2671", "total": number / 100})
    messages: list[dict[str, Any]] = []
    for text, result, answer in (
        (f"I am {email}. Where is A-{number}?", found, "It is on its way."),
        ("And now?", "Error: timeout", "It arrives on 12 March."),
    ):
        messages += [
            {"role": "user", "content": text},
            {"role": "assistant", "content": None, "tool_calls": [ask]},
            {"role": "tool", "tool_call_id": "c", "content": result},
            {"role": "assistant", "content": answer},
        ]
    return messages


def measure(folder: Path, count: int, words: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of an import of `count` sessions."""
    source, out = folder / f"{count}.jsonl", folder / f"out-{count}-{len(words)}{''.join(words)}"
    source.write_text("".join(f"{json.dumps({'id': f's{n}', 'messages': session(n)})}\n" for n in range(count)))
    command = [sys.executable, "-c", START, "import", "openai-chat", str(source), "-o", str(out), *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    environment = {**os.environ, "AGENT_REPLAY_REDACTION_KEY": "a key of the benchmark"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    peak = int(done.stdout.split()[-1]) / 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, peak


def main() -> None:
    """Prints a line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start, small = measure(folder, 1, [])
        costs = {name: measure(folder, count, words)[0] - start for name, words in VARIANTS.items()}
        for name, cost in costs.items():
            print(f"{name}: {cost / costs['neither']:.2f} of the bare import ({1000 * cost / count:.1f} ms a session)")
        peaks = [measure(folder, number, ["--force"])[1] for number in (count, 4 * count)]
        growth, sizes = peaks[1] / peaks[0], ", ".join(f"{peak:.0f}" for peak in (small, *peaks))
        print(f"memory: {growth:.2f} with four times the sessions ({sizes} MiB)")


if __name__ == "__main__":
    main()
