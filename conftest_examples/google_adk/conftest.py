import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: the `LlmAgent` object itself."""
    return "vineyard:agent"
