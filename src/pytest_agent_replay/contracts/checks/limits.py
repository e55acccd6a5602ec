"""Checks on what a session costs: time, steps, calls, tokens, money. Each is an upper bound `max`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pytest_agent_replay.contracts.case import CannotEvaluate, Case, name_matches
from pytest_agent_replay.contracts.registry import Check, Finding, check
from pytest_agent_replay.formats.contract import Invariant
from pytest_agent_replay.trace.model import LlmCallView

__all__ = ["CHECKS"]

Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class MaxMilliseconds(Invariant):
    """Each turn takes at most `max_ms`, measured plus simulated."""

    max_ms: Bound


class MaxCount(Invariant):
    """At most `max`."""

    max: Annotated[int, Field(ge=0)]


class MaxToolCalls(MaxCount):
    """At most `max` tool calls, of `tool` (a name or a glob) when it is given."""

    tool: Annotated[str, Field(min_length=1)] | None = None


class MaxCost(Invariant):
    """At most `max` US dollars."""

    max: Bound


@check("latency", MaxMilliseconds, over="turns")
def latency(params: MaxMilliseconds, case: Case) -> Finding:
    """From the turn's start to its answer. A recording gives only the time of its slowest call, which it
    cannot fall below."""
    if case.session.recorded:
        return _recorded_latency(params, case)
    took = _duration(case)
    if took is None:
        return Finding(False, case.sentence("the turn was not finished, so it has no duration."), {"turn": case.turn})
    evidence = {"turn": case.turn, "duration_ms": round(took, 1), "max_ms": params.max_ms}
    if took <= params.max_ms:
        return Finding(True, case.sentence(f"the answer took {took:.0f} ms; allowed: {params.max_ms:g} ms."), evidence)
    slowest = max(case.calls, key=_call_duration, default=None)
    why = f"; the slowest call is {slowest.tool} with {_call_duration(slowest):.0f} ms" if slowest is not None else ""
    message = case.sentence(f"the answer took {took:.0f} ms, more than the {params.max_ms:g} ms allowed{why}.")
    return Finding(False, message, evidence)


def _recorded_latency(params: MaxMilliseconds, case: Case) -> Finding:
    slowest = max(case.calls, key=_call_duration, default=None)
    if slowest is None or _call_duration(slowest) <= params.max_ms:
        raise CannotEvaluate("the recording does not say how long production took to answer")
    took = _call_duration(slowest)
    message = f"{slowest.tool} alone took {took:.0f} ms in production, more than the {params.max_ms:g} ms allowed."
    return Finding(False, case.sentence(message), {"turn": case.turn, "tool": slowest.tool, "duration_ms": took})


def _duration(case: Case) -> float | None:
    begun: float | None = None
    for event in case.session.trace.events:
        if event.turn != case.turn:
            continue
        if event.type == "run_started":
            begun = event.time_ms
        elif event.type in ("run_completed", "run_failed") and begun is not None:
            return event.time_ms - begun
    return None


def _call_duration(call: Any) -> float:
    return 0.0 if call.ended_ms is None else float(call.ended_ms - call.started_ms)


def _at_most(count: float, limit: float, what: str, case: Case, evidence: dict[str, Any]) -> Finding:
    evidence = {"count": count, "max": limit, **evidence}
    if count <= limit:
        return Finding(True, case.sentence(f"{count:g} {what}; allowed: {limit:g}."), evidence)
    return Finding(False, case.sentence(f"{count:g} {what}, more than the {limit:g} allowed."), evidence)


@check("max_tool_calls", MaxToolCalls, over="session")
def max_tool_calls(params: MaxToolCalls, case: Case) -> Finding:
    """Tool calls, failed and unrecorded ones included."""
    calls = [call for call in case.calls if params.tool is None or name_matches(params.tool, call.tool)]
    what = "tool calls were made" if params.tool is None else f"calls of {params.tool} were made"
    return _at_most(len(calls), params.max, what, case, {"tools": [call.tool for call in calls[:50]]})


@check("max_steps", MaxCount, over="turns")
def max_steps(params: MaxCount, case: Case) -> Finding:
    """Model and tool calls in a turn."""
    tools, models = len(case.calls), len(case.llm_calls)
    finding = _at_most(
        tools + models,
        params.max,
        "steps (model and tool calls) were made",
        case,
        {"tool_calls": tools, "llm_calls": models},
    )
    _needs_model_calls(finding, case)
    return finding


@check("max_llm_calls", MaxCount, over="session")
def max_llm_calls(params: MaxCount, case: Case) -> Finding:
    """Model calls, failed ones included."""
    finding = _at_most(len(case.llm_calls), params.max, "model calls were made", case, {})
    _needs_model_calls(finding, case)
    return finding


def _needs_model_calls(finding: Finding, case: Case) -> None:
    """What is known of a recording may already be too much; that it is not, is known only when all is."""
    if finding.holds and not case.session.llm_is_recorded:
        raise CannotEvaluate("the recording does not hold production's model calls")


def _tokens(call: LlmCallView) -> float | None:
    usage = call.usage or {}
    if usage.get("total_tokens") is not None:
        return float(usage["total_tokens"])
    parts = [usage.get("input_tokens"), usage.get("output_tokens")]
    return None if None in parts else float(sum(parts))  # type: ignore[arg-type]


def _bounded_sum(values: list[float | None], limit: float, what: str, unknown: str, case: Case) -> Finding:
    total = round(sum(v for v in values if v is not None), 9)  # three times 0.1 is 0.3
    finding = _at_most(total, limit, what, case, {"llm_calls": len(values)})
    if finding.holds and None in values:
        raise CannotEvaluate(unknown)
    _needs_model_calls(finding, case)
    return finding


@check("max_tokens", MaxCount, over="session")
def max_tokens(params: MaxCount, case: Case) -> Finding:
    """Input and output tokens of all model calls."""
    values = [0.0 if call.failed else _tokens(call) for call in case.llm_calls]
    return _bounded_sum(
        values, params.max, "tokens were used", "a model answer does not say how many tokens it used", case
    )


@check("max_cost", MaxCost, over="session")
def max_cost(params: MaxCost, case: Case) -> Finding:
    """US dollars, as the model answers say."""
    values = [0.0 if call.failed else call.cost for call in case.llm_calls]
    return _bounded_sum(values, params.max, "US dollars were spent", "a model answer does not say what it cost", case)


CHECKS: tuple[Check[Any], ...] = (latency, max_tool_calls, max_steps, max_llm_calls, max_tokens, max_cost)
