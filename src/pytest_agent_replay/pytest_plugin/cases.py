"""From a replay, an item and every place where something can be set: the case that the runner runs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_agent_replay.contracts.place import resolve_contract
from pytest_agent_replay.errors import Problem, SettingsError
from pytest_agent_replay.formats.files import LoadedReplay
from pytest_agent_replay.formats.replay import Matching, ReplayFile
from pytest_agent_replay.pytest_plugin.options import NOT_GIVEN
from pytest_agent_replay.pytest_plugin.precedence import Given, Layer, merge, pick, settings_of
from pytest_agent_replay.pytest_plugin.project import SETTINGS, Project, checked_values
from pytest_agent_replay.runner import Case

if TYPE_CHECKING:
    from pytest_agent_replay.contracts.resolve import BoundContract
    from pytest_agent_replay.formats.loading import Document

__all__ = ["FixtureValues", "build_case", "marker_values"]

_ORIGINS = {
    "command line": "--replay-agent",
    "marker": "marker",
    "file": "file",
    "fixture": "fixture replay_agent",
    "ini": "ini replay_agent",
}


def marker_values(item: pytest.Item) -> dict[str, Any]:
    """The keyword arguments of the `replay` markers of an item; the closest marker wins. Raises `SettingsError`."""
    values: dict[str, Any] = {}
    for mark in item.iter_markers("replay"):
        values = {**mark.kwargs, **values}
    return checked_values(values, "@pytest.mark.replay") if values else values


class FixtureValues:
    """The values of the user's fixtures, each set up when it is first needed. None: not given."""

    def __init__(self, request: pytest.FixtureRequest, not_given: set[str] | None = None) -> None:
        self._request = request
        self._values: dict[str, Any] = {}
        self._not_given: set[str] = set() if not_given is None else not_given
        """Names that this project does not override here; kept by the caller for all items of one folder."""

    def __getitem__(self, name: str) -> Any:
        """The value of the fixture `replay_<name>`. Raises `SettingsError` for an async fixture that nobody awaited."""
        if name in self._not_given:
            return None
        if name not in self._values:
            value = self._of_fixture(name)
            if value is NOT_GIVEN:
                self._not_given.add(name)
                return None
            self._values[name] = self._checked(name, value)
        return self._values[name]

    def _of_fixture(self, name: str) -> Any:
        try:
            return self._request.getfixturevalue(f"replay_{name}")
        except pytest.fail.Exception as error:
            if "has no parameter defined" not in str(error):
                raise
        raise SettingsError(
            f"fixture replay_{name} has `params`, and pytest can run only tests once for each of them: write a test "
            f"with `@pytest.mark.replay(…)` that takes both, `def test_replays(replay, replay_{name}): replay.run()`"
        )

    def load_all(self) -> None:
        """Sets all of them up now: inside of a running event loop, async fixtures no longer can be."""
        for name in ("agent", "tools", "judge", "embeddings", "overrides", "settings"):
            self[name]

    def layer(self, *, agent: bool) -> Layer:
        """The settings among them; the agent's fixture is set up only when asked for."""
        given = self._mapping("settings")
        values = checked_values(given, "fixture replay_settings") if given else {}
        for name in ("tools", "overrides"):
            mapping = self._mapping(name)
            if mapping:
                values[name] = {**values.get(name, {}), **mapping}
        if agent and self["agent"] is not None:
            values["agent"] = self["agent"]
        return Layer("fixture", values)

    def _mapping(self, name: str) -> Mapping[str, Any]:
        value = self[name]
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise SettingsError(f"fixture replay_{name}: it must return a mapping, not {value!r}")
        return value

    @staticmethod
    def _checked(name: str, value: Any) -> Any:
        if inspect.iscoroutine(value):
            value.close()
        elif not inspect.isasyncgen(value):
            return value
        raise SettingsError(
            f"fixture replay_{name} is async and was not awaited: declare it with `@pytest_asyncio.fixture`, or let it "
            "depend on `anyio_backend`"
        )


def build_case(
    project: Project,
    item: pytest.Item,
    loaded: LoadedReplay,
    fixtures: FixtureValues,
    marker: Mapping[str, Any],
) -> Case:
    """Everything that the runner needs. `marker` are values of the `replay` marker, or of a call in the test.

    Raises `ReplayError` for what cannot be used: settings, contract.
    """
    replay = loaded.replay
    upper = (project.command_line, Layer("marker", marker), _file_layer(replay))
    fixture = fixtures.layer(agent=pick("agent", upper) is None)
    layers = (*upper, fixture, project.ini)
    settings = project.settings
    if marker or fixture.values or replay.tools or replay.overrides:
        settings = settings_of(layers, SETTINGS)
    agent = pick("agent", layers)
    return Case(
        replay=_with_upper(replay, upper[:2]),
        id=loaded.id,
        path=loaded.path,
        root=project.root,
        agent=agent.value if agent is not None else None,
        agent_origin=_ORIGINS[agent.origin] if agent is not None else "",
        contract=_contract(project, item, loaded, pick("contract", layers)),
        settings=settings,
        services=project.services(settings, fixtures["judge"], fixtures["embeddings"]),
        hooks=project.run_hooks(item),
        file=loaded.display,
    )


def _file_layer(replay: ReplayFile) -> Layer:
    values = {"agent": replay.agent, "contract": replay.contract}
    for name in ("tools", "overrides"):
        given = getattr(replay, name)
        if given:
            values[name] = given
    return Layer("file", values)


def _with_upper(replay: ReplayFile, upper: tuple[Layer, Layer]) -> ReplayFile:
    """The replay without what command line and marker say better (the settings have that), and with their matching."""
    changed: dict[str, Any] = {}
    for name in ("tools", "overrides"):
        given, own = merge(name, upper), getattr(replay, name)
        if given and own:
            changed[name] = {key: value for key, value in own.items() if key not in given}
    rules = merge("matching", upper)
    if rules:
        changed["matching"] = (replay.matching or Matching()).model_copy(update=rules)
    return replay.model_copy(update=changed) if changed else replay


def _contract(project: Project, item: pytest.Item, loaded: LoadedReplay, given: Given | None) -> BoundContract | None:
    if given is None:
        return None
    if given.origin == "file":
        folders = loaded.directories
    else:
        folders = (item.path.parent if given.origin == "marker" else project.root,)
    key = (given.value, given.origin, folders) if isinstance(given.value, str) else None
    found = project.named_contracts.get(key)
    if found is None:
        found = _resolved(project, loaded, given, folders[0])
        if key is not None:
            project.named_contracts[key] = found
    return found


def _resolved(project: Project, loaded: LoadedReplay, given: Given, folder: Path) -> BoundContract:
    if given.origin == "file":
        return resolve_contract(project.contracts, loaded)
    return project.contracts.resolve(given.value, folder / "contract", cast("Document", _Elsewhere(given)))


class _Elsewhere:
    """A contract that was named on the command line, by a marker or in the ini file."""

    def __init__(self, given: Given) -> None:
        self.path = f"contract ({given.origin})"
        self.data = {"contract": given.value}

    def at(self, loc: Any = ()) -> Any:
        value: Any = self.data
        for step in loc:
            value = value[step]
        return value

    def position(self, loc: Any = ()) -> tuple[int, int]:
        return 0, 0

    def problem(self, loc: Any, message: str) -> Problem:
        from pytest_agent_replay.formats.loading import field_path

        return Problem(self.path, 0, 0, message, field_path(tuple(loc)[1:]))
