"""Whether a tool told what an answer says was done: `your refund was issued on May 3`, after a look at the order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_agent_replay.contracts.claims import claims
from pytest_agent_replay.contracts.clauses import sentence_at
from pytest_agent_replay.contracts.deeds import DONE_WORDS, Deeds
from pytest_agent_replay.late import late_pattern

__all__ = ["is_told"]

_WORD = late_pattern(r"[a-z]{2,}|[A-Z](?:[a-z]+|[A-Z]+(?![a-z]))|[\w-]*\d[\w-]*")
_OWN = late_pattern(r"(?:I|we)\b", re.IGNORECASE)
_SHORT = 5
"""Up to so many words, a text is a state (`refund issued`); longer ones must claim something themselves."""
_MANY = 20_000
"""How many values of results are looked at."""
_COMMON = frozenset(
    ("the", "your", "you", "is", "are", "was", "has", "have", "been", "it", "that", "this", "now", "already")
)


def is_told(claim: re.Match[str], results: Iterable[tuple[str, Any]], deeds: Deeds) -> bool:
    """Whether one of the results `(tool, value)` says so. What the agent says of itself, none can."""
    if _OWN.match(claim[0]):
        return False
    begin, _ = sentence_at(claim.string, *claim.span())
    words = _words(claim.string[begin : claim.end()])
    states = (_words(claim[0]) & DONE_WORDS) or DONE_WORDS
    subject = words - states - _COMMON
    for count, (said, beside) in enumerate(leaf for tool, value in results for leaf in _leaves(value, _words(tool))):
        if count == _MANY:
            return False
        found = _words(said)
        if not found & states or not subject & (found | beside):
            continue
        if len(found) <= _SHORT or any(_words(match[0]) & states for match in claims(said, deeds)):
            return True
    return False


def _leaves(value: Any, around: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Each text of a result, and the words by which it is known what that is about.

    Those are the tool's, those of the keys that lead there, and what stands beside it in the same record. A key with a
    value that is no "no" is a text (`refunded: true`, `cancelled_at: 2024-05-03`).
    """
    if isinstance(value, str):
        yield value, around
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, around)
    elif isinstance(value, dict):
        beside = around.union(*(_beside(str(key), item) for key, item in value.items()))
        for key, item in value.items():
            if item is True or (isinstance(item, (str, int, float)) and item):
                yield str(key), beside
            yield from _leaves(item, beside | _words(str(key)))


def _beside(key: str, value: Any) -> frozenset[str]:
    """`order_id` says that a record is an order; `type: refund`, that it is a refund."""
    words = _words(key) if key.lower().endswith("id") else frozenset()
    return words | _words(value) if isinstance(value, str) and len(value) < 100 else words


def _words(text: str) -> frozenset[str]:
    return frozenset(map(_plain, _WORD.findall(text)))


def _plain(word: str) -> str:
    word = word.lower().removesuffix("s")
    return {"canceled": "cancelled", "completed": "complete"}.get(word, word)
