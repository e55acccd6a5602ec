"""Helpers to run code of a throw-away module inside a session."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.intercept.binding import Binder
from pytest_agent_replay.intercept.registry import install
from pytest_agent_replay.player.session import Session
from pytest_agent_replay.settings import Settings

MakeModule = Callable[..., ModuleType]
Play = Callable[..., Any]


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeModule]:
    """Writes and imports a module under a root of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(source: str, name: str | None = None, *, load: bool = True) -> Any:
        name = name or f"agent_{tmp_path.name.replace('-', '_')}_{len(made)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), "utf-8")
        made.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name) if load else name

    yield make
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """`with play(recordings, tools=…, settings=…) as session:` with the interceptors of functions active."""

    @contextmanager
    def run(
        recordings: list[dict[str, Any]], *, agent: str = "", settings: Settings | None = None, **file: Any
    ) -> Iterator[Session]:
        replay = ReplayFile.model_validate({"input": "hi", "tool_responses": recordings, **file})
        binder = Binder(str(tmp_path), [agent] if agent else [])
        session = Session(replay, settings or Settings(), label="test", bind=binder.bind_offered)
        with ExitStack() as stack:
            stack.enter_context(install([]))
            stack.enter_context(session)
            stack.enter_context(binder.active(session))
            session.begin_turn(1, input="hi", context=None)
            yield session

    return run
