"""The JSON Schema for editors."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema
import pytest

from pytest_agent_replay.errors import FormatError
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.schema import replay_json_schema
from pytest_agent_replay.formats.validation import validate


@cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(replay_json_schema())


def loads(data: Any, text: str) -> bool:
    try:
        validate(ReplayFile, parse_document(text, "a.yaml"))
    except FormatError:
        return False
    return True


INCIDENT = """\
version: 1
id: incident-2026-02-15
name: "Prod incident: fabricated revenue figure"
source: {type: langsmith, run_id: r, project: p, url: u, imported_at: 2026-02-16}
captured_at: 2026-02-15T09:12:00Z
agent: my_app.agent:answer
tags: [finance, sev1]
context: [{role: system, content: Be careful.}]
input: "What was ACME Corp's Q3 revenue?"
tool_responses:
  - {tool: market_data_api, response: null, status: 504, latency_ms: 30000, x-note: 1}
  - {tool: web_search, args: {q: x}, error: {type: ValueError, message: no, attributes: {code: 5}}, origin: added}
  - {tool: t, stream: [1, {a: 2}], headers: {a: b, c: [d]}, times: 2, failed: true, status: 0}
llm_responses:
  - {content: x, tool_calls: [{id: c, name: n, args: {}}], usage: {input_tokens: 1, cost: 0.5}}
  - {status: 429, error: "rate limit", request: {model: m, system: "sha256:%s"}}
output: {a: [1]}
expected_failure: "Agent fabricated revenue"
contract: ["Finance Agent Contract", ./a.contract.yaml, {name: inline, invariants: []}]
tools: {a: "pkg.mod:callable", b: "GET https://api.example.com/v1/quote*", c: {route: "POST /x", match: {header: {}}}}
matching: {args: subset, ignore_args: [request_id], order: any, tools: {a: {unused: fail}}}
forks: [{name: f, at_turn: 1, input: y}, {name: g, overrides: {model: m}}]
golden: false
metadata: {a: 1}
scores: {reward: 0.0}
notes: n
expires: 2027-01-01
agent_config: {model: m}
clock: captured_at
import: {lost: []}
x-anything: [1, 2]
""" % ("a" * 64)

SESSION = """\
id: retail-0042
turns:
  - {output: "Hello"}
  - {input: "Hi", output: "Your name?", started_at: 2026-02-15, scores: {a: 1}, audio: a.wav}
  - {input: "Yusuf", tool_responses: [{tool: find, args: {zip: "19122"}, response: y}], ended: after_tool}
unanswered: "Thanks, bye"
contract: ./retail.contract.yaml
"""


@pytest.mark.parametrize(
    "text",
    [
        INCIDENT,
        SESSION,
        "input: null",
        "{parent: ./a.replay.yaml, at_turn: 2, input: y}",
        "{input: x, output: y, error: null, contract: null, clock: real, expires: ' 2027-01-01 '}",
        "{input: x, tools: {a: GET /x}, tool_responses: [{tool: 'any text: a'}, {tool: '*://h/x'}]}",
    ],
)
def test_what_loads_is_valid(text: str) -> None:
    """Files with every documented key are valid, and load."""
    data = parse_document(text, "a.yaml").data
    assert [error.message for error in validator().iter_errors(data)] == []
    assert loads(data, text)


@pytest.mark.parametrize(
    "text",
    [
        "id: a",
        "- a",
        "{input: x, tool_responses: [{tool: a, respnse: 1}]}",
        "{input: x, tool_responses: [{response: 1}]}",
        "{input: x, tool_responses: [{tool: a, status: 700}]}",
        "{input: x, tool_responses: [{tool: a, response: 1, stream: []}]}",
        "{input: x, tool_responses: [{tool: a, times: 0}]}",
        "{input: x, turns: [{input: y}]}",
        "{output: x, turns: [{input: y}]}",
        "{input: x, captured_at: yesterday}",
        "{input: x, clock: now}",
        "{input: x, golden: 'yes'}",
        "{input: x, id: 'a[b]'}",
        "{input: x, id: 'a::b'}",
        "{input: x, ended: after}",
        "{input: x, contract: 5}",
        "{input: x, context: 5}",
        "{input: x, tools: {a: {target: 'a:b', route: 'GET /x'}}}",
        "{input: x, tools: {a: {target: 'a.b'}}}",
        "{input: x, at_turn: 1}",
        "{input: x, forks: [{at_turn: 1}]}",
        "{input: x, version: 2}",
        "{input: x, llm_responses: [{content: a, request: {system: 'sha256:x'}}]}",
        "{input: x, tgas: []}",
        "{input: x, tools: {a: pkg.mod.callable}}",
        "{input: x, tool_responses: [{tool: 'GET https://h/a b'}]}",
        "{input: x, contract: [a, null]}",
        "{input: x, contract: ' '}",
        "{input: x, llm_responses: [{model: m}]}",
        "{input: x, forks: [{name: f}]}",
        "{input: x, output: y, error: z}",
        "{turns: [{input: x, output: y, error: z}]}",
        "{turns: [{output: x}]}",
        "{input: x, clock: captured_at}",
    ],
)
def test_mistakes_are_invalid(text: str) -> None:
    """What loading refuses is marked by editors too."""
    data = parse_document(text, "a.yaml").data
    assert not validator().is_valid(data)
    assert not loads(data, text)


def test_files_of_recordings_may_be_named() -> None:
    """`{responses: path}` may stand among the recordings."""
    assert validator().is_valid({"input": "x", "tool_responses": [{"responses": "./rec.yaml"}, {"tool": "a"}]})
    assert not validator().is_valid({"input": "x", "tool_responses": [{"responses": 5}]})


def test_the_schema_is_one() -> None:
    """The schema is valid for its own dialect, and every key of a replay file has a description."""
    schema = replay_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [key for key, field in schema["properties"].items() if not field.get("description")] == []
    fields = schema["$defs"]["ToolResponse"]["properties"]
    assert [key for key, field in fields.items() if not field.get("description")] == []
    assert set(schema["properties"]) == {field.alias or name for name, field in ReplayFile.model_fields.items()}


def test_patterns_are_understood_by_javascript() -> None:
    """Editors run the patterns in JavaScript, which lacks what only Python has."""
    text = str(replay_json_schema())
    assert not re.search(r"\(\?P|\\A|\\Z|\(\?#|\(\?[aiLmsux]+\)", text)
