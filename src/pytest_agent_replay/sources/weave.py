"""W&B Weave: exported calls, as `POST /calls/stream_query` and `client.get_calls()` give them.

Schema of weave 0.54: `{id, trace_id, parent_id, thread_id, turn_id, op_name, inputs, output, exception, summary,
attributes, started_at, ended_at}`. What kind of step a call is stands in `attributes.weave.kind` if anybody said it.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import Usage
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.grouping import Head, Known, Shelf, begun, chosen, inside
from pytest_agent_replay.sources.json_files import read_values
from pytest_agent_replay.sources.messages import (
    read_answer,
    read_conversation,
    read_finish_reason,
    read_tools,
    read_usage,
    tool_run,
)
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import MISSING, SETTINGS, Agent, Model, RunSession, RunTrace, Span, Tool

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["Weave"]

Call = dict[str, Any]

_CLIENTS = re.compile(
    r"(openai|anthropic|litellm|groq|mistralai|cohere|cerebras|google\.genai|vertexai|BedrockRuntime)\b.*"
    r"(create|parse|completion|complete|chat|generate|stream|converse|invoke)",
    re.IGNORECASE,
)
"""Operations of the clients that Weave patches; their calls are of models, though not all say so."""

_REFERENCE = re.compile(r"weave:///[^/]+/[^/]+/(object|table)/")
_OBJECT = ("_type", "_class_name", "_bases")

GUESSED_TOOLS = (
    "calls without a kind and without calls of their own, taken for tool calls (`@weave.op(kind=…)` says it)"
)
SCORERS = "calls of scorers, which are not the agent's"
ELSEWHERE = "values that Weave keeps elsewhere (references to objects and tables)"


class Weave(Source):
    """Files with calls; a thread is a session, a trace a turn."""

    name: ClassVar[str] = "weave"
    description: ClassVar[str] = (
        "Reads JSON or JSON Lines files of calls, as the Weave API (`POST /calls/stream_query`) and "
        "`client.get_calls()` give them. The traces of a thread become one file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="+", metavar="FILE", help="calls as JSON or JSON Lines")
        parser.add_argument("--session", metavar="ID", help="this thread")
        parser.add_argument("--trace", metavar="ID", help="this trace alone")

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        with Shelf() as shelf:
            groups = chosen(_put_aside(given.file, shelf, importing), given)
            if not groups:
                raise ReplayError(f"{', '.join(given.file)}: there are no such calls of Weave's in it")
            importing.total = len(groups)
            for id_, group in groups:
                yield _session(id_, [(head, shelf.values(head.trace)) for head in group], given)

    def recognises(self, sample: Sample) -> bool:
        return any(
            "op_name" in call and "trace_id" in call and "inputs" in call
            for value in sample.values
            for call in _calls_in(value)
        )


def _put_aside(files: Sequence[str], shelf: Shelf, importing: Importing) -> list[Head]:
    """The traces; one call may come several times, as it began and as it ended."""
    known = Known()
    for file in files:
        for where, value in read_values(Path(file), importing.problems):
            calls = _calls_in(value)
            if not calls:
                importing.problem(f"{where}: it is no call of Weave's: one has `id`, `trace_id` and `op_name`")
            for call in calls:
                trace = str(call["trace_id"])
                shelf.put(trace, call)
                known.add(
                    trace,
                    session=call.get("thread_id"),
                    started=_time(call.get("started_at")),
                    project=call.get("project_id"),
                    root_ended=None if call.get("parent_id") is not None else call.get("ended_at") is not None,
                )
    return known.heads()


def _calls_in(value: Any) -> list[Call]:
    if isinstance(value, list):
        return [call for item in value for call in _calls_in(item)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("calls"), list):
        return _calls_in(value["calls"])
    return [value] if all(value.get(name) is not None for name in ("op_name", "id", "trace_id")) else []


# -- one session


def _session(id_: str, traces: Sequence[tuple[Head, list[Call]]], given: Namespace) -> RunSession:
    session = begun(Weave.name, id_, [head for head, _ in traces], given)
    for head, raw in traces:
        calls = _of_agent(_merged(raw), session.notes)
        session.traces.append(_trace(head, calls, session.notes))
        for call in calls:
            _add_feedback(session, call)
    return session


def _merged(calls: Sequence[Call]) -> list[Call]:
    """Each call once, with all that was told of it."""
    found: dict[str, Call] = {}
    for call in calls:
        told = {key: value for key, value in call.items() if value is not None}
        found[str(call["id"])] = {**found.get(str(call["id"]), {}), **told}
    return list(found.values())


def _of_agent(calls: Sequence[Call], notes: Notes) -> list[Call]:
    """Without scorers, which call models of their own."""
    scorers = [str(call["id"]) for call in calls if _kind(call) == "scorer"]
    without = {*scorers, *inside({str(call["id"]): call.get("parent_id") for call in calls}, scorers)}
    notes.lose(SCORERS, len(without))
    return [call for call in calls if str(call["id"]) not in without]


def _trace(head: Head, calls: Sequence[Call], notes: Notes) -> RunTrace:
    parents = {str(call["parent_id"]) for call in calls if call.get("parent_id") is not None}
    spans = []
    for order, call in enumerate(calls):
        what = _what(call, str(call["id"]) in parents, notes)
        if not isinstance(what, Agent):
            notes.lose(ELSEWHERE, len(_REFERENCE.findall(json.dumps([_inputs(call), call.get("output")]))))
        spans.append(
            Span(
                id=str(call["id"]),
                what=what,
                name=_name(call),
                parent_id=call.get("parent_id"),
                started=_time(call.get("started_at")),
                ended=_time(call.get("ended_at")),
                error=read_error(_exception(call.get("exception"))) if call.get("exception") else None,
                order=order,
            )
        )
    return RunTrace(id=head.trace, spans=spans, started=head.started)


def _what(call: Call, has_calls: bool, notes: Notes) -> Agent | Model | Tool:
    given, made = _inputs(call), _output(call)
    kind, name = _kind(call), _name(call)
    if kind == "llm" or (kind is None and _CLIENTS.match(name)):
        return _model(call, given, made)
    if kind == "tool":
        return tool_run(name.rpartition(".")[2], given, made)
    if kind is None and call.get("parent_id") is not None and not has_calls:
        notes.guess(GUESSED_TOOLS)
        return tool_run(name.rpartition(".")[2], given, made)
    return Agent(input=given, output=made)


def _model(call: Call, given: Any, made: Any) -> Model:
    request = mapping(given)
    name = request.get("model", mapping(made).get("model"))
    return Model(
        name=name if isinstance(name, str) else None,
        messages=read_conversation(given),
        tools=read_tools(request),
        answer=read_answer(made) if made is not MISSING and made is not None else None,
        usage=_usage(call),
        finish_reason=read_finish_reason(made),
        settings={key: request[key] for key in SETTINGS if request.get(key) not in (None, "NOT_GIVEN")},
    )


def _usage(call: Call) -> Usage | None:
    """By model's name; a call of a model has one."""
    by_model = mapping(call.get("summary")).get("usage")
    return next((read_usage(usage) for usage in by_model.values()), None) if isinstance(by_model, dict) else None


# -- the parts of a call


def _name(call: Call) -> str:
    """Of `weave:///entity/project/op/NAME:DIGEST`, or as it is."""
    return str(call.get("op_name") or "").rpartition("/op/")[2].partition(":")[0]


def _kind(call: Call) -> str | None:
    kind = mapping(mapping(call.get("attributes")).get("weave")).get("kind")
    return kind if isinstance(kind, str) else None


def _inputs(call: Call) -> Any:
    """What it was called with, without the object whose method it is."""
    given = _plain(call.get("inputs", {}))
    return {key: value for key, value in given.items() if key != "self"} if isinstance(given, dict) else given


def _output(call: Call) -> Any:
    """What came out; of LangChain, Weave keeps the whole run with its `outputs`."""
    if call.get("exception") or (call.get("output") is None and call.get("ended_at") is None):
        return MISSING
    made = _plain(call.get("output"))
    if _name(call).startswith("langchain.") and isinstance(made, dict) and "outputs" in made:
        return made["outputs"]
    return MISSING if isinstance(made, str) and _REFERENCE.match(made) else made


def _plain(value: Any) -> Any:
    """Without what Weave notes about the classes of objects."""
    if isinstance(value, dict):
        is_object = "_class_name" in value
        return {key: _plain(item) for key, item in value.items() if not (is_object and key in _OBJECT)}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _exception(told: Any) -> Any:
    """`{type, message, traceback: [frames]}` as JSON text, or the text of older versions."""
    try:
        parsed = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        return told
    if not isinstance(parsed, dict):
        return told
    return {key: parsed[key] for key in ("type", "message") if key in parsed}


def _time(text: Any) -> float | None:
    try:
        return parse_time(text).timestamp() if isinstance(text, str) else None
    except ValueError:
        return None


def _add_feedback(session: RunSession, call: Mapping[str, Any]) -> None:
    """What people and scorers said, where the export was asked to have it (`include_feedback`)."""
    told = mapping(mapping(call.get("summary")).get("weave")).get("feedback")
    notes = []
    for each in told if isinstance(told, list) else []:
        payload = mapping(each).get("payload")
        if not isinstance(payload, dict):
            continue
        if isinstance(payload.get("note"), str):
            notes.append(payload["note"])
        elif isinstance(payload.get("emoji"), str):
            session.scores["reaction"] = payload["emoji"]
        elif "output" in payload or "value" in payload:
            name = re.sub(r"^wandb\.(runnable|annotation)\.", "", str(each.get("feedback_type", "feedback")))
            session.scores[name] = payload.get("output", payload.get("value"))
    session.remarks += notes
    if notes and str(session.scores.get("reaction", "")).startswith("👎") and session.expected_failure is None:
        session.expected_failure = notes[0]
