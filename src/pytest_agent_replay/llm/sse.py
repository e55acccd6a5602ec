"""Server-sent events, as model APIs stream them (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["sse_data", "sse_event"]

# Not `splitlines`, which also ends lines at characters that JSON strings may hold.
_LINE_END = re.compile(r"\r\n|\r|\n")


def sse_event(data: dict[str, Any] | str, name: str | None = None) -> bytes:
    """One event, with its name where the API gives it one; a mapping is sent as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()


def sse_data(body: bytes) -> Iterator[str]:
    """The data of each event; a last event that was cut off counts too."""
    lines: list[str] = []
    for line in _LINE_END.split(body.decode("utf-8", "replace")):
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
