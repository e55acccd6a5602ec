import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: a function that takes the user's question and returns the answer."""
    from expenses import answer

    return answer
