"""`python -m pytest_agent_replay.capturing.script SCRIPT|-m MODULE|-c CODE [ARGS]`: runs a program under capture.

It is what `agent-replay record` starts. The capture's settings are in the variable `AGENT_REPLAY_RECORD` (JSON), which
processes that the program starts do not inherit.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
import threading
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any

__all__ = ["VARIABLE", "main", "summary"]

VARIABLE = "AGENT_REPLAY_RECORD"


def main() -> None:
    """Runs the program that the command line names, as Python itself would. It ends the process as it likes."""
    settings = json.loads(os.environ.pop(VARIABLE))
    module, code = _program(sys.argv[1:])
    # before the capture begins, which looks for tools in the modules that are loaded
    sys.modules["__main__"] = module
    from pytest_agent_replay.capturing.capture import capture

    captured = capture(settings.pop("out"), **settings)
    try:
        with captured:
            try:
                exec(code, vars(module))
            finally:
                _wait_for_threads()
    finally:
        _say(captured.captured)


def _program(words: list[str]) -> tuple[ModuleType, CodeType]:
    """The program as its module `__main__`, and its code. Sets `sys.argv` and `sys.path` as Python does for it."""
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    if words[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *words[2:]], ""
        return module, compile(words[1], "<string>", "exec")
    if words[0] == "-m":
        sys.path[0] = os.getcwd()
        spec = _spec(words[1])
        code = spec.loader.get_code(spec.name)
        sys.argv = [spec.origin, *words[2:]]
        module.__dict__.update(__file__=spec.origin, __spec__=spec, __package__=spec.parent, __loader__=spec.loader)
        return module, code
    sys.argv, sys.path[0] = words, os.path.dirname(os.path.realpath(words[0]))
    module.__file__ = os.path.abspath(words[0])
    with open(words[0], "rb") as file:
        return module, compile(file.read(), words[0], "exec")


def _spec(name: str) -> Any:
    spec = find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = find_spec(f"{name}.__main__")
    if spec is None or spec.origin is None or not hasattr(spec.loader, "get_code"):
        sys.exit(f"agent-replay: there is no module {name} that could be run")
    return spec


def _wait_for_threads() -> None:
    """A program is over when its threads are."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _say(captured: Any) -> None:
    sys.stdout.flush()
    if captured.path is not None:
        for path, built in captured.files:
            print(f"agent-replay: {summary(path, built)}", file=sys.stderr)
    elif captured.error is not None:
        print(f"agent-replay: no replay file was written: {captured.error}", file=sys.stderr)
    else:
        print("agent-replay: nothing was seen that could be captured, so no file was written", file=sys.stderr)


def summary(path: Any, built: Any) -> str:
    """What is in a captured file, and what it says about itself."""
    from pytest_agent_replay.report.summary import AS_CAPTURED

    turns = built.replay.turn_list
    tools = [response for turn in turns for response in turn.tool_responses]
    failed = sum(response.is_failure for response in tools)
    answers = sum(len(turn.llm_responses or ()) for turn in turns)
    lines = [
        f"captured in {os.path.relpath(path)}: {_count(len(turns), 'turn')}, {_count(len(tools), 'tool call')} "
        f"({failed} failed), {_count(answers, 'model answer')}"
    ]
    for what, kinds in (("guessed", built.notes.guessed), ("lost", built.notes.lost), ("taken out", built.redacted)):
        lines += [f"  {what}: {kind}" + (f" ({count})" if count > 1 else "") for kind, count in sorted(kinds.items())]
    contract = built.replay.contract
    if isinstance(contract, dict) and contract.get("name") == AS_CAPTURED and not built.replay.golden:
        lines.append("  its contract asks only that the agent does this again: write into `contract:` what is right")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


if __name__ == "__main__":
    main()
