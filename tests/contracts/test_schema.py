"""The JSON Schema of contracts, for editors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_agent_replay.contracts import Case, Finding, Invariant, Registry, check
from pytest_agent_replay.contracts.schema import contract_json_schema

SCHEMA = contract_json_schema(Registry(entry_points=False))
VALIDATOR = Draft202012Validator(SCHEMA)
SESSION: dict[str, Any] = {
    "name": "Finance",
    "extends": ["./base.yaml"],
    "x-owner": "me",
    "invariants": [
        {"type": "regex", "pattern": "x", "severity": "critical", "when": "tool_faults_active", "x-why": 1},
        {"type": "tool_called", "tool": "t", "args": {"a": 1}, "when": {"tool_failed": "t"}, "turn": [1, 2]},
        {"type": "json_schema", "schema": {"type": "object"}},
        {"type": "trajectory", "tools": ["a", {"tool": "b"}], "mode": "subset"},
    ],
}


def test_the_schema_is_a_schema() -> None:
    """Of the draft that it names."""
    Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("data", [SESSION, [SESSION], {"contracts": [SESSION]}, {"name": "empty"}])
def test_every_form_of_file_is_valid(data: Any) -> None:
    """One contract, a list, and `contracts:`."""
    assert list(VALIDATOR.iter_errors(data)) == []


@pytest.mark.parametrize(
    "invariant",
    [{"type": "regexp"}, {"type": "regex"}, {"type": "regex", "pattern": "x", "value": 1}, {"pattern": "x"},
     {"type": "completes", "severity": "urgent"}, {"type": "completes", "when": "sometimes"}],
)  # fmt: skip
def test_mistakes_are_seen(invariant: dict[str, Any]) -> None:
    """The parameters of the type that is written are the ones that count."""
    assert list(VALIDATOR.iter_errors({"invariants": [invariant]}))


@pytest.mark.parametrize("data", [[{}], {"contracts": [{}]}, {"contracts": [{"name": "x"}], "foo": 1}, {"foo": 1}])
def test_what_loading_refuses_of_a_file_is_no_contract(data: Any) -> None:
    """Contracts of a list have names, and nothing stands beside `contracts`."""
    assert list(VALIDATOR.iter_errors(data))


def test_all_that_it_defines_is_used() -> None:
    """Nothing is in it that is not of the format."""
    text = json.dumps(SCHEMA)
    assert [name for name in SCHEMA["$defs"] if f'"#/$defs/{name}"' not in text] == []


def test_the_types_of_plugins_are_in_it() -> None:
    """With their own parameters."""

    class Shout(Invariant):
        loud: int

    @check("shout", Shout)
    def shout(params: Shout, case: Case) -> Finding:
        return Finding(True, "x")

    validator = Draft202012Validator(contract_json_schema(Registry([shout], entry_points=False)))
    assert not list(validator.iter_errors({"invariants": [{"type": "shout", "loud": 1}]}))
    assert list(validator.iter_errors({"invariants": [{"type": "shout"}]}))
