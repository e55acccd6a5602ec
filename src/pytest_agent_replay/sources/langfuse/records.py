"""What Langfuse has of a conversation: its traces with observations and scores, as the server or a file gives them.

Read are the answers of `GET /api/public/traces/{id}` (also as `{trace, observations}`, which the trace page downloads),
lists of observations (`GET /api/public/v2/observations`, the export of the observations table as JSON, JSON Lines or
CSV), and lists of all these.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.reading import dicts
from pytest_agent_replay.sources.grouping import Head, Shelf, by_session
from pytest_agent_replay.sources.json_files import parse_json, read_values
from pytest_agent_replay.sources.source import Importing

__all__ = [
    "SessionRecord",
    "TraceRecord",
    "is_observation",
    "is_trace",
    "read_sessions",
    "seconds_of",
    "text_of",
    "trace_of",
    "whole_trace",
]

_LISTS = ("data", "observations", "traces")
_JSON_COLUMNS = frozenset(
    {"metadata", "modelParameters", "usageDetails", "costDetails", "startTime", "endTime", "traceTags", "comments"}
)
_TRACE_FIELDS = ("sessionId", "userId", "environment", "release", "version", "projectId")
_NO_OBSERVATIONS = (
    "it is a trace without its observations, in which there are no model and tool calls: "
    "export the observations, or `GET /api/public/traces/{id}`"
)


@dataclass(slots=True)
class TraceRecord:
    """One trace; the fields as Langfuse names them."""

    id: str
    fields: dict[str, Any] = field(default_factory=dict)
    observations: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    """Of the trace and of its observations."""

    @property
    def session_id(self) -> str | None:
        """The conversation that it belongs to; None when the application named none."""
        return text_of(self.fields.get("sessionId"))


@dataclass(slots=True)
class SessionRecord:
    """The traces of one conversation. A trace without a session is a conversation of its own."""

    id: str
    traces: list[TraceRecord] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    """Of the session as a whole."""
    is_part: bool = False
    """Only some of its traces were asked for."""
    where: str = ""


def is_trace(value: Any) -> bool:
    """Whether it is a trace with its observations, as this API and the trace page give it."""
    if not isinstance(value, dict) or not isinstance(value.get("observations"), list):
        return False
    trace = value.get("trace", value)
    return isinstance(trace, dict) and "id" in trace and all(map(is_observation, value["observations"]))


def is_observation(value: Any) -> bool:
    """Whether it is an observation."""
    return isinstance(value, dict) and {"id", "traceId", "type", "startTime"} <= value.keys()


def trace_of(observations: list[dict[str, Any]]) -> TraceRecord:
    """The trace that these observations are of, with what they tell about it."""
    fields: dict[str, Any] = {}
    for observation in observations:
        told = {name: observation.get(name) for name in _TRACE_FIELDS}
        told["name"] = observation.get("traceName")
        told["tags"] = observation.get("traceTags") or observation.get("tags")
        told["timestamp"] = observation.get("traceTimestamp")
        for name, value in told.items():
            if value not in (None, "", []):
                fields.setdefault(name, value)
    return TraceRecord(text_of(observations[0].get("traceId")) or "", fields, observations)


def whole_trace(value: dict[str, Any]) -> TraceRecord:
    """A trace with its observations, as `is_trace` knows it."""
    trace = value.get("trace", value)
    fields = {name: item for name, item in trace.items() if name not in ("observations", "scores")}
    scores = dicts(trace.get("scores")) or dicts(value.get("scores"))
    return TraceRecord(text_of(trace.get("id")) or "", fields, dicts(value["observations"]), scores)


def read_sessions(paths: list[Path], importing: Importing) -> Iterator[SessionRecord]:
    """The conversations of these files, in the order in which they began; what is wrong goes to `importing.problem`.

    Traces of one session become one conversation, also from several files. Raises `FormatError` when the only file
    cannot be read, or is empty.
    """
    with Shelf() as shelf:
        found = _Found(shelf)
        for path in paths:
            problems: list[str] = []
            try:
                is_empty = True
                for where, value in _values(path, problems):
                    for item in _items(value, where, problems):
                        found.add(item, where)
                        is_empty = False
                if is_empty and not problems:
                    raise FormatError(Problem(str(path), 0, 0, "there is no trace or observation in it"))
            except FormatError as error:
                if len(paths) == 1:
                    raise
                problems.append(str(error))
            for problem in problems:
                importing.problem(problem)
        groups = by_session(found.heads())
        importing.total = len(groups)
        for session_id, heads in groups:
            traces = [found.trace(head.trace) for head in heads]
            yield SessionRecord(session_id, traces, where=found.places[heads[0].trace])


class _Found:
    """What the files have of each trace, put aside until all of it is there."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.places: dict[str, str] = {}
        self._heads: dict[str, Head] = {}

    def add(self, item: dict[str, Any], where: str) -> None:
        """A whole trace or an observation."""
        record = whole_trace(item) if is_trace(item) else trace_of([item])
        times = [seconds_of(row.get("startTime")) for row in record.observations]
        known = [time for time in (seconds_of(record.fields.get("timestamp")), *times) if time is not None]
        new = Head(record.id, record.session_id, min(known, default=None), text_of(record.fields.get("projectId")))
        old = self._heads.get(record.id)
        self._heads[record.id] = _both(old, new) if old is not None else new
        self.places.setdefault(record.id, where)
        self.shelf.put(record.id, item)

    def heads(self) -> list[Head]:
        """What is known of each trace."""
        return list(self._heads.values())

    def trace(self, trace_id: str) -> TraceRecord:
        """All of it; an observation that is there twice counts once."""
        whole: TraceRecord | None = None
        rows: dict[str, dict[str, Any]] = {}
        for item in self.shelf.values(trace_id):
            if is_trace(item):
                whole = whole_trace(item)
            for row in item["observations"] if is_trace(item) else [item]:
                rows[str(row["id"])] = row
        observations = list(rows.values())
        own = trace_of(observations) if observations else TraceRecord(trace_id)
        if whole is None:
            return own
        told = {name: value for name, value in whole.fields.items() if value is not None}
        return TraceRecord(trace_id, {**own.fields, **told}, observations, whole.scores)


def _both(old: Head, new: Head) -> Head:
    started = [time for time in (old.started, new.started) if time is not None]
    return Head(old.trace, old.session or new.session, min(started) if started else None, old.project or new.project)


def text_of(value: Any) -> str | None:
    """An id or a name as text that every file can hold; None when there is none."""
    return str(value).encode("utf-8", "replace").decode() if value not in (None, "") else None


def _values(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    if path.suffix.lower() == ".csv":
        yield from _rows(path)
    else:
        yield from read_values(path, problems)


def _items(value: Any, where: str, problems: list[str]) -> Iterator[dict[str, Any]]:
    """The traces and single observations of a value."""
    if is_trace(value) or is_observation(value):
        yield value
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _items(item, f"{where}: item {number}", problems)
    elif isinstance(value, dict) and (name := next((n for n in _LISTS if isinstance(value.get(n), list)), None)):
        yield from _items(value[name], where, problems)
    elif isinstance(value, dict) and "id" in value and "timestamp" in value:
        problems.append(f"{where}: {_NO_OBSERVATIONS}")
    else:
        known = ", ".join(f"`{key}`" for key in list(value)[:8]) if isinstance(value, dict) else type(value).__name__
        problems.append(f"{where}: it is neither a trace with `observations` nor an observation; it has {known}")


def seconds_of(value: Any) -> float | None:
    """Seconds since the epoch of a time."""
    try:
        return parse_time(value).timestamp() if isinstance(value, str) else None
    except ValueError:
        return None


# -- CSV


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    """The rows of an exported observations table."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 1):
                yield f"{path}: row {number}", {name: _cell(name, text) for name, text in row.items() if name}
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), 0, 0, f"it is not UTF-8 (byte {error.start + 1})")) from None
    except (OSError, csv.Error) as error:
        raise FormatError(Problem(str(path), 0, 0, f"it cannot be read: {error}")) from None


def _cell(name: str, text: Any) -> Any:
    """Texts stand as they are; everything else as JSON. Nothing is null."""
    if not isinstance(text, str) or text == "":
        return None
    if name not in _JSON_COLUMNS:
        return text
    try:
        return parse_json(text)
    except (json.JSONDecodeError, ValueError, RecursionError):
        return text
