import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: the `Agent` object itself."""
    return "irrigation:agent"
