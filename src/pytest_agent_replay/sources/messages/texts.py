"""Texts that hold messages: JSON, what Python prints of them, and lines that begin with a role."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

__all__ = ["none_if_too_deep", "read_repr", "read_reprs", "read_spoken", "structure"]

_OBJECT = re.compile(r"\s*[A-Z]\w*\(\w+=")
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


def structure(text: str) -> Any:
    """The mapping or list that a text writes down, as JSON or as Python prints it; None for anything else.

    Of objects (`AIMessage(content='…')`, `ChatCompletion(choices=[Choice(…)])`) the fields are read, and of messages
    the class is their `type`.
    """
    begin = text.lstrip()[:1]
    if begin not in ("{", "[") and _OBJECT.match(text) is None:
        return None
    for read in (json.loads, _printed):
        try:
            value = read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        return value if isinstance(value, (dict, list)) else None
    return None


def _printed(text: str) -> Any:
    return _value_of(ast.parse(text.strip(), mode="eval").body)


def _value_of(node: ast.expr) -> Any:
    """The JSON value of a literal; null for what is none."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [_value_of(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: _value_of(item) for key, item in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.Call) and node.keywords and not node.args:
        fields = {keyword.arg: _value_of(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return {"type": name, **fields} if "Message" in name and "role" not in fields else fields
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, (str, int, float)) else None


def read_reprs(texts: list[str]) -> list[dict[str, Any]] | None:
    """The messages of which the texts are the `repr`; None unless all of them are."""
    read = [structure(text) or read_repr(text) for text in texts]
    return [item for item in read if isinstance(item, dict)] if all(isinstance(item, dict) for item in read) else None


def read_repr(text: str) -> dict[str, Any] | None:
    """A message out of the `str` of a pydantic model: `role='user' content='…' name=None …`; None for anything else."""
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
