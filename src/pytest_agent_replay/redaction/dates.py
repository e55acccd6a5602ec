"""Dates of birth in the forms in which people and programs write them."""

from __future__ import annotations

import re
from datetime import date

from pytest_agent_replay.redaction.lists import listed

__all__ = ["read_date", "rewritten", "written"]

_MONTHS = listed(
    """
    January February March April May June July August September October November December
    """
)
_NUMBERS = {form.lower(): number for number, name in enumerate(_MONTHS, 1) for form in (name, name[:3], name[:4])}

_FORMS = (
    re.compile(r"(?P<y>\d{4})(?P<s>[-/.]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?"),
    re.compile(r"(?P<m>\d{1,2})(?P<s>[/.-])(?P<d>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})"),
    re.compile(r"(?P<d>\d{1,2})(?P<s>[/.-])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})"),
    re.compile(r"(?P<name>[A-Za-z]{3,9})\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})"),
    re.compile(r"(?P<d>\d{1,2})(?:st|nd|rd|th)?\.? (?:of )?(?P<name>[A-Za-z]{3,9})\.?,? (?P<y>\d{4})"),
)


def read_date(text: str) -> date | None:
    """The day that a field holds; None when it holds none. `04/05/1990` is read as Americans write it."""
    for form in _FORMS:
        match = form.fullmatch(text.strip())
        day = _day(match.groupdict()) if match else None
        if day is not None:
            return day
    return None


def _day(parts: dict[str, str]) -> date | None:
    month = _NUMBERS.get(parts["name"].lower(), 0) if parts.get("name") else int(parts["m"])
    year = int(parts["y"])
    if len(parts["y"]) == 2:
        year += 1900 if year > 30 else 2000
    try:
        return date(year, month, int(parts["d"]))
    except ValueError:
        return None


def written(day: date) -> list[str]:
    """All ways to write it, always in the same order; those with a year of two digits are the last."""
    y, m, d = f"{day.year:04}", day.month, day.day
    name, short = _MONTHS[m - 1], _MONTHS[m - 1][:3]
    nth = f"{d}" + ("th" if 10 <= d <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th"))
    ways = [f"{y}{s}{m:02}{s}{d:02}" for s in ("-", "/", ".", "")]
    for s in "/-.":
        ways += [f"{m:02}{s}{d:02}{s}{y}", f"{m}{s}{d}{s}{y}", f"{d:02}{s}{m:02}{s}{y}", f"{d}{s}{m}{s}{y}"]
    for month in (name, short):
        ways += [f"{month} {d}, {y}", f"{month} {d} {y}", f"{month} {nth}, {y}", f"{month} {nth} {y}"]
        ways += [f"{month} {d:02}, {y}", f"{month}. {d}, {y}"]
        ways += [f"{d} {month} {y}", f"{nth} {month} {y}", f"{nth} of {month} {y}", f"{nth} of {month}, {y}"]
        ways += [f"{d:02} {month} {y}", f"{d}. {month} {y}"]
    return [*ways, f"{m:02}/{d:02}/{y[2:]}", f"{m}/{d}/{y[2:]}"]


def rewritten(text: str, made: date) -> str:
    """Another day in the way in which `text` is written, with all digits of the year."""
    day = read_date(text)
    if day is None:
        return text
    bare = text.strip()
    for old, new in zip(written(day)[:-2], written(made), strict=False):
        if bare.casefold().startswith(old.casefold()) and len(old) >= 8:
            return text.replace(bare[: len(old)], new)
    return str(made)
