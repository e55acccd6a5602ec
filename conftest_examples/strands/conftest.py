import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: a function around an `Agent` of Strands."""
    return "lighting:answer"
