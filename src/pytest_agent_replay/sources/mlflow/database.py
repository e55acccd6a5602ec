"""The SQLite database of an MLflow server, or of a bare tracking URI, read without MLflow.

Tables as in MLflow 3.17 (`mlflow.store.tracking.dbmodels.models`): `trace_info`, `trace_request_metadata`,
`trace_tags`, `assessments`, and `spans`, whose `content` is `Span.to_dict()` as JSON.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.grouping import Head
from pytest_agent_replay.sources.json_files import parse_json
from pytest_agent_replay.sources.mlflow.stores import Query, Trace, experiment_id, local_path
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.source import Importing

__all__ = ["Database", "has_traces", "is_database"]

_HEADER = b"SQLite format 3\x00"

_COLUMNS = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "trace_info": {"request_id", "experiment_id", "timestamp_ms", "status"},
    "trace_request_metadata": {"request_id", "key", "value"},
    "trace_tags": {"request_id", "key", "value"},
}
"""What is read, and is there since MLflow 2.14. Tables and columns that came later may be missing."""

_REVISIONS = """
    867495a8f9d4 5b0e9adcef9c 4465047574b1 f5a4f2784254 0584bdc529eb 400f98739977 6953534de441 bda7b8c39065
    cbc13b556ace 770bee3ae1dd a1b2c3d4e5f6 de4033877273 1a0cddfcaa16 534353b11cbc 71994744cf8e 3da73c924c2f
    bf29a5ff90ea 1bd49d398cd23 b7c8d9e0f1a2 5d2d30f0abce c9d4e5f6a7b8 2c33131f4dae d3e4f5a6b7c8 d0e1f2a3b4c5
    c8d9e0f1a2b3 1b5f0d9ad7c1 e1f2a3b4c5d6 76601a5f987d c3d6457b6d8a a5b4c3d2e1f0 ae8bbe7743c9 7d34483879f0
    da6fb0208061 89d3d66ed43f b7e4c1a90f23 a8b9c0d1e2f3 c1d2e3f4a5b6 c3d9e7f1a2b4 6f8d9c3b2a1e 1971f2d9a75b
    17e22815139b b7e2c1a4d9f3 75868b020152 dc11669786a5
"""
"""Versions of the schema (Alembic's) from the one that brought traces, in MLflow 2.14, to that of MLflow 3.17."""


def is_database(path: Path) -> bool:
    """Whether a file is of SQLite, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def has_traces(path: Path) -> bool:
    """Whether a file is a SQLite database with MLflow's tables."""
    if not is_database(path):
        return False
    try:
        with closing(_opened(path)) as database:
            return not _lacking(_columns(database))
    except sqlite3.Error:
        return False


class Database:
    """The database of an MLflow server, or of a bare `sqlite:///…` tracking URI. It is only read.

    Traces of MLflow before 3.5 have their spans in files beside it: in the artifact folder that the trace names, in
    `artifacts`, or in `mlartifacts` or `mlruns` beside the database.
    """

    def __init__(self, path: Path, importing: Importing, artifacts: Path | None = None) -> None:
        """Raises `ReplayError` for what is no database of MLflow's."""
        self.place: dict[str, Any] = {"file": path.name}
        self._path = path
        self._folders = [
            folder for folder in (artifacts, path.parent / "mlartifacts", path.parent / "mlruns") if folder
        ]
        if not is_database(path):
            raise ReplayError(f"{path}: {'it is no SQLite database' if path.is_file() else 'there is no such file'}")
        try:
            self._database = _opened(path)
            self._columns = _columns(self._database)
            self._check(importing)
            self._names = dict(self._all("SELECT CAST(experiment_id AS TEXT), name FROM experiments"))
        except sqlite3.Error as error:
            raise ReplayError(f"{path}: it cannot be read: {error}") from None

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *raised: object) -> None:
        self._database.close()

    def heads(self, query: Query) -> Iterator[Head]:
        if query.filter is not None:
            raise ReplayError(
                "--filter is MLflow's own language, which its server knows; a database is read without it. Give the "
                "other options, or run `mlflow server --backend-store-uri sqlite:///…` and import from its address"
            )
        conditions, values = self._conditions(query)
        rows = self._all(
            f"SELECT t.request_id, {self._session}, t.timestamp_ms, CAST(t.experiment_id AS TEXT), t.status "
            "FROM trace_info t JOIN experiments e ON e.experiment_id = t.experiment_id "
            f"WHERE {' AND '.join(conditions)} ORDER BY t.timestamp_ms, t.request_id",
            *values,
        )
        for id_, session, started, experiment, state in rows:
            name = self._names.get(experiment, experiment)
            yield Head(id_, session or None, started / 1000, name, state == "IN_PROGRESS")

    def trace(self, head: Head) -> Trace:
        try:
            return {"info": self._info(head), "data": {"spans": self._spans(head)}}
        except sqlite3.Error as error:
            raise SessionProblem(f"{self._path}: {head.trace}: it cannot be read: {error}") from None

    # -- the schema

    def _check(self, importing: Importing) -> None:
        lacking = _lacking(self._columns)
        version = self._version()
        if lacking:
            raise ReplayError(
                f"{self._path}: it is no database of MLflow with traces (schema {version or 'unknown'}): "
                f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing. MLflow 2.14 and later has them; "
                "`mlflow db upgrade` brings an older one up to date"
            )
        if version not in _REVISIONS.split():
            importing.note(
                f"{self._path}: its schema ({version or 'without a version'}) is none of those known here, of MLflow "
                "2.14 to 3.17; it has all that is read, but look at the result"
            )

    def _version(self) -> str | None:
        if "alembic_version" not in self._columns:
            return None
        return next((version for (version,) in self._all("SELECT version_num FROM alembic_version")), None)

    def _has(self, table: str, column: str) -> bool:
        return column in self._columns.get(table, ())

    @property
    def _session(self) -> str:
        kept = (
            "(SELECT m.value FROM trace_request_metadata m "
            "WHERE m.request_id = t.request_id AND m.key = 'mlflow.trace.session')"
        )
        return f"COALESCE(t.session_id, {kept})" if self._has("trace_info", "session_id") else kept

    def _conditions(self, query: Query) -> tuple[list[str], list[Any]]:
        wanted: list[tuple[str, list[Any]]] = [("e.lifecycle_stage = 'active'", [])]
        if query.trace is not None:
            wanted.append(("t.request_id = ?", [query.trace]))
        if query.session is not None:
            wanted.append((f"{self._session} = ?", [query.session]))
        if query.experiment is not None:
            wanted.append(("t.experiment_id = ?", [experiment_id(query.experiment, self._names)]))
        if query.since_ms is not None:
            wanted.append(("t.timestamp_ms >= ?", [query.since_ms]))
        if query.until_ms is not None:
            wanted.append(("t.timestamp_ms < ?", [query.until_ms]))
        if query.tool_errors:
            if not self._has("spans", "type"):
                raise ReplayError(
                    f"{self._path}: --tool-errors needs the spans in the database, which MLflow has since 3.5; "
                    "`mlflow db upgrade` does not move them there"
                )
            failed = "SELECT 1 FROM spans s WHERE s.trace_id = t.request_id AND s.type = 'TOOL' AND s.status = 'ERROR'"
            wanted.append((f"EXISTS ({failed})", []))
        return [condition for condition, _ in wanted], [value for _, values in wanted for value in values]

    # -- one trace

    def _info(self, head: Head) -> Trace:
        metadata = self._pairs("trace_request_metadata", head.trace)
        if head.session is not None:
            metadata["mlflow.trace.session"] = head.session
        ((state, started),) = self._all("SELECT status, timestamp_ms FROM trace_info WHERE request_id = ?", head.trace)
        return {
            "trace_id": head.trace,
            "state": state,
            "timestamp_ms": started,
            "trace_metadata": metadata,
            "tags": self._pairs("trace_tags", head.trace),
            "assessments": self._assessments(head.trace),
        }

    def _pairs(self, table: str, trace: str) -> dict[str, Any]:
        return dict(self._all(f"SELECT key, value FROM {table} WHERE request_id = ? ORDER BY key", trace))

    def _assessments(self, trace: str) -> list[Trace]:
        if not self._has("assessments", "valid"):
            return []
        rows = self._all(
            "SELECT name, assessment_type, value, error, created_timestamp, source_type, rationale, valid "
            "FROM assessments WHERE trace_id = ? ORDER BY created_timestamp, assessment_id",
            trace,
        )
        return [
            {
                "assessment_name": name,
                kind: {"value": _json_or_text(value), "error": error},
                "create_time": created,
                "source": {"source_type": source},
                "rationale": rationale,
                "valid": bool(valid),
            }
            for name, kind, value, error, created, source, rationale, valid in rows
        ]

    def _spans(self, head: Head) -> list[Any]:
        if self._has("spans", "content"):
            rows = self._all(
                "SELECT content FROM spans WHERE trace_id = ? ORDER BY start_time_unix_nano, span_id", head.trace
            )
            if any(content for (content,) in rows):
                return [_json_or_text(content) for (content,) in rows]
        return self._spans_of_file(head)

    def _spans_of_file(self, head: Head) -> list[Any]:
        tags = self._pairs("trace_tags", head.trace)
        location = str(tags.get("mlflow.artifactLocation", ""))
        if tags.get("mlflow.trace.spansLocation") == "ARCHIVE_REPO":
            raise SessionProblem(
                f"{head.trace}: MLflow archived its spans; import from the server, which can read them"
            )
        last = Path(*urlsplit(location).path.strip("/").split("/")[-4:]) if location else None
        folders = [local_path(location), *(folder / last for folder in self._folders if last is not None)]
        for folder in folders:
            if folder is not None and (folder / "traces.json").is_file():
                try:
                    return list(parse_json((folder / "traces.json").read_text("utf-8"))["spans"])
                except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                    raise SessionProblem(f"{folder / 'traces.json'}: it cannot be read: {error}") from None
        raise SessionProblem(
            f"{head.trace}: its spans are not in the database, but in {location or 'files that it does not name'}; "
            "give the folder of the artifacts with --artifacts, or import from the server"
        )

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._database.execute(sql, values).fetchall()


def _opened(path: Path) -> sqlite3.Connection:
    """Opens it so that neither it nor its folder changes.

    A database with a write-ahead log that nobody has open gets the two files of that log from any reader, unless it is
    told that nothing will change.
    """
    with path.open("rb") as file:
        has_log = file.read(19)[18:] == b"\x02"
    is_open = path.with_name(f"{path.name}-wal").exists()
    still = "&immutable=1" if has_log and not is_open else ""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro{still}", uri=True, timeout=30)


def _columns(database: sqlite3.Connection) -> dict[str, set[str]]:
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {}
    for table in tables:
        quoted_name = table.replace('"', '""')
        found[table] = {row[1] for row in database.execute(f'PRAGMA table_info("{quoted_name}")')}
    return found


def _lacking(columns: Mapping[str, set[str]]) -> list[str]:
    return [
        f"`{table}.{column}`"
        for table, needed in _COLUMNS.items()
        for column in sorted(needed - columns.get(table, set()))
    ]


def _json_or_text(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return text
