"""What agents of Strands have beside tools: a memory, module tools, streams, agents as tools, structured answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("strands")
pytest.importorskip("strands.agent._agent_as_tool", reason="a version without agents as tools")

import pydantic
from strands import Agent, tool
from strands.multiagent import Swarm
from strands.tools.tools import PythonAgentTool
from strands.types.tools import AgentTool

from tests.frameworks import bodies
from tests.frameworks.apps.strands import AGENTS, lookup, model
from tests.frameworks.harness import calls, play, play_for_real, problems, told

LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
ONE_CALL = calls([("lookup", {"order": 1})])
SPEC: Any = {
    "name": "lookup",
    "description": "Looks an order up.",
    "inputSchema": {"json": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}},
}


def an_agent(*tools: Any, **more: Any) -> Any:
    return Agent(model=model, tools=list(tools), callback_handler=None, **more)


def text(content: str, **more: Any) -> list[dict[str, Any]]:
    """A model that says this."""
    return [{"model": "gpt-4o", "content": content, **more}]


def spoken(result: Any, request: int = -1) -> list[tuple[str, Any]]:
    """Role and text of the messages in one request to the model."""
    return [(m["role"], m["content"]) for m in told(result)["requests"][request]]


# -- conversations


def test_turns_are_one_conversation_and_replays_are_another() -> None:
    """The second turn is asked with the first one before it; the agent of the module remembers nothing of it."""
    agent = AGENTS["native"]
    for _ in range(2):
        result = play(
            agent,
            context="Be brief.",
            turns=[
                {"input": "Hello", "llm_responses": text("Good day.")},
                {"input": "Order 1?", "llm_responses": ONE_CALL, "tool_responses": [LOOKUP]},
            ],
        )
        assert [turn.output for turn in result.turns] == ["Good day.", "That is all."]
        asked = told(result)["requests"][1]
        assert [m["role"] for m in asked] == ["system", "user", "assistant", "user"]
        assert "Be brief." in str(asked[0])
    assert agent.messages == []
    assert not agent.system_prompt


class Total(pydantic.BaseModel):
    """An answer with a structure."""

    total: int


def test_a_structured_answer_is_data() -> None:
    """The tool by which the model gives it is none of the outside world."""
    agent = an_agent(lookup, structured_output_model=Total)
    answers = calls([("lookup", {"order": 1})], [("Total", {"total": 7})])[:2]
    result = play(agent, llm_responses=answers, tool_responses=[LOOKUP])
    assert result.turns[0].output == {"total": 7}
    assert problems(result) == []


def test_usage_is_that_of_the_turn() -> None:
    """And not of all turns so far."""
    said = text("Hi.", usage={"input_tokens": 11, "output_tokens": 3})
    turns = [{"input": "Hello", "llm_responses": said}, {"input": "Hello", "llm_responses": said}]
    result = play(an_agent(), turns=turns)
    assert result.trace is not None
    used = [event.payload["usage"] for event in result.trace.of_type("run_completed")]
    assert used == [{"input_tokens": 11, "output_tokens": 3}] * 2


# -- tools


def _module_tool(tool_use: Any, **kwargs: Any) -> Any:
    bodies.ran.append("lookup")
    return {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": "5 EUR"}]}


class Own(AgentTool):
    """A tool of one's own."""

    @property
    def tool_name(self) -> str:
        return "lookup"

    @property
    def tool_spec(self) -> Any:
        return SPEC

    @property
    def tool_type(self) -> str:
        return "own"

    async def stream(self, tool_use: Any, invocation_state: Any, **kwargs: Any) -> Any:
        yield _module_tool(tool_use)


@pytest.mark.parametrize("made", [lambda: PythonAgentTool("lookup", SPEC, _module_tool), Own], ids=["module", "own"])
@pytest.mark.parametrize("recorded", ["5 EUR", {"status": "success", "content": [{"text": "5 EUR"}]}])
def test_tools_that_make_results(made: Any, recorded: Any) -> None:
    """What is recorded is the text of the result, or the result."""
    agent = an_agent(made())
    real = play_for_real(agent, llm_responses=ONE_CALL)
    assert bodies.ran == ["lookup"]
    result = play(agent, llm_responses=ONE_CALL, tool_responses=[{**LOOKUP, "response": recorded}])
    assert bodies.ran == []
    assert told(result) == told(real)
    assert problems(result) == []


def test_a_tool_that_yields() -> None:
    """The last item is its result, and is what is recorded."""

    @tool
    async def report(order: int) -> AsyncIterator[Any]:
        """Reports."""
        bodies.ran.append("report")
        yield "working"
        yield {"total": 5}

    agent, answers = an_agent(report), calls([("report", {"order": 1})])
    real = play_for_real(agent, llm_responses=answers)
    assert bodies.ran == ["report"]
    result = play(agent, llm_responses=answers, tool_responses=[{"tool": "report", "response": {"total": 5}}])
    assert bodies.ran == []
    assert told(result) == told(real)


# -- agents of agents


ASK = calls([("clerk", {"input": "Order 1?"})])


def _with_clerk() -> Any:
    return an_agent(an_agent(lookup, name="clerk").as_tool())


def test_a_sub_agent_runs_when_it_is_not_recorded() -> None:
    """Its own model and its own tools are answered."""
    answers = [ASK[0], *ONE_CALL[:1], *text("It is 5."), ASK[1]]
    result = play(_with_clerk(), llm_responses=answers, tool_responses=[LOOKUP])
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    assert "It is 5." in str(spoken(result)[-1])


def test_a_recorded_sub_agent_does_not_run() -> None:
    """The outermost layer that is recorded answers."""
    result = play(_with_clerk(), llm_responses=ASK, tool_responses=[{"tool": "clerk", "response": "It is 6."}])
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["clerk"]
    assert "It is 6." in str(spoken(result)[-1])


def test_a_handoff_in_a_swarm_is_made() -> None:
    """It needs no recording."""

    async def ask(input: str) -> str:
        swarm = Swarm([an_agent(name="triage"), an_agent(lookup, name="clerk")])
        result = await swarm.invoke_async(input)
        return ", ".join(node.node_id for node in result.node_history)

    handoff = calls([("handoff_to_agent", {"agent_name": "clerk", "message": "Order 1?"})])
    answers = [*handoff, *ONE_CALL]
    result = play(ask, llm_responses=answers, tool_responses=[LOOKUP])
    assert result.turns[0].output == "triage, clerk"
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    assert problems(result) == []


# -- MCP


def test_a_tool_of_a_server_is_answered() -> None:
    """The client runs in a thread of its own; the call has the id that the model gave it."""
    from mcp import StdioServerParameters, stdio_client
    from strands.tools.mcp import MCPClient

    def ask(input: str) -> Any:
        with MCPClient(lambda: stdio_client(StdioServerParameters(command="shop-server"))) as shop:
            return an_agent(*shop.list_tools_sync())(input)

    two = [{**LOOKUP, "call_id": "call_2", "response": "second"}, {**LOOKUP, "call_id": "call_1", "response": "first"}]
    answers = calls([("lookup", {"order": 1}), ("lookup", {"order": 1})])
    shop = {"mcp_servers": {"shop": ["lookup"]}}
    result = play(ask, agent_config=shop, llm_responses=answers, tool_responses=two)
    assert problems(result) == []
    assert {c["channel"] for c in result.tool_calls} == {"mcp"}
    told_of = {m["tool_call_id"]: str(m["content"]) for m in told(result)["requests"][-1] if m["role"] == "tool"}
    assert "first" in told_of["call_1"]
    assert "second" in told_of["call_2"]
