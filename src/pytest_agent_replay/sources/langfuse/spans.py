"""Langfuse's observations → the spans of a trace.

What an observation is, its type says; where that is `SPAN` (everything that is no generation, before there were more
types), the OpenTelemetry attributes that Langfuse keeps in the metadata, and at last the name: a span that is called
like a tool that a model of the same trace asked for is a run of that tool.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, Usage
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.json_files import parse_json
from pytest_agent_replay.sources.langfuse.records import TraceRecord, seconds_of, text_of
from pytest_agent_replay.sources.messages import read_answer, read_conversation, read_result, read_tools, read_usage
from pytest_agent_replay.sources.otel.otlp import nested
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunTrace, Span, Tool

__all__ = ["metadata_of", "read_trace", "score_value"]

Observation = Mapping[str, Any]
Attributes = Mapping[str, Any]

_NO_RUNS = ("GENERATION", "EVENT", "EMBEDDING")
"""Types that are no run of a tool, whatever their name is."""
_SETTINGS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "tool_choice",
)
_USAGE_NAMES = {
    "prompt_details.cache_read": "cache_read",
    "completion_details.reasoning": "reasoning",
    "output_reasoning": "reasoning",
}
_RESPONSES = frozenset({"choices", "candidates", "generations"})
_MODEL_OPERATIONS = ("chat", "text_completion", "generate_content")
_OWN_METADATA = re.compile(
    r"(attributes|resourceAttributes|scope|tags)(\..*)?|(langgraph|ls|langfuse|lc)_.*|checkpoint_ns|is_langchain_root"
)
_PRINTED = re.compile(r"[A-Z]\w*\(.*\)", re.DOTALL)
_PREFIX = re.compile(r"(?:execute_tool |running tool: )")
_MEDIA = "@@@langfuseMedia:"
_DEEPEST = 3

NAMED_LIKE = "spans that are named like a tool that the model asked for, read as its runs"
TOLD_TYPE = "types of exceptions, from what the model was told: Langfuse keeps the text alone"
NO_ERROR_TYPE = "the types of exceptions: Langfuse keeps their text alone"
NAMELESS = "runs of tools without a name"
MEDIA = "images, audio and files, which Langfuse keeps beside the observations"
STREAMED = "BeeAI's model answers, which it traces in pieces and not all of them"


def read_trace(record: TraceRecord, notes: Notes) -> RunTrace:
    """The trace with its spans; what cannot be had of it is said in `notes`."""
    rows = sorted(record.observations, key=_time_order)
    if any(_is_beeai(attributes_of(row)) for row in rows):
        spans = _beeai_spans(rows, notes)
    else:
        spans = [_span(row, order) for order, row in enumerate(rows)]
    _mark_runs(spans, rows, notes)
    _leave_out_nameless(spans, notes)
    _out_of_models(spans)
    _give_error_types(spans, notes)
    notes.lose(MEDIA, sum(str(row.get(name)).count(_MEDIA) for row in rows for name in ("input", "output")))
    failed = [span.error for span in spans if span.error is not None and not isinstance(span.what, Agent)]
    notes.lose(NO_ERROR_TYPE, sum(error.type is None for error in failed))
    return RunTrace(
        id=record.id,
        spans=spans,
        started=seconds_of(record.fields.get("timestamp"))
        or min((s.started for s in spans if s.started), default=None),
        input=_told(_unwrapped(decoded(record.fields.get("input")))),
        output=_told(_spoken(decoded(record.fields.get("output")))),
        scores={name: value for name, value in map(_score, record.scores[::-1]) if name},
    )


def _time_order(row: Observation) -> tuple[str, str, str]:
    return (str(row.get("startTime")), str(row.get("endTime")), str(row.get("id")))


def _span(row: Observation, order: int) -> Span:
    attributes = attributes_of(row)
    return Span(
        id=text_of(row.get("id")) or "",
        what=_what(row, attributes),
        name=str(row.get("name") or ""),
        parent_id=text_of(row.get("parentObservationId")),
        started=seconds_of(row.get("startTime")),
        ended=seconds_of(row.get("endTime")),
        error=_error(row),
        order=order,
    )


def _what(row: Observation, attributes: Attributes) -> Agent | Model | Tool:
    kind = _kind(row, attributes)
    if kind == "model":
        return _model(row, attributes)
    return _tool(row, attributes) if kind == "tool" else _agent(row)


def _kind(row: Observation, attributes: Attributes) -> str:
    kind = str(row.get("type") or "").upper()
    if kind in ("GENERATION", "TOOL"):
        return "model" if kind == "GENERATION" else "tool"
    if kind != "SPAN":
        return "agent"
    said = str(attributes.get("openinference.span.kind") or "").upper()
    if said:
        return {"LLM": "model", "TOOL": "tool"}.get(said, "agent")
    operation = attributes.get("gen_ai.operation.name")
    if operation in _MODEL_OPERATIONS:
        return "model"
    is_tool = operation == "execute_tool" or (operation is None and _told_name(attributes) is not None)
    return "tool" if is_tool else "agent"


def _error(row: Observation) -> ErrorSpec | None:
    if str(row.get("level") or "").upper() != "ERROR":
        return None
    message = row.get("statusMessage")
    text = message if isinstance(message, str) else ""
    return read_error(text) or ErrorSpec(message=text)


def _score(score: Mapping[str, Any]) -> tuple[str, Any]:
    return str(score.get("name") or ""), score_value(score)


def score_value(score: Mapping[str, Any]) -> Any:
    """A number, a category, or true and false (which old servers give as 1 and 0)."""
    value, text = score.get("value"), score.get("stringValue")
    kind = str(score.get("dataType") or "").upper()
    if kind == "BOOLEAN" and not isinstance(value, bool):
        return text.lower() == "true" if isinstance(text, str) else bool(value)
    return text if kind in ("CATEGORICAL", "TEXT") and text is not None else value


# -- tools


def _tool(row: Observation, attributes: Attributes) -> Tool:
    told = _told_name(attributes)
    tool = Tool(told if told is not None else _PREFIX.sub("", str(row.get("name") or ""), count=1))
    call_id = attributes.get("gen_ai.tool.call.id", attributes.get("tool_call.id"))
    tool.call_id = call_id if isinstance(call_id, str) else None
    _give_arguments(tool, _arguments(row, attributes))
    output = _first_told(
        attributes.get("gcp.vertex.agent.tool_response"),  # Langfuse shows an empty answer of a model instead
        row.get("output"),
        attributes.get("gen_ai.tool.call.result"),
        attributes.get("tool_response"),
    )
    if output is not MISSING:
        read = read_result(output)
        tool.result, tool.failed = read.value, read.failed
        tool.call_id = tool.call_id or read.call_id
    return tool


def _told_name(attributes: Attributes) -> str | None:
    name = attributes.get("gen_ai.tool.name") or attributes.get("tool.name")
    return name if isinstance(name, str) else None


def _arguments(row: Observation, attributes: Attributes) -> Any:
    return _first_told(
        attributes.get("gcp.vertex.agent.tool_call_args"),
        row.get("input"),
        attributes.get("gen_ai.tool.call.arguments"),
        attributes.get("tool_arguments"),
    )


def _give_arguments(tool: Tool, given: Any) -> None:
    if isinstance(given, dict) and given.get("type") == "tool_call" and isinstance(given.get("args"), dict):
        tool.call_id = tool.call_id or given.get("id")
        given = given["args"]
    if _is_call(given):
        positional, named = given.get("args") or [], given.get("kwargs") or {}
        if not positional:
            tool.args = named
        elif len(positional) == 1 and not named:
            tool.bare = positional[0]
    elif isinstance(given, dict):
        tool.args = given
    elif isinstance(given, str) and (printed := _literal(given)) is not None:
        tool.args = printed
    elif given is not MISSING:
        tool.bare = given


def _literal(text: str) -> dict[str, Any] | None:
    """The dictionary that Python printed: LangChain's callbacks get the arguments as `str(arguments)`."""
    if not text.startswith("{"):
        return None
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def _mark_runs(spans: list[Span], rows: list[dict[str, Any]], notes: Notes) -> None:
    """A span that is named like a tool, and begins after a model asked for that tool, is a run of it."""
    asked: dict[str, float] = {}
    for span in spans:
        for name in _asked(span.what):
            asked[name] = min(asked.get(name, math.inf), span.started or 0.0)
    by_id = {text_of(row.get("id")): row for row in rows}
    for span in spans:
        row = by_id.get(span.id, {})
        if not isinstance(span.what, Agent) or str(row.get("type")).upper() in _NO_RUNS:
            continue
        if span.name in asked and (span.started or 0.0) >= asked[span.name]:
            span.what = _tool(row, {"tool.name": span.name})
            notes.guess(NAMED_LIKE)


def _asked(what: Agent | Model | Tool) -> Iterator[str]:
    if isinstance(what, Model):
        for message in (*(what.messages or ()), *([what.answer] if what.answer else ())):
            for call in message.get("tool_calls") or ():
                yield call["name"]


def _leave_out_nameless(spans: list[Span], notes: Notes) -> None:
    for span in spans:
        if isinstance(span.what, Tool) and not span.what.name.strip():
            span.what = Agent()
            notes.lose(NAMELESS)


def _out_of_models(spans: list[Span]) -> None:
    """Tools beside the model calls below which some frameworks (Google's ADK) put them: the model did not run them."""
    by_id = {span.id: span for span in spans}
    for span in spans:
        parent, seen = by_id.get(span.parent_id or ""), {span.id}
        while isinstance(span.what, Tool) and parent is not None and isinstance(parent.what, Model):
            if parent.id in seen:
                break
            seen.add(parent.id)
            span.parent_id = parent.parent_id
            parent = by_id.get(span.parent_id or "")


def _give_error_types(spans: list[Span], notes: Notes) -> None:
    """The model may have been told more of an exception than Langfuse keeps: `Error: PaymentError('…')`."""
    told = [
        read_error(message["content"].removeprefix("Error: "))
        for span in spans
        if isinstance(span.what, Model)
        for message in span.what.messages or ()
        if message["role"] == "tool" and isinstance(message.get("content"), str)
    ]
    types = {error.message: error.type for error in told if error is not None and error.type and error.message}
    for span in spans:
        if span.error is not None and span.error.type is None and span.error.message in types:
            span.error.type = types[span.error.message]
            notes.guess(TOLD_TYPE)


# -- models


def _model(row: Observation, attributes: Attributes) -> Model:
    given, answered = decoded(row.get("input")), decoded(row.get("output"))
    model = Model(
        name=_model_name(row, attributes),
        messages=_messages(given, answered, attributes),
        tools=_tools(given, answered, attributes),
        answer=_answer(row.get("output"), answered, attributes),
        usage=_usage(row),
        finish_reason=_finish_reason(answered) or _finish_reason(nested(attributes, "gen_ai.completion")),
        settings=_settings(decoded(row.get("modelParameters"))),
    )
    if model.finish_reason is None:
        reasons = decoded(attributes.get("gen_ai.response.finish_reasons"))
        model.finish_reason = next((r for r in reasons if isinstance(r, str)), None) if reasons else None
    return model


def _model_name(row: Observation, attributes: Attributes) -> str | None:
    names = (row.get("model"), row.get("providedModelName"), attributes.get("gen_ai.response.model"))
    return next((name for name in names if isinstance(name, str) and name), None)


def _messages(given: Any, answered: Any, attributes: Attributes) -> list[dict[str, Any]] | None:
    """The request; a system prompt may be told in the attributes or the response alone."""
    told = None
    for prefix in ("llm.input_messages", "gen_ai.input.messages", "gen_ai.prompt"):
        told = told or read_conversation(decoded(nested(attributes, prefix)))
    messages = read_conversation(given)
    if messages is None and isinstance(given, str):
        messages = [{"role": "user", "content": given}]
    if messages is None:
        return told
    if messages[0]["role"] != "system":
        system = [message for message in told or () if message["role"] == "system"]
        if not system and isinstance(answered, dict) and isinstance(answered.get("instructions"), str):
            system = [{"role": "system", "content": answered["instructions"]}]
        messages = [*system, *messages]
    return messages


def _tools(given: Any, answered: Any, attributes: Attributes) -> list[dict[str, Any]] | None:
    offered = [
        given,
        nested(attributes, "llm.tools"),
        attributes.get("gen_ai.tool.definitions"),
        _pydantic_ai_tools(attributes),
        {"tools": answered.get("tools")} if isinstance(answered, dict) else None,
    ]
    return next((tools for value in offered if (tools := read_tools(decoded(value))) is not None), None)


def _pydantic_ai_tools(attributes: Attributes) -> Any:
    """The functions, and the tools by which the model gives a structured answer."""
    given = decoded(attributes.get("model_request_parameters"))
    if not isinstance(given, dict) or not isinstance(given.get("function_tools"), list):
        return None
    return [*given["function_tools"], *(given.get("output_tools") or ())]


def _answer(raw: Any, answered: Any, attributes: Attributes) -> dict[str, Any] | None:
    if answered is not None:
        text = raw if isinstance(raw, str) else json.dumps(answered, ensure_ascii=False)
        read = read_answer(answered) if isinstance(answered, (dict, list, str)) else None
        return read or {"role": "assistant", "content": text}
    for prefix in ("llm.output_messages", "gen_ai.output.messages", "gen_ai.completion"):
        told = decoded(nested(attributes, prefix))
        if told is not None:
            return read_answer(told)
    return None


def _usage(row: Observation) -> Usage | None:
    old = {name: row.get(f"{name}Usage") for name in ("input", "output", "total") if row.get(f"{name}Usage")}
    details = decoded(row.get("usageDetails")) or decoded(row.get("usage")) or old
    if not isinstance(details, dict):
        return None
    usage = read_usage({_USAGE_NAMES.get(key, key): value for key, value in details.items()})
    cost = row.get("totalCost") or mapping(decoded(row.get("costDetails"))).get("total")
    if usage is not None and isinstance(cost, (int, float)) and math.isfinite(cost):
        usage.cost = float(cost)
    return usage


def _finish_reason(value: Any, depth: int = _DEEPEST) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict) or depth == 0:
        return None
    for key in ("finish_reason", "finishReason", "stop_reason"):
        if isinstance(value.get(key), str):
            return str(value[key])
    inner = (value.get(key) for key in ("choices", "candidates", "response_metadata"))
    return next((reason for item in inner if (reason := _finish_reason(item, depth - 1)) is not None), None)


def _settings(parameters: Any) -> dict[str, Any]:
    """Those that every provider has; a framework may have put the whole request there."""
    if not isinstance(parameters, dict):
        return {}
    told = {name: parameters.get(name) for name in _SETTINGS}
    return {name: value for name, value in told.items() if value not in (None, "", "null", [], {}, -1)}


# -- agents


def _agent(row: Observation) -> Agent:
    return Agent(_told(_unwrapped(decoded(row.get("input")))), _told(_spoken(decoded(row.get("output")))))


def _spoken(value: Any) -> Any:
    """What is said in an output that is a whole message, or a whole response of a model."""
    value = (_literal(value) or value) if isinstance(value, str) else value
    if not isinstance(value, dict):
        return value
    is_message = value.get("role") in ("assistant", "model") and len(value) <= 3
    if not (is_message or value.keys() & _RESPONSES or isinstance(value.get("content"), dict)):
        return value
    answer = read_answer(value)
    return answer["content"] if answer is not None and not answer.get("tool_calls") and answer["content"] else value


def _told(value: Any) -> Any:
    """Null is not a value here: Langfuse has it where nothing was recorded. Nor are objects that Python printed."""
    values = list(value.values()) if isinstance(value, dict) else [value]
    is_printed = all(isinstance(item, str) and _PRINTED.fullmatch(item) for item in values) and values
    return MISSING if value is None or is_printed else value


def _unwrapped(value: Any) -> Any:
    """What `@observe` recorded of a call: its only argument, or its arguments by name."""
    if not _is_call(value):
        return value
    positional, named = value.get("args") or [], value.get("kwargs") or {}
    if positional and named:
        return value
    if positional:
        return positional[0] if len(positional) == 1 else positional
    return named or None


def _is_call(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= {"args", "kwargs"}
        and isinstance(value.get("args", []), list)
        and isinstance(value.get("kwargs", {}), dict)
    )


# -- BeeAI, whose instrumentation makes a span of every event


def _is_beeai(attributes: Attributes) -> bool:
    return "beeai.version" in attributes or str(attributes.get("target") or "").startswith("agent.react.")


def _beeai_spans(rows: list[dict[str, Any]], notes: Notes) -> list[Span]:
    """Of a tool's run, the event with its result; of a model call, the one with its request."""
    spans: list[Span] = []
    seen: list[tuple[Any, ...]] = []
    for order, row in enumerate(rows):
        attributes = attributes_of(row)
        target = str(attributes.get("target") or "")
        span = Span(text_of(row.get("id")) or "", Agent(), str(row.get("name") or ""))
        span.parent_id = text_of(row.get("parentObservationId"))
        span.started, span.order, span.error = seconds_of(row.get("startTime")), order, _error(row)
        if not target:
            span.what = _agent(row)
        elif target.endswith(".chat.start"):
            span.what = _model(row, attributes)
            notes.lose(STREAMED)
        elif target.startswith("agent.") and _told_name(attributes) is not None:
            result, args = decoded(row.get("output")), decoded(attributes.get("tool.parameters"))
            run = (span.parent_id, attributes["tool.name"], args, result)
            if isinstance(args, dict) and result is not None and run not in seen:
                seen.append(run)
                span.what = Tool(attributes["tool.name"], args=args, result=result)
        spans.append(span)
    return spans


# -- values


def attributes_of(row: Observation) -> dict[str, Any]:
    """The OpenTelemetry attributes that the observation was made of; version 4 has them one by one in the metadata."""
    metadata = decoded(row.get("metadata"))
    if not isinstance(metadata, dict):
        return {}
    whole = decoded(metadata.get("attributes"))
    flat = {key.removeprefix("attributes."): value for key, value in metadata.items() if key.startswith("attributes.")}
    return {**flat, **mapping(whole)}


def metadata_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the application itself noted down, without what Langfuse and frameworks put beside."""
    metadata = decoded(fields.get("metadata"))
    if not isinstance(metadata, dict):
        return {}
    own = {key: decoded(value) for key, value in metadata.items() if not _OWN_METADATA.fullmatch(key)}
    return {key: value for key, value in own.items() if value not in (None, "", [], {})}


def decoded(value: Any) -> Any:
    """The value of a JSON text, which servers and exports write once or twice; any other text is itself.

    Numbers and the like count as JSON only in the form that a JSON writer gives them.
    """
    for _ in range(_DEEPEST):
        if not isinstance(value, str):
            return value
        try:
            parsed = parse_json(value)
        except (ValueError, RecursionError):
            return value
        if not isinstance(parsed, (dict, list, str)) and json.dumps(parsed) != value.strip():
            return value
        value = parsed
    return value


def _first_told(*values: Any) -> Any:
    """The first that is there, decoded."""
    return next((found for value in values if (found := decoded(value)) is not None), MISSING)
