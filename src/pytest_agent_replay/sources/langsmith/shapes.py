"""What LangSmith's answers have: projects, listed traces, runs; in the shape of the first generation of its API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.fetching import ApiError

__all__ = [
    "BEGINNING",
    "Listed",
    "Project",
    "Query",
    "expected",
    "first_shape",
    "listed",
    "text",
    "thread_of",
]

_MODELS = ("chat_model", "chatmodel", "chat")
"""LangChain's own word for a model of chats, which other tracers and exports of runs use instead of `llm`."""
BEGINNING = "2000-01-01T00:00:00Z"
"""Queries say from when on: the second generation otherwise means the last day."""


@dataclass(frozen=True, slots=True)
class Project:
    """A tracing project."""

    id: str
    name: str
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A trace as a listing has it: enough to find and name it."""

    id: str
    thread_id: str | None
    started: str
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Which traces of a project, by their root runs. `filter` and `tree_filter` are of LangSmith's filter language."""

    since: str = BEGINNING
    has_error: bool | None = None
    filter: str | None = None
    tree_filter: str | None = None


def text(value: object) -> str:
    """A text in LangSmith's filter language."""
    return json.dumps(value)


def first_shape(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run of either generation in the shape of the first."""
    shaped = dict(run)
    for name in ("run_type", "status"):
        if isinstance(shaped.get(name), str):
            shaped[name] = shaped[name].lower()
    if shaped.get("run_type") in _MODELS:
        shaped["run_type"] = "llm"
    ancestors = shaped.get("parent_run_ids")
    if shaped.get("parent_run_id") is None and isinstance(ancestors, list) and ancestors:
        shaped["parent_run_id"] = ancestors[-1]
    if shaped.get("session_id") is None:
        shaped["session_id"] = shaped.get("project_id")
    extra = mapping(shaped.get("extra"))
    if "metadata" not in extra and isinstance(shaped.get("metadata"), dict):
        shaped["extra"] = {**extra, "metadata": shaped["metadata"]}
    return shaped


def thread_of(run: Mapping[str, Any]) -> str | None:
    """The conversation that a run says it belongs to, by the keys that LangSmith knows."""
    metadata = (run.get("extra") or {}).get("metadata") if isinstance(run.get("extra"), dict) else None
    metadata = metadata if isinstance(metadata, dict) else run.get("metadata")
    known = mapping(metadata)
    values = [run.get("thread_id"), *(known.get(key) for key in ("thread_id", "session_id", "conversation_id"))]
    return next((str(value) for value in values if isinstance(value, (str, int)) and value != ""), None)


def listed(run: Mapping[str, Any]) -> Listed:
    """A trace by what a listing says of its root run."""
    pending = run.get("is_pending") or str(run.get("status")).lower() == "pending"
    trace_id = str(run.get("trace_id") or run.get("id"))
    return Listed(trace_id, thread_of(run), str(run.get("start_time") or ""), bool(pending))


def expected(value: Any, what: str) -> dict[str, Any]:
    """The value, which has to be a mapping. Raises `ApiError`."""
    if not isinstance(value, dict):
        raise ApiError(f"LangSmith answered with a {type(value).__name__} instead of {what}; is its address right?")
    return value
