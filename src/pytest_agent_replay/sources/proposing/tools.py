"""What the name of a tool tells: whether it reads or changes something, and which words stand for it in an answer."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Kind", "hands_over", "kind_of", "may_change", "stems_of", "words_of"]

Kind = Literal["reads", "changes", "unknown"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ROUTE = re.compile(r"(?:(?P<method>[A-Z]+)\s+)?(?:[a-z][a-z0-9+.-]*:/)?(?P<path>/\S*)")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READS = _words(
    "get list search find lookup look read fetch query check calculate calc compute think verify validate describe"
    " show view count retrieve load browse is has estimate convert summarize summarise translate classify analyze"
    " analyse compare predict select inspect scan parse format extract explain detect measure monitor preview"
    " simulate ping"
)
_CHANGES = _words(
    "cancel send create delete remove add update modify edit pay submit approve place reschedule assign close resolve"
    " escalate notify write insert upsert save upload publish deploy grant revoke reset activate deactivate enable"
    " disable subscribe unsubscribe register apply replace rename void debit withdraw deposit buy sell purchase"
    " reserve archive ban unban unblock unlock renew extend waive initiate execute process enroll confirm reject"
    " dispatch install uninstall append merge commit push rebook upgrade downgrade forward reply"
    " pause resume suspend terminate reinstate restore redeem invite allocate authorize authorise adjust increase"
    " decrease clear connect disconnect unlink donate deliver swap restock replenish invalidate refuse deny accept"
)
_EITHER = _words(
    "book issue refund transfer charge credit exchange return order schedule record log report post ship move set"
    " change file email mail call put patch open start stop trigger block lock schedule restart request switch run"
    " make do mark tag hold capture checkout"
)
"""Verbs that are nouns as well: `refund_order`, but `refund_status`."""
_HINTS = _words(
    "claim bill invoice flag link sign offer rent lease share reservation cancellation payment purchase removal"
    " registration subscription withdrawal delivery shipment renewal"
)
"""Words beside verbs that tell of a change, though not whether the tool makes it."""
_THINGS_READ = _words(
    "status details detail info information history balance policy price prices rate rates list count summary fee fees"
    " quote quotes score options availability lookup search id number report reports limits"
)
_OVER = re.compile(r"(?:human|agent|operator|supervisor|representative|hand_?(?:off|over)|escalat)", re.IGNORECASE)
_SHORTEST_STEM = 4
_FILLERS = frozenset({"tool", "function", "with", "from", "into", "call", "data", "https", "http", "post"})


def words_of(name: str) -> list[str]:
    """The words of a name, small: `issueRefund`, `issue_refund` and `issue-refund` are `issue`, `refund`."""
    return [word.lower() for word in _WORD.findall(name)]


def kind_of(name: str) -> Kind:
    """Whether a tool changes something, as far as its name (or the method of its route) says."""
    route = _ROUTE.fullmatch(name)
    if route:
        return _kind_of_route(route["method"], words_of(route["path"]))
    return _kind_of_words(words_of(name))


def _kind_of_route(method: str | None, words: list[str]) -> Kind:
    if method in _SAFE_METHODS:
        return "reads"
    if method is None or method == "ANY":
        return "unknown"
    return "reads" if words and words[-1] in _READS else "changes"


def _kind_of_words(words: list[str]) -> Kind:
    if not words:
        return "unknown"
    first, last = words[0], words[-1]
    if first in _READS:
        return "reads"
    if first in _CHANGES:
        return "changes"
    if last in _THINGS_READ or last in _READS:
        return "reads"
    if last in _CHANGES:
        return "changes"
    if first in _EITHER and len(words) > 1:
        return "changes"
    # behind the name of a server or a system: `crm_update_contact`
    verb = next((word for word in words if word in _READS or word in _CHANGES), None)
    return "unknown" if verb is None else "reads" if verb in _READS else "changes"


def may_change(name: str) -> bool:
    """Whether the name of a tool that does not read hints at a change anywhere: also `refund`, `seat_booking`."""
    kind = kind_of(name)
    return kind == "changes" or (kind == "unknown" and any(map(_is_change, words_of(name))))


def _is_change(word: str) -> bool:
    bare = word.removesuffix("ing")
    return any(form in _CHANGES | _EITHER | _HINTS for form in (word, bare, f"{bare}e"))


def hands_over(name: str) -> bool:
    """Whether the tool gives the conversation to somebody else."""
    return _OVER.search(name) is not None


def stems_of(name: str) -> frozenset[str]:
    """How the words of a name begin, so that `cancel_reservation` is found in "your reservation is cancelled"."""
    words = (word for word in words_of(name) if len(word) >= _SHORTEST_STEM and word not in _FILLERS)
    return frozenset(word[: max(_SHORTEST_STEM, len(word) - 2)] for word in words)
