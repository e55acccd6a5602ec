"""`agent-replay run PATH… [pytest options]`: pytest underneath."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "main"]

_SUFFIXES = (".yaml", ".yml", ".json")


def add_parser(commands: Any) -> None:
    """Declares the command; its arguments are pytest's."""
    commands.add_parser(
        "run",
        help="run replay files with pytest",
        description="Runs pytest on these paths, with its options (`pytest --help` lists them) and its exit code. "
        "A YAML or JSON file that is given by name is taken as a replay file, or a flakestorm.yaml, whatever its name.",
        usage="agent-replay run PATH... [pytest options]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def main(words: Sequence[str]) -> int:
    """Runs pytest and returns its exit code; with `--from-langsmith` imports first, as flakestorm spells it."""
    imported = _as_import(words)
    if imported is not None:
        from pytest_agent_replay.cli import import_

        return import_.main(imported)
    named = [word for word in words if _is_file(word.partition("::")[0])]
    collect = [f"--replay-collect={word.partition('::')[0]}" for word in named]
    # a process of its own: pytest wants to be there before the modules whose assertions it rewrites
    command = [sys.executable, "-m", "pytest", "-p", "pytest_agent_replay.plugin", *collect, *words]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # pytest got it too, and ends in its own way


def _is_file(word: str) -> bool:
    return word.lower().endswith(_SUFFIXES) and not word.startswith("-") and Path(word).is_file()


_FROM = {"--from-langsmith": (), "--from-langsmith-project": ("--project",)}
_OTHER_SPELLINGS = {"--output": "--out", "--filter-min-latency-ms": "--min-latency-ms"}


def _as_import(words: Sequence[str]) -> list[str] | None:
    """`--from-langsmith RUN_ID` and `--from-langsmith-project PROJECT` with their options as an import; else None."""
    spelled = [part for word in words for part in _parts(word)]
    if not set(_FROM) & set(spelled):
        return None
    found = ["import", "langsmith"]
    left = iter(spelled)
    for word in left:
        if word in ("-c", "--config"):
            next(left, None)  # contracts are found by their name when the replay runs
        else:
            found += _FROM.get(word, (_OTHER_SPELLINGS.get(word, word),))
    return found[1:]


def _parts(word: str) -> list[str]:
    return word.split("=", 1) if word.startswith("--") and "=" in word else [word]
