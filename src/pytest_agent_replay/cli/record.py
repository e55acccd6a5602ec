"""`agent-replay record -o FILE -- COMMAND`: a replay file of what a Python program really does."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError

__all__ = ["add_parser"]

_PYTHON = re.compile(r"(python|pypy)[\d.]*(\.exe)?", re.IGNORECASE)


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "record",
        help="make a replay file of what a program really does",
        description="Runs a Python program (`python x.py`, `-m pkg`, a script that pip installed) with everything "
        "real, and writes a replay file of its tool calls and model answers. Its exit code is that of the program.",
        usage="agent-replay record [-o FILE|DIR] [options] -- COMMAND [ARGS]\n"
        "       agent-replay record --recover FILE|DIR...",
    )
    parser.add_argument("-o", "--out", metavar="FILE|DIR", default="replays", help="where it goes (default: replays/)")
    parser.add_argument("--agent", metavar="REF", help="the agent to replay it with: `pkg.mod:name`")
    parser.add_argument("--contract", metavar="REF", help="its contract: a name, or a path from the file")
    parser.add_argument("--tag", metavar="T", action="append", default=[], help="repeatable")
    parser.add_argument("--golden", action="store_true", help="good behaviour to keep, not an incident")
    parser.add_argument(
        "--tool",
        metavar="NAME[=TARGET]",
        action="append",
        default=[],
        help="a function that is a tool although no model is offered it, by its name, or bound to `pkg.mod:name` or a "
        "route; repeatable",
    )
    parser.add_argument(
        "--recover",
        metavar="FILE|DIR",
        nargs="+",
        help="make replay files of the journals that processes left behind which died while they were captured",
    )
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Records, or recovers. Raises `ReplayError`."""
    if given.recover:
        return _recover([Path(each) for each in given.recover])
    words = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not words:
        raise ReplayError("nothing to record: give the command behind `--`, as in `agent-replay record -- python x.py`")
    from pytest_agent_replay.capturing.capture import target_of

    target = target_of(Path(given.out))
    settings = {
        "out": str(target),
        "agent": given.agent,
        "contract": given.contract,
        "tags": given.tag,
        "golden": given.golden,
        "tools": dict(map(_binding, given.tool)),
    }
    return _record(_command(words), settings, target)


def _record(command: list[str], settings: dict[str, Any], target: Path) -> int:
    from pytest_agent_replay.capturing.journal import journals_of
    from pytest_agent_replay.capturing.script import VARIABLE

    before = set(journals_of(target))
    process = subprocess.Popen(command, env={**os.environ, VARIABLE: json.dumps(settings)})
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue  # the program got it too, and ends in its own way
    left = [path for path in journals_of(target) if path not in before and f".{process.pid}-" in path.name]
    if left:
        print("agent-replay: the program died; this is what had happened until then", file=sys.stderr)
        _recover(left)
    return code if code >= 0 else 128 - code


def _recover(paths: list[Path]) -> int:
    from pytest_agent_replay.capturing.capture import recover
    from pytest_agent_replay.capturing.journal import is_in_use, journals_of
    from pytest_agent_replay.capturing.script import summary

    journals = [journal for path in paths for journal in journals_of(path)]
    if not journals:
        print("agent-replay: there is nothing to recover", file=sys.stderr)
    failed = False
    for journal in journals:
        if journal not in paths and is_in_use(journal):
            print(f"agent-replay: {journal}: its process is running; name this file to recover it all the same")
            continue
        try:
            for path, built in recover(journal):
                print(f"agent-replay: {summary(path, built)}", file=sys.stderr)
        except ReplayError as error:
            failed = True
            print(f"agent-replay: {error}", file=sys.stderr)
    return 1 if failed else 0


def _binding(text: str) -> tuple[str, str | None]:
    name, equals, target = text.partition("=")
    if not name.strip() or (equals and not target.strip()):
        raise ReplayError(f"--tool {text!r} is not NAME or NAME=TARGET, such as `search=my_app.tools:search`")
    if target.strip().startswith("__main__"):
        raise ReplayError(
            f"--tool {text!r}: functions of the script itself are tools where a model is offered them; for others, "
            "move them into a module of their own"
        )
    return name.strip(), target.strip() or None


# -- the command


def _command(words: list[str]) -> list[str]:
    """The same program, started so that it is captured. Raises `ReplayError` for what is no Python program."""
    runner = ["-m", "pytest_agent_replay.capturing.script"]
    first, *rest = words
    if _PYTHON.fullmatch(Path(first).name):
        # a bare name is the Python that this command belongs to, whatever else is on the path
        python = shutil.which(first) if os.path.dirname(first) else sys.executable
        if python is None:
            raise ReplayError(f"{first}: there is no such program")
        options, program = _without_options(rest)
        return [python, *options, *runner, *program]
    if first in ("-m", "-c"):
        return [sys.executable, *runner, *words]
    if first.endswith(".py"):
        return [sys.executable, *runner, _existing(first), *rest]
    found = shutil.which(first)
    python = _interpreter_of(found) if found is not None else None
    if found is None or python is None:
        raise ReplayError(
            f"{first}: only Python programs can be captured: `python x.py`, `-m pkg.mod`, `x.py`, or a script that pip "
            "installed"
        )
    return [python, *runner, found, *rest]


def _without_options(words: list[str]) -> tuple[list[str], list[str]]:
    """Python's own options, and the program."""
    options: list[str] = []
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c", "-"):
        count = 2 if words[0] in ("-W", "-X") else 1
        options, words = [*options, *words[:count]], words[count:]
    if not words or words[0] == "-" or (words[0] in ("-m", "-c") and len(words) < 2):
        raise ReplayError("nothing to record: name the script, or `-m` and the module")
    return options, words if words[0] in ("-m", "-c") else [_existing(words[0]), *words[1:]]


def _existing(script: str) -> str:
    if not Path(script).exists():
        raise ReplayError(f"{script}: there is no such file")
    return script


def _interpreter_of(script: str) -> str | None:
    """The Python of a script's first line (`#!`)."""
    with open(script, "rb") as file:
        line = file.readline(500)
    if not line.startswith(b"#!"):
        return None
    words = line[2:].decode("utf-8", "replace").split()
    words = words[1:] if words and Path(words[0]).name == "env" else words
    if not words or not _PYTHON.fullmatch(Path(words[0]).name):
        return None
    return shutil.which(words[0])
