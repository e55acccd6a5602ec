"""Dates and times as files have them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from pytest_agent_replay.late import late_pattern

__all__ = ["parse_time", "time_text"]

_TIME = late_pattern(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d\d:?(?:\d\d)?)?)?",
    re.ASCII,
)


def parse_time(text: str) -> datetime:
    """An ISO 8601 date (its first moment) or date-time, such as `2026-02-15T09:12:00Z`; UTC where no offset is given.

    Raises `ValueError` in words for users.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"`{text}` is not an ISO date or time such as 2026-02-15 or 2026-02-15T09:12:00Z")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micro = int((match[7] or "0")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micro, tzinfo=_zone(match[8]))
    except ValueError as error:
        raise ValueError(f"`{text}` is not a date: {error}") from None


def time_text(seconds: float) -> str:
    """Seconds since the epoch as files have them: UTC, with as many digits of a second as there are."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return timezone.utc
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
