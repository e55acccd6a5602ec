import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test, as a reference. An async function needs nothing else: no plugin, no marker."""
    return "departures:answer"
