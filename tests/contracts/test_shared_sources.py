"""What a run and its recorded original were given is read once for both."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.contracts import Services, grounds
from pytest_agent_replay.contracts.case import SessionView
from pytest_agent_replay.contracts.figures import read_figures
from pytest_agent_replay.contracts.grounds import Grounds, SharedSources
from pytest_agent_replay.contracts.verdict import evaluate, reproduces
from pytest_agent_replay.trace.recorded import recorded_trace
from tests.contracts.session import Run, bind, make_replay

GROUNDED = {"type": "grounded_numbers", "turn": "all"}
SOURCES: list[tuple[str, Any, bool]] = [
    ("the input of turn 1", "From 9:00 on May 20, call 555 123-4567 about HAT069: 12 of us, $4.50 each.", True),
    ("search", {"flights": [{"price": 152, "minutes": 90}, {"price": 103, "minutes": 45}], "seats": "seven"}, False),
    ("search", {"flights": [{"price": 99}], "date": "2024-05-20", "exp": "09/27", "refund_cents": 4599}, False),
    ("book", "{'total': 152, 'growth': 0.37, 'site': 'https://24trends.example'} tomorrow", False),
    ("book", '{"total": -152, "depart": "06:00:00", "arrive": "08:30:00"}', False),
]
ASKED = (
    "152 255 99 103 90 seconds, 90 minutes, 4.50 dollars, 45.99 dollars, $150, 37%, up 0.37, HAT-069, 24, 7, "
    "555 123-4567, 1 555 123-4567, May 20, 20 May 2024, May 21, 09/2027, 9 am, 21:00, 2.5 hours, 12, 13, -152"
)


def session(results: list[dict[str, Any]]) -> SessionView:
    """A session whose recording has one price a turn, and a run of it in which the tool answered `results`."""
    turns = [
        {
            "input": f"What does it cost on day {n}?",
            "tool_responses": [{"tool": "price", "response": {"cost": 100 + n}}],
            "output": f"It costs {100 + n} dollars.",
        }
        for n in range(1, len(results) + 1)
    ]
    replay = make_replay(turns=turns, context="Rules. Nobody pays more than 4711 dollars.")
    run = Run()
    for n, result in enumerate(results, 1):
        run.start(n, f"What does it cost on day {n}?").call("price", result, turn=n)
        run.answer(f"It costs {100 + n} dollars.", turn=n)
    return SessionView(run.trace, replay, Services())


@pytest.mark.parametrize("count", range(1, len(SOURCES) + 1))
def test_sources_that_were_read_one_by_one_ground_what_they_ground_together(count: int) -> None:
    """Every figure is held or not, and every number is from the same place, as if all were added to one."""
    given = [*SOURCES[:count], *SOURCES[:1]]
    together = Grounds()
    for label, value, prose in given:
        together.add(value, label, prose=prose)
    shared = SharedSources().grounds(given)
    readings = [r for figure in read_figures(ASKED) for option in figure.options for r in option]
    assert [shared.holds(r) for r in readings] == [together.holds(r) for r in readings]
    assert list(shared.numbers.items()) == list(together.numbers.items())
    assert [shared.nearest(n) for n in (1.0, 120.0, 500.0)] == [together.nearest(n) for n in (1.0, 120.0, 500.0)]
    assert [shared.listed(n) for n in range(5)] == [together.listed(n) for n in range(5)]


def test_what_other_grounds_read_stays_as_it_was() -> None:
    """Of two sets of sources that share some, each has its own numbers only."""
    shared = SharedSources()
    first, second = shared.grounds(SOURCES[:2]), shared.grounds([SOURCES[1], SOURCES[2]])
    assert 99.0 in second.numbers
    assert 99.0 not in first.numbers
    assert 12.0 not in second.numbers


def test_the_original_rests_on_what_production_was_given() -> None:
    """A tool that answers the run otherwise than production grounds no figure of the other."""
    view = session([{"cost": 101}, {"cost": 777}])
    contract = bind(GROUNDED)
    assert evaluate(contract, view.trace, view.replay, view.services, session=view).outcome == "failed"
    outcome, _ = reproduces(contract, view.replay, view.services, session=view.original())
    assert outcome == "no"


def test_each_text_is_read_once_for_all_turns_of_run_and_original(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that stands in the context is not read anew for each turn, nor for the original."""
    read: list[str] = []

    def reading(text: str) -> Any:
        read.append(text)
        return read_figures(text)

    monkeypatch.setattr(grounds, "read_figures", reading)
    original = session([{}, {}, {}]).original()
    view = SessionView(recorded_trace(original.replay), original.replay, Services(), beside=original)
    for each in (original, view):
        for turn in (1, 2, 3):
            assert 4711.0 in each.grounds(turn).numbers
    assert read.count(str(original.replay.context)) == 1


def test_a_view_given_beside_says_the_same_as_one_alone() -> None:
    """The verdict on the original does not depend on what was judged before it."""
    view = session([{"cost": 1}, {"cost": 2}, {"cost": 3}])
    contract = bind(GROUNDED, {"type": "tool_called", "tool": "price", "turn": "all"})
    alone = reproduces(contract, view.replay, view.services)
    evaluate(contract, view.trace, view.replay, view.services, session=view)
    assert reproduces(contract, view.replay, view.services, session=view.original()) == alone


def test_who_gave_a_value_is_told_apart() -> None:
    """Two tools may answer with the very same object: the nearest figure is from the one that was asked."""
    shared, value = SharedSources(), {"total": 85}
    for tool in ("stock", "orders"):
        assert shared.grounds([(tool, value, False)]).nearest(80) == (85.0, tool)
