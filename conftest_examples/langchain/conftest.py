import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: the compiled graph itself."""
    return "loans:desk"
