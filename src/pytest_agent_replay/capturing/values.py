"""What happened, as JSON: results, errors and HTTP answers of tools in the form that replay files have for them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_agent_replay.player.session import describe
from pytest_agent_replay.player.values import OPAQUE, to_json

__all__ = ["arguments", "error_of", "http_outcome", "recorded"]

_DEEPEST = 80
_HEADERS = ("content-type", "location", "link", "retry-after", "etag", "last-modified", "content-range")
"""Of an answer these headers are kept: what clients act on. None of a request is."""
_FIELDS = ("errno", "strerror", "filename", "filename2", "name", "path", "code", "encoding", "object", "start", "end",
           "reason", "value", "args", "status", "status_code", "message")  # fmt: skip
"""Attributes of exceptions that are not in their dictionary: written in C, or properties."""


def recorded(value: Any) -> tuple[Any, bool]:
    """The JSON form of a result, in a copy, and whether all of it has one."""
    lost: list[Any] = []
    try:
        found = _json(value, 0, lost)
    except Exception:  # an object whose own code fails while it is read
        return None, False
    return (None, False) if found is OPAQUE else (found, not lost)


def arguments(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, without those that have no JSON form: clients, contexts and the like."""
    found = {name: recorded(value) for name, value in args.items()}
    return {_text(name): value for name, (value, is_whole) in found.items() if is_whole or value is not None}


def _json(value: Any, depth: int, lost: list[Any]) -> Any:
    """As `player.values.to_json` gives it, which is what a replay compares; `OPAQUE` for what has none."""
    kind = type(value)
    if kind is str:
        return _text(value)
    if value is None or kind is bool or kind is int:
        return value
    if depth > _DEEPEST or (kind is float and not math.isfinite(value)):
        lost.append(value)
        return OPAQUE
    if kind is float:
        return value
    if isinstance(value, Mapping):
        items = {_text(str(key)): _json(item, depth + 1, lost) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not OPAQUE}
    if kind in (list, tuple):
        return [None if item is OPAQUE else item for item in (_json(each, depth + 1, lost) for each in value)]
    found = to_json(value)
    if found is OPAQUE:
        lost.append(value)
        return OPAQUE
    return _json(found, depth + 1, lost)


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which no file can hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


# -- errors


def error_of(error: BaseException) -> dict[str, Any]:
    """`{type, message, attributes}` of an exception, from which it can be made again.

    A class of the script that was started is named without its module: such a name is looked up where the tool is.
    """
    told = describe(error)
    told["type"] = told["type"].removeprefix("__main__.")
    attributes = _attributes(error, told["message"])
    if attributes:
        told["attributes"] = attributes
    return told


def _attributes(error: BaseException, message: str) -> dict[str, Any]:
    pydantic = sys.modules.get("pydantic_core")
    if pydantic is not None and isinstance(error, pydantic.ValidationError):
        details, _ = recorded(json.loads(error.json(include_url=False)))
        return {"title": error.title, "errors": details}
    found: dict[str, Any] = {}
    for name in dict.fromkeys((*getattr(error, "__dict__", ()), *_FIELDS)):
        if not name.startswith("_"):
            value, is_whole = _attribute(error, name)
            if is_whole:
                found[name] = value
    if found.get("args") in ([], [message]):
        del found["args"]
    return found


def _attribute(error: BaseException, name: str) -> tuple[Any, bool]:
    try:
        value = getattr(error, name)
    except Exception:
        return None, False
    if value is None or callable(value):
        return None, False
    return recorded(value)


# -- HTTP


def http_outcome(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> tuple[dict[str, Any], bool]:
    """The fields of a recording for an HTTP answer, and whether its body could be kept as it is."""
    outcome: dict[str, Any] = {}
    text, is_text = _body(body)
    data = _structured(text)
    if status != 200:
        outcome["status"] = status
    if body or 200 <= status < 300:
        outcome["response"] = text if data is None else data
    if not body and 200 <= status < 300:
        outcome["response"] = None
    kept = _kept(headers, _usual_type(text))
    if kept:
        outcome["headers"] = kept
    return outcome, is_text


def _body(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode(), True
    except UnicodeDecodeError:
        return body.decode("utf-8", "backslashreplace"), False


def _structured(text: str) -> Any:
    """The JSON object or list that a body is, where a replay writes it in the same letters; others stay text."""
    if text[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
        is_same = json.dumps(value, ensure_ascii=False) == text
    except (ValueError, RecursionError):
        return None
    data, is_whole = recorded(value)
    return data if is_whole and is_same else None


def _usual_type(text: str) -> str:
    """The content type that a replay gives to a body without one."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "text/plain; charset=utf-8"
    return "application/json"


def _kept(headers: Iterable[tuple[str, str]], usual_type: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered not in _HEADERS or (lowered == "content-type" and value == usual_type):
            continue
        if lowered in kept:
            before = kept[lowered]
            kept[lowered] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            kept[lowered] = value
    return kept
