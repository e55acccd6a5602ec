"""The tests that the suite had before, and the recorded sessions beside them."""

import asyncio

import pytest
from disputes import payment_in


def test_payment_numbers_are_found():
    assert payment_in("It is about P-77.") == "P-77"
    assert payment_in("Hello") is None


@pytest.mark.replay("replays/*.replay.yaml")
def test_recorded_sessions(replay):
    """One test for each session; fails as the session itself would."""
    replay.run()


@pytest.mark.replay("replays/no-consent.replay.yaml")
def test_consent_is_asked_for_with_the_fee(replay):
    """The result is there to be looked at by the test's own assertions, too."""
    result = replay.run(check=False)
    assert "15 EUR" in result.turns[0].output
    assert [call["tool"] for call in result.tool_calls] == ["get_payment", "open_dispute"]


@pytest.mark.replay("replays/no-consent.replay.yaml")
def test_inside_of_an_event_loop(replay):
    """Async tests await `arun`."""
    asyncio.run(replay.arun())
