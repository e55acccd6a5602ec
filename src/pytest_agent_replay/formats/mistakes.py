"""Mistakes that a model's own checks find, each with its place in the data."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticCustomError

__all__ = ["MISTAKES", "PLAIN", "Mistakes"]

PLAIN = {"plain": True}
"""Validation context for data that is known to be JSON, because it was read from a file."""

MISTAKES = "agent_replay_mistakes"
"""The pydantic error type under which they travel; its context holds them as `mistakes`."""


class Mistakes:
    """Collects what is wrong with one model, so that all of it is reported at once."""

    def __init__(self) -> None:
        self._found: list[tuple[tuple[str | int, ...], str]] = []

    def add(self, message: str, *loc: str | int) -> None:
        """`loc` is the place inside of the model: field names as in the file, list indexes."""
        self._found.append((loc, message))

    def include(self, others: Mistakes, *loc: str | int) -> None:
        """Adds those of a part that stands at `loc`."""
        self._found += [((*loc, *inner), message) for inner, message in others._found]

    def raise_any(self) -> None:
        """Raises a `PydanticCustomError` when something was added, to be called inside of a validator."""
        if self._found:
            text = "; ".join(
                f"{'.'.join(map(str, loc))}: {message}" if loc else message for loc, message in self._found
            )
            context: dict[str, Any] = {"mistakes": self._found, "text": text}
            raise PydanticCustomError(MISTAKES, "{text}", context)
