"""MLflow's traces, databases and a server of it on loopback, by hand: only what a test needs of them."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SYSTEM = {"role": "system", "content": "You refund."}
ASKED = {"role": "user", "content": "Refund order 7, please."}
AGAIN = {"role": "user", "content": "It is not there."}
START = 1_795_250_000_000
"""Milliseconds since the epoch."""


def encoded(number: int, size: int = 8) -> str:
    """An id as MLflow writes it: base64 of its bytes."""
    return base64.b64encode(number.to_bytes(size, "big")).decode()


def span(
    number: int,
    kind: str,
    name: str,
    inputs: Any = None,
    outputs: Any = None,
    *,
    parent: int | None = 1,
    error: tuple[str, str] | None = None,
    ended: bool = True,
    trace: str = "tr-1",
    **attributes: Any,
) -> dict[str, Any]:
    """`Span.to_dict()`: every attribute is JSON text."""
    started = START * 1_000_000 + number * 1_000_000_000
    told = {"mlflow.traceRequestId": trace, "mlflow.spanType": kind, "mlflow.spanInputs": inputs, **attributes}
    if error is None and ended:
        told["mlflow.spanOutputs"] = outputs
    events = []
    if error is not None:
        texts = {"exception.type": error[0].rpartition(".")[2], "exception.message": error[1]}
        texts["exception.stacktrace"] = f"Traceback (most recent call last):\n  File x\n{error[0]}: {error[1]}"
        events.append({"name": "exception", "time_unix_nano": started, "attributes": texts})
    return {
        "trace_id": encoded(9, 16),
        "span_id": encoded(number),
        "parent_span_id": encoded(parent) if parent is not None else None,
        "name": name,
        "start_time_unix_nano": started,
        "end_time_unix_nano": started + 250_000_000 if ended else None,
        "events": events,
        "status": {"code": "STATUS_CODE_ERROR" if error else "STATUS_CODE_OK", "message": error[1] if error else ""},
        "attributes": {key.replace("__", "."): json.dumps(value) for key, value in told.items()},
        "links": [],
    }


def model(number: int, messages: list[Any], answer: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """A call of a model as `mlflow.openai.autolog()` traces it."""
    reason = "tool_calls" if answer.get("tool_calls") else "stop"
    request = {"model": "gpt-4o-mini", "messages": messages, "temperature": 0, "tools": [tool_schema("refund")]}
    response = {"choices": [{"index": 0, "finish_reason": reason, "message": answer}], "model": "gpt-4o-mini-2024"}
    more: dict[str, Any] = {
        "mlflow.llm.model": "gpt-4o-mini-2024",
        "mlflow.chat.tokenUsage": {"input_tokens": 11, "output_tokens": 2, "total_tokens": 13},
        "mlflow.llm.cost": {"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3},
    }
    return span(number, "CHAT_MODEL", "Completions", request, response, **more, **attributes)


def tool_schema(name: str) -> dict[str, Any]:
    """A tool as OpenAI is told of it."""
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {"type": "object"}}}


def asks(call_id: str, **args: Any) -> dict[str, Any]:
    """An answer that asks for a refund."""
    function = {"name": "refund", "arguments": json.dumps(args)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def told(call_id: str, text: str) -> dict[str, Any]:
    """The result of a call, as the model gets it."""
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def trace(
    id_: str,
    spans: Sequence[dict[str, Any]],
    *,
    session: str | None = None,
    minute: int = 0,
    state: str = "OK",
    experiment: str = "1",
    assessments: Sequence[dict[str, Any]] = (),
    tags: dict[str, str] | None = None,
    **metadata: str,
) -> dict[str, Any]:
    """`Trace.to_dict()`."""
    started = START + minute * 60_000
    info = {
        "trace_id": id_,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_time": f"2026-11-21T08:{33 + minute:02}:20.000Z",
        "state": state,
        "trace_metadata": {
            "mlflow.trace_schema.version": "3",
            **({"mlflow.trace.session": session} if session else {}),
            **{key.replace("__", "."): value for key, value in metadata.items()},
        },
        "tags": {"mlflow.trace.spansLocation": "TRACKING_STORE", **(tags or {})},
        "execution_duration_ms": 250,
    }
    if assessments:
        info["assessments"] = list(assessments)
    return {"info": info, "data": {"spans": list(spans)}, "started": started}


def assessment(name: str, value: Any, rationale: str | None = None, **more: Any) -> dict[str, Any]:
    """An assessment as `TraceInfo.to_dict()` has it."""
    kind = more.pop("kind", "feedback")
    source = {"source_type": more.pop("by", "HUMAN"), "source_id": "anna"}
    whole = {"assessment_name": name, "source": source, kind: {"value": value}, "valid": True, **more}
    return {**whole, "rationale": rationale} if rationale else whole


def refund_traces() -> list[dict[str, Any]]:
    """Two turns: a refund that fails and is claimed all the same, then one that works."""
    failed = told("c1", "Error: PaymentError('gateway timeout')")
    claimed = {"role": "assistant", "content": "Good news, it is refunded."}
    first = [
        span(1, "AGENT", "agent", {"question": ASKED["content"]}, claimed["content"], parent=None),
        model(2, [SYSTEM, ASKED], asks("c1", order=7)),
        span(3, "TOOL", "refund", {"order": 7, "retry": False}, error=("shop.PaymentError", "gateway timeout")),
        model(4, [SYSTEM, ASKED, asks("c1", order=7), failed], claimed),
    ]
    history = [SYSTEM, ASKED, asks("c1", order=7), failed, claimed, AGAIN]
    done = {"role": "assistant", "content": "Now it is."}
    second = [
        span(61, "AGENT", "agent", {"question": AGAIN["content"]}, done["content"], parent=None),
        model(62, history, asks("c2", order=7, retry=True), parent=61),
        span(63, "TOOL", "refund", {"order": 7, "retry": True}, {"refund": "RF-9"}, parent=61),
        model(64, [*history, asks("c2", order=7, retry=True), told("c2", '{"refund": "RF-9"}')], done, parent=61),
    ]
    return [trace("tr-1", first, session="s-1"), trace("tr-2", second, session="s-1", minute=1)]


def exported(value: dict[str, Any]) -> dict[str, Any]:
    """A trace as MLflow exports it."""
    return {"info": value["info"], "data": value["data"]}


def write_traces(path: Path, traces: Sequence[dict[str, Any]]) -> Path:
    """A file of exported traces."""
    path.write_text(json.dumps([exported(each) for each in traces]), "utf-8")
    return path


# -- a database


def write_database(
    path: Path,
    traces: Sequence[dict[str, Any]],
    *,
    revision: str | None = "dc11669786a5",
    with_session_column: bool = True,
    with_spans: bool = True,
    journal: str = "delete",
) -> Path:
    """The tables of MLflow 3.17, with the columns that an importer needs; older ones have fewer."""
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        session = ", session_id TEXT" if with_session_column else ""
        database.executescript(
            f"""
            CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
            INSERT INTO experiments VALUES (0, 'Default', 'active'), (1, 'refunds', 'active'), (2, 'gone', 'deleted');
            CREATE TABLE trace_info (request_id TEXT, experiment_id INTEGER, timestamp_ms BIGINT, status TEXT{session});
            CREATE TABLE trace_request_metadata (key TEXT, value TEXT, request_id TEXT);
            CREATE TABLE trace_tags (key TEXT, value TEXT, request_id TEXT);
            CREATE TABLE assessments (assessment_id TEXT, trace_id TEXT, name TEXT, assessment_type TEXT, value TEXT,
                error TEXT, created_timestamp BIGINT, source_type TEXT, rationale TEXT, valid BOOLEAN);
            """
        )
        if with_spans:
            database.execute(
                "CREATE TABLE spans (trace_id TEXT, span_id TEXT, type TEXT, status TEXT, "
                "start_time_unix_nano BIGINT, content TEXT)"
            )
        if revision is not None:
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
            database.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        for each in traces:
            _insert(database, each, with_session_column=with_session_column, with_spans=with_spans)
        database.commit()
    return path


def _insert(
    database: sqlite3.Connection, value: dict[str, Any], *, with_session_column: bool, with_spans: bool
) -> None:
    info = value["info"]
    id_, metadata = info["trace_id"], dict(info["trace_metadata"])
    experiment = int(info["trace_location"]["mlflow_experiment"]["experiment_id"])
    row = [id_, experiment, value["started"], info["state"]]
    if with_session_column:
        row.append(metadata.pop("mlflow.trace.session", None))
    database.execute(f"INSERT INTO trace_info VALUES ({', '.join('?' * len(row))})", row)
    for table, pairs in (("trace_request_metadata", metadata), ("trace_tags", info["tags"])):
        database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", [(k, v, id_) for k, v in pairs.items()])
    for number, each in enumerate(info.get("assessments", ())):
        kind = "feedback" if "feedback" in each else "expectation"
        database.execute(
            "INSERT INTO assessments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(f"a-{number}", id_, each["assessment_name"], kind, json.dumps(each[kind]["value"]), None, number),
                *(each["source"]["source_type"], each.get("rationale"), each["valid"]),
            ),
        )
    if not with_spans:
        return
    for each in value["data"]["spans"]:
        kind = json.loads(each["attributes"]["mlflow.spanType"])
        status = "ERROR" if each["status"]["code"] == "STATUS_CODE_ERROR" else "OK"
        database.execute(
            "INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?)",
            (id_, each["span_id"], kind, status, each["start_time_unix_nano"], json.dumps(each)),
        )


# -- a server


class MlflowServer:
    """What it has, and what it was asked: `(path, question, headers)`."""

    def __init__(self, traces: Sequence[dict[str, Any]]) -> None:
        self.traces = {each["info"]["trace_id"]: each for each in traces}
        self.page = 2
        self.is_artifact_closed = False
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.refuse: tuple[int, str] | None = None
        self.url = ""

    def answer(self, path: str, question: dict[str, Any]) -> tuple[int, Any]:
        """The status and the body for a request."""
        if self.refuse is not None:
            return self.refuse[0], {"message": self.refuse[1]}
        if path == "/api/2.0/mlflow/experiments/search":
            return 200, {
                "experiments": [{"experiment_id": "0", "name": "Default"}, {"experiment_id": "1", "name": "refunds"}]
            }
        if path == "/api/3.0/mlflow/traces/search":
            if "nonsense" in question["filter"]:
                return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid attribute key 'nonsense'"}
            return 200, self._search(question)
        if path == "/ajax-api/2.0/mlflow/get-trace-artifact":
            return self._artifact(question["request_id"])
        if path == "/api/3.0/mlflow/traces/get":
            found = self.traces[question["trace_id"]]
            return 200, {
                "trace": {"trace_info": found["info"], "spans": [_otlp(each) for each in found["data"]["spans"]]}
            }
        id_ = unquote(path.rpartition("/")[2])
        if path.startswith("/api/3.0/mlflow/traces/") and id_ in self.traces:
            return 200, {"trace": {"trace_info": self.traces[id_]["info"]}}
        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Trace with ID {id_} is not found."}

    def _search(self, question: dict[str, Any]) -> dict[str, Any]:
        experiments = {each["mlflow_experiment"]["experiment_id"] for each in question["locations"]}
        found = [each for each in self.traces.values() if _is_wanted(each, question.get("filter", ""), experiments)]
        found.sort(key=lambda each: each["started"])
        begin = int(question.get("page_token", 0))
        end = begin + min(self.page, question["max_results"])
        more = {"next_page_token": str(end)} if end < len(found) else {}
        return {"traces": [each["info"] for each in found[begin:end]], **more}

    def _artifact(self, id_: str) -> tuple[int, Any]:
        if self.is_artifact_closed:
            return 404, {"message": "Not Found"}
        if id_ not in self.traces or self.traces[id_]["data"]["spans"] == []:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Trace with ID {id_} is not found."}
        return 200, {"spans": self.traces[id_]["data"]["spans"]}


def _is_wanted(value: dict[str, Any], expression: str, experiments: set[str]) -> bool:
    """MLflow's search language, as far as an importer uses it."""
    info = value["info"]
    if info["trace_location"]["mlflow_experiment"]["experiment_id"] not in experiments:
        return False
    wanted = re.search(r"metadata\.`mlflow\.trace\.session` = (['\"])(.*?)\1", expression)
    if wanted and info["trace_metadata"].get("mlflow.trace.session") != wanted[2]:
        return False
    since = re.search(r"trace\.timestamp_ms >= (\d+)", expression)
    until = re.search(r"trace\.timestamp_ms < (\d+)", expression)
    if (since and value["started"] < int(since[1])) or (until and value["started"] >= int(until[1])):
        return False
    if "span.type = 'TOOL' AND span.status = 'ERROR'" in expression:
        spans = value["data"]["spans"]
        return any('"TOOL"' in each["attributes"]["mlflow.spanType"] and each["events"] for each in spans)
    return "trace.status = 'ERROR'" not in expression or info["state"] == "ERROR"


def _otlp(value: dict[str, Any]) -> dict[str, Any]:
    """A span as the server's own protocol has it: OpenTelemetry's attributes, read and typed."""
    attributes = [{"key": key, "value": _any(json.loads(text))} for key, text in value["attributes"].items()]
    events = [
        {**each, "attributes": [{"key": k, "value": _any(v)} for k, v in each["attributes"].items()]}
        for each in value["events"]
    ]
    return {**value, "attributes": attributes, "events": events}


def _any(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int):
        return {"int_value": str(value)}
    if isinstance(value, float):
        return {"double_value": value}
    if isinstance(value, dict):
        return {"kvlist_value": {"values": [{"key": k, "value": _any(v)} for k, v in value.items()]}}
    if isinstance(value, list):
        return {"array_value": {"values": [_any(each) for each in value]}}
    return {} if value is None else {"string_value": value}


@contextmanager
def serving(traces: Sequence[dict[str, Any]]) -> Iterator[MlflowServer]:
    """A server with these traces, as long as the block lasts."""
    own = MlflowServer(traces)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._reply(parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            self._reply(self.path, json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _reply(self, path: str, question: dict[str, Any]) -> None:
            own.requests.append((path, question, {key.lower(): value for key, value in self.headers.items()}))
            status, body = own.answer(path, question)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    own.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
