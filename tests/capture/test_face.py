"""A capture is to interceptors what a replay is: it has all that they use."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import pytest_agent_replay.intercept
from pytest_agent_replay.capturing.session import CaptureSession
from pytest_agent_replay.player.session import Session

ONLY_OF_REPLAYS = {"waits", "has_gone_live"}
"""Used behind `session.observes` alone."""
INTERCEPT = Path(pytest_agent_replay.intercept.__file__).parent


def used() -> set[str]:
    """The attributes of sessions that the interceptors use."""
    found = set()
    for path in INTERCEPT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = (
                    owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                )
                if name in ("session", "_session"):
                    found.add(node.attr)
    made = {"functions", "background", "targets", "label", "replay"}
    return ((found & set(dir(Session))) - ONLY_OF_REPLAYS) | made


def test_it_has_every_attribute_that_interceptors_use() -> None:
    """Among them those that a session gets when it is made."""
    session = CaptureSession("test")
    missing = [name for name in sorted(used()) if not hasattr(session, name)]
    assert missing == []
    assert {"call_tool", "tool_finished", "inside", "offered", "passes"} <= used()


@pytest.mark.parametrize("name", sorted(name for name in used() if inspect.isfunction(getattr(Session, name, None))))
def test_its_methods_take_what_those_of_a_replay_take(name: str) -> None:
    """By the same names."""
    theirs = inspect.signature(getattr(Session, name)).parameters
    ours = inspect.signature(getattr(CaptureSession, name)).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in ours.values()):
        assert theirs.keys() <= ours.keys()
