"""pydantic's `ValidationError` from what a recording says of it.

It cannot be made without its fields, nor subclassed; `ValidationError.from_exception_data` is pydantic's own way to
make one. The fields are taken from the recorded attribute `errors` (what `.errors()` gives), or read from the text.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.late import late_pattern
from pytest_agent_replay.player.instances import Made

__all__ = ["validation_error"]

_TITLE = late_pattern(r"\d+ validation errors? for (.*)")
_DETAIL = late_pattern(r"  (?P<msg>.*) \[type=(?P<type>[^,\]]+)(?:, input_value=(?P<input>.*), input_type=\w+)?\]")


def validation_error(found: type[Exception], spec: ErrorSpec) -> Made | None:
    """The recorded `ValidationError`; None for other classes, and where its fields are not known."""
    pydantic = sys.modules.get("pydantic_core")
    if pydantic is None or found is not getattr(pydantic, "ValidationError", None):
        return None
    first, *lines = spec.message.splitlines() or [""]
    heading = _TITLE.fullmatch(first)
    title = spec.attributes.get("title") or (heading and heading[1]) or "recorded"
    recorded = spec.attributes.get("errors")
    details = [d for d in recorded if isinstance(d, dict)] if isinstance(recorded, list) else list(_read(lines))
    if not details:
        details = [{"type": "recorded", "msg": spec.message}]
    make = pydantic.ValidationError.from_exception_data
    try:
        error: Exception = make(_utf8(title), [_line(pydantic, detail) for detail in details])
    except (TypeError, ValueError, KeyError):  # no such fields: the stand-in has the text
        return None
    error.args = ()  # as pydantic's own
    return Made(error)


def _line(pydantic: Any, detail: dict[str, Any]) -> dict[str, Any]:
    """One error in the form that pydantic takes: of its own kind where that has the recorded text, else custom."""
    kind, message = _utf8(detail.get("type", "recorded")), _utf8(detail.get("msg", ""))
    loc = detail.get("loc", [])
    places = [part if isinstance(part, int) else _utf8(part) for part in (loc if isinstance(loc, list) else [loc])]
    line = {"loc": tuple(places), "input": detail.get("input")}
    context = detail.get("ctx") if isinstance(detail.get("ctx"), dict) else None
    try:
        own = pydantic.PydanticKnownError(kind, context)
        if own.message() == message:
            return {"type": kind, **line, **({"ctx": context} if context else {})}
    except (KeyError, TypeError, ValueError):  # a kind with an exception in its context, or of another version
        pass
    # braces would be filled from the context
    return {"type": pydantic.PydanticCustomError(kind, "{text}", {**(context or {}), "text": message}), **line}


def _utf8(text: Any) -> str:
    """Text without lone surrogates, which pydantic's core cannot hold."""
    return str(text).encode("utf-8", "replace").decode()


def _read(lines: list[str]) -> Iterator[dict[str, Any]]:
    """The errors in the text of a `ValidationError`: a line with the place, one with what is wrong there."""
    place = ""
    for line in lines:
        detail = _DETAIL.fullmatch(line)
        if detail is not None:
            loc = [int(part) if part.isdecimal() else part for part in place.split(".") if part]
            yield {"type": detail["type"], "msg": detail["msg"], "loc": loc, "input": _value(detail["input"] or "None")}
            place = ""
        elif not line.startswith(" "):
            place = line


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # an object, or cut
        return text
