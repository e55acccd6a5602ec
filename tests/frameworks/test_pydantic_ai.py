"""What agents of Pydantic AI have beside tools: conversations, results, sub-agents, timeouts, toolsets, MCP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from pytest_agent_replay.errors import AgentError
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import run_replay
from tests.frameworks import bodies
from tests.frameworks.harness import calls, case, play, play_for_real, told

pydantic_ai = pytest.importorskip("pydantic_ai")
pytest.importorskip("openai")

IS_2 = hasattr(pydantic_ai.Agent, "system_prompt_parts")
LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
FINAL = {"model": "gpt-4o", "content": "Done."}


def model() -> Any:
    """A model of OpenAI that has no key."""
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel("gpt-4o", provider=OpenAIProvider(openai_client=AsyncOpenAI(api_key="none", max_retries=0)))


def agent_with(*tools: Any, **options: Any) -> Any:
    """An agent with these tools."""
    return pydantic_ai.Agent(model(), tools=tools, **options)


def last_request(result: ReplayResult) -> str:
    """What the model was told last."""
    return str(told(result)["requests"][-1][-1]["content"])


def problems(result: ReplayResult) -> list[str]:
    """Why it failed, beside that it has no contract."""
    return [reason for reason in result.reasons if "no contract" not in reason]


# -- conversations


def test_turns_are_one_conversation() -> None:
    """A turn goes on from all messages so far; tokens are counted."""
    answered = {**FINAL, "usage": {"input_tokens": 7, "output_tokens": 3}}
    turns = [
        {"input": "My name is Ada.", "llm_responses": [answered]},
        {"input": "What is my name?", "llm_responses": [answered]},
    ]
    result = run_replay(case_of(agent_with(), turns=turns))
    asked = told(result)["requests"][1]
    assert [m["content"] for m in asked] == ["My name is Ada.", "Done.", "What is my name?"]
    assert result.trace is not None
    if IS_2:  # version 1 reads no tokens with the prices of today
        assert result.trace.of_type("run_completed")[0].payload["usage"] == {"input_tokens": 7, "output_tokens": 3}


def case_of(agent: Any, **replay: Any) -> Any:
    """Like `case`, without the input of its short form."""
    made = case(agent)
    return replace(made, replay=type(made.replay).model_validate(replay))


def test_a_context_is_one_more_instruction() -> None:
    """Beside those of the agent."""
    result = play(agent_with(instructions="Be brief."), context="It is Monday.", llm_responses=[FINAL])
    said = str(told(result)["requests"][0])
    assert "Be brief." in said
    assert "It is Monday." in said


def test_a_conversation_that_the_agent_began_has_its_system_prompt() -> None:
    """Pydantic AI writes it into an empty history only."""
    if not IS_2:
        pytest.skip("Pydantic AI 2")
    turns = [{"output": "How can I help?"}, {"input": "Hello", "llm_responses": [FINAL]}]
    result = run_replay(case_of(agent_with(system_prompt="Be kind."), turns=turns))
    asked = told(result)["requests"][0]
    assert [m["content"] for m in asked] == ["Be kind.", "How can I help?", "Hello"]


def test_structured_output_is_the_answer() -> None:
    """The output tool is the framework's: it runs, and is no call."""

    class Verdict(BaseModel):
        """What the agent has to say."""

        approved: bool

    first, second = (
        calls([("final_result", {"approved": True})])[:1],
        calls([("final_result", {"approved": False})])[:1],
    )
    turns = [{"input": "One", "llm_responses": first}, {"input": "Two", "llm_responses": second}]
    result = run_replay(case_of(agent_with(output_type=Verdict), turns=turns))
    assert [turn.output for turn in result.turns] == [{"approved": True}, {"approved": False}]
    assert result.tool_calls == []
    assert problems(result) == []
    recorded = {"tool": "final_result", "args": {"approved": True}, "response": "Final result processed."}
    result = play(agent_with(output_type=Verdict), llm_responses=first, tool_responses=[recorded])
    assert result.turns[0].output == {"approved": True}
    assert result.unused == []


def test_dependencies_are_an_override() -> None:
    """JSON becomes the agent's own type; another override is an error."""

    @dataclass
    class Deps:
        """What tools need."""

        customer: str

    agent = agent_with(deps_type=Deps)

    @agent.instructions  # type: ignore[untyped-decorator]
    def who(ctx: Any) -> str:
        """Says who asks."""
        assert type(ctx.deps) is Deps
        return f"The customer is {ctx.deps.customer}."

    result = play(agent, llm_responses=[FINAL], overrides={"deps": {"customer": "Ada"}})
    assert "The customer is Ada." in str(told(result)["requests"][0])
    with pytest.raises(AgentError, match="is no Deps"):
        play(agent, llm_responses=[FINAL], overrides={"deps": {"name": "Ada"}})
    with pytest.raises(AgentError, match="nothing takes the override 'temperature'"):
        play(agent, llm_responses=[FINAL], overrides={"temperature": 1})


# -- tools


def test_recorded_exceptions_of_the_framework_reach_the_model() -> None:
    """`ModelRetry` is told as a retry, and asked for again."""

    def lookup(order: int) -> dict[str, Any]:
        """Looks an order up."""
        raise pydantic_ai.ModelRetry("no such order")

    agent = agent_with(lookup)
    answers = calls([("lookup", {"order": 1})])
    real = play_for_real(agent, llm_responses=answers)
    error = {"type": "pydantic_ai.exceptions.ModelRetry", "message": "no such order"}
    result = play(agent, llm_responses=answers, tool_responses=[{"tool": "lookup", "error": error}])
    assert told(result) == told(real)
    assert "no such order" in last_request(result)


def test_a_tool_times_out_as_it_would() -> None:
    """The framework's own timeout fires for a recorded latency, without waiting."""
    agent = agent_with(pydantic_ai.Tool(bodies.lookup, timeout=5))
    slow = {**LOOKUP, "latency_ms": 30_000}
    result = play(agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=[slow])
    assert "Timed out after 5" in last_request(result)
    result = play(
        agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=[{**slow, "latency_ms": 3_000}]
    )
    assert "total" in last_request(result)


@dataclass
class Order:
    """With a date."""

    due: date


class Query(BaseModel):
    """What to find."""

    since: datetime
    limit: int = 10


def test_return_types_are_rebuilt() -> None:
    """The framework writes a recorded value as it writes what the function returns."""

    def due(order: int) -> Order:
        """When it is due."""
        return Order(date(2026, 3, 1))

    agent, answers = agent_with(due), calls([("due", {"order": 1})])
    real = play_for_real(agent, llm_responses=answers)
    recorded = {"tool": "due", "args": {"order": 1}, "response": {"due": "2026-03-01"}}
    assert told(play(agent, llm_responses=answers, tool_responses=[recorded])) == told(real)


def test_arguments_are_those_that_the_model_wrote() -> None:
    """Not what validation makes of them: a date stays as written, fields of a model are not put into its parameter."""

    def find(query: Query) -> str:
        """Finds."""
        raise AssertionError

    def wait(until: datetime, times: int = 1) -> str:
        """Waits."""
        raise AssertionError

    asked = {"since": "2026-03-01T00:00:00Z"}
    answers = calls([("find", asked), ("wait", {"until": "2026-03-01T00:00:00Z", "times": "2"})])
    recorded = [
        {"tool": "find", "args": asked, "response": "found"},
        {"tool": "wait", "args": {"until": "2026-03-01T00:00:00Z", "times": "2"}, "response": "waited"},
    ]
    result = play(agent_with(find, wait), llm_responses=answers, tool_responses=recorded, matching={"args": "exact"})
    assert result.unrecorded == []
    assert [call["args"] for call in result.tool_calls] == [recorded[0]["args"], recorded[1]["args"]]


def test_what_a_hook_changed_is_what_the_tool_was_given() -> None:
    """A guard that limits an argument is part of the agent."""
    hooks = pytest.importorskip("pydantic_ai.capabilities.hooks")
    guard = hooks.Hooks()

    @guard.on.before_tool_execute  # type: ignore[untyped-decorator]
    async def at_most_ten(ctx: Any, *, call: Any, tool_def: Any, args: dict[str, Any]) -> dict[str, Any]:
        """Limits refunds."""
        return {**args, "amount": min(args["amount"], 10)}

    def refund(amount: int) -> str:
        """Pays back."""
        raise AssertionError

    agent = agent_with(refund, capabilities=[guard])
    recorded = {"tool": "refund", "args": {"amount": 10}, "response": "ok"}
    result = play(agent, llm_responses=calls([("refund", {"amount": 500})]), tool_responses=[recorded])
    assert [call["args"] for call in result.tool_calls] == [{"amount": 10}]
    assert result.unrecorded == []


def test_tools_that_need_approval_wait_for_it() -> None:
    """The agent answers with its request; nothing is called."""
    agent = agent_with(
        pydantic_ai.Tool(bodies.lookup, requires_approval=True), output_type=[str, pydantic_ai.DeferredToolRequests]
    )
    result = play(agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=[LOOKUP])
    assert result.turns[0].output["approvals"][0]["tool_name"] == "lookup"
    assert result.tool_calls == []


def test_an_agent_within_a_tool_has_recordings_of_its_own() -> None:
    """The tool that asks it is recorded or it runs, and then its tools are answered."""
    inner = agent_with(bodies.lookup)

    async def ask_expert(question: str) -> str:
        """Asks another agent."""
        return str((await inner.run(question)).output)

    outer = agent_with(ask_expert)
    first, last = calls([("ask_expert", {"question": "How much?"})])
    second, third = calls([("lookup", {"order": 1})])
    recorded = {"tool": "ask_expert", "args": {"question": "How much?"}, "response": "Five."}
    result = play(outer, llm_responses=[first, last], tool_responses=[recorded])
    assert [c["tool"] for c in result.tool_calls] == ["ask_expert"]
    result = play(outer, llm_responses=[first, second, third, last], tool_responses=[LOOKUP])
    assert [c["tool"] for c in result.tool_calls] == ["lookup"]
    assert bodies.ran == []
    assert problems(result) == []


# -- toolsets


def test_prefixed_tools_are_answered_by_either_name() -> None:
    """The one that the model knows goes first, else the function's own."""
    from pydantic_ai.toolsets import FunctionToolset

    agent = pydantic_ai.Agent(model(), toolsets=[FunctionToolset([bodies.lookup]).prefixed("shop")])
    answers = calls([("shop_lookup", {"order": 1})])
    for name in ("shop_lookup", "lookup"):
        result = play(agent, llm_responses=answers, tool_responses=[{**LOOKUP, "tool": name}])
        assert [c["tool"] for c in result.tool_calls] == [name]
        assert problems(result) == []
    result = play(agent, llm_responses=answers, tool_responses=[LOOKUP, {**LOOKUP, "tool": "shop_lookup"}])
    assert [c["tool"] for c in result.tool_calls] == ["shop_lookup"]


def test_a_toolset_of_ones_own_is_answered_and_a_wrapper_runs() -> None:
    """What calls something else is the agent's code."""
    from pydantic_ai.toolsets import FunctionToolset, WrapperToolset

    seen: list[str] = []

    class Logged(WrapperToolset[Any]):
        """Notes which tools are called."""

        async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
            """Calls on."""
            seen.append(name)
            return await super().call_tool(name, tool_args, ctx, tool)

    class Louder(FunctionToolset[Any]):
        """Calls its functions a little differently."""

        async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
            """Calls on, and shouts."""
            return {"said": await super().call_tool(name, tool_args, ctx, tool)}

    agent = pydantic_ai.Agent(model(), toolsets=[Logged(Louder([bodies.lookup]))])
    answers = calls([("lookup", {"order": 1})])
    real = play_for_real(agent, llm_responses=answers)
    assert [c["tool"] for c in real.tool_calls] == ["lookup"]
    result = play(agent, llm_responses=answers, tool_responses=[LOOKUP])
    assert told(result) == told(real)
    assert seen == ["lookup", "lookup"]
    assert len(result.tool_calls) == 1


def test_tools_are_known_without_a_request_to_a_model() -> None:
    """A model within the process asks for the tools of the agent; what is not recorded does not run."""
    from pydantic_ai.models.test import TestModel

    agent = pydantic_ai.Agent(TestModel(), tools=[bodies.lookup])
    result = play(agent, tool_responses=[{**LOOKUP, "args": {"order": 0}}])
    assert result.turns[0].output == '{"lookup":{"order":1,"total":5}}'
    result = play(agent, tool_responses=[LOOKUP])
    assert result.unrecorded[0].tool == "lookup"
    assert bodies.ran == []


def test_instrumented_agents_keep_their_spans() -> None:
    """The span of a tool call is written around the recorded answer."""
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, provider = memory.InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    agent = agent_with(bodies.lookup)
    agent.instrument = pydantic_ai.models.instrumented.InstrumentationSettings(tracer_provider=provider)
    play(agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=[LOOKUP])
    spans = [dict(span.attributes) for span in exporter.get_finished_spans()]
    assert "lookup" in [attributes.get("gen_ai.tool.name") for attributes in spans]


# -- MCP


def mcp_agent(prefix: str | None = None, **server: Any) -> Any:
    """An agent whose tools are those of an MCP server that is not there."""
    module = pytest.importorskip("pydantic_ai.mcp")
    if hasattr(module, "MCPToolset"):
        toolset = module.MCPToolset({"mcpServers": {"orders": {"command": "no-such-command"}}})
    else:
        toolset = module.MCPServerStdio("no-such-command", args=[])
    return pydantic_ai.Agent(model(), toolsets=[toolset.prefixed(prefix) if prefix else toolset])


SEARCH = {"tool": "search", "args": {"text": "late"}, "response": {"found": [7]}}


def test_tools_of_mcp_servers_are_answered_without_the_server() -> None:
    """Once, by the client of MCP, with the id of the model's call."""
    result = play(mcp_agent(), llm_responses=calls([("search", {"text": "late"})]), tool_responses=[SEARCH])
    assert [(c["tool"], c["channel"]) for c in result.tool_calls] == [("search", "mcp")]
    assert result.trace is not None
    assert result.trace.tool_calls[0].call_id == "call_1"
    assert "found" in last_request(result)
    assert problems(result) == []


def test_a_failing_tool_of_an_mcp_server_is_told_to_the_model() -> None:
    """As Pydantic AI tells of results with `isError`: the run goes on."""
    recorded = {"tool": "search", "error": "the index is down"}
    result = play(mcp_agent(), llm_responses=calls([("search", {"text": "late"})]), tool_responses=[recorded])
    assert "the index is down" in last_request(result)
    assert result.turns[0].error is None


def test_the_name_that_the_model_knows_is_found_behind_a_prefix() -> None:
    """The server calls it otherwise, which the file says: else its tools would be listed with two prefixes."""
    answers = calls([("shop_search", {"text": "late"})])
    for name, config in (("search", None), ("shop_search", {"mcp_servers": {"no-such-command": ["search"]}})):
        recorded = {**SEARCH, "tool": name}
        result = play(mcp_agent("shop"), llm_responses=answers, tool_responses=[recorded], agent_config=config)
        assert [(c["tool"], c["channel"]) for c in result.tool_calls] == [(name, "mcp")]
        assert problems(result) == []
