"""A Langfuse server on loopback that speaks what Langfuse's SDK speaks: of version 4, or an older one."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PUBLIC, SECRET = "pk-lf-loopback", "sk-lf-loopback"

FIELDS = {
    "core": ["id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type"],
    "basic": [
        *("name", "level", "statusMessage", "version", "environment", "bookmarked", "public"),
        *("userId", "sessionId", "isRootObservation"),
    ],
    "time": ["completionStartTime", "createdAt", "updatedAt"],
    "io": ["input", "output"],
    "metadata": ["metadata"],
    "model": ["model", "providedModelName", "internalModelId", "modelParameters"],
    "usage": ["usageDetails", "costDetails", "totalCost"],
    "prompt": ["promptId", "promptName", "promptVersion"],
    "metrics": ["latency", "timeToFirstToken"],
    "trace_context": ["tags", "release", "traceName"],
}
ROW_FILTERS = ("name", "userId", "sessionId", "type", "traceId", "level", "version")


class LangfuseServer:
    """What it has, and what it was asked."""

    def __init__(self) -> None:
        self.observations: list[dict[str, Any]] = []
        """As `GET /api/public/v2/observations` has them, with all fields."""
        self.scores: list[dict[str, Any]] = []
        """As `GET /api/public/v3/scores` has them, with all fields."""
        self.traces: dict[str, dict[str, Any]] = {}
        """Fields of traces by their ids, which only an older server has apart."""
        self.is_old = False
        self.knows_session_scores = True
        """Servers ignore filters that they do not know."""
        self.page = 1000
        """More are not given in one answer, whatever was asked for."""
        self.failures: list[tuple[int, dict[str, str]]] = []
        """Given instead of the next answers: status and headers."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """The status and the body for a request."""
        if path == "/api/public/projects":
            organization = {"id": "o1", "name": "shop"}
            return 200, {"data": [{"id": "p1", "name": "support", "organization": organization, "metadata": {}}]}
        if self.is_old:
            return self._old(path, query)
        if path == "/api/public/v2/observations":
            return self._observations(query)
        if path == "/api/public/v3/scores":
            return self._scores(query)
        return 404, {"message": "Langfuse v4 has no such end point", "error": "LangfuseNotFoundError"}

    # -- version 4

    def _observations(self, query: dict[str, str]) -> tuple[int, Any]:
        if int(query.get("limit", 50)) > 1000:
            return 400, {"message": "limit"}
        rows = [row for row in self.observations if _is_wanted(row, query)]
        rows.sort(key=lambda row: (row["startTime"], row["id"]), reverse=True)
        groups = {"core", *query.get("fields", "core,basic").split(",")}
        names = [name for group in FIELDS if group in groups for name in FIELDS[group]]
        expanded = query.get("expandMetadata", "").split(",")
        return 200, self._cursored([_fields(row, names, expanded) for row in rows], query, 50)

    def _scores(self, query: dict[str, str]) -> tuple[int, Any]:
        if int(query.get("limit", 50)) > 100:
            return 400, {"message": "limit"}
        groups = query.get("fields", "").split(",")
        rows = [score for score in self.scores if _is_score_wanted(score, query)]
        kept = {"details": ["comment", "configId", "metadata"], "subject": ["subject"], "annotation": ["authorUserId"]}
        left_out = {name for group, names in kept.items() if group not in groups for name in names}
        answer = self._cursored([{k: v for k, v in row.items() if k not in left_out} for row in rows], query, 50)
        answer["meta"]["limit"] = int(query.get("limit", 50))
        return 200, answer

    def _cursored(self, rows: list[Any], query: dict[str, str], default: int) -> dict[str, Any]:
        limit = min(int(query.get("limit", default)), self.page)
        begin = int(base64.b64decode(query["cursor"])) if "cursor" in query else 0
        end = begin + limit
        meta = {"cursor": base64.b64encode(str(end).encode()).decode()} if end < len(rows) else {}
        return {"data": rows[begin:end], "meta": meta}

    # -- before version 4

    def _old(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        parts = path.removeprefix("/api/public/").split("/")
        if parts[0] == "traces" and len(parts) == 2:
            trace = self._trace(unquote(parts[1]))
            return (200, trace) if trace else (404, {"message": "Trace not found within authorized project"})
        if parts[0] == "traces":
            rows = [self._trace_fields(trace_id) for trace_id in self._trace_ids()]
            return 200, self._paged([row for row in rows if _is_trace_wanted(row, query)], query)
        if parts[0] == "sessions" and len(parts) == 2:
            rows = [self._trace_fields(trace_id) for trace_id in self._trace_ids()]
            rows = [row for row in rows if row["sessionId"] == unquote(parts[1])]
            whole = {
                "id": unquote(parts[1]),
                "createdAt": "2026-11-21T09:00:00.000Z",
                "projectId": "p1",
                "traces": rows,
            }
            return (200, {**whole, "environment": "default"}) if rows else (404, {"message": "Session not found"})
        if parts[0] == "observations":
            return 200, self._paged([_old_row(row) for row in self.observations if _is_wanted(row, query)], query)
        if parts[:2] == ["v2", "scores"]:
            if not self.knows_session_scores:
                query.pop("sessionId", None)
            return 200, self._paged([_old_score(s) for s in self.scores if _is_score_wanted(s, query)], query)
        return 404, {"message": "Not Found"}

    def _trace_ids(self) -> list[str]:
        newest = sorted(self.observations, key=lambda row: str(row["startTime"]), reverse=True)
        return list(dict.fromkeys(str(row["traceId"]) for row in newest))

    def _trace_fields(self, trace_id: str) -> dict[str, Any]:
        rows = [row for row in self.observations if row["traceId"] == trace_id]
        first = min(rows, key=lambda row: str(row["startTime"]))
        fields = {
            "id": trace_id,
            "timestamp": first["startTime"],
            "createdAt": first["startTime"],
            "updatedAt": first["startTime"],
            "projectId": "p1",
            "name": first.get("traceName"),
            "tags": first.get("tags") or [],
            "sessionId": first.get("sessionId"),
            "userId": first.get("userId"),
            "environment": "default",
            "public": False,
            "bookmarked": False,
            "release": None,
            "version": None,
            "input": None,
            "output": None,
            "metadata": {},
            "htmlPath": f"/project/p1/traces/{trace_id}",
        }
        return {**fields, **self.traces.get(trace_id, {})}

    def _trace(self, trace_id: str) -> dict[str, Any] | None:
        if trace_id not in self._trace_ids():
            return None
        scores = [_old_score(score) for score in self.scores if _trace_of(score) == trace_id]
        rows = [_old_row(row) for row in self.observations if row["traceId"] == trace_id]
        more = {"latency": 1.0, "totalCost": 0.0}
        return {**self._trace_fields(trace_id), **more, "observations": rows, "scores": scores}

    def _paged(self, rows: list[Any], query: dict[str, str]) -> dict[str, Any]:
        limit, page = min(int(query.get("limit", 50)), self.page), int(query.get("page", 1))
        meta = {"page": page, "limit": limit, "totalItems": len(rows), "totalPages": -(-len(rows) // limit)}
        return {"data": rows[(page - 1) * limit : page * limit], "meta": meta}


def _is_wanted(row: dict[str, Any], query: dict[str, str]) -> bool:
    if any(name in query and row.get(name) != query[name] for name in ROW_FILTERS):
        return False
    if "isRootObservation" in query and (query["isRootObservation"] == "true") != bool(row.get("isRootObservation")):
        return False
    since, until = query.get("fromStartTime", ""), query.get("toStartTime", "9")
    return since <= str(row["startTime"]) < until


def _is_trace_wanted(row: dict[str, Any], query: dict[str, str]) -> bool:
    if any(name in query and row[name] != query[name] for name in ("name", "userId", "sessionId")):
        return False
    if "tags" in query and query["tags"] not in row["tags"]:
        return False
    return query.get("fromTimestamp", "") <= str(row["timestamp"]) < query.get("toTimestamp", "9")


def _is_score_wanted(score: dict[str, Any], query: dict[str, str]) -> bool:
    subject = score["subject"]
    if "name" in query and score["name"] not in query["name"].split(","):
        return False
    if "traceId" in query and _trace_of(score) not in query["traceId"].split(","):
        return False
    return "sessionId" not in query or (subject["kind"], subject["id"]) == ("session", query["sessionId"])


def _trace_of(score: dict[str, Any]) -> Any:
    subject = score["subject"]
    return subject.get("traceId") or (subject["id"] if subject["kind"] == "trace" else None)


def _fields(row: dict[str, Any], names: list[str], expanded: list[str]) -> dict[str, Any]:
    told = {name: row[name] for name in names if name in row}
    if "metadata" in told:
        cut = {k: v if k in expanded or not isinstance(v, str) else v[:200] for k, v in told["metadata"].items()}
        told["metadata"] = cut
    return told


def _old_row(row: dict[str, Any]) -> dict[str, Any]:
    """Older servers parse the JSON of inputs and outputs."""
    left = {name: value for name, value in row.items() if name not in ("sessionId", "tags", "traceName", "userId")}
    usage = row.get("usageDetails") or {}
    counts = {name: usage.get(name, 0) for name in ("input", "output", "total")}
    more = {"usage": {**counts, "unit": "TOKENS"}, "usageDetails": usage, "modelParameters": {}, "costDetails": {}}
    return {**more, **left, **{name: _parsed(row.get(name)) for name in ("input", "output")}}


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _old_score(score: dict[str, Any]) -> dict[str, Any]:
    subject, value = score["subject"], score["value"]
    old = {name: item for name, item in score.items() if name not in ("subject", "value")}
    old["value"] = float(value) if isinstance(value, (bool, int, float)) else 0
    old["stringValue"] = None if score["dataType"] == "NUMERIC" else str(value)
    old["traceId"], old["sessionId"] = _trace_of(score), subject["id"] if subject["kind"] == "session" else None
    return old


@contextmanager
def running(server: LangfuseServer) -> Iterator[LangfuseServer]:
    """Serves on a free port of 127.0.0.1."""
    expected = "Basic " + base64.b64encode(f"{PUBLIC}:{SECRET}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece: the second would wait for the first one's acknowledgement

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            server.requests.append((parts.path, query))
            headers: dict[str, str] = {}
            if self.headers.get("authorization") != expected:
                status, body = 401, {"message": "Invalid credentials"}
            elif server.failures:
                status, headers = server.failures.pop(0)
                body = {"message": "not now"}
            else:
                status, body = server.answer(parts.path, query)
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: Any) -> None:
            """Says nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
