"""What AutoGen has beside single tools: agents that remember, teams, handoffs, agents as tools, workbenches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("autogen_agentchat")
pytest.importorskip("autogen_ext.models.openai")

import pydantic
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat, Swarm
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken
from autogen_core.tools import (
    BaseTool,
    FunctionTool,
    StaticWorkbench,
    TextResultContent,
    ToolOverride,
    ToolResult,
    Workbench,
)

from tests.frameworks import bodies
from tests.frameworks.apps.autogen import client, make, tools
from tests.frameworks.harness import calls, play, play_for_real, problems, told

LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
ONE_CALL = calls([("lookup", {"order": 1})])


def text(content: str, **more: Any) -> list[dict[str, Any]]:
    """A model that says this."""
    return [{"model": "gpt-4o", "content": content, **more}]


def spoken(result: Any, request: int = -1) -> list[tuple[str, Any]]:
    """Role and text of the messages in one request to the model."""
    return [(m["role"], m["content"]) for m in told(result)["requests"][request]]


def test_turns_are_one_conversation_and_sessions_are_not() -> None:
    """The agent object remembers within a session; the next session begins anew."""
    agent = make(system_message="You help.")
    turns = [
        {"input": "Hello", "llm_responses": text("Good day.")},
        {"input": "Order 1?", "llm_responses": ONE_CALL, "tool_responses": [LOOKUP]},
    ]
    for _ in range(2):
        result = play(agent, context="Be brief.", turns=turns)
        assert [turn.output for turn in result.turns] == ["Good day.", "That is all."]
        assert spoken(result, 1) == [
            ("system", "You help."),
            ("system", "Be brief."),
            ("user", "Hello"),
            ("assistant", "Good day."),
            ("user", "Order 1?"),
        ]


def test_what_was_said_before_the_first_played_turn_is_told() -> None:
    """A greeting of the assistant comes before the first question."""
    result = play(
        make(system_message=None), turns=[{"output": "Welcome!"}, {"input": "1?", "llm_responses": text("No.")}]
    )
    assert spoken(result) == [("assistant", "Welcome!"), ("user", "1?")]


class Total(pydantic.BaseModel):
    """An answer with a structure."""

    total: int


def test_a_structured_answer_is_data() -> None:
    """Not the text that it was written in."""
    result = play(make(tools=None, output_content_type=Total), llm_responses=text('{"total": 7}'))
    assert result.turns[0].output == {"total": 7}


def test_defaults_of_the_tool_are_recorded_or_not() -> None:
    """An argument that the model left out is what the function takes it for."""
    recorded = {**LOOKUP, "args": {"order": 1, "verbose": False}}
    result = play(make(), llm_responses=ONE_CALL, tool_responses=[recorded])
    assert problems(result) == []
    assert result.unused == []


def test_usage_is_read() -> None:
    """The tokens of all messages are those of the turn."""
    first, last = calls([("lookup", {"order": 1})])
    answers = [
        {**first, "usage": {"input_tokens": 10, "output_tokens": 2}},
        {**last, "usage": {"input_tokens": 11, "output_tokens": 3}},
    ]
    result = play(make(), llm_responses=answers, tool_responses=[LOOKUP])
    assert result.trace is not None
    assert result.trace.of_type("run_completed")[0].payload["usage"] == {"input_tokens": 21, "output_tokens": 5}


def with_expert(**options: Any) -> AssistantAgent:
    """An agent with an agent as its tool."""
    expert = AssistantAgent("expert", client, tools=tools, description="Knows orders.", max_tool_iterations=3)
    return make(tools=[AgentTool(expert, **options)])


def test_an_agent_as_a_tool_runs_and_its_tools_are_answered() -> None:
    """Its model is asked, and its tool is answered; it remembers nothing of the session before."""
    first, last = calls([("expert", {"task": "order 1"})])
    agent = with_expert()
    for _ in range(2):
        result = play(agent, llm_responses=[first, *ONE_CALL, last], tool_responses=[LOOKUP])
        assert bodies.ran == []
        assert [call["tool"] for call in result.tool_calls] == ["lookup"]
        assert problems(result) == []
        assert [role for role, _ in spoken(result, 1)] == ["system", "user"]


@pytest.mark.parametrize(
    ("options", "told_text"), [({}, "expert: 5 in total"), ({"return_value_as_last_message": True}, "5 in total")]
)
def test_an_agent_as_a_tool_that_is_recorded_does_not_run(options: Any, told_text: str) -> None:
    """The model is told what the model was told, with the name of the agent where AutoGen writes it."""
    for recorded in ("5 in total", told_text):
        response = {"tool": "expert", "args": {"task": "order 1"}, "response": recorded}
        asked = calls([("expert", {"task": "order 1"})])
        result = play(with_expert(**options), llm_responses=asked, tool_responses=[response])
        assert problems(result) == []
        assert spoken(result)[-1] == ("tool", told_text)


def test_a_team_plays_one_session_after_the_other() -> None:
    """It begins each as new; the answer is what was said last."""
    team = RoundRobinGroupChat(
        [make(), AssistantAgent("checker", client)], termination_condition=MaxMessageTermination(3)
    )
    for _ in range(2):
        result = play(team, llm_responses=[*ONE_CALL, *text("Checked.")], tool_responses=[LOOKUP])
        assert problems(result) == []
        assert result.turns[0].output == "Checked."
        assert bodies.ran == []


@pytest.mark.parametrize("recorded", [False, True])
def test_handoffs_pass(recorded: bool) -> None:
    """They are no tools of the outside; a recording of one counts as served."""
    desk = AssistantAgent("desk", client, handoffs=[Handoff(target="expert")])
    expert = AssistantAgent("expert", client, tools=tools, max_tool_iterations=3)
    handoff = {"tool": "transfer_to_expert", "args": {}, "response": "Transferred to expert."}
    result = play(
        Swarm([desk, expert], termination_condition=TextMentionTermination("That is all.")),
        llm_responses=[calls([("transfer_to_expert", {})])[0], *ONE_CALL],
        tool_responses=[LOOKUP, *([handoff] if recorded else [])],
    )
    assert problems(result) == []
    assert result.unused == []
    assert bodies.ran == []


class Order(pydantic.BaseModel):
    """What a tool of its own class is given."""

    order: int
    currency: str = "EUR"


class Sum(pydantic.BaseModel):
    """And what it returns."""

    order: int
    total: int


class OwnTool(BaseTool[Order, Sum]):
    """A tool that is no function."""

    def __init__(self) -> None:
        super().__init__(Order, Sum, "lookup", "Looks an order up.")

    async def run(self, args: Order, cancellation_token: CancellationToken) -> Sum:
        """Runs for real."""
        return Sum(**bodies.lookup(args.order))


def typed(order: int) -> Sum:
    """Looks an order up."""
    return Sum(**bodies.lookup(order))


@pytest.mark.parametrize("given", [OwnTool(), FunctionTool(typed, "Looks up.", name="lookup")], ids=["class", "typed"])
def test_results_have_the_type_of_the_tool(given: Any) -> None:
    """AutoGen writes a model as JSON, and a mapping as Python does."""
    real = play_for_real(make(tools=[given]), llm_responses=ONE_CALL)
    result = play(make(tools=[given]), llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert told(result) == told(real)
    assert result.tool_calls[0]["args"] == {"order": 1}
    assert result.tool_calls[0]["call_id"] == "call_1"


@pytest.mark.parametrize("recorded", ["find_order", "lookup"])
def test_a_tool_is_known_by_the_name_that_the_model_sees(recorded: str) -> None:
    """Or by its own, where only that is recorded."""
    bench = StaticWorkbench(tools, tool_overrides={"lookup": ToolOverride(name="find_order")})
    asked = calls([("find_order", {"order": 1})])
    agent = make(tools=None, workbench=bench)
    result = play(agent, llm_responses=asked, tool_responses=[{**LOOKUP, "tool": recorded}])
    assert problems(result) == []
    assert [call["tool"] for call in result.tool_calls] == [recorded]
    assert bodies.ran == []


class Remote(Workbench):
    """A workbench without tools of its own."""

    async def list_tools(self) -> Any:
        """What the server has."""
        return [tools[0].schema]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Asks the server."""
        bodies.ran.append(name)
        return ToolResult(name=name, result=[TextResultContent(content='{"order": 1, "total": 5}')])

    start = stop = reset = save_state = load_state = lambda self, *args: _nothing()  # type: ignore[assignment]


async def _nothing() -> None:
    return None


def test_a_workbench_without_tools_is_answered_itself() -> None:
    """As the workbench of an MCP server."""
    agent = make(tools=None, workbench=Remote())
    real = play_for_real(agent, llm_responses=ONE_CALL)
    result = play(agent, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert told(result) == told(real)
    assert [(c["tool"], c["call_id"], c["channel"]) for c in result.tool_calls] == [("lookup", "call_1", "autogen")]


@pytest.mark.parametrize("is_workbench", [True, False])
@pytest.mark.parametrize("is_failed", [True, False])
def test_tools_of_an_mcp_server_are_answered_without_it(is_workbench: bool, is_failed: bool) -> None:
    """By the name and the id that the model knows; a failure is told by its text."""
    mcp = pytest.importorskip("autogen_ext.tools.mcp", exc_type=ImportError)
    server = mcp.StdioServerParams(command="no-such-server", args=[])

    async def ask(input: str) -> Any:
        if is_workbench:
            async with mcp.McpWorkbench(server) as bench:
                return await make(tools=None, workbench=bench).run(task=input)
        return await make(tools=await mcp.mcp_server_tools(server)).run(task=input)

    result = play(
        ask,
        agent_config={"tools": [{"name": "find", "inputSchema": {"properties": {"query": {"type": "string"}}}}]},
        llm_responses=calls([("find", {"query": "x"})]),
        tool_responses=[{"tool": "find", "args": {"query": "x"}, "error" if is_failed else "response": "gone"}],
    )
    assert problems(result) == []
    assert [(c["tool"], c["call_id"], c["failed"]) for c in result.tool_calls] == [("find", "call_1", is_failed)]
    role, content = spoken(result)[-1]
    assert role == "tool"
    assert "gone" in content


def test_spans_of_tools_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrumented agent makes them for recorded calls too."""
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    from autogen_core._telemetry import _genai
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(_genai.trace, "get_tracer", lambda *args, **kwargs: provider.get_tracer("test"))
    play(make(), llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert "execute_tool lookup" in [span.name for span in exporter.get_finished_spans()]
