"""`agent-replay record -- COMMAND`, and `pytest --replay-record`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_agent_replay.cli import main
from pytest_agent_replay.formats.replay import ErrorSpec
from tests.capture.harness import assert_green, loaded

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
PROGRAM = str(Path(__file__).with_name("program.py"))


def record(out: Path, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The command as a user gives it."""
    code = "import sys; from pytest_agent_replay.cli import main; sys.exit(main())"
    tools = ("--tool", "check", "--tool", "refund=tests.capture.bots:refund")
    return subprocess.run(
        [sys.executable, "-c", code, "record", "-o", str(out), *(options or tools), "--", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [["python", PROGRAM], ["-m", "tests.capture.program"]], ids=["script", "module"])
def test_a_program(command: list[str], tmp_path: Path) -> None:
    """It runs as ever, with its own exit code; its file replays with the agent of the module."""
    path = tmp_path / "a.replay.yaml"
    done = record(path, *command, "A-1", "3")
    assert (done.returncode, done.stdout) == (3, "12 declined: A-1\n"), done.stderr
    assert "2 tool calls (1 failed)" in done.stderr
    assert "guessed: the input" in done.stderr
    file = loaded(path)
    assert [response.tool for response in file.tool_responses] == ["refund", "check"]
    assert file.tools == {"refund": "tests.capture.bots:refund"}


def test_a_program_that_is_killed_or_raises(tmp_path: Path) -> None:
    """What had happened is recovered at once."""
    done = record(tmp_path / "killed.replay.yaml", PROGRAM, "A-1", "kill")
    assert done.returncode == 137
    assert "the program died" in done.stderr
    assert len(loaded(tmp_path / "killed.replay.yaml").tool_responses) == 2
    done = record(tmp_path / "raised.replay.yaml", PROGRAM, "A-1", "raise")
    assert done.returncode == 1
    assert "RuntimeError: at the end" in done.stderr
    assert loaded(tmp_path / "raised.replay.yaml").error == ErrorSpec(type="RuntimeError", message="at the end")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "give the command behind `--`"),
        (["--", "ls"], "only Python programs can be captured"),
        (["--", "nothing.py"], "nothing.py: there is no such file"),
        (["--", "python"], "name the script, or `-m` and the module"),
        (["--tool", "x=__main__:x", "--", "x.py"], "move them into a module of their own"),
        (["--tool", "x=", "--", "x.py"], "is not NAME or NAME=TARGET"),
    ],
)
def test_what_cannot_be_recorded(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what to do."""
    assert main(["record", *words]) == 2
    assert text in capsys.readouterr().err


# -- pytest --replay-record

AGENT = """
import httpx

state = {"price": 5}


def lookup(order):
    return {"order": order, **state}


def answer(question, history):
    return f"{len(history)}: {lookup(question)['price']}"
"""
REPLAY = """
agent: shop:answer
tags: [prices]
turns:
  - output: "Hello!"
  - {input: A-1, tool_responses: [{tool: lookup, args: {order: A-1}, response: {price: 7}}], output: "1: 7"}
  - {input: B-2, tool_responses: [{tool: lookup, args: {order: B-2}, response: {price: 7}}], output: "3: 7"}
contract: {invariants: [{type: regex, pattern: "^3: "}]}
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """An agent with a replay."""
    pytester.makepyfile(shop=AGENT)
    (pytester.path / "old.replay.yaml").write_text(REPLAY, "utf-8")
    return pytester


def test_a_replay_is_recorded_anew(project: pytest.Pytester) -> None:
    """With the real tools; the new file stands beside the old one, and replays. Nothing was judged: it is skipped."""
    before = (project.path / "old.replay.yaml").read_text("utf-8")
    result = project.runpytest_inprocess("old.replay.yaml", "--replay-record", "-rs", "-p", "no:randomly")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*recorded, not judged: old.recorded.replay.yaml"])
    path = project.path / "old.recorded.replay.yaml"
    file = loaded(path)
    assert [turn.output for turn in file.turn_list] == ["Hello!", "1: 5", "3: 5"]
    assert (file.agent, file.tags) == ("shop:answer", ["prices"])
    assert (project.path / "old.replay.yaml").read_text("utf-8") == before
    project.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_a_recording_is_not_overwritten_unless_asked(project: pytest.Pytester) -> None:
    """The item fails, and nothing is called."""
    path = project.path / "old.recorded.replay.yaml"
    path.write_text("input: 1\n", "utf-8")
    result = project.runpytest_inprocess("old.replay.yaml", "--replay-record", "-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*exists already; nothing was recorded (--replay-record-force overwrites)"])
    assert path.read_text("utf-8") == "input: 1\n"
    project.runpytest_inprocess("old.replay.yaml", "--replay-record-force").assert_outcomes(skipped=1)
    assert loaded(path).turn_list[2].output == "3: 5"


def test_an_agent_that_raises_is_recorded_too(project: pytest.Pytester) -> None:
    """Up to there."""
    (project.path / "shop.py").write_text(AGENT.replace("return {", "raise KeyError(order)\n    return {"), "utf-8")
    project.runpytest_inprocess("old.replay.yaml", "--replay-record").assert_outcomes(skipped=1)
    file = loaded(project.path / "old.recorded.replay.yaml")
    assert file.turn_list[1].error == ErrorSpec(type="KeyError", message="'A-1'")
    assert file.turn_list[1].tool_responses[0].error_spec is not None
    assert len(file.turn_list) == 2


def test_tests_with_a_marker_are_not_recorded(project: pytest.Pytester) -> None:
    """They play replays of their own making."""
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.replay("old.replay.yaml")
        def test_it(replay):
            replay.run()
        """
    )
    project.runpytest_inprocess("test_it.py", "--replay-record").assert_outcomes(skipped=1)


def test_green_at_once(tmp_path: Path) -> None:
    """What `record` wrote of a module's program replays with its agent."""
    path = tmp_path / "a.replay.yaml"
    record(path, "-m", "tests.capture.program", "null")
    from tests.capture import program

    assert_green(path, lambda question: program.answer("null"))


def test_an_async_agent_is_recorded_in_real_time(project: pytest.Pytester) -> None:
    """Its loop keeps its own clock: a sleep takes as long as it does."""
    waiting = AGENT.replace("def ", "async def ").replace("lookup(question)", "(await lookup(question))")
    body = "import asyncio\n" + waiting.replace("return {", "await asyncio.sleep(0.02)\n    return {")
    (project.path / "shop.py").write_text(body, "utf-8")
    project.runpytest_inprocess("old.replay.yaml", "--replay-record").assert_outcomes(skipped=1)
    file = loaded(project.path / "old.recorded.replay.yaml")
    assert [turn.output for turn in file.turn_list] == ["Hello!", "1: 5", "3: 5"]
    assert all((turn.tool_responses[0].latency_ms or 0) >= 15 for turn in file.turn_list[1:])
