"""Whether the scores of a session say that it went well: only where that is plain.

What a number means, its name and range decide. Rewards and user scores go from 0 (or −1) to 1; of a rating by stars, or
of 0.6, nobody knows here whether that is good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pytest_agent_replay.formats.replay import ReplayFile

__all__ = ["Judgement", "judgement"]

Judgement = tuple[Literal["good", "bad"], str]
"""What the scores say, and those that say it: `reward 0.0`."""

_GOOD_WHEN_HIGH = re.compile(
    r"reward|success|correct|pass(?:ed)?\b|resolved|solved|thumbs|feedback|user.?score|satisf|helpful|quality|accura"
    r"|faithful|grounded|relevan|complet|goal|score\b|ok\b",
    re.IGNORECASE,
)
_BAD_WHEN_HIGH = re.compile(
    r"hallucin|toxic|harm|error|fail|bias|unsafe|violat|leak|wrong|incorrect|incomplete|unresolved|unhelpful|dissatisf",
    re.IGNORECASE,
)
_OF_ANOTHER_SCALE = re.compile(
    r"rating|stars?\b|csat|nps|level|grade|percent|latency|cost|tokens|duration|count|time", re.IGNORECASE
)
_YES, _NO = frozenset({"true", "yes"}), frozenset({"false", "no"})
_GOOD_WORDS = "good pass passed positive thumbs_up thumbs-up 👍 correct success successful resolved"
_BAD_WORDS = "bad fail failed failure negative thumbs_down thumbs-down 👎 incorrect unresolved wrong"
_GOOD, _BAD = frozenset(_GOOD_WORDS.split()), frozenset(_BAD_WORDS.split())
_VALUES = ("value", "score", "label", "string_value", "stringValue")


def judgement(replay: ReplayFile) -> Judgement | None:
    """What the scores say; None when that is nothing plain.

    Those of the session come first; where they contradict each other, they say nothing. Without any, one turn that is
    scored badly makes the session a bad one.
    """
    found = _sorted_out(replay.scores)
    if found["good"] or found["bad"]:
        return None if found["good"] and found["bad"] else _said(found)
    for turn in replay.turn_list:
        for verdict, names in _sorted_out(turn.scores or {}).items():
            found[verdict] += names
    return _said({**found, "good": []} if found["bad"] else found)


def _said(found: Mapping[str, list[str]]) -> Judgement | None:
    for verdict in ("bad", "good"):
        if found[verdict]:
            return verdict, ", ".join(dict.fromkeys(found[verdict]))
    return None


def _sorted_out(scores: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"good": [], "bad": []}
    for name, score in scores.items():
        value = score
        if isinstance(score, Mapping):
            value = next((score[key] for key in _VALUES if score.get(key) is not None), None)
        is_good = _is_good(name, value)
        if is_good is not None:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            found["good" if is_good else "bad"].append(f"{name} {shown}")
    return found


def _is_good(name: str, value: Any) -> bool | None:
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _GOOD or word in _BAD:
        return word in _GOOD
    is_high = _is_high(name, value, word)
    if is_high is None:
        return None
    if _BAD_WHEN_HIGH.search(name):
        # that it is not toxic does not make an answer a good one
        return False if is_high else None
    return is_high if _GOOD_WHEN_HIGH.search(name) else None


def _is_high(name: str, value: Any, word: str | None) -> bool | None:
    if isinstance(value, bool):
        return value
    if word in _YES or word in _NO:
        return word in _YES
    if not isinstance(value, (int, float)) or _OF_ANOTHER_SCALE.search(name):
        return None
    return False if value in (0, -1) else True if value == 1 else None
