"""The hooks that a project can implement."""

from __future__ import annotations

import pytest

from tests.pytest_layer.project import Project

pytest_plugins = ["pytester"]


def test_steps_call_their_hooks_in_order(project: Project) -> None:
    """Before and after each turn and call; the error hook before `after_step`."""
    project.replay("one")
    project.write(
        "conftest.py",
        """
def pytest_agent_replay_before_step(item, event): print("STEP before", item.name, event.type)
def pytest_agent_replay_after_step(event): print("STEP after", event.type)
def pytest_agent_replay_step_error(event): print("STEP error", event.type)
""",
    )
    result = project.run("-s", agent="wrong_call")
    steps = [line.partition("STEP ")[2] for line in result.outlines if "STEP " in line]
    assert steps == [
        "before one run_started",
        "before one tool_called",
        "error tool_unrecorded",
        "after tool_unrecorded",
        "after run_completed",
    ]


def test_what_a_step_hook_raises_fails_the_replay(project: Project) -> None:
    """It ends the turn."""
    project.replay("one")
    project.write(
        "conftest.py", "def pytest_agent_replay_before_step(event): assert event.type != 'tool_called', 'no tools'\n"
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "no tools" in result.stdout.str()


@pytest.mark.parametrize("type_", ["run_started", "tool_called", "tool_completed", "run_completed"])
def test_a_step_hook_that_raises_leaves_a_result_at_every_step(project: Project, type_: str) -> None:
    """Also where a turn begins and ends: the headline names the hook, and says it once."""
    project.replay("one")
    when = "before" if type_ in ("run_started", "tool_called") else "after"
    project.write(
        "conftest.py", f"def pytest_agent_replay_{when}_step(event): assert event.type != {type_!r}, 'not today'\n"
    )
    result = project.run("--replay-json=out.json", "--tb=short")
    result.assert_outcomes(failed=1)
    (row,) = project.results()["replays"]
    assert row["outcome"] == "failed"
    assert row["reasons"][0].startswith(f"pytest_agent_replay_{when}_step raised AssertionError at {type_}: not today")
    assert not any("the agent raised" in reason for reason in row["reasons"][1:] if "invariant" not in reason)
    assert "runner.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("name", "what"), [("agents", "AgentAdapter"), ("interceptors", "Interceptor"), ("checks", "Check")]
)
def test_a_hook_that_gives_something_else_is_told(project: Project, name: str, what: str) -> None:
    """With the name of the hook, what it gave and what it should give."""
    project.replay("one")
    project.write("conftest.py", f"def pytest_agent_replay_{name}(): return 42\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"pytest_agent_replay_{name}: 42 is no {what}*"])


def test_the_result_hook_sees_every_result(project: Project) -> None:
    """Passed or not."""
    project.replay("one")
    project.write(
        "conftest.py", "def pytest_agent_replay_result(item, result): print('GOT', item.name, result.outcome)\n"
    )
    project.run("-s").stdout.fnmatch_lines(["*GOT one passed"])
    project.run("-s", agent="bad").stdout.fnmatch_lines(["*GOT one failed"])


def test_a_project_adds_a_type_of_invariant(project: Project) -> None:
    """It is used by contracts under its name, with its own parameters."""
    project.write(
        "conftest.py",
        """
from pytest_agent_replay import Finding, Invariant, check

class Mentions(Invariant):
    word: str

@check("mentions", Mentions)
def mentions(params, case):
    return Finding(params.word in str(case.output), f"looked for {params.word}")

def pytest_agent_replay_checks(config): return [mentions]
""",
    )
    project.replay("one")
    project.write("mentions.contract.yaml", "name: M\ninvariants:\n  - {type: mentions, word: dollars}\n")
    project.run("--replay-contract=M").assert_outcomes(passed=1)
    project.write("mentions.contract.yaml", "name: M\ninvariants:\n  - {type: mentions, wrd: dollars}\n")
    result = project.run("--replay-contract=M")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["mentions.contract.yaml:3:*wrd*word*"])


def test_a_project_adds_an_interceptor_and_an_agent_adapter(project: Project) -> None:
    """The one is active while a replay runs, the other makes agents of objects that nobody else knows."""
    project.replay("one")
    project.write("gadget.py", "def ping(): return 'real'\nclass Machine: pass\n")
    project.write(
        "conftest.py",
        """
import pytest, gadget, shop_agent
from pytest_agent_replay.agents.call import make_agent
from pytest_agent_replay.intercept.registry import Interceptor

def patch(module, patcher):
    patcher.set(module, "ping", lambda: "patched")

def pytest_agent_replay_interceptors(): return Interceptor("gadget", "gadget", patch)

class Machines:
    name = "machines"
    def matches(self, obj): return isinstance(obj, gadget.Machine)
    def make(self, obj, *, name, module_names):
        def answer(question):
            print("PING", gadget.ping())
            return shop_agent.good(question)
        return make_agent(answer, name="machine")

def pytest_agent_replay_agents(): return Machines()

@pytest.fixture
def replay_agent():
    yield gadget.Machine()
    print("AFTER", gadget.ping())
""",
    )
    result = project.run("-s", agent=None)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*PING patched", "*AFTER real"])


def test_an_unknown_hook_of_ours_is_refused_by_pytest(project: Project) -> None:
    """The hooks are declared, so a misspelled one does not stay silent."""
    project.replay("one")
    project.write("conftest.py", "def pytest_agent_replay_reslt(item, result): pass\n")
    result = project.run()
    assert result.ret != 0
    assert "unknown hook 'pytest_agent_replay_reslt'" in result.stdout.str() + result.stderr.str()


def test_nothing_is_loaded_in_a_run_without_replays(project: Project) -> None:
    """Neither pydantic nor YAML, nor more than a handful of our own modules."""
    project.write(
        "test_plain.py",
        "import sys\ndef test_plain():\n    ours = [m for m in sys.modules if m.startswith('pytest_agent_replay')]\n"
        "    assert len(ours) <= 10, ours\n    assert not {'pydantic', 'yaml', 'jsonschema'} & set(sys.modules)\n",
    )
    project.run_apart("-p", "no:asyncio", "-p", "no:anyio", agent=None).assert_outcomes(passed=1)
