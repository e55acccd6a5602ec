"""The fixtures that a project overrides."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from tests.pytest_layer.project import Project

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("scope", ["function", "module", "session"])
def test_the_agent_may_come_from_a_fixture_of_any_scope(project: Project, scope: str) -> None:
    """It is set up as often as its scope says."""
    project.replay("one", "two")
    project.write(
        "conftest.py",
        f"""
import pytest, shop_agent
count = 0

@pytest.fixture(scope="{scope}")
def replay_agent():
    global count
    count += 1
    yield shop_agent.good
    print("COUNT", count)
""",
    )
    result = project.run("-s", agent=None)
    result.assert_outcomes(passed=2)
    assert f"COUNT {1 if scope == 'session' else 2}" in result.stdout.str()


def test_folders_may_have_agents_of_their_own(project: Project) -> None:
    """What one folder overrides does not leak into another, in whatever order they run."""
    project.replay("one", folder="a")
    project.replay("two", folder="b")
    project.replay("three", folder="c")
    for folder, agent in (("a", "good"), ("c", "bad")):
        text = f"import pytest\n@pytest.fixture\ndef replay_agent(): return 'shop_agent:{agent}'\n"
        project.write(f"{folder}/conftest.py", text)
    project.ini("replay_agent = shop_agent:lazy")
    result = project.run("-v", agent=None)
    result.stdout.fnmatch_lines(["*one PASSED*", "*two FAILED*", "*three FAILED*"])
    result.stdout.fnmatch_lines(["*three: invariant invents-nothing failed*"])


def test_the_fixture_is_not_set_up_when_a_higher_place_names_the_agent(project: Project) -> None:
    """An expensive agent is not made for nothing."""
    project.replay("one")
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef replay_agent(): raise SystemError('made')\n")
    project.run(agent="good").assert_outcomes(passed=1)


def test_an_agent_may_use_other_fixtures(project: Project) -> None:
    """Such as monkeypatch and tmp_path."""
    project.replay("one")
    project.write(
        "conftest.py",
        """
import pytest, shop_agent
@pytest.fixture
def replay_agent(monkeypatch, tmp_path):
    monkeypatch.setattr(shop_agent, "bad", shop_agent.good)
    assert tmp_path.is_dir()
    return shop_agent.bad
""",
    )
    project.run(agent=None).assert_outcomes(passed=1)


ASYNC = """
import asyncio, pytest, pytest_asyncio, shop_agent

{decorator}
async def replay_agent({needs}):
    await asyncio.sleep(0)
    yield shop_agent.good_async
    await asyncio.sleep(0)

{more}
"""


@pytest.mark.parametrize(
    ("decorator", "needs", "more"),
    [
        ("@pytest_asyncio.fixture", "", ""),
        ("@pytest_asyncio.fixture(scope='session', loop_scope='session')", "", ""),
        ("@pytest.fixture", "anyio_backend", "@pytest.fixture\ndef anyio_backend(): return 'asyncio'"),
    ],
    ids=["pytest-asyncio", "pytest-asyncio-session", "anyio"],
)
def test_the_agent_may_come_from_an_async_fixture(project: Project, decorator: str, needs: str, more: str) -> None:
    """Where a plugin runs async fixtures, and be async itself."""
    if "pytest_asyncio" in decorator and int(version("pytest-asyncio").partition(".")[0]) < 1:
        pytest.skip("this version only runs async fixtures of the tests that it collected itself")
    project.replay("one", "two")
    project.write("conftest.py", ASYNC.format(decorator=decorator, needs=needs, more=more))
    project.run(agent=None).assert_outcomes(passed=2)


def test_an_async_fixture_that_nobody_awaits_is_a_clear_error(project: Project) -> None:
    """Newer versions of pytest say it themselves."""
    project.replay("one")
    project.write("conftest.py", "import pytest\n@pytest.fixture\nasync def replay_tools(): return {}\n")
    result = project.run("-W", "ignore")
    result.assert_outcomes(failed=1)
    said = ("fixture replay_tools is async and was not awaited", "requested an async fixture 'replay_tools'")
    assert any(text in result.stdout.str() for text in said)


def test_tools_overrides_judge_and_settings_come_from_fixtures(project: Project) -> None:
    """Each reaches the run."""
    project.write(
        "a.replay.yaml",
        "id: a\ninput: total of 7\ntool_responses: [{tool: find, response: {total: 12}}]\n"
        "contract: {invariants: [{type: llm_judge, rubric: polite}, {type: contains, value: '12 dollars in blue'}]}\n",
    )
    project.write(
        "conftest.py",
        """
import pytest, shop_agent

@pytest.fixture
def replay_agent():
    def make(overrides):
        return lambda question: shop_agent.good(question).replace(".", f" in {overrides['colour']}.")
    from pytest_agent_replay import agent_factory
    return agent_factory(make)

@pytest.fixture
def replay_tools(): return {"find": shop_agent.lookup}

@pytest.fixture
def replay_overrides(): return {"colour": "blue"}

@pytest.fixture
def replay_settings(): return {"llm": "recorded", "max_calls": 3}

@pytest.fixture
def replay_judge(): return lambda **about: about["rubric"] == "polite"
""",
    )
    project.run(agent=None).assert_outcomes(passed=1)


def test_wrong_values_of_fixtures_are_named(project: Project) -> None:
    """A setting that does not exist, and tools that are no mapping."""
    project.replay("one")
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef replay_settings(): return {'lm': 'live'}\n")
    project.run().stdout.fnmatch_lines(["*fixture replay_settings: unknown setting 'lm'; did you mean 'llm'?"])
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef replay_tools(): return ['a']\n")
    project.run().stdout.fnmatch_lines(["*fixture replay_tools: it must return a mapping, not *"])


def test_a_fixture_may_build_on_the_one_it_overrides(project: Project) -> None:
    """Ours is false when nothing overrides it."""
    project.replay("one")
    project.write(
        "conftest.py",
        "import pytest\n@pytest.fixture\ndef replay_agent(replay_agent): return replay_agent or 'shop_agent:good'\n",
    )
    project.run(agent=None).assert_outcomes(passed=1)
