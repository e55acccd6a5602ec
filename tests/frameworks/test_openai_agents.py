"""What agents of the OpenAI Agents SDK have beside tools: handoffs, agents as tools, hand-made tools, traces."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
from typing import Any

import pytest

pytest.importorskip("agents")

import pydantic
from agents.tracing.processors import BackendSpanExporter, BatchTraceProcessor

import agents
from agents import (
    Agent,
    FunctionTool,
    OpenAIResponsesModel,
    RunContextWrapper,
    Runner,
    function_tool,
)
from pytest_agent_replay.errors import AgentError
from pytest_agent_replay.llm.reading import content_text
from tests.frameworks import bodies
from tests.frameworks.apps.openai_agents import boom, chat, client, lookup, responses
from tests.frameworks.harness import calls, play, play_for_real, problems, told

LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
BOOM = {"tool": "boom", "error": {"type": "ValueError", "message": "broken: now"}}
ONE_CALL = calls([("lookup", {"order": 1})])
MODEL = OpenAIResponsesModel(model="gpt-4o", openai_client=client)


def an_agent(*tools: Any, **more: Any) -> Any:
    return Agent(name="assistant", model=MODEL, tools=list(tools), **more)


def text(content: str, **more: Any) -> list[dict[str, Any]]:
    """A model that says this."""
    return [{"model": "gpt-4o", "content": content, **more}]


def spoken(result: Any, request: int = -1) -> list[tuple[str, Any]]:
    """Role and text of the messages in one request to the model."""
    return [(m["role"], content_text(m["content"])) for m in told(result)["requests"][request]]


# -- conversations


@pytest.mark.parametrize("agent", [responses, chat], ids=["responses", "chat"])
def test_turns_are_one_conversation(agent: Any) -> None:
    """The second turn is asked with the first one before it, the context once."""
    result = play(
        agent,
        context="Be brief.",
        turns=[
            {"input": "Hello", "llm_responses": text("Good day.")},
            {"input": "Order 1?", "llm_responses": ONE_CALL, "tool_responses": [LOOKUP]},
            {"input": "Thanks", "llm_responses": text("Bye.")},
        ],
    )
    assert [turn.output for turn in result.turns] == ["Good day.", "That is all.", "Bye."]
    assert spoken(result, 1) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Good day."),
        ("user", "Order 1?"),
    ]
    assert [role for role, _ in spoken(result)] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert problems(result) == []


def test_what_was_said_before_the_first_played_turn_is_told() -> None:
    """A greeting of the assistant comes before the first question."""
    result = play(responses, turns=[{"output": "Welcome!"}, {"input": "Order 1?", "llm_responses": text("No idea.")}])
    assert spoken(result) == [("assistant", "Welcome!"), ("user", "Order 1?")]


def test_input_may_be_items() -> None:
    """They are put as they are."""
    said = [{"role": "user", "content": "Hello"}, {"role": "user", "content": "Order 1?"}]
    result = play(responses, input=said, llm_responses=text("No idea."))
    assert spoken(result) == [("user", "Hello"), ("user", "Order 1?")]


def test_input_of_another_kind_is_an_error() -> None:
    """What the agent would make of it is not guessed."""
    with pytest.raises(AgentError, match="takes text or a list of items"):
        play(responses, input={"order": 1}, llm_responses=text("No idea."))


def test_instructions_can_be_overridden() -> None:
    """For this session: the agent of the module stays as it is."""
    result = play(responses, overrides={"instructions": "Be rude."}, llm_responses=text("No."))
    assert spoken(result)[0] == ("system", "Be rude.")
    assert responses.instructions is None


class Total(pydantic.BaseModel):
    """An answer with a structure."""

    total: int


def test_a_structured_answer_is_data() -> None:
    """Not the text that it was written in."""
    result = play(an_agent(output_type=Total), llm_responses=text('{"total": 7}'))
    assert result.turns[0].output == {"total": 7}


def test_usage_is_read() -> None:
    """Token counts of all requests of a run are those of the turn."""
    answers = [{**each, "usage": {"input_tokens": 11, "output_tokens": 3}} for each in ONE_CALL]
    result = play(responses, llm_responses=answers, tool_responses=[LOOKUP])
    assert result.trace is not None
    completed = result.trace.of_type("run_completed")[0]
    assert completed.payload["usage"] == {"input_tokens": 22, "output_tokens": 6}


# -- handoffs


def _triage() -> tuple[Any, Any]:
    billing: Any = Agent(name="Billing", model=MODEL, tools=[lookup], instructions="You do bills.")
    triage: Any = Agent(name="Triage", model=MODEL, handoffs=[billing], instructions="You do nothing.")
    billing.handoffs = [billing]
    return triage, billing


TWICE_THEN_LOOKUP = calls([("transfer_to_billing", {})], [("transfer_to_billing", {})], [("lookup", {"order": 1})])


def test_a_handoff_is_made() -> None:
    """It needs no recording; the agent that took over has its tools answered, and is asked in the next turn."""
    triage, _ = _triage()
    result = play(
        triage,
        turns=[
            {"input": "Go", "llm_responses": TWICE_THEN_LOOKUP, "tool_responses": [LOOKUP]},
            {"input": "And now?", "llm_responses": text("Bye.")},
        ],
    )
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    assert [spoken(result, n)[0][1] for n in (0, -1)] == ["You do nothing.", "You do bills."]


def test_a_recorded_handoff_is_served() -> None:
    """It is a call of the trace, and made all the same."""
    triage, _ = _triage()
    recorded = [{"tool": "transfer_to_billing", "response": {"assistant": "Billing"}}, LOOKUP]
    result = play(triage, llm_responses=TWICE_THEN_LOOKUP, tool_responses=recorded)
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["transfer_to_billing", "transfer_to_billing", "lookup"]
    assert result.unused == []
    assert spoken(result)[0] == ("system", "You do bills.")


# -- agents as tools


def _with_sub_agent() -> Any:
    clerk: Any = Agent(name="Clerk", model=MODEL, tools=[lookup], instructions="You look up.")
    return an_agent(clerk.as_tool("ask_clerk", "Asks the clerk."))


ASK = calls([("ask_clerk", {"input": "Order 1?"})])


def test_a_sub_agent_runs_when_it_is_not_recorded() -> None:
    """Its own model and its own tools are answered."""
    answers = [ASK[0], *ONE_CALL[:1], *text("It is 5."), ASK[1]]
    result = play(_with_sub_agent(), llm_responses=answers, tool_responses=[LOOKUP])
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    assert spoken(result)[-1] == ("tool", "It is 5.")


def test_a_recorded_sub_agent_does_not_run() -> None:
    """The outermost layer that is recorded answers."""
    recorded = [{"tool": "ask_clerk", "args": {"input": "Order 1?"}, "response": "It is 6."}]
    result = play(_with_sub_agent(), llm_responses=ASK, tool_responses=recorded)
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["ask_clerk"]
    assert spoken(result)[-1] == ("tool", "It is 6.")


# -- tools


async def _hand_made(context: Any, arguments: str) -> Any:
    bodies.ran.append("lookup")
    given = json.loads(arguments)
    if given["order"] < 0:
        raise ValueError("no such order")
    return {"order": given["order"], "total": 5}


HAND_MADE = FunctionTool(
    name="lookup",
    description="Looks an order up.",
    params_json_schema={"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
    on_invoke_tool=_hand_made,
    strict_json_schema=False,
)


def test_a_hand_made_tool_is_answered() -> None:
    """The model is told what the tool returns."""
    agent = an_agent(HAND_MADE)
    real = play_for_real(agent, llm_responses=ONE_CALL)
    assert bodies.ran == ["lookup"]
    result = play(agent, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert told(result) == told(real)
    assert result.tool_calls[0]["args"] == {"order": 1}


def test_a_failing_hand_made_tool_ends_the_run() -> None:
    """As it does when it really fails."""
    agent, answers = an_agent(HAND_MADE), calls([("lookup", {"order": -1})])
    real = play_for_real(agent, llm_responses=answers)
    failed = {"tool": "lookup", "error": {"type": "ValueError", "message": "no such order"}}
    result = play(agent, llm_responses=answers, tool_responses=[failed])
    assert bodies.ran == []
    assert result.turns[0].error == real.turns[0].error
    assert "no such order" in str(real.turns[0].error)


def _say(context: Any, error: Exception) -> str:
    return f"Sorry: {type(error).__name__}: {error}"


@pytest.mark.parametrize("failure", [_say, None], ids=["text", "raise"])
@pytest.mark.parametrize("call", [("boom", {"text": "now"}), ("boom", {"text": 7})], ids=["error", "arguments"])
def test_the_tools_own_failure_function_decides(failure: Any, call: Any) -> None:
    """What it says of an error, or that it lets the run end, also for arguments that validation refuses."""
    agent, answers = an_agent(function_tool(failure_error_function=failure)(bodies.boom)), calls([call])
    real = play_for_real(agent, llm_responses=answers)
    result = play(agent, llm_responses=answers, tool_responses=[BOOM])
    assert bodies.ran == []
    assert told(result) == told(real)


@pytest.mark.skipif("timeout" not in inspect.signature(function_tool).parameters, reason="tools have no timeout")
def test_a_timeout_of_a_tool_fires_without_waiting() -> None:
    """A recorded call that took longer than the SDK waits."""

    @function_tool(timeout=5)
    async def lookup(order: int) -> dict[str, Any]:
        return bodies.lookup(order)

    result = play(an_agent(lookup), llm_responses=ONE_CALL, tool_responses=[{**LOOKUP, "latency_ms": 8000}])
    assert "timed out after 5" in spoken(result)[-1][1]
    assert bodies.ran == []


class Order(pydantic.BaseModel):
    """An argument and a result with a structure."""

    number: int
    urgent: bool = False


def test_values_have_the_types_of_the_tool() -> None:
    """Arguments are compared with what the model wrote and what the tool adds; the result is of the annotated type."""
    seen = []

    @function_tool(strict_mode=False)
    def place(context: RunContextWrapper[Any], order: Order, note: str = "none") -> Order:
        seen.append(order)
        return order

    agent, answers = an_agent(place), calls([("place", {"order": {"number": 7}})])
    real = play_for_real(agent, llm_responses=answers)
    recorded = {
        "tool": "place",
        "args": {"order": {"number": 7}, "note": "none"},
        "response": {"number": 7, "urgent": False},
    }
    result = play(agent, llm_responses=answers, tool_responses=[recorded])
    assert seen == [Order(number=7)]
    assert told(result) == told(real)
    assert result.tool_calls[0]["args"] == {"order": {"number": 7}}
    assert problems(result) == []


@pytest.mark.skipif("needs_approval" not in FunctionTool.__dataclass_fields__, reason="tools need no approval")
def test_a_policy_of_approval_is_asked() -> None:
    """The SDK compares the tool's function before and after it; what needs an approval ends the run without a call."""

    async def policy(context: Any, args: dict[str, Any], call_id: str) -> bool:
        return bool(args["order"] == 2)

    agent = an_agent(function_tool(needs_approval=policy)(bodies.lookup))
    result = play(agent, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    result = play(agent, llm_responses=calls([("lookup", {"order": 2})]))
    assert result.turns[0].output is None
    assert bodies.ran == []
    assert result.tool_calls == []


def test_a_guardrail_asks_its_own_model() -> None:
    """A tripped one ends the run as it does in production."""

    @agents.input_guardrail
    async def is_polite(context: Any, agent: Any, input: Any) -> Any:
        said = await Runner.run(an_agent(instructions="Is it polite?"), input)
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=said.final_output == "no")

    result = play(an_agent(input_guardrails=[is_polite]), llm_responses=[*text("no"), *text("no")])
    assert "InputGuardrailTripwireTriggered" in str(result.turns[0].error)


def test_what_is_made_in_a_replay_is_whole_afterwards() -> None:
    """Tools that are made, copied and changed there are answered there, and call their own functions later."""
    made: list[Any] = []

    async def agent(input: str) -> Any:
        made.append(function_tool(bodies.lookup))
        made.append(copy.copy(made[0]))
        made.append(dataclasses.replace(made[0]))
        made.append(dataclasses.replace(HAND_MADE))
        return [(await Runner.run(an_agent(tool), input)).final_output for tool in made]

    result = play(agent, llm_responses=[*ONE_CALL * 4], tool_responses=[LOOKUP])
    assert result.turns[0].output == ["That is all."] * 4
    assert bodies.ran == []
    assert problems(result) == []
    for tool in made:
        real = getattr(tool.on_invoke_tool, "_invoke_tool_impl", tool.on_invoke_tool)
        assert not real.__globals__["__name__"].startswith("pytest_agent_replay")


def test_a_tool_is_what_it_was_outside_of_a_replay() -> None:
    """Its function is its own, in a replay it is one and the same."""
    own = boom.on_invoke_tool
    seen: list[Any] = []

    def agent(input: str) -> str:
        seen.extend([boom.on_invoke_tool, boom.on_invoke_tool])
        return "done"

    play(agent)
    assert seen[0] is seen[1]
    assert seen[0] is not own
    assert boom.on_invoke_tool is own


# -- MCP


def _of_server(model: Any = None, **config: Any) -> Any:
    """An agent that connects to a server, which a replay does not start."""
    from agents.mcp import MCPServerStdio

    async def agent(input: str) -> Any:
        async with MCPServerStdio(params={"command": "shop-server", "args": []}, name="shop") as server:
            agent: Any = Agent(name="assistant", model=MODEL, mcp_servers=[server], **config)
            return await Runner.run(agent, input)

    return agent


SHOP = {"mcp_servers": {"shop": ["lookup"]}}


def test_a_tool_of_a_server_is_answered() -> None:
    """The result is converted as that of a server; the call has the id that the model gave it."""
    two = [{**LOOKUP, "call_id": "call_2", "response": "second"}, {**LOOKUP, "call_id": "call_1", "response": "first"}]
    answers = calls([("lookup", {"order": 1}), ("lookup", {"order": 1})])
    result = play(_of_server(), agent_config=SHOP, llm_responses=answers, tool_responses=two)
    assert problems(result) == []
    assert ["first" in said for role, said in spoken(result) if role == "tool"] == [True, False]
    assert {c["channel"] for c in result.tool_calls} == {"mcp"}


def test_a_failing_tool_of_a_server_is_a_result() -> None:
    """The model is told of it."""
    failed = {"tool": "lookup", "error": {"message": "no such order"}}
    result = play(_of_server(), agent_config=SHOP, llm_responses=ONE_CALL, tool_responses=[failed])
    assert "no such order" in spoken(result)[-1][1]
    assert [turn.output for turn in result.turns] == ["That is all."]


@pytest.mark.skipif(
    "in_tool_names" not in inspect.getsource(agents.agent), reason="the names of servers are not in those of tools"
)
@pytest.mark.parametrize("recorded_as", ["lookup", "mcp_shop__lookup"])
def test_the_name_with_the_server_and_without(recorded_as: str) -> None:
    """Either may be recorded."""
    agent = _of_server(mcp_config={"include_server_in_tool_names": True})
    answers = calls([("mcp_shop__lookup", {"order": 1})])
    result = play(agent, agent_config=SHOP, llm_responses=answers, tool_responses=[{**LOOKUP, "tool": recorded_as}])
    assert problems(result) == []
    assert [c["tool"] for c in result.tool_calls] == [recorded_as]


# -- traces


class _Kept(agents.TracingProcessor):
    """Keeps the names of what ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def on_trace_start(self, trace: Any) -> None: ...
    def on_trace_end(self, trace: Any) -> None: ...
    def on_span_start(self, span: Any) -> None: ...
    def shutdown(self) -> None: ...
    def force_flush(self) -> None: ...

    def on_span_end(self, span: Any) -> None:
        self.ended.append(span.span_data.type)


def test_traces_go_to_processors_but_not_to_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of a replayed tool are made; the SDK's own exporter gets none of them."""
    sent: list[Any] = []
    monkeypatch.setattr(BackendSpanExporter, "export", lambda self, items: sent.extend(items))
    sender: Any = BatchTraceProcessor(BackendSpanExporter(api_key="none"))
    kept = _Kept()
    agents.set_trace_processors([sender, kept])
    try:
        play(responses, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
        sender.force_flush()
        assert "function" in kept.ended
        assert sent == []
        with agents.trace("of somebody else"):
            pass
        sender.force_flush()
        assert len(sent) == 1
    finally:
        sender.shutdown()
        agents.set_trace_processors([])
