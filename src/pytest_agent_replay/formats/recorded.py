"""Files that the recorder of the `responses` library wrote, as recordings of HTTP tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict

from pytest_agent_replay.formats.loading import load_document
from pytest_agent_replay.formats.validation import validate

__all__ = ["recorded_responses"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Response(_Strict):
    method: str
    url: str
    body: str | None = None
    status: int = 200
    content_type: str | None = None
    headers: dict[str, str] | None = None
    auto_calculate_content_length: bool | None = None


class _Entry(_Strict):
    response: _Response


class _File(_Strict):
    responses: list[_Entry]


def recorded_responses(path: Path, display: str, max_size: int) -> Iterator[dict[str, Any]]:
    """The data of one tool response per recorded HTTP response.

    The tool is the route (`GET https://host/path`); the query becomes `args`, so that its order does not matter.
    Raises `FormatError`.
    """
    document = load_document(path, display=display, max_size=max_size)
    for entry in validate(_File, document).responses:
        yield _tool_response(entry.response)


def _tool_response(recorded: _Response) -> dict[str, Any]:
    url, _, query = recorded.url.partition("#")[0].partition("?")
    data: dict[str, Any] = {"tool": f"{recorded.method.upper()} {url}"}
    if query:
        data["args"] = _arguments(query)
    data["response"] = recorded.body or ""
    data["status"] = recorded.status
    headers = dict(recorded.headers or {})
    if recorded.content_type is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = recorded.content_type
    if headers:
        data["headers"] = headers
    return data


def _arguments(query: str) -> dict[str, Any]:
    """As the player reads the query of a request: a key that comes several times has a list."""
    arguments: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        old = arguments.get(key)
        arguments[key] = value if old is None else [*old, value] if isinstance(old, list) else [old, value]
    return arguments
