"""How an answer says that something was done: what `no_promise_without_tool` looks for when it is given no pattern.

A claim is a finished action in the first person (`I have refunded`, `I've just cancelled`, `we processed`, `I was able
to cancel`), a perfect in the passive (`has been cancelled`, `have successfully been updated`), or the state that
follows (`your booking is confirmed`, `the refund was processed`, `is now cancelled`, `successfully booked`). Offers,
questions, conditions, intentions and denials are none: `I can refund`, `shall I …?`, `once it has been processed`,
`if it was booked`, `has not been cancelled`. What makes it none stands in its own clause: in `after a look at your
order, I have refunded it` and `no problem, it has been refunded` something is claimed.
"""

from __future__ import annotations

import re

from pytest_agent_replay.late import late_pattern

__all__ = ["find_claim"]

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
_ADVERBS = r"(?:(?:just|now|already|also|successfully|fully|safely|then|both|all|gone\sahead\sand)\s){0,3}"
_HANDLED = (
    r"(?:refund|cancell?ation|exchange|return|payment|booking|reservation|order|request|change|upgrade|compensation"
    r"|credit|replacement|transfer|update)s?"
)
_CLAIM = late_pattern(
    rf"""
      \b(?:I|we)\s?(?:have|'ve|’ve|had)?\s{_ADVERBS}{_DONE}
    | \b(?:I|we)\s(?:(?:(?:was|were|have\sbeen)\sable|managed)\sto\s(?:\w+ly\s)?{_DO}|went\sahead\sand\s{_DONE})
    | (?:\b(?:has|have)|(?<=\w)['’](?:s|ve))\s{_ADVERBS}been\s{_ADVERBS}{_DONE}
    | \b(?:is|are|'s|’s|you're|you’re)\s(?:now|all|officially|successfully)\s{_ADVERBS}(?:set|done|{_DONE})
    | \b(?:is|are|was|were)\ssuccessfully\s{_DONE}
    | \byour\s(?:\w+\s){{1,3}}?(?:is|are)\s(?:confirmed|booked|complete|cancell?ed)(?=[.!,;*]|\s(?:and|now)\b|$)
    | \b(?:your|the)\s(?:\w+\s){{0,2}}?{_HANDLED}\s(?:is|are|was|were)\s{_ADVERBS}
      (?:processed|issued|completed?|submitted|refunded|approved|initiated)(?=[.!,;*]|\sand\b|$)
    | \bsuccessfully\s{_DONE}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SENTENCE_END = late_pattern(r"[.!?](?=\s|$)|\n")
_CLAUSE_END = late_pattern(
    r"[,;:][*_)\]]*\s|\s[-–]\s|\s?—\s?|\bbut\s|\b(?:and|so|know|see|notice)\s(?:that\s)?(?=(?:I|we)\b)", re.IGNORECASE
)
_OPEN = late_pattern(
    r"\b(?:once|after|when|whenever|until|before|whether|as soon as|would|could|should|cannot|not|nothing|none|neither"
    r"|nor|never|no(?! (?:problem|worries|doubt|longer)\b)|\w+n['’]t|without|to be|will|requires?|needs?|must|only"
    r"|unable|yet to|you (?:said|say|told|mention(?:ed)?|asked|wrote|think|thought|believed?)"
    r"|please (?:check|verify|make sure|ensure))\b",
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

_REACH = 500
"""How many characters of its sentence are looked at on either side of a claim."""


def find_claim(text: str) -> re.Match[str] | None:
    """The first claim of a finished action in an answer."""
    for match in _CLAIM.finditer(text):
        start, end = _sentence(text, match)
        if not _is_asked(text, match, start, end) and not _is_open(text, match, start):
            return match
    return None


def _sentence(text: str, match: re.Match[str]) -> tuple[int, int]:
    start = max(0, match.start() - _REACH)
    for end in _SENTENCE_END.finditer(text, start, match.start()):
        start = end.end()
    ended = _SENTENCE_END.search(text, match.end(), match.end() + _REACH)
    return start, ended.end() if ended else min(len(text), match.end() + _REACH)


def _is_asked(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Whether it is asked; not, when another question only follows: `I have refunded it, is there anything else?`"""
    if text[end - 1 : end] != "?":
        return False
    return _ASKING.match(text, start) is not None or _ASKED_BESIDE.search(text, match.end(), end) is None


def _is_open(text: str, match: re.Match[str], start: int) -> bool:
    """Whether it is denied, wished, awaited, or said of what may be."""
    is_own = _OWN.match(match[0]) is not None
    clauses = [start, *(end.end() for end in _CLAUSE_END.finditer(text, start, match.end()))]
    clauses = [begin for begin in clauses if begin <= match.start()]
    if not is_own and len(clauses) > 2 and clauses[-1] == match.start():
        clauses = clauses[:-2]  # `your order, number 7, has been …`: its subject stands before what is put in
    clause = clauses[-1]
    if _OPEN.search(text, clause, match.start()) or _CONDITION.search(text, clause if is_own else start, match.start()):
        return True
    if is_own:
        return _OF_SOME.search(text, clause, match.start()) is not None
    return _RELATIVE.search(text, clause, match.start()) is not None
