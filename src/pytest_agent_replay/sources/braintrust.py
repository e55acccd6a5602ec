"""Braintrust: the logs of a project, from its API or as exported rows.

A row is a span: `{id, span_id, root_span_id, span_parents, span_attributes: {name, type}, input, output, error,
metadata, metrics, scores, tags, created}`, as in braintrust 0.47. The API gives rows by
`POST /v1/project_logs/{id}/fetch`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec, Usage
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.choosing import some
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.fetching import Api, environment, quoted
from pytest_agent_replay.sources.grouping import Head, Known, Shelf, begun, chosen, inside
from pytest_agent_replay.sources.json_files import read_values
from pytest_agent_replay.sources.messages import read_answer, read_conversation, read_tools, tool_run, with_system
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import MISSING, SETTINGS, Agent, Model, RunSession, RunTrace, Span, Tool

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["Braintrust"]

Row = dict[str, Any]

_API = "https://api.braintrust.dev"
_PAGE = 100
_SESSION_KEYS = ("session_id", "thread_id", "conversation_id", "sessionId", "threadId", "conversationId")
_SCORERS = ("score", "scorer", "eval")
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "tokens": "total_tokens",
    "prompt_cached_tokens": "cached_tokens",
    "completion_reasoning_tokens": "reasoning_tokens",
}

SCORERS = "steps of scorers, which are not the agent's"
NO_SESSION = (
    "Braintrust has no conversations: traces are put together by `session_id`, `thread_id` or `conversation_id` in "
    "their `metadata`; those without it are a session each"
)


class Braintrust(Source):
    """Rows of a project's logs; traces whose metadata names the same session are one."""

    name: ClassVar[str] = "braintrust"
    description: ClassVar[str] = (
        "Reads the logs of a project from the API (the key is that of BRAINTRUST_API_KEY, the address that of "
        f"BRAINTRUST_API_URL, or {_API}), or exported rows, as JSON or JSON Lines. Rows of the same id are merged. "
        "Traces with the same `metadata.session_id` (`thread_id`, `conversation_id`) become one file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="*", metavar="FILE", help="rows as JSON or JSON Lines")
        parser.add_argument("--project", metavar="NAME", help="the logs of this project, by its name or id")
        parser.add_argument("--session", metavar="ID", help="this session")
        parser.add_argument("--trace", metavar="ID", help="this trace (its root_span_id) alone")
        parser.add_argument("--limit", metavar="N", type=some, help="the last N sessions")

    def check(self, given: Namespace) -> None:
        if bool(given.file) == bool(given.project):
            raise ReplayError("give either files or --project")

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        rows = _of_project(given.project, importing) if given.project else _of_files(given.file, importing)
        with Shelf() as shelf:
            groups = chosen(_put_aside(rows, shelf), given)
            if not groups:
                raise ReplayError(f"{given.project or ', '.join(given.file)}: there are no such spans of Braintrust's")
            heads = [head for _, group in groups for head in group]
            if any(head.session is None for head in heads) and len(heads) > 1:
                importing.note(NO_SESSION)
            groups = groups[-given.limit :] if given.limit is not None else groups
            importing.total = len(groups)
            for id_, group in groups:
                yield _session(id_, [(head, shelf.values(head.trace)) for head in group], given)

    def recognises(self, sample: Sample) -> bool:
        return any("span_attributes" in row for value in sample.values for row in _rows_in(value))


# -- rows


def _of_files(files: Sequence[str], importing: Importing) -> Iterator[Row]:
    for file in files:
        for where, value in read_values(Path(file), importing.problems):
            rows = _rows_in(value)
            if not rows:
                importing.problem(f"{where}: it is no row of Braintrust's: one has `span_id` and `root_span_id`")
            yield from rows


def _rows_in(value: Any) -> list[Row]:
    if isinstance(value, list):
        return [row for item in value for row in _rows_in(item)]
    if not isinstance(value, dict):
        return []
    for key in ("events", "rows", "data"):
        if isinstance(value.get(key), list):
            return _rows_in(value[key])
    return [value] if "span_id" in value and "root_span_id" in value else []


def _of_project(project: str, importing: Importing) -> Iterator[Row]:
    """All rows, the newest first; what changed while they were asked for may come twice."""
    key = environment("BRAINTRUST_API_KEY")
    with Api(
        environment("BRAINTRUST_API_URL") or _API,
        name="Braintrust",
        headers={"Authorization": f"Bearer {key}" if key else None},
        key_hint="set BRAINTRUST_API_KEY",
        endpoint_hint="BRAINTRUST_API_URL is the address of the API, by default https://api.braintrust.dev",
        say=importing.note,
    ) as api:
        path = f"/v1/project_logs/{quoted(_project_id(api, project))}/fetch"
        cursor = None
        while True:
            answer = api.post(path, {"limit": _PAGE, **({"cursor": cursor} if cursor else {})})
            rows = _rows_in(answer)
            yield from rows
            if not rows or not answer.get("cursor") or answer["cursor"] == cursor:
                return
            cursor = answer["cursor"]


def _project_id(api: Api, project: str) -> str:
    """The id of a project that is given by its name; what has no such name is taken for the id."""
    found = mapping(api.get("/v1/project", {"project_name": project})).get("objects")
    return str(found[0]["id"]) if found else project


def _put_aside(rows: Iterable[Row], shelf: Shelf) -> list[Head]:
    """The traces."""
    known = Known()
    for row in rows:
        trace = str(row["root_span_id"])
        shelf.put(trace, row)
        is_root = _parent(row) is None
        known.add(
            trace,
            session=_session_of(row),
            started=_began(row),
            project=row.get("project_id"),
            root_ended=mapping(row.get("metrics")).get("end") is not None if is_root else None,
        )
    return known.heads()


def _session_of(row: Row) -> str | None:
    metadata = mapping(row.get("metadata"))
    found = next((metadata[key] for key in _SESSION_KEYS if metadata.get(key)), None)
    return None if found is None else str(found)


def _began(row: Row) -> float | None:
    started = mapping(row.get("metrics")).get("start")
    if isinstance(started, (int, float)):
        return float(started)
    try:
        return parse_time(str(row.get("created"))).timestamp()
    except ValueError:
        return None


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Each row once, with all that was logged of it; of what was logged twice, the later."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: int(row["_xact_id"]) if str(row.get("_xact_id", "")).isdigit() else 0):
        id_ = str(row.get("id", row["span_id"]))
        found[id_] = _with(found.get(id_, {}), row)
    return [row for row in found.values() if not row.get("_object_delete")]


def _with(row: Row, later: Row) -> Row:
    merged = dict(row)
    for key, value in later.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _with(merged[key], value) if both else value
    return merged


# -- one session


def _session(id_: str, traces: Sequence[tuple[Head, list[Row]]], given: Namespace) -> RunSession:
    session = begun(Braintrust.name, id_, [head for head, _ in traces], given)
    if given.project:
        session.source["project"] = given.project
    for head, raw in traces:
        rows = _of_agent(_merged(raw), session.notes)
        trace = RunTrace(head.trace, [_span(row) for row in rows], started=head.started)
        session.traces.append(trace)
        for row in rows:
            _label(session, trace, row)
    return session


def _of_agent(rows: Sequence[Row], notes: Notes) -> list[Row]:
    """Without scorers, which call models of their own."""
    scorers = [str(row["span_id"]) for row in rows if mapping(row.get("span_attributes")).get("type") in _SCORERS]
    without = {*scorers, *inside({str(row["span_id"]): _parent(row) for row in rows}, scorers)}
    notes.lose(SCORERS, len(without))
    return [row for row in rows if str(row["span_id"]) not in without]


def _span(row: Row) -> Span:
    attributes, metrics = mapping(row.get("span_attributes")), mapping(row.get("metrics"))
    name = str(attributes.get("name") or "")
    ended = metrics.get("end")
    return Span(
        id=str(row["span_id"]),
        what=_what(row, name, attributes.get("type"), metrics),
        name=name,
        parent_id=_parent(row),
        started=_began(row),
        ended=float(ended) if isinstance(ended, (int, float)) else None,
        error=_error(row),
        order=attributes.get("exec_counter", 0),
    )


def _parent(row: Row) -> str | None:
    parents = row.get("span_parents")
    return str(parents[0]) if isinstance(parents, list) and parents else None


def _error(row: Row) -> ErrorSpec | None:
    return read_error(row["error"]) if row.get("error") is not None else None


def _what(row: Row, name: str, kind: Any, metrics: Mapping[str, Any]) -> Agent | Model | Tool:
    given, made = row.get("input", MISSING), row.get("output", MISSING)
    if row.get("error") is not None and made is None:
        made = MISSING
    if kind == "llm":
        return _model(given, made, mapping(row.get("metadata")), metrics)
    if kind == "tool":
        return tool_run(name, given, made)
    return Agent(input=given, output=made)


def _model(given: Any, made: Any, metadata: Mapping[str, Any], metrics: Mapping[str, Any]) -> Model:
    name = metadata.get("model")
    counts = {
        ours: int(metrics[theirs]) for theirs, ours in _USAGE.items() if isinstance(metrics.get(theirs), (int, float))
    }
    first = made[0] if isinstance(made, list) and made else made
    reason = mapping(first).get("finish_reason")
    return Model(
        name=name if isinstance(name, str) else None,
        # of the Responses API, the wrapped client keeps the instructions among the settings
        messages=with_system(read_conversation(given), metadata) if given is not MISSING else None,
        tools=read_tools(metadata.get("tools")),
        answer=read_answer(made) if made is not MISSING and made is not None else None,
        usage=Usage(**counts) if counts else None,
        finish_reason=reason if isinstance(reason, str) else None,
        settings={key: metadata[key] for key in SETTINGS if metadata.get(key) is not None},
    )


def _label(session: RunSession, trace: RunTrace, row: Row) -> None:
    """Scores, tags and the metadata of the trace's root."""
    scores = {name: score for name, score in mapping(row.get("scores")).items() if score is not None}
    trace.scores.update(scores)
    tags = row.get("tags")
    session.tags += [tag for tag in (tags if isinstance(tags, list) else []) if tag not in session.tags]
    if _parent(row) is None:
        for key, value in mapping(row.get("metadata")).items():
            if key not in _SESSION_KEYS:
                session.metadata.setdefault(key, value)
