"""JSON Schema of contract files, for editors: completion, descriptions, and most mistakes while typing."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic.json_schema import models_json_schema

from pytest_agent_replay.contracts.registry import Registry
from pytest_agent_replay.formats.contract import Contract
from pytest_agent_replay.formats.replay import FileModel

__all__ = ["contract_json_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def contract_json_schema(registry: Registry | None = None) -> dict[str, Any]:
    """The schema (draft 2020-12) of a contract file: one contract, a list of them, or `contracts: [...]`.

    Each invariant is checked by the parameters of its type; the types of plugins are in it. Whether a regular
    expression compiles and a path exists is left to loading.
    """
    checks = list(registry or Registry())
    models: list[type[FileModel]] = list(dict.fromkeys([Contract, *(check.params for check in checks)]))
    references, merged = models_json_schema([(model, "validation") for model in models])
    definitions = merged["$defs"]
    for definition in definitions.values():
        _polish(definition)
    definitions["AnyInvariant"] = _any_invariant({c.name: references[c.params, "validation"] for c in checks})
    contract = references[Contract, "validation"]["$ref"].rpartition("/")[2]
    definitions[contract]["properties"]["invariants"]["items"] = {"$ref": "#/$defs/AnyInvariant"}
    one = {"$ref": f"#/$defs/{contract}"}
    many = {"type": "array", "items": {"allOf": [one, {"required": ["name"]}]}}
    listed = {
        "type": "object",
        "properties": {"contracts": many},
        "required": ["contracts"],
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    schema = {
        "$schema": _DIALECT,
        "title": "Contract file of pytest-agent-replay",
        "if": {"type": "object", "required": ["contracts"]},
        "then": listed,
        "else": {"if": {"type": "array"}, "then": many, "else": one},
    }
    return {**schema, "$defs": _used(definitions, schema)}


def _any_invariant(by_type: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Only the parameters of the type that is written count, so that an editor speaks of that one alone."""
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": sorted(by_type)}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": reference}
            for name, reference in sorted(by_type.items())
        ],
    }


def _used(definitions: dict[str, Any], schema: Any) -> dict[str, Any]:
    """What a schema refers to, also through others: pydantic's own steps between them are of no use to a reader."""
    used: dict[str, Any] = {}
    found = [schema]
    while found:
        for name in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(found.pop())):
            if name not in used:
                used[name] = definitions[name]
                found.append(definitions[name])
    return dict(sorted(used.items()))


def _polish(definition: dict[str, Any]) -> None:
    definition.pop("title", None)
    if definition.get("additionalProperties") is False:
        definition["patternProperties"] = {"^x-": {}}
    for field in definition.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default", ...) in (None, {}, []):
            del field["default"]
