import dome
import pytest

from cli import ScriptedCli


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test."""
    return "dome:answer"


@pytest.fixture(autouse=True)
def _without_the_cli(monkeypatch):
    """Only so that this example runs anywhere."""
    monkeypatch.setattr(dome, "transport", ScriptedCli)
