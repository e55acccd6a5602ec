"""The sentence and the clause in which something in a text stands."""

from __future__ import annotations

import re

from pytest_agent_replay.late import late_pattern

__all__ = ["clause_at", "sentence_at", "sentence_of"]

_SENTENCE_END = late_pattern(r"[.!?](?=\s|$)|\n")
_CLAUSE_END = late_pattern(
    r"[,;:][*_)\]]*\s|\s[-–]\s|\s?—\s?|\bbut\s|\b(?:and|so|know|see|notice)\s(?:that\s)?(?=(?:I|we)\b)", re.IGNORECASE
)

_REACH = 500
"""How many characters of its sentence are looked at on either side."""


def sentence_at(text: str, begin: int, end: int) -> tuple[int, int]:
    """Where the sentence begins and ends in which `text[begin:end]` stands."""
    start = max(0, begin - _REACH)
    for stop in _SENTENCE_END.finditer(text, start, begin):
        start = stop.end()
    ended = _SENTENCE_END.search(text, end, end + _REACH)
    return start, ended.end() if ended else min(len(text), end + _REACH)


def sentence_of(match: re.Match[str]) -> str:
    """The sentence in which a match stands, in one line."""
    start, end = sentence_at(match.string, *match.span())
    return " ".join(match.string[start:end].split())


def clause_at(text: str, start: int, at: int, *, whole: bool) -> int:
    """Where the clause begins in which `at` stands, in a sentence that begins at `start`.

    `whole`: its subject belongs to it, also before what is put in (`your order, number 7, has been …`).
    """
    begins = [start, *(end.end() for end in _CLAUSE_END.finditer(text, start, at + 1))]
    begins = [begin for begin in begins if begin <= at]
    if whole and len(begins) > 2 and not text[begins[-1] : at].strip():
        del begins[-2:]
    return begins[-1]
