"""JSON Schemas as parameters: inline, or in a file below the root; checked when a contract is bound."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from pytest_agent_replay.contracts.patterns import bounded
from pytest_agent_replay.contracts.registry import BindContext
from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.loading import load_document
from pytest_agent_replay.formats.validation import did_you_mean

__all__ = ["SchemaReference", "Validator", "load_validator"]

SchemaReference = dict[str, Any] | bool | str
"""A JSON Schema, or the path of a JSON or YAML file with one, relative to the contract and then to the root."""

Validator = Callable[[Any], list[str]]
"""The mistakes of a value, each as text; none when it is valid."""

_MAX_MISTAKES = 10


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HOLDING_ONE = _words(
    "additionalItems additionalProperties contains else if items not propertyNames then unevaluatedItems"
    " unevaluatedProperties"
)
_HOLDING_SEVERAL = _words("allOf anyOf items oneOf prefixItems")
_HOLDING_NAMED = _words("$defs definitions dependencies dependentSchemas patternProperties properties")
_OTHER_CLAIMS = _words(
    "const dependentRequired disallow divisibleBy enum exclusiveMaximum exclusiveMinimum extends maxContains"
    " maxItems maxLength maxProperties maximum minContains minItems minLength minProperties minimum multipleOf pattern"
    " required type uniqueItems"
)
_REMARKS = _words(
    "contentEncoding contentMediaType default deprecated description discriminator example examples externalDocs"
    " contentSchema format id nullable readOnly title writeOnly xml"
)
"""What describes and claims nothing; the words of OpenAPI too, because schemas are taken from there."""
_REFERENCES = frozenset(("$ref", "$dynamicRef", "$recursiveRef"))
_CLAIMS = (_HOLDING_ONE | _HOLDING_SEVERAL | _HOLDING_NAMED | _OTHER_CLAIMS | _REFERENCES) - {"$defs", "definitions"}
_KNOWN = tuple(sorted(_CLAIMS | _REMARKS | {"definitions"}))


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
    for mistake in _keyword_mistakes(given):
        raise FormatError(context.problem(field, mistake))
    kind = _with_bounded_patterns(kind)
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


@lru_cache(maxsize=10)
def _with_bounded_patterns(kind: Any) -> Any:
    """The same validator, whose `pattern` is stopped when it takes too long."""
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    def fits_pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(value, str) and not bounded(re.compile(pattern)).search(value):
            yield ValidationError(f"{value!r} does not match {pattern!r}")

    return extend(kind, {"pattern": fits_pattern})  # type: ignore[no-untyped-call]


def _keyword_mistakes(schema: Any) -> Iterator[str]:
    """What JSON Schema takes for remarks, although it was meant to claim something."""
    yield from _unknown_keywords(schema, "")
    if not _claims(schema):
        yield "a schema that claims nothing fits every value, so this invariant cannot fail"


def _claims(schema: Any) -> bool:
    """Whether there is a value that does not fit."""
    if not isinstance(schema, dict):
        return schema is not True
    return any(_claims_by(key, value) for key, value in schema.items())


def _claims_by(key: str, value: Any) -> bool:
    if key in _HOLDING_NAMED and isinstance(value, dict):
        return key not in ("$defs", "definitions") and any(map(_claims, value.values()))
    if key == "anyOf" and isinstance(value, list):
        return all(map(_claims, value))
    if key in ("allOf", "items", "prefixItems") and isinstance(value, list):
        return any(map(_claims, value))
    if key in _HOLDING_ONE - {"contains", "not", "if"}:
        return _claims(value)
    return key in _CLAIMS and key != "if"


def _unknown_keywords(schema: Any, at: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key not in _KNOWN and not key.startswith(("x-", "$")):
            hint = did_you_mean(key, _KNOWN)
            yield f"unknown keyword `{key}`{f' at {at}' if at else ''} in a JSON Schema{hint}; remarks begin with `x-`"
        inner = f"{at}/{key}"
        if key in _HOLDING_ONE:
            yield from _unknown_keywords(value, inner)
        if key in _HOLDING_SEVERAL and isinstance(value, list):
            for index, item in enumerate(value):
                yield from _unknown_keywords(item, f"{inner}/{index}")
        if key in _HOLDING_NAMED and isinstance(value, dict):
            for name, item in value.items():
                yield from _unknown_keywords(item, f"{inner}/{name}")


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
