"""Which expected call is which actual call: a pairing in which as many as possible fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["pair"]

Left = TypeVar("Left")
Right = TypeVar("Right")


def pair(lefts: Sequence[Left], rights: Sequence[Right], fits: Callable[[Left, Right], bool]) -> dict[int, int]:
    """Pairs indexes of `lefts` with indexes of `rights`, each at most once: a largest such pairing (Kuhn's
    algorithm)."""
    partner: dict[int, int] = {}
    possible = [[j for j, right in enumerate(rights) if fits(left, right)] for left in lefts]
    for i in range(len(lefts)):
        _place(i, possible, partner, set())
    return {i: j for j, i in partner.items()}


def _place(i: int, possible: list[list[int]], partner: dict[int, int], tried: set[int]) -> bool:
    for j in possible[i]:
        if j in tried:
            continue
        tried.add(j)
        if j not in partner or _place(partner[j], possible, partner, tried):
            partner[j] = i
            return True
    return False
