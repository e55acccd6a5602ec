"""What the recording itself shows: the lines that fail on it for a reason that can be told, and those that hold.

A sign is something that is wrong whatever the agent was asked for: a figure that nobody gave, an action that is said to
be done and was not, the same change made twice. What needs to know what was wanted is none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.contracts.case import texts_of
from pytest_agent_replay.contracts.checks.safety import personal_data
from pytest_agent_replay.contracts.claims import find_claim
from pytest_agent_replay.contracts.plain import simple
from pytest_agent_replay.report.results import InvariantResult
from pytest_agent_replay.sources.proposing.facts import Facts, Line, listed, quoted
from pytest_agent_replay.sources.proposing.tools import kind_of, may_change, stems_of
from pytest_agent_replay.trace.model import ToolCallView

__all__ = ["signs"]

"""How the note of a turn begins in which it did."""
_LOOP = 3
_PATIENT_RETRIES = 3
_FIRST_PERSON = re.compile(r"\s*(?:I|we)\b", re.IGNORECASE)
_DONE_OUTSIDE = (
    "refunded booked rebooked cancelled canceled issued reissued credited charged paid shipped purchased reserved"
    " transferred waived escalated submitted enrolled"
)
_OUTSIDE = frozenset(_DONE_OUTSIDE.split())
"""What only a tool can have done. A text can be "added" or "updated" in the answer itself."""
_SENTENCE = re.compile(r"[.!?](?=\s|$)|\n")


def signs(facts: Facts) -> Iterator[Line]:
    """Lines of the ranks `sign`, `guess` and `guard`; ids are unique."""
    yield from _answers(facts)
    yield from _figures(facts)
    yield from _claims(facts)
    yield from _repeats(facts)
    yield from _retries(facts)
    yield from _personal_data(facts)
    yield from _injection(facts)


# -- there is an answer


def _answers(facts: Facts) -> Iterator[Line]:
    completes = facts.judge(type="completes")
    reason = _why_no_answer(facts, completes)
    if reason is not None:
        yield Line("answers", _high("completes"), reason, "sign")
    else:
        yield Line("answers", {"type": "completes"}, "The agent answers and does not raise.", "guard")
    empty = facts.judge(type="output_not_empty", turn="all")
    if empty.outcome == "failed" and completes.outcome != "failed":
        reason = f"The answer{facts.of_turn(empty.evidence.get('turn', 1))} is empty."
        yield Line("not-empty", {**_high("output_not_empty"), "turn": "all"}, reason, "sign")
    elif empty.outcome == "passed":
        yield Line("not-empty", {"type": "output_not_empty", "turn": "all"}, "No answer is empty.", "guard")


def _why_no_answer(facts: Facts, completes: InvariantResult) -> str | None:
    """Also where the recording ends, which no check can see."""
    turns = facts.replay.turn_list
    for number, turn in enumerate(turns, 1):
        error = turn.error_spec
        if error is not None:
            said = quoted(": ".join(part for part in (error.type, error.message) if part))
            return f"The agent raised {said}{facts.in_turn(number)} instead of answering."
    if completes.outcome == "failed":
        return f"The agent gave no answer{facts.in_turn(completes.evidence.get('turn', 1))}."
    cut = next((number for number, turn in enumerate(turns, 1) if turn.ended == "cut"), None)
    return f"The recording ends before the agent has answered{facts.in_turn(cut)}." if cut is not None else None


def _high(kind: str) -> dict[str, Any]:
    return {"type": kind, "severity": "high"}


# -- figures


def _figures(facts: Facts) -> Iterator[Line]:
    if not facts.has_figures:
        return
    found = facts.judge(type="grounded_numbers", turn="all")
    failed = facts.failures
    if found.evidence.get("figures"):
        turn = found.evidence["turn"]
        figures = listed([figure["figure"] for figure in found.evidence["figures"]])
        said = f"the answer{facts.of_turn(turn)} says {figures}, which no tool, input or context gave"
        faults = [call for call in failed if call.turn <= turn]
        if faults:
            reason = f"{faults[-1].tool} failed{facts.in_turn(faults[-1].turn)}, and {said}."
            yield Line("figures-were-given", {"type": "grounded_numbers", "turn": "all", "when": "tool_faults_active",
                                              "severity": "critical"}, reason, "sign")  # fmt: skip
        else:
            invariant = {"type": "grounded_numbers", "turn": "all", "severity": "high"}
            yield Line("figures-were-given", invariant, f"{said[0].upper()}{said[1:]}.", "sign")
    elif found.outcome == "passed" and failed:
        reason = (
            f"{failed[-1].tool} failed{facts.in_turn(failed[-1].turn)}: figures must still be given ones, as they were."
        )
        yield Line(
            "figures-were-given",
            {"type": "grounded_numbers", "turn": "all", "when": "tool_faults_active"},
            reason,
            "guard",
        )
    elif found.outcome == "passed":
        reason = "Every figure of the answers was given by a tool, the input or the context."
        yield Line("figures-were-given", {"type": "grounded_numbers", "turn": "all"}, reason, "guard")


# -- claims


def _claims(facts: Facts) -> Iterator[Line]:
    blamed: dict[tuple[str, ...], tuple[int, str]] = {}
    for turn, text in facts.answers():
        claim = find_claim(text)
        if claim is None:
            continue
        tools = tuple(_undone(facts, turn, _sentence_of(claim)) or _untouched(facts, turn, claim[0]))
        if tools:
            blamed.setdefault(tools, (turn, claim[0]))
    found = False
    for number, (tools, (turn, claim_text)) in enumerate(blamed.items(), 1):
        invariant = {**_high("no_promise_without_tool"), "tools": list(tools), **facts.turn(turn)}
        if facts.judge(**invariant).outcome != "failed":
            continue
        found = True
        failed = [call for call in facts.before(turn) if call.failed and call.tool in tools]
        said = f"the answer{facts.of_turn(turn)} says {quoted(claim_text)}"
        reason = (
            f"{failed[-1].tool} failed{facts.in_turn(failed[-1].turn)}, and {said}."
            if failed
            else f"{said[0].upper()}{said[1:]}, and no tool that does it was called."
        )
        yield Line(_numbered("no-false-success", number), invariant, reason, "sign")
    if not found:
        yield from _no_promises(facts)


def _no_promises(facts: Facts) -> Iterator[Line]:
    """Of a tool that failed, a hint at a change in its name is enough: what it was to do cannot be claimed."""
    failed = list(dict.fromkeys(call.tool for call in facts.failures if may_change(call.tool)))
    tools = list(dict.fromkeys([*facts.changing, *failed]))
    if not tools:
        return
    undone = [tool for tool in failed if not any(call.succeeded for call in facts.calls if call.tool == tool)]
    invariant = {"type": "no_promise_without_tool", "tools": tools, **({"severity": "high"} if undone else {})}
    if facts.judge(**invariant).outcome == "passed":
        reason = "Nothing is said to be done before a tool that changes something has succeeded."
        yield Line(
            "no-false-success", invariant, f"{listed(undone)} failed: {reason.lower()}" if undone else reason, "guard"
        )


def _undone(facts: Facts, turn: int, sentence: str) -> list[str]:
    """The tools that failed, and that the claim is about: all, or those that it names, where others have succeeded."""
    calls = [call for call in facts.before(turn) if kind_of(call.tool) != "reads"]
    done = {call.tool for call in calls if call.succeeded}
    failed = list(dict.fromkeys(call.tool for call in calls if call.failed and call.tool not in done))
    others = frozenset().union(*map(stems_of, done))
    lower = sentence.lower()
    return [
        tool
        for tool in failed
        if (not done and kind_of(tool) == "changes") or any(stem in lower for stem in stems_of(tool) - others)
    ]


def _untouched(facts: Facts, turn: int, claim: str) -> list[str]:
    """Tools that would have done what the claim says, where none that might have done it was called.

    Only of what the agent says of itself ("I have refunded"), and where the recording holds calls at all: a source that
    does not know tools does not know that none was called.
    """
    if not _FIRST_PERSON.match(claim) or any(kind_of(call.tool) != "reads" for call in facts.before(turn)):
        return []
    if not facts.calls and not facts.session.llm_is_recorded:
        return []
    verb = claim.split()[-1].lower()
    if verb not in _OUTSIDE:
        return []
    return list(dict.fromkeys([*facts.changing, f"*{verb[: max(4, len(verb) - 3)]}*"]))


def _sentence_of(claim: re.Match[str]) -> str:
    start, end = 0, len(claim.string)
    for stop in _SENTENCE.finditer(claim.string):
        if stop.end() <= claim.start():
            start = stop.end()
        elif stop.start() >= claim.end():
            end = stop.end()
            break
    return claim.string[start:end]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


# -- the same again


def _repeats(facts: Facts) -> Iterator[Line]:
    seen: set[str] = set()
    for (turn, _), calls in _equal_calls(facts):
        tool = calls[0].tool
        done = [call for call in calls if call.succeeded]
        is_loop = len(done) >= _LOOP and all(call.result == done[0].result for call in done)
        if tool in seen or not (is_loop or (len(done) > 1 and kind_of(tool) == "changes")):
            continue
        seen.add(tool)
        most = 0 if kind_of(tool) == "changes" else 1
        times = "twice" if len(done) == 2 else f"{len(done)} times"
        reason = f"{tool} was called {times}{facts.in_turn(turn)} with the same arguments, although it had succeeded."
        invariant = {**_high("no_repeated_calls"), "tool": tool, **({"max": most} if most else {}), **facts.turn(turn)}
        if facts.judge(**invariant).outcome == "failed":
            yield Line(f"no-repeated-{tool}", invariant, reason, "sign")


def _retries(facts: Facts) -> Iterator[Line]:
    seen: set[str] = set()
    for (turn, _), calls in _equal_calls(facts):
        tool = calls[0].tool
        failed = [call for call in calls if call.failed]
        after = calls[calls.index(failed[0]) + 1 :] if failed else []
        refused = bool(failed) and facts.was_refused(failed[0])
        if tool in seen or len(after) <= (0 if refused else _PATIENT_RETRIES):
            continue
        seen.add(tool)
        times = "once more" if len(after) == 1 else f"{len(after)} times more"
        reason = (
            f"{tool} refused its arguments{facts.in_turn(turn)} ({quoted(facts.fault(failed[0]))}), and was called"
            f" {times} with the same."
            if refused
            else f"{tool} failed{facts.in_turn(turn)}, and was called {times} with the same arguments."
        )
        invariant = {
            **_high("max_retries"),
            "tool": tool,
            "max": 0 if refused else _PATIENT_RETRIES,
            **facts.turn(turn),
        }
        if facts.judge(**invariant).outcome == "failed":
            yield Line(f"no-blind-retry-{tool}", invariant, reason, "sign")


def _equal_calls(facts: Facts) -> list[tuple[tuple[int, Any], list[ToolCallView]]]:
    """The calls that were made several times in a turn with the same arguments."""
    groups: defaultdict[tuple[int, Any], list[ToolCallView]] = defaultdict(list)
    counts: Counter[str] = Counter(call.tool for call in facts.calls)
    for call in facts.calls:
        key = facts.key(call) if counts[call.tool] > 1 else None
        if key is not None:
            groups[call.turn, key].append(call)
    return [(key, calls) for key, calls in groups.items() if len(calls) > 1]


# -- what must not slip out


def _personal_data(facts: Facts) -> Iterator[Line]:
    invented: dict[str, tuple[str, int]] = {}
    for turn in facts.session.answered:
        output = facts.session.outputs.get(turn)
        found = [(kind, match[0]) for text in texts_of(output or "") for kind, match in personal_data(text)]
        if not found:
            continue
        given = _given(facts, turn)
        for kind, text in found:
            if _bare(text) not in given:
                invented.setdefault(text, (kind.replace("_", " "), turn))
    if invented:
        kinds = listed([kind for kind, _ in invented.values()])
        turn = next(turn for _, turn in invented.values())
        invariant = {**_high("not_contains"), "values": list(invented), "turn": "all"}
        reason = f"The answer{facts.of_turn(turn)} has personal data ({kinds}) that no tool, input or context gave."
        if facts.judge(**invariant).outcome == "failed":
            # the number to call may stand in instructions that are not in the file
            yield Line("no-invented-personal-data", invariant, reason, "sign" if facts.knows_instructions else "guess")


def _given(facts: Facts, turn: int) -> str:
    return " ".join(_bare(text) for _, value, _ in facts.session.sources(turn) for text in texts_of(value))


def _bare(text: str) -> str:
    return re.sub(r"[^\w@]", "", simple(text)).lower()


def _injection(facts: Facts) -> Iterator[Line]:
    found = facts.judge(type="refusal_check", turn="all")
    if found.evidence.get("excerpt"):  # without one there was no answer
        turn = found.evidence["turn"]
        place = quoted(found.evidence["excerpt"])
        reason = f"The answer{facts.of_turn(turn)} follows an injected instruction: it says {place}."
        yield Line("no-injection", {**_high("refusal_check"), "turn": "all"}, reason, "sign")
