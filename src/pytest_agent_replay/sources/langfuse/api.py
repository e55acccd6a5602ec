"""A Langfuse server: which conversations it has, and one with all its observations.

Asked is `GET /api/public/v2/observations`, which has everything since server version 4 and the newest observations at
once. Servers that do not have it answer 404; they are asked for `/traces` and `/sessions`, which version 4 lacks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.fetching import Api, ApiError, quoted
from pytest_agent_replay.sources.langfuse.records import SessionRecord, TraceRecord, trace_of, whole_trace

__all__ = ["Head", "Server", "Wanted", "is_value"]

_PAGE = 1000
_SMALL_PAGE = 100
_AT_ONCE = 50
_HEAD = "core,basic,trace_context"
_ALL = "core,basic,io,metadata,model,usage,prompt,trace_context"
_EXPANDED = ("attributes",)
_CUT = 200
"""At so many characters the server cuts off values of metadata that it was not asked to expand."""


@dataclass(slots=True)
class Wanted:
    """Which conversations of a project to look at. What this finds is looked at again when it has been fetched."""

    since: datetime | None = None
    until: datetime | None = None
    with_error: bool = False
    scores: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Head:
    """A conversation that has not been fetched: its session, or a trace that belongs to none."""

    id: str
    is_session: bool


class Server:
    """One project of one server, which the keys stand for."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._is_old: bool | None = None
        self._known: dict[str, Any] | None = None

    @staticmethod
    def headers(public_key: str, secret_key: str) -> dict[str, str]:
        """What every request is sent with."""
        pair = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    def project(self) -> str | None:
        """The name of the project that the keys stand for; None when the server does not tell."""
        return self._project().get("name")

    @property
    def url(self) -> str | None:
        """Where the project's pages are; None when the server does not tell."""
        project_id = self._project().get("id")
        return f"{self.api.base_url}/project/{quoted(project_id)}" if project_id else None

    def _project(self) -> dict[str, Any]:
        if self._known is None:
            try:
                listed = self.api.get("/api/public/projects")
            except ApiError as error:
                if error.status not in (403, 404):
                    raise
                listed = {}
            projects = mapping(listed).get("data")
            self._known = projects[0] if isinstance(projects, list) and projects else {}
        return self._known

    # -- which there are

    def heads(self, wanted: Wanted) -> Iterator[Head]:
        """The conversations of the project, each once, in the server's order: the newest first. Raises `ApiError`."""
        seen: set[Head] = set()
        rows = self._scored(wanted) if wanted.scores else self._listed(wanted)
        for row in rows:
            head = _head(row)
            if head not in seen:
                seen.add(head)
                yield head

    def _listed(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        """Observations or traces of the conversations, with `sessionId` and `traceId`."""
        if self.is_old:
            yield from self._old_listed(wanted)
            return
        params: dict[str, Any] = {"fields": _HEAD, **_window(wanted, "StartTime")}
        params.update({"level": "ERROR"} if wanted.with_error else {"isRootObservation": "true"})
        for row in self._observations(params):
            if _fits(wanted, row.get("traceName"), row.get("tags")):
                yield row

    def _old_listed(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        if wanted.with_error:
            params = {"level": "ERROR", **_window(wanted, "StartTime")}
            traces = dict.fromkeys(row.get("traceId") for row in self._old_pages("/api/public/observations", params))
            for trace_id in traces:
                if trace_id:
                    yield self._old_trace(str(trace_id)).fields
            return
        params = {"fields": "core", **_window(wanted, "Timestamp"), "name": wanted.name, "tags": wanted.tags or None}
        yield from self._old_pages("/api/public/traces", params)

    def _scored(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        """What has the first of the wanted scores; whether it has the others shows when it has been fetched."""
        name, value = next(iter(wanted.scores.items()))
        for score in self._scores({"name": name}):
            if score.get("name") != name or not is_value(score, value):
                continue
            session_id, trace_id = _subject(score)
            row = {"sessionId": session_id} if session_id else self._any_of(trace_id) if trace_id else None
            if row is not None:
                yield row

    def _any_of(self, trace_id: str) -> dict[str, Any] | None:
        if self.is_old:
            return self._old_trace(trace_id).fields
        page = self._page("/api/public/v2/observations", {"traceId": trace_id, "fields": _HEAD, "limit": 1})
        return next(iter(page[0]), None)

    # -- one of them

    def session(self, session_id: str) -> SessionRecord:
        """The traces of a session. Raises `ApiError` when there is none."""
        if self.is_old:
            listed = self.api.get(f"/api/public/sessions/{quoted(session_id)}").get("traces") or []
            traces = sorted((self._old_trace(str(trace["id"])) for trace in listed), key=_begin)
        else:
            traces = self._traces({"sessionId": session_id})
            self._give_scores(traces)
        if not traces:
            raise ApiError(f"{self.api.name} has no session `{session_id}` in the project of these keys", 404)
        return SessionRecord(session_id, traces, self._session_scores(session_id), where=f"session {session_id}")

    def trace(self, trace_id: str) -> SessionRecord:
        """A single trace. Raises `ApiError` when there is none."""
        if self.is_old:
            traces = [self._old_trace(trace_id)]
        else:
            traces = self._traces({"traceId": trace_id})
            self._give_scores(traces)
        if not traces:
            raise ApiError(f"{self.api.name} has no trace `{trace_id}` in the project of these keys", 404)
        is_part = traces[0].session_id is not None
        return SessionRecord(trace_id, traces, is_part=is_part, where=f"trace {trace_id}")

    def fetch(self, head: Head) -> SessionRecord:
        """The conversation. Raises `ApiError`."""
        return self.session(head.id) if head.is_session else self.trace(head.id)

    def _traces(self, params: dict[str, Any]) -> list[TraceRecord]:
        """With all observations, in time order."""
        by_trace: dict[str, list[dict[str, Any]]] = {}
        for row in self._observations({**params, "fields": _ALL}, expanded=_EXPANDED):
            by_trace.setdefault(str(row.get("traceId")), []).append(row)
        traces = [trace_of(rows[::-1]) for rows in by_trace.values()]
        return sorted(
            traces, key=lambda trace: (min(str(row.get("startTime")) for row in trace.observations), trace.id)
        )

    # -- scores

    def _give_scores(self, traces: list[TraceRecord]) -> None:
        by_id = {trace.id: trace for trace in traces}
        for begin in range(0, len(traces), _AT_ONCE):
            ids = ",".join(trace.id for trace in traces[begin : begin + _AT_ONCE])
            for score in self._scores({"traceId": ids}):
                trace = by_id.get(_subject(score)[1] or "")
                if trace is not None:
                    trace.scores.append(score)

    def _session_scores(self, session_id: str) -> list[dict[str, Any]]:
        scores = self._scores({"sessionId": session_id})
        return [score for score in scores if _subject(score) == (session_id, None)]

    def _scores(self, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self.is_old:
            yield from self._old_pages("/api/public/v2/scores", params)
        else:
            given = {**params, "fields": "details,subject", "limit": _SMALL_PAGE}
            yield from self._pages("/api/public/v3/scores", given)

    # -- pages

    @property
    def is_old(self) -> bool:
        """Whether the server has no v2 observations. Asks it once."""
        if self._is_old is None:
            try:
                self.api.get("/api/public/v2/observations", {"fields": "core", "limit": 1})
                self._is_old = False
            except ApiError as error:
                if error.status != 404:
                    raise
                self._is_old = True
        return self._is_old

    def _observations(self, params: dict[str, Any], expanded: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
        path = "/api/public/v2/observations"
        given = {**params, "limit": _PAGE, "expandMetadata": ",".join(expanded) or None}
        while True:
            rows, cursor = self._page(path, given)
            if expanded and (more := _cut_keys(rows)):
                rows, cursor = self._page(path, {**given, "expandMetadata": ",".join([*expanded, *more])})
            yield from rows
            if cursor is None:
                return
            given["cursor"] = cursor

    def _pages(self, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        given = dict(params)
        while True:
            rows, cursor = self._page(path, given)
            yield from rows
            if cursor is None:
                return
            given["cursor"] = cursor

    def _page(self, path: str, params: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
        answer = self.api.get(path, params)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            raise ApiError(f"{self.api.name}: {path} answered without the list `data`; is the address the right one?")
        cursor = (answer.get("meta") or {}).get("cursor")
        if cursor is not None and cursor == params.get("cursor"):
            raise ApiError(f"{self.api.name}: {path} gives the same page again and again")
        return [row for row in answer["data"] if isinstance(row, dict)], cursor or None

    def _old_pages(self, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        page, last = 1, 1
        while page <= last:
            answer = self.api.get(path, {**params, "page": page, "limit": _SMALL_PAGE})
            if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
                raise ApiError(f"{self.api.name}: {path} answered without the list `data`; is the address right?")
            yield from (row for row in answer["data"] if isinstance(row, dict))
            last = int((answer.get("meta") or {}).get("totalPages") or 1)
            page += 1

    def _old_trace(self, trace_id: str) -> TraceRecord:
        trace = self.api.get(f"/api/public/traces/{quoted(trace_id)}")
        return whole_trace({**trace, "observations": dicts(trace.get("observations"))})


def _begin(trace: TraceRecord) -> tuple[str, str]:
    times = [str(row.get("startTime")) for row in trace.observations]
    return (min(times, default=str(trace.fields.get("timestamp"))), trace.id)


def is_value(score: dict[str, Any], wanted: str) -> bool:
    """Whether a score has this value: a number, a category, or true and false (1 and 0)."""
    values = {score.get("value"), score.get("stringValue")} - {None}
    for value in values:
        if isinstance(value, bool):
            if wanted.lower() in (str(value).lower(), str(int(value))):
                return True
        elif isinstance(value, (int, float)):
            if _number(wanted) == float(value):
                return True
        elif str(value).lower() == wanted.lower():
            return True
    return False


def _subject(score: dict[str, Any]) -> tuple[str | None, str | None]:
    """The session or the trace that a score is of, or an observation of which it is."""
    subject = score.get("subject") or {}
    kind, own = subject.get("kind"), subject.get("id")
    trace_id = score.get("traceId") or subject.get("traceId") or (own if kind == "trace" else None)
    session_id = score.get("sessionId") or (own if kind == "session" else None)
    return (None, str(trace_id)) if trace_id else (str(session_id) if session_id else None, None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _head(row: dict[str, Any]) -> Head:
    session_id = row.get("sessionId")
    return Head(str(session_id), True) if session_id else Head(str(row.get("traceId") or row.get("id")), False)


def _fits(wanted: Wanted, name: Any, tags: Any) -> bool:
    return wanted.name in (None, name) and set(wanted.tags) <= set(tags or [])


def _window(wanted: Wanted, suffix: str) -> dict[str, Any]:
    """The time filter; `suffix` is what the end point calls it."""
    return {f"from{suffix}": _iso(wanted.since), f"to{suffix}": _iso(wanted.until)}


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment is not None else None


def _cut_keys(rows: list[dict[str, Any]]) -> list[str]:
    """The keys of metadata of which a value was cut off."""
    keys: dict[str, None] = {}
    for row in rows:
        metadata = row.get("metadata")
        for key, value in metadata.items() if isinstance(metadata, dict) else ():
            if isinstance(value, str) and len(value) == _CUT and key not in _EXPANDED and "," not in key:
                keys[key] = None
    return sorted(keys)
