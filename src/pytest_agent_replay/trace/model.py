"""Events and traces, their JSON form, and the views that contracts and reports read them through.

The JSON form follows OpenTelemetry's GenAI conventions where they have a name for a thing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import RecordingRef

__all__ = ["EVENT_TYPES", "Event", "LlmCallView", "ToolCallView", "Trace", "TraceError"]

EVENT_TYPES = frozenset(
    {
        "run_started",
        "run_completed",
        "run_failed",
        "llm_called",
        "llm_completed",
        "llm_failed",
        "llm_unrecorded",
        "tool_called",
        "tool_completed",
        "tool_failed",
        "tool_unrecorded",
    }
)


class TraceError(ReplayError):
    """A trace file that does not have the shape of a trace."""


@dataclass(slots=True)
class Event:
    """One thing that happened. `time_ms` counts measured plus virtual milliseconds since the session's start.

    Events of one call share their `span_id`; call ids do not pair calls, because they are not unique in real data.
    """

    type: str
    turn: int
    time_ms: float
    payload: dict[str, Any]
    span_id: str | None = None
    parent_id: str | None = None
    state: Any = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the event."""
        data: dict[str, Any] = {
            "type": self.type,
            "turn": self.turn,
            "time_ms": round(self.time_ms, 3),
            "span_id": self.span_id,
            "parent_id": self.parent_id,
            "payload": self.payload,
        }
        if self.state is not None:
            data["state"] = self.state
        return data

    @classmethod
    def from_dict(cls, data: Any) -> Event:
        """Reads the JSON form. Raises `TraceError`."""
        if not isinstance(data, dict) or data.get("type") not in EVENT_TYPES:
            kind = data.get("type") if isinstance(data, dict) else data
            raise TraceError(f"not an event of a trace: {kind!r} (types: {', '.join(sorted(EVENT_TYPES))})")
        payload = data.get("payload", {})
        turn, time_ms = data.get("turn", 1), data.get("time_ms", 0)
        if not isinstance(payload, dict) or not isinstance(turn, int) or not isinstance(time_ms, (int, float)):
            raise TraceError(
                f"an event {data['type']!r} needs a mapping `payload`, an integer `turn` and a number `time_ms`"
            )
        return cls(
            data["type"],
            turn,
            float(time_ms),
            payload,
            data.get("span_id"),
            data.get("parent_id"),
            data.get("state"),
        )


@dataclass(slots=True)
class ToolCallView:
    """One tool call with its outcome, put together from its events."""

    turn: int
    tool: str
    args: dict[str, Any]
    call_id: str | None
    channel: str | None
    started_ms: float
    ended_ms: float | None = None
    result: Any = None
    status: int | None = None
    error: dict[str, Any] | None = None
    """`{type, message}` when the call failed."""
    failed: bool = False
    """It raised, answered with a failing status, or answered with a text that was recorded as a failure."""
    unrecorded: bool = False
    recording: RecordingRef | None = None
    served_again: bool = False
    span_id: str | None = None
    parallel: bool = False
    """It ran beside the call before it: neither waited for the other."""
    added: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)
    """What the tool's signature gives to parameters that the agent left out."""

    @property
    def full_args(self) -> dict[str, Any]:
        """The arguments with those of the signature: what the tool was called with."""
        return {**self.defaults, **self.args} if self.defaults else self.args

    """Answered by a recording written by hand (`origin: added`)."""

    @property
    def went_wrong(self) -> bool:
        """The agent was given a failure: one of the tool, or that nothing recorded answers the call."""
        return self.failed or self.unrecorded

    @property
    def succeeded(self) -> bool:
        """The call ended and did not fail."""
        return self.ended_ms is not None and not self.went_wrong


@dataclass(slots=True)
class LlmCallView:
    """One model call with its outcome."""

    turn: int
    model: str | None
    messages: list[dict[str, Any]]
    tools: list[str]
    started_ms: float
    ended_ms: float | None = None
    content: Any = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    cost: float | None = None
    error: dict[str, Any] | None = None
    failed: bool = False
    recorded: bool = False
    """Answered from the recording, not by a live model."""


@dataclass(slots=True)
class Trace:
    """The events of one session, in the order in which they happened."""

    trace_id: str = field(default_factory=lambda: os.urandom(16).hex())
    metadata: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: `{version, trace_id, metadata, events}`."""
        return {
            "version": 1,
            "trace_id": self.trace_id,
            "metadata": self.metadata,
            "events": [event.to_dict() for event in self.events],
        }

    @classmethod
    def from_dict(cls, data: Any) -> Trace:
        """Reads the JSON form. Raises `TraceError`."""
        if not isinstance(data, dict) or not isinstance(data.get("events"), list):
            raise TraceError("not a trace: a mapping with a list `events` is needed")
        if data.get("version", 1) != 1:
            raise TraceError(f"trace version {data['version']!r} is not known; this release reads version 1")
        metadata = data.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise TraceError("a trace's `metadata` must be a mapping")
        return cls(str(data.get("trace_id") or ""), metadata, [Event.from_dict(e) for e in data["events"]])

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Reads a `*.trace.json`. Raises `TraceError` (with the path), `OSError`."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text("utf-8")))
        except (ValueError, RecursionError, TraceError) as error:
            raise TraceError(f"{path}: {error}") from None

    # -- views

    def of_type(self, *types: str) -> list[Event]:
        """The events of these types, in order."""
        return [event for event in self.events if event.type in types]

    @property
    def turns(self) -> list[int]:
        """The numbers of the turns that were run, in order."""
        return [event.turn for event in self.events if event.type == "run_started"]

    @property
    def tool_calls(self) -> list[ToolCallView]:
        """The tool calls in the order in which they began."""
        calls: list[ToolCallView] = []
        pending: dict[str, ToolCallView] = {}
        for event in self.events:
            kind, payload, span_id = event.type, event.payload, event.span_id
            if kind == "tool_called":
                call = ToolCallView(
                    turn=event.turn,
                    tool=payload["tool"],
                    args=payload.get("args") or {},
                    call_id=payload.get("call_id"),
                    channel=payload.get("channel"),
                    started_ms=event.time_ms,
                    span_id=span_id,
                )
                if "defaults" in payload:
                    call.defaults = payload["defaults"]
                calls.append(call)
                if span_id is not None:
                    pending[span_id] = call
            elif kind in ("tool_completed", "tool_failed", "tool_unrecorded"):
                found = pending.pop(span_id, None) if span_id is not None else None
                if found is None:
                    continue
                found.ended_ms = event.time_ms
                found.result = payload.get("result")
                found.status = payload.get("status")
                found.error = payload.get("error")
                found.failed = kind == "tool_failed" or bool(payload.get("failed"))
                found.unrecorded = kind == "tool_unrecorded"
                found.served_again = bool(payload.get("served_again"))
                found.parallel = bool(payload.get("parallel"))
                found.added = payload.get("origin") == "added"
                recording = payload.get("recording")
                if recording is not None:
                    found.recording = RecordingRef(recording["turn"], recording["index"])
        return calls

    @property
    def llm_calls(self) -> list[LlmCallView]:
        """The model calls in the order in which they began."""
        calls: list[LlmCallView] = []
        pending: dict[str, LlmCallView] = {}
        for event in self.events:
            payload = event.payload
            if event.type == "llm_called":
                call = LlmCallView(
                    turn=event.turn,
                    model=payload.get("model"),
                    messages=payload.get("messages") or [],
                    tools=payload.get("tools") or [],
                    started_ms=event.time_ms,
                )
                calls.append(call)
                if event.span_id is not None:
                    pending[event.span_id] = call
            elif event.type in ("llm_completed", "llm_failed", "llm_unrecorded"):
                found = pending.pop(event.span_id, None) if event.span_id is not None else None
                if found is None:
                    continue
                found.ended_ms = event.time_ms
                found.content = payload.get("content")
                found.tool_calls = payload.get("tool_calls") or []
                found.usage = payload.get("usage")
                found.cost = payload.get("cost")
                found.error = payload.get("error")
                found.failed = event.type == "llm_failed"
                found.recorded = payload.get("recording") is not None
        return calls

    def inputs(self) -> dict[int, Any]:
        """What the user said, by turn."""
        return {event.turn: event.payload.get("input") for event in self.events if event.type == "run_started"}

    def outputs(self) -> dict[int, Any]:
        """What the agent answered, by turn; turns that failed are absent."""
        return {event.turn: event.payload.get("output") for event in self.events if event.type == "run_completed"}

    def failures(self) -> dict[int, dict[str, Any]]:
        """`{type, message}` of the exception, by turn, for turns in which the agent raised."""
        return {event.turn: event.payload.get("error") or {} for event in self.events if event.type == "run_failed"}

    def messages_at(self, index: int) -> list[dict[str, Any]]:
        """The conversation as it stood after event `index` (from 0; negative counts from the end): neutral messages.

        A message is `{role, content, tool_calls?, tool_call_id?}`. Raises `IndexError`.
        """
        last = index if index >= 0 else len(self.events) + index
        if not 0 <= last < len(self.events):
            raise IndexError(f"the trace has {len(self.events)} events, there is no event {index}")
        return list(_messages(self.events[: last + 1]))


def _messages(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    said_by_model: Any = None
    for event in events:
        payload = event.payload
        if event.type == "run_started":
            said_by_model = None
            context = payload.get("context")
            if isinstance(context, str):
                yield {"role": "system", "content": context}
            elif isinstance(context, list):
                yield from (message for message in context if isinstance(message, dict))
            if payload.get("input") is not None:
                yield {"role": "user", "content": payload["input"]}
        elif event.type == "llm_completed":
            said_by_model = payload.get("content")
            message = {"role": "assistant", "content": said_by_model}
            if payload.get("tool_calls"):
                message["tool_calls"] = payload["tool_calls"]
            yield message
        elif event.type in ("tool_completed", "tool_failed", "tool_unrecorded"):
            content = payload.get("result")
            if event.type != "tool_completed" and content is None:
                content = (payload.get("error") or {}).get("message")
            yield {
                "role": "tool",
                "content": content,
                "tool_call_id": payload.get("call_id"),
                "name": payload.get("tool"),
            }
        elif event.type == "run_completed" and payload.get("output") != said_by_model:
            yield {"role": "assistant", "content": payload.get("output")}
