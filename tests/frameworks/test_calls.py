"""The calls of tools that the files of frameworks report."""

from __future__ import annotations

import datetime
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import catch
from tests.frameworks.harness import play


def test_defaults_are_compared_by_their_json_form() -> None:
    """A date that the tool's signature gives is the text that is recorded; what has no such form does not count."""

    def look(input: str) -> Any:
        call = catch("mine", "look")
        assert call is not None
        defaults = {"since": datetime.date(2026, 1, 2), "lock": object()}
        return call.answer({"order": 1}, lambda: "real", defaults=defaults)

    recorded = {"tool": "look", "args": {"order": 1, "since": "2026-01-02"}, "response": "recorded"}
    result = play(look, tool_responses=[recorded])
    assert result.turns[0].output == "recorded"
    assert result.trace is not None
    assert result.trace.of_type("tool_called")[0].payload["defaults"] == {"since": "2026-01-02"}
