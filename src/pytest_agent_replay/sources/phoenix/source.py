"""Arize Phoenix: a server's project, or spans that its client exported."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.choosing import moment, some
from pytest_agent_replay.sources.fetching import Api, ApiError, environment, in_order, quoted
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.otel.conversations import (
    best_family,
    conversation_keys,
    has_failed,
    run_session,
    without_content,
)
from pytest_agent_replay.sources.otel.otlp import SpanRecord, plain_rows
from pytest_agent_replay.sources.otel.source import add_file_filters, file_sessions, listed
from pytest_agent_replay.sources.phoenix.annotations import Annotation, annotate
from pytest_agent_replay.sources.phoenix.api import Chosen, PhoenixServer, Selection
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import RunSession

__all__ = ["Phoenix"]

_URL = "http://localhost:6006"
_KEY_HINT = "set PHOENIX_API_KEY to a key of this server"
_URL_HINT = f"give --url, or PHOENIX_COLLECTOR_ENDPOINT, as {_URL}"
_SERVER_ONLY = ("url", "project", "since", "until", "limit")
_NO_ANNOTATIONS = "annotations are not imported: this server cannot list them"


class Phoenix(Source):
    """Phoenix's REST API, and its spans in files."""

    name = "phoenix"
    description = (
        "Asks a Phoenix server for the sessions of a project, whole; or reads files: the spans of its REST API "
        "(`/spans`, `/spans/otlpv1`), or a data frame of its client (`to_json(orient='records')`). What was annotated "
        "on the server becomes scores and notes. Environment: PHOENIX_COLLECTOR_ENDPOINT or PHOENIX_ENDPOINT, "
        "PHOENIX_PROJECT_NAME, PHOENIX_API_KEY, PHOENIX_CLIENT_HEADERS."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Files, or what to ask the server for."""
        parser.add_argument("file", nargs="*", metavar="FILE", help="exported spans; without any, the server is asked")
        parser.add_argument("--url", metavar="URL", help=f"the server (default: PHOENIX_COLLECTOR_ENDPOINT, or {_URL})")
        parser.add_argument("--project", metavar="NAME", help="default: PHOENIX_PROJECT_NAME, or `default`")
        add_file_filters(parser)
        parser.add_argument(
            "--since", metavar="TIME", help="with a trace that began then or later: an ISO time, or 24h, 7d"
        )
        parser.add_argument("--until", metavar="TIME", help="with a trace that began before")
        parser.add_argument("--limit", metavar="N", type=some, help="at most so many sessions, the newest")

    def check(self, given: Namespace) -> None:
        """Refuses options that say nothing together."""
        asked = [name for name in _SERVER_ONLY if getattr(given, name) is not None]
        if given.file and asked:
            raise ReplayError(f"--{asked[0]} is for the server; leave it out, or the files")
        if not given.file and (given.session is not None or given.trace is not None):
            others = [name for name in ("errors", "since", "until", "limit") if getattr(given, name)]
            if others or (given.session is not None and given.trace is not None):
                raise ReplayError(
                    f"--{'trace' if given.trace is not None else 'session'} names what to import; "
                    f"leave --{others[0] if others else 'session'} out"
                )
        for option in ("since", "until"):
            _moment(getattr(given, option), f"--{option}")

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        """Those of the files in time order; those of the server, the oldest first."""
        if given.file:
            yield from file_sessions(given, importing, self.name)
            return
        address = given.url or environment("PHOENIX_COLLECTOR_ENDPOINT", "PHOENIX_ENDPOINT") or _URL
        with Api(
            re.sub(r"/v1/traces/?$", "", address.strip()),
            name="Phoenix",
            headers=_headers(),
            key_hint=_KEY_HINT,
            endpoint_hint=_URL_HINT,
            say=importing.note,
        ) as api:
            server = PhoenixServer(api, given.project or environment("PHOENIX_PROJECT_NAME") or "default")
            yield from _Import(server, api.base_url, importing).sessions(given)

    def recognises(self, sample: Sample) -> bool:
        """Rows of Phoenix's REST API or data frames."""
        return any(_is_row(row) for value in sample.values for row in plain_rows(value))


def _is_row(row: dict[str, Any]) -> bool:
    if "start_time_unix_nano" in row:
        return isinstance(row.get("attributes"), list)
    return "span_kind" in row and ("context.span_id" in row or isinstance(row.get("context"), dict))


def _headers() -> dict[str, str | None]:
    """The key, and `PHOENIX_CLIENT_HEADERS` as the client reads them: `name=value,name=value`."""
    pairs = (pair.partition("=") for pair in (environment("PHOENIX_CLIENT_HEADERS") or "").split(","))
    given: dict[str, str | None] = {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
    key = environment("PHOENIX_API_KEY")
    return {**given, "authorization": f"Bearer {key}"} if key else given


def _moment(text: str | None, option: str) -> str | None:
    return None if text is None else moment(text, option).isoformat()


class _Import:
    """One import from a server."""

    def __init__(self, server: PhoenixServer, url: str, importing: Importing) -> None:
        self._server = server
        self._url = url
        self._importing = importing

    def sessions(self, given: Namespace) -> Iterator[RunSession]:
        """The sessions that were asked for, and that are not there yet. Raises `ReplayError` when there are none."""
        one = given.trace
        chosen = [Chosen(None, [one.strip().lower()])] if one is not None else self._chosen(given)
        self._importing.total = len(chosen)
        missing = (each for each in chosen if not self._importing.has(self._block(each)))
        silent: dict[str, list[str]] = {}
        for run in in_order(lambda each: self._run(each, errors=given.errors), missing):
            if run is None:
                continue
            problem = without_content(run)
            if problem is None:
                yield run
            else:
                silent.setdefault(problem, []).append(run.where)
        for problem, where in silent.items():
            self._importing.problem(f"{listed(where)}: {problem}")

    def _chosen(self, given: Namespace) -> list[Chosen]:
        since, until = _moment(given.since, "--since"), _moment(given.until, "--until")
        chosen = self._server.conversations(Selection(given.session, given.errors, since, until, given.limit))
        if not chosen and given.session is not None:
            raise ReplayError(f"there is no session {given.session!r} in the project {self._server.project!r}")
        if not chosen:
            what = "trace that was asked for" if given.errors or since or until else "trace"
            self._importing.note(f"the project {self._server.project!r} has no {what}")
        return chosen

    def _block(self, chosen: Chosen) -> dict[str, Any]:
        found = {"type": "phoenix", "project": self._server.project}
        if chosen.session is not None:
            url = f"{self._url}/redirects/sessions/{quoted(chosen.session)}"
            return {**found, "session_id": chosen.session, "url": url}
        return {
            **found,
            "trace_id": chosen.traces[0],
            "url": f"{self._url}/redirects/traces/{quoted(chosen.traces[0])}",
        }

    def _run(self, chosen: Chosen, *, errors: bool) -> RunSession | None:
        """One conversation with its annotations; None when, seen closely, it is not what was asked for."""
        records = self._server.spans(chosen.traces)
        if not records:
            raise ReplayError(f"there is no trace {chosen.traces[0]!r} in the project {self._server.project!r}")
        if errors and not any(has_failed(record) for record in records):
            return None
        id_ = chosen.session or chosen.traces[0]
        traces = [[record for record in records if record.trace_id == trace] for trace in chosen.traces]
        run = run_session(
            id_,
            traces,
            self._block(chosen),
            is_part=chosen.session is None and self._has_earlier(records),
            where=f"{self._server.project}: {id_}",
        )
        self._annotate(run, chosen, records)
        return run

    def _has_earlier(self, records: Sequence[SpanRecord]) -> bool:
        """Whether a trace that is imported by itself is a later one of a conversation."""
        keys = best_family(key for record in records for key in conversation_keys(record))
        if len(keys) != 1:
            return False
        first = self._server.first_trace(next(iter(keys))[1])
        return first is not None and first != records[0].trace_id

    def _annotations(self, chosen: Chosen, records: Sequence[SpanRecord]) -> Iterator[Annotation]:
        spans = {record.span_id: record for record in records}
        if chosen.session is not None:
            yield from map(Annotation, self._server.annotations("session", [chosen.session]))
        for each in self._server.annotations("trace", chosen.traces):
            yield Annotation(each, str(each.get("trace_id")))
        for each in self._server.annotations("span", list(spans)):
            record = spans.get(str(each.get("span_id")))
            if record is not None:
                yield Annotation(each, record.trace_id, None if record.parent_id is None else record.name)

    def _annotate(self, run: RunSession, chosen: Chosen, records: Sequence[SpanRecord]) -> None:
        try:
            annotate(run, list(self._annotations(chosen, records)))
        except ApiError as error:
            if error.status not in (404, 405, 422):
                raise
            self._importing.note(f"{_NO_ANNOTATIONS} ({error})")
