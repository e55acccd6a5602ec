"""The traces of the OpenAI Agents SDK: objects `trace` and `trace.span`, as its exporter sends them.

Read are lists of them, one a line, and the bodies that the exporter posts (`{"data": […]}`), wherever they lie in a
JSON value. A span of a model from the responses API has no content; one of a chat completion has. Details of errors
are redacted unless the SDK is told otherwise, and the exporter cuts what is longer than 100,000 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.messages import read_answer, read_conversation, read_usage
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.spans import Agent, Model, RunSession, RunTrace, Span, Tool
from pytest_agent_replay.sources.transcripts.files import seconds_of

__all__ = ["NO_CONTENT", "Exported", "has_content", "tool_runs", "trace_objects", "trace_sessions"]

NO_CONTENT = (
    "the trace has the runs of tools, but not what the user and the model said: spans of the responses API have no "
    "content. Give the session's items (`Session.get_items()`, `result.to_input_list()`, or the SQLiteSession's file) "
    "together with the trace, or say what the user asked, turn by turn, with --input TEXT"
)
NO_TEXTS = "what the model said: the trace has no content of the responses API, so it is asked anew"
GUARDRAILS = "guardrails that were triggered: the agent runs them again by itself"

_WORKFLOW = "Agent workflow"
_SETTINGS = ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "tool_choice")


def trace_objects(value: Any) -> Iterator[dict[str, Any]]:
    """The traces and spans that lie in a JSON value, in order."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, list):
            rest.extend(reversed(item))
        elif isinstance(item, dict):
            if item.get("object") in ("trace", "trace.span"):
                yield item
            else:
                rest.extend(inner for inner in reversed(item.values()) if isinstance(inner, (dict, list)))


@dataclass(slots=True)
class Exported:
    """The traces of one conversation."""

    id: str
    session: RunSession
    agents: dict[str, list[str]] = field(default_factory=dict)
    """The names of the tools that each agent has."""


def trace_sessions(objects: list[dict[str, Any]]) -> list[Exported]:
    """The conversations in the order in which they began: traces of one `group_id`, or a trace alone."""
    traces = {str(each.get("id")): each for each in objects if each["object"] == "trace"}
    spans: dict[str, list[dict[str, Any]]] = {trace: [] for trace in traces}
    for each in objects:
        if each["object"] == "trace.span" and isinstance(each.get("span_data"), dict):
            spans.setdefault(str(each.get("trace_id")), []).append(each)
    groups: dict[tuple[str, str], list[str]] = {}
    for trace in spans:
        group = traces.get(trace, {}).get("group_id")
        groups.setdefault(("group_id", str(group)) if group else ("trace_id", trace), []).append(trace)
    found = [_exported(key, ids, traces, spans) for key, ids in groups.items()]
    return sorted(found, key=lambda each: min((trace.started or 0.0 for trace in each.session.traces), default=0.0))


def _exported(
    key: tuple[str, str], ids: list[str], traces: dict[str, Any], spans: dict[str, list[dict[str, Any]]]
) -> Exported:
    notes = Notes()
    runs = [_trace(trace, spans[trace]) for trace in ids]
    runs.sort(key=lambda run: (run.started or 0.0, run.id))
    metadata: dict[str, Any] = {}
    for trace in (traces.get(run.id, {}) for run in runs):
        metadata.update(mapping(trace.get("metadata")))
        if trace.get("workflow_name") not in (None, _WORKFLOW):
            metadata.setdefault("workflow_name", trace["workflow_name"])
    datas = [span["span_data"] for trace in ids for span in spans[trace]]
    notes.lose(GUARDRAILS, sum(data.get("type") == "guardrail" and data.get("triggered") is True for data in datas))
    agents = {str(d.get("name")): _names(d.get("tools")) for d in datas if d.get("type") == "agent"}
    session = RunSession(
        id=key[1],
        traces=runs,
        source={"type": "openai-agents", key[0]: key[1]},
        metadata=metadata,
        agent_config={"agents": [{"name": name, "tools": tools} for name, tools in agents.items()]} if agents else {},
        notes=notes,
    )
    return Exported(key[1], session, agents)


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _trace(id_: str, raw: list[dict[str, Any]]) -> RunTrace:
    spans = [_span(each, order) for order, each in enumerate(raw)]
    return RunTrace(id_, spans, started=min((s.started for s in spans if s.started is not None), default=None))


def _span(raw: dict[str, Any], order: int) -> Span:
    what, data, error = _what(raw["span_data"]), raw["span_data"], raw.get("error")
    span = Span(
        id=str(raw.get("id")),
        what=what,
        name=str(data.get("name") or data.get("type")),
        parent_id=raw["parent_id"] if isinstance(raw.get("parent_id"), str) else None,
        started=seconds_of(raw.get("started_at")),
        ended=seconds_of(raw.get("ended_at")),
        order=order,
    )
    if isinstance(error, dict) and isinstance(what, (Tool, Model)):
        told = mapping(error.get("data")).get("error")
        span.error = read_error(message=str(told or error.get("message") or ""))
    return span


def _what(data: dict[str, Any]) -> Agent | Model | Tool:
    kind = data.get("type")
    if kind == "function":
        return _tool(data)
    if kind == "generation":
        config = mapping(data.get("model_config"))
        return Model(
            name=data["model"] if isinstance(data.get("model"), str) else None,
            messages=read_conversation(_whole(data.get("input"))),
            answer=read_answer(_whole(data["output"])) if data.get("output") else None,
            usage=read_usage(data.get("usage")),
            settings={key: config[key] for key in _SETTINGS if config.get(key) is not None},
        )
    if kind == "response":
        return Model(usage=read_usage(data.get("usage")))
    return Agent(is_turn=kind == "custom" and data.get("name") == "task")


def _tool(data: dict[str, Any]) -> Tool:
    tool = Tool(str(data.get("name") or ""))
    given = data.get("input")
    if isinstance(given, str):
        try:
            parsed = json.loads(given) if given else {}
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            tool.args = parsed
        else:
            tool.bare = given
    if _whole(data.get("output")) is not None:
        tool.result = data["output"]
    return tool


def _whole(value: Any) -> Any:
    """None where the exporter put a preview in the place of what is too long."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict) and item.get("truncated") is True and "preview" in item:
            return None
        rest.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return value


# -- what they have


def has_content(session: RunSession) -> bool:
    """Whether a model call tells what was said."""
    return any(isinstance(s.what, Model) and s.what.messages for trace in session.traces for s in trace.spans)


def tool_runs(session: RunSession) -> list[tuple[Span, Tool]]:
    """The runs of tools that a model asked for, in time order; what ran inside of one is not among them."""
    from pytest_agent_replay.sources.trees import units_of

    units = [unit for trace in session.traces for unit in units_of(trace, Notes())]
    return [(span, span.what) for unit in units for span in unit.calls if isinstance(span.what, Tool)]
