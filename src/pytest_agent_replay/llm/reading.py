"""Small readers that the wire formats share. Nothing here raises for odd input: a request is other people's data."""

from __future__ import annotations

import json
import math
from typing import Any

from pytest_agent_replay.player.http import HttpRequest

__all__ = ["UNREADABLE", "clean", "content_text", "dicts", "json_object", "mapping", "path_of", "tool_call"]

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What is raised while a live answer is read that has not the documented form (pydantic's error is a `ValueError`)."""


def path_of(request: HttpRequest) -> str:
    """The path of the request's URL, without query and trailing slash."""
    url = request.url
    start = url.find("://")
    slash = url.find("/", start + 3 if start >= 0 else 0)
    if slash < 0:
        return ""
    return url[slash:].partition("?")[0].partition("#")[0].rstrip("/")


def json_object(data: bytes | str) -> dict[str, Any] | None:
    """The JSON object that `data` holds, or None."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is a mapping; empty for anything else."""
    return value if isinstance(value, dict) else {}


def dicts(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list; empty for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def clean(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def tool_call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    """A neutral tool call: `{id, name, args}`, or `raw_args` when the arguments are no JSON object.

    No arguments at all (absent or an empty string) are an empty object, as every provider's SDK treats them.
    """
    call: dict[str, Any] = {"id": call_id if isinstance(call_id, str) else None, "name": str(name or "")}
    if arguments is None or arguments == "":
        arguments = {}
    parsed = _strict_object(arguments) if isinstance(arguments, str) else arguments
    if isinstance(parsed, dict):
        call["args"] = parsed
    else:
        call["raw_args"] = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return call


def _strict_object(text: str) -> dict[str, Any] | None:
    """The JSON object of a text; None also for what Python's reader takes over and above JSON: NaN, infinities."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def content_text(content: Any) -> str:
    """The text of a message's content: a string, or the text of its parts joined; other JSON as JSON text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, (dict, str)) for part in content):
        return "".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content)
    return json.dumps(content, ensure_ascii=False)
