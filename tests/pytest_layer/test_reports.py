"""Terminal summary, results file, traces and junit, alone and with the plugins that change how tests run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_agent_replay import Trace
from tests.pytest_layer.junit import read_valid
from tests.pytest_layer.project import QUIET, Project

pytest_plugins = ["pytester"]

SOME = {"a": "", "b": "agent: shop_agent:bad\n", "c": "", "d": "golden: true\n", "e": "agent: shop_agent:lazy\n"}


@pytest.fixture
def some(project: Project) -> Project:
    """Five replays: a and c pass, b and e fail, d is golden and fails on its own recording."""
    project.ini("replay_agent = shop_agent:good")
    for id_, extra in SOME.items():
        project.replay(id_, extra=extra)
    project.write("broken.replay.yaml", "id: [\n")
    project.write("empty.replay.yaml", "id: empty\ninput: total of 7\n")
    return project


def test_the_summary_counts_outcomes(some: Project) -> None:
    """And names the replays that need a look."""
    result = some.run(agent=None)
    result.stdout.fnmatch_lines(
        [
            "*= agent replays =*",
            "7 replays: 3 passed, 2 failed, 1 inconclusive, 1 error; replay_regression 42.9, score *",
            "inconclusive: 1: empty (*no contract*)",
            "unused: 1: e (lookup)",
        ]
    )


def test_a_run_without_replays_has_no_summary(project: Project) -> None:
    """Nothing is printed for people who only have the plugin installed."""
    project.write("test_plain.py", "def test_plain(): pass")
    result = project.run("-v", agent=None)
    assert [line for line in result.outlines if "replay" in line and not line.startswith(("rootdir", "plugins"))] == []


def test_verbose_says_how_each_tool_was_answered(project: Project) -> None:
    """For replays that pass too."""
    project.replay("one")
    project.run("-v").stdout.fnmatch_lines(["one: tools answered by lookup: *shop_agent*"])


def test_the_failure_text_holds_what_a_dashboard_reader_needs(project: Project) -> None:
    """Question, answers, invariant with its evidence, tools, and what production did."""
    project.replay("one")
    result = project.run(agent="bad")
    result.stdout.fnmatch_lines(
        [
            "one: invariant invents-nothing failed: *",
            "one.replay.yaml: What the order costs",
            "*incident *A total that no tool gave",
            "*asked *What is the total of order 7",
            "*answered *Order 7 costs 99 dollars.",
            "*production *(the same)",
            "Invariants of 'Order Contract': 1 failed, 1 passed",
            "*FAILED invents-nothing (excludes_pattern, high)",
            "Tool calls",
            '*lookup(order="7") -> {"total": 12} after * ms',
            "On what production did, the contract fails too: *invents-nothing",
            "Hint: `--replay-fail-on=SEVERITY`*",
        ]
    )


def test_an_unrecorded_call_shows_the_nearest_recording(project: Project) -> None:
    """With the difference between them."""
    project.replay("one")
    result = project.run(agent="wrong_call")
    result.stdout.fnmatch_lines(
        [
            "Calls that nothing recorded answers",
            '*turn 1: lookup(order="8")*',
            '*nearest: lookup(order="7") (recording 1 of turn 1)',
            "*order*7*8*",
            "*-> not recorded",
            "Hint: record the new call by hand (`origin: added`)*",
        ]
    )


def check_document(project: Project, options: tuple[str, ...]) -> Any:
    """The results file of `some`, as it must be however it was run."""
    result = project.run_apart("--replay-json=out/results.json", *options, agent=None)
    assert result.ret == 1, result.stdout.str()
    document = project.results("out/results.json")
    assert document["version"] == 1
    assert {k: v for k, v in document["summary"].items() if k not in ("score", "reproduces")} == {
        "replays": 7, "passed": 3, "failed": 2, "inconclusive": 1, "errors": 1, "skipped": 0, "replay_regression": 42.9,
    }  # fmt: skip
    by_id = {row["id"]: row for row in document["replays"]}
    assert by_id["b"]["outcome"] == "failed"
    assert by_id["b"]["nodeid"] == "b.replay.yaml::b"
    assert by_id["b"]["file"] == "b.replay.yaml"
    assert by_id["b"]["invariants"][1]["outcome"] == "failed"
    assert by_id["b"]["tool_calls"][0]["recording"] == {"turn": 1, "index": 0}
    assert by_id["a"]["latency_ms"]["simulated"] == 250
    assert by_id["broken"]["outcome"] == "error"
    assert "broken.replay.yaml:" in by_id["broken"]["reasons"][0]
    assert by_id["empty"]["outcome"] == "inconclusive"
    return document


def test_the_results_file_is_in_the_order_of_collection(some: Project) -> None:
    """Alone."""
    document = check_document(some, ())
    assert [row["id"] for row in document["replays"]] == ["a", "b", "broken", "c", "d", "e", "empty"]


def test_the_results_file_is_the_same_under_xdist(some: Project) -> None:
    """One file, written by the controller, in the order of collection; junit and traces too."""
    document = check_document(some, ("-n2", "--replay-traces=traces", "--junitxml=junit.xml"))
    assert [row["id"] for row in document["replays"]] == ["a", "b", "broken", "c", "d", "e", "empty"]
    assert {path.name for path in (some.path / "traces").iterdir()} == {f"{i}.trace.json" for i in [*SOME, "empty"]}
    assert not list(some.path.rglob("*.tmp"))
    failures = read_valid(some.path / "junit.xml").findall(".//failure")
    assert len(failures) == 4


def test_the_results_file_is_written_without_replays_too(project: Project) -> None:
    """A dashboard finds a file; collecting only writes none."""
    project.run("--collect-only", "--replay-json=out.json", agent=None)
    assert not (project.path / "out.json").exists()
    project.run("--replay-json=out.json", agent=None)
    assert project.results()["replays"] == []
    assert project.results()["summary"]["replay_regression"] is None


def test_a_results_file_that_cannot_be_written_is_said_and_fails_the_run(project: Project) -> None:
    """The replays' own outcome is still shown."""
    project.replay("one")
    project.write("taken", "a file")
    result = project.run("--replay-json=taken/out.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["1 replay: 1 passed*", "ERROR: --replay-json: *taken*"])


def test_odd_text_survives_in_every_report(project: Project) -> None:
    """Control characters and lone surrogates."""
    project.write(
        "odd_agent.py",
        "def answer(question):\n    return {'text': 'caf\\u00e9 \\x1b[31m \\ud800 99 dollars'}\n",
    )
    project.replay("one")
    result = project.run_apart(
        "-n1", "--replay-json=out.json", "--replay-traces=t", "--junitxml=j.xml", "--replay-agent=odd_agent:answer",
        agent=None,
    )  # fmt: skip
    assert result.ret == 1
    assert "\x1b[31m \\ud800" not in result.stdout.str()
    output = json.loads((project.path / "out.json").read_text("utf-8"))["replays"][0]["turns"][0]["output"]
    assert "café" in str(output)
    read_valid(project.path / "j.xml")


def test_traces_are_read_back(project: Project) -> None:
    """One file per replay; a test that runs a replay twice writes two."""
    project.replay("one", folder="replays")
    project.write(
        "test_shop.py",
        "import pytest\n@pytest.mark.replay('replays/*')\ndef test_shop(replay):\n    replay.run()\n    replay.run()\n",
    )
    project.run("--replay-traces=traces").assert_outcomes(passed=2)
    names = sorted(path.name for path in (project.path / "traces").iterdir())
    assert len(names) == 3
    trace = Trace.load(project.path / "traces" / "one.trace.json")
    assert trace.outputs() == {1: "Order 7 costs 12 dollars."}


def test_of_several_attempts_the_last_one_counts(project: Project) -> None:
    """With rerunfailures, alone and under xdist; how often is said."""
    project.replay("one")
    project.write(
        "conftest.py",
        """
import pytest, shop_agent
attempts = []
@pytest.fixture
def replay_agent():
    attempts.append(1)
    return shop_agent.good if len(attempts) > 2 else shop_agent.bad
""",
    )
    for options in ((), ("-n1",)):
        result = project.run_apart("--reruns=3", "--replay-json=out.json", *options, agent=None)
        assert result.ret == 0, result.stdout.str()
        outcomes = result.parseoutcomes()
        assert (outcomes["passed"], outcomes["rerun"]) == (1, 2)
        (row,) = project.results()["replays"]
        assert (row["outcome"], row["reruns"]) == ("passed", 2)
        result.stdout.fnmatch_lines(["1 replay: 1 passed*", "run again: 1: one (2x)"])


def test_junit_is_valid_and_its_message_stands_alone(some: Project) -> None:
    """The message begins with the first line, the text holds all of it."""
    some.run("--junitxml=junit.xml", agent=None)
    root = read_valid(some.path / "junit.xml")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["b"].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("b: invariant invents-nothing failed")
    assert "What is the total of order 7" in (failure.text or "")
    assert cases["a"].find("failure") is None


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_timeout_ends_a_hanging_replay(project: Project, method: str) -> None:
    """By signal, the others run on; by thread, the process ends as pytest-timeout documents."""
    project.write(
        "slow_agent.py", "import time\ndef answer(question):\n    try: time.sleep(60)\n    except Exception: pass\n"
    )
    project.replay("one", extra="agent: slow_agent:answer\n")
    project.replay("two", extra="agent: shop_agent:good\n")
    result = project.run_apart("--timeout=4", f"--timeout-method={method}", "--replay-json=out.json", agent=None)
    assert result.ret == 1
    if method == "signal":
        result.assert_outcomes(failed=1, passed=1)
        assert [row["outcome"] for row in project.results()["replays"]] == ["error", "passed"]
        assert "Timeout" in project.results()["replays"][0]["reasons"][0]


def test_failures_around_a_replay_are_errors_of_it(project: Project) -> None:
    """Setting up and tearing down; a skip is a skip."""
    project.replay("down", "ok", "skip", "up")
    project.write(
        "conftest.py",
        """
import pytest
@pytest.fixture(autouse=True)
def around(request):
    name = request.node.name
    if name == "up": raise OSError("no database")
    if name == "skip": pytest.skip("not here")
    yield
    if name == "down": raise OSError("database gone")
""",
    )
    result = project.run("--replay-json=out.json")
    rows = {row["id"]: row for row in project.results()["replays"]}
    assert {id_: row["outcome"] for id_, row in rows.items()} == {
        "down": "error", "ok": "passed", "skip": "skipped", "up": "error",
    }  # fmt: skip
    assert "database gone" in rows["down"]["reasons"][0]
    assert "no database" in rows["up"]["reasons"][0]
    assert rows["skip"]["reasons"] == ["Skipped: not here"]
    result.stdout.fnmatch_lines(["4 replays: 1 passed, 2 errors, 1 skipped; replay_regression 33.3*"])


def test_a_replay_whose_worker_dies_is_an_error_in_the_results(project: Project) -> None:
    """It does not vanish."""
    project.write("dying.py", "import os\ndef answer(question): os._exit(3)\n")
    project.replay("one", extra="agent: dying:answer\n")
    project.run_apart("-n1", "--max-worker-restart=0", "--replay-json=out.json", agent=None)
    (row,) = project.results()["replays"]
    assert (row["id"], row["outcome"]) == ("one", "error")
    assert "crashed" in row["reasons"][0]


def test_random_order_gives_the_same_verdicts(some: Project) -> None:
    """Whatever the seed."""
    outcomes, orders = [], set()
    for seed in (1, 2, 3):
        some.pytester.runpytest_inprocess(*QUIET[2:], f"--randomly-seed={seed}", "--replay-json=out.json")
        rows = some.results()["replays"]
        orders.add(tuple(row["id"] for row in rows))
        outcomes.append({row["id"]: row["outcome"] for row in rows})
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(orders) > 1
