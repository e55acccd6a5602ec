"""What was found once, and is found again wherever it stands."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import permutations
from urllib.parse import quote, quote_plus

from pytest_agent_replay.redaction import rules
from pytest_agent_replay.redaction.dates import dates_in, read_date
from pytest_agent_replay.redaction.fields import Fact
from pytest_agent_replay.redaction.lists import any_of, lowered
from pytest_agent_replay.redaction.ordinary import AMBIGUOUS, WITH_CAPITAL
from pytest_agent_replay.redaction.spans import Span

__all__ = ["LEAST_SECRET", "Known"]

LEAST_SECRET = 8
"""A shorter one stands in too many texts that have nothing to do with it."""
_LEAST_LITERAL = 5
_SHORT_NAME = 3
"""So short a name is only one with a capital letter."""

_BEFORE_NAME = re.compile(
    r"(?i)(?:\b(?:mr|mrs|ms|miss|dr|prof|hi|hello|hey|dear|thanks|thank you|sorry|welcome|name is|named|i'm|i am"
    r"|this is|meet|passenger|customer|user|guest|member|client|(?:first |last )?name)\b[.,:*\s\"'-]{1,6})\Z"
)
_JOINT = re.compile(r"[ ,._-]{1,2}")


class Known:
    """The values that were found, and where they stand in a text."""

    def __init__(self) -> None:
        self.version = 0
        """Grows with each value: what was searched before has to be searched again."""
        self._secrets: dict[str, tuple[str, str]] = {}
        self._literals: dict[str, Fact] = {}
        self._names: set[str] = set()
        self._unsure: set[str] = set()
        self._births: set[date] = set()
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
        for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret), quote_plus(secret)):
            self._secrets.setdefault(form, (kind, made))
        self.version += 1

    def literal(self, text: str, found: Fact) -> None:
        """A value that is replaced wherever it stands as a whole, whatever its case."""
        key = _folded(text)
        if len(key) < _LEAST_LITERAL or key in self._literals:
            return
        self._literals[key] = found
        escaped = _folded(json.dumps(text)[1:-1])
        self._literals.setdefault(escaped, found)
        self.version += 1

    def birth_date(self, text: str) -> None:
        """A date of birth, to be found however it is written."""
        found = read_date(text)
        if found is not None and found.day not in self._births:
            self._births.add(found.day)
            self.version += 1

    def person(self, words: Iterable[str], *, sure: bool = True) -> None:
        """The words of somebody's name. Not `sure`: they are names where something beside them says so."""
        names = [form for word in words for form in {word.casefold(), _unaccented(word.casefold())}]
        fresh = [name for name in names if name not in self._names or (sure and name in self._unsure)]
        if fresh or tuple(names) not in self._people:
            if sure:
                self._unsure.difference_update(names)
            else:
                self._unsure.update(name for name in names if name not in self._names)
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
        lower = lowered(text)
        for match in self._literal_pattern.finditer(lower) if self._literal_pattern else ():
            if not (match[0].isdigit() and _is_amount(text, *match.span())):
                yield Span(match.start(), match.end(), *self._literals[_folded(match[0])])
        for written in dates_in(text) if any(f"{day.year % 100:02}" in text for day in self._births) else ():
            if written.day in self._births:
                yield Span(*written.match.span(), rules.BIRTH_DATES, rules.BIRTH_DATES, "birth date")
        for match in self._id_pattern.finditer(lower) if self._id_pattern else ():
            yield Span(*match.span(), rules.NAMES, "names", "identifier")
        found = [match.span() for match in self._name_pattern.finditer(lower)] if self._name_pattern else []
        yield from (
            Span(start, end, rules.NAMES, "names", "name")
            for index, (start, end) in enumerate(found)
            if self._is_sure(text[start:end]) or _is_beside(text, found, index)
        )

    def _is_sure(self, word: str) -> bool:
        name = word.casefold()
        if name in AMBIGUOUS or name in self._unsure:
            return False
        needs_capital = len(word) <= _SHORT_NAME or name in WITH_CAPITAL
        return not needs_capital or word.istitle() or (word.isupper() and len(word) > 2)

    def _compile(self) -> None:
        if self._compiled == self.version:
            return
        self._compiled = self.version
        self._secret_pattern = re.compile(any_of(self._secrets)) if self._secrets else None
        self._literal_pattern = _whole(any_of(self._literals, spaces=r"\s+"))
        self._name_pattern = _whole(any_of(self._names))
        self._id_pattern = _whole("|".join(dict.fromkeys(form for each in sorted(self._people) for form in _ids(each))))


def _is_amount(text: str, start: int, end: int) -> bool:
    """Whether a number has a currency before it, or goes on."""
    return text[start - 1 : start] in tuple("$€£#.,") or re.match(r"[.,]\d", text[end : end + 2]) is not None


def _is_beside(text: str, found: list[tuple[int, int]], index: int) -> bool:
    """Whether an ambiguous name is one, because of the name or the word of address that stands beside it."""
    start, end = found[index]
    if not text[start].isupper():
        return False
    if _BEFORE_NAME.search(text, max(0, start - 24), start):
        return True
    before, after = found[index - 1] if index else (0, 0), found[index + 1] if index + 1 < len(found) else (0, 0)
    is_joined = _JOINT.fullmatch(text, before[1], start), _JOINT.fullmatch(text, end, after[0])
    return any(joint and text[other[0]].isupper() for joint, other in zip(is_joined, (before, after), strict=True))


def _whole(pattern: str) -> re.Pattern[str] | None:
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])") if pattern else None


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


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _unaccented(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
