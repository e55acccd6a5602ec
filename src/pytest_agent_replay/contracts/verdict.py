"""A bound contract and a trace → what each invariant says, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pytest_agent_replay.contracts.case import CannotEvaluate, Case, NoAnswer, Services, SessionView, TakesTooLong
from pytest_agent_replay.contracts.registry import Finding
from pytest_agent_replay.contracts.resolve import BoundContract, BoundInvariant
from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import InvariantOutcome, InvariantResult, Reproduces
from pytest_agent_replay.settings import SEVERITIES, Severity
from pytest_agent_replay.trace.model import Trace
from pytest_agent_replay.trace.recorded import recorded_trace

__all__ = ["WEIGHTS", "Services", "Verdict", "evaluate", "failing", "reproduces", "score"]

WEIGHTS = {"critical": 3, "high": 2, "medium": 1, "low": 1}


@dataclass(slots=True)
class Verdict:
    """What a contract says of one session."""

    invariants: list[InvariantResult]
    score: float | None
    """Σ passed × weight / Σ weight × 100 over the invariants that were evaluated; None when none was."""
    outcome: Literal["passed", "failed", "inconclusive"]


def evaluate(
    contract: BoundContract,
    trace: Trace,
    replay: ReplayFile,
    services: Services,
    *,
    tags: Iterable[str] = (),
    fail_on: Severity = "low",
    session: SessionView | None = None,
) -> Verdict:
    """Judges a new run. `fail_on` is the least severity whose failure fails the whole; critical always does.

    A contract without invariants, or of which none applied or could be evaluated, is `inconclusive`. `session` is the
    view of this trace, where it was made before.
    """
    if session is None:
        session = SessionView(trace, replay, services, tags=tags)
    results = [_result(invariant, session) for invariant in contract.invariants]
    if failing(results, fail_on):
        return Verdict(results, score(results), "failed")
    is_checked = any(result.outcome in ("passed", "failed") for result in results)
    return Verdict(results, score(results), "passed" if is_checked else "inconclusive")


def score(results: Iterable[InvariantResult]) -> float | None:
    """Σ passed × weight / Σ weight × 100, in percent; None when nothing was evaluated."""
    counted = [(WEIGHTS[r.severity], r.outcome == "passed") for r in results if r.outcome != "skipped"]
    total = sum(weight for weight, _ in counted)
    return sum(weight for weight, passed in counted if passed) / total * 100 if total else None


def failing(results: Iterable[InvariantResult], fail_on: Severity = "low") -> list[InvariantResult]:
    """The failed (or not evaluable) invariants at or above a severity."""
    counted = _AT_LEAST[fail_on]
    return [r for r in results if r.outcome in ("failed", "error") and r.severity in counted]


_AT_LEAST = {severity: SEVERITIES[: index + 1] for index, severity in enumerate(SEVERITIES)}


def reproduces(
    contract: BoundContract,
    replay: ReplayFile,
    services: Services,
    *,
    tags: Iterable[str] = (),
    fail_on: Severity = "low",
    session: SessionView | None = None,
) -> tuple[Reproduces, list[InvariantResult]]:
    """Judges what production did, as far as the file knows it: would this contract, at this level, have failed it?

    `yes`: an invariant at or above `fail_on` fails there. `unknown`: none does, and one of these could not be
    evaluated, or no invariant applied. `no`: all others. Invariants that could not be evaluated are `skipped` with
    the reason. `session` is the view of this recording, where it was made before: several contracts may share one.
    """
    if session is None:
        session = SessionView(recorded_trace(replay), replay, services, tags=tags, recorded=True)
    results = [_result(invariant, session) for invariant in contract.invariants]
    counted = failing(results, fail_on)
    is_red = any(result.outcome == "failed" for result in counted)
    is_green = not counted and any(result.outcome != "skipped" for result in results)
    for result in results:
        if result.outcome == "error":
            result.outcome = "skipped"
    return "yes" if is_red else "no" if is_green else "unknown", results


def _result(invariant: BoundInvariant, session: SessionView) -> InvariantResult:
    params = invariant.params
    outcome: InvariantOutcome = "error"
    evidence = None
    try:
        message = _why_skipped(params.when, session)
        if message is not None:
            outcome = "skipped"
        else:
            finding = _quantified(invariant, session)
            outcome, message, evidence = "passed" if finding.holds else "failed", finding.message, finding.evidence
    except CannotEvaluate as error:
        message = f"Cannot be evaluated: {error}."
    except ReplayError as error:
        message = str(error)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # also SystemExit, and what a test framework skips tests by: a check decides nothing
        message = f"The check raised {type(error).__name__}: {error}"
    return InvariantResult(
        invariant.id, params.type, params.severity, outcome, message, evidence or {}, params.description
    )


def _why_skipped(when: object, session: SessionView) -> str | None:
    if when == "always" or _applies(when, session):
        return None
    said = when if isinstance(when, str) else ", ".join(f"{k}: {v}" for k, v in dict(when).items())  # type: ignore[call-overload]
    return f"Not evaluated: its condition ({said}) does not hold in this replay."


def _applies(when: object, session: SessionView) -> bool:
    if isinstance(when, dict):
        key, name = next(iter(when.items()))
        if key == "tag":
            return name in session.tags
        if key == "tool_failed":
            return session.tool_failed(name)
        return bool(Case(session, session.played, whole=True).calls_of(name))
    if when == "tool_faults_active":
        return session.tool_failed()
    if when == "llm_faults_active":
        return session.llm_failed
    return (session.llm_failed or session.tool_failed()) is (when == "any_chaos_active")


def _quantified(invariant: BoundInvariant, session: SessionView) -> Finding:
    """The finding over the turns that the invariant is about: it must hold in each, or (`turn: any`) in one.

    Negated, it must hold in none, with `any` too: that one turn says `sorry` is not denied by another that does not.
    """
    wants_any = invariant.params.turn == "any" and not invariant.params.negate
    held: Finding | None = None
    failed: Finding | None = None
    unknown: CannotEvaluate | None = None
    for case in _cases(invariant, session):
        try:
            finding = _finding(invariant, case)
        except TakesTooLong:
            raise
        except CannotEvaluate as error:
            unknown = unknown or error
            continue
        if finding.holds is wants_any:
            return finding
        held, failed = (finding, failed) if finding.holds else (held, failed or finding)
    if unknown is not None:
        raise unknown
    decided = failed if wants_any else held
    if decided is None:
        raise CannotEvaluate("the session has no turn that it could be evaluated on")
    return decided


def _cases(invariant: BoundInvariant, session: SessionView) -> list[Case]:
    turn, over = invariant.params.turn, invariant.check.over
    if turn is None and over == "session":
        return [Case(session, session.played, whole=True)]
    return [Case(session, (number,)) for number in _turns(turn, over, session)]


def _turns(turn: object, over: str, session: SessionView) -> list[int]:
    if turn in ("all", "any") or (turn is None and over == "turns"):
        return session.answered if over == "last" else session.played
    if turn == "last" or turn is None:
        return [] if session.last is None else [session.last]
    numbers: list[int] = turn if isinstance(turn, list) else [turn]  # type: ignore[list-item]
    for number in numbers:
        if number not in session.played:
            known = ", ".join(map(str, session.played)) or "none"
            raise CannotEvaluate(f"it names turn {number}, but the replay plays {known}")
    return numbers


def _finding(invariant: BoundInvariant, case: Case) -> Finding:
    try:
        finding = invariant.check.function(invariant.params, case)
    except NoAnswer as error:
        return Finding(False, str(error), error.evidence)
    if not isinstance(finding, Finding):
        raise ReplayError(f"The check {invariant.check.name!r} returned {finding!r}, not a Finding.")
    if not invariant.params.negate:
        return finding
    message = f"{finding.message} With `negate`, that must not be." if finding.holds else finding.message
    return Finding(not finding.holds, message, finding.evidence)
