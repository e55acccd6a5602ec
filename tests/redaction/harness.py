"""What the tests of redaction share."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.redaction import Redactor, Rules

__all__ = ["KEY", "found_in", "redactor"]

KEY = b"a key for the tests alone"
_FIRST = Redactor(key=KEY, environment={})


def redactor(rules: Rules | None = None, **environment: str) -> Redactor:
    """A new one that knows nothing."""
    return _FIRST.fresh() if rules is None and not environment else Redactor(rules, key=KEY, environment=environment)


def found_in(value: Any, rules: Rules | None = None) -> list[str]:
    """The kinds of what is taken out of a value."""
    each = redactor(rules)
    each.clean(value)
    return list(each.found)
