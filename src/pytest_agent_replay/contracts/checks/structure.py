"""Checks on the structure of an answer: valid JSON, a JSON Schema, a value at a path."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, PrivateAttr, model_validator

from pytest_agent_replay.contracts.case import Case, NoAnswer, json_in, parsed_json
from pytest_agent_replay.contracts.jsonpath import JsonPath
from pytest_agent_replay.contracts.patterns import Regex
from pytest_agent_replay.contracts.plain import nfc
from pytest_agent_replay.contracts.registry import BindContext, Check, Finding, check
from pytest_agent_replay.contracts.schemas import SchemaReference, Validator, load_validator
from pytest_agent_replay.formats.contract import Invariant, refuse
from pytest_agent_replay.formats.replay import Json
from pytest_agent_replay.player.values import same, short

__all__ = ["CHECKS"]


class ValidAgainstSchema(Invariant):
    """The answer (a structured one, or the JSON in its text) is valid. `schema` is the JSON Schema, or a path
    to one."""

    schema_: SchemaReference = Field(alias="schema")
    _validator: Validator | None = PrivateAttr(default=None)


class AtJsonPath(Invariant):
    """What stands at `path` in the answer: `equals` a value, `matches` a pattern, `exists` or not. Default: it exists.

    Of several places that the path finds, one must fit.
    """

    path: JsonPath
    equals: Json = None
    matches: Regex | None = None
    exists: bool = True

    @model_validator(mode="after")
    def _what_is_absent_has_no_value(self) -> AtJsonPath:
        for name in ("equals", "matches"):
            if not self.exists and self.given(name):
                refuse(f"what must not exist (`exists: false`) has no value; for a value that must not stand there, "
                       f"write `{name}` with `negate: true`", name)  # fmt: skip
        return self


def _json_of(case: Case, what: str) -> Any:
    """The answer as JSON. Raises `NoAnswer`: of a text that is not JSON, nothing is known, so negated it fails too."""
    output = case.output
    try:
        return json_in(output)
    except ValueError as error:
        message = case.sentence(f"the answer is not JSON, so {what}: {error}.")
        raise NoAnswer(message, {"turn": case.turn, "answer": short(output, 400)}) from None


@check("valid_json", Invariant)
def valid_json(params: Invariant, case: Case) -> Finding:
    """The text parses as JSON, whole; a structured answer is JSON already."""
    output = case.output
    try:
        if isinstance(output, str):
            parsed_json(output)
        else:
            json.dumps(output, allow_nan=False, default=str)
    except (ValueError, RecursionError) as error:
        message = case.sentence(f"the answer is not valid JSON: {error}.")
        return Finding(False, message, {"turn": case.turn, "answer": short(output, 400)})
    return Finding(True, case.sentence("the answer is valid JSON."))


def _prepare_schema(params: ValidAgainstSchema, context: BindContext) -> None:
    params._validator = load_validator(params.schema_, "schema", context)


@check("json_schema", ValidAgainstSchema, prepare=_prepare_schema)
def json_schema(params: ValidAgainstSchema, case: Case) -> Finding:
    """JSON Schema, of the draft that the schema names (default 2020-12)."""
    assert params._validator is not None
    value = _json_of(case, "it cannot fit the schema")
    mistakes = params._validator(value)
    if not mistakes:
        return Finding(True, case.sentence("the answer fits the schema."))
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    message = case.sentence(f"the answer does not fit the schema: {mistakes[0]}{more}.")
    return Finding(False, message, {"turn": case.turn, "answer": short(value, 400), "mistakes": mistakes})


@check("json_path", AtJsonPath)
def json_path(params: AtJsonPath, case: Case) -> Finding:
    """A value at a path of the answer's JSON."""
    path = params.path.text
    values = params.path.find(_json_of(case, f"it has nothing at {path}"))
    evidence = {"turn": case.turn, "path": path, "found": values[:20]}
    found = ", ".join(short(value, 60) for value in values[:5])
    if not params.exists:
        message = f"{path} is {found}, but must not exist." if values else f"there is nothing at {path}."
        return Finding(not values, case.sentence(message), evidence)
    if not values:
        return Finding(False, case.sentence(f"there is nothing at {path} in the answer."), evidence)
    if params.given("equals") and not any(same(params.equals, value) for value in values):
        return Finding(False, case.sentence(f"{path} is {found} instead of {short(params.equals)}."), evidence)
    if params.matches is not None and not any(params.matches.search(nfc(_text(value))) for value in values):
        message = f"{path} is {found}, which does not match {params.matches.pattern!r}."
        return Finding(False, case.sentence(message), evidence)
    return Finding(True, case.sentence(f"{path} is {found}."), evidence)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CHECKS: tuple[Check[Any], ...] = (valid_json, json_schema, json_path)
