import pytest


@pytest.fixture(scope="session")
def replay_agent():
    """The agent under test: an endpoint of an ASGI app."""
    import endpoints

    return endpoints.today
