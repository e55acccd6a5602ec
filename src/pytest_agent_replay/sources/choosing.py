"""The values of options that choose sessions. All sources understand the same."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta, timezone

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.times import parse_time

__all__ = ["moment", "some"]

_AGO = re.compile(r"(\d+)\s*([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def some(text: str) -> int:
    """How many sessions at most, as the `type` of an option. Raises `ArgumentTypeError`."""
    if not (text.isdecimal() and text.isascii() and int(text) > 0):
        raise ArgumentTypeError(f"`{text}` is no number of sessions")
    return int(text)


def moment(text: str, option: str) -> datetime:
    """A time in UTC, or how long ago (`7d`). Raises `ReplayError`."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return datetime.now(timezone.utc) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return parse_time(text).astimezone(timezone.utc)
    except OverflowError:
        raise ReplayError(f"{option} {text}: that is too long ago") from None
    except ValueError as error:
        raise ReplayError(f"{option}: {error}, nor how long ago, such as 7d or 24h") from None
