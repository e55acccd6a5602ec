"""Checks on the words of an answer. The meaning of flakestorm's types is kept: literals ignore case, patterns
search."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from pytest_agent_replay.contracts.case import Case, NoAnswer, texts_of
from pytest_agent_replay.contracts.patterns import Regex, excerpt
from pytest_agent_replay.contracts.plain import nfc, plain
from pytest_agent_replay.contracts.registry import Check, Finding, check
from pytest_agent_replay.formats.contract import Invariant, refuse
from pytest_agent_replay.formats.replay import Json
from pytest_agent_replay.player.values import same, short

__all__ = ["CHECKS"]


def _can_be_missing(value: str) -> str:
    if not plain(value).strip():
        raise ValueError("blanks stand in every answer; write a phrase, or a pattern with `regex` or `excludes_regex`")
    return value


Literal = Annotated[str, Field(min_length=1), AfterValidator(_can_be_missing)]
Literals = Annotated[list[Literal], Field(min_length=1)]
Patterns = Annotated[list[Regex], Field(min_length=1)]


class Contains(Invariant):
    """The answer has `value` in it, in any case."""

    value: Literal


class ContainsSeveral(Invariant):
    """The answer has one (`contains_any`) or each (`contains_all`) of `values` in it, in any case."""

    values: Literals


class NotContains(Invariant):
    """The answer has neither `value` nor any of `values` in it, in any case."""

    value: Literal | None = None
    values: Literals | None = None

    @model_validator(mode="after")
    def _one_is_given(self) -> NotContains:
        _needs_one(self, "value", "values")
        return self


class ExcludesPattern(Invariant):
    """None of `patterns` stands in the answer: literal text, in any case, as in flakestorm."""

    patterns: Literals


class MatchesRegex(Invariant):
    """`pattern` is found in the answer; a dot matches line ends too."""

    pattern: Regex


class ExcludesRegex(Invariant):
    """Neither `pattern` nor any of `patterns` is found in the answer."""

    pattern: Regex | None = None
    patterns: Patterns | None = None

    @model_validator(mode="after")
    def _one_is_given(self) -> ExcludesRegex:
        _needs_one(self, "pattern", "patterns")
        return self


class Equals(Invariant):
    """The answer is `value`, and of its kind: text is equal to text alone, blanks around it aside."""

    value: Json


def _needs_one(params: Invariant, *names: str) -> None:
    if all(getattr(params, name) is None for name in names):
        refuse(f"needs {' or '.join(f'`{name}`' for name in names)}")


def _found(case: Case, values: list[str]) -> dict[str, str]:
    """Those of the values that the answer contains, each with its place."""
    places = ((value, case.find(value)) for value in values)
    return {value: place for value, place in places if place is not None}


def _listed(values: Iterable[str]) -> str:
    return ", ".join(map(repr, values))


def _evidence(case: Case, **more: Any) -> dict[str, Any]:
    return {"turn": case.turn, "answer": short(case.text, 400), **more}


@check("contains", Contains)
def contains(params: Contains, case: Case) -> Finding:
    """Case-insensitive literal substring."""
    if case.find(params.value) is not None:
        return Finding(True, case.sentence(f"the answer contains {params.value!r}."))
    return Finding(False, case.sentence(f"the answer does not contain {params.value!r}."), _evidence(case))


@check("contains_any", ContainsSeveral)
def contains_any(params: ContainsSeveral, case: Case) -> Finding:
    """One of the literals, in any case."""
    found = _found(case, params.values)
    if found:
        return Finding(True, case.sentence(f"the answer contains {_listed(found)}."), {"found": list(found)})
    return Finding(False, case.sentence(f"the answer contains none of {_listed(params.values)}."), _evidence(case))


@check("contains_all", ContainsSeveral)
def contains_all(params: ContainsSeveral, case: Case) -> Finding:
    """Each of the literals, in any case."""
    found = _found(case, params.values)
    missing = [value for value in params.values if value not in found]
    if not missing:
        return Finding(True, case.sentence(f"the answer contains {_listed(params.values)}."))
    message = case.sentence(f"the answer does not contain {_listed(missing)}.")
    return Finding(False, message, _evidence(case, missing=missing))


def _excludes(values: list[str], case: Case) -> Finding:
    found = _found(case, values)
    if not found:
        return Finding(True, case.sentence(f"the answer contains none of {_listed(values)}."))
    places = list(found.values())
    message = case.sentence(f"the answer contains {_listed(found)}, which it must not: {places[0]!r}.")
    return Finding(False, message, _evidence(case, found=list(found), excerpts=places))


@check("not_contains", NotContains)
def not_contains(params: NotContains, case: Case) -> Finding:
    """None of the literals, in any case."""
    return _excludes([*([params.value] if params.value else []), *(params.values or [])], case)


@check("excludes_pattern", ExcludesPattern)
def excludes_pattern(params: ExcludesPattern, case: Case) -> Finding:
    """None of the literals, in any case: flakestorm's name for it."""
    return _excludes(params.patterns, case)


def _first_match(pattern: re.Pattern[str], case: Case) -> re.Match[str] | None:
    """In the answer's text, or of a structured answer in one of its texts."""
    matches = (pattern.search(nfc(text)) for text in texts_of(case.output))
    return next((match for match in matches if match is not None), None)


@check("regex", MatchesRegex)
def regex(params: MatchesRegex, case: Case) -> Finding:
    """`re.search` with DOTALL."""
    match = _first_match(params.pattern, case)
    if match is None:
        message = case.sentence(f"nothing in the answer matches {params.pattern.pattern!r}.")
        return Finding(False, message, _evidence(case))
    place = excerpt(match.string, *match.span())
    message = case.sentence(f"{short(match[0])} in the answer matches {params.pattern.pattern!r}: {place!r}.")
    return Finding(True, message, {"turn": case.turn, "match": match[0], "excerpt": place})


@check("excludes_regex", ExcludesRegex)
def excludes_regex(params: ExcludesRegex, case: Case) -> Finding:
    """No pattern is found."""
    patterns: list[re.Pattern[str]] = [*([params.pattern] if params.pattern else []), *(params.patterns or [])]
    for pattern in patterns:
        match = _first_match(pattern, case)
        if match is not None:
            place = excerpt(match.string, *match.span())
            message = case.sentence(
                f"{short(match[0])} in the answer matches {pattern.pattern!r}, which it must not: {place!r}."
            )
            return Finding(False, message, _evidence(case, match=match[0], pattern=pattern.pattern, excerpt=place))
    return Finding(True, case.sentence("nothing in the answer matches an excluded pattern."))


def _trimmed(value: Any) -> Any:
    return nfc(value).strip() if isinstance(value, str) else value


@check("equals", Equals)
def equals(params: Equals, case: Case) -> Finding:
    """JSON equality; text without the blanks around it."""
    expected, output = params.value, case.output
    if same(_trimmed(expected), _trimmed(output)):
        return Finding(True, case.sentence(f"the answer is {short(expected)}."))
    message = case.sentence(f"the answer is {short(output)} instead of {short(expected)}.")
    return Finding(False, message, _evidence(case, expected=expected))


_NOTHING = frozenset(("", "[]", "{}", '""', "null"))


def _is_empty(value: Any) -> bool:
    """Whether nobody can read anything in it: blanks, invisible characters, null, or lists and mappings of these."""
    if isinstance(value, str):
        return plain(value).strip() in _NOTHING
    if isinstance(value, (list, dict)):
        return all(map(_is_empty, value.values() if isinstance(value, dict) else value))
    return value is None


@check("output_not_empty", Invariant)
def output_not_empty(params: Invariant, case: Case) -> Finding:
    """More than blanks and empty brackets."""
    if not _is_empty(case.output):
        return Finding(True, case.sentence("the answer is not empty."))
    return Finding(False, case.sentence("the answer is empty or blank."), _evidence(case))


@check("completes", Invariant, over="turns")
def completes(params: Invariant, case: Case) -> Finding:
    """The agent returned and did not raise; where production answered, it answered too."""
    session, turn = case.session, case.turn
    if session.ended_without_answer(turn):
        return Finding(True, case.sentence("the agent returned."))
    try:
        session.output(turn)
    except NoAnswer as error:
        return Finding(False, str(error), {"turn": turn, "error": session.trace.failures().get(turn)})
    return Finding(True, case.sentence("the agent answered."))


CHECKS: tuple[Check[Any], ...] = (
    contains,
    contains_any,
    contains_all,
    not_contains,
    excludes_pattern,
    regex,
    excludes_regex,
    equals,
    output_not_empty,
    completes,
)
