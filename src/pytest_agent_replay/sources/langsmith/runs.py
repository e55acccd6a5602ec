"""One trace of LangSmith, its runs at every depth, as the spans of the common model."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_agent_replay.formats.replay import Usage
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.messages import read_answer, read_conversation, read_result, read_tools, read_usage
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunTrace, Span, Tool

__all__ = ["HIDDEN", "moment", "run_trace", "settings_of"]

HIDDEN = "inputs or outputs of all runs of a trace: its tracer left them out (LANGSMITH_HIDE_INPUTS, …_OUTPUTS)"
OFFLOADED = "inputs or outputs that LangSmith keeps apart and that could not be fetched"
ATTACHMENTS = "attachments of runs"
CONTROL = "interrupts and handovers of LangGraph, which its tracer writes as errors: no failures"
UNKNOWN = "runs of a kind that LangSmith does not have ({}), as steps of the agent"
RETRIEVERS = "retriever runs, as calls of a tool of that name"

_CONTROL = re.compile(r"(?:langgraph\.errors\.)?(?:GraphInterrupt|NodeInterrupt|ParentCommand|GraphBubbleUp)\(")
_KINDS = frozenset({"tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"})
_SETTINGS = (
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "seed",
    "stop",
    "reasoning_effort",
    "tool_choice",
)


def run_trace(trace_id: str, runs: Iterable[dict[str, Any]], notes: Notes) -> RunTrace:
    """The trace. `runs` are in the shape of `/runs/query`, in any order."""
    ordered = sorted(runs, key=_order)
    hidden = _Hidden(ordered)
    notes.guess(CONTROL, sum(_is_control(run.get("error")) for run in ordered))
    notes.lose(HIDDEN, hidden.inputs or hidden.outputs)
    notes.lose(OFFLOADED, sum(bool(run.get("offloaded")) for run in ordered))
    notes.lose(ATTACHMENTS, sum(_attachments(run) for run in ordered))
    notes.guess(RETRIEVERS, sum(run.get("run_type") == "retriever" for run in ordered))
    for kind in [str(run.get("run_type")) for run in ordered]:
        notes.guess(UNKNOWN.format(kind), kind not in _KINDS)
    spans = [_span(run, number, hidden) for number, run in enumerate(ordered)]
    started = next((span.started for span in spans if span.started is not None), None)
    return RunTrace(id=trace_id, spans=spans, started=started)


class _Hidden:
    """Whether the tracer was told to leave out what went in or came out: no model run has any, and `{}` is no value."""

    def __init__(self, runs: list[dict[str, Any]]) -> None:
        models = [run for run in runs if run.get("run_type") == "llm"]
        self.inputs = bool(models) and not any(run.get("inputs") for run in models)
        answered = [run for run in models if not run.get("error") and run.get("end_time")]
        self.outputs = bool(answered) and not any(run.get("outputs") for run in answered)


def _span(run: dict[str, Any], number: int, hidden: _Hidden) -> Span:
    name = str(run.get("name") or run.get("run_type") or "run")
    inputs = MISSING if hidden.inputs or "inputs" in _offloaded(run) else run.get("inputs")
    outputs = MISSING if hidden.outputs or "outputs" in _offloaded(run) else run.get("outputs")
    error = run.get("error")
    kind = run.get("run_type")
    what: Agent | Model | Tool
    if kind == "llm":
        what = _model(run, inputs, outputs)
    elif kind in ("tool", "retriever"):
        what = _tool(run, name, inputs, outputs)
    else:
        what = Agent(input=inputs if inputs else MISSING, output=_output(outputs, bool(error)))
    return Span(
        id=str(run.get("id")),
        what=what,
        name=name,
        parent_id=str(run["parent_run_id"]) if run.get("parent_run_id") else None,
        started=moment(run.get("start_time")),
        ended=moment(run.get("end_time")),
        error=read_error(error) if error and not _is_control(error) else None,
        order=number,
    )


def _output(outputs: Any, has_failed: bool) -> Any:
    """What a function returned. LangSmith puts whatever is no mapping under `output`."""
    if not isinstance(outputs, dict) or (has_failed and outputs in ({}, {"output": None})):
        return MISSING
    if outputs.keys() == {"output"}:
        return outputs["output"]
    return outputs or MISSING


# -- tools


def _tool(run: Mapping[str, Any], name: str, inputs: Any, outputs: Any) -> Tool:
    tool = Tool(name=name, args=_arguments(inputs))
    extra = mapping(run.get("extra"))
    call_id = extra.get("tool_call_id")
    if (
        isinstance(outputs, dict)
        and not (run.get("error") and outputs in ({}, {"output": None}))
        and run.get("end_time")
    ):
        value = outputs
        if outputs.keys() == {"output"}:
            value = outputs["output"]
        elif run.get("run_type") == "retriever" and outputs.keys() == {"documents"}:
            value = outputs["documents"]
        read = read_result(value)
        tool.result, tool.failed = read.value, read.failed
        call_id = call_id or read.call_id
    tool.call_id = call_id if isinstance(call_id, str) else None
    return tool


def _arguments(inputs: Any) -> dict[str, Any] | None:
    """Older versions of LangChain print all arguments into one text, under `input`."""
    if not isinstance(inputs, dict):
        return None
    if inputs.keys() == {"input"} and isinstance(inputs["input"], str) and inputs["input"].lstrip().startswith("{"):
        return _printed(inputs["input"]) or inputs
    if inputs.keys() == {"args", "kwargs"} and not inputs["args"] and isinstance(inputs["kwargs"], dict):
        return inputs["kwargs"]
    return inputs


def _printed(text: str) -> dict[str, Any] | None:
    """A mapping that was printed as JSON, or as Python prints it."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
    return None


# -- models


def _model(run: Mapping[str, Any], inputs: Any, outputs: Any) -> Model:
    extra = mapping(run.get("extra"))
    metadata = mapping(extra.get("metadata"))
    asked = mapping(extra.get("invocation_params"))
    given = mapping(inputs)
    names = (metadata.get("ls_model_name"), asked.get("model"), asked.get("model_name"), given.get("model"))
    answer = read_answer(outputs) if outputs else None
    return Model(
        name=next((name for name in names if isinstance(name, str) and name), None),
        messages=read_conversation(given) if given else None,
        tools=_tools(asked, given),
        answer=answer,
        usage=_usage(run, metadata, outputs),
        finish_reason=_finish_reason(outputs),
        settings=settings_of(asked, given, metadata),
    )


def _tools(asked: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """LangChain tells them in `invocation_params`, a wrapped client in the request; a request without them has none."""
    for place in (asked, given):
        for key in ("tools", "functions"):
            if place.get(key) is not None:
                return read_tools(place[key])
    return [] if asked or "model" in given else None


def settings_of(*places: Mapping[str, Any]) -> dict[str, Any]:
    """Temperature and the like, from the first place that has each."""
    found: dict[str, Any] = {}
    for place in places:
        for key in _SETTINGS:
            value = place.get(key, place.get(f"ls_{key}"))
            if value is not None:
                found.setdefault(key, value)
    return found


def _usage(run: Mapping[str, Any], metadata: Mapping[str, Any], outputs: Any) -> Usage | None:
    """What the model's provider told, else what LangSmith counted; with the price that LangSmith knows."""
    cost = {"total_cost": run["total_cost"]} if run.get("total_cost") is not None else {}
    counted = {key: run.get(key) for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
    places = (metadata, outputs, _message_of(outputs), counted if any(counted.values()) else None)
    usage = next((read for place in places if (read := read_usage(place)) is not None), None)
    if usage is not None and cost and usage.cost is None:
        priced = read_usage({**counted, "prompt_tokens": counted["prompt_tokens"] or 0, **cost})
        if priced is not None and priced.cost is not None:
            return Usage(**{**usage.model_dump(exclude_unset=True), "cost": priced.cost})
    return usage


def _message_of(outputs: Any) -> Any:
    """The message of the first generation that LangChain writes."""
    for step in ("generations", 0, 0, "message", "kwargs"):
        try:
            outputs = outputs[step]
        except (KeyError, IndexError, TypeError):
            return None
    return outputs


def _finish_reason(outputs: Any) -> str | None:
    for path in (
        ("choices", 0, "finish_reason"),
        ("generations", 0, 0, "generation_info", "finish_reason"),
        ("generations", 0, 0, "message", "kwargs", "response_metadata", "finish_reason"),
        ("generations", 0, 0, "message", "kwargs", "response_metadata", "stop_reason"),
        ("stop_reason",),
    ):
        value = outputs
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                value = None
                break
        if isinstance(value, str):
            return value
    return None


# -- what runs have in common


def moment(value: Any) -> float | None:
    """Seconds since the epoch; None for what is no time."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) / 1000 if value > 1e11 else float(value)
    try:
        return parse_time(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _is_control(error: Any) -> bool:
    return isinstance(error, str) and _CONTROL.match(error.lstrip()) is not None


def _order(run: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(run.get("dotted_order") or ""), str(run.get("start_time") or ""), str(run.get("id"))


def _offloaded(run: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(run.get("offloaded") or ())


def _attachments(run: Mapping[str, Any]) -> int:
    """How many files hang on a run: `s3_urls` of the first generation, `attachments` of the second."""
    stored = mapping(run.get("s3_urls"))
    named = run["attachments"] if isinstance(run.get("attachments"), (dict, list)) else {}
    return len(named) or sum(str(key).startswith("attachment.") for key in stored)
