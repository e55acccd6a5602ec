"""JSON values of calls: made, compared, keyed and told apart."""

from __future__ import annotations

import datetime
import decimal
import enum
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pytest
from pydantic import BaseModel

from pytest_agent_replay.player.values import (
    OPAQUE,
    Text,
    canonical,
    covers,
    differences,
    same,
    short,
    to_json,
    without_paths,
)


class Colour(enum.Enum):
    RED = "red"


class Name(str):
    pass


@dataclass
class Point:
    x: int
    y: Colour


class Order(BaseModel):
    id: str
    at: datetime.date


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ((1, "a"), [1, "a"]),
        ({2, 1}, [1, 2]),
        (b"ab", "ab"),
        (Colour.RED, "red"),
        (datetime.date(2024, 5, 20), "2024-05-20"),
        (decimal.Decimal("4.50"), 4.5),
        (decimal.Decimal("4"), 4),
        (Name("n"), "n"),
        (Point(1, Colour.RED), {"x": 1, "y": "red"}),
        (Order(id="a", at=datetime.date(2024, 1, 2)), {"id": "a", "at": "2024-01-02"}),
        (PurePosixPath("a/b"), "a/b"),
        ({"client": object(), "q": 1}, {"q": 1}),
    ],
)
def test_python_arguments_have_a_json_form(value: Any, expected: Any) -> None:
    """Tuples, sets, enums, dates, decimals, dataclasses and models become the JSON that a recording holds."""
    assert to_json(value) == expected


def test_objects_without_json_form_are_opaque() -> None:
    """An injected client is no argument."""
    assert to_json(object()) is OPAQUE


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (True, 1, False),
        (1, 1.0, True),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
        (Text("1"), 1, True),
        (Text("true"), True, True),
        (Text("False"), False, True),
        (Text("1"), "1", True),
        (None, False, False),
    ],
)
def test_equality_is_that_of_json(left: Any, right: Any, equal: bool) -> None:
    """`true` is not 1, numbers compare by value, wire text by its text; keys agree with equality."""
    assert same(left, right) is equal
    assert same(right, left) is equal
    if not isinstance(left, Text):
        assert (canonical(left) == canonical(right)) is equal


def test_canonical_keys_do_not_depend_on_the_order_of_keys() -> None:
    """Two calls with the same arguments in another order are the same call."""
    assert canonical({"a": 1, "b": [True]}) == canonical({"b": [True], "a": 1})
    assert canonical({"a": True}) != canonical({"a": 1})


def test_subset_matching_is_recursive_in_mappings_and_exact_in_lists() -> None:
    """Every key that is given must be equal; lists must be whole."""
    assert covers({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3})
    assert not covers({"a": {"b": 1}}, {"a": {"c": 2}})
    assert not covers({"a": [1]}, {"a": [1, 2]})
    assert not covers({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]})
    assert covers({"a": 5}, {"a": [Text("5")]})


def test_ignored_arguments_go_by_name_and_by_pointer() -> None:
    """A JSON pointer reaches into mappings and lists."""
    args = {"id": 1, "meta": {"ts": 2, "by": "x"}, "rows": [{"n": 1, "ts": 5}, {"n": 2, "ts": 6}]}
    assert without_paths(args, ["id", "/meta/ts", "/rows/*/ts"]) == {
        "meta": {"by": "x"},
        "rows": [{"n": 1}, {"n": 2}],
    }
    assert args["meta"] == {"ts": 2, "by": "x"}


def test_differences_name_the_field_and_both_values() -> None:
    """A reader sees which field differs without opening the file."""
    found = differences({"a": {"b": 1}, "c": 2, "d": [1, 2]}, {"a": {"b": 2}, "d": [1, 3]})
    assert found == [
        "a.b: recorded 1, called with 2",
        "c: recorded 2, absent in the call",
        "d[1]: recorded 2, called with 3",
    ]
    assert differences({"a": 1}, {"a": 1, "b": 2}, subset=False) == ["b: not recorded, called with 2"]


def test_short_cuts_long_values() -> None:
    """One line, never longer than asked for."""
    assert short({"a": "x" * 500}, 20) == '{"a": "xxxxxxxxxxxx…'
    assert len(short(list(range(1000)), 50)) == 50
