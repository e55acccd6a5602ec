"""What was found once, and is found again wherever it stands."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import permutations
from urllib.parse import quote, quote_plus

from pytest_agent_replay.redaction import rules
from pytest_agent_replay.redaction.ordinary import AMBIGUOUS, WITH_CAPITAL
from pytest_agent_replay.redaction.spans import Span

__all__ = ["LEAST_SECRET", "Known"]

LEAST_SECRET = 8
"""A shorter one stands in too many texts that have nothing to do with it."""
_LEAST_LITERAL = 5
_SHORT_NAME = 3
"""So short a name is only one with a capital letter."""

_BEFORE_NAME = re.compile(
    r"(?i)(?:\b(?:mr|mrs|ms|miss|dr|prof|hi|hello|hey|dear|thanks|thank you|sorry|welcome|name is|named|i'm|i am|this"
    r"| is|meet|passenger|customer|user|guest|member|client|first name|last name|name)\b[.,:*\s\"'-]{1,6})\Z"
)
_JOINT = re.compile(r"[ ,._-]{1,2}\Z")


class Known:
    """The values that were found, and where they stand in a text."""

    def __init__(self) -> None:
        self.version = 0
        """Grows with each value: what was searched before has to be searched again."""
        self._secrets: dict[str, tuple[str, str]] = {}
        self._literals: dict[str, tuple[str, str, str, str | None]] = {}
        self._names: set[str] = set()
        self._people: set[tuple[str, ...]] = set()
        self._compiled = -1
        self._secret_pattern: re.Pattern[str] | None = None
        self._literal_pattern: re.Pattern[str] | None = None
        self._id_pattern: re.Pattern[str] | None = None
        self._name_pattern: re.Pattern[str] | None = None

    # -- learning

    def secret(self, secret: str, kind: str, made: str) -> None:
        """A secret with its pseudonym, also as it stands in JSON and in URLs."""
        if len(secret) < LEAST_SECRET or secret in self._secrets:
            return
        for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)):
            self._secrets.setdefault(form, (kind, made))
        self.version += 1

    def literal(self, text: str, group: str, kind: str, shape: str, made: str | None = None) -> None:
        """A value that is replaced wherever it stands as a whole, whatever its case."""
        key = _folded(text)
        if len(key) < _LEAST_LITERAL or key in self._literals:
            return
        self._literals[key] = (group, kind, shape, made)
        escaped = _folded(json.dumps(text)[1:-1])
        self._literals.setdefault(escaped, (group, kind, shape, made))
        self.version += 1

    def person(self, words: Iterable[str]) -> None:
        """The words of somebody's name."""
        names = [form for word in words for form in {word.casefold(), _unaccented(word.casefold())}]
        if any(name not in self._names for name in names) or tuple(names) not in self._people:
            self._names.update(names)
            self._people.add(tuple(names))
            self.version += 1

    # -- finding

    def secrets(self, text: str) -> Iterator[Span]:
        """Where secrets stand."""
        self._compile()
        for match in self._secret_pattern.finditer(text) if self._secret_pattern else ():
            kind, made = self._secrets[match[0]]
            yield Span(*match.span(), rules.SECRETS, kind, "secret", made=made)

    def others(self, text: str) -> Iterator[Span]:
        """Where all else stands: whole values, what is made of names, and names."""
        self._compile()
        for match in self._literal_pattern.finditer(text) if self._literal_pattern else ():
            group, kind, shape, made = self._literals[_folded(match[0])]
            yield Span(*match.span(), group, kind, shape, made=made)
        for match in self._id_pattern.finditer(text) if self._id_pattern else ():
            yield Span(*match.span(), rules.NAMES, "names", "identifier")
        if self._name_pattern:
            yield from self._standing_names(text, self._name_pattern)

    def _standing_names(self, text: str, pattern: re.Pattern[str]) -> Iterator[Span]:
        found = [match.span() for match in pattern.finditer(text)]
        sure = {span for span in found if self._is_sure(text[slice(*span)])}
        for index, (start, end) in enumerate(found):
            word = text[start:end]
            if (start, end) in sure or (
                word[0].isupper()
                and (
                    _BEFORE_NAME.search(text, max(0, start - 24), start)
                    or (index > 0 and _JOINT.fullmatch(text, found[index - 1][1], start))
                    or (index + 1 < len(found) and _JOINT.fullmatch(text, end, found[index + 1][0]))
                )
            ):
                yield Span(start, end, rules.NAMES, "names", "name")

    @staticmethod
    def _is_sure(word: str) -> bool:
        name = word.casefold()
        if name in AMBIGUOUS:
            return False
        needs_capital = len(word) <= _SHORT_NAME or name in WITH_CAPITAL
        return not needs_capital or word.istitle() or (word.isupper() and len(word) > 2)

    def _compile(self) -> None:
        if self._compiled == self.version:
            return
        self._compiled = self.version
        self._secret_pattern = _either(self._secrets)
        words = "|".join(re.escape(text).replace(r"\ ", r"\s+") for text in _longest_first(self._literals))
        self._literal_pattern = re.compile(rf"(?i)(?<![^\W_])(?:{words})(?![^\W_])") if words else None
        names = "|".join(map(re.escape, _longest_first(self._names)))
        self._name_pattern = re.compile(rf"(?i)(?<![^\W_])(?:{names})(?![^\W_])") if names else None
        ids = "|".join(dict.fromkeys(form for person in sorted(self._people) for form in _ids(person)))
        self._id_pattern = re.compile(rf"(?i)(?<![^\W_])(?:{ids})(?![^\W_])") if ids else None


def _ids(person: tuple[str, ...]) -> Iterator[str]:
    """Patterns of user names and the like: `mia_li_3668`, `li.mia`, `m.li`, `mia3668`."""
    for first, last in permutations(dict.fromkeys(person), 2):
        if _unaccented(first) != _unaccented(last) and len(first) > 1 and len(last) > 1:
            yield rf"{re.escape(first)}[._-]?{re.escape(last)}(?:[._-]?\d+)?"
            if len(last) > _SHORT_NAME:
                yield rf"{re.escape(first[0])}[._-]{re.escape(last)}(?:[._-]?\d+)?"
                yield rf"{re.escape(first[0])}{re.escape(last)}[._-]?\d+"
    for name in person:
        if len(name) >= _SHORT_NAME and name not in AMBIGUOUS and name not in WITH_CAPITAL:
            yield rf"{re.escape(name)}[._-]?\d{{2,}}"


def _either(texts: Iterable[str]) -> re.Pattern[str] | None:
    forms = _longest_first(texts)
    return re.compile("|".join(map(re.escape, forms))) if forms else None


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=lambda text: (-len(text), text))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _unaccented(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
