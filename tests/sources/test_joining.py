"""Whatever a source loses of a session, no call gets the outcome of another one, and nothing is lost silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_agent_replay.formats.replay import ToolResponse
from pytest_agent_replay.sources.spans import MISSING
from tests.sources.spans_of import Timeline, asks, built, says, told, user

ARGS = st.fixed_dictionaries({"x": st.sampled_from([1, "1", 2, True, None, [1]])})


@dataclass
class Call:
    """A call as it really was; its outcome has its number."""

    number: int
    name: str
    args: dict[str, Any]
    fails: bool
    is_tried_again: bool
    is_traced: bool
    has_result: bool

    @property
    def outcome(self) -> str:
        return f"{'broken' if self.fails else 'outcome'} {self.number}"


@dataclass
class Loss:
    """What the source does not keep, and what it adds."""

    call_ids: bool
    run_ids: bool
    defaults: bool
    bare: bool
    twice: bool
    children_first: bool


CALLS = st.lists(
    st.builds(
        Call, st.just(0), st.sampled_from("fg"), ARGS, st.booleans(), st.booleans(),
        is_traced=st.integers(0, 4).map(bool), has_result=st.integers(0, 4).map(bool),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
STEPS = st.lists(CALLS, min_size=1, max_size=3)
LOSSES = st.builds(Loss, *[st.booleans()] * 6)


def ids_of(step: list[Call], loss: Loss) -> list[str | None]:
    """Ids that are used again in each step; None where they are lost."""
    return [None if loss.call_ids else f"c{place}" for place in range(len(step))]


def rendered(steps: list[list[Call]], loss: Loss, data: st.DataObject) -> Timeline:
    """The spans of the session."""
    time = Timeline()
    time.agent("?")
    messages = [user("?")]
    for step in steps:
        ids = ids_of(step, loss)
        asked = asks(*[(call_id, call.name, call.args) for call_id, call in zip(ids, step, strict=True)])
        time.model(list(messages), asked)
        for place in data.draw(st.permutations(range(len(step)))):
            ran(time, step[place], ids[place], loss)
        results = [
            told(call_id, f"Error: {call.outcome}" if call.fails else call.outcome)
            for call_id, call in zip(ids, step, strict=True)
        ]
        messages += [asked, *results]
    time.model(list(messages), says("Done"))
    if loss.twice:
        time.spans *= 2
    if loss.children_first:
        time.spans.reverse()
    return time


def ran(time: Timeline, call: Call, call_id: str | None, loss: Loss) -> None:
    """The spans of one call: its tries, as far as they were traced."""
    if not call.is_traced:
        return
    given: dict[str, Any] = {"call_id": None if loss.run_ids else call_id}
    if loss.bare and isinstance(call.args["x"], (int, str)):
        given["bare"], args = call.args["x"], None
    else:
        args = {**call.args, "unit": "eur"} if loss.defaults else call.args
    if call.is_tried_again:
        time.tool(call.name, args, error=("TimeoutError", f"try {call.number}"), **given)
    if call.fails:
        time.tool(call.name, args, error=("ValueError", call.outcome), **given)
    else:
        time.tool(call.name, args, call.outcome if call.has_result else MISSING, **given)


def number_of(response: ToolResponse) -> tuple[int, bool]:
    """Which call an outcome is of, and whether it is that of an earlier try."""
    text = response.error_spec.message if response.error_spec is not None else str(response.response)
    return int(text.rpartition(" ")[2]), text.startswith("try ")


@given(STEPS, LOSSES, st.data())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_call_has_the_outcome_of_another(steps: list[list[Call]], loss: Loss, data: st.DataObject) -> None:
    """Arguments, ids, failures and results are those of the truth, and each call has its recording.

    Equal calls of one answer may be exchanged where nothing tells them apart; the file says so then.
    """
    calls = dict(enumerate((call for step in steps for call in step), 1))
    for number, call in calls.items():
        call.number = number
    ids = {call.number: id_ for step in steps for call, id_ in zip(step, ids_of(step, loss), strict=True)}
    imported = built(rendered(steps, loss, data).trace())
    is_guess = any("equal tool calls" in note for note in imported.notes.guessed)
    found = []
    for response in imported.replay.tool_responses:
        number, is_early = number_of(response)
        call = calls[number]
        assert (response.tool, response.args) == (call.name, call.args)
        assert [type(value) for value in (response.args or {}).values()] == [type(call.args["x"])]
        assert response.call_id in (None, ids[number]) or is_guess
        assert response.is_failure == (is_early or call.fails)
        if not is_early:
            found.append(number)
    assert sorted(found) == sorted(calls) or is_guess
