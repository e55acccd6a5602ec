"""Values and texts as reports show them: on one line where possible, cut when long, harmless to terminals and XML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["call", "cut", "one_line", "plain", "value"]


def plain(text: str) -> str:
    """The text with control characters and lone surrogates spelled out; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    # spaces other than the plain one are not "printable" but do no harm
    return character if character.isspace() and ord(character) > 0x9F else character.encode("unicode_escape").decode()


def cut(text: str, limit: int | None) -> str:
    """At most `limit` characters, with a note of how many there are; None: the whole text."""
    if limit is None or len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()}… ({len(text):,} characters)"


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def value(data: Any, limit: int | None = None) -> str:
    """Text as it is, anything else as JSON."""
    if isinstance(data, str):
        return cut(plain(data), limit)
    return cut(plain(_json(data)), limit)


def call(tool: str, args: Mapping[str, Any], limit: int | None = None) -> str:
    """`tool(name="value", …)`."""
    shown = ", ".join(f"{name}={_json(given)}" for name, given in args.items())
    return cut(plain(f"{tool}({shown})"), limit)


def _json(data: Any) -> str:
    try:
        return json.dumps(data, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        return repr(data)
