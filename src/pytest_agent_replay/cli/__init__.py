"""`agent-replay`: one file per command. Starting it loads nothing but argparse; a command loads what it needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from pytest_agent_replay import __version__
from pytest_agent_replay.cli import import_, init, prune, record, redact, run, scan, schema, validate

__all__ = ["main"]

_COMMANDS = (run, validate, schema, init, import_, record, scan, redact, prune)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 fine, 1 something is wrong with the files, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show ends no command
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:2] == ["replay", "run"]:
        words = words[1:]
    if words[:1] == ["import"]:
        return _run(lambda: import_.main(words[1:]))
    if words[:1] == ["run"] and not {"-h", "--help"} & set(words[1:2]):
        return _run(lambda: run.main(words[1:]))
    parser = _parser()
    given = parser.parse_args(words)
    if not hasattr(given, "main"):
        parser.print_help()
        return 2
    return _run(lambda: given.main(given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agent-replay", description="Replay real production sessions of an AI agent as pytest tests."
    )
    parser.add_argument("--version", action="version", version=f"agent-replay {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _run(command: Callable[[], int]) -> int:
    from pytest_agent_replay.errors import ReplayError
    from pytest_agent_replay.report.values import plain

    try:
        return command()
    except BrokenPipeError:
        return 1
    except (ReplayError, OSError) as error:
        print(plain(f"agent-replay: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
