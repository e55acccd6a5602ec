"""Spans of OpenTelemetry → recorded runs: which conversation a span belongs to, and what of a conversation is there.

A conversation is named by the first of these families of attributes that its trace has: `gen_ai.conversation.id`; the
session of OpenInference and Langfuse; the threads that frameworks keep in metadata. Without any, the trace is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from pytest_agent_replay.sources.otel.conventions import read_span
from pytest_agent_replay.sources.otel.conventions.pydantic_ai import tell_retries
from pytest_agent_replay.sources.otel.conventions.values import parsed
from pytest_agent_replay.sources.otel.otlp import SpanRecord, with_logs
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunSession, RunTrace, Span, Tool

__all__ = [
    "NO_CONTENT",
    "TOOLS_ONLY",
    "Key",
    "conversation_keys",
    "has_failed",
    "run_session",
    "split",
    "without_content",
]

Key = tuple[int, str]
"""The rank of the family, and the id."""

NO_CONTENT = (
    "the spans have no content: no messages, no arguments and no results. OpenTelemetry leaves them out unless the "
    "traced program is told to keep them: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY (with "
    "OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental for older packages), Pydantic AI's and Logfire's "
    "`include_content=True`, no OPENINFERENCE_HIDE_INPUTS, _OUTPUTS and the like, TRACELOOP_TRACE_CONTENT=true. "
    "What was traced without it cannot be imported"
)
TOOLS_ONLY = (
    "there are tool calls, but no model call with its messages, so nobody knows what the user said. Some packages "
    "export no more (opentelemetry-instrumentation-genai-openai-agents 1.3b0: import the session's items with "
    "`openai-agents` instead); others leave messages out unless "
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY is set"
)
_RETRIEVERS = "retriever runs, as calls of a tool of that name"

_FAMILIES = (
    ("gen_ai.conversation.id",),
    ("session.id", "langfuse.session.id"),
)
_NAMES = ("thread_id", "session_id", "conversation_id", "threadId", "sessionId", "conversationId", "chat_id", "chatId")
_METADATA = ("metadata", "langfuse.trace.metadata", "traceloop.association.properties", "ai.telemetry.metadata")


def conversation_keys(record: SpanRecord) -> set[Key]:
    """What the span itself says about its conversation; of each family at most one id."""
    attributes = record.attributes
    found = set()
    for rank, names in enumerate(_FAMILIES):
        named = next((key for name in names if (key := _text(attributes.get(name)))), None)
        if named is not None:
            found.add((rank, named))
    thread = _thread(attributes)
    if thread is not None:
        found.add((len(_FAMILIES), thread))
    return found


def best_family(keys: Iterable[Key]) -> set[Key]:
    """Those of the first family that there is."""
    given = set(keys)
    best = min((rank for rank, _ in given), default=None)
    return {key for key in given if key[0] == best}


def _thread(attributes: Mapping[str, Any]) -> str | None:
    if not any(key.startswith((*_METADATA, "langgraph.")) for key in attributes):
        return None
    for begin in _METADATA:
        kept = parsed(attributes.get(begin))
        for name in _NAMES:
            found = _text(parsed(attributes.get(f"{begin}.{name}")))
            if found is None and isinstance(kept, dict):
                found = _text(kept.get(name))
            if found is not None:
                return found
    return _text(attributes.get("langgraph.thread_id"))


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def has_failed(record: SpanRecord) -> bool:
    """Whether the span is marked as an error."""
    return record.status == "error" or record.attributes.get("langfuse.observation.level") == "ERROR"


# -- one trace


def split(records: Sequence[SpanRecord]) -> dict[str | None, list[SpanRecord]]:
    """The spans of a trace by their conversations: a span belongs to that of its outermost ancestor that names one.

    An agent within an agent is so no conversation of its own. None is the key where no span names any. What lies
    around several conversations belongs to none of them.
    """
    spans = {record.span_id: record for record in records}
    own = {id_: conversation_keys(record) for id_, record in spans.items()}
    keys = best_family(key for found in own.values() for key in found)
    if len(keys) < 2:
        return {next((name for _, name in keys), None): list(records)}
    parts: dict[str | None, list[SpanRecord]] = {}
    for record in records:
        named = [next(iter(own[id_] & keys)) for id_ in _lineage(record, spans) if own[id_] & keys]
        if named:
            parts.setdefault(named[-1][1], []).append(record)
    return parts


def _lineage(record: SpanRecord, spans: Mapping[str, SpanRecord]) -> Iterator[str]:
    """The span and its ancestors, the outermost last."""
    seen: set[str] = set()
    id_: str | None = record.span_id
    while id_ is not None and id_ in spans and id_ not in seen:
        seen.add(id_)
        yield id_
        id_ = spans[id_].parent_id


def _run_trace(records: Sequence[SpanRecord]) -> RunTrace:
    spans = with_logs(records)
    starts = [record.start for record in spans if record.start is not None]
    trace = RunTrace(records[0].trace_id, [read_span(record) for record in spans], started=min(starts, default=None))
    for record in spans:
        for event in record.events:
            if event.name == "gen_ai.evaluation.result":
                name = _text(event.attributes.get("gen_ai.evaluation.name"))
                value = event.attributes.get("gen_ai.evaluation.score.value")
                label = event.attributes.get("gen_ai.evaluation.score.label")
                if name is not None and (value is not None or label is not None):
                    trace.scores[name] = label if value is None else value
    return trace


# -- one conversation


def run_session(
    id_: str, traces: Iterable[Sequence[SpanRecord]], source: dict[str, Any], *, is_part: bool = False, where: str = ""
) -> RunSession:
    """The run of one conversation out of the spans of its traces, which need no order."""
    found = [list(records) for records in traces if any(not record.is_log for record in records)]
    runs = sorted(map(_run_trace, found), key=lambda trace: (trace.started is None, trace.started or 0.0, trace.id))
    tell_retries(chain.from_iterable(found), chain.from_iterable(trace.spans for trace in runs))
    notes = Notes()
    kinds = [record.attributes.get("openinference.span.kind") for records in found for record in records]
    notes.guess(_RETRIEVERS, kinds.count("RETRIEVER"))
    return RunSession(
        id_, _joined(runs), source, metadata=_service(found), is_part=is_part, notes=notes, where=where or id_
    )


def _joined(traces: list[RunTrace]) -> list[RunTrace]:
    """Calls that were traced by themselves, each a trace, are one trace: nothing was around them."""
    joined: list[RunTrace] = []
    for trace in traces:
        if joined and _is_bare(trace) and _is_bare(joined[-1]):
            joined[-1].spans += trace.spans
            joined[-1].scores.update(trace.scores)
        else:
            joined.append(trace)
    return joined


def _is_bare(trace: RunTrace) -> bool:
    return not any(isinstance(span.what, Agent) for span in trace.spans)


def _service(traces: Iterable[Sequence[SpanRecord]]) -> dict[str, Any]:
    """What ran, where its name is one."""
    for records in traces:
        for record in records:
            name = record.resource.get("service.name") or record.attributes.get("service.name")
            if isinstance(name, str) and not name.startswith("unknown_service"):
                return {"service": name}
    return {}


def without_content(run: RunSession) -> str | None:
    """Why nothing of the run can be played, where that is because its spans have no content."""
    spans = [span for trace in run.traces for span in trace.spans]
    if any(_has_words(span) for span in spans):
        return None
    tools = [span.what for span in spans if isinstance(span.what, Tool)]
    if any(tool.args is not None or tool.result is not MISSING or tool.bare is not MISSING for tool in tools):
        return TOOLS_ONLY
    return NO_CONTENT


def _has_words(span: Span) -> bool:
    what = span.what
    if isinstance(what, Model):
        return bool(what.messages) or what.answer is not None
    return isinstance(what, Agent) and what.input is not MISSING
