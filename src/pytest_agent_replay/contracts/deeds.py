"""What tools do, read from their names: the verbs and nouns by which an answer says that it was done. English only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_agent_replay.late import late_pattern

__all__ = ["DONE_WORDS", "PHRASES", "SETTLED", "Deeds", "deeds_of", "singular"]


class _Kind(NamedTuple):
    """One way of doing something. Words are parted by blanks, phrases by `|`."""

    verbs: str
    """How words begin by which tools of this kind are named, and by which users ask for it."""
    acts: str
    """Nouns of the doing: `the cancellation went through`."""
    done: str
    """Participles: `is cancelled`, `I cancelled`."""
    states: str = ""
    """What else is true of a thing when it was done: `is no longer active`."""
    alters: bool = False
    """Whether it is done to something that is there: a booking that is changed was confirmed before."""


_KINDS = (
    _Kind(
        "refund reimburs compensat",
        "refund reimbursement compensation money fund amount credit",
        "refunded reimbursed compensated credited returned repaid",
        "back|in your|heading",
    ),
    _Kind(
        "cancel terminat unsubscrib delet remov clos deactivat stop end disabl discontinu",
        "cancellation cancelation termination deletion removal closure",
        "cancelled canceled terminated unsubscribed deleted removed closed deactivated stopped ended disabled"
        " discontinued",
        "called off|turned off|switched off|inactive|no longer active",
        alters=True,
    ),
    _Kind(
        "updat chang set edit modif correct switch upgrad downgrad reset renam activat enabl adjust",
        "update change edit modification correction switch upgrade downgrade reset activation adjustment",
        "updated changed set edited modified corrected switched upgraded downgraded reset renamed activated enabled"
        " adjusted saved stored",
        "on file|in effect|now",
        alters=True,
    ),
    _Kind(
        "book reserv purchas buy order",
        "booking reservation purchase order",
        "booked rebooked reserved purchased bought ordered placed secured confirmed",
        "in place",
    ),
    _Kind(
        "send email mail notif messag forward invit text sms",
        "email mail message notification invite invitation",
        "sent emailed mailed notified messaged forwarded invited texted delivered",
        "on its way|on the way|on their way|out|out the door",
    ),
    _Kind(
        "transfer pay wir mov deposit charg withdraw",
        "transfer payment deposit withdrawal charge money fund amount",
        "transferred paid wired moved deposited charged withdrawn credited",
        "in your",
    ),
    _Kind(
        "schedul reschedul arrang",
        "appointment meeting invite invitation",
        "scheduled rescheduled arranged booked invited confirmed",
        "set for|on the calendar|on your calendar|in your calendar|in place",
    ),
    _Kind(
        "creat open fil submit rais log report regist add escalat enrol",
        "registration escalation submission enrollment",
        "created opened filed submitted raised logged reported registered added escalated enrolled recorded",
        "open|in the queue|in the system|in place",
    ),
    _Kind(
        "exchang return replac ship dispatch",
        "exchange return replacement shipment",
        "exchanged returned replaced shipped dispatched",
    ),
    _Kind(
        "issu process grant apply appli waiv extend renew",
        "extension renewal",
        "issued processed granted applied waived extended renewed",
    ),
)
_THINGS = (
    "reservation booking trip",
    "flight seat ticket",
    "subscription plan membership",
    "ticket case request",
    "meeting appointment event",
    "email mail message",
)
"""Nouns for the same thing."""
_IDLE_WORDS = frozenset(
    ("the", "for", "with", "get", "make", "tool", "api", "user", "customer", "client", "id", "new", "and", "from")
)

SETTLED = "all set|set|all done|done|all sorted|sorted|sorted out|taken care of|handled|completed|finalized|finalised"
"""How anything is when it was done."""
_RUN = (
    f"{SETTLED}|complete|successful|confirmed|processed|issued|approved|initiated|made|executed|finished|submitted|placed"
    "|sent|in place|in effect|in progress|succeeded|underway|under way|on its way|on the way|on their way|through"
)
"""How a doing is when it was done, or will be without more to do."""


def _phrases(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split("|")))


_SETTLED, _RUNS = _phrases(SETTLED), _phrases(_RUN)
PHRASES = sorted(
    {p for text in (_RUN, *(kind.states for kind in _KINDS)) for p in _phrases(text) if " " in p}, key=len, reverse=True
)
"""The states of more than one word, the longest first."""
DONE_WORDS = frozenset(
    word for text in (*_RUN.split("|"), *(kind.done for kind in _KINDS)) for word in text.split() if len(word) > 5
) | {"sent", "paid", "done", "made", "moved", "filed"}
"""By which a tool says that something was done."""
_WORD = late_pattern(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")


class Deeds(NamedTuple):
    """What some tools do, in words."""

    verbs: tuple[str, ...]
    """How words begin by which a user asks for it."""
    acts: frozenset[str]
    things: frozenset[str]
    done: frozenset[str]
    states: frozenset[str]

    @property
    def nouns(self) -> frozenset[str]:
        return self.acts | self.things

    def says(self, noun: str, state: str) -> bool:
        """Whether `the NOUN is STATE` says that it was done."""
        if state not in self.done and state not in self.states and state not in _SETTLED:
            return noun in self.acts and state in _RUNS
        return noun in self.acts or noun in self.things

    def knows(self, state: str) -> bool:
        """Whether it can be a state of one of the nouns."""
        return state in self.done or state in self.states or state in _RUNS

    def is_spoken_of(self, text: str) -> bool:
        """Whether a claim has one of the words."""
        return any(word in self.done or singular(word) in self.nouns for word in re.findall(r"[a-z]+", text.lower()))

    def is_asked_for(self, text: str) -> bool:
        """Whether a user's words speak of it."""
        words = re.findall(r"[a-z]{3,}", text.lower())
        return any(singular(word) in self.acts or _begins(word, self.verbs) for word in words)


def singular(noun: str) -> str:
    """`refunds` → `refund`, in small letters."""
    noun = noun.lower()
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


@lru_cache(maxsize=256)
def deeds_of(tools: tuple[str, ...]) -> Deeds:
    """Of tools by their names, or globs for these (`cancel_*`, `*refun*`)."""
    verbs: set[str] = set()
    acts: set[str] = set()
    things: set[str] = set()
    done: set[str] = set()
    states: set[str] = set()
    for tool in tools:
        words = [word.lower() for word in _WORD.findall(tool) if word.lower() not in _IDLE_WORDS]
        kinds = list(_kinds_of(words))
        for kind in kinds:
            verbs.update(kind.verbs.split())
            acts.update(kind.acts.split())
            done.update(kind.done.split())
            states |= _phrases(kind.states)
        things.update(_things_among(words))
        if not kinds:
            verbs.update(words)
    return Deeds(tuple(verbs), frozenset(acts), frozenset(things), frozenset(done), frozenset(states))


def _kinds_of(words: Iterable[str]) -> Iterator[_Kind]:
    """Of a name that cancels or changes, this alone: the rest of the name is what that is done to."""
    kinds = [kind for word in words for kind in _KINDS if _names(word, kind)]
    altering = [kind for kind in kinds if kind.alters]
    yield from altering[:1] or kinds


def _names(word: str, kind: _Kind) -> bool:
    if singular(word) in kind.acts.split():
        return True
    return _begins(word, kind.verbs.split()) or (len(word) > 3 and any(v.startswith(word) for v in kind.verbs.split()))


def _begins(word: str, stems: Iterable[str]) -> bool:
    """`address` does not begin with `add`: after a stem of three letters stand at most three."""
    return any(word.startswith(stem) and (len(stem) > 3 or len(word) <= 6) for stem in stems)


def _things_among(words: Iterable[str]) -> Iterator[str]:
    for word in map(singular, words):
        if not any(_begins(word, kind.verbs.split()) and word not in kind.acts.split() for kind in _KINDS):
            yield word
            for same in _THINGS:
                if word in same.split():
                    yield from same.split()
