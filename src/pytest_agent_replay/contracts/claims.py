"""How an answer says that something was done: what `no_promise_without_tool` looks for when it is given no pattern.

A claim is a finished action in the first person (`I have refunded`, `I've just cancelled`, `we processed`), a
perfect in
the passive (`has been cancelled`, `have successfully been updated`), or the state that follows (`your booking
is confirmed`,
`is now cancelled`, `successfully booked`). Offers, questions, conditions, intentions and denials are none: `I
can refund`,
`shall I …?`, `once it has been processed`, `if it was booked`, `has not been cancelled`.
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
_ADVERBS = r"(?:(?:just|now|already|also|successfully|fully|safely|then|both|all|gone\sahead\sand)\s){0,3}"
_CLAIM = late_pattern(
    rf"""
      \b(?:I|we)\s?(?:have|'ve|’ve|had)?\s{_ADVERBS}{_DONE}
    | \b(?:has|have)\s{_ADVERBS}been\s{_ADVERBS}{_DONE}
    | \b(?:is|are|'s|’s|you're|you’re)\s(?:now|all|officially|successfully)\s{_ADVERBS}(?:set|done|{_DONE})
    | \b(?:is|are|was|were)\ssuccessfully\s{_DONE}
    | \byour\s(?:\w+\s){{1,3}}?(?:is|are)\s(?:confirmed|booked|complete|cancell?ed)(?=[.!,;*]|\sand\b|$)
    | \bsuccessfully\s{_DONE}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SENTENCE_END = late_pattern(r"[.!?](?=\s|$)|\n")
_OPEN = late_pattern(
    r"\b(?:if|once|after|when|whenever|until|unless|before|whether|as soon as|in case|would|could|should|cannot|can't"
    r"|not|no|never|to be|will|requires?|needs?|must|only|provided|assuming|unable|each|any)\b",
    re.IGNORECASE,
)


def find_claim(text: str) -> re.Match[str] | None:
    """The first claim of a finished action in an answer."""
    for match in _CLAIM.finditer(text):
        start, sentence_ends = 0, len(text)
        for end in _SENTENCE_END.finditer(text):
            if end.end() <= match.start():
                start = end.end()
            elif end.start() >= match.end():
                sentence_ends = end.end()
                break
        is_question = text[:sentence_ends].endswith("?")
        if not is_question and not _OPEN.search(text, start, match.start()):
            return match
    return None
