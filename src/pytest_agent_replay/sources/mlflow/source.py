"""MLflow: a tracking server, the database of one, or exported traces."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.choosing import moment, some
from pytest_agent_replay.sources.fetching import environment, in_order
from pytest_agent_replay.sources.grouping import Head, block_of, by_session
from pytest_agent_replay.sources.mlflow.database import Database, has_traces, is_database
from pytest_agent_replay.sources.mlflow.files import Files
from pytest_agent_replay.sources.mlflow.server import Server
from pytest_agent_replay.sources.mlflow.stores import Query, Store, local_path
from pytest_agent_replay.sources.mlflow.traces import label, read_trace
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import RunSession

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["MLflow"]


class _Wanted(NamedTuple):
    """A session before its traces are read."""

    id: str
    heads: list[Head]
    is_part: bool
    source: dict[str, Any]


class MLflow(Source):
    """Traces of MLflow 2.14 and later; a server must be 3.0 or later. The `mlflow` package is not needed."""

    name = "mlflow"
    description = (
        "Reads traces from a tracking server (http, https), from a SQLite database of MLflow's (`sqlite:///mlflow.db`, "
        "or the file; it is only read), from the folder of a file store (`mlruns`), or from exported traces "
        "(`Trace.to_dict()` as JSON or JSON Lines). The traces of a session (`mlflow.trace.session`) become one file. "
        "Keys are taken from MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="*", metavar="FILE", help="exported traces, a SQLite database, or `mlruns`")
        parser.add_argument(
            "--tracking-uri",
            metavar="URI",
            help="http(s)://…, sqlite:///… or a folder; default: MLFLOW_TRACKING_URI, when no FILE is given",
        )
        parser.add_argument("--experiment", metavar="NAME", help="its name or id; default: all experiments")
        parser.add_argument("--trace", metavar="ID", help="this trace alone")
        parser.add_argument("--session", metavar="ID", help="this session")
        parser.add_argument("--filter", metavar="EXPR", help="in MLflow's search language (servers only)")
        parser.add_argument(
            "--tool-errors",
            action="store_true",
            help="sessions in which a tool failed, also when the trace as a whole is OK",
        )
        parser.add_argument("--since", metavar="TIME", help="traces that began then or later: an ISO time, or 24h, 7d")
        parser.add_argument("--until", metavar="TIME", help="traces that began before")
        parser.add_argument("--limit", metavar="N", type=some, help="the last N sessions")
        parser.add_argument(
            "--as",
            dest="as_",
            choices=("session", "trace"),
            help="a file for each session (default), or for each trace (with --trace)",
        )
        parser.add_argument(
            "--artifacts", metavar="DIR", help="of the server, for a database whose traces have their spans in files"
        )

    def check(self, given: Namespace) -> None:
        if given.file and given.tracking_uri:
            raise ReplayError("give files or --tracking-uri, not both")
        if not given.file and self._uri(given) is None:
            raise ReplayError("where are the traces? Give a file, --tracking-uri, or set MLFLOW_TRACKING_URI")
        if given.trace and (given.session or given.filter or given.tool_errors or given.since or given.until):
            raise ReplayError("--trace names one trace; it cannot be combined with other conditions")
        _query(given)

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        for store in self._stores(given, importing):
            with store:
                yield from _sessions(store, given, importing)

    def recognises(self, sample: Sample) -> bool:
        if has_traces(sample.path):
            return True
        return bool(sample.values) and all(_is_trace(value) for value in sample.values)

    def _uri(self, given: Namespace) -> str | None:
        return given.tracking_uri or environment("MLFLOW_TRACKING_URI")

    def _stores(self, given: Namespace, importing: Importing) -> Iterator[Store]:
        """One for the address or for each database, and one for all other files."""
        artifacts = Path(given.artifacts) if given.artifacts else None
        if not given.file:
            yield _store(self._uri(given) or "", importing, artifacts)
            return
        paths = [Path(file) for file in given.file]
        for path in paths:
            if is_database(path):
                yield Database(path, importing, artifacts)
        others = [path for path in paths if not is_database(path)]
        if others:
            yield Files(others, importing)


def _store(uri: str, importing: Importing, artifacts: Path | None) -> Store:
    if uri.startswith(("http://", "https://")):
        return Server(uri, importing)
    path = None if uri == "databricks" else local_path(uri)
    if path is None:
        raise ReplayError(
            f"the tracking URI {uri.partition(':')[0]}:… cannot be read from here: http(s), sqlite and folders can. "
            "For another database, name the server on it, or run `mlflow server --backend-store-uri …` and name that"
        )
    if path.is_dir():
        return Files([path], importing)
    return Database(path, importing, artifacts)


def _query(given: Namespace) -> Query:
    return Query(
        trace=given.trace,
        session=given.session,
        experiment=given.experiment,
        filter=given.filter,
        tool_errors=given.tool_errors,
        since_ms=_milliseconds("--since", given.since),
        until_ms=_milliseconds("--until", given.until),
    )


def _milliseconds(option: str, text: str | None) -> int | None:
    return None if text is None else int(moment(text, option).timestamp() * 1000)


# -- sessions


def _sessions(store: Store, given: Namespace, importing: Importing) -> Iterator[RunSession]:
    wanted = _wanted(store, _query(given), given)
    place = " ".join(map(str, store.place.values())) or "the files"
    if not wanted and given.trace is not None:
        raise ReplayError(f"there is no trace `{given.trace}` in {place}")
    if not wanted:
        importing.note(f"MLflow has no traces for this in {place}")
    if given.limit is not None:
        wanted = wanted[-given.limit :]
    new = [each for each in wanted if not importing.has(each.source)]
    importing.total = (importing.total or 0) + len(new)

    def read(each: _Wanted) -> RunSession | SessionProblem:
        try:
            return _read(store, each)
        except SessionProblem as problem:
            return problem

    # a server is asked for some sessions at once; a database belongs to the thread that opened it
    several: Callable[..., Iterator[RunSession | SessionProblem]] = in_order if isinstance(store, Server) else map
    for session in several(read, new):
        if isinstance(session, SessionProblem):
            importing.problem(str(session))
        else:
            yield session


def _wanted(store: Store, query: Query, given: Namespace) -> list[_Wanted]:
    alone = (given.as_ or ("trace" if given.trace else "session")) == "trace"
    wanted = []
    for id_, heads in by_session(store.heads(query)):
        whole = _whole(store, heads) if query.is_narrow else heads
        if alone:
            wanted += [_one(store, head.trace, [head], is_part=head.trace != whole[0].trace) for head in heads]
        else:
            wanted.append(_one(store, id_, whole, is_part=False))
    return wanted


def _one(store: Store, id_: str, heads: list[Head], *, is_part: bool) -> _Wanted:
    return _Wanted(id_, heads, is_part, {"type": "mlflow", **store.place, **block_of(id_, heads)})


def _whole(store: Store, heads: list[Head]) -> list[Head]:
    """All traces of the conversation of these."""
    first = heads[0]
    if first.session is None:
        return heads
    same = Query(session=first.session, experiment=first.project)
    found = by_session(store.heads(same))
    return found[0][1] if found else heads


def _read(store: Store, wanted: _Wanted) -> RunSession:
    session = RunSession(wanted.id, [], wanted.source, is_part=wanted.is_part, where=wanted.id)
    raw = [store.trace(head) for head in wanted.heads]
    session.traces = [read_trace(trace, session.notes) for trace in raw]
    label(session, list(zip(raw, session.traces, strict=True)))
    return session


def _is_trace(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_trace, value))
    if not isinstance(value, dict):
        return False
    if "trace" in value or "traces" in value:
        return _is_trace(value.get("trace", value.get("traces")))
    info = value.get("info", value.get("trace_info"))
    spans = mapping(value.get("data", value)).get("spans")
    is_ours = isinstance(info, dict) and ("trace_metadata" in info or "request_metadata" in info)
    return isinstance(spans, list) and (is_ours or _is_span(spans[0] if spans else None))


def _is_span(span: Any) -> bool:
    attributes = mapping(span).get("attributes")
    return isinstance(attributes, dict) and "mlflow.traceRequestId" in attributes
