"""What may have gone wrong in a session of which it is known that something did, and in which nothing else shows it.

In good sessions these things happen as well: they are looked at only where somebody, or a score, says that it failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.contracts.case import text_of
from pytest_agent_replay.contracts.plain import plain
from pytest_agent_replay.sources.proposing.facts import Facts, Line, quoted
from pytest_agent_replay.sources.proposing.tools import hands_over, kind_of

__all__ = ["guesses"]

_MOST = 3
"""So many lines of each kind: of ten refused calls, the first ones tell it."""

_BEFORE = r"(?:before|prior to|without|until|unless)\b[^.\n]{0,240}"
_AGREEMENT = r"\b(?:confirm\w*|consent|approv\w+|permission|agree\w*)\b"
_DEMANDS_CONFIRMATION = re.compile(
    rf"{_BEFORE}{_AGREEMENT}|{_AGREEMENT}[^.\n]{{0,120}}\b(?:before|prior to)\b"
    rf"|\bexplicit(?:ly)?\s(?:\w+\s)?{_AGREEMENT}",
    re.IGNORECASE,
)
_YES = re.compile(
    r"\b(?:yes|yeah|yep|yup|sure|ok(?:ay)?|confirm\w*|correct|go(?:ing)? ahead|proceed|agreed?|approved?|absolutely"
    r"|definitely|of course|(?:looks?|sounds?|all|that's|is) (?:good|right|great|fine|perfect)|that works|works for me"
    r"|perfect|do (?:it|that)|let's|please do|exactly|oui|ja|s[ií]|claro)\b|👍",
    re.IGNORECASE,
)


def guesses(facts: Facts) -> Iterator[Line]:
    """Lines of the rank `guess`."""
    yield from _unconfirmed(facts)
    yield from _refused(facts)


def _unconfirmed(facts: Facts) -> Iterator[Line]:
    """Changes in turns in which the user said no yes, where the agent's instructions demand one."""
    demand = _demand(facts)
    if demand is None:
        return
    done: dict[tuple[int, str], None] = {}
    for call in facts.calls:
        if call.succeeded and kind_of(call.tool) == "changes" and not hands_over(call.tool):
            said = facts.replay.turn_list[call.turn - 1].input
            if isinstance(said, str) and not _YES.search(plain(said)):
                done[call.turn, call.tool] = None
    for number, (turn, tool) in enumerate(list(done)[:_MOST], 1):
        said = quoted(str(facts.replay.turn_list[turn - 1].input))
        reason = (
            f"A guess: the instructions ask for a confirmation ({quoted(demand)}), and {tool} was called"
            f"{facts.in_turn(turn)} when the user had said {said}."
        )
        invariant = {"type": "tool_not_called", "tool": tool, **facts.turn(turn)}
        yield Line(_numbered("asks-before", number), invariant, reason, "guess")


def _demand(facts: Facts) -> str | None:
    """The words of the instructions that demand a confirmation."""
    config = facts.replay.agent_config or {}
    for text in map(text_of, filter(None, (facts.replay.context, config.get("system_prompt")))):
        found = _DEMANDS_CONFIRMATION.search(plain(text))
        if found:
            return found[0]
    return None


def _refused(facts: Facts) -> Iterator[Line]:
    """Calls whose arguments the tool did not take."""
    kept: dict[Any, Line] = {}
    for call in facts.calls:
        key = facts.key(call)
        if key is None or key in kept or not call.args or not facts.was_refused(call):
            continue
        reason = (
            f"A guess: {call.tool} did not take these arguments{facts.in_turn(call.turn)} "
            f"({quoted(facts.fault(call))}), so they may be the mistake."
        )
        invariant = {"type": "tool_not_called", "tool": call.tool, "args": call.args}
        kept[key] = Line(_numbered("not-these-arguments", len(kept) + 1), invariant, reason, "guess")
        if len(kept) == _MOST:
            break
    yield from kept.values()


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
