"""One trace as MLflow writes it (`Trace.to_dict()`, as its files, servers and databases have it) → a `RunTrace`.

Schema as in MLflow 3.17 (`mlflow.entities.Trace`, `TraceInfo`, `Span`), and that of 2.14 to 2.22. The value of each
attribute of a span is JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timezone
from typing import Any, NamedTuple

from pytest_agent_replay.formats.replay import ErrorSpec, Usage
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.grouping import inside
from pytest_agent_replay.sources.messages import (
    read_answer,
    read_conversation,
    read_finish_reason,
    read_tools,
    read_usage,
    tool_run,
)
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.spans import MISSING, SETTINGS, Agent, Model, RunSession, RunTrace, Span, Tool

__all__ = [
    "experiment_of",
    "has_tool_error",
    "is_open",
    "label",
    "read_trace",
    "session_of",
    "started_at",
    "trace_id_of",
]

Trace = Mapping[str, Any]
Attributes = Mapping[str, Any]

_SESSION = "mlflow.trace.session"
_USER = "mlflow.trace.user"
_MODELS = ("CHAT_MODEL", "LLM")
_ATTACHMENT = "mlflow-attachment://"
_BAD = (False, 0, "no", "false", "fail", "failed", "incorrect", "bad")
_WHO = {"CODE": 0, "LLM_JUDGE": 1, "AI_JUDGE": 1, "HUMAN": 2}

_UNFINISHED = "the rest of a trace that was in progress"
_ATTACHED = "attachments (images, audio, files), which MLflow keeps beside the trace"


# -- what a trace says about itself


def trace_id_of(trace: Trace) -> str | None:
    """The id, `tr-…`; from a span where the trace itself has none, as in a `traces.json` of the artifacts."""
    info = _info(trace)
    own = info.get("trace_id") or info.get("request_id")
    if own is None:
        own = next(
            (found for span in _raw_spans(trace) if (found := _attributes(span).get("mlflow.traceRequestId"))), None
        )
    return own if isinstance(own, str) else None


def session_of(trace: Trace) -> str | None:
    """The id of the conversation, where the application said which one it was."""
    session = _metadata(trace).get(_SESSION)
    return session if isinstance(session, str) and session else None


def started_at(trace: Trace) -> float | None:
    """When it began, in seconds since the epoch."""
    info = _info(trace)
    if isinstance(info.get("timestamp_ms"), int):
        return float(info["timestamp_ms"]) / 1000
    try:
        return parse_time(str(info.get("request_time"))).astimezone(timezone.utc).timestamp()
    except ValueError:
        started = [time for span in _raw_spans(trace) if (time := _seconds(span, "start_time_unix_nano", "start_time"))]
        return min(started, default=None)


def experiment_of(trace: Trace) -> str | None:
    """The id of the experiment."""
    info = _info(trace)
    experiment = mapping(info.get("trace_location")).get("mlflow_experiment")
    found = experiment.get("experiment_id") if isinstance(experiment, dict) else info.get("experiment_id")
    return None if found is None else str(found)


def has_tool_error(trace: Trace) -> bool:
    """Whether a tool failed in it; MLflow may call such a trace a good one, when the agent went on."""
    parts = [_Part.of(raw, 0) for raw in _raw_spans(trace)]
    return any(part.kind == "TOOL" and _error(part.raw) is not None for part in parts)


def _info(trace: Trace) -> Mapping[str, Any]:
    return mapping(trace.get("info", trace.get("trace_info")))


def _metadata(trace: Trace) -> Mapping[str, Any]:
    info = _info(trace)
    return mapping(info.get("trace_metadata", info.get("request_metadata")))


# -- what others said about it


def label(session: RunSession, traces: Sequence[tuple[Trace, RunTrace]]) -> None:
    """Adds what is known of the conversation as a whole: assessments, tags, the user, the application's metadata."""
    for raw, trace in traces:
        info = _info(raw)
        tags = mapping(info.get("tags"))
        for key, value in {**_metadata(raw), **tags}.items():
            if not key.startswith("mlflow."):
                session.metadata.setdefault(key, value)
        if _USER in _metadata(raw):
            session.metadata.setdefault("user", _metadata(raw)[_USER])
        for assessment in _assessments(info):
            _add_assessment(session, trace, assessment, is_only=len(traces) == 1)


def _assessments(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that count, the weightiest last: people over judges over code, later ones over earlier ones."""
    given = info.get("assessments")
    found = dicts(given)
    found = [each for each in found if each.get("valid", True) is not False]
    return sorted(found, key=lambda each: (_WHO.get(_asked(each), 1), str(each.get("create_time", ""))))


def _asked(assessment: Mapping[str, Any]) -> str:
    source = assessment.get("source")
    return str(source.get("source_type")) if isinstance(source, dict) else ""


def _add_assessment(session: RunSession, trace: RunTrace, assessment: dict[str, Any], *, is_only: bool) -> None:
    name = str(assessment.get("assessment_name") or assessment.get("name") or "assessment")
    rationale = assessment.get("rationale")
    rationale = rationale.strip() if isinstance(rationale, str) and rationale.strip() else None
    if rationale is not None:
        session.remarks.append(f"{name}: {rationale}")
    for kind in ("feedback", "expectation"):
        told = assessment.get(kind)
        if not isinstance(told, dict):
            continue
        value = _assessed(told)
        if kind == "expectation":
            session.metadata.setdefault("expectations", {})[name] = value
        elif told.get("error"):
            session.notes.lose("assessments that failed themselves")
        elif value is not MISSING:
            (session.scores if is_only else trace.scores)[name] = value
            if _is_bad(value) and (rationale is not None or session.expected_failure is None):
                session.expected_failure = rationale or f"{name} is {json.dumps(value)}"


def _assessed(told: Mapping[str, Any]) -> Any:
    if isinstance(told.get("serialized_value"), dict):
        return _parsed(told["serialized_value"].get("value"))
    return told.get("value", MISSING)


def _is_bad(value: Any) -> bool:
    return (value.strip().lower() if isinstance(value, str) else value) in _BAD


# -- spans


def read_trace(trace: Trace, notes: Notes) -> RunTrace:
    """The trace with its spans. What cannot be had of it is said in `notes`."""
    parts = [_Part.of(raw, order) for order, raw in enumerate(_raw_spans(trace))]
    in_tools = inside({part.id: part.parent for part in parts}, [part.id for part in parts if part.kind == "TOOL"])
    if is_open(trace):
        notes.lose(_UNFINISHED)
    notes.lose(_ATTACHED, json.dumps(trace.get("data", trace.get("spans")), ensure_ascii=False).count(_ATTACHMENT))
    spans = [_span(part, part.id in in_tools) for part in parts]
    return RunTrace(id=trace_id_of(trace) or "", spans=spans, started=started_at(trace))


def is_open(trace: Trace) -> bool:
    """Whether it has not ended, or nobody told MLflow that it had."""
    return "IN_PROGRESS" in (_info(trace).get("state"), _info(trace).get("status"))


def _raw_spans(trace: Trace) -> list[dict[str, Any]]:
    return dicts(mapping(trace.get("data", trace)).get("spans"))


class _Part(NamedTuple):
    """A span of MLflow's with its attributes read."""

    id: str
    parent: str | None
    kind: Any
    attributes: Attributes
    raw: Mapping[str, Any]
    order: int

    @classmethod
    def of(cls, raw: Mapping[str, Any], order: int) -> _Part:
        own = raw.get("span_id") or mapping(raw.get("context")).get("span_id")
        parent = raw.get("parent_span_id") or raw.get("parent_id")
        attributes = _attributes(raw)
        return cls(str(own or ""), parent, attributes.get("mlflow.spanType"), attributes, raw, order)


def _span(part: _Part, is_in_tool: bool) -> Span:
    name = str(part.raw.get("name") or "")
    return Span(
        id=part.id,
        what=_what(part, name, is_in_tool),
        name=name,
        parent_id=part.parent,
        started=_seconds(part.raw, "start_time_unix_nano", "start_time"),
        ended=_seconds(part.raw, "end_time_unix_nano", "end_time"),
        error=_error(part.raw),
        order=part.order,
    )


def _what(part: _Part, name: str, is_in_tool: bool) -> Agent | Model | Tool:
    given = part.attributes.get("mlflow.spanInputs", MISSING)
    made = part.attributes.get("mlflow.spanOutputs", MISSING)
    if part.kind in _MODELS:
        return _model(given, made, part.attributes)
    if part.kind == "TOOL" or (part.kind == "RETRIEVER" and not is_in_tool):
        return _tool(name, given, made, part.attributes)
    return Agent(input=given, output=_agent_output(made))


def _agent_output(made: Any) -> Any:
    """What the agent answered; of Pydantic AI, MLflow dumps its whole `AgentRunResult`."""
    is_result = isinstance(made, dict) and "output" in made and "_state" in made
    return made["output"] if is_result else made


def _tool(name: str, given: Any, made: Any, attributes: Attributes) -> Tool:
    args = _parsed(given) if isinstance(given, str) else given
    call_id = attributes.get("tool_call_id")
    own_id = call_id if isinstance(call_id, str) else None
    return tool_run(name, args if isinstance(args, dict) else given, made, own_id)


def _model(given: Any, made: Any, attributes: Attributes) -> Model:
    request = mapping(given)
    params = mapping(attributes.get("invocation_params"))
    said = {**params, **request}
    names = (said.get("model"), attributes.get("model"), attributes.get("mlflow.llm.model"))
    return Model(
        name=next((name for name in names if isinstance(name, str)), None),
        messages=read_conversation(given) if given is not MISSING else None,
        tools=_tools(said, attributes),
        answer=read_answer(made) if made is not MISSING else None,
        usage=_usage(attributes, made),
        finish_reason=read_finish_reason(made),
        settings={key: said[key] for key in SETTINGS if said.get(key) is not None},
    )


def _tools(said: Mapping[str, Any], attributes: Attributes) -> list[dict[str, Any]] | None:
    """What was really sent, rather than `mlflow.chat.tools`, which is MLflow's own version of it."""
    of_pydantic_ai = mapping(said.get("model_request_parameters")).get("function_tools")
    for tools in (said.get("tools"), attributes.get("tools"), of_pydantic_ai, attributes.get("mlflow.chat.tools")):
        if tools and (found := read_tools(tools)) is not None:
            return found
    return None


def _usage(attributes: Attributes, made: Any) -> Usage | None:
    counted = attributes.get("mlflow.chat.tokenUsage")
    usage = read_usage(counted) if counted is not None else read_usage(made) if isinstance(made, dict) else None
    total = mapping(attributes.get("mlflow.llm.cost")).get("total_cost")
    if isinstance(total, (int, float)):
        usage = (usage or Usage()).model_copy(update={"cost": float(total)})
    return usage


def _error(raw: Mapping[str, Any]) -> ErrorSpec | None:
    status = raw.get("status")
    code, message = (status.get("code"), status.get("message")) if isinstance(status, dict) else (None, None)
    code, message = raw.get("status_code", code), raw.get("status_message", message)
    if code not in ("STATUS_CODE_ERROR", "ERROR"):
        return None
    for event in reversed(dicts(raw.get("events"))):
        if event.get("name") == "exception":
            told = _plain_attributes(event.get("attributes"))
            texts = {key: told.get(f"exception.{key}") for key in ("type", "message", "stacktrace")}
            return read_error(message, **{key: text for key, text in texts.items() if isinstance(text, str)})
    return read_error(message) or ErrorSpec()


# -- the parts of a span


def _seconds(raw: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        value = raw.get(name)
        try:
            if value:
                return int(value) / 1e9
        except (TypeError, ValueError):
            continue
    return None


def _attributes(raw: Mapping[str, Any]) -> Attributes:
    attributes = raw.get("attributes")
    plain = _plain_attributes(attributes)
    return plain if isinstance(attributes, list) else {key: _parsed(value) for key, value in plain.items()}


def _plain_attributes(attributes: Any) -> dict[str, Any]:
    """By name; the server's own answers have them as a list of OpenTelemetry's keys and values."""
    if isinstance(attributes, list):
        pairs = [pair for pair in attributes if isinstance(pair, dict) and "key" in pair]
        return {str(pair["key"]): _any_value(pair.get("value")) for pair in pairs}
    return mapping(attributes)


def _any_value(value: Any) -> Any:
    """OpenTelemetry's `AnyValue` as protobuf's JSON has it."""
    if not isinstance(value, dict) or not value:
        return None
    (kind, item), *_ = value.items()
    if kind == "kvlist_value":
        return {pair["key"]: _any_value(pair.get("value")) for pair in item.get("values", [])}
    if kind == "array_value":
        return [_any_value(each) for each in item.get("values", [])]
    return int(item) if kind == "int_value" else item


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
