"""A LangSmith server on loopback: both generations of its API, as its own client speaks to it.

What it was told by the client's multipart requests, or by `add`, can be queried. Limits and faults are set by tests.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "lsv2_pt_0123456789abcdef_fedcba9876"
WORKSPACE = "6b9d0f5e-0000-4000-8000-000000000001"
_INGESTED = {
    "use_multipart_endpoint": True,
    "size_limit": 100,
    "size_limit_bytes": 20_000_000,
    "scale_up_nthreads_limit": 16,
    "scale_up_qsize_trigger": 1000,
    "scale_down_nempty_trigger": 4,
}
_THREAD_KEYS = ("session_id", "thread_id", "conversation_id")

Run = dict[str, Any]
Answer = tuple[int, Any, dict[str, str]]
"""Status, JSON, headers."""


class VirtualTime:
    """A clock that sleeping moves on. Threads sleep at the same time; what they do between takes none."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        """Passes at once."""
        with self._lock:
            self.slept.append(seconds)
        self.move_to(self.now + seconds)

    def move_to(self, moment: float) -> None:
        """Later, never earlier."""
        with self._lock:
            self.now = max(self.now, moment)

    def __call__(self) -> float:
        """The time."""
        return self.now


class LangSmithServer:
    """Started by `with`; `url` is its endpoint."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.feedback: list[dict[str, Any]] = []
        self.projects: dict[str, str] = {}
        self.flags: dict[str, Any] = {}
        self.generations = {"v1", "v2"}
        self.takes_lists = True
        """Whether the filter language has `in`."""
        self.missing: set[str] = set()
        """Paths that this server does not have."""
        self.base = ""
        """The path of the first generation, such as `/api/v1`."""
        self.page = 100
        self.log: list[tuple[str, str, Any]] = []
        self.faults: deque[tuple[int, dict[str, str]]] = deque()
        """Status and headers of the next answers to queries."""
        self.clock: Callable[[], float] | None = None
        """With a clock, queries of the first generation are limited to 15 in 10 seconds."""
        self.stored: dict[str, Any] = {}
        self.downloads: list[dict[str, str]] = []
        """The headers of each download."""
        self.before: Callable[[str], None] = lambda path: None
        self._queried: deque[float] = deque()
        self._listed: list[Run] | None = None
        self._lock = threading.RLock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    def __enter__(self) -> LangSmithServer:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def asked(self, path: str) -> list[Any]:
        """The bodies or parameters of the requests whose path matches."""
        return [content for _, asked, content in self.log if re.fullmatch(path, asked)]

    # -- what it holds

    def project(self, name: str) -> str:
        """The id of a project, which is made when there is none."""
        return self.projects.setdefault(name, str(uuid.uuid5(uuid.NAMESPACE_URL, name)))

    def add(self, run_id: str, **fields: Any) -> Run:
        """Adds to a run, or makes it, as the client's requests do."""
        with self._lock:
            run = self.runs.setdefault(run_id, {"id": run_id, "inputs": {}, "outputs": None, "error": None})
            run.update({key: value for key, value in fields.items() if value is not None})
            self._listed = None
            return run

    def take_away(self, run_id: str, field: str) -> Any:
        """Makes a run one that does not have this; gives what it had."""
        self._listed = None
        return self.runs[run_id].pop(field)

    def say(self, run_id: str, key: str, **fields: Any) -> None:
        """Adds feedback about a run."""
        at = f"2026-11-21T10:00:{len(self.feedback):02d}Z"
        self._listed = None
        self.feedback.append({"id": str(uuid.uuid4()), "run_id": run_id, "key": key, "created_at": at, **fields})

    def shown(self, run: Run) -> Run:
        """A run as the first generation answers with it: with what the server adds."""
        metadata = (run.get("extra") or {}).get("metadata") or {}
        thread = next((metadata[key] for key in _THREAD_KEYS if metadata.get(key)), None)
        trace = run.get("trace_id") or run["id"]
        project = run.get("session_name") or "default"
        status = "error" if run.get("error") else "success" if run.get("end_time") else "pending"
        said = [item for item in self.feedback if item["run_id"] == run["id"]]
        ancestors = [part[-36:] for part in str(run.get("dotted_order") or "").split(".")[:-1]]
        shown = {
            "tags": None,
            "extra": None,
            "end_time": None,
            "parent_run_id": None,
            **run,
            "trace_id": trace,
            "thread_id": thread,
            "session_id": run.get("session_id") or self.project(project),
            "status": status,
            "parent_run_ids": ancestors or ([run["parent_run_id"]] if run.get("parent_run_id") else []),
            "feedback_stats": {item["key"]: {"n": 1, "avg": item.get("score")} for item in said} or None,
        }
        for name in ("inputs", "outputs"):
            if f"{run['id']}.{name}" in self.stored:
                place = {"presigned_url": f"/public/download?of={run['id']}.{name}&signature=s3cret"}
                shown.update({name: None, f"{name}_s3_urls": {"ROOT": place}})
        return shown

    def listed(self) -> list[Run]:
        """All runs, newest first."""
        with self._lock:
            if self._listed is None:
                runs = [self.shown(run) for run in self.runs.values()]
                self._listed = sorted(runs, key=lambda run: (_time(run["start_time"]), run["id"]), reverse=True)
            return self._listed

    # -- answers

    def answer(self, method: str, path: str, content: Any) -> Answer:
        """Status, JSON and headers for a request."""
        with self._lock:
            self.log.append((method, path, content))
        self.before(path)
        if path in self.missing:
            return 404, {"detail": "Not Found"}, {}
        generation = "v2" if path.startswith("/api/v2/") else "v1"
        base = "/api/v2" if generation == "v2" else self.base
        if not path.startswith(f"{base}/"):
            return 404, {"detail": "Not Found"}, {}
        name = path[len(base) :]
        if name == "/info":
            info = {"version": "0.16.1", "instance_flags": self.flags, "batch_ingest_config": _INGESTED}
            return 200, info, {}
        if re.match(r"/(runs|threads|traces)/", name) and method + name != "POST/runs/multipart":
            if generation not in self.generations:
                return 404, {"detail": "Not Found"}, {}
            refused = self._refused(generation, name)
            if refused is not None:
                return refused[0], {"detail": "not now"}, refused[1]
        for pattern, answer in self._ROUTES.items():
            match = re.fullmatch(pattern, f"{generation} {method} {name}")
            if match:
                return answer(self, *map(unquote, match.groups()), content)
        return 404, {"detail": "Not Found"}, {}

    def _refused(self, generation: str, name: str) -> tuple[int, dict[str, str]] | None:
        with self._lock:
            if self.faults:
                return self.faults.popleft()
            if self.clock is None or (generation, name) != ("v1", "/runs/query"):
                return None
            now = self.clock()
            while self._queried and self._queried[0] <= now - 10:
                self._queried.popleft()
            if len(self._queried) >= 15:
                return 429, {"retry-after": str(int(self._queried[0] + 11 - now))}
            self._queried.append(now)
            return None

    def _sessions(self, params: Any) -> Answer:
        names = [name for name in self.projects if name == params.get("name", name)]
        return 200, [self._session_of(name) for name in names], {}

    def _session(self, project_id: str, params: Any) -> Answer:
        for name, known in self.projects.items():
            if known == project_id:
                return 200, self._session_of(name), {}
        return 404, {"detail": "Project not found"}, {}

    def _session_of(self, name: str) -> dict[str, Any]:
        start = "2026-01-01T00:00:00"
        known = {"id": self.projects[name], "name": name, "tenant_id": WORKSPACE}
        return {**known, "start_time": start, "reference_dataset_id": None}

    def _read(self, run_id: str, params: Any) -> Answer:
        run = self.runs.get(run_id)
        return (200, self.shown(run), {}) if run is not None else (404, {"detail": "Run not found"}, {})

    def _query(self, body: Any) -> Answer:
        wanted = {key: value for key, value in body.items() if key not in ("select", "limit", "cursor", "order")}
        if not wanted.keys() & {"session", "id", "trace", "parent_run"}:
            return 400, {"detail": "At least one of 'session', 'id', 'parent_run', 'trace' must be specified"}, {}
        if "in(" in (wanted.get("filter") or "") and not self.takes_lists:
            return 422, {"detail": "in() is not understood"}, {}
        found = list(self._found(wanted, body.get("start_time")))
        begin = int(body.get("cursor") or 0)
        size = min(body.get("limit") or 100, self.page)
        names = body.get("select")
        page = [{key: run.get(key) for key in names} if names else run for run in found[begin : begin + size]]
        more = str(begin + size) if begin + size < len(found) else None
        return 200, {"runs": page, "cursors": {"next": more}}, {}

    def _found(self, wanted: dict[str, Any], since: str | None) -> Iterator[Run]:
        everything = self.listed()
        trees: dict[str, list[Run]] = {}
        for run in everything:
            trees.setdefault(run["trace_id"], []).append(run)
        own = parse_filter(wanted["filter"]) if wanted.get("filter") else None
        any_of_tree = parse_filter(wanted["tree_filter"]) if wanted.get("tree_filter") else None
        for run in everything:
            if "session" in wanted and run["session_id"] not in wanted["session"]:
                continue
            if "trace" in wanted and run["trace_id"] != wanted["trace"]:
                continue
            if wanted.get("is_root") is not None and (run["parent_run_id"] is None) != wanted["is_root"]:
                continue
            if wanted.get("error") is not None and (run["status"] == "error") != wanted["error"]:
                continue
            if wanted.get("run_type") is not None and run["run_type"] != wanted["run_type"].lower():
                continue
            if since is not None and _time(run["start_time"]) < _time(since):
                continue
            if own and not self._holds(own, run):
                continue
            if any_of_tree and not any(self._holds(any_of_tree, other) for other in trees[run["trace_id"]]):
                continue
            yield run

    def _query_v2(self, body: Any) -> Answer:
        if "project_ids" not in body:
            return 422, {"detail": "project_ids is required"}, {}
        wanted = {
            "session": body["project_ids"],
            "is_root": body.get("is_root"),
            "error": body.get("has_error"),
            "filter": body.get("filter"),
            "tree_filter": body.get("tree_filter"),
            "run_type": body.get("run_type"),
        }
        found = list(self._found(wanted, body.get("min_start_time") or _yesterday()))
        begin = int(body.get("cursor") or 0)
        size = min(body.get("page_size") or 100, 10 * self.page)
        page = [_second(run, body.get("selects")) for run in found[begin : begin + size]]
        return 200, {"items": page, "next_cursor": str(begin + size) if begin + size < len(found) else None}, {}

    def _read_v2(self, run_id: str, params: Any) -> Answer:
        run = self.runs.get(run_id)
        if run is None or params.get("project_id") != self.shown(run)["session_id"]:
            return 404, {"detail": "Run not found"}, {}
        return 200, _second(self.shown(run), _listed(params.get("selects"))), {}

    def _trace_v2(self, trace_id: str, params: Any) -> Answer:
        runs = [
            run for run in self.listed() if (run["trace_id"], run["session_id"]) == (trace_id, params["project_id"])
        ]
        if not runs:
            return 404, {"detail": "Trace not found"}, {}
        return 200, {"items": [_second(run, _listed(params.get("selects"))) for run in runs]}, {}

    def _thread_v2(self, thread_id: str, params: Any) -> Answer:
        found = [
            run
            for run in self.listed()
            if run["thread_id"] == thread_id
            and run["session_id"] == params["project_id"]
            and run["parent_run_id"] is None
        ]
        begin, size = int(params.get("cursor") or 0), min(int(params.get("page_size") or 20), self.page)
        page = [_second(run, _listed(params.get("selects"))) for run in found[begin : begin + size]]
        return 200, {"items": page, "next_cursor": str(begin + size) if begin + size < len(found) else None}, {}

    def _said(self, params: Any) -> Answer:
        found = [item for item in self.feedback if item["run_id"] in _listed(params.get("run"))]
        begin = int(params.get("offset") or 0)
        return 200, found[begin : begin + int(params.get("limit") or 100)], {}

    def _say(self, body: Any) -> Answer:
        self._listed = None
        self.feedback.append({"created_at": "2026-11-21T10:00:00Z", **body})
        return 200, self.feedback[-1], {}

    def _ingest(self, parts: Any) -> Answer:
        for name, value in parts:
            event, _, rest = name.partition(".")
            run_id, _, part = rest.partition(".")
            if event in ("post", "patch"):
                self.add(run_id, **({part: value} if part else value))
            elif event == "feedback":
                self._say(value)
        for run in list(self.runs.values()):
            self.project(run.get("session_name") or "default")
        return 202, {}, {}

    _ROUTES: ClassVar[dict[str, Callable[..., Answer]]] = {
        r"v1 GET /sessions": _sessions,
        r"v1 GET /sessions/([^/]+)": _session,
        r"v1 POST /runs/query": _query,
        r"v1 POST /runs/multipart": _ingest,
        r"v1 GET /runs/([^/]+)": _read,
        r"v1 GET /feedback": _said,
        r"v1 POST /feedback": _say,
        r"v2 POST /runs/query": _query_v2,
        r"v2 GET /runs/([^/]+)": _read_v2,
        r"v2 GET /traces/([^/]+)/runs": _trace_v2,
        r"v2 GET /threads/([^/]+)/traces": _thread_v2,
    }

    # -- the filter language

    def _holds(self, expression: Any, run: Run, said: dict[str, Any] | None = None) -> bool:
        name, args = expression
        if name == "and":
            if said is None and any(_is_of_feedback(arg) for arg in args):
                about = [item for item in self.feedback if item["run_id"] == run["id"]]
                return any(all(self._holds(arg, run, item) for arg in args) for item in about)
            return all(self._holds(arg, run, said) for arg in args)
        if name == "or":
            return any(self._holds(arg, run, said) for arg in args)
        field, value = args
        if field.startswith("feedback_"):
            about = [said] if said is not None else [item for item in self.feedback if item["run_id"] == run["id"]]
            return any(_COMPARED[name](item.get(field.removeprefix("feedback_")), value) for item in about)
        if field == "latency":
            took = _time(run["end_time"]) - _time(run["start_time"]) if run["end_time"] else timedelta(0)
            return bool(_COMPARED[name](took.total_seconds(), value))
        if field == "start_time":
            return bool(_COMPARED[name](_time(run[field]), _time(value)))
        return bool(_COMPARED[name](run.get(field), value))


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: bool(have == want),
    "neq": lambda have, want: bool(have != want),
    "lt": lambda have, want: have is not None and have < want,
    "gte": lambda have, want: have is not None and have >= want,
    "gt": lambda have, want: have is not None and have > want,
    "has": lambda have, want: want in (have or []),
    "in": lambda have, want: have in want,
}
_TOKEN = re.compile(r'\s*([a-z_]+\(|"(?:[^"\\]|\\.)*"|-?[\d.]+(?:e[+-]?\d+)?|[a-z_]+|[\[\](),])')


def parse_filter(text: str) -> Any:
    """A filter as `(name, arguments)`. Raises `ValueError` for what is none."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens).replace(" ", "") != text.replace(" ", ""):
        raise ValueError(f"no filter: {text}")
    value = _parsed(iter(tokens))
    if not isinstance(value, tuple):
        raise ValueError(f"no filter: {text}")
    return value


def _parsed(tokens: Iterator[str]) -> Any:
    token = next(tokens)
    if token.endswith("(") or token == "[":
        args = []
        while (arg := _parsed(tokens)) is not _END:
            args.append(arg)
        return args if token == "[" else (token[:-1], args)
    if token in (")", "]"):
        return _END
    if token == ",":
        return _parsed(tokens)
    return json.loads(token) if token[0] in '"-0123456789' else token


_END = object()


def _is_of_feedback(expression: Any) -> bool:
    return isinstance(expression[1][0], str) and expression[1][0].startswith("feedback_")


def _second(run: Run, selects: list[str] | None) -> Run:
    """A run as the second generation answers with it; without `selects` there is the id alone."""
    have = {
        **run,
        "project_id": run["session_id"],
        "run_type": run["run_type"].upper(),
        "status": run["status"].upper(),
        "is_root": run["parent_run_id"] is None,
        "metadata": (run.get("extra") or {}).get("metadata"),
    }
    return {key: have.get(key) for key in ["id", *(name.lower() for name in selects or ())]}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _yesterday() -> str:
    return (datetime.now(timezone.utc) - timedelta(days=1)).isoformat()


def _handler(server: LangSmithServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            params = {key: values if len(values) > 1 else values[0] for key, values in parse_qs(url.query).items()}
            if url.path == "/public/download":
                server.downloads.append({key.lower(): value for key, value in self.headers.items()})
                self._send(200, server.stored[params["of"]], {})  # type: ignore[index]
            else:
                self._answer(url.path, params)

        def do_POST(self) -> None:
            body = self._body()
            kind = self.headers.get("content-type") or ""
            content = _parts(kind, body) if kind.startswith("multipart/") else json.loads(body)
            self._answer(urlsplit(self.path).path, content)

        def _body(self) -> bytes:
            if "content-length" in self.headers:
                return self.rfile.read(int(self.headers["content-length"]))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, path: str, content: Any) -> None:
            if self.headers.get("x-api-key") != KEY:
                self._send(401, {"detail": f"Invalid token {self.headers.get('x-api-key')}"}, {})
            else:
                self._send(*server.answer(self.command, path, content))

        def _send(self, status: int, content: Any, headers: dict[str, str]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _parts(kind: str, body: bytes) -> list[tuple[str, Any]]:
    """The named JSON parts of a multipart body."""
    message = BytesParser().parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body)
    parts = []
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        parts.append((str(name), json.loads(part.get_payload(decode=True))))  # type: ignore[union-attr,arg-type]
    return parts
