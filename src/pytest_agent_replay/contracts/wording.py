"""What the words beside a figure say of it: that it is rough, a bound, or the size of a rise or a fall."""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_agent_replay.late import late_pattern

__all__ = ["PLAIN", "Wording", "wording_of"]


class Wording(NamedTuple):
    """How a figure is meant."""

    rough: bool = False
    """It may be rounded more coarsely than it is written: `about 4,000`."""
    bound: int = 0
    """1: what it stands for is at least the figure (`over 4 million`); -1: at most (`nearly 4 million`)."""
    trend: int = 0
    """1: something rose by it; -1: something fell by it."""


PLAIN = Wording()

_REACH = 32
"""How many characters beside a figure are looked at."""
_ROUGH = r"about|around|approximately|approx\.?|roughly|some|circa|close to|[~≈]"
_LEAST = (
    r"over|above|beyond|more than|greater than|at least|exceed(?:s|ed|ing)?|(?:no|not) (?:less|fewer) than"
    r"|(?<![-=\w\"/])>|≥"
)
_MOST = (
    r"under|below|less than|fewer than|at most|nearly|almost|up to|(?:no|not) (?:more|greater) than"
    r"|not (?:over|above|exceed(?:ing)?)|[<≤]"
)
_HEDGE = late_pattern(
    rf"(?:\b|(?=[~≈<>≤≥]))(?:(?P<most>{_MOST})|(?P<least>{_LEAST})|(?:{_ROUGH}))[\s*_]*$", re.IGNORECASE
)
_HEDGE_ENDS = frozenset(
    {
        "about",
        "around",
        "approximately",
        "approx",
        "approx.",
        "roughly",
        "some",
        "circa",
        "to",
        "over",
        "above",
        "beyond",
    }
    | {"than", "least", "exceed", "exceeds", "exceeded", "exceeding", "under", "below", "most", "nearly", "almost"}
)
_SIGNS = "~≈<>≤≥"
_RISES = (
    "rose rise rises risen rising up increase increases increased increasing grew grow grows grown growth gained gain"
    " climbed jumped surged higher"
)
_FALLS = (
    "fell fall falls fallen falling down decrease decreases decreased decreasing decline declines declined declining"
    " drop drops dropped dropping shrank sank slid plunged lost reduction lower"
)
_TRENDS = {**dict.fromkeys(_RISES.split(), 1), **dict.fromkeys(_FALLS.split(), -1)}
_OPENING, _MARKS = "*_(", "*_-.,;:!?)"


def wording_of(text: str, start: int, end: int) -> Wording:
    """How the figure at `[start:end]` of a text is meant."""
    before = text[max(0, start - _REACH) : start]
    words = before.split()
    hedge = None
    if words and (words[-1].strip(_OPENING).lower() in _HEDGE_ENDS or words[-1][-1] in _SIGNS):
        hedge = _HEDGE.search(before)
    trend = _trend_before(before[: hedge.start()].split() if hedge else words) or _trend_after(text[end : end + _REACH])
    if hedge is None:
        return Wording(trend=trend) if trend else PLAIN
    return Wording(True, -1 if hedge["most"] else 1 if hedge["least"] else 0, trend)


def _trend_before(words: list[str]) -> int:
    """`rose`, `fell by`, `an increase of`."""
    if words and words[-1].lower() in ("by", "of"):
        words = words[:-1]
    return _TRENDS.get(words[-1].strip(_OPENING).lower(), 0) if words else 0


def _trend_after(text: str) -> int:
    """`increase`, `lower`, `up`, but not `up to`."""
    words = text.split(None, 2)
    if not words or [word.lower() for word in words[1:2]] == ["to"]:
        return 0
    return _TRENDS.get(words[0].strip(_MARKS).lower(), 0)
