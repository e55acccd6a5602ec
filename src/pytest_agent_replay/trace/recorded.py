"""The recorded original of a replay file, as a trace: what production was asked, called and answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pytest_agent_replay.formats.replay import (
    ErrorSpec,
    LlmResponse,
    ReplayFile,
    ToolResponse,
    Turn,
)
from pytest_agent_replay.trace.model import Event, Trace

__all__ = ["error_payload", "recorded_trace", "repeated"]

_MOST_TIMES = 1000

Response = TypeVar("Response", ToolResponse, LlmResponse)


def recorded_trace(replay: ReplayFile) -> Trace:
    """What production did, as far as the file knows. Recordings written by hand (`origin: added`) are left out.

    The order of model and tool calls within a turn is not in the file: each model answer is followed by the
    recordings of the calls that it asked for, and what is left comes last. A recording with `times: n` counts as
    n calls, as if it stood there n times; beyond 1000 there are 1000.
    """
    builder = _Builder()
    for number, turn in enumerate(replay.turn_list, 1):
        builder.turn(number, turn, replay)
    return Trace(
        trace_id=f"recorded-{replay.id or ''}",
        metadata={"source": "recording", "agent": None, "parent": None},
        events=builder.events,
    )


def repeated(responses: Iterable[Response]) -> Iterator[tuple[int, Response]]:
    """Each recording with its index, as often as its `times` says that it was called (at most 1000 times)."""
    for index, response in enumerate(responses):
        for _ in range(min(response.times or 1, _MOST_TIMES)):
            yield index, response


def error_payload(spec: ErrorSpec) -> dict[str, Any]:
    """`{type, message}` of a recorded error."""
    return {"type": spec.type, "message": spec.message}


class _Builder:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.time_ms = 0.0
        self.spans = 0

    def turn(self, number: int, turn: Turn, replay: ReplayFile) -> None:
        if turn.is_played:
            context = turn.context if turn.context is not None else (replay.context if number == 1 else None)
            self._add("run_started", number, {"input": turn.input, "context": context})
        left = [(index, r) for index, r in repeated(turn.tool_responses) if r.origin == "production"]
        for index, answer in repeated(turn.llm_responses or ()):
            self._llm(number, index, answer)
            for asked in answer.tool_calls:
                position = _position_of(asked.id, asked.name, left)
                if position is not None:
                    self._tool(number, *left.pop(position))
        for index, response in left:
            self._tool(number, index, response)
        if turn.given("output"):
            self._add("run_completed", number, {"output": turn.output})
        elif turn.error_spec is not None:
            self._add("run_failed", number, {"error": error_payload(turn.error_spec)})

    def _llm(self, turn: int, index: int, answer: LlmResponse) -> None:
        span = self._span()
        self._add("llm_called", turn, {"model": answer.model, "messages": [], "tools": []}, span)
        self.time_ms += answer.latency_ms or 0.0
        recording = {"turn": turn, "index": index}
        if answer.error is not None or (answer.status is not None and answer.status >= 400):
            spec = ErrorSpec(message=answer.error) if isinstance(answer.error, str) else answer.error or ErrorSpec()
            payload = {"error": error_payload(spec), "status": answer.status, "recording": recording}
            self._add("llm_failed", turn, payload, span)
            return
        calls = [
            {"id": c.id, "name": c.name, "args": c.args if c.args is not None else c.raw_args}
            for c in answer.tool_calls
        ]
        usage = answer.usage.model_dump(exclude_none=True) if answer.usage else None
        cost = answer.usage.cost if answer.usage else None
        self._add(
            "llm_completed",
            turn,
            {
                "content": answer.content,
                "tool_calls": calls,
                "usage": usage,
                "cost": cost,
                "recording": recording,
            },
            span,
        )

    def _tool(self, turn: int, index: int, response: ToolResponse) -> None:
        span = self._span()
        tool, call_id, status = response.tool, response.call_id, response.status
        head = {"tool": tool, "args": response.args or {}, "call_id": call_id, "channel": "recording"}
        self._add("tool_called", turn, head, span)
        self.time_ms += response.latency_ms or 0.0
        payload: dict[str, Any] = {
            "tool": tool,
            "call_id": call_id,
            "result": response.response if response.stream is None else response.stream,
            "status": status,
            "recording": {"turn": turn, "index": index},
        }
        spec = response.error_spec
        if spec is not None:
            payload["error"] = error_payload(spec)
        raised = spec is not None or (status is not None and (status == 0 or status >= 400))
        if response.failed:
            payload["failed"] = True
        self._add("tool_failed" if raised else "tool_completed", turn, payload, span)

    def _span(self) -> str:
        self.spans += 1
        return f"r{self.spans}"

    def _add(self, type_: str, turn: int, payload: dict[str, Any], span: str | None = None) -> None:
        self.events.append(Event(type_, turn, self.time_ms, payload, span))


def _position_of(call_id: str | None, name: str, left: list[tuple[int, ToolResponse]]) -> int | None:
    """The recording of a call that a model asked for: by id and name together, else the first of that name."""
    by_name = [i for i, (_, response) in enumerate(left) if response.tool == name]
    by_id = [i for i in by_name if call_id is not None and left[i][1].call_id == call_id]
    found = by_id or by_name
    return found[0] if found else None
