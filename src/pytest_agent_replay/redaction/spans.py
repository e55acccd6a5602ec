"""Where something stands in a text."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["MARK", "Span", "is_placeholder", "without_overlaps"]

MARK = "REDACTED"
"""Stands in every pseudonym of a secret."""

_PLACEHOLDER = re.compile(
    r"(?i)\[secret \d+\]|[\[<({_*]*(?:redacted|scrubbed|masked|hidden|filtered|removed|omitted|secret|none|null|true"
    r"|false|default|disabled|enabled|required|optional|changeme|change[_-]me|example|placeholder|string|unknown|undefined|test"
    r"|password|token|api[_-]?key|your[\w -]*|my[_-][\w-]*|insert[\w -]*)[\])}>_*]*"
    r"|\[scrubbed due to .*|\$\{?\w+\}?|\$\(.*\)|\{\{.*\}\}|<[\w .-]+>|%\(?\w+\)?s?|[*.x•#-]+"
)


def is_placeholder(text: str) -> bool:
    """Whether it stands for a secret that is not there: a pseudonym of ours, or what others write."""
    return MARK in text or _PLACEHOLDER.fullmatch(text) is not None


class Span(NamedTuple):
    """Something that is to be replaced."""

    start: int
    end: int
    group: str
    """One of the kinds that can be switched off; see `Rules.off`."""
    kind: str
    """What it is, for people."""
    shape: str
    """How its pseudonym is made."""
    reserved: bool = False
    """It is in a range that is nobody's: replaced, but nothing to report."""
    made: str | None = None
    """The pseudonym, where it is not made of the text alone."""


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """The spans in the order of the text; among those that overlap the first of the given order is taken."""
    taken: list[Span] = []
    for span in spans:
        index = bisect(taken, span.start, key=lambda each: each.start)
        is_free = (index == 0 or taken[index - 1].end <= span.start) and (
            index == len(taken) or span.end <= taken[index].start
        )
        if span.start < span.end and is_free:
            taken.insert(index, span)
    return taken
