"""Plain data into typed models, with every mistake at its line and column and in our own words."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.loading import Loc
from pytest_agent_replay.formats.mistakes import MISTAKES, PLAIN

__all__ = ["MAX_PROBLEMS", "Placed", "did_you_mean", "unknown_key", "validate"]

MAX_PROBLEMS = 100
"""So many problems of one file are listed."""

_MAX_ERRORS = 1000
_LONGEST_NAME = 100

Model = TypeVar("Model", bound=BaseModel)


class Placed(Protocol):
    """Data whose values have places: a `Document`, or a part of one."""

    @property
    def path(self) -> str:
        """The file's path as shown to users."""

    def at(self, loc: Loc = ()) -> Any:
        """The value at `loc`."""

    def position(self, loc: Loc = ()) -> tuple[int, int]:
        """Line and column of `loc`, from 1; 0 when they are not known."""

    def problem(self, loc: Loc, message: str) -> Problem:
        """`message` at the place of `loc`."""


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "none_required": "null",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_YAML_BOOLEANS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def validate(model_type: type[Model], document: Placed, loc: Loc = ()) -> Model:
    """The part of `document` at `loc` as a model.

    Raises `FormatError` with all problems (at most `MAX_PROBLEMS`, and how many more there are).
    """
    value = document.at(loc)
    try:
        return model_type.model_validate(value, context=PLAIN)
    except ValidationError as error:
        details = error.errors(include_url=False)
    errors = [_located(model_type, value, detail) for detail in details[:_MAX_ERRORS]]
    raise FormatError(_problems(errors, len(details) - len(errors), document, tuple(loc)))


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?` with the known name that is nearest, or nothing when none is near."""
    return _hint(wrong, tuple(known)) if len(wrong) <= _LONGEST_NAME else ""


@lru_cache(maxsize=1000)
def _hint(wrong: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    by_plain = {_plain_name(name): name for name in known}
    near = get_close_matches(_plain_name(wrong), by_plain, 1)
    return f"; did you mean `{by_plain[near[0]]}`?" if near else ""


def unknown_key(key: str, known: Sequence[str]) -> str:
    """What is said about a key that does not exist."""
    hint = did_you_mean(key, known)
    return f"unknown key `{_shortened(key)}`{hint or f'; known are {_listed(known)}'}"


def _plain_name(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shortened(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:57]}…"


class _Error(NamedTuple):
    """One error of pydantic with its place in the data.

    `unions` are the unions on the way to it: how many steps of `loc` lead there, and which branch was tried.
    """

    loc: tuple[str | int, ...]
    unions: tuple[tuple[int, str], ...]
    details: Any
    annotation: Any
    owner: type[BaseModel] | None

    @property
    def kind(self) -> str:
        return str(self.details["type"])


def _located(model_type: type[BaseModel], value: Any, details: Any) -> _Error:
    """Pydantic's own locations also name the branches of unions; the types on the way tell which steps those are."""
    loc: list[str | int] = []
    unions: list[tuple[int, str]] = []
    annotation: Any = model_type
    owner: type[BaseModel] | None = None
    for step in details["loc"]:
        annotation = _bare(annotation)
        if _is_union(annotation):
            unions.append((len(loc), str(step)))
            annotation = _branch(annotation, str(step))
        elif annotation is Any and not _has(value, step):
            continue
        else:
            if _is_model(annotation):
                owner = annotation
            annotation = _inner(annotation, step)
            value = value[step] if _has(value, step) else None
            loc.append(step)
    return _Error(tuple(loc), tuple(unions), details, _bare(annotation), owner)


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and, when only one type is left then, without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        else:
            return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _is_model(annotation: Any) -> bool:
    # On Python 3.10, `dict[str, int]` is an instance of `type` too.
    return get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _branch(union: Any, label: str) -> Any:
    """The member of a union that pydantic's label stands for: its name, alone or inside of `function-…[…, Name]`."""
    for member in map(_bare, get_args(union)):
        name = getattr(member, "__name__", str(member))
        if label.removesuffix("]").rpartition(", ")[2] == name or label.split("[")[0] == name:
            return member
        if _is_model(member) and label in _tags(member):
            return member
    return Any


def _tags(model: type[BaseModel]) -> Iterator[str]:
    for field in model.model_fields.values():
        if get_origin(field.annotation) is Literal:
            yield from map(str, get_args(field.annotation))


def _inner(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if step in (name, field.alias):
                return field.annotation
        return Any
    arguments = get_args(annotation)
    return arguments[-1] if get_origin(annotation) in (list, dict) and arguments else Any


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)


def _problems(errors: list[_Error], unread: int, document: Placed, base: tuple[str | int, ...]) -> list[Problem]:
    found = list(_resolved(errors, 0))
    problems = [document.problem((*base, *loc), message) for loc, message in found[:MAX_PROBLEMS]]
    problems.sort(key=lambda problem: (problem.line, problem.column))
    if more := len(found) - len(problems) + unread:
        problems.append(Problem(document.path, 0, 0, f"and {more:,} more problems"))
    return problems


_Found = tuple[tuple[str | int, ...], str]


def _resolved(errors: list[_Error], level: int) -> Iterator[_Found]:
    """Places and messages; of a union, only what its best branch says. `level` unions are resolved already."""
    groups: dict[Any, list[_Error]] = {}
    for number, error in enumerate(errors):
        union = error.unions[level] if len(error.unions) > level else None
        key = ("union", error.loc[: union[0]]) if union else ("single", number)
        groups.setdefault(key, []).append(error)
    for (kind, _), group in groups.items():
        if kind == "single":
            yield from _said(group[0])
        else:
            yield from _said_of_union(group, level)


def _said_of_union(errors: list[_Error], level: int) -> Iterator[_Found]:
    depth = errors[0].unions[level][0]
    branches: dict[str, list[_Error]] = {}
    for error in errors:
        branches.setdefault(error.unions[level][1], []).append(error)
    fitting = [branch for branch in branches.values() if not all(_is_wrong_kind(error, depth) for error in branch)]
    if fitting:
        yield from _resolved(min(fitting, key=len), level + 1)
        return
    expected = dict.fromkeys(_EXPECTED[error.kind] for error in errors)
    yield errors[0].loc[:depth], _wrong_kind(" or ".join(expected), errors[0].details["input"])


def _is_wrong_kind(error: _Error, depth: int) -> bool:
    return len(error.loc) == depth and error.kind in _EXPECTED


def _said(error: _Error) -> Iterator[_Found]:
    if error.kind == MISTAKES:
        for loc, message in error.details["ctx"]["mistakes"]:
            yield (*error.loc, *loc), message
    elif error.kind == "extra_forbidden":
        yield error.loc, unknown_key(str(error.loc[-1]), _keys(error.owner))
    else:
        yield error.loc, _message(error)


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _message(error: _Error) -> str:
    kind, context, value = error.kind, error.details.get("ctx", {}), error.details["input"]
    if kind in _EXPECTED:
        return _wrong_kind(_EXPECTED[kind], value)
    if kind == "missing":
        return "required, but missing"
    if kind == "literal_error":
        return _wrong_choice(value, get_args(error.annotation), str(context.get("expected")))
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, not {_shown(value)}"
    if kind in ("string_too_short", "too_short"):
        return "may not be empty" if context.get("min_length") == 1 else f"needs at least {context['min_length']}"
    if kind == "finite_number":
        return "must be a finite number"
    if kind == "value_error":
        return str(context["error"])
    text = str(error.details["msg"])
    return f"{text[:1].lower()}{text[1:]}, not {_shown(value)}"


def _wrong_kind(expected: str, value: Any) -> str:
    message = f"must be {expected}, not {_shown(value)}"
    if isinstance(value, str) and expected == "true or false" and value.lower() in _YAML_BOOLEANS:
        return f"{message}; write {_YAML_BOOLEANS[value.lower()]}"
    if isinstance(value, str) and "number" in expected and value.strip().lstrip("+-").replace(".", "", 1).isdigit():
        return f"{message}; write it without quotes"
    if isinstance(value, (bool, int, float)) and "text" in expected:
        return f"{message}; quote it"
    return message


def _wrong_choice(value: Any, choices: tuple[Any, ...], expected: str) -> str:
    known = [str(choice) for choice in choices]
    if len(known) == 1:
        hint = "; write it without quotes" if value == known[0] else ""
        return f"must be {known[0]}, not {_shown(value)}{hint}"
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    return f"must be one of {_listed(known) if known else expected}, not {_shown(value)}{hint}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {_shortened(str(value))}"
    if isinstance(value, str):
        return f"`{_shortened(value)}`" if value.strip() else "empty text"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
