"""How an answer says that something was done: what `no_promise_without_tool` looks for when it is given no pattern.

Whatever the tools are, a claim is a finished action in the first person (`I have refunded`, `I've just cancelled`, `we
processed`, `I was able to cancel`), a perfect in the passive (`has been cancelled`, `have successfully been updated`),
or the state that follows (`your booking is confirmed`, `the refund was processed`, `is now cancelled`, `successfully
booked`). Where it is known what the tools do, it is also what `frames` finds (`the refund went through`).

Offers, questions, conditions, intentions, denials, what others did and what others said are none: `I can refund`,
`shall I …?`, `once it has been processed`, `if it was booked`, `has not been cancelled`, `cancelled by the airline`.
What makes it none stands in its own clause: in `after a look at your order, I have refunded it` and `no problem, it has
been refunded` something is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain

from pytest_agent_replay.contracts.clauses import clause_at, sentence_at
from pytest_agent_replay.contracts.deeds import Deeds
from pytest_agent_replay.contracts.frames import ADVERBS, framed
from pytest_agent_replay.late import late_pattern

__all__ = ["claims", "find_claim"]

_DONE = (
    r"(?:(?:re)?booked|cancell?ed|refunded|(?:re)?issued|processed|credited|charged|updated|upgraded|downgraded|changed"
    r"|modified|added|removed|deleted|created|sent|submitted|placed|ordered|returned|exchanged|replaced|(?:re)?scheduled"
    r"|opened|closed|transferred|applied|reset|(?:de|re)?activated|unlocked|renewed|extended|waived|paid|completed|confirmed"
    r"|resolved|shipped|purchased|reserved|registered|enrolled|switched|approved|initiated|filed|forwarded|escalated)\b"
)
_DO = (
    r"(?:(?:re)?book|cancel|refund|(?:re)?issue|process|credit|charge|update|upgrade|downgrade|change|modify|add|remove"
    r"|delete|create|send|submit|place|return|exchange|replace|(?:re)?schedule|transfer|apply|reset|unlock|renew|extend"
    r"|waive|pay|complete|resolve|purchase|reserve|register|switch|file|escalate)\b"
)
_HANDLED = (
    r"(?:refund|cancell?ation|exchange|return|payment|booking|reservation|order|request|change|upgrade|compensation"
    r"|credit|replacement|transfer|update)s?"
)
_CLAIM = late_pattern(
    rf"""
      \b(?:I|we)\s?(?:have|'ve|’ve|had)?\s{ADVERBS}{_DONE}
    | \b(?:I|we)\s(?:(?:(?:was|were|have\sbeen)\sable|managed)\sto\s(?:\w+ly\s)?{_DO}|went\sahead\sand\s{_DONE})
    | (?:\b(?:has|have)|(?<=\w)['’](?:s|ve))\s{ADVERBS}been\s{ADVERBS}{_DONE}
    | \b(?:is|are|'s|’s|you're|you’re)\s(?:now|all|officially|successfully)\s{ADVERBS}(?:set|done|{_DONE})
    | \b(?:is|are|was|were)\ssuccessfully\s{_DONE}
    | \byour\s(?:\w+\s){{1,3}}?(?:is|are)\s(?:confirmed|booked|complete|cancell?ed)(?=[.!,;*]|\s(?:and|now)\b|$)
    | \b(?:your|the)\s(?:\w+\s){{0,2}}?{_HANDLED}\s(?:is|are|was|were)\s{ADVERBS}
      (?:processed|issued|completed?|submitted|refunded|approved|initiated)(?=[.!,;*]|\sand\b|$)
    | \bsuccessfully\s{_DONE}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_OPEN = late_pattern(
    r"\b(?:once|after|when|whenever|until|before|whether|as soon as|would|could|should|cannot|not|nothing|none|neither"
    r"|nor|never|no(?! (?:problem|worries|doubt|longer)\b)|\w+n['’]t|without|to be|will|requires?|needs?|must|only"
    r"|unable|yet to|hope|looks? as if|sorry (?:to hear )?that"
    r"|you (?:said|say|told|mention(?:ed)?|asked|wrote|think|thought|believed?)"
    r"|please (?:check|confirm|verify|ensure)|make sure)\b",
    re.IGNORECASE,
)
"""Makes a claim in the same clause none."""
_OWN = late_pattern(r"(?:I|we)\b", re.IGNORECASE)
_CONDITION = late_pattern(r"\b(?:if|unless|in case|provided|assuming)\b", re.IGNORECASE)
"""What is said of others after a condition depends on it, also in the next clause."""
_OF_SOME = late_pattern(r"\b(?:each|any)\b", re.IGNORECASE)
"""`any flight I have booked` speaks of some that may be."""
_RELATIVE = late_pattern(r"\S\s+(?:that|which|who)\s+$", re.IGNORECASE)
_ASKING = late_pattern(
    r"[\s*_]*(?:and |so |or )?(?:do|does|did|is|are|was|were|has|have|had|can|may|shall|what|when|why|how|which|who"
    r"|where)\b",
    re.IGNORECASE,
)
_ASKED_BESIDE = late_pattern(
    r"(?:[,;:]|\s[-–]|—|\band|\bso)\s*(?:and |so |but )?(?:do|does|did|is|are|can|could|may|shall|should|will|would"
    r"|what|when|how|which|where|anything|any other|need|have you)\b",
    re.IGNORECASE,
)

_REASON = late_pattern(r"\b(?:since|because|as)\b", re.IGNORECASE)
"""What is said of others as a reason was so before: `since the reservation was made …`."""
_QUOTED = late_pattern(
    r"\b(?:said|says?|wrote|writes?|states?|reads?|mention(?:ed|s)?|told|asked|policy|rules?)\b[^\"“”]*[\"“][^\"“”]*$",
    re.IGNORECASE,
)
"""What stands in quotation marks after these, another one said."""
_BY_OTHERS = late_pattern(
    r"\s(?:(?i:by\s(?:the|your|their|its|an?)\s(?!(?:end|way|time|system|team|department|agent)\b))|by\s(?!I\b)[A-Z]"
    r"|(?i:due\sto|because\sof)\b)"
)
"""`cancelled by the airline`."""


def find_claim(text: str) -> re.Match[str] | None:
    """The first claim of a finished action in an answer, whatever the tools are."""
    return next(claims(text), None)


def claims(text: str, deeds: Deeds | None = None, wanted: Callable[[], bool] | None = None) -> Iterator[re.Match[str]]:
    """The claims of an answer: of finished actions of any kind, and in other words of what `deeds` says.

    `wanted` is asked whether one of the deeds was tried or asked for, where an answer says `Done!` alone.
    """
    found = ((match, match.start()) for match in _CLAIM.finditer(text))
    if deeds is not None:
        found = chain(found, framed(text, deeds, wanted))  # type: ignore[assignment]
    for match, at in found:
        start, end = sentence_at(text, *match.span())
        if not _is_asked(text, match, start, end) and not _is_open(text, match, start, at):
            yield match


def _is_asked(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Whether it is asked; not, when another question only follows: `I have refunded it, is there anything else?`"""
    if text[end - 1 : end] != "?":
        return False
    return _ASKING.match(text, start) is not None or _ASKED_BESIDE.search(text, match.end(), end) is None


def _is_open(text: str, match: re.Match[str], start: int, at: int) -> bool:
    """Whether it is denied, wished, awaited, said of what may be, or not of what the agent did."""
    is_own = _OWN.match(match[0]) is not None
    clause = clause_at(text, start, at, whole=not is_own)
    if _OPEN.search(text, clause, at) or _CONDITION.search(text, clause if is_own else start, at):
        return True
    if is_own:
        return _OF_SOME.search(text, clause, at) is not None
    if _RELATIVE.search(text, clause, at) or _REASON.search(text, clause, at) or _BY_OTHERS.match(text, match.end()):
        return True
    return _QUOTED.search(text, start, at) is not None
