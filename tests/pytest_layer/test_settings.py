"""Where settings come from, which one holds, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.errors import SettingsError
from pytest_agent_replay.pytest_plugin.precedence import Layer, merge, pick, settings_of
from tests.pytest_layer.project import Project

pytest_plugins = ["pytester"]

ORDER = ("command line", "marker", "file", "fixture", "ini")


@pytest.mark.parametrize("given", [ORDER[i:] for i in range(len(ORDER))], ids=lambda given: given[0])
def test_the_highest_layer_that_gives_a_value_wins(given: tuple[str, ...]) -> None:
    """Command line > marker > file > fixture > ini, for every subset from the bottom."""
    layers = [Layer(origin, {"llm": origin} if origin in given else {}) for origin in ORDER]
    found = pick("llm", layers)
    assert found == (given[0], given[0])


def test_mappings_are_merged_key_by_key() -> None:
    """A tool that only a lower layer binds stays bound."""
    layers = [Layer("marker", {"tools": {"a": 1}}), Layer("ini", {"tools": {"a": 2, "b": 3}})]
    assert merge("tools", layers) == {"a": 1, "b": 3}


def test_unknown_settings_are_refused_with_the_nearest_name() -> None:
    """Also where settings are put together."""
    with pytest.raises(SettingsError, match=r"'latncy'; did you mean 'latency'"):
        settings_of([Layer("marker", {"latncy": 1})], ["latncy"]).merged(latncy=1)


def agent_said_by(project: Project, *options: str) -> str:
    """Which of the agents answered."""
    result = project.run("-rA", "--replay-json=out.json", *options, agent=None)
    assert result.ret in (0, 1)
    output: str = project.results()["replays"][0]["turns"][0]["output"]
    return output


def test_the_agent_is_taken_from_the_highest_place_that_names_one(project: Project) -> None:
    """Ini, fixture, file, marker and command line, each over the one before."""
    project.write(
        "who.py", "\n".join(f"def by_{n}(question): return '{n}'" for n in ("ini", "fix", "file", "mark", "cli"))
    )
    project.replay("one")
    project.ini("replay_agent = who:by_ini")
    assert agent_said_by(project) == "ini"
    fixture = "import pytest\n@pytest.fixture\ndef replay_agent(): return 'who:by_fix'\n"
    project.write("conftest.py", fixture)
    assert agent_said_by(project) == "fix"
    project.replay("one", extra="agent: who:by_file\n")
    assert agent_said_by(project) == "file"
    marker = (
        "def pytest_collection_modifyitems(items):\n    items[0].add_marker(pytest.mark.replay(agent='who:by_mark'))\n"
    )
    project.write("conftest.py", fixture + marker)
    assert agent_said_by(project) == "mark"
    assert agent_said_by(project, "--replay-agent=who:by_cli") == "cli"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--replay-llm=recorde", "'recorde' is not one of auto, prefix, recorded, live; did you mean 'recorded'?"),
        ("--replay-latency=vitual", "did you mean 'virtual'?"),
        ("--replay-latency=-1", "neither `virtual` nor `real` nor a factor"),
        ("--replay-network=gard", "did you mean 'guard'?"),
        ("--replay-fail-on=hihg", "did you mean 'high'?"),
        ("--replay-tool=search", "is not NAME=TARGET"),
        ("--replay-agent=", "it is empty"),
        ("--replay-json=", "it is empty"),
        ("--replay-traces=", "it is empty"),
        ("--replay-json=.", "is a folder; name a file"),
        ("--replay-collect=nobody.yaml", "there is no file"),
    ],
)
def test_a_wrong_value_on_the_command_line_is_wrong_usage(project: Project, option: str, said: str) -> None:
    """With the nearest right value, before anything is collected."""
    result = project.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("replay_llm = lve", "replay_llm: 'lve' is not one of"),
        ("replay_max_calls = many", "replay_max_calls: 'many' is not a whole number"),
        ("replay_max_file_size = 3 parsec", "replay_max_file_size: "),
        ("replay_allow_inconclusive = perhaps", "neither true nor false"),
        ("replay_unused = repot", "did you mean 'report'?"),
        ("replay_tools = search", "replay_tools: 'search' is not NAME=TARGET"),
        ("replay_scan = maybe", "replay_scan: "),
        ("replay_allow_hosts = 'a", "replay_allow_hosts: "),
    ],
)
def test_a_wrong_value_in_the_ini_file_is_wrong_usage(project: Project, line: str, said: str) -> None:
    """It names the file and the option."""
    project.ini(line)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert "tox.ini" in result.stderr.str()


SEEN = """
import pytest
def pytest_agent_replay_result(item, result):
    from pytest_agent_replay.pytest_plugin.project import project_of
    settings = project_of(item.config).settings
    print("SEEN", repr(getattr(settings, "{name}")))
"""


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("--replay-llm=recorded", "llm", "recorded"),
        ("--replay-latency=real", "latency", 1.0),
        ("--replay-latency=0.1", "latency", 0.1),
        ("--replay-network=allow", "network", "allow"),
        ("--replay-fail-on=high", "fail_on", "high"),
        ("--replay-require-red", "require_red", True),
        ("--replay-tool=search=GET https://x.test/s*", "tools", {"search": "GET https://x.test/s*"}),
        ("replay_llm = live", "llm", "live"),
        ("replay_max_calls = 7", "max_calls", 7),
        ("replay_max_file_size = 2 MiB", "max_file_size", 2 * 1024 * 1024),
        ("replay_allow_hosts = *.test localhost", "allow_hosts", ("*.test", "localhost")),
        ("replay_allow_modules = lib.*", "allow_modules", ("lib.*",)),
        ("replay_allow_python_checks = yes", "allow_python_checks", True),
        (
            "replay_tools =\n  a = wave:open\n  b = GET https://x.test/?q=1",
            "tools",
            {"a": "wave:open", "b": "GET https://x.test/?q=1"},
        ),
        (
            "replay_args = exact\nreplay_ignore_args = /id ts",
            "matching",
            {"args": "exact", "ignore_args": ["/id", "ts"]},
        ),
        ("replay_unused = fail\nreplay_order = strict", "matching", {"order": "strict", "unused": "fail"}),
    ],
)
def test_every_option_reaches_the_settings(project: Project, given: str, name: str, value: Any) -> None:
    """Command line and ini alike."""
    project.replay("one")
    project.write("conftest.py", SEEN.replace("{name}", name))
    options = [given] if given.startswith("--") else []
    if not options:
        project.ini(given)
    project.run("-s", *options).stdout.fnmatch_lines([f"*SEEN {value!r}".replace("[", "[[]")])


def test_the_command_line_is_over_the_ini_file(project: Project) -> None:
    """For settings as for the agent."""
    project.replay("one")
    project.write("conftest.py", SEEN.replace("{name}", "llm"))
    project.ini("replay_llm = live")
    project.run("-s", "--replay-llm=recorded").stdout.fnmatch_lines(["*SEEN 'recorded'"])


def test_fail_on_lets_failures_of_lower_severity_pass(project: Project) -> None:
    """`lazy` calls no tool, which is a failure of medium severity."""
    project.replay("one")
    project.run(agent="lazy").assert_outcomes(failed=1)
    project.run("--replay-fail-on=high", agent="lazy").assert_outcomes(passed=1)


def test_require_red_fails_a_contract_that_would_not_have_caught_the_incident(project: Project) -> None:
    """Without it, the summary says so and the replay passes."""
    project.write("weak.contract.yaml", "name: Weak\ninvariants:\n  - {type: tool_called, tool: lookup}\n")
    project.replay("one")
    result = project.run("--replay-contract=Weak")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["would not have caught its incident*: 1: one"])
    result = project.run("--replay-contract=Weak", "--replay-require-red")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one: the contract holds on what production did*"])


def test_a_contract_of_the_ini_file_serves_replays_that_name_none(project: Project) -> None:
    """And one of the file is over it; a wrong name is the failure of the replay."""
    project.write(
        "a.replay.yaml", "id: a\ninput: total of 7\ntool_responses: [{tool: lookup, response: {total: 12}}]\n"
    )
    project.ini("replay_contract = Order Contract")
    project.run().assert_outcomes(passed=1)
    result = project.run("--replay-contract=Ordr Contract")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*command line*Ordr Contract*did you mean*Order Contract*"])


def test_tools_of_the_command_line_are_over_those_of_the_file(project: Project) -> None:
    """A binding that the file gets wrong is set right."""
    project.write(
        "a.replay.yaml",
        "id: a\ninput: total of 7\ntools: {find: 'shop_agent:nothing'}\ncontract: Order Contract\n"
        "tool_responses: [{tool: find, response: {total: 12}}]\n",
    )
    project.run().assert_outcomes(failed=1)
    result = project.run("--replay-tool=find=shop_agent:lookup", "--replay-json=out.json")
    assert project.results()["replays"][0]["turns"][0]["output"] == "Order 7 costs 12 dollars."
    assert result.ret == 1
