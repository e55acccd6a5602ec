"""Replay files become items that live with the rest of pytest as tests do."""

from __future__ import annotations

import sys

import pytest

from tests.pytest_layer.project import QUIET, Project

pytest_plugins = ["pytester"]


def test_a_replay_file_is_an_item_that_passes_with_the_right_agent(project: Project) -> None:
    """The item has the replay's id, and passes when the contract holds."""
    project.replay("order-total")
    result = project.run("-v")
    result.stdout.fnmatch_lines(["order-total.replay.yaml::order-total PASSED*"])
    result.assert_outcomes(passed=1)


def test_a_replay_fails_with_the_agent_that_had_the_incident(project: Project) -> None:
    """The first line of the failure is the short summary, and no traceback is shown."""
    project.replay("order-total")
    result = project.run(agent="bad")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*order-total: invariant invents-nothing failed: *", "FAILED order-total.replay.yaml::*"]
    )
    assert "Traceback" not in result.stdout.str()
    assert "nodes.py" not in result.stdout.str()


@pytest.mark.parametrize("name", ["a.replay.yaml", "a.replay.yml", "a.replay.json"])
def test_the_three_names_of_replay_files_are_collected(project: Project, name: str) -> None:
    """YAML in both spellings, and JSON."""
    project.write(name, '{"id": "a", "input": "What is 7", "tool_responses": [], "contract": "Order Contract"}')
    project.run("--collect-only", "-q").stdout.fnmatch_lines([f"{name}::a"])


def test_other_yaml_files_are_left_alone(project: Project) -> None:
    """Nothing is collected, and nothing is said, where there is no replay."""
    project.write("settings.yaml", "a: 1")
    result = project.run()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "agent replays" not in result.stdout.str()


def test_a_file_that_cannot_be_loaded_is_one_failing_item_and_the_others_run(project: Project) -> None:
    """The failure begins with path, line and column."""
    project.write("broken.replay.yaml", "id: broken\ninputt: hello\n")
    project.replay("fine")
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["broken.replay.yaml:2:1: *inputt*`input`*", "FAILED broken.replay.yaml::broken*"])


def test_the_second_replay_with_an_id_fails_and_names_the_first(project: Project) -> None:
    """Ids are unique in a run."""
    project.replay("twin", folder="a")
    project.replay("twin", folder="b")
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["b?twin.replay.yaml:2:1: *the id `twin` is taken by a?twin.replay.yaml:2*"])


def test_k_selects_by_tag_and_m_selects_all_replays(project: Project) -> None:
    """Tags are keywords, and every item has the `replay` marker."""
    project.replay("one", tag="sev1")
    project.replay("two", tag="sev2")
    project.write("test_plain.py", "def test_plain(): pass")
    project.run("-k", "sev2").assert_outcomes(passed=1, deselected=2)
    project.run("-m", "replay").assert_outcomes(passed=2, deselected=1)
    project.run("-m", "not replay").assert_outcomes(passed=1, deselected=2)


def test_an_item_is_found_by_its_node_id(project: Project) -> None:
    """`path::id` runs that one."""
    project.replay("one", "two")
    project.run("two.replay.yaml::two").assert_outcomes(passed=1)


def test_a_flakestorm_file_gives_an_item_for_each_session_when_it_is_asked_for(project: Project) -> None:
    """Its contract is found by name, and each session has a line of its own."""
    project.write(
        "flakestorm.yaml",
        """
version: "2.0"
agent: {endpoint: "shop_agent:good", type: python}
contract:
  name: Storm Contract
  invariants: [{id: c, type: contains, value: "12 dollars"}]
replays:
  sessions:
    - {id: s1, input: total of 7, tool_responses: [{tool: lookup, response: {total: 12}}], contract: Storm Contract}
    - {id: s2, input: total of 7, tool_responses: [{tool: lookup, response: {total: 13}}], contract: Storm Contract}
""",
    )
    result = project.run("--replay-collect=flakestorm.yaml", "flakestorm.yaml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED flakestorm.yaml::s2*"])


def test_marks_that_a_conftest_adds_hold_for_replays(project: Project) -> None:
    """`skip` and `xfail` do what they do for tests."""
    project.replay("one", "two")
    project.write(
        "conftest.py",
        """
import pytest
def pytest_collection_modifyitems(items):
    items[0].add_marker(pytest.mark.skip(reason="not today"))
    items[1].add_marker(pytest.mark.xfail(strict=True))
""",
    )
    project.run(agent="bad").assert_outcomes(skipped=1, xfailed=1)


def test_autouse_fixtures_of_every_scope_run_around_replays(project: Project) -> None:
    """They set up before the agent runs and tear down after it; module scope is the file, and marks are seen."""
    project.replay("one", "two")
    project.write(
        "conftest.py",
        """
import pytest
log = []

@pytest.fixture(autouse=True, scope="session")
def session(): log.append("session"); yield; print("LOG", *log)

@pytest.fixture(autouse=True, scope="module")
def module(request): log.append(request.module.__name__); yield; log.append("end")

@pytest.fixture(autouse=True)
def function(request, monkeypatch, tmp_path):
    assert request.node.get_closest_marker("replay")
    monkeypatch.setenv("SHOP", "test")
    log.append(request.node.name)
""",
    )
    result = project.run("-s")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*LOG session one_replay_yaml one end two_replay_yaml two end"])


def test_setup_show_durations_and_fixtures_per_test_know_replays(project: Project) -> None:
    """The options that look into tests look into replays too."""
    project.replay("one")
    result = project.run("--setup-show", "--durations=0", "-vv")
    result.stdout.fnmatch_lines(
        ["*one.replay.yaml::one*", "SETUP    S replay_settings*", "*s call *one.replay.yaml::one"]
    )
    assert project.run("--fixtures-per-test").ret == 0


def test_exit_code_of_last_failed_first_failed_and_exitfirst(project: Project) -> None:
    """`--lf` runs what failed, `--ff` runs it first, `-x` stops at it."""
    project.replay("a", "c")
    project.replay("b", extra="agent: shop_agent:bad\n")
    project.ini("replay_agent = shop_agent:good")
    project.run(agent=None).assert_outcomes(passed=2, failed=1)
    lines = project.run("--ff", "-v", agent=None).stdout.lines
    ran = [line.split("::")[1].split()[0] for line in lines if "::" in line and line.endswith("%]")]
    assert ran == ["b", "a", "c"]
    project.run("--lf", agent=None).assert_outcomes(failed=1)
    project.run("-x", agent=None).assert_outcomes(passed=1, failed=1)


def test_pdb_stops_in_a_failing_replay(pytester: pytest.Pytester, project: Project) -> None:
    """`--pdb` opens at the failure, and quitting ends the run."""
    project.replay("one")
    result = pytester.run(
        sys.executable, "-c",
        "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))",
        *QUIET, "--pdb", "--replay-agent=shop_agent:bad",
        stdin=b"print('IN', type(__exception__).__name__ if '__exception__' in globals() else 'PDB')\nq\n",
    )  # fmt: skip
    result.stdout.fnmatch_lines(["*one: invariant invents-nothing failed*", "*entering PDB*", "*IN *"])


def test_a_replay_without_an_agent_says_where_one_can_be_given(project: Project) -> None:
    """The mistake of a user is one text, without a traceback."""
    project.replay("one")
    result = project.run(agent=None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no agent to replay against*--replay-agent*replay_agent*"])
    assert "Traceback" not in result.stdout.str()


def test_a_contract_that_is_not_there_fails_its_replay_at_its_line(project: Project) -> None:
    """With the nearest name that there is."""
    project.write("a.replay.yaml", "id: a\ninput: x\ncontract: Order Contrakt\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a.replay.yaml:3:1: *Order Contrakt*did you mean*Order Contract*"])


def test_mistakes_in_an_inline_contract_are_at_their_own_line(project: Project) -> None:
    """Also in a file that has been loaded long before."""
    project.write("a.replay.yaml", "id: a\ninput: x\ncontract:\n  invariants:\n    - type: contians\n      value: x\n")
    project.run().stdout.fnmatch_lines(["a.replay.yaml:5:*contians*contains*"])


def test_a_replay_without_a_contract_is_inconclusive_and_fails(project: Project) -> None:
    """Nothing passes without a check, unless the project says that it may be skipped."""
    project.write("a.replay.yaml", "id: a\ninput: total of 7\n")
    result = project.run(agent="lazy")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a: inconclusive: *no contract*", "1 replay: 1 inconclusive*"])
    project.run("--replay-allow-inconclusive", agent="lazy").assert_outcomes(skipped=1)
    project.ini("replay_allow_inconclusive = true")
    project.run(agent="lazy").assert_outcomes(skipped=1)


def test_a_file_with_a_parent_is_checked_and_skipped(project: Project) -> None:
    """It is not run, and says so."""
    project.replay("one")
    project.write("fork.replay.yaml", "id: fork\nparent: ./one.replay.yaml\nat_turn: 1\ninput: total of 8\n")
    result = project.run("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*parent*"])


def test_an_agent_that_raises_is_the_headline_with_its_place(project: Project) -> None:
    """Invariants that fail for want of an answer come after it; the text names the way through the project's code."""
    project.replay("one")
    project.write("deep_agent.py", "from shop import total\n\ndef ask(question):\n    return total({})\n")
    project.write("shop.py", "def total(found):\n    return found['total']\n")
    result = project.run("--replay-agent=deep_agent:ask", agent=None)
    result.stdout.fnmatch_lines(
        [
            "one: the agent raised KeyError in turn 1 at shop.py:2: 'total' (+2 more)",
            "  raised      KeyError: 'total'",
            "  at          shop.py:2, called from deep_agent.py:4",
        ]
    )


def test_a_failure_has_a_crash_as_failures_of_tests_have(project: Project) -> None:
    """Reports read its message and place off it: one line, and the line of the replay in its file."""
    project.replay("one")
    project.write(
        "conftest.py",
        """
def pytest_runtest_logreport(report):
    if report.failed:
        crash = report.longrepr.reprcrash
        print("CRASH", crash.path, crash.lineno, crash.message)
""",
    )
    for how in ("-n0", "-n1"):
        result = project.run_apart("-s", how, agent="bad")
        result.stdout.fnmatch_lines(["*CRASH *one.replay.yaml 2 one: invariant invents-nothing failed: *"])
        result.stdout.fnmatch_lines(["FAILED one.replay.yaml::one - one: invariant invents-nothing failed:*"])


def test_a_parametrized_agent_is_told_from_tests_that_can_have_one(project: Project) -> None:
    """The item says how such a fixture is used, and that works."""
    project.replay("one")
    project.write(
        "conftest.py",
        """
import pytest

@pytest.fixture(params=["good", "bad"])
def replay_agent(request):
    return f"shop_agent:{request.param}"
""",
    )
    result = project.run("one.replay.yaml", agent=None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["fixture replay_agent has `params`*def test_replays(replay, replay_agent)*"])
    project.write(
        "test_both.py",
        "import pytest\n\n@pytest.mark.replay('*.replay.yaml')\ndef test_replays(replay, replay_agent): replay.run()\n",
    )
    result = project.run("test_both.py", "-rA", agent=None)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["PASSED *good*one*", "FAILED *bad*one*"])
