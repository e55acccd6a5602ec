"""Small sessions and contracts for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_agent_replay.contracts import BoundContract, ContractFinder, Registry, Services, evaluate, reproduces
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.validation import validate
from pytest_agent_replay.report.results import InvariantResult
from pytest_agent_replay.trace.model import Event, Trace

ROOT = Path(__file__).parent


def make_replay(**fields: Any) -> ReplayFile:
    """A replay with an input, unless it lists its turns."""
    data = fields if "turns" in fields else {"input": "Hello", **fields}
    return validate(ReplayFile, parse_document(json.dumps(data), "session.replay.json"))


def bind(
    *invariants: dict[str, Any], root: Path = ROOT, registry: Registry | None = None, **fields: Any
) -> BoundContract:
    """An inline contract of these invariants."""
    spec = {"invariants": list(invariants), **fields}
    document = parse_document(json.dumps({"contract": spec}), "session.replay.json")
    return ContractFinder(root, registry=registry).resolve(spec, root / "session.replay.json", document)


class Run:
    """Builds the trace of a new run, event by event."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._time = 0.0
        self._spans = 0

    def _add(self, kind: str, turn: int, payload: dict[str, Any], span: str | None = None) -> None:
        self.trace.events.append(Event(kind, turn, self._time, payload, span))

    def start(self, turn: int = 1, said: Any = "Hello") -> Run:
        self._add("run_started", turn, {"input": said, "context": None})
        return self

    def call(self, tool: str, result: Any = None, *, turn: int = 1, took: float = 1.0, failed: bool = False,
             status: int | None = None, unrecorded: bool = False, **args: Any) -> Run:  # fmt: skip
        self._spans += 1
        span = f"s{self._spans}"
        self._add("tool_called", turn, {"tool": tool, "args": args}, span)
        self._time += took
        kind = "tool_unrecorded" if unrecorded else "tool_failed" if failed else "tool_completed"
        self._add(kind, turn, {"tool": tool, "result": result, "status": status}, span)
        return self

    def parallel(self, *calls: tuple[str, dict[str, Any]], turn: int = 1) -> Run:
        spans = []
        for tool, args in calls:
            self._spans += 1
            spans.append((f"s{self._spans}", tool))
            self._add("tool_called", turn, {"tool": tool, "args": args}, spans[-1][0])
        self._time += 5
        for span, tool in spans:
            self._add("tool_completed", turn, {"tool": tool, "result": None}, span)
        return self

    def model(self, turn: int = 1, *, usage: dict[str, Any] | None = None, cost: float | None = None,
              failed: bool = False) -> Run:  # fmt: skip
        self._spans += 1
        span = f"s{self._spans}"
        self._add("llm_called", turn, {"model": "m"}, span)
        self._time += 1
        self._add("llm_failed" if failed else "llm_completed", turn, {"usage": usage, "cost": cost}, span)
        return self

    def answer(self, output: Any, turn: int = 1) -> Run:
        self._add("run_completed", turn, {"output": output})
        return self

    def crash(self, turn: int = 1, message: str = "boom") -> Run:
        self._add("run_failed", turn, {"error": {"type": "ValueError", "message": message}})
        return self


def answered(output: Any) -> Run:
    """A run of one turn without calls."""
    return Run().start().answer(output)


def judge(
    invariant: dict[str, Any], run: Run, replay: ReplayFile | None = None, services: Services | None = None
) -> InvariantResult:
    """What one invariant says of a run."""
    verdict = evaluate(bind(invariant), run.trace, replay or make_replay(), services or Services())
    return verdict.invariants[0]


def judge_recording(invariant: dict[str, Any], replay: ReplayFile) -> tuple[str, InvariantResult]:
    """What one invariant says of what production did."""
    outcome, results = reproduces(bind(invariant), replay, Services())
    return outcome, results[0]
