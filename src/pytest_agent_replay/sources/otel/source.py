"""OpenTelemetry: files of exported spans, of whatever convention."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.otel.conventions import is_generative
from pytest_agent_replay.sources.otel.conversations import run_session, split, without_content
from pytest_agent_replay.sources.otel.files import Conversation, SpanFiles
from pytest_agent_replay.sources.otel.otlp import SpanRecord, plain_rows, read_records
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import RunSession

__all__ = ["OpenTelemetry", "add_file_filters", "file_sessions", "listed"]

_OTLP = (b"resourceSpans", b"resource_spans", b"resourceLogs", b'"batches"')
_OTHERS = {"span_kind", "start_time_unix_nano"}
"""Only Phoenix's rows have these."""


class OpenTelemetry(Source):
    """OTLP/JSON and other exports of OpenTelemetry spans."""

    name = "otel"
    description = (
        "Reads spans that were exported to files: OTLP/JSON (one batch, or one a line, as the Collector's file "
        "exporter writes), Logfire's records, what the SDK's console exporter prints as JSON Lines. All traces of a "
        "conversation, also from several files, become one session. The conventions that are understood: OpenTelemetry "
        "GenAI, Pydantic AI, Logfire, OpenInference, Future AGI, OpenLLMetry (Traceloop), Langfuse, Vercel AI SDK."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files, and which of their sessions."""
        parser.add_argument("file", nargs="+", metavar="FILE", help="JSON or JSON Lines; several belong together")
        add_file_filters(parser)

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        """The conversations in time order."""
        yield from file_sessions(given, importing, self.name)

    def recognises(self, sample: Sample) -> bool:
        """OTLP in any form, or plain rows with a span of an agent, which are not Phoenix's."""
        if any(mark in sample.head for mark in _OTLP):
            return True
        rows = [row for value in sample.values for row in plain_rows(value) if not row.keys() & _OTHERS]
        return any(is_generative(record) for record in read_records(rows))


def add_file_filters(parser: ArgumentParser) -> None:
    """`--session`, `--trace`, `--errors`."""
    parser.add_argument("--session", metavar="ID", help="only this conversation")
    parser.add_argument("--trace", metavar="ID", help="only this trace")
    parser.add_argument("--errors", action="store_true", help="only sessions in which a span failed, tools included")


def file_sessions(given: Namespace, importing: Importing, kind: str) -> Iterator[RunSession]:
    """The sessions that stand in `given.file`. Raises `ReplayError` when there are none."""
    files = SpanFiles([Path(name) for name in dict.fromkeys(given.file)], importing.problems)
    conversations = _wanted(files.conversations(), given, importing)
    others = sum(not entry.is_generative for entry in files.traces.values())
    if others:
        importing.note(f"{others} of {len(files.traces)} traces have no span of an agent, a model or a tool: left out")
    importing.total = len(conversations)
    silent: dict[str, list[str]] = {}
    for conversation in conversations:
        if all(importing.has(block) for block in _blocks(conversation, kind)):
            continue
        for run in _runs(files, conversation, given, kind):
            problem = without_content(run)
            if problem is None:
                yield run
            else:
                silent.setdefault(problem, []).append(run.where)
    for problem, where in silent.items():
        importing.problem(f"{listed(where)}: {problem}")


def _wanted(conversations: list[Conversation], given: Namespace, importing: Importing) -> list[Conversation]:
    if not conversations:
        raise ReplayError(f"{', '.join(given.file)}: there is no span of an agent, a model or a tool")
    if given.session is not None:
        conversations = [each for each in conversations if given.session in each.keys]
        if not conversations:
            raise ReplayError(f"there is no conversation {given.session!r} in {', '.join(given.file)}")
    if given.trace is not None:
        wanted = given.trace.lower()
        conversations = [each for each in conversations if any(trace.id == wanted for trace in each.traces)]
        if not conversations:
            raise ReplayError(f"there is no trace {given.trace!r} of an agent in {', '.join(given.file)}")
    if given.errors:
        found = [each for each in conversations if any(trace.has_failed for trace in each.traces)]
        importing.note(f"{len(found)} of {len(conversations)} sessions have a span that failed")
        conversations = found
    return conversations


def _blocks(conversation: Conversation, kind: str) -> Iterator[dict[str, Any]]:
    name = conversation.traces[0].chunks[0].path.name
    if not conversation.keys:
        yield {"type": kind, "trace_id": conversation.traces[0].id, "file": name}
    for key in conversation.keys:
        yield {"type": kind, "session_id": key, "file": name}


def _runs(files: SpanFiles, conversation: Conversation, given: Namespace, kind: str) -> Iterator[RunSession]:
    """One run, or several where traces have spans of several conversations."""
    traces: dict[str | None, list[list[SpanRecord]]] = {}
    for records in files.read(conversation):
        for key, part in split(records).items():
            traces.setdefault(key, []).append(part)
    blocks = {block.get("session_id"): block for block in _blocks(conversation, kind)}
    for key, parts in traces.items():
        if key is not None and given.session not in (None, key):
            continue
        run = _run(key, parts, blocks[key], given.trace)
        if run is not None:
            yield run


def _run(
    key: str | None, parts: list[list[SpanRecord]], block: Mapping[str, Any], trace: str | None
) -> RunSession | None:
    is_part = False
    if trace is not None:
        first = parts[0][0].trace_id
        parts = [part for part in parts if part[0].trace_id == trace.lower()]
        if not parts:
            return None
        is_part = parts[0][0].trace_id != first
        block = {**block, "trace_id": parts[0][0].trace_id}
    id_ = key if key is not None else parts[0][0].trace_id
    id_ = id_ if trace is None or key is None else f"{key}-{parts[0][0].trace_id[:8]}"
    return run_session(id_, parts, dict(block), is_part=is_part, where=f"{block['file']}: {key or id_}")


def listed(where: list[str]) -> str:
    """Some of the places where something is, in words."""
    return ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
