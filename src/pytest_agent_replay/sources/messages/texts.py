"""Texts that hold a conversation: JSON, the `repr` of messages, and lines that begin with a role."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

__all__ = ["json_value", "none_if_too_deep", "read_repr", "read_reprs", "read_spoken"]

_KEY = re.compile(r"\s*(\w+)=")
_STRING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_BARE = re.compile(r"[^\s'\"()\[\]{}]+")
_SPOKEN = re.compile(r"^(system|developer|user|assistant|tool|function): ?", re.MULTILINE)
_MESSAGE_KEYS = frozenset({"role", "additional_kwargs", "tool_call_id"})


_Read = TypeVar("_Read")


def none_if_too_deep(read: Callable[[Any], _Read | None]) -> Callable[[Any], _Read | None]:
    """A reader that does not know values which are nested too deeply, instead of raising `RecursionError`."""

    @wraps(read)
    def reader(value: Any) -> _Read | None:
        try:
            return read(value)
        except RecursionError:
            return None

    return reader


def json_value(text: str) -> Any:
    """The mapping or the list that a text is the JSON of; None for anything else."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def read_reprs(texts: list[str]) -> list[dict[str, Any]] | None:
    """The messages of which the texts are the `repr`; None unless all of them are."""
    read = [json_value(text) or read_repr(text) for text in texts]
    return [item for item in read if isinstance(item, dict)] if all(isinstance(item, dict) for item in read) else None


def read_repr(text: str) -> dict[str, Any] | None:
    """A message out of what pydantic's models print: `role='user' content='…' name=None …`; None for anything else."""
    fields: dict[str, Any] = {}
    position = 0
    while found := _KEY.match(text, position):
        end = _end_of_value(text, found.end())
        if end == found.end():
            return None
        fields[found.group(1)] = _literal(text[found.end() : end])
        position = end
    is_message = not text[position:].strip() and "content" in fields and _MESSAGE_KEYS & fields.keys()
    return fields if is_message else None


def _end_of_value(text: str, position: int) -> int:
    """Where a value ends: at the first space outside of strings and brackets."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character.isspace() and depth == 0:
            break
        found = _STRING.match(text, position) if character in "'\"" else _BARE.match(text, position)
        depth += (character in "([{") - (character in ")]}")
        position = found.end() if found is not None else position + 1
    return position


def _literal(text: str) -> Any:
    """The value that the text writes down; what is no literal (an object of a class) is null."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def read_spoken(text: str) -> list[dict[str, Any]] | None:
    """`system: …`, `user: …`, `assistant: …` at the beginning of lines.

    Where tools were called, such a text has lost the calls: it is not read then.
    """
    found = list(_SPOKEN.finditer(text))
    roles = [match.group(1) for match in found]
    starts = found and found[0].start() == 0 and roles[0] in ("system", "developer") and "user" in roles
    if not starts or {"tool", "function"} & set(roles):
        return None
    ends = [match.start() - 1 for match in found[1:]] + [len(text)]
    return [
        {"role": "system" if role == "developer" else role, "content": text[match.end() : end]}
        for role, match, end in zip(roles, found, ends, strict=True)
    ]
