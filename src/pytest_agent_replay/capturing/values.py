"""What happened, as JSON: results, errors and HTTP answers of tools in the form that replay files have for them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_agent_replay.intercept.returns import Keyed
from pytest_agent_replay.player.session import describe
from pytest_agent_replay.player.values import OPAQUE, to_json

__all__ = ["Recorded", "arguments", "error_of", "http_outcome", "recorded"]

_DEEPEST = 80
_LONGEST = 2_000
"""Bits of a whole number. Python writes and reads at least 640 digits, wherever its limit is set."""
_HEADERS = ("content-type", "location", "link", "retry-after", "etag", "last-modified", "content-range")
"""Of an answer these headers are kept: what clients act on. None of a request is."""
_FIELDS = ("errno", "strerror", "filename", "filename2", "name", "path", "code", "encoding", "object", "start", "end",
           "reason", "value", "args", "status", "status_code", "message")  # fmt: skip
"""Attributes of exceptions that are not in their dictionary: written in C, or properties."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A value in its JSON form, in a copy."""

    value: Any = None
    lost: tuple[str, ...] = ()
    """What of it has no JSON form, such as the names of types."""
    kinds: frozenset[Any] = frozenset()
    """Types that are others in JSON: dates, tuples, classes with fields; `Keyed` for keys that are no text."""


def recorded(value: Any) -> Recorded:
    """The JSON form of a value; parts of it may have been recorded before."""
    reading = _Reading()
    try:
        found = reading.json(value, 0)
    except Exception:  # an object whose own code fails while it is read
        return Recorded(None, (type(value).__qualname__,))
    return Recorded(None if found is OPAQUE else found, tuple(dict.fromkeys(reading.lost)), frozenset(reading.kinds))


def arguments(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, without those that have no JSON form: clients, contexts and the like."""
    found = {_text(name): recorded(value) for name, value in args.items()}
    return {name: each.value for name, each in found.items() if each.value is not None or not each.lost}


class _Reading:
    """The reading of one value."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.kinds: set[Any] = set()

    def json(self, value: Any, depth: int) -> Any:
        """As `player.values.to_json` gives it, which is what a replay compares; `OPAQUE` for what has none."""
        kind = type(value)
        if kind is str:
            return _text(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if value.bit_length() < _LONGEST else self._lose("more than 600 digits")
        if kind is Recorded:
            self.lost += value.lost
            self.kinds |= value.kinds
            return value.value
        if depth > _DEEPEST:
            return self._lose(f"more than {_DEEPEST} levels")
        if kind is float:
            return value if math.isfinite(value) else self._lose(str(value))
        if isinstance(value, Mapping):
            return self._mapping(value, kind, depth)
        if kind in (list, tuple):
            if kind is tuple:
                self.kinds.add(tuple)
            return [None if item is OPAQUE else item for item in (self.json(each, depth + 1) for each in value)]
        return self._rich(value, kind, depth)

    def _mapping(self, value: Mapping[Any, Any], kind: type, depth: int) -> dict[str, Any]:
        if kind is not dict:
            self.kinds.add(kind)
        items: dict[str, Any] = {}
        for key, item in value.items():
            if type(key) is not str:
                self.kinds.add(Keyed)
            found = self.json(item, depth + 1)
            if found is not OPAQUE:
                items[_text(str(key))] = found
        return items

    def _rich(self, value: Any, kind: type, depth: int) -> Any:
        found = to_json(value)
        if found is OPAQUE:
            return self._lose(kind.__qualname__)
        if isinstance(value, (bytes, bytearray)) and found.encode() != value:
            self.lost.append("binary data")
        self.kinds.add(kind)
        return self.json(found, depth + 1)

    def _lose(self, what: str) -> Any:
        self.lost.append(what)
        return OPAQUE


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
        return {"title": error.title, "errors": recorded(json.loads(error.json(include_url=False))).value}
    found: dict[str, Any] = {}
    for name in dict.fromkeys((*getattr(error, "__dict__", ()), *_FIELDS)):
        if not name.startswith("_"):
            attribute = _attribute(error, name)
            if attribute is not None and not attribute.lost:
                found[name] = attribute.value
    if found.get("args") in ([], [message]):
        del found["args"]
    return found


def _attribute(error: BaseException, name: str) -> Recorded | None:
    try:
        value = getattr(error, name)
    except Exception:
        return None
    return None if value is None or callable(value) else recorded(value)


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
    found = recorded(value)
    return found.value if is_same and not found.lost else None


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
