"""JSON Schemas as parameters: inline, or in a file below the root; checked when a contract is bound."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pytest_agent_replay.contracts.registry import BindContext
from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.loading import load_document

__all__ = ["SchemaReference", "Validator", "load_validator"]

SchemaReference = dict[str, Any] | bool | str
"""A JSON Schema, or the path of a JSON or YAML file with one, relative to the contract and then to the root."""

Validator = Callable[[Any], list[str]]
"""The mistakes of a value, each as text; none when it is valid."""

_MAX_MISTAKES = 10


def load_validator(schema: SchemaReference, field: str, context: BindContext) -> Validator:
    """What checks values against a schema. Raises `FormatError` when the file or the schema cannot be used."""
    given: Any = _load(schema, field, context) if isinstance(schema, str) else schema
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
    from referencing.exceptions import Unresolvable

    kind = validator_for(given, default=Draft202012Validator)
    try:
        kind.check_schema(given)
    except SchemaError as error:
        at = "/".join(map(str, error.absolute_path))
        message = f"is not a JSON Schema: {error.message}{f' (at {at})' if at else ''}"
        raise FormatError(context.problem(field, message)) from None
    except (OverflowError, RecursionError) as error:
        raise FormatError(context.problem(field, f"cannot be used as a JSON Schema: {error}")) from None
    # with this registry a reference is never fetched from the network
    validator = kind(given, registry=REGISTRY)

    def mistakes(value: Any) -> list[str]:
        try:
            found = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
        except Unresolvable as error:
            raise ReplayError(
                f"The schema refers to what it does not hold: {error}. References are not fetched."
            ) from None
        return [f"{error.json_path}: {error.message}"[:400] for error in found[:_MAX_MISTAKES]]

    return mistakes


def _load(name: str, field: str, context: BindContext) -> Any:
    for base in (context.directory, context.root):
        try:
            path = (base / name).resolve()
        except (OSError, ValueError, RuntimeError):
            break
        if not path.is_relative_to(context.root):
            raise FormatError(context.problem(field, f"the path `{name}` leaves the root `{context.root.name}`"))
        if os.path.isfile(path):  # unlike Path.is_file, also for names that are too long
            loaded = load_document(path, display=path.relative_to(context.root).as_posix()).data
            if not isinstance(loaded, (dict, bool)):
                raise FormatError(context.problem(field, f"`{name}` does not hold a JSON Schema, which is a mapping"))
            return loaded
    raise FormatError(context.problem(field, f"there is no schema file `{name}` beside the contract or in the root"))
