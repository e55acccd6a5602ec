"""Totals as people write them."""

from __future__ import annotations

import pytest

from tests.contracts.session import Run, judge


@pytest.mark.parametrize(
    "said",
    [
        "{a} and {b} dollars, {total} in all",
        "${a} and ${b}, ${total} in all",
        "{a} and {b} dollars, in total {total}",
        "{a}, and {b} dollars; {total} dollars altogether",
        "**{a}** and **{b} dollars**, together {total} dollars",
        "{a} dollars for the first, {b} dollars for the second: they come to {total} dollars",
    ],
)
@pytest.mark.parametrize(("total", "outcome"), [(175, "passed"), (185, "failed")])
def test_a_total_of_given_figures_is_known_by_its_words(said: str, total: int, outcome: str) -> None:
    """The currency may stand once, behind the last amount; a wrong total is none."""
    text = said.format(a=85, b=90, total=total)
    run = Run().start(1).call("lookup", {"total": 85}, order=17).call("lookup", {"total": 90}, order=18)
    assert judge({"type": "grounded_numbers"}, run.answer(text)).outcome == outcome
