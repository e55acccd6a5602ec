"""`agent-replay schema replay|contract`: JSON Schema for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

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
    from pytest_agent_replay.contracts.schema import contract_json_schema

    return contract_json_schema()
