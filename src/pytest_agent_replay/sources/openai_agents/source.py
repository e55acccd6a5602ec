"""OpenAI Agents: the items of sessions (JSON, or the SDK's SQLite file), exported traces, and both together.

Items have what was said, traces when it was and what failed. Given together, a conversation of the items and one of
the traces are the same when they have the same tool calls.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.errors import FormatError, Problem, ReplayError
from pytest_agent_replay.formats import replay
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.json_files import Sample, read_values
from pytest_agent_replay.sources.openai_agents.items import (
    ItemSession,
    is_sqlite,
    message_tables,
    read_items,
    sqlite_sessions,
)
from pytest_agent_replay.sources.openai_agents.traces import (
    NO_CONTENT,
    NO_TEXTS,
    Exported,
    has_content,
    tool_runs,
    trace_objects,
    trace_sessions,
)
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import Agent, Model, RunSession, Span, Tool
from pytest_agent_replay.sources.transcripts.files import (
    NO_TOOLS,
    caught,
    labels,
    own_id,
    replay_of,
    sessions_in,
    text_repaired,
    whose,
)
from pytest_agent_replay.sources.transcripts.transcript import Said, read_transcript

if TYPE_CHECKING:
    from pytest_agent_replay.sources.trees import Unit

__all__ = ["OpenAIAgents"]

NO_MODEL_TIMES = "times and token counts of the model: the trace and the items have another number of answers"

_ITEMS = ("items", "messages")


class OpenAIAgents(Source):
    """Conversations of the OpenAI Agents SDK."""

    name = "openai-agents"
    description = (
        "Reads what the OpenAI Agents SDK keeps: session items as JSON (Session.get_items(), "
        "result.to_input_list()), SQLiteSession files, and exported traces (`trace` and `trace.span` objects). "
        "Items and traces of the same conversation, given together, are joined."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files, and what a trace without content leaves out."""
        parser.add_argument("file", metavar="FILE", nargs="+", help="a JSON, JSON Lines or SQLite file")
        parser.add_argument(
            "--input",
            metavar="TEXT",
            action="append",
            default=[],
            help="what the user said, for a trace without content; repeatable, turn by turn",
        )
        parser.add_argument(
            "--group", metavar="ID", help="of the traces, only those with this group_id (or this trace_id)"
        )

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession | ImportedSession]:
        """Conversations of items in the order of the files, then those that only traces have, in time order."""
        objects: list[dict[str, Any]] = []
        files: list[Path] = []
        for path in map(Path, given.file):
            found = [] if is_sqlite(Sample(path).head) else list(_traced(path, importing.problems))
            objects += found
            files += [] if found else [path]
        group = getattr(given, "group", None)
        exports = [export for export in trace_sessions(objects) if group in (None, export.id)]
        if group is not None and not exports:
            raise ReplayError(f"no trace has the group_id or trace_id {group}")
        raw = chain.from_iterable(_item_sessions(path, importing.problems) for path in files)
        yield from _joined(raw, exports, importing)
        yield from _alone(exports, list(getattr(given, "input", [])), importing)

    def recognises(self, sample: Sample) -> bool:
        """Items, a database with items, or traces."""
        if is_sqlite(sample.head):
            try:
                return bool(message_tables(sample.path))
            except FormatError:
                return False
        values = sample.values
        return any(map(_is_traced, values)) or any(_items_of(value) == "openai-agents" for value in values)


def _is_traced(value: Any) -> bool:
    return next(trace_objects(value), None) is not None


def _items_of(value: Any) -> str | None:
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return whose(value["items"])
    return whose(value)


# -- the files


def _traced(path: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    """The objects of traces in a file; none when it is of another kind."""
    found: list[str] = []
    values = read_values(path, found)
    first = next(values, None)
    if first is None or not _is_traced(first[1]):
        return
    for _, value in chain([first], values):
        yield from trace_objects(value)
    problems += found


def _item_sessions(path: Path, problems: list[str]) -> Iterator[ItemSession]:
    if is_sqlite(Sample(path).head):
        yield from sqlite_sessions(path, problems)
        return
    for number, (where, value) in enumerate(_raw_items(path, problems), 1):
        data = mapping(value)
        items = value if isinstance(value, list) else next((data[key] for key in _ITEMS if key in data), None)
        if not isinstance(items, list):
            problems.append(f"{where}: a session is a list of items, or an object with `items`")
            continue
        source = {"file": path.name, "session": number}
        known = {key: each for key, each in data.items() if key not in _ITEMS}
        yield ItemSession(items, where, source, own_id(data, path.name, number), known)


def _raw_items(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    values = list(read_values(path, problems))
    if len(values) > 1 and all(isinstance(value, dict) and {"type", "role"} & value.keys() for _, value in values):
        yield str(path), [value for _, value in values]
        return
    for where, value in values:
        several = None if isinstance(value, dict) and "items" in value else sessions_in(value)
        if several is None:
            yield where, value
        elif not several and len(values) == 1:
            raise FormatError(Problem(str(path), 0, 0, "there is no session in it; a list of items is needed"))
        else:
            yield from ((f"{where}: session {number}", item) for number, item in enumerate(several, 1))


# -- items, with traces or without


def _joined(raw: Iterable[ItemSession], exports: list[Exported], importing: Importing) -> Iterator[ImportedSession]:
    """The conversations of items; a trace that fits one is taken out of `exports`."""
    for session in raw:
        yield from caught(
            [(session.where, session)],
            lambda value, where, _: _item_session(value, where, exports, importing),
            importing.problems,
        )


def _item_session(session: ItemSession, where: str, exports: list[Exported], importing: Importing) -> ImportedSession:
    notes = Notes()
    session.items = text_repaired(session.items, notes)
    session.data = text_repaired(session.data, notes)
    said = read_items(session, notes)
    given = labels(session.data, notes)
    source = {"type": OpenAIAgents.name, **session.source}
    export = _fitting(session, said, exports, importing)
    if export is not None:
        exports.remove(export)
        _Times(said, export, notes).fill_in()
        found = {key: value for key, value in export.session.source.items() if key != "type"}
        given["metadata"] = {**found, **export.session.metadata, **given.get("metadata", {})}
        given["agent_config"] = export.session.agent_config
    transcript = read_transcript(said, notes)
    notes.lose(NO_TOOLS)
    wish = session.id or (export.id if export is not None else "session")
    return ImportedSession(replay_of(transcript, replay.Source(**source), given), wish, where, notes)


def _fitting(session: ItemSession, said: list[Said], exports: list[Exported], importing: Importing) -> Exported | None:
    """The one conversation of the traces that has the same tool calls."""
    if not exports:
        return None
    asked = Counter(_key(call["name"], call.get("args", call.get("raw_args"))) for call in _calls(said))
    fitting = [
        export
        for export in exports
        if Counter(_key(tool.name, _arguments(tool)) for _, tool in tool_runs(export.session)) == asked
    ]
    named = [export for export in fitting if export.id == session.id]
    if len(named or fitting) == 1:
        return (named or fitting)[0]
    why = "several have" if fitting else "none has"
    importing.note(f"{session.where}: no times and errors from the traces: {why} just these tool calls")
    return None


def _calls(said: list[Said]) -> list[dict[str, Any]]:
    """The calls of tools; a handoff is none."""
    told = {each.message.get("tool_call_id"): each for each in said if each.message["role"] == "tool"}
    calls = [call for each in said for call in each.message.get("tool_calls") or []]
    return [call for call in calls if call["id"] in told and told[call["id"]].is_tool]


def _arguments(tool: Tool) -> Any:
    return tool.args if tool.args is not None else tool.bare


def _key(name: str, arguments: Any) -> tuple[str, str]:
    return name, json.dumps(arguments, sort_keys=True, default=str)


class _Times:
    """When things were said and done, and what failed, from a trace into the messages."""

    def __init__(self, said: list[Said], export: Exported, notes: Notes) -> None:
        from pytest_agent_replay.sources.trees import units_of

        self.said = said
        self.notes = notes
        self.units: list[Unit] = [u for trace in export.session.traces for u in units_of(trace, Notes())]
        self.runs: dict[tuple[str, str], list[Span]] = {}
        for span, tool in tool_runs(export.session):
            self.runs.setdefault(_key(tool.name, _arguments(tool)), []).append(span)

    def fill_in(self) -> None:
        """Tells the messages what the trace knows."""
        results = {each.message.get("tool_call_id"): each for each in self.said if each.message["role"] == "tool"}
        for call in _calls(self.said):
            span = self.runs[_key(call["name"], call.get("args", call.get("raw_args")))].pop(0)
            result = results[call["id"]]
            result.latency_ms = span.latency_ms
            result.failed = result.failed or span.error is not None
        self._turns()
        self._answers()

    def _turns(self) -> None:
        """The trace's turns are the user's messages that were answered."""
        asked = [
            each
            for each, after in zip(self.said, self.said[1:], strict=False)
            if each.message["role"] == "user" and after.message["role"] != "user"
        ]
        if len(asked) == len(self.units):
            for said, unit in zip(asked, self.units, strict=True):
                said.started = unit.started

    def _answers(self) -> None:
        answers = [said for said in self.said if said.message["role"] == "assistant"]
        models = [span for unit in self.units for span in unit.models]
        if len(answers) != len(models):
            self.notes.lose(NO_MODEL_TIMES)
            return
        for said, span in zip(answers, models, strict=True):
            said.latency_ms = span.latency_ms
            if said.answer is not None and isinstance(span.what, Model):
                told = {"usage": span.what.usage, "model": span.what.name}
                said.answer = said.answer.model_copy(update={key: value for key, value in told.items() if value})


# -- traces alone


def _alone(exports: list[Exported], inputs: list[str], importing: Importing) -> Iterator[RunSession]:
    for export in exports:
        session = export.session
        if not has_content(session):
            if inputs and len(exports) == 1:
                try:
                    _say(session, inputs)
                except SessionProblem as error:
                    importing.problem(f"{session.id}: {error}")
                    continue
                session.notes.lose(NO_TEXTS)
            else:
                importing.problem(f"{session.id}: {NO_CONTENT}")
                continue
        yield session


def _say(session: RunSession, inputs: list[str]) -> None:
    """Gives each turn what the user said."""
    turns = [
        (trace, [s.what for s in trace.spans if isinstance(s.what, Agent) and s.what.is_turn])
        for trace in session.traces
    ]
    count = sum(max(len(agents), 1) for _, agents in turns)
    if count != len(inputs):
        raise SessionProblem(f"it has {count} turns, and --input was given {len(inputs)} times")
    rest = iter(inputs)
    for trace, agents in turns:
        for agent in agents:
            agent.input = next(rest)
        if not agents:
            trace.input = next(rest)
