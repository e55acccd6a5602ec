"""A hundred real conversations with the personal data of their customers, where they are at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.redaction import scan
from tests.redaction.harness import redactor

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "tau-bench" / "airline-even-tasks.json"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the real sessions in ../shared/data")

FIELDS = ("first_name", "last_name", "dob", "email", "address1", "address2", "zip", "user_id")


@pytest.fixture(scope="module")
def sessions() -> list[tuple[Any, Any]]:
    """Each conversation as it was, and redacted."""
    transcripts = [session["traj"] for session in json.loads(DATA.read_text("utf-8"))]
    return [(transcript, redactor().clean(transcript)) for transcript in transcripts]


def truth(value: Any) -> Iterator[str]:
    """What the objects of customers and passengers say of them."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            yield from truth(json.loads(value))
        except ValueError:
            return
    elif isinstance(value, list):
        for item in value:
            yield from truth(item)
    elif isinstance(value, dict):
        yield from (value[name] for name in FIELDS if isinstance(value.get(name), str))
        for item in value.values():
            yield from truth(item)


def texts(value: Any) -> Iterator[str]:
    """All texts of a value, names of fields included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def test_no_customer_is_left(sessions: list[tuple[Any, Any]]) -> None:
    """Nothing of what any session says about anybody stands in any redacted one."""
    known = {value for transcript, _ in sessions for value in truth(transcript)}
    assert len(known) > 200
    written = "\n".join(text for _, cleaned in sessions for text in texts(cleaned))
    words = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    assert re.findall(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", written) == []


def test_nothing_else_is_changed(sessions: list[tuple[Any, Any]]) -> None:
    """Flights, prices, reservations, payment methods, times: only words of the customers' data are others."""
    known = {word for transcript, _ in sessions for value in truth(transcript) for word in words_in(value)}
    dates = {"april", "october"} | {str(number) for number in range(1, 32)} | {str(year) for year in range(1940, 2010)}
    changed: set[str] = set()
    for before, after in sessions:
        for old, new in zip(texts(before), texts(after), strict=True):
            pairs = zip(words_in(old), words_in(new), strict=True)
            changed.update(left for left, right in pairs if left != right)
    # customers also try addresses that are in no record
    assert {word for word in changed - known - dates - cities(sessions) if "@" not in word} == set()


def words_in(text: str) -> list[str]:
    """Words, numbers, e-mail addresses and ids, in lower case."""
    return [word.strip(".-").lower() for word in re.findall(r"[\w@.-]+", text)]


def cities(sessions: list[tuple[Any, Any]]) -> set[str]:
    """The towns of all addresses."""
    found = re.findall(r'"city": "([^"]+)", "country"', "\n".join(text for old, _ in sessions for text in texts(old)))
    return {word for city in found for word in words_in(city)}


def test_redacted_sessions_are_quiet(sessions: list[tuple[Any, Any]]) -> None:
    """A second redaction changes nothing, a scan reports nothing."""
    for _, cleaned in sessions[::10]:
        assert redactor().clean(cleaned) == cleaned
        assert list(scan(cleaned)) == []
