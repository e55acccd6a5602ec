"""Patterns that are compiled with their first use."""

from __future__ import annotations

import re

import pytest

from pytest_agent_replay.late import late_pattern


def test_a_late_pattern_finds_what_the_compiled_one_does() -> None:
    """Its methods and attributes are those of the pattern, flags included, the second time as well."""
    late, compiled = late_pattern(r"(a+)b", re.IGNORECASE), re.compile(r"(a+)b", re.IGNORECASE)
    for _ in range(2):
        assert late.findall("xAAb ab") == compiled.findall("xAAb ab")
        assert late.sub("-", "xAAb") == compiled.sub("-", "xAAb")
        assert (late.pattern, late.flags, late.groups) == (compiled.pattern, compiled.flags, compiled.groups)


def test_a_late_pattern_is_compiled_only_when_it_is_used() -> None:
    """A pattern that nobody uses costs nothing, so its mistake comes with the first use."""
    late = late_pattern("(")
    with pytest.raises(re.error):
        late.search("a")
