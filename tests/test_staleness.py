"""Recordings that today's tools could not have been called with are reported, with the field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay
from pytest_agent_replay.settings import Settings

ROOT = Path(__file__).parent.parent


@dataclass
class Ticket:
    """What `find_ticket` returns."""

    number: int
    owner: str


def find_ticket(number: int, *, with_history: bool = False, labels: list[str] | None = None) -> Ticket:
    """A tool."""
    raise AssertionError


def anything(first: str, **others: Any) -> Any:
    """A tool that takes what it is given."""
    raise AssertionError


class Desk:
    """Has a tool."""

    def close_ticket(self, number: int, reason: str) -> str:
        """A method."""
        raise AssertionError


def agent(input: str) -> str:
    """Calls nothing: what is stale is known before."""
    return "Done."


def play(
    *responses: dict[str, Any], stale: Any = "report", imported: bool = True, agent: Any = agent, **replay: Any
) -> ReplayResult:
    """Runs it."""
    origin = {"source": {"type": "langsmith", "run_id": "1"}} if imported else {}
    said = {} if "turns" in replay else {"input": "Hi"}
    file = ReplayFile.model_validate({**said, "tool_responses": list(responses), **origin, **replay})
    settings = Settings(stale=stale, llm="recorded")
    return run_replay(Case(file, "stale", ROOT / "stale.replay.yaml", ROOT, agent, settings=settings))


def stale(result: ReplayResult) -> list[str]:
    """What is said of stale recordings, without the beginning that all have."""
    return [note.removeprefix("stale recording: ") for note in result.notes if note.startswith("stale recording: ")]


def ticket(**args: Any) -> dict[str, Any]:
    """A recorded call of `find_ticket`."""
    return {"tool": "find_ticket", "args": args, "response": {"number": 7, "owner": "ada"}}


WHERE = "today's `find_ticket` (tests.test_staleness.find_ticket) cannot be called like this"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"number": 7}, []),
        ({"number": "7", "with_history": True, "labels": ["a"]}, []),
        (
            {"number": 7, "history": True},
            [f"args.history: there is no argument `history`, but `with_history`: {WHERE}"],
        ),
        ({"with_history": True}, [f"args: the required argument `number` is missing: {WHERE}"]),
        (
            {"number": "seven"},
            [f"args.number: Input should be a valid integer, unable to parse string as an integer: {WHERE}"],
        ),
        ({"number": 7, "labels": ["a", 3]}, [f"args.labels[1]: Input should be a valid string: {WHERE}"]),
    ],
)
def test_arguments_against_the_signature(args: dict[str, Any], said: list[str]) -> None:
    """Names, what is required, and types that pydantic would not convert."""
    assert stale(play(ticket(**args))) == [f"tool_responses[0].{each}" for each in said]


def test_who_writes_by_hand_may_leave_arguments_out() -> None:
    """There a recording answers every call that has what it names."""
    assert stale(play(ticket(with_history=True), imported=False)) == []
    assert stale(play(ticket(history=True), imported=False)) != []


def test_open_signatures_and_methods() -> None:
    """`**kwargs` takes any name, and `self` is no argument."""
    assert stale(play({"tool": "anything", "args": {"first": "x", "second": 2}, "response": 1})) == []
    closed = {"tool": "close_ticket", "args": {"number": 1, "why": "x"}, "response": "ok"}
    assert [each.split(": today")[0] for each in stale(play(closed))] == [
        "tool_responses[0].args.why: there is no argument `why`",
        "tool_responses[0].args: the required argument `reason` is missing",
    ]


def test_the_text_of_data_is_held_against_the_classes_as_data() -> None:
    """As transcripts have it: that is what the function returns then."""
    text = json.dumps({"number": 7, "owner": "ada"})
    assert stale(play({**ticket(number=7), "response": text})) == []
    (said,) = stale(play({**ticket(number=7), "response": '{"number": 7}'}))
    assert said.startswith("tool_responses[0].response: owner: ")


class Wanted(BaseModel):
    """The arguments of a tool."""

    number: int


def packed(args: Any, verbose: bool = False) -> str:
    """A tool with one parameter for all."""
    raise AssertionError


def mapped(wanted: dict[str, Any]) -> str:
    """Another one."""
    raise AssertionError


def texted(arguments: str) -> str:
    """A third one."""
    raise AssertionError


def modelled(ctx: Any, wanted: Wanted) -> str:
    """A fourth one."""
    raise AssertionError


def single(number: Any) -> str:
    """A tool with one argument."""
    raise AssertionError


@pytest.mark.parametrize("tool", ["packed", "mapped", "texted", "modelled"])
def test_a_parameter_that_takes_all_arguments_is_not_missed(tool: str) -> None:
    """Such a signature does not name the arguments that a model gives."""
    assert stale(play({"tool": tool, "args": {"number": 7}, "response": "ok"})) == []


def test_one_argument_by_another_name_is_no_parameter_for_all() -> None:
    """Nor is a model that cannot be made of them."""
    for tool in ("single", "modelled"):
        (unknown, *_) = stale(play({"tool": tool, "args": {"nummer": 7}, "response": "ok"}))
        assert unknown.startswith("tool_responses[0].args.nummer: there is no argument `nummer`")


def test_answers_against_the_classes_that_the_tool_returns() -> None:
    """Failures are no answers."""
    old = {**ticket(number=1), "response": {"number": 7, "assignee": "ada"}}
    (said,) = stale(play(old))
    assert said.startswith("tool_responses[0].response: owner: ")
    assert said.endswith("today's `find_ticket` (tests.test_staleness.find_ticket) cannot return this")
    assert (
        stale(play({"tool": "find_ticket", "args": {"number": 1}, "response": {"detail": "gone"}, "status": 404})) == []
    )


def test_it_is_said_where_in_a_session_of_several_turns() -> None:
    """With the turn and the number of the recording."""
    turns = [{"input": "a"}, {"input": "b", "tool_responses": [ticket(number=1), ticket(numbre=2)]}]
    (unknown, missing) = stale(play(turns=turns))
    assert unknown.startswith("turns[1].tool_responses[1].args.numbre: there is no argument `numbre`, but `number`")
    assert missing.startswith("turns[1].tool_responses[1].args: the required argument `number` is missing")


def test_what_becomes_of_it_is_a_setting() -> None:
    """A note, a failure, or nothing."""
    recorded = ticket(number="seven")
    assert play(recorded).outcome == "inconclusive"  # there is no contract
    failed = play(recorded, stale="fail")
    assert failed.outcome == "failed"
    assert failed.reasons[0].startswith("stale recording: tool_responses[0].args.number: ")
    assert stale(play(recorded, stale="ignore")) == []


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city"],
}


def ask(input: str) -> Any:
    """An agent whose model is offered `weather`."""
    import httpx

    tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    body = {"model": "m", "messages": [{"role": "user", "content": input}], "tools": [tool]}
    reply = httpx.post("http://127.0.0.1:9/v1/chat/completions", content=json.dumps(body)).json()
    return reply["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"city": "Bern", "unit": "C"}, []),
        ({"city": "Bern", "unit": "K"}, ["args.unit: 'K' is not one of ['C', 'F']"]),
        ({"town": "Bern"}, ["args.town: there is no argument `town`", "args: 'city' is a required property"]),
    ],
)
def test_arguments_against_the_schema_that_the_model_is_offered(args: dict[str, Any], said: list[str]) -> None:
    """Of whatever framework the tool is."""
    pytest.importorskip("httpx")
    recorded = {"tool": "weather", "args": args, "response": 21}
    found = stale(play(recorded, agent=ask, llm_responses=[{"content": "Warm."}]))
    assert [each.split(": the `weather`")[0] for each in found] == [f"tool_responses[0].{each}" for each in said]
