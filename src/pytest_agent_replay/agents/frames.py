"""Texts that are many values: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) and
JSON values one after the other, on lines of their own or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.agents.pieces import Frame, says_something

__all__ = ["events_of", "frames_in", "objects_of"]

_LINE_END = re.compile(r"\r\n|\r|\n")  # and no others: JSON strings may hold what `splitlines` splits at
_BETWEEN = re.compile(r"[\s,\x1e]*")
_FIELD = re.compile(r"(data|event|id|retry)?(:|$)")


def frames_in(text: str) -> list[Any] | None:
    """The values of a text that is events, or objects in which something is said; None when it is anything else."""
    if text.startswith(("data:", "event:", ":", "id:", "retry:")):
        lines = _LINE_END.split(text)
        if all(_FIELD.match(line) for line in lines) and any(line.startswith("data:") for line in lines):
            return events_of(text)
    objects = objects_of(text)
    return objects if objects is not None and says_something(objects) else None


def events_of(text: str) -> list[Any]:
    """The data of each event, in a `Frame` where the event has a name. A last one that was cut off counts, and
    `[DONE]` does not.

    The data are what they are as JSON, where those of every event are an object, a list or a text in quotes; else
    texts, beside the objects and lists among them.
    """
    events = [(name, data) for name, data in _events(_LINE_END.split(text)) if data.strip() != "[DONE]"]
    read = [_read(data) for _, data in events]
    is_json = all(isinstance(value, str | dict | list) for value in read)
    values = [
        value if isinstance(value, dict | list) or is_json else data
        for (_, data), value in zip(events, read, strict=True)
    ]
    return [Frame(name, value) if name else value for (name, _), value in zip(events, values, strict=True)]


def objects_of(text: str) -> list[Any] | None:
    """The objects of a text that is at least two of them, as in JSON Lines; None when it is anything else."""
    if not text.lstrip().startswith("{"):
        return None
    decoder = json.JSONDecoder()
    found: list[Any] = []
    position = _end_of(_BETWEEN, text, 0)
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        found.append(value)
        position = _end_of(_BETWEEN, text, position)
    return found if len(found) > 1 else None


def _events(lines: list[str]) -> Iterator[tuple[str, str]]:
    name, data = "", []
    for line in (*lines, ""):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif not line:
            if data:
                yield "" if name == "message" else name, "\n".join(data)
            name, data = "", []


def _read(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match is not None else start
