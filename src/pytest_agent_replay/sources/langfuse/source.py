"""Langfuse: conversations of a project, or exported traces and observations.

Server and SDK as of Langfuse 4 and 5: https://langfuse.com/docs/api-and-data-platform
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.choosing import moment, some
from pytest_agent_replay.sources.fetching import Api, ApiError, environment, in_order, quoted
from pytest_agent_replay.sources.langfuse.api import Head, Server, Wanted, is_value
from pytest_agent_replay.sources.langfuse.records import (
    SessionRecord,
    is_observation,
    is_trace,
    read_sessions,
    text_of,
)
from pytest_agent_replay.sources.langfuse.spans import decoded, metadata_of, read_trace, score_value
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import RunSession, Tool

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["Langfuse"]

_CLOUD = "https://cloud.langfuse.com"
_KEY_HINT = "set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY to the keys of the project"
_URL_HINT = "set LANGFUSE_BASE_URL to the server, such as https://us.cloud.langfuse.com"
_SELECTION = ("session", "trace", "score", "tool_errors", "errors", "since", "until", "name", "with_tag", "limit")
_BAD = (False, "no", "false", "fail", "failed", "incorrect", "wrong", "bad")


class Langfuse(Source):
    """A Langfuse server, or files from one."""

    name = "langfuse"
    description = (
        "Reads conversations from a Langfuse server, or from files: traces (`GET /api/public/traces/{id}`, the trace "
        "page's download) and observations (`GET /api/public/v2/observations`, the table's export as JSON, JSON Lines "
        "or CSV). The server is LANGFUSE_BASE_URL (or LANGFUSE_HOST), its keys are LANGFUSE_PUBLIC_KEY and "
        "LANGFUSE_SECRET_KEY; they stand for one project."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Files, or what to look for on the server."""
        parser.add_argument("file", metavar="FILE", nargs="*", help="exported files; without one the server is asked")
        parser.add_argument("--session", metavar="ID", action="append", default=[], help="this session; repeatable")
        parser.add_argument("--trace", metavar="ID", action="append", default=[], help="this trace alone; repeatable")
        parser.add_argument("--tool-errors", action="store_true", help="those in which a tool failed")
        parser.add_argument("--errors", action="store_true", help="those with an observation of the level ERROR")
        parser.add_argument(
            "--score", metavar="NAME=VALUE", action="append", default=[], help="those with this score; repeatable"
        )
        parser.add_argument("--since", metavar="TIME", help="those that began then or later: an ISO time, or 24h, 7d")
        parser.add_argument("--until", metavar="TIME", help="those that began before")
        parser.add_argument("--name", help="those with a trace of this name")
        parser.add_argument("--with-tag", metavar="TAG", action="append", default=[], help="with this tag; repeatable")
        parser.add_argument("--limit", metavar="N", type=some, help="at most so many, the newest")
        parser.add_argument("--base-url", metavar="URL", help=f"the server (default: LANGFUSE_BASE_URL, or {_CLOUD})")

    def check(self, given: Namespace) -> None:
        """Refuses options that say nothing together."""
        asked = [f"--{name.replace('_', '-')}" for name in _SELECTION if getattr(given, name) not in (None, [], False)]
        if given.file and (asked or given.base_url):
            raise ReplayError(f"{(asked or ['--base-url'])[0]} asks the server; leave it out, or the files")
        ids = [name for name in asked if name in ("--session", "--trace")]
        others = [name for name in asked if name not in ids]
        if ids and others:
            raise ReplayError(f"{ids[0]} names what to import; {others[0]} would look for it; leave one of them out")
        _scores(given)
        if not given.file and None in _keys():
            raise ReplayError(f"Langfuse needs keys to be asked; {_KEY_HINT}, or name exported files")
        for option in ("since", "until"):
            if getattr(given, option):
                moment(getattr(given, option), f"--{option}")

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        """Those of the files in the order in which they began; those of the server in its order."""
        if given.file:
            for record in read_sessions([Path(file) for file in given.file], importing):
                yield _run(record, _source(record, None, None))
            return
        public, secret = _keys()
        with Api(
            given.base_url or environment("LANGFUSE_BASE_URL", "LANGFUSE_HOST") or _CLOUD,
            name="Langfuse",
            headers=Server.headers(public or "", secret or ""),
            key_hint=_KEY_HINT,
            endpoint_hint=_URL_HINT,
            say=importing.note,
        ) as api:
            yield from _fetched(Server(api), given, importing)

    def recognises(self, sample: Sample) -> bool:
        """By the names that observations have here alone."""
        if sample.path.suffix.lower() == ".csv":
            header = sample.head.partition(b"\n")[0]
            return all(f'"{name}"'.encode() in header for name in ("id", "traceId", "type", "startTime"))
        return any(_is_ours(value) for value in sample.values)


def _is_ours(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_ours(item) for item in value[:10])
    if isinstance(value, dict) and isinstance(value.get("data"), list) and "meta" in value:
        return _is_ours(value["data"])
    has_parent = isinstance(value, dict) and ("parentObservationId" in value or "projectId" in value)
    return (is_trace(value) and bool(value["observations"])) or (is_observation(value) and has_parent)


# -- the server


def _fetched(server: Server, given: Namespace, importing: Importing) -> Iterator[RunSession]:
    named = [*(Head(id_, True) for id_ in given.session), *(Head(id_, False) for id_ in given.trace)]
    wanted = Wanted(
        since=moment(given.since, "--since") if given.since else None,
        until=moment(given.until, "--until") if given.until else None,
        with_error=given.errors or given.tool_errors,
        scores=_scores(given),
        name=given.name,
        tags=given.with_tag,
    )
    heads = dict.fromkeys(named) if named else list(server.heads(wanted))
    importing.total = len(heads) if given.limit is None else min(given.limit, len(heads))
    project = server.project()
    left = given.limit if given.limit is not None else len(heads)
    missing = (head for head in heads if not importing.has(_block(head, project, server.url)))

    def fetch(head: Head) -> SessionRecord | ApiError:
        try:
            return server.fetch(head)
        except ApiError as error:
            if error.status != 404:
                raise
            return error

    for found in in_order(fetch, missing):
        if left == 0:
            return
        if isinstance(found, ApiError):
            importing.problem(str(found))
            continue
        run = _run(found, _source(found, project, server.url))
        if named or _fits(run, found, wanted, given):
            left -= 1
            yield run


def _fits(run: RunSession, record: SessionRecord, wanted: Wanted, given: Namespace) -> bool:
    """Whether the whole conversation is what was looked for: the server found it by a part of it."""
    began = min((trace.started for trace in run.traces if trace.started is not None), default=None)
    scores = [*record.scores, *(score for trace in record.traces for score in trace.scores)]
    rows = [row for trace in record.traces for row in trace.observations]
    spans = [span for trace in run.traces for span in trace.spans]
    return all(
        (
            wanted.since is None or (began is not None and began >= wanted.since.timestamp()),
            wanted.until is None or (began is not None and began < wanted.until.timestamp()),
            wanted.name is None or any(trace.fields.get("name") == wanted.name for trace in record.traces),
            set(wanted.tags) <= set(run.tags),
            all(any(s.get("name") == name and is_value(s, v) for s in scores) for name, v in wanted.scores.items()),
            not given.errors or any(row.get("level") == "ERROR" for row in rows),
            not given.tool_errors
            or any(isinstance(s.what, Tool) and (s.error is not None or s.what.failed) for s in spans),
        )
    )


def _keys() -> tuple[str | None, str | None]:
    return environment("LANGFUSE_PUBLIC_KEY"), environment("LANGFUSE_SECRET_KEY")


def _scores(given: Namespace) -> dict[str, str]:
    scores = {}
    for text in given.score:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise ReplayError(f"--score {text}: NAME=VALUE is needed, such as user-feedback=0")
        scores[name] = value
    return scores


# -- a conversation


def _block(head: Head, project: str | None, url: str | None) -> dict[str, Any]:
    """`source:` of the file. It is known before the conversation is fetched."""
    key, place = ("thread_id", "sessions") if head.is_session else ("run_id", "traces")
    block = {"type": "langfuse", "project": project, key: head.id, "url": None}
    if url is not None:
        block["url"] = f"{url}/{place}/{quoted(head.id)}"
    return {name: value for name, value in block.items() if value is not None}


def _source(record: SessionRecord, project: str | None, url: str | None) -> dict[str, Any]:
    first = record.traces[0]
    is_session = not record.is_part and first.session_id == record.id
    return _block(Head(record.id, is_session), project or text_of(first.fields.get("projectId")), url)


def _run(record: SessionRecord, source: dict[str, Any]) -> RunSession:
    notes = Notes()
    traces = [read_trace(trace, notes) for trace in record.traces]
    scored = [*record.scores, *(score for trace in record.traces for score in trace.scores)]
    return RunSession(
        id=record.id,
        traces=traces,
        source=source,
        name=next((str(name) for trace in record.traces if (name := trace.fields.get("name"))), None),
        tags=_tags(record),
        metadata=_metadata(record),
        scores={str(score["name"]): score_value(score) for score in record.scores if score.get("name")},
        remarks=list(dict.fromkeys(filter(None, [*map(_remark, scored), *_comments(record)]))),
        expected_failure=next(filter(None, map(_failure, scored)), None),
        agent_config=_prompt(record),
        is_part=record.is_part or record.traces[0].session_id is None,
        notes=notes,
        where=record.where,
    )


def _tags(record: SessionRecord) -> list[str]:
    listed = (trace.fields.get("tags") for trace in record.traces)
    return list(dict.fromkeys(str(tag) for tags in listed if isinstance(tags, list) for tag in tags))


def _metadata(record: SessionRecord) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for trace in record.traces:
        root = next((row for row in trace.observations if not row.get("parentObservationId")), {})
        for name, value in {**metadata_of(root), **metadata_of(trace.fields)}.items():
            metadata.setdefault(name, value)
        for name, key in (("user_id", "userId"), ("release", "release"), ("version", "version")):
            if trace.fields.get(key):
                metadata.setdefault(name, trace.fields[key])
        if trace.fields.get("environment") not in (None, "", "default"):
            metadata.setdefault("environment", trace.fields["environment"])
    return metadata


def _remark(score: dict[str, Any]) -> str | None:
    comment = score.get("comment")
    return f"{score.get('name')}: {comment}" if isinstance(comment, str) and comment.strip() else None


def _comments(record: SessionRecord) -> Iterator[str]:
    """What people wrote beside observations; exported tables have it."""
    for trace in record.traces:
        for row in trace.observations:
            comments = decoded(row.get("comments"))
            for comment in comments if isinstance(comments, list) else ():
                text = mapping(comment).get("content")
                if isinstance(text, str):
                    yield text


def _failure(score: dict[str, Any]) -> str | None:
    """What a person said was wrong. A number does not tell whether it is a good or a bad one."""
    value = score_value(score)
    is_bad = (value.lower() if isinstance(value, str) else value) in _BAD if not _is_number(value) else False
    comment = score.get("comment")
    return comment if is_bad and score.get("source") == "ANNOTATION" and isinstance(comment, str) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _prompt(record: SessionRecord) -> dict[str, Any]:
    """The managed prompt that the first model call was made with."""
    rows = [row for trace in record.traces for row in trace.observations if row.get("promptName")]
    first = min(rows, key=lambda row: str(row.get("startTime")), default=None)
    if first is None:
        return {}
    told = {"prompt_name": first["promptName"], "prompt_version": first.get("promptVersion")}
    return {name: value for name, value in told.items() if value is not None}
