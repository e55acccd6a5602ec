"""Long lists of words, written as texts."""

from __future__ import annotations

__all__ = ["listed"]


def listed(text: str) -> list[str]:
    """The words of a text."""
    return text.split()
