"""A small part of JSONPath (RFC 9535), enough to point into an answer.

`$` the whole, `.name` or `['name']` a key, `[0]` or `[-1]` an item, `.*` or `[*]` every value, `..name` or `..*` at any
depth. `.0` and `.2024` are keys, and items where there is a list. Slices, filters and functions are not part of it and
are refused. The leading `$.` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

__all__ = ["JsonPath", "ParsedPath", "parse_path"]

_STEP = re.compile(
    r"""(?P<deep>\.\.)?(?:(?P<dot>\.)?(?P<name>\w[\w-]*|\*)|\[\s*(?:(?P<index>-?\d{1,9})|(?P<star>\*)
        |'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)")\s*\])""",
    re.VERBOSE,
)
_INDEX = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class _Step:
    """`key` None stands for every value; `deep`: at any depth below."""

    key: str | int | None
    deep: bool

    def values(self, value: Any) -> Iterator[Any]:
        yield from self._here(value)
        if self.deep:
            for child in _children(value):
                yield from self.values(child)

    def _here(self, value: Any) -> Iterator[Any]:
        if self.key is None:
            yield from _children(value)
        elif isinstance(self.key, int):
            if isinstance(value, list) and -len(value) <= self.key < len(value):
                yield value[self.key]
        elif isinstance(value, dict):
            if self.key in value:
                yield value[self.key]
        elif isinstance(value, list) and _INDEX.fullmatch(self.key) and int(self.key) < len(value):
            yield value[int(self.key)]


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class ParsedPath:
    """A path that was understood."""

    text: str
    steps: tuple[_Step, ...]

    def find(self, value: Any) -> list[Any]:
        """Every value that the path leads to, in order."""
        found = [value]
        for step in self.steps:
            found = [inner for each in found for inner in step.values(each)]
        return found


def parse_path(text: str) -> ParsedPath:
    """Raises `ValueError` for what is not in this part of JSONPath."""
    rest = text.strip()
    position = 1 if rest.startswith("$") else 0
    steps: list[_Step] = []
    while position < len(rest):
        match = _STEP.match(rest, position)
        is_first = position == 0
        if match is None or (match["name"] and not (match["dot"] or match["deep"] or is_first)):
            raise ValueError(
                f"`{text}` is not understood from {rest[position:]!r} on; a path is made of `$`, `.name`, "
                "`['name']`, `[0]`, `[*]`, `.*` and `..name`"
            )
        steps.append(_Step(_key(match), bool(match["deep"])))
        position = match.end()
    if not rest:
        raise ValueError("a path may not be empty; `$` is the whole answer")
    return ParsedPath(text, tuple(steps))


def _key(match: re.Match[str]) -> str | int | None:
    if match["index"] is not None:
        return int(match["index"])
    if match["star"] or match["name"] == "*":
        return None
    if match["name"] is not None:
        return match["name"]
    quoted = match["single"] if match["single"] is not None else match["double"]
    return re.sub(r"\\(.)", r"\1", quoted)


def _parse(value: Any) -> ParsedPath:
    if isinstance(value, ParsedPath):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a path, as text")
    return parse_path(value)


JsonPath = Annotated[ParsedPath, PlainValidator(_parse), WithJsonSchema({"type": "string", "minLength": 1})]
