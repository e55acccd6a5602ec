"""`agent-replay schema replay|contract`: JSON Schema for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from pydantic import BaseModel

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of a file format",
        description="Prints the JSON Schema of replay files or contracts, for editors that complete and check YAML.",
    )
    parser.add_argument("format", choices=("replay", "contract"))
    parser.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Prints the schema."""
    print(json.dumps(_replay() if given.format == "replay" else _contract(), indent=2))
    return 0


def _replay() -> dict[str, Any]:
    from pytest_agent_replay.formats.schema import replay_json_schema

    return replay_json_schema()


def _contract() -> dict[str, Any]:
    """The schema of a contract file: one contract, or several, whose invariants are of the types that are installed."""
    from pytest_agent_replay.contracts.registry import Registry
    from pytest_agent_replay.formats.contract import Contract

    definitions: dict[str, Any] = {}
    contract = _definition(Contract, definitions)
    types = []
    for check in Registry():
        invariant = _definition(check.params, definitions)
        invariant["properties"]["type"] = {"const": check.name}
        invariant["required"] = sorted({"type", *invariant.get("required", ())})
        definitions[f"type-{check.name}"] = invariant
        types.append({"$ref": f"#/$defs/type-{check.name}"})
    contract["properties"]["invariants"]["items"] = {"anyOf": types}
    definitions["Contract"] = contract
    one = {"$ref": "#/$defs/Contract"}
    named = {"allOf": [one, {"required": ["name"]}]}
    several = {"type": "array", "items": named}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Contract of pytest-agent-replay",
        "anyOf": [one, several, {"type": "object", "properties": {"contracts": several}, "required": ["contracts"]}],
        "$defs": definitions,
    }


def _definition(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema()
    definitions.update(schema.pop("$defs", {}))
    schema.pop("title", None)
    schema["patternProperties"] = {"^x-": {}}
    for field in schema["properties"].values():
        field.pop("title", None)
        if field.get("default", ...) is None:
            del field["default"]
    return schema
