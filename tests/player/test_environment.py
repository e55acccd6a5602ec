"""Environment variables that several sessions share."""

from __future__ import annotations

import os

import pytest

from pytest_agent_replay.player.environment import SharedVariables

NAME = "AGENT_REPLAY_TEST_VARIABLE"


@pytest.fixture(params=[None, "theirs"])
def before(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What stands there before."""
    monkeypatch.setenv(NAME, request.param) if request.param else monkeypatch.delenv(NAME, raising=False)
    found: str | None = request.param
    return found


def test_the_last_user_puts_it_back(before: str | None) -> None:
    """Whoever was the first."""
    shared = SharedVariables(lambda: {NAME: "ours"})
    first, second = shared.set(), shared.set()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert os.environ[NAME] == "ours"
    second.__exit__(None, None, None)
    assert os.environ.get(NAME) == before


def test_what_is_changed_meanwhile_stays(before: str | None) -> None:
    """It belongs to whoever changed it."""
    with SharedVariables(lambda: {NAME: "ours"}).set():
        os.environ[NAME] = "changed"
    assert os.environ[NAME] == "changed"


def test_an_interrupt_on_the_way_in_leaves_nothing_behind(before: str | None) -> None:
    """The next user is the first again: a time limit may strike while it is still found out what to set."""
    interrupts = [KeyboardInterrupt]

    def wanted() -> dict[str, str]:
        if interrupts:
            raise interrupts.pop()
        return {NAME: "ours"}

    shared = SharedVariables(wanted)
    with pytest.raises(KeyboardInterrupt), shared.set():
        pytest.fail("it was entered")
    assert os.environ.get(NAME) == before
    with shared.set():
        assert os.environ[NAME] == "ours"
    assert os.environ.get(NAME) == before
