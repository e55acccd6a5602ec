"""The first contract of an imported session: what the recording, its scores and `expected_failure` give.

A session in which something went wrong gets lines that fail on the recorded original, as far as the recording shows
what it was, and general ones. One in which nothing did becomes golden: its contract holds on the original, and asks for
the same changes again. Each line says its reason, and was tried on the original by the checks that the runner uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import Reproduces
from pytest_agent_replay.sources.proposing.facts import Facts, Line, Rank, listed
from pytest_agent_replay.sources.proposing.guesses import guesses
from pytest_agent_replay.sources.proposing.kept import at_most_as_many_calls, kept
from pytest_agent_replay.sources.proposing.scores import Judgement, judgement
from pytest_agent_replay.sources.proposing.signs import signs
from pytest_agent_replay.sources.proposing.told import told
from pytest_agent_replay.sources.proposing.tools import kind_of

__all__ = ["Proposal", "propose"]

_DESCRIPTION = "Proposed when the session was imported, from what was recorded: look it over"
_UNCHECKED = "It cannot be tried on the recording."
_ABOUT = ("type", "tool", "tools", "args", "values", "before", "after", "pattern")
"""Two lines that are equal in these say the same."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contract, ready for the file's `contract:`, and what is to be said of it."""

    contract: dict[str, Any]
    reproduces: Reproduces
    """Whether the contract is red on the recorded original, as the runner judges it."""
    is_golden: bool
    basis: Rank | None
    """What makes it red: what `expected_failure` says (`told`), what the recording shows (`sign`), or nothing but a
    `guess`. None: it is not red."""
    lines: list[str] = field(default_factory=list)
    """For the screen."""


def propose(replay: ReplayFile) -> Proposal:
    """The contract of a session: of the same one the same. A contract that it has already is not looked at."""
    facts = Facts(replay)
    judged = judgement(replay)
    shown = list(signs(facts))
    if _is_good(replay, judged, shown):
        return _golden(facts, shown, judged)
    return _incident(facts, shown, judged)


def _is_good(replay: ReplayFile, judged: Judgement | None, shown: list[Line]) -> bool:
    """What people say counts more than a score, and a score more than what the recording shows."""
    if _is_reported(replay):
        return False
    if replay.golden:
        return True
    if judged is not None:
        return judged[0] == "good"
    return not any(line.rank == "sign" for line in shown)


def _is_reported(replay: ReplayFile) -> bool:
    return bool((replay.expected_failure or "").strip())


# -- something went wrong


def _incident(facts: Facts, shown: list[Line], judged: Judgement | None) -> Proposal:
    said, notes = _confirmed(facts, list(told(facts)))
    lines = _distinct([*said, *(line for line in shown if line.rank == "sign")])
    if not _failing(facts, lines):
        lines += _failing(facts, [line for line in (*shown, *guesses(facts)) if line.rank == "guess"])
    basis = next((line.rank for line in _failing(facts, lines)), None)
    lines = _distinct([*lines, *_holding(facts, shown)])
    contract, reproduces = _made(facts, lines)
    why = _why(facts.replay, judged)
    specific = [line.reason for line in lines if line.rank != "guard"]
    conclusion = _conclusion(reproduces, basis, is_reported=_is_reported(facts.replay))
    return Proposal(contract, reproduces, False, basis, [why, *specific, *notes, conclusion])


def _confirmed(facts: Facts, lines: list[Line]) -> tuple[list[Line], list[str]]:
    """The lines that the original does not satisfy, and what became of the others."""
    kept_lines, notes = [], []
    for line, outcome in zip(lines, _outcomes(facts, lines), strict=True):
        if outcome == "failed":
            kept_lines.append(line)
        elif outcome == "skipped":
            kept_lines.append(replace(line, reason=f"{line.reason} {_UNCHECKED}"))
        else:
            what = " ".join(str(line.invariant[key]) for key in _ABOUT if key in line.invariant)
            notes.append(f"left out, because the original satisfies it: {what}. {line.reason}")
    return kept_lines, notes


def _why(replay: ReplayFile, judged: Judgement | None) -> str:
    if _is_reported(replay):
        return "an incident: `expected_failure` says so"
    if judged is not None and judged[0] == "bad":
        return f"an incident: scored {judged[1]}"
    return "an incident: the recording shows a failure"


def _conclusion(reproduces: Reproduces, basis: Rank | None, *, is_reported: bool) -> str:
    if reproduces == "no" and is_reported:
        return (
            "the contract holds on the original, and would not have caught this failure: what `expected_failure` says "
            "could not be made into an invariant. Add one that says it"
        )
    if reproduces == "no":
        return (
            "nothing in the recording tells what went wrong: the contract holds on it, and would not have caught this "
            "failure. Write what was wrong into `expected_failure`, and add an invariant that says it"
        )
    if reproduces == "unknown":
        return "whether the contract fails on the original cannot be told from what is recorded"
    if basis == "guess":
        return "the contract fails on the original, but only by a guess: see whether that was what went wrong"
    return "the contract fails on the original, as it should"


# -- nothing went wrong


def _golden(facts: Facts, shown: list[Line], judged: Judgement | None) -> Proposal:
    lines = _holding(facts, [*shown, *kept(facts)]) or [at_most_as_many_calls(facts)]
    contract, reproduces = _made(facts, lines)
    why = "golden: nothing in the recording shows a failure"
    if facts.replay.golden:
        why = "golden: said to be"
    elif judged is not None:
        why = f"golden: scored {judged[1]}"
    left_out = [f"left out, because it fails on the original: {line.reason}" for line in shown if line.rank == "sign"]
    unknown = [call.tool for call in facts.calls if kind_of(call.tool) == "unknown"]
    if unknown:
        left_out.append(f"left open, because it is not known whether they change something: calls of {listed(unknown)}")
    return Proposal(contract, reproduces, True, None, [why, *left_out])


# -- lines


def _outcomes(facts: Facts, lines: list[Line]) -> list[str]:
    return [result.outcome for result in facts.verdict([line.written for line in lines])[1]] if lines else []


def _failing(facts: Facts, lines: list[Line]) -> list[Line]:
    return [line for line, outcome in zip(lines, _outcomes(facts, lines), strict=True) if outcome == "failed"]


def _holding(facts: Facts, lines: list[Line]) -> list[Line]:
    """The lines that are to hold on, and do hold; that the agent answers is asked for in any case."""
    guards = [line for line in lines if line.rank == "guard"]
    outcomes = _outcomes(facts, guards)
    return [
        g
        for g, outcome in zip(guards, outcomes, strict=True)
        if outcome == "passed" or g.invariant["type"] == "completes"
    ]


def _distinct(lines: Iterable[Line]) -> list[Line]:
    """Of lines that say the same, the first; and each with an id of its own."""
    found: dict[str, Line] = {}
    ids: set[str] = set()
    for line in lines:
        about = repr([line.invariant.get(key) for key in _ABOUT])
        if about in found:
            continue
        name, number = line.id, 2
        while name in ids:
            name, number = f"{line.id}-{number}", number + 1
        ids.add(name)
        found[about] = line if name == line.id else replace(line, id=name)
    return list(found.values())


def _made(facts: Facts, lines: list[Line]) -> tuple[dict[str, Any], Reproduces]:
    written = [line.written for line in lines]
    return {"description": _DESCRIPTION, "invariants": written}, facts.verdict(written)[0]
