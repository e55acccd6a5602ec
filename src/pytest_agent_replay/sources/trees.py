"""The spans of a trace as a tree: which of them count, and to which turn they belong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.llm.reading import content_text
from pytest_agent_replay.sources.session import Notes
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunTrace, Span, Tool

__all__ = ["Unit", "put_times_right", "units_of"]

INSIDE = "calls inside of tool calls, which are answered as a whole"
TWICE = "spans that the source has twice, counted once"
CIRCLE = "spans that are inside of themselves, as their parents tell; taken out of there"
PARTED = "turns within one trace: the user is thought to have spoken again after an answer"
TIMELESS = "times that cannot be"

_EARLIEST, _LATEST = -62_135_596_800.0, 253_402_300_800.0
"""The years from 1 to 9999, in seconds since the epoch."""


@dataclass(slots=True)
class Unit:
    """One turn: what the agent was called with, and the model and tool calls that it made itself, in time order."""

    input: Any = MISSING
    output: Any = MISSING
    started: float | None = None
    has_ended: bool = True
    error: ErrorSpec | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    calls: list[Span] = field(default_factory=list)

    @property
    def models(self) -> list[Span]:
        """The model calls."""
        return [span for span in self.calls if isinstance(span.what, Model)]


def put_times_right(traces: list[RunTrace], notes: Notes) -> None:
    """Takes out times that no clock ever shows: infinite ones, and those of other eras."""
    for owner in (owner for trace in traces for owner in (trace, *trace.spans)):
        for name in ("started", "ended"):
            time = getattr(owner, name, None)
            if time is not None and not _EARLIEST <= time < _LATEST:
                setattr(owner, name, None)
                notes.lose(TIMELESS)


def units_of(trace: RunTrace, notes: Notes) -> list[Unit]:
    """The turns of a trace. Calls inside of a tool call belong to that call."""
    tree = _Tree(trace, notes)
    turns = list(tree.turn_spans(tree.roots))
    if turns:
        return [_unit(trace, span, tree.calls_in([span])) for span in turns]
    agents = [span for span in tree.roots if isinstance(span.what, Agent)]
    root = agents[0] if len(agents) == 1 else None  # other roots have lost their parent
    whole = _unit(trace, root, tree.calls_in(tree.roots))
    if trace.input is not MISSING:
        whole.input = trace.input
    if trace.output is not MISSING:
        whole.output = trace.output
    parts = _parted(whole)
    notes.guess(PARTED, len(parts) - 1)
    return parts


def _unit(trace: RunTrace, root: Span | None, calls: list[Span]) -> Unit:
    agent = root.what if root is not None and isinstance(root.what, Agent) else None
    started = [span.started for span in (root, *calls) if span is not None and span.started is not None]
    return Unit(
        input=agent.input if agent is not None else MISSING,
        output=agent.output if agent is not None else MISSING,
        started=min(started, default=trace.started),
        has_ended=root is None or root.ended is not None or root.started is None or root.error is not None,
        error=root.error if root is not None and agent is not None else None,
        scores=dict(trace.scores),
        calls=calls,
    )


class _Tree:
    def __init__(self, trace: RunTrace, notes: Notes) -> None:
        spans: dict[str, Span] = {}
        for span in trace.spans:
            notes.guess(TWICE, span.id in spans)
            if span.id not in spans or spans[span.id].ended is None:
                spans[span.id] = span
        self.notes = notes
        self.children: dict[str | None, list[Span]] = {}
        parents = _parents(spans, notes)
        for span in sorted(spans.values(), key=_time_order):
            self.children.setdefault(parents[span.id], []).append(span)
        self.roots = self.children.get(None, [])

    def turn_spans(self, spans: list[Span]) -> Iterator[Span]:
        """The outermost spans that are a turn each, outside of calls."""
        for span in spans:
            if isinstance(span.what, Agent):
                if span.what.is_turn:
                    yield span
                else:
                    yield from self.turn_spans(self.children.get(span.id, []))

    def calls_in(self, spans: list[Span]) -> list[Span]:
        """The outermost model and tool calls below these spans, in time order."""
        return sorted(self._outermost(spans), key=_time_order)

    def _outermost(self, spans: list[Span]) -> Iterator[Span]:
        for span in spans:
            inside = self.children.get(span.id, [])
            if isinstance(span.what, Agent):
                yield from self._outermost(inside)
                continue
            calls = list(self._outermost(inside))
            if isinstance(span.what, Model):
                yield from _of_model(span, calls)
                continue
            self._from_inside(span, calls)
            self.notes.lose(INSIDE, sum(not _is_same(span.what, call.what) for call in calls))
            yield span

    @staticmethod
    def _from_inside(span: Span, calls: list[Span]) -> None:
        """A tool call seen twice, by a framework and by its client: what the outer does not know, the inner may."""
        tool = span.what
        assert isinstance(tool, Tool)
        for call in calls:
            if not _is_same(tool, call.what) or not isinstance(call.what, Tool):
                continue
            tool.args = tool.args if tool.args is not None else call.what.args
            tool.call_id = tool.call_id or call.what.call_id
            if tool.result is MISSING and span.error is None:
                tool.result, tool.failed, span.error = call.what.result, call.what.failed, call.error


def _parents(spans: dict[str, Span], notes: Notes) -> dict[str, str | None]:
    """The parents that are among the spans, without circles: those would keep their spans out of the tree."""
    parents = {
        span.id: span.parent_id if isinstance(span.parent_id, str) and span.parent_id in spans else None
        for span in spans.values()
    }
    checked: set[str] = set()
    for span in sorted(spans.values(), key=_time_order):
        way: set[str] = set()
        step: str | None = span.id
        while step is not None and step not in checked:
            way.add(step)
            if parents[step] in way:
                parents[step] = None
                notes.guess(CIRCLE)
            step = parents[step]
        checked |= way
    return parents


def _of_model(span: Span, calls: list[Span]) -> Iterator[Span]:
    """The call itself, seen by several layers; a span around a loop of models and tools is not one of them."""
    tools = [call for call in calls if isinstance(call.what, Tool)]
    told = [call for call in calls if isinstance(call.what, Model) and call.what.answer is not None]
    is_silent = isinstance(span.what, Model) and span.what.answer is None and span.error is None
    if told and (tools or is_silent):
        yield from calls
    else:
        yield span
        yield from tools


def _is_same(tool: Any, inner: Any) -> bool:
    return isinstance(tool, Tool) and isinstance(inner, Tool) and tool.name == inner.name


def _time_order(span: Span) -> tuple[Any, ...]:
    return (span.started is None, span.started or 0.0, span.order if isinstance(span.order, (int, float)) else 0, 0)


# -- several turns in one trace


def _parted(unit: Unit) -> list[Unit]:
    """A trace around a whole conversation, in its turns.

    A turn begins with a model call whose messages hold what the model answered last, and then something that the user
    said. Where the trace's own input is what the user said first, what comes later is the agent's own doing.
    """
    starts = _later_turns(unit)
    if not starts or _holds(unit.input, _said_first(unit)):
        return [unit]
    parts: list[Unit] = []
    bounds = [0, *starts, len(unit.calls)]
    for begin, end in pairwise(bounds):
        calls = unit.calls[begin:end]
        parts.append(Unit(started=calls[0].started, calls=calls, scores={} if parts else unit.scores))
    parts[0].started = unit.started
    parts[-1].output, parts[-1].error, parts[-1].has_ended = MISSING, unit.error, unit.has_ended
    return parts


def _later_turns(unit: Unit) -> list[int]:
    """The positions of the calls with which further turns begin: those after an answer."""
    starts: list[int] = []
    answered: tuple[int, str] | None = None
    for position, span in enumerate(unit.calls):
        model = span.what
        if not isinstance(model, Model):
            continue
        if answered is not None and model.messages and _goes_on(model.messages, answered[1]):
            starts.append(answered[0] + 1)
        said = content_text(model.answer.get("content")) if model.answer is not None else ""
        is_last = said.strip() and model.answer is not None and not model.answer.get("tool_calls")
        answered = (position, said) if is_last else None
    return starts


def _goes_on(messages: list[dict[str, Any]], answer: str) -> bool:
    place = next(
        (
            index
            for index in range(len(messages) - 1, -1, -1)
            if messages[index].get("role") == "assistant" and content_text(messages[index].get("content")) == answer
        ),
        None,
    )
    return place is not None and any(message.get("role") == "user" for message in messages[place + 1 :])


def _said_first(unit: Unit) -> str:
    messages = next((span.what.messages for span in unit.models if isinstance(span.what, Model)), None) or []
    first = next((message for message in messages if message.get("role") == "user"), None)
    return content_text(first.get("content")) if first is not None else ""


def _holds(value: Any, text: str) -> bool:
    """Whether these words of the user are a part of the value, or a part of them is: prompts are made of inputs."""
    if isinstance(value, str):
        return bool(value.strip() and text.strip()) and (text in value or value in text)
    if isinstance(value, dict):
        return any(_holds(item, text) for item in value.values())
    return isinstance(value, list) and any(_holds(item, text) for item in value)
