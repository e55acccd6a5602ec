"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def redaction_key() -> Iterator[None]:
    """A key for stand-ins, so that no test makes one in the user's folder, and all see the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENT_REPLAY_REDACTION_KEY", "a key that only the tests have")
        yield
