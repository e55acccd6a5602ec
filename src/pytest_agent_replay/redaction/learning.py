"""Looking through data for what is to be found again in texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.redaction import rules as kinds
from pytest_agent_replay.redaction.contexts import NAMED_ID, SAID_NAME
from pytest_agent_replay.redaction.fields import Fact, Place, place_in, words_of, words_of_account
from pytest_agent_replay.redaction.finding import Finder
from pytest_agent_replay.redaction.known import LEAST_SECRET, Known
from pytest_agent_replay.redaction.personal import emails
from pytest_agent_replay.redaction.pseudonyms import Pseudonyms
from pytest_agent_replay.redaction.spans import is_placeholder, without_overlaps
from pytest_agent_replay.redaction.texts import masked, parsed, values_in

__all__ = ["Learner"]


class Learner:
    """Fills `Known` from JSON values, and from the values that stand in their texts."""

    def __init__(self, finder: Finder, known: Known, pseudonyms: Pseudonyms) -> None:
        self._finder = finder
        self._known = known
        self._pseudonyms = pseudonyms
        self._seen: set[str] = set()

    def learn(self, value: Any, place: Place) -> None:
        """Looks through a value; `place` is where it stands."""
        if isinstance(value, str):
            self._fact(value, place)
            self._text(value, place)
        elif isinstance(value, Mapping):
            self._object(value, place)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.learn(item, place)
        elif isinstance(value, int):
            self._fact(value, place)

    def secret(self, secret: str, kind: str, shape: str = "secret") -> None:
        """A secret that is to be found wherever it stands."""
        is_told = len(secret) >= LEAST_SECRET and not is_placeholder(secret)
        if is_told and self._finder.wanted(kinds.SECRETS, secret):
            self._known.secret(secret, kind, self._pseudonyms.make(shape, secret))

    def _object(self, value: Mapping[Any, Any], place: Place) -> None:
        words: list[str] = []
        for key, item in value.items():
            inner = place_in(value, key, place.field)
            self._text(str(key), Place())
            self.learn(item, inner)
            found = self._finder.fact(item, inner) if isinstance(item, str) else None
            if found is not None and found.shape == "name":
                words += words_of(item)
        self._known.person(words)

    def _fact(self, value: Any, place: Place) -> None:
        found = self._finder.fact(value, place)
        if found is not None:
            self._take(str(value), found)

    def _take(self, text: str, found: Fact) -> None:
        if found.shape == "secret":
            if not self._finder.secrets(masked(text)) and not isinstance(parsed(text), (dict, list)):
                self.secret(text, found.kind)
        elif found.shape == "name":
            self._known.person(words_of(text))
        elif found.shape == "birth date":
            self._known.birth_date(text)
        elif found.shape != "code" and (found.shape != "address" or re.search(r"\d", text)):
            # the name of a town alone says nothing about anybody
            self._known.literal(text, found)
            if found.shape in ("identifier", "email"):
                self._known.person(words_of_account(text.partition("@")[0]), sure=False)

    def _text(self, text: str, place: Place) -> None:
        if len(text) < 4 or text in self._seen:
            return
        self._seen.add(text)
        values = list(values_in(text))
        for value in values:
            self.learn(value, place if len(values) == 1 else Place())
        if values and text[0] in "{[":
            return
        plain = masked(text)
        for span in without_overlaps(self._finder.secrets(plain)):
            # one that is cut by percent-encoding is found whole in the decoded text
            if plain[span.end : span.end + 1] != "%":
                self.secret(text[span.start : span.end], span.kind, span.shape)
        for span in emails(plain) if "@" in plain else ():
            words = words_of_account(text[span.start : span.end].partition("@")[0])
            self._known.person(words if self._finder.wanted(kinds.NAMES, "") else (), sure=False)
        for start, end, found in self._finder.told(plain) if not values else ():
            self._take(text[start:end], found)
        if "name" in plain and self._finder.wanted(kinds.NAMES, ""):
            for match in SAID_NAME.finditer(plain):
                self._known.person(words_of(match["name"]), sure=False)
        for match in NAMED_ID.finditer(plain) if "_" in plain or "." in plain else ():
            self._fact(match["value"], Place("user_id"))
