"""pytest's door: hooks and fixtures that delegate. Nothing else is loaded until a replay is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.pytest_plugin.options import NOT_GIVEN, add_options, check_usage

_SUFFIXES = (".replay.yaml", ".replay.yml", ".replay.json")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the options and ini values."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declares the hooks that projects can implement."""
    from pytest_agent_replay.pytest_plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker, and refuses options and ini values that cannot be used."""
    config.addinivalue_line(
        "markers",
        "replay(*files, agent=None, contract=None, **settings): run the test once for each recorded session in these "
        "files or globs; drive it with the `replay` fixture. Every item of a replay file has this marker too.",
    )
    check_usage(config)
    if config.getoption("replay_json") is not None:
        _use(config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Fetches new sessions before anything is collected, when asked."""
    if session.config.getoption("replay_import"):
        from pytest_agent_replay.pytest_plugin.importing import import_configured

        import_configured(session.config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collects replay files by their names, and files that were asked for with `--replay-collect`."""
    if not file_path.name.endswith(_SUFFIXES) and not _asked_for(file_path, parent.config):
        return None
    _use(parent.config)
    from pytest_agent_replay.pytest_plugin.nodes import ReplayModule

    node: pytest.Collector = ReplayModule.from_parent(parent, path=file_path)
    return node


def _asked_for(path: Path, config: pytest.Config) -> bool:
    asked = config.getoption("replay_collect")
    return bool(asked) and any(config.invocation_params.dir / each == path for each in asked)


def _use(config: pytest.Config) -> None:
    from pytest_agent_replay.pytest_plugin.reporting import reporting_of

    reporting_of(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes tests that have the marker and take the `replay` fixture."""
    if "replay" in metafunc.fixturenames and any(m.args for m in metafunc.definition.iter_markers("replay")):
        _use(metafunc.config)
        from pytest_agent_replay.pytest_plugin.marked import parametrize

        parametrize(metafunc)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuses a marker that would do nothing."""
    if not hasattr(item, "packed") and "replay" in item.keywords and item.get_closest_marker("replay") is not None:
        from pytest_agent_replay.pytest_plugin.marked import unused_marker

        problem = unused_marker(item)
        if problem is not None:
            pytest.fail(problem, pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """The controller of a distributed run collects nothing itself, and still has to hear of replays."""
    _use(config)


@pytest.fixture(scope="session")
def replay_agent() -> Any:
    """The agent under test. Override it: an object, or a reference `pkg.mod:name`; None when it is given elsewhere."""
    return NOT_GIVEN


@pytest.fixture(scope="session")
def replay_tools() -> Any:
    """Override it to bind tools: a mapping of names to `pkg.mod:callable`, routes or tool objects."""
    return NOT_GIVEN


@pytest.fixture(scope="session")
def replay_judge() -> Any:
    """Override it to judge `llm_judge` invariants: called as `judge(rubric=…, answer=…, input=…, trace=…)`."""
    return NOT_GIVEN


@pytest.fixture(scope="session")
def replay_embeddings() -> Any:
    """Override it to compare texts by embeddings: a function from a list of texts to a list of vectors."""
    return NOT_GIVEN


@pytest.fixture(scope="session")
def replay_overrides() -> Any:
    """Override it with a mapping that is handed to agent factories as `overrides`."""
    return NOT_GIVEN


@pytest.fixture(scope="session")
def replay_settings() -> Any:
    """Override it with a mapping of settings by their names, such as `{"llm": "recorded"}`."""
    return NOT_GIVEN


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Any:
    """The recorded session of a test marked with `@pytest.mark.replay(…)`: `replay.run()`, `await replay.arun()`."""
    from pytest_agent_replay.pytest_plugin.marked import make_replay

    return make_replay(request)
