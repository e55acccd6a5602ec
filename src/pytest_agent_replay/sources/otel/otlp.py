"""OpenTelemetry spans out of JSON, in every form in which exporters and servers write them.

Read are OTLP/JSON (one batch, or a list of them; `resourceSpans`, and Tempo's `batches`), what protobuf's own JSON
makes of it (snake case, ids in base64, enumerations by name, absent values as null), log records that belong to a
span, and plain rows: Phoenix's spans and data frames, Logfire's records, the SDK's `ReadableSpan.to_json`.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.json_files import parse_json

__all__ = ["Event", "SpanRecord", "nested", "plain_rows", "read_records", "read_time", "with_logs"]

Status = Literal["unset", "ok", "error"]

_RESOURCES = ("resourceSpans", "resource_spans", "batches")
_LOGS = ("resourceLogs", "resource_logs")
_SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "scopeLogs", "scope_logs")
_LISTS = ("data", "spans", "rows", "trace", "otlp", "body")
"""Where spans lie in what wraps them: answers of servers, files of traces, logs of what was exported."""
_HEX = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}", re.IGNORECASE)
_DEEPEST = 8
_LATEST = 253_402_300_800 * 10**9
"""The end of the year 9999 in nanoseconds; what is later is no time."""
_KINDS = frozenset(
    {"AGENT", "CHAIN", "LLM", "TOOL", "RETRIEVER", "EMBEDDING", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT"}
)


@dataclass(slots=True)
class Event:
    """Something that a span tells of one moment."""

    name: str
    attributes: dict[str, Any]


@dataclass(slots=True)
class SpanRecord:
    """A span as it was exported; what its attributes mean is for the conventions to say. Times are seconds."""

    trace_id: str
    span_id: str
    name: str = ""
    parent_id: str | None = None
    start: float | None = None
    end: float | None = None
    order: int = 0
    """The start, finer than seconds can say."""
    status: Status = "unset"
    status_message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    scope_version: str = ""
    """Of the library that traced it."""
    is_log: bool = False
    """A log record that belongs to the span of this id: its one event is the record."""


def read_records(value: Any, depth: int = 0) -> Iterator[SpanRecord]:
    """The spans (and the log records that belong to spans) of a JSON value, in its order; nothing where it has none."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from read_records(item, depth + 1)
        return
    if not isinstance(value, dict):
        return
    batches = _first(value, _RESOURCES)
    logs = _first(value, _LOGS)
    if isinstance(batches, list) or isinstance(logs, list):
        yield from _batches(batches, _otlp_span)
        yield from _batches(logs, _log_record)
    elif _is_span(value):
        yield from _single(value)
    else:
        for name in _LISTS:
            if isinstance(value.get(name), (list, dict)):
                yield from read_records(value[name], depth + 1)


def plain_rows(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The rows of a JSON value that are a span each, as they are."""
    if isinstance(value, list):
        for item in value:
            yield from plain_rows(item, depth)
    elif isinstance(value, dict) and _is_span(value):
        yield value
    elif isinstance(value, dict) and depth < _DEEPEST:
        for name in _LISTS:
            yield from plain_rows(value.get(name), depth + 1)


def with_logs(records: Sequence[SpanRecord]) -> list[SpanRecord]:
    """The spans, each with the log records that belong to it among its events."""
    spans = [record for record in records if not record.is_log]
    logs: dict[tuple[str, str], list[Event]] = {}
    for record in records:
        if record.is_log:
            logs.setdefault((record.trace_id, record.span_id), []).extend(record.events)
    for span in spans:
        span.events += logs.get((span.trace_id, span.span_id), [])
    return spans


def nested(attributes: Mapping[str, Any], prefix: str) -> Any:
    """What lies under `prefix`, as objects and lists: `a.0.b` is the key `b` of the first of the list `a`.

    A source that keeps lists as they are, with dots in the keys of their objects, gives the same. None for nothing.
    """
    whole = attributes.get(prefix)
    if isinstance(whole, (list, dict)):
        return _expanded(whole)
    begin = f"{prefix}."
    found = {key[len(begin) :]: value for key, value in attributes.items() if key.startswith(begin)}
    return _expanded(found) if found else None


def read_time(value: Any) -> float | None:
    """Seconds since the epoch of an ISO text, or of a number of seconds, milliseconds, microseconds or nanoseconds."""
    return None if (moment := _nanoseconds(value)) is None else moment / 1e9


# -- OTLP


def _batches(batches: Any, read: Any) -> Iterator[SpanRecord]:
    for batch in dicts(batches):
        resource = _attributes(mapping(batch.get("resource")).get("attributes"))
        for scoped in dicts(_first(batch, _SCOPES)):
            scope = mapping(_first(scoped, ("scope", "instrumentationLibrary")))
            for item in dicts(_first(scoped, ("spans", "logRecords", "log_records"))):
                record = read(item)
                if record is not None:
                    record.resource = resource
                    record.scope_version = str(scope.get("version") or "")
                    yield record


def _single(value: dict[str, Any]) -> Iterator[SpanRecord]:
    record = _otlp_span(value) if isinstance(value.get("attributes"), list) else _plain_span(value)
    if record is not None:
        yield record


def _otlp_span(span: dict[str, Any]) -> SpanRecord | None:
    trace_id = _id(_first(span, ("traceId", "trace_id")))
    span_id = _id(_first(span, ("spanId", "span_id")))
    if trace_id is None or span_id is None:
        return None
    start = _nanoseconds(_first(span, ("startTimeUnixNano", "start_time_unix_nano")))
    status = mapping(span.get("status"))
    return SpanRecord(
        trace_id,
        span_id,
        name=str(span.get("name") or ""),
        parent_id=_id(_first(span, ("parentSpanId", "parent_span_id"))),
        start=None if start is None else start / 1e9,
        end=read_time(_first(span, ("endTimeUnixNano", "end_time_unix_nano"))),
        order=start or 0,
        status=_status(status.get("code")),
        status_message=str(status.get("message") or ""),
        attributes=_attributes(span.get("attributes")),
        events=[
            Event(str(event.get("name") or ""), _attributes(event.get("attributes")))
            for event in dicts(span.get("events"))
        ],
    )


def _log_record(log: dict[str, Any]) -> SpanRecord | None:
    trace_id = _id(_first(log, ("traceId", "trace_id")))
    span_id = _id(_first(log, ("spanId", "span_id")))
    if trace_id is None or span_id is None:
        return None
    attributes = _attributes(log.get("attributes"))
    name = _first(log, ("eventName", "event_name")) or attributes.get("event.name") or ""
    body = log.get("body")
    event = Event(str(name), {**attributes, "body": _value(body) if isinstance(body, dict) else body})
    return SpanRecord(trace_id, span_id, events=[event], is_log=True)


def _attributes(pairs: Any) -> dict[str, Any]:
    if isinstance(pairs, dict):
        return {key: value for key, value in pairs.items() if value is not None}
    read = {str(pair.get("key")): _value(pair.get("value")) for pair in dicts(pairs)}
    return {key: value for key, value in read.items() if value is not None}


def _value(value: Any) -> Any:
    """The plain value of an OTLP `AnyValue`; null-filled ones have all the others as null."""
    if not isinstance(value, dict):
        return value
    kind, content = next(((kind, item) for kind, item in value.items() if item is not None), ("", None))
    kind = kind.replace("_v", "V")
    if kind == "intValue":
        return _whole_number(content)
    if kind == "doubleValue":
        return _finite(content)
    if kind == "arrayValue":
        return [_value(item) for item in _list(content)]
    if kind == "kvlistValue":
        return {str(pair.get("key")): _value(pair.get("value")) for pair in _list(content) if isinstance(pair, dict)}
    return content


def _list(content: Any) -> list[Any]:
    values = content.get("values") if isinstance(content, dict) else content
    return values if isinstance(values, list) else []


def _whole_number(number: Any) -> int | None:
    try:
        return int(number)
    except (TypeError, ValueError, OverflowError):
        return None


def _finite(number: Any) -> float | None:
    try:
        read = float(number)
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def _status(code: Any) -> Status:
    text = str(code).upper().rpartition("_")[2].rpartition(".")[2]
    return {"1": "ok", "OK": "ok", "2": "error", "ERROR": "error"}.get(text, "unset")  # type: ignore[return-value]


def _id(value: Any) -> str | None:
    """An id as hexadecimal digits, whichever encoding it came in; None for no id, also for zeros."""
    if not isinstance(value, str) or not value.strip("0"):
        return None
    text = value[2:] if value.startswith("0x") else value
    if _HEX.fullmatch(text):
        return text.lower()
    if len(text) in (12, 24) and text.endswith("="):
        try:
            return base64.b64decode(text, altchars=b"-_" if set("-_") & set(text) else None, validate=True).hex()
        except (binascii.Error, ValueError):
            return text
    return text


# -- plain rows


def _is_span(value: dict[str, Any]) -> bool:
    has_id = _first(value, ("spanId", "span_id", "context.span_id")) or isinstance(value.get("context"), dict)
    return bool(has_id) and _first(value, ("name", "span_name")) is not None


def _plain_span(row: dict[str, Any]) -> SpanRecord | None:
    context = mapping(row.get("context"))
    trace_id = _id(_first(row, ("context.trace_id", "trace_id", "traceId")) or context.get("trace_id"))
    span_id = _id(_first(row, ("context.span_id", "span_id", "spanId")) or context.get("span_id"))
    if trace_id is None or span_id is None or row.get("kind") in ("pending_span", "log"):
        return None
    status = mapping(row.get("status"))
    start = _nanoseconds(_first(row, ("start_time", "start_timestamp", "startTime")))
    resource = mapping(row.get("resource"))
    return SpanRecord(
        trace_id,
        span_id,
        name=str(_first(row, ("name", "span_name"))),
        parent_id=_id(_first(row, ("parent_id", "parent_span_id", "parentSpanId"))),
        start=None if start is None else start / 1e9,
        end=read_time(_first(row, ("end_time", "end_timestamp", "endTime"))),
        order=start or 0,
        status=_status(_first(row, ("status_code", "otel_status_code")) or _first(status, ("status_code", "code"))),
        status_message=str(
            _first(row, ("status_message", "otel_status_message")) or _first(status, ("description", "message")) or ""
        ),
        attributes=_plain_attributes(row),
        events=_plain_events(row),
        resource=_attributes(resource.get("attributes")),
        scope_version=str(row.get("otel_scope_version") or ""),
    )


def _plain_attributes(row: dict[str, Any]) -> dict[str, Any]:
    given = _parsed(row.get("attributes"))
    attributes = _attributes(given) if isinstance(given, dict) else {}
    attributes.update(
        (key.partition(".")[2], value)
        for key, value in row.items()
        if key.startswith("attributes.") and value is not None
    )
    kind = row.get("span_kind")
    if isinstance(kind, str) and kind in _KINDS:
        attributes.setdefault("openinference.span.kind", kind)
    if isinstance(row.get("service_name"), str):
        attributes.setdefault("service.name", row["service_name"])
    return attributes


def _plain_events(row: dict[str, Any]) -> list[Event]:
    events = [
        Event(
            str(_first(event, ("name", "event_name")) or ""),
            _attributes(_first(event, ("attributes", "event_attributes")) or {}),
        )
        for event in dicts(_parsed(_first(row, ("events", "otel_events"))))
    ]
    if row.get("exception_type") and not any(event.name == "exception" for event in events):
        kept = ("exception_type", "exception_message", "exception_stacktrace")
        events.append(Event("exception", {key.replace("_", ".", 1): row[key] for key in kept if row.get(key)}))
    return events


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        return None


# -- small things


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _nanoseconds(value: Any) -> int | None:
    """None for no time, and for 0, which says that there is none."""
    if isinstance(value, str) and not value.isdigit():
        return _iso_nanoseconds(value)
    try:
        number = int(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < _LATEST:
            return None
    except ValueError:
        return None
    for least, factor in ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000)):
        if number >= least:
            return int(number * factor)
    return int(number * 1_000_000_000)


def _iso_nanoseconds(text: str) -> int | None:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?", text.strip())
    if match is None:
        return None
    zone = (match[3] or "Z").replace("Z", "+0000").replace(":", "")
    try:
        moment = datetime.strptime(f"{match[1].replace(' ', 'T')}{zone}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    fraction = int((match[2] or ".0")[1:].ljust(9, "0")[:9])
    return int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()) * 1_000_000_000 + fraction


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    if not isinstance(value, dict):
        return value
    tree: dict[str, Any] = {}
    for key, item in value.items():
        *path, last = str(key).split(".")
        place = tree
        for part in path:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = place[part] = {"": inner}
            place = inner
        place.setdefault(last, item)
    return _listed({key: _expanded(item) if isinstance(item, (dict, list)) else item for key, item in tree.items()})


def _listed(tree: dict[str, Any]) -> Any:
    if tree and all(key.isdigit() for key in tree):
        return [tree[key] for key in sorted(tree, key=int)]
    return tree
