"""Dates of birth in the forms in which people and programs write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from pytest_agent_replay.redaction.lists import listed

__all__ = ["Written", "dates_in", "read_date"]

_MONTHS = listed("January February March April May June July August September October November December")
_NUMBERS = {form.lower(): number for number, name in enumerate(_MONTHS, 1) for form in (name, name[:3], name[:4])}
_MONTH = "(?P<name>" + "|".join(sorted((name.title() for name in _NUMBERS), key=len, reverse=True)) + ")"
_NTH = r"(?P<nth>st|nd|rd|th)?"

_FORMS = tuple(
    re.compile(rf"(?i)(?<![\w.-]){form}(?![\w-])")
    for form in (
        r"(?P<y>\d{4})(?P<s>[-/.]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})",
        r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?=T00:00)",
        r"(?P<m>\d{1,2})(?P<s>[/.-])(?P<d>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})",
        r"(?P<d>\d{1,2})(?P<s>[/.-])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})",
        rf"{_MONTH}\.? (?:the )?(?P<d>\d{{1,2}}){_NTH},? (?P<y>\d{{4}})",
        rf"(?P<d>\d{{1,2}}){_NTH}\.? (?:of )?{_MONTH}\.?,? (?P<y>\d{{4}})",
    )
)


class Written(NamedTuple):
    """A date as it stands in a text."""

    day: date
    match: re.Match[str]

    def rewritten(self, day: date, *, whole_year: bool = False) -> str:
        """Another day, written in the same way; with `whole_year` always with four digits of the year."""
        parts = {"m": self._number("m", day.month), "d": self._number("d", day.day), "y": f"{day.year:04}"}
        if not whole_year and len(self.match["y"]) == 2:
            parts["y"] = parts["y"][2:]
        found = self.match.groupdict()
        if found.get("name"):
            month = _MONTHS[day.month - 1]
            parts["name"] = month if len(found["name"]) > 4 or found["name"].lower() == "may" else month[:3]
        if found.get("nth"):
            parts["nth"] = "th" if 10 <= day.day <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
        return self._with(parts)

    def _number(self, part: str, value: int) -> str:
        width = len(self.match[part]) if self.match.groupdict().get(part) else 0
        return f"{value:02}" if width == 2 else str(value)

    def _with(self, parts: dict[str, str]) -> str:
        places = sorted((self.match.start(name), name) for name in parts if self.match.groupdict().get(name))
        text, last = "", self.match.start()
        for start, name in places:
            text += self.match.string[last:start] + parts[name]
            last = self.match.end(name)
        return text + self.match.string[last : self.match.end()]


def dates_in(text: str) -> Iterator[Written]:
    """The dates of a text; `04/05/1990` is two."""
    for form in _FORMS:
        for match in form.finditer(text):
            day = _day(match.groupdict())
            if day is not None:
                yield Written(day, match)


def read_date(text: str) -> Written | None:
    """The day that a field holds, perhaps with midnight; None when it holds none. `04/05/1990` is read as Americans
    write it."""
    bare = re.sub(r"[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?\Z", "", text.strip())
    return next((written for written in dates_in(bare) if written.match[0] == bare), None)


def _day(parts: dict[str, str]) -> date | None:
    month = _NUMBERS.get(parts["name"].lower(), 0) if parts.get("name") else int(parts["m"])
    year = int(parts["y"])
    if len(parts["y"]) == 2:
        year += 1900 if year > 30 else 2000
    try:
        return date(year, month, int(parts["d"]))
    except ValueError:
        return None
