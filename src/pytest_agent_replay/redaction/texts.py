"""Texts within texts: JSON, Python literals, percent-encoding and base64."""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote

__all__ = ["decoded", "encoded", "leaves", "literal", "masked", "parsed", "pointer", "quoted", "unquoted", "values_in"]

_LONGEST_PARSED = 4_000_000
_ESCAPES = re.compile(r"\\+[nrt]")
_OBJECT = re.compile(r"[{\[]\s*[{\"\[]")
_MOST_OBJECTS = 20


def masked(text: str) -> str:
    """Escaped ends of lines and tabs as spaces, so that words begin after them; of the same length."""
    return _ESCAPES.sub(lambda match: " " * len(match[0]), text) if "\\" in text else text


def parsed(text: str) -> Any:
    """The value of a JSON text that has one; None when it is none, or has a name twice."""
    if len(text) > _LONGEST_PARSED:
        return None
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list, str)) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


def values_in(text: str) -> Iterator[Any]:
    """The JSON values and Python literals that a text is, or that stand in it."""
    start = text.lstrip()[:1]
    if start and start in '{["(':
        value = parsed(text)
        if value is None:
            value = literal(text)
        if value is not None:
            yield value
            return
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(_MOST_OBJECTS):
        match = _OBJECT.search(text, position)
        if match is None:
            return
        try:
            value, position = decoder.raw_decode(text, match.start())
            yield value
        except (ValueError, RecursionError):
            position = match.start() + 1


def literal(text: str) -> Any:
    """The value of a Python literal that has parts; None when the text is none."""
    if len(text) > _LONGEST_PARSED:
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return value if isinstance(value, (dict, list, tuple)) else None


def leaves(value: Any) -> Iterator[Any]:
    """Names, texts and numbers in the order in which they stand in JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def unquoted(text: str) -> str | None:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None


def quoted(text: str, original: str) -> str:
    return quote(text, safe="".join({each for each in original if not each.isalnum() and each != "%"}))


def decoded(text: str) -> str | None:
    """The text in base64; None when it is none."""
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return None
    try:
        inner = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return inner if inner.isprintable() or all(each.isprintable() or each in "\r\n\t" for each in inner) else None


def encoded(text: str, original: str) -> str:
    made = base64.b64encode(text.encode("utf-8")).decode("ascii")
    if "-" in original or "_" in original:
        made = made.replace("+", "-").replace("/", "_")
    return made if original.endswith("=") or len(original) % 4 == 0 else made.rstrip("=")


def pointer(path: Iterable[str]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
