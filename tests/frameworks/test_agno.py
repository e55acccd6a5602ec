"""What agents of Agno have beside tools: sessions, hooks, generators, toolkits, teams, workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("agno", minversion="2.0")

import pydantic
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.exceptions import StopAgentRun
from agno.team import Team
from agno.tools import Toolkit, tool
from agno.workflow import Step, Workflow

from tests.frameworks import bodies
from tests.frameworks.apps.agno import agent, boom, lookup, model
from tests.frameworks.harness import calls, play, play_for_real, problems, told

LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
ONE_CALL = calls([("lookup", {"order": 1})])


def an_agent(*tools: Any, **more: Any) -> Any:
    return Agent(model=model, tools=list(tools), telemetry=False, **more)


def text(content: str, **more: Any) -> list[dict[str, Any]]:
    """A model that says this."""
    return [{"model": "gpt-4o", "content": content, **more}]


def spoken(result: Any, request: int = -1) -> list[tuple[str, Any]]:
    """Role and text of the messages in one request to the model."""
    return [(m["role"], m["content"]) for m in told(result)["requests"][request]]


# -- conversations


TURNS: list[dict[str, Any]] = [
    {"input": "Hello", "llm_responses": text("Good day.")},
    {"input": "Order 1?", "llm_responses": ONE_CALL, "tool_responses": [LOOKUP]},
]


def test_an_agent_without_a_database_is_told_what_was_said() -> None:
    """The second turn is asked with the first one before it, the context once."""
    result = play(agent, context="Be brief.", turns=TURNS)
    assert [turn.output for turn in result.turns] == ["Good day.", "That is all."]
    assert spoken(result, 1) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Good day."),
        ("user", "Order 1?"),
    ]


def test_an_agent_with_a_database_remembers() -> None:
    """The turns are of one session; another replay is another one."""
    remembering = an_agent(lookup, db=InMemoryDb(), add_history_to_context=True)
    for _ in range(2):
        result = play(remembering, turns=TURNS)
        assert [said for role, said in spoken(result, 1) if role != "system"] == ["Hello", "Good day.", "Order 1?"]


class Total(pydantic.BaseModel):
    """An answer with a structure."""

    total: int


def test_a_structured_answer_is_data() -> None:
    """Not the text that it was written in."""
    result = play(an_agent(output_schema=Total), llm_responses=text('{"total": 7}'))
    assert result.turns[0].output == {"total": 7}


def test_usage_is_read() -> None:
    """Token counts of all requests of a run are those of the turn."""
    answers = [{**each, "usage": {"input_tokens": 11, "output_tokens": 3}} for each in ONE_CALL]
    result = play(agent, llm_responses=answers, tool_responses=[LOOKUP])
    assert result.trace is not None
    completed = result.trace.of_type("run_completed")[0]
    assert completed.payload["usage"] == {"input_tokens": 22, "output_tokens": 6}


# -- tools


def test_hooks_run_around_what_is_recorded() -> None:
    """They see the recorded value, and may change it."""

    def twice(function_name: str, function_call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        return [function_call(**arguments)] * 2

    hooked = an_agent(lookup, tool_hooks=[twice])
    real = play_for_real(hooked, llm_responses=ONE_CALL)
    result = play(hooked, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert told(result) == told(real)


ENOUGH = {"type": "agno.exceptions.StopAgentRun", "message": "enough"}


def test_a_tool_may_end_the_run() -> None:
    """By Agno's own exception, also when that is recorded."""

    def lookup(order: int) -> Any:
        raise StopAgentRun("enough")

    stopping = an_agent(lookup)
    real = play_for_real(stopping, llm_responses=ONE_CALL)
    failed = {"tool": "lookup", "error": {**ENOUGH, "attributes": {"stop_execution": True}}}
    result = play(stopping, llm_responses=ONE_CALL[:1], tool_responses=[failed])
    assert told(result) == told(real)
    assert len(told(real)["requests"]) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_tool_that_yields(is_async: bool) -> None:
    """The items of a recorded list are yielded; what is inside of one that is not recorded is answered."""

    def report(order: int) -> Iterator[str]:
        bodies.ran.append("report")
        yield str(bodies.lookup(order)["total"])
        yield " EUR"

    async def report_async(order: int) -> AsyncIterator[str]:
        for item in report(order):
            yield item

    report_tool = tool(name="report")(report_async if is_async else report)
    yielding = an_agent(report_tool)
    answers = calls([("report", {"order": 1})])
    real = play_for_real(yielding, llm_responses=answers)
    assert bodies.ran == ["report", "lookup"]
    result = play(yielding, llm_responses=answers, tool_responses=[{"tool": "report", "response": ["5", " EUR"]}])
    assert bodies.ran == []
    assert told(result) == told(real)


class Shop(Toolkit):
    """Tools that are methods."""

    def __init__(self) -> None:
        super().__init__(name="shop", tools=[self.lookup])

    def lookup(self, order: int) -> dict[str, Any]:
        """Looks an order up."""
        return bodies.lookup(order)


def test_a_toolkit_is_answered() -> None:
    """Its methods are tools as others."""
    result = play(an_agent(Shop()), llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert problems(result) == []


def test_a_tool_is_not_cached(tmp_path: Path) -> None:
    """A replay neither asks the cache of a tool nor leaves anything in it."""
    cached = an_agent(tool(cache_results=True, cache_dir=str(tmp_path))(bodies.lookup))
    for total in (5, 6):
        recorded = {**LOOKUP, "response": {"order": 1, "total": total}}
        result = play(cached, llm_responses=ONE_CALL, tool_responses=[recorded])
        assert str(total) in spoken(result)[-1][1]
        assert problems(result) == []
    assert list(tmp_path.iterdir()) == []


# -- teams and workflows


def _team() -> Any:
    clerk = an_agent(lookup, name="Clerk", id="clerk")
    return Team(members=[clerk], model=model, tools=[boom], telemetry=False)


DELEGATE = calls([("delegate_task_to_member", {"member_id": "clerk", "task": "Order 1?"})])


def test_a_member_of_a_team_runs() -> None:
    """Its model and its tools are answered."""
    answers = [DELEGATE[0], *ONE_CALL[:1], *text("It is 5."), DELEGATE[1]]
    result = play(_team(), llm_responses=answers, tool_responses=[LOOKUP])
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    assert "It is 5." in spoken(result)[-1][1]
    assert result.turns[0].output == "That is all."


def test_a_recorded_delegation_is_served() -> None:
    """Then the member does not run."""
    recorded = [{"tool": "delegate_task_to_member", "response": "It is 6."}]
    result = play(_team(), llm_responses=DELEGATE, tool_responses=recorded)
    assert problems(result) == []
    assert "It is 6." in spoken(result)[-1][1]


def test_a_workflow_is_played() -> None:
    """Its agents' tools are answered."""
    workflow: Any = Workflow(name="orders", steps=[Step(name="look", agent=an_agent(lookup))], telemetry=False)
    result = play(workflow, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert problems(result) == []
    assert result.turns[0].output == "That is all."


# -- MCP


def test_a_tool_of_a_server_is_answered() -> None:
    """By the name that the model knows, with the id that the model gave to the call."""
    pytest.importorskip("mcp")
    from agno.tools.mcp import MCPTools

    async def ask(input: str) -> Any:
        async with MCPTools(command="npx shop-server", transport="stdio") as shop:
            return await an_agent(shop).arun(input)

    two = [{**LOOKUP, "call_id": "call_2", "response": "second"}, {**LOOKUP, "call_id": "call_1", "response": "first"}]
    answers = calls([("lookup", {"order": 1}), ("lookup", {"order": 1})])
    shop = {"mcp_servers": {"shop": ["lookup"]}}
    result = play(ask, agent_config=shop, llm_responses=answers, tool_responses=two)
    assert problems(result) == []
    assert {c["channel"] for c in result.tool_calls} == {"mcp"}
    assert [said for role, said in spoken(result) if role == "tool"] == ["first", "second"]
