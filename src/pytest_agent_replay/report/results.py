"""The result of one replay and of a run, and their JSON form (`--replay-json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_agent_replay.trace.model import Trace

__all__ = [
    "InvariantOutcome",
    "InvariantResult",
    "Outcome",
    "ReplayResult",
    "Reproduces",
    "TurnResult",
    "UnrecordedCall",
]

Outcome = Literal["passed", "failed", "inconclusive", "error", "skipped"]
InvariantOutcome = Literal["passed", "failed", "skipped", "error"]
Reproduces = Literal["yes", "no", "unknown"]


@dataclass(slots=True)
class InvariantResult:
    """What one invariant said. `evidence` is JSON: what was found, and where."""

    id: str
    type: str
    severity: str
    outcome: InvariantOutcome
    message: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    description: str | None = None


@dataclass(slots=True)
class UnrecordedCall:
    """A call that no recording answers, with the nearest recordings and how they differ."""

    turn: int
    tool: str
    args: dict[str, Any]
    channel: str
    nearest: list[dict[str, Any]] = field(default_factory=list)
    """`{recording: {turn, index}, args, differences: [text, …], used: bool}`, best first."""
    message: str = ""


@dataclass(slots=True)
class TurnResult:
    """One turn: what was said and answered, now and in production."""

    turn: int
    input: Any
    output: Any = None
    baseline: Any = None
    has_baseline: bool = False
    error: dict[str, Any] | None = None
    """`{type, message}` when the agent raised."""
    raised_at: list[str] = field(default_factory=list)
    """Where in the project's own code it was raised, as `path:line`, the innermost place last."""


@dataclass(slots=True)
class ReplayResult:
    """What came of one replay."""

    id: str
    file: str
    """Path relative to the root, with forward slashes."""
    outcome: Outcome
    nodeid: str = ""
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    golden: bool = False
    contract: str | None = None
    reproduces: Reproduces = "unknown"
    expected_failure: str | None = None
    score: float | None = None
    diverged_at: int | None = None
    reasons: list[str] = field(default_factory=list)
    """Why the outcome is not `passed`, most important first; each complete by itself."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know though it changes no verdict (the model was not asked, …)."""
    invariants: list[InvariantResult] = field(default_factory=list)
    recorded_invariants: list[InvariantResult] = field(default_factory=list)
    """The same contract, run against what production did."""
    turns: list[TurnResult] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    unrecorded: list[UnrecordedCall] = field(default_factory=list)
    unused: list[dict[str, Any]] = field(default_factory=list)
    """`{tool, args, recording: {turn, index}}` of recordings that no call asked for."""
    served_again: list[dict[str, Any]] = field(default_factory=list)
    """`{tool, args, turn, times, recording}` of recordings that were served more often than recorded."""
    measured_ms: float = 0.0
    simulated_ms: float = 0.0
    usage: dict[str, Any] = field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0, "cost": None})
    bindings: dict[str, str] = field(default_factory=dict)
    trace: Trace | None = None

    @property
    def passed(self) -> bool:
        """Whether the replay passed."""
        return self.outcome == "passed"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, as documented for `--replay-json`."""
        return {
            "id": self.id,
            "file": self.file,
            "nodeid": self.nodeid,
            "name": self.name,
            "outcome": self.outcome,
            "tags": self.tags,
            "golden": self.golden,
            "contract": self.contract,
            "reproduces": self.reproduces,
            "expected_failure": self.expected_failure,
            "score": self.score,
            "diverged_at": self.diverged_at,
            "reasons": self.reasons,
            "notes": self.notes,
            "invariants": [
                {
                    "id": i.id,
                    "type": i.type,
                    "severity": i.severity,
                    "outcome": i.outcome,
                    "message": i.message,
                    "evidence": i.evidence,
                }
                for i in self.invariants
            ],
            "turns": [
                {"input": t.input, "output": t.output, "baseline": t.baseline, "error": t.error} for t in self.turns
            ],
            "tool_calls": self.tool_calls,
            "unrecorded": [
                {"turn": u.turn, "tool": u.tool, "args": u.args, "channel": u.channel, "nearest": u.nearest}
                for u in self.unrecorded
            ],
            "unused": self.unused,
            "served_again": self.served_again,
            "latency_ms": {"measured": round(self.measured_ms, 3), "simulated": round(self.simulated_ms, 3)},
            "usage": self.usage,
            "bindings": self.bindings,
        }
