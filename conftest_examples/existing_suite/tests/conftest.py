import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: a class, so every session has its own instance."""
    return "disputes:DisputeAgent"


@pytest.fixture(scope="session")
def replay_tools():
    """Where a tool's name is not the name of a function of its own, it is bound here."""
    return {"get_payment": "disputes:CardNetwork.payment"}
