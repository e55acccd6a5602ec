"""`@pytest.mark.replay("file or glob", …)` on ordinary tests, and the `replay` fixture that they drive it with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agent_replay.errors import FormatError, ReplayError, SettingsError
from pytest_agent_replay.pytest_plugin.playing import RESULTS, conclude, note
from pytest_agent_replay.pytest_plugin.project import Project, project_of

if TYPE_CHECKING:
    from pytest_agent_replay.formats.files import PackedReplay
    from pytest_agent_replay.formats.replay import ReplayFile
    from pytest_agent_replay.report.results import ReplayResult
    from pytest_agent_replay.runner import Case
    from pytest_agent_replay.trace.model import Trace

__all__ = ["Param", "Replay", "make_replay", "parametrize", "unused_marker"]


class Param:
    """What the test is parametrized with: a replay, or why there is none."""

    def __init__(self, id: str, packed: PackedReplay | None, problem: str | None = None) -> None:
        self.id = id
        self.packed = packed
        self.problem = problem


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Gives the test one parameter for each replay in the files that its marker names."""
    definition = metafunc.definition
    patterns = [pattern for mark in definition.iter_markers("replay") for pattern in mark.args]
    project = project_of(definition.config)
    params: dict[str, Param] = {}
    for pattern in patterns:
        for param in _params(project, pattern, definition.path.parent):
            known = params.get(param.id)
            if known is not None and known.packed is not None and _place(known.packed) == _place(param.packed):
                continue  # two patterns may name one file
            if known is not None and param.packed is not None and known.packed is not None:
                param = Param(f"{param.id}@{len(params)}", None, _taken(param.packed, known.packed))
            params[param.id] = param
    metafunc.parametrize("replay", list(params.values()), indirect=True, ids=list(params))


def _taken(packed: PackedReplay, known: PackedReplay) -> str:
    return f"{_place(packed)}: the id `{packed.id}` is taken by {_place(known)}; ids are unique in a run"


def _place(packed: PackedReplay | None) -> str:
    return f"{packed.display}:{packed.line}" if packed is not None else ""


def _params(project: Project, pattern: Any, directory: Path) -> list[Param]:
    try:
        paths = _matches(project, pattern, directory)
    except SettingsError as error:
        return [Param("no-replay", None, str(error))]
    return [param for path in paths for param in _of_file(project, path)]


def _of_file(project: Project, path: Path) -> list[Param]:
    try:
        return [Param(each.id, each.packed()) for each in project.load(path)]
    except FormatError as error:
        return [Param(path.name.partition(".")[0], None, str(error))]


def _matches(project: Project, pattern: Any, directory: Path) -> list[Path]:
    """The files that a pattern names, relative to the test's folder, else to the root. Raises `SettingsError`."""
    if not isinstance(pattern, (str, Path)):
        raise SettingsError(f"@pytest.mark.replay: {pattern!r} is not the path of a replay file, nor a glob")
    for base in dict.fromkeys((directory, project.root)):
        found = _below(base, Path(pattern))
        if found:
            return found
    kind = "matches no file" if has_magic(str(pattern)) else "is not a file"
    hint = "" if has_magic(str(pattern)) else _near(directory / pattern)
    seen_from = " and ".join(dict.fromkeys((str(directory), str(project.root))))
    raise SettingsError(f"@pytest.mark.replay: {str(pattern)!r} {kind}, seen from {seen_from}{hint}")


def _below(base: Path, pattern: Path) -> list[Path]:
    if not has_magic(str(pattern)):
        path = base / pattern
        return [path] if path.is_file() else []
    if pattern.is_absolute():
        base, pattern = Path(pattern.anchor), pattern.relative_to(pattern.anchor)
    return sorted(path for path in base.glob(str(pattern)) if path.is_file())


def _near(path: Path) -> str:
    from difflib import get_close_matches

    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def unused_marker(item: pytest.Item) -> str | None:
    """Why the `replay` marker of an ordinary test does nothing; None when it does its work."""
    if "replay" not in getattr(item, "fixturenames", ()):
        return (
            "@pytest.mark.replay: the test does not take the `replay` fixture, so no replay would be run. Add a "
            "parameter `replay` and call `replay.run()`"
        )
    if not any(mark.args for mark in item.iter_markers("replay")):
        return (
            "@pytest.mark.replay: it names no file. Give a path or a glob: @pytest.mark.replay('replays/*.replay.yaml')"
        )
    return None


def make_replay(request: pytest.FixtureRequest) -> Replay:
    """The value of the `replay` fixture."""
    param = getattr(request, "param", None)
    if not isinstance(param, Param):
        pytest.fail(
            "the `replay` fixture needs a marker that names replay files: @pytest.mark.replay('replays/*.replay.yaml')",
            pytrace=False,
        )
    if param.packed is None:
        pytest.fail(param.problem or "no replay", pytrace=False)
    from pytest_agent_replay.pytest_plugin.cases import FixtureValues, marker_values

    fixtures = FixtureValues(request)
    try:
        fixtures.load_all()
        values = marker_values(request.node)
    except ReplayError as error:
        pytest.fail(str(error), pytrace=False)
    return Replay(request.node, param.packed, fixtures, values)


class Replay:
    """One recorded session, ready to be replayed by a test."""

    def __init__(self, item: pytest.Item, packed: PackedReplay, fixtures: Any, values: Mapping[str, Any]) -> None:
        self._item = item
        self._packed = packed
        self._fixtures = fixtures
        self._values = values
        item.stash[RESULTS] = []
        self.was_run = False
        self._result: ReplayResult | None = None

    def __repr__(self) -> str:
        return f"<Replay {self.id} of {self._packed.display}>"

    @property
    def id(self) -> str:
        """The id of the replay."""
        return self._packed.id

    @cached_property
    def _loaded(self) -> Any:
        return self._packed.unpacked()

    @property
    def file(self) -> ReplayFile:
        """The replay file, as written."""
        replay: ReplayFile = self._loaded.replay
        return replay

    @cached_property
    def recorded(self) -> Trace:
        """What production did, as a trace."""
        from pytest_agent_replay.trace.recorded import recorded_trace

        return recorded_trace(self.file)

    @property
    def result(self) -> ReplayResult:
        """The result of the last run. Raises `ReplayError` before the first."""
        if self._result is None:
            raise ReplayError(f"{self.id}: there is no result before `replay.run()` was called")
        return self._result

    @property
    def trace(self) -> Trace:
        """What happened in the last run. Raises `ReplayError` before the first."""
        trace = self.result.trace
        if trace is None:
            raise ReplayError(f"{self.id}: the last run left no trace")
        return trace

    def run(self, agent: Any = None, *, check: bool = True, **overrides: Any) -> ReplayResult:
        """Replays the session, and fails the test unless it passes (`check=False`: the test looks itself).

        `agent` replaces the one of marker, file, fixture and ini; `overrides` are handed to agent factories. Raises
        `AssertionError` with the result's text, `ReplayError` for what cannot be run, also an async agent while an
        event loop runs: `await arun()` there.
        """
        __tracebackhide__ = True
        from pytest_agent_replay.runner import run_replay

        try:
            result = run_replay(self._case(agent, overrides))
        except ReplayError as error:
            raise error.with_traceback(None) from None  # its text says all; how we came to it is of no use
        return self._noted(result, check)

    async def arun(self, agent: Any = None, *, check: bool = True, **overrides: Any) -> ReplayResult:
        """`run` on the running event loop."""
        __tracebackhide__ = True
        from pytest_agent_replay.runner import run_replay_async

        try:
            result = await run_replay_async(self._case(agent, overrides))
        except ReplayError as error:
            raise error.with_traceback(None) from None
        return self._noted(result, check)

    def _case(self, agent: Any, overrides: dict[str, Any]) -> Case:
        from pytest_agent_replay.pytest_plugin.cases import build_case

        self.was_run = True
        if project_of(self._item.config).records:
            pytest.skip("--replay-record records the items of replay files; this is a test that plays one")
        values = dict(self._values)
        if agent is not None:
            values["agent"] = agent
        if overrides:
            values["overrides"] = {**(values.get("overrides") or {}), **overrides}
        return build_case(project_of(self._item.config), self._item, self._loaded, self._fixtures, values)

    def _noted(self, result: ReplayResult, check: bool) -> ReplayResult:
        __tracebackhide__ = True
        self._result = result
        project = project_of(self._item.config)
        note(project, self._item, self._loaded, result)
        if check:
            conclude(project, result, skip=False)
        return result
