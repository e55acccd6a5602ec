"""`@pytest.mark.replay(…)` and the `replay` fixture in ordinary tests."""

from __future__ import annotations

import pytest

from tests.pytest_layer.project import Project

pytest_plugins = ["pytester"]

HEAD = "import pytest\nimport shop_agent\n\n"


def write_test(project: Project, body: str, marker: str = '@pytest.mark.replay("replays/*.replay.yaml")') -> None:
    """A test module with one marked test, whose parameters and body are given."""
    project.write("test_shop.py", f"{HEAD}{marker}\n{body}\n")


def test_a_test_runs_once_for_each_replay_that_the_glob_matches(project: Project) -> None:
    """Its ids are the replays' ids, in the order of the files."""
    project.replay("one", "two", folder="replays")
    write_test(project, "def test_shop(replay):\n    replay.run()")
    result = project.run("-v", "test_shop.py")
    result.stdout.fnmatch_lines(["*test_shop[[]one[]] PASSED*", "*test_shop[[]two[]] PASSED*", "2 replays: 2 passed*"])


def test_a_failing_verdict_fails_the_test_with_the_same_text(project: Project) -> None:
    """As the item of the file would."""
    project.replay("one", folder="replays")
    write_test(project, "def test_shop(replay):\n    replay.run()")
    result = project.run("test_shop.py", agent="bad")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one: invariant invents-nothing failed*", "*asked *What is the total of order 7"])
    assert "marked.py" not in result.stdout.str()


def test_the_short_summary_of_a_failing_test_says_which_invariant(project: Project) -> None:
    """Its line is short: what it says first is no path of a module of ours."""
    project.replay("one", folder="replays")
    write_test(project, "def test_shop(replay):\n    replay.run()")
    project.run("test_shop.py", agent="bad").stdout.fnmatch_lines(["FAILED *[[]one[]] - ReplayFailed: one: *"])


def test_result_and_trace_are_there_for_assertions_of_the_test(project: Project) -> None:
    """The file, what production did, what happened now."""
    project.replay("one", folder="replays")
    write_test(
        project,
        """
def test_shop(replay):
    assert replay.id == "one" and replay.file.name == "What the order costs"
    assert replay.recorded.outputs() == {1: "Order 7 costs 99 dollars."}
    with pytest.raises(Exception, match="before"): replay.result
    result = replay.run()
    assert result is replay.result and result.passed
    assert replay.trace.outputs() == {1: "Order 7 costs 12 dollars."}
    assert [c.tool for c in replay.trace.tool_calls] == ["lookup"]
""",
    )
    project.run("test_shop.py").assert_outcomes(passed=1)


def test_check_false_lets_the_test_look_itself(project: Project) -> None:
    """The verdict stands in the results."""
    project.replay("one", folder="replays")
    write_test(
        project,
        "def test_shop(replay):\n    assert replay.run(shop_agent.bad, check=False).outcome == 'failed'",
    )
    result = project.run("test_shop.py", agent=None)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 replay: 1 failed*"])


def test_overrides_of_a_run_reach_the_factory(project: Project) -> None:
    """Over those of the file."""
    project.replay("one", folder="replays", extra="overrides: {total: 1, word: costs}\n")
    write_test(
        project,
        """
def test_shop(replay):
    def make(overrides):
        return lambda question: str(dict(overrides, real=shop_agent.good(question) != ""))
    from pytest_agent_replay import agent_factory
    result = replay.run(agent_factory(make), total=12)
    assert result.turns[0].output == "{'total': 12, 'word': 'costs', 'real': True}"
""",
    )
    project.run("test_shop.py", agent=None).assert_outcomes(passed=1)


def test_settings_of_the_marker_hold_and_wrong_ones_are_named(project: Project) -> None:
    """Agent, contract and every setting."""
    project.replay("one", folder="replays")
    project.write("weak.contract.yaml", "name: Weak\ninvariants:\n  - {type: contains, value: 99 dollars}\n")
    good = '@pytest.mark.replay("replays/one.replay.yaml", agent="shop_agent:bad", contract="Weak", max_calls=5)'
    write_test(project, "def test_shop(replay):\n    assert replay.run().contract == 'Weak'", good)
    project.run("test_shop.py", agent=None).assert_outcomes(passed=1)
    for wrong, said in (
        ("lm='live'", "unknown setting 'lm'; did you mean 'llm'?"),
        ("llm='lve'", "'lve' is not one of"),
    ):
        write_test(project, "def test_shop(replay):\n    replay.run()", f'@pytest.mark.replay("replays/*", {wrong})')
        result = project.run("test_shop.py")
        result.assert_outcomes(errors=1)
        assert said in result.stdout.str()


def test_matching_of_the_marker_is_over_that_of_the_file(project: Project) -> None:
    """A call with other arguments is answered when the marker says that arguments do not count."""
    project.replay("one", folder="replays", extra="matching: {args: exact}\n")
    body = "def test_shop(replay):\n    replay.run()"
    write_test(project, body)
    project.run("test_shop.py", agent="wrong_call").assert_outcomes(failed=1)
    write_test(project, body, '@pytest.mark.replay("replays/*.replay.yaml", matching={"args": "ignore"})')
    project.run("test_shop.py", agent="wrong_call").assert_outcomes(passed=1)


@pytest.mark.parametrize("mark", ["@pytest.mark.asyncio", "@pytest.mark.anyio"])
def test_async_tests_await_the_run(project: Project, mark: str) -> None:
    """With a sync and an async agent, on the loop of the test."""
    project.replay("one", folder="replays")
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n")
    write_test(
        project,
        """
async def test_shop(replay):
    assert (await replay.arun(shop_agent.good_async)).passed
    assert (await replay.arun(shop_agent.good)).passed
""",
        f'{mark}\n@pytest.mark.replay("replays/*.replay.yaml")',
    )
    project.run("test_shop.py", agent=None).assert_outcomes(passed=1)


def test_run_inside_of_a_running_loop_says_to_await(project: Project) -> None:
    """For an async agent."""
    project.replay("one", folder="replays")
    write_test(
        project,
        "async def test_shop(replay):\n    replay.run(shop_agent.good_async)",
        '@pytest.mark.asyncio\n@pytest.mark.replay("replays/*.replay.yaml")',
    )
    result = project.run("test_shop.py", agent=None)
    result.assert_outcomes(failed=1)
    assert "await `replay.arun()`" in result.stdout.str()


def test_a_test_that_never_runs_its_replay_fails(project: Project) -> None:
    """A pass without a check is none; a test that skips, or is expected to fail, keeps its outcome."""
    project.replay("one", folder="replays")
    write_test(project, "def test_shop(replay):\n    pass")
    result = project.run("test_shop.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*takes the replay one and never ran it*"])
    write_test(project, "def test_shop(replay):\n    pytest.skip('later')")
    project.run("test_shop.py").assert_outcomes(skipped=1)
    write_test(project, "@pytest.mark.xfail\ndef test_shop(replay):\n    pass")
    project.run("test_shop.py").assert_outcomes(xfailed=1)


@pytest.mark.parametrize(
    ("marker", "body", "said"),
    [
        (
            '@pytest.mark.replay("replays/*.replay.yaml")',
            "def test_shop():\n    pass",
            "does not take the `replay` fixture",
        ),
        ("@pytest.mark.replay", "def test_shop(replay):\n    replay.run()", "names no file"),
        ("", "def test_shop(replay):\n    replay.run()", "needs a marker that names replay files"),
        ('@pytest.mark.replay("nosuch/*")', "def test_shop(replay):\n    replay.run()", "'nosuch/*' matches no file"),
        (
            '@pytest.mark.replay("replays/on.replay.yaml")',
            "def test_shop(replay):\n    replay.run()",
            "is not a file, seen from *did you mean 'one.replay.yaml'?",
        ),
        ("@pytest.mark.replay(7)", "def test_shop(replay):\n    replay.run()", "7 is not the path of a replay file"),
        (
            '@pytest.mark.replay("broken/*")',
            "def test_shop(replay):\n    replay.run()",
            "broken?b.replay.yaml:2:1: *inputt*`input`",
        ),
        (
            '@pytest.mark.replay("replays/*", "twin/*")',
            "def test_shop(replay):\n    replay.run()",
            "the id `one` is taken by replays?one.replay.yaml:2",
        ),
    ],
)
def test_a_marker_that_would_check_nothing_is_an_error(project: Project, marker: str, body: str, said: str) -> None:
    """It says what is missing; other tests still run."""
    project.replay("one", folder="replays")
    project.replay("one", folder="twin")
    project.write("broken/b.replay.yaml", "id: b\ninputt: hello\n")
    write_test(project, body, marker)
    project.write("test_other.py", "def test_other(): pass")
    result = project.run("test_shop.py", "test_other.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*{said}*"])
    assert result.parseoutcomes()["passed"] in (1, 2)


def test_a_marker_on_a_unittest_method_is_an_error(project: Project) -> None:
    """Such methods take no fixtures."""
    project.replay("one", folder="replays")
    project.write(
        "test_shop.py",
        "import pytest, unittest\nclass TestShop(unittest.TestCase):\n"
        "    @pytest.mark.replay('replays/*')\n    def test_shop(self): pass\n",
    )
    result = project.run("test_shop.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*does not take the `replay` fixture*"])


def test_fixtures_of_the_test_module_are_honoured(project: Project) -> None:
    """An agent that only this module has."""
    project.replay("one", folder="replays")
    project.write(
        "test_shop.py",
        f"{HEAD}@pytest.fixture\ndef replay_agent(): return shop_agent.good\n\n"
        "@pytest.mark.replay('replays/*.replay.yaml')\ndef test_shop(replay):\n    replay.run()\n",
    )
    project.run("test_shop.py", agent=None).assert_outcomes(passed=1)


def test_files_are_found_from_the_folder_of_the_test_and_from_the_root(project: Project) -> None:
    """In this order."""
    project.replay("near", folder="tests/replays")
    project.replay("far", folder="replays")
    project.replay("root", folder="only")
    project.write(
        "tests/test_shop.py",
        "import pytest\n@pytest.mark.replay('replays/*.yaml', 'only/root.replay.yaml')\ndef test_shop(replay): pass\n",
    )
    result = project.run("--collect-only", "-q", "tests/test_shop.py")
    assert [line for line in result.outlines if "[" in line] == [
        "tests/test_shop.py::test_shop[near]",
        "tests/test_shop.py::test_shop[root]",
    ]


def test_a_mistake_of_the_user_comes_without_our_frames(project: Project) -> None:
    """Where the test asks for the run is all that a reader needs of the way; for verdicts as for mistakes."""
    project.replay("one", folder="replays")
    project.write(
        "replays/two.replay.yaml", "input: hello\nid: two\ncontract: Order Contract\nagent: shop_agent:nobody\n"
    )
    write_test(project, "def test_shop(replay):\n    replay.run()")
    result = project.run("test_shop.py", agent=None)
    result.assert_outcomes(failed=2)
    assert "pytest_agent_replay/" not in result.stdout.str()
    result.stdout.fnmatch_lines(["E *no agent to replay against*"])


def test_a_file_that_cannot_be_read_counts_among_the_replays(project: Project) -> None:
    """As the item of such a file does: a results file without it would look like a pass."""
    project.replay("one", folder="replays")
    project.write("replays/broken.replay.yaml", "input: [\n")
    write_test(project, "def test_shop(replay):\n    replay.run()")
    project.run("test_shop.py", "--replay-json=out.json").assert_outcomes(passed=1, errors=1)
    document = project.results()
    assert [(row["id"], row["outcome"]) for row in document["replays"]] == [("broken", "error"), ("one", "passed")]
    assert "replays/broken.replay.yaml:2:1: not valid YAML" in document["replays"][0]["reasons"][0]
    assert document["summary"]["replay_regression"] == 50.0


def test_a_test_on_trio_is_told_to_run_on_asyncio(project: Project) -> None:
    """Instead of an error from inside of asyncio."""
    pytest.importorskip("trio")
    project.replay("one", folder="replays")
    write_test(
        project,
        "@pytest.mark.anyio\n@pytest.mark.parametrize('anyio_backend', ['trio'])\n"
        "async def test_shop(replay, anyio_backend):\n    await replay.arun()",
    )
    result = project.run_apart("test_shop.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *no event loop of asyncio is running*anyio_backend*"])
