"""Exported traces of MLflow's, and folders of its file store (`mlruns`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.grouping import Head, Shelf
from pytest_agent_replay.sources.json_files import parse_json, read_values
from pytest_agent_replay.sources.mlflow.stores import Query, Trace
from pytest_agent_replay.sources.mlflow.traces import (
    experiment_of,
    has_tool_error,
    is_open,
    session_of,
    started_at,
    trace_id_of,
)
from pytest_agent_replay.sources.source import Importing

__all__ = ["Files"]


class Files:
    """Exported traces, and folders of MLflow's file store (`mlruns`)."""

    def __init__(self, paths: Sequence[Path], importing: Importing) -> None:
        self.place: dict[str, Any] = {"file": paths[0].name} if len(paths) == 1 else {}
        self._shelf = Shelf()
        self._paths = paths
        self._importing = importing
        self._heads: dict[str, Head] | None = None
        self._with_tool_errors: set[str] = set()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *raised: object) -> None:
        self._shelf.__exit__(None, None, None)

    def heads(self, query: Query) -> Iterator[Head]:
        if query.filter is not None:
            raise ReplayError("--filter is MLflow's own language, which a server knows; files have no such search")
        if self._heads is None:
            self._heads = {}
            for path in self._paths:
                self._read(path, self._heads)
        for head in self._heads.values():
            if self._is_wanted(head, query):
                yield head

    def trace(self, head: Head) -> Trace:
        return dict(self._shelf.values(head.trace)[-1])

    def _is_wanted(self, head: Head, query: Query) -> bool:
        started = None if head.started is None else head.started * 1000
        return (
            query.trace in (None, head.trace)
            and query.session in (None, head.session)
            and query.experiment in (None, head.project)
            and (not query.tool_errors or head.trace in self._with_tool_errors)
            and (query.since_ms is None or (started is not None and started >= query.since_ms))
            and (query.until_ms is None or (started is not None and started < query.until_ms))
        )

    def _read(self, path: Path, heads: dict[str, Head]) -> None:
        values = _in_folder(path) if path.is_dir() else read_values(path, self._importing.problems)
        for where, value in values:
            found = list(_traces_in(value))
            if not found:
                self._importing.problem(f"{where}: it is no trace of MLflow's: one has `info` and `data` with `spans`")
            for trace in found:
                self._keep(where, trace, heads)

    def _keep(self, where: str, trace: Trace, heads: dict[str, Head]) -> None:
        id_ = trace_id_of(trace)
        if id_ is None:
            self._importing.problem(f"{where}: a trace without an id")
            return
        if id_ in heads:
            self._importing.note(f"{where}: the trace {id_} was there already; what came last counts")
        heads[id_] = Head(id_, session_of(trace), started_at(trace), experiment_of(trace), is_open(trace))
        if has_tool_error(trace):
            self._with_tool_errors.add(id_)
        self._shelf.put(id_, trace)


def _traces_in(value: Any) -> Iterator[Trace]:
    """The traces in a value, in the shapes in which MLflow and its users write them."""
    if isinstance(value, str):  # a column of `search_traces()`
        try:
            value = parse_json(value)
        except (ValueError, RecursionError):
            return
    if isinstance(value, list):
        for item in value:
            yield from _traces_in(item)
    elif isinstance(value, dict):
        if isinstance(value.get("traces"), list):
            yield from _traces_in(value["traces"])
        elif "trace" in value:
            yield from _traces_in(value["trace"])
        elif isinstance(value.get("spans"), list) or isinstance(value.get("data"), dict):
            yield value


def _in_folder(folder: Path) -> Iterator[tuple[str, Any]]:
    """The traces of MLflow's file store: a folder each, with `trace_info.yaml` and `artifacts/traces.json`."""
    import yaml

    found = sorted(folder.glob("**/traces/*/artifacts/traces.json"))
    if not found:
        raise ReplayError(f"{folder}: there are no traces in it (`traces/ID/artifacts/traces.json`)")
    for path in found:
        own = path.parent.parent
        info: dict[str, Any] = {"trace_id": own.name}
        if (own / "trace_info.yaml").is_file():
            info.update(mapping(yaml.safe_load((own / "trace_info.yaml").read_text("utf-8"))))
        info["trace_metadata"] = _texts(own / "request_metadata")
        info["tags"] = _texts(own / "tags")
        info["assessments"] = [
            yaml.safe_load(each.read_text("utf-8")) for each in sorted((own / "assessments").glob("*.yaml"))
        ]
        yield str(path), {"info": info, "data": parse_json(path.read_text("utf-8"))}


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*")) if path.is_file()}
