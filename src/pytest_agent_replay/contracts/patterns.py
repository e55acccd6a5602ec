"""Regular expressions as parameters: compiled, and their mistakes found, when a contract is bound."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

__all__ = ["Regex", "excerpt"]


def _compile(value: Any) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be a regular expression, as text")
    try:
        return re.compile(value, re.DOTALL)
    except re.error as error:
        at = f" at position {error.pos}" if error.pos is not None else ""
        raise ValueError(f"`{value}` is not a regular expression: {error.msg}{at}") from None
    except (RecursionError, OverflowError):
        raise ValueError(f"`{value[:60]}` is too complicated for a regular expression") from None


Regex = Annotated[re.Pattern[str], PlainValidator(_compile), WithJsonSchema({"type": "string", "format": "regex"})]
"""A pattern for `search`; a dot matches line ends too (DOTALL)."""


def excerpt(text: str, start: int, end: int, width: int = 40) -> str:
    """The piece of a text around `[start:end]`, in one line."""
    left, right = max(0, start - width), min(len(text), end + width)
    piece = " ".join(text[left:right].split())
    return f"{'…' if left else ''}{piece}{'…' if right < len(text) else ''}"
