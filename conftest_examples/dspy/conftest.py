import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: the module itself."""
    return "labels:labeller"
