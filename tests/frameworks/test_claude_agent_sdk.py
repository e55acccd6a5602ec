"""What tools of the Claude Agent SDK have beside the matrix: two names, and results of several kinds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from tests.frameworks import bodies
from tests.frameworks.harness import calls, play, told

pytest.importorskip("claude_agent_sdk")
pytest.importorskip("openai")


def played(**recording: Any) -> tuple[list[dict[str, Any]], str]:
    """The calls for one recording, and what the model was told."""
    agent = import_module("tests.frameworks.apps.claude_agent_sdk").ask_query
    result = play(agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=[recording])
    assert bodies.ran == []
    return result.tool_calls, told(result)["requests"][-1][-1]["content"]


@pytest.mark.parametrize("name", ["mcp__shop__lookup", "lookup"])
def test_a_recording_has_the_name_of_the_model_or_of_the_tool(name: str) -> None:
    """The CLI offers tools with the name of their server."""
    (call,), said = played(tool=name, response="five")
    assert (call["tool"], call["call_id"], said) == (name, "call_1", "five")


def test_results_are_given_as_recorded() -> None:
    """JSON as text, content as it is, failures with their flag."""
    content = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert played(tool="lookup", response={"order": 1})[1] == '{\n  "order": 1\n}'
    assert played(tool="lookup", response=content)[1] == "onetwo"
    assert played(tool="lookup", response={"content": content, "isError": True})[1] == "failed: onetwo"
    assert played(tool="lookup", response="Error: none", failed=True)[1] == "failed: Error: none"
    assert played(tool="lookup", error="no such order")[1] == "failed: no such order"
