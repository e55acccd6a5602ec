"""How an answer says of what a tool does that it was done: its nouns with a state, its verbs, or a state alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pytest_agent_replay.contracts.clauses import clause_at, sentence_at
from pytest_agent_replay.contracts.deeds import PHRASES, SETTLED, Deeds, singular
from pytest_agent_replay.late import late_pattern

__all__ = ["ADVERBS", "framed"]

ADVERBS = r"(?:(?:just|now|already|also|successfully|fully|safely|then|both|all|gone\sahead\sand)\s){0,3}"
_STATE = rf"(?:{'|'.join(PHRASES)}|[\w-]+)\b".replace(" ", r"\s")
_PERFECT = rf"(?:\b(?:has|have|had)|(?<=\w)['’](?:s|ve))\s{ADVERBS}been"
_FIRST_PERSON = rf"\b(?:I|we)(?:\s(?:have|had)|['’]ve)?\s{ADVERBS}"
_DEED = late_pattern(
    rf"{_FIRST_PERSON}(?P<own>{_STATE}) | {_PERFECT}\s{ADVERBS}(?P<been>[a-z]+)\b", re.VERBOSE | re.IGNORECASE
)
"""`I wired`, `has been wired`."""
_HANDLING = late_pattern(
    rf"""{_FIRST_PERSON}
    (?:(?:taken|took)\scare\sof|handled|sorted(?:\sout)?|arranged|completed|finished|finali[sz]ed|made|secured|set\sup
      |put\s(?:through|in)|put(?=(?:\s[\w-]+){{1,4}}\sthrough\b))
    (?P<what>(?:\s[\w'’-]+){{1,3}})""",
    re.VERBOSE | re.IGNORECASE,
)
"""`I have taken care of the refund`."""
_IN_STATE = late_pattern(
    rf"""
      (?:{_PERFECT}|\b(?P<is>is|are)|\b(?:was|were)|(?<=\w)['’](?:s|re))
      \s(?P<adverbs>{ADVERBS})(?:being\s)?(?P<state>{_STATE})
    | \b(?:went|gone|came)\s(?P<way>through|out)\b
    | \b(?P<ran>succeeded|ended(?!\sup\b))\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""`is on its way`, `went through`: a claim after a noun."""
_BEGIN = r"(?:^|(?<=[.!?\n]))[^\w\n\"“'‘(]{0,8}"
_STOP = r"(?=[*_]*(?:[.!,;:\n]|\s*$|\s[-–]\s|\s?—))"
_HEADLINE = late_pattern(
    rf"{_BEGIN}(?P<what>(?:[\w#'’-]+\s){{1,5}}?){ADVERBS}(?P<state>{_STATE}){_STOP}", re.IGNORECASE
)
"""`Refund issued!`"""
_BARE = late_pattern(
    rf"""
    {_BEGIN}(?:(?:ok|okay|alright|great|perfect|good\snews|sure|yes|certainly|thanks|thank\syou)[,!.:]\s)?
    (?: (?:(?:it|that|this|everything|you)(?:['’](?:s|re)|\s(?:is|are|was))|consider\sit)\s{ADVERBS}(?P<its>{_STATE})
        (?:{_STOP}|(?=\s(?:for|on|and|as\sof)\b))
      | {ADVERBS}(?P<alone>{_STATE}){_STOP} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""`Done!`, `It's cancelled.`"""
_WORD = late_pattern(r"[A-Za-z]+")
_DETERMINED = late_pattern(
    r"\b(?:(?P<some>an?)|your|the|this|that|these|those|both|its|his|her|their|\w+['’]s)"
    r"(?:\s(?!(?:of|for|to|with|in|on|at|from|by|and|or|your|the|this|that|previous|last|next|upcoming|original|earlier)\b)"
    r"[\w$€£.,-]+){0,4}?\s$",
    re.IGNORECASE,
)
_AFTER_HEAD = late_pattern(
    r"\s*$|\s*[,(#*_\"“$€£]|\s(?:[A-Z\d]|(?:of|for|to|with|from|in|on|at|by|under|through|back|request|itself|now|just"
    r"|already|has|have|you|we|I)\b)"
)
"""What follows a noun that is not the first part of another one: `the booking fee` is no booking."""
_CODE = late_pattern(r"\s#?(?=[A-Z-]*\d)[A-Z\d-]+\b")
_IN_SENTENCE = late_pattern(
    r"\b(?:I|you|we|they|he|she|it|please|to|want|have|has|get|let|make|need|is|are|was|were|be|that|which|who)\b",
    re.IGNORECASE,
)
_DEPENDS = late_pattern(r"\s(?:once|when|whenever|if|as soon as|after|only|until|unless|within|upon)\b", re.IGNORECASE)
_LONG_AGO = late_pattern(r"(?:\s\w+){1,4}\s(?:hours|days|weeks|months|years?)\sago\b", re.IGNORECASE)
"""What is said before these is a rule, or to come: `a refund is issued within 14 days`."""
_ANYTHING = late_pattern(r".*", re.DOTALL)
_ALONE = frozenset((*SETTLED.split("|"), "complete", "success", "successful"))

Found = Iterator[tuple[re.Match[str], int]]
"""Places in a text, each with where that begins which is said of them: what may deny it stands before."""


def framed(text: str, deeds: Deeds, wanted: Callable[[], bool] | None) -> Found:
    """What may be claims of one of the deeds."""
    yield from _deeds(text, deeds)
    yield from _states(text, deeds)
    yield from _headlines(text, deeds)
    if wanted is not None:
        yield from _bare(text, deeds, wanted)


def _deeds(text: str, deeds: Deeds) -> Found:
    for match in _DEED.finditer(text):
        verb = _normal(match["own"] or match["been"])
        if verb in deeds.done or (" " in verb and verb in deeds.states):
            yield match, match.start()
    for match in _HANDLING.finditer(text):
        if any(singular(word) in deeds.nouns for word in match["what"].split()):
            yield match, match.start()


def _states(text: str, deeds: Deeds) -> Found:
    for match in _IN_STATE.finditer(text):
        state = _normal(match["state"] or match["way"] or match["ran"])
        is_rule = match["is"] is not None and "now" not in match["adverbs"].lower()
        if (is_rule and _DEPENDS.match(text, match.end())) or _LONG_AGO.match(text, match.end()):
            continue
        if match["state"] and "now" in match["adverbs"].lower() and not state[:1].isalpha():
            state = "now"
        if not deeds.knows(state):
            continue
        start, _ = sentence_at(text, *match.span())
        clause = clause_at(text, start, match.start(), whole=True)
        noun = _subject(text, clause, match.start(), deeds, state, is_rule)
        if noun is not None and (claim := _ANYTHING.match(text, noun, match.end())):
            yield claim, match.start()


def _headlines(text: str, deeds: Deeds) -> Found:
    for match in _HEADLINE.finditer(text):
        begin, end = match.span("what")
        if _IN_SENTENCE.search(text, begin, end):
            continue
        state = _normal(match["state"])
        if any(_is_head(text, noun.end(), end) and deeds.says(singular(noun[0]), state)
               for noun in _WORD.finditer(text, begin, end)):  # fmt: skip
            yield match, match.start("state")


def _bare(text: str, deeds: Deeds, wanted: Callable[[], bool]) -> Found:
    for match in _BARE.finditer(text):
        state = _normal(match["its"] or match["alone"])
        if (state in _ALONE or state in deeds.done) and wanted():
            yield match, match.start()


def _normal(state: str) -> str:
    return " ".join(state.lower().split())


def _subject(text: str, begin: int, end: int, deeds: Deeds, state: str, is_rule: bool) -> int | None:
    """Where the noun stands of which it is said."""
    for noun in _WORD.finditer(text, begin, end):
        if deeds.says(singular(noun[0]), state) and _is_head(text, noun.end(), end):
            before = _DETERMINED.search(text, begin, noun.start())
            if before is not None and not (is_rule and before["some"]):
                return before.start()
            if _CODE.match(text, noun.end(), end):
                return noun.start()
    return None


def _is_head(text: str, at: int, end: int) -> bool:
    return _AFTER_HEAD.match(text, at, end) is not None
