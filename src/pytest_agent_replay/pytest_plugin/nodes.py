"""Replay files and replays as pytest sees them. The only module that subclasses pytest's classes.

A file is a `pytest.Module` with an empty module, a replay a `pytest.Function`: so fixtures of every scope, marks,
reruns and the rest of pytest do what they do for tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.pytest_plugin.playing import RESULTS, ReplayFailed, conclude, note, record
from pytest_agent_replay.pytest_plugin.project import project_of

if TYPE_CHECKING:
    import pluggy

    from pytest_agent_replay.formats.files import LoadedReplay, PackedReplay

__all__ = ["ReplayItem", "ReplayModule", "ScanItem"]


def play() -> None:
    """Stands for `ReplayItem.play` while pytest asks what every replay item is: its fixtures, its marks."""


play.pytestmark = [pytest.mark.replay.mark]  # type: ignore[attr-defined]


class ReplayModule(pytest.Module):
    """One replay file."""

    def _getobj(self) -> ModuleType:
        return ModuleType(self.path.name.replace(".", "_"))

    def collect(self) -> Iterable[pytest.Item]:
        """One item for each session of the file; for a file that cannot be loaded, one that fails with the reason.

        With `replay_scan`, one more that looks for secrets and personal data in the file.
        """
        project = project_of(self.config)
        try:
            loaded = project.load(self.path)
        except FormatError as error:
            broken = self._broken(self.path.name.partition(".")[0] or self.path.name, str(error))
            return [broken, *self._scan({broken.name})]
        items: list[ReplayItem] = []
        names: set[str] = set()
        for each in loaded:
            other = project.duplicate_of(each)
            problem = None
            if other is not None:
                problem = str(each.problem(("id",), f"the id `{each.id}` is taken by {other}; ids are unique in a run"))
            name = each.id if each.id not in names else f"{each.id}@line-{each.line}"
            names.add(name)
            items.append(self._item(name, each, problem))
        return [*items, *self._scan(names)]

    def _scan(self, taken: set[str]) -> list[pytest.Item]:
        if not self.config.getini("replay_scan"):
            return []
        name = next(name for name in ("scan", "replay-scan", "scan-of-the-file") if name not in taken)
        item: pytest.Item = ScanItem.from_parent(self, name=name)
        return [item]

    def _item(self, name: str, loaded: LoadedReplay, problem: str | None) -> ReplayItem:
        item = self._new(name)
        item.packed = loaded.packed()
        item.problem = problem
        if item.packed.tags:
            item.extra_keyword_matches.update(item.packed.tags)
        return item

    def _broken(self, name: str, problem: str) -> ReplayItem:
        item = self._new("".join(c if c.isprintable() and c not in "[]" else "-" for c in name))
        item.problem = problem
        return item

    def _new(self, name: str) -> ReplayItem:
        # what fixtures an item needs depends on its folder alone, as long as files define none
        cache = self.config.stash.setdefault(_FIXTURES, {})
        folder = self.path.parent
        known = cache.get(folder)
        item: ReplayItem = ReplayItem.from_parent(self, name=name, callobj=play, fixtureinfo=known)
        item.obj = item.play
        if known is None:
            cache[folder] = getattr(item, "_fixtureinfo", None)
        return item


_NOT_GIVEN = pytest.StashKey[dict[Path, set[str]]]()
_FIXTURES = pytest.StashKey[dict[Path, Any]]()


class ReplayItem(pytest.Function):
    """One replay."""

    packed: PackedReplay | None = None
    """None when the file could not be loaded."""
    problem: str | None = None
    """Why the replay cannot be run."""

    _hooks: pluggy.HookRelay | None = None

    @property
    def ihook(self) -> pluggy.HookRelay:
        """The hooks that are seen from here: found anew while files are collected, and once when tests run."""
        return self._hooks or super().ihook

    def setup(self) -> None:
        """Sets up fixtures."""
        self._hooks = super().ihook
        super().setup()

    def play(self) -> None:
        """Runs the replay. Raises `ReplayFailed`, `ReplayError`, or skips.

        Synchronous, so that no plugin for async tests takes the item over.
        """
        from pytest_agent_replay.pytest_plugin.cases import FixtureValues, build_case, marker_values
        from pytest_agent_replay.runner import run_replay

        if self.problem is not None:
            raise ReplayError(self.problem)
        assert self.packed is not None
        loaded = self.packed.unpacked()
        if loaded.replay.parent is not None:
            pytest.skip("a replay with `parent` is checked, and not run yet")
        project = project_of(self.config)
        case = build_case(project, self, loaded, FixtureValues(self._request, self._not_given()), marker_values(self))
        if project.records:
            pytest.skip(record(project, case))
        if loaded.replay.expires is not None:
            self._warn_if_expired(loaded.replay.expires)
        result = run_replay(case)
        note(project, self, loaded, result)
        conclude(project, result, skip=True)

    def _warn_if_expired(self, expires: str) -> None:
        from datetime import datetime, timezone

        from pytest_agent_replay.formats.times import parse_time

        if parse_time(expires) <= datetime.now(timezone.utc):
            self.warn(pytest.PytestWarning(f"this replay expired {expires}; `agent-replay prune` deletes such files"))

    def _not_given(self) -> set[str]:
        # like the fixtures that an item needs, those that its project overrides are the same in all of a folder
        return self.config.stash.setdefault(_NOT_GIVEN, {}).setdefault(self.path.parent, set())

    def runtest(self) -> None:
        """Forgets the results of an earlier attempt, then runs."""
        self.stash[RESULTS] = []
        super().runtest()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """Our own failures and users' mistakes as plain text, without a traceback."""
        if isinstance(excinfo.value, (ReplayFailed, ReplayError)):
            return _as_text(self, excinfo)
        return super().repr_failure(excinfo, *args, **kwargs)

    @cached_property
    def location(self) -> tuple[str, int | None, str]:
        """What `reportinfo` says, with the path from the root: as pytest's own, with less work for paths below it."""
        path, line, title = self.reportinfo()
        text, root = str(path), os.path.join(self.config.rootpath, "")
        return (text[len(root) :], line, title) if text.startswith(root) else super().location

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Path, line from 0, and title."""
        return self.path, (self.packed.line - 1 if self.packed is not None else 0), self.name


class ScanItem(pytest.Item):
    """Looks for secrets and personal data in a replay file."""

    def runtest(self) -> None:
        """Raises `ReplayError` with each finding and its place."""
        from pytest_agent_replay.redaction import project_rules
        from pytest_agent_replay.redaction.files import scan_file

        root = self.config.rootpath
        shown = str(self.path.relative_to(root)) if self.path.is_relative_to(root) else str(self.path)
        found = scan_file(self.path, project_rules(root), display=shown)
        if found:
            raise ReplayError("\n".join(map(str, found)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """The findings without a traceback."""
        if isinstance(excinfo.value, ReplayError):
            return _as_text(self, excinfo)
        return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Path, line from 0, and title."""
        return self.path, 0, self.name


def _as_text(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """What an exception says, without a traceback; as the place of the crash, that of the item in its file.

    The summary, junit, `--tb=line` and plugins show message and place of a crash; of a mere text, older versions show
    nothing.
    """
    shown = excinfo.getrepr(style="value", chain=False)
    crash = shown.reprcrash
    if crash is not None:
        path, line, _ = item.reportinfo()
        crash.path, crash.lineno = str(path), (line or 0) + 1
        crash.message = str(excinfo.value).partition("\n")[0]
    return shown
