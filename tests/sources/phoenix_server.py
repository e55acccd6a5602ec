"""A loopback server that answers as Phoenix's REST API does, with projects of spans that tests give it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
Query = dict[str, list[str]]


class PhoenixServer:
    """Projects, each a list of spans in the shape of `/spans`; and what was annotated."""

    def __init__(self, **projects: list[Json]) -> None:
        self.projects = projects
        self.annotations: dict[str, list[Json]] = {"session": [], "trace": [], "span": []}
        self.page = 1000
        self.key: str | None = None
        self.missing: set[str] = set()
        """Endpoints that an older server does not have."""
        self.requests: list[str] = []
        self.url = ""

    def answer(self, path: str, query: Query, key: str | None) -> tuple[int, Any]:
        """The status, and the JSON or the text."""
        if self.key is not None and key != f"Bearer {self.key}":
            return 401, "Invalid token"
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts == ["v1", "projects"]:
            return 200, self._page([{"name": name, "id": name} for name in self.projects], query)
        if len(parts) != 4 or parts[:2] != ["v1", "projects"] or parts[3] in self.missing:
            return 404, "Not Found"
        if parts[2] not in self.projects:
            return 404, f"Project with name {parts[2]} not found"
        return self._of_project(self.projects[parts[2]], parts[3], query)

    def _of_project(self, spans: list[Json], what: str, query: Query) -> tuple[int, Any]:
        if what == "spans":
            return 200, self._page([s for s in spans if s["context"]["trace_id"] in query["trace_id"]], query)
        if what == "traces":
            return 200, self._page(list(self._traces(spans, query)), query)
        if what == "sessions":
            return 200, self._page(self._sessions(spans), query)
        kind = what.removesuffix("_annotations")
        asked = query.get(f"{kind}_ids", [])
        known = {span["context"]["span_id"] for span in spans}
        if kind == "span" and not known & set(asked):
            return 404, "None of the supplied span_ids exist in this project"
        return 200, self._page([each for each in self.annotations[kind] if each[f"{kind}_id"] in asked], query)

    def _traces(self, spans: list[Json], query: Query) -> Iterator[Json]:
        found: dict[str, list[Json]] = {}
        for span in spans:
            found.setdefault(span["context"]["trace_id"], []).append(span)
        since, until = query.get("start_time", [""])[0], query.get("end_time", ["9"])[0]
        sessions = query.get("session_identifier")
        is_descending = query.get("order", ["desc"]) == ["desc"]
        for id_, inside in sorted(found.items(), key=lambda item: _start(item[1]), reverse=is_descending):
            if sessions is not None and _session(inside) not in sessions:
                continue
            if query.get("error") == ["true"] and not any(span["status_code"] == "ERROR" for span in inside):
                continue
            if since <= _start(inside) < until:
                yield {"trace_id": id_, "start_time": _start(inside)}

    def _sessions(self, spans: list[Json]) -> list[Json]:
        found: dict[str, list[Json]] = {}
        for trace in self._traces(spans, {"order": ["asc"]}):
            inside = [span for span in spans if span["context"]["trace_id"] == trace["trace_id"]]
            session = _session(inside)
            if session is not None:
                found.setdefault(session, []).append(trace)
        return [{"session_id": id_, "traces": traces} for id_, traces in found.items()]

    def _page(self, items: list[Any], query: Query) -> Json:
        begin = int(query.get("cursor", ["0"])[0])
        end = begin + min(self.page, int(query.get("limit", ["100"])[0]))
        return {"data": items[begin:end], "next_cursor": str(end) if end < len(items) else None}


def _start(spans: list[Json]) -> str:
    return min(str(span["start_time"]) for span in spans)


def _session(spans: list[Json]) -> str | None:
    return next((span["attributes"]["session.id"] for span in spans if "session.id" in span["attributes"]), None)


@contextmanager
def serving(server: PhoenixServer) -> Iterator[PhoenixServer]:
    """The server on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            server.requests.append(self.path)
            status, body = server.answer(address.path, parse_qs(address.query), self.headers.get("authorization"))
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
