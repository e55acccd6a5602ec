"""What only Google ADK has: agents as tools, transfers, plugins, own kinds of tools, sessions and their state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.frameworks.harness import calls, play, told

pytest.importorskip("google.adk")

from google.adk.agents import LlmAgent, SequentialAgent
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.runners import InMemoryRunner
from google.adk.tools import AgentTool, BaseTool, FunctionTool, LongRunningFunctionTool, ToolContext
from google.adk.tools.mcp_tool.mcp_tool import McpTool
from google.genai import types

MODEL = "gemini-2.5-flash"
STOCK = {"tool": "stock", "args": {"item": "lamp"}, "response": {"left": 3}}

real: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    real.clear()


def stock(item: str, warehouse: str = "north") -> dict[str, Any]:
    """How many are left."""
    real.append("stock")
    return {"left": 0}


def shop(*tools: Any, **kwargs: Any) -> Any:
    """An agent with these tools."""
    return LlmAgent(name="shop", model=MODEL, tools=list(tools), **kwargs)


def turn(input: str, *steps: Any, **more: Any) -> dict[str, Any]:
    """One turn of a session."""
    return {"input": input, "llm_responses": calls(*steps), **more}


def last_request(result: Any) -> str:
    """What the model was told at last."""
    return str(told(result)["requests"][-1])


def test_a_session_remembers_its_turns() -> None:
    """The second turn's request has what was said and called in the first."""
    turns = [
        turn("How many lamps?", [("stock", {"item": "lamp"})], tool_responses=[STOCK]),
        turn("Sure?"),
    ]
    result = play(shop(stock), turns=turns)
    requests = told(result)["requests"]
    assert [len(request) for request in requests] == [2, 4, 6]
    assert "How many lamps?" in str(requests[-1])
    assert "'left': 3" in str(requests[-1])
    assert [t.output for t in result.turns] == ["That is all.", "That is all."]
    assert real == []


def test_what_was_said_before_is_in_the_session() -> None:
    """Turns that are not played come before the input, in the roles of those who spoke."""
    result = play(shop(stock), turns=[{"output": "Welcome to the shop."}, turn("Sure?")])
    _, greeting, question = told(result)["requests"][0]
    assert (greeting["role"], question["role"]) == ("assistant", "user")
    assert "Welcome to the shop." in str(greeting)


def test_context_is_the_state_of_the_session() -> None:
    """An instruction that names a key of it is completed."""
    agent = LlmAgent(name="shop", model=MODEL, instruction="You serve {customer}.")
    result = play(agent, llm_responses=calls(), context={"customer": "Ada"})
    assert "You serve Ada." in last_request(result)


def test_a_system_message_is_not_lost_silently() -> None:
    """ADK has no place for it: the result says that it was left out."""
    result = play(shop(), llm_responses=calls(), context="You are a shop.")
    assert "You are a shop." not in last_request(result)
    assert any("instruction" in note for note in result.notes)


def test_tokens_of_all_model_calls_are_counted() -> None:
    """Of the turn, where the recorded answers carry them."""
    answers = calls([("stock", {"item": "lamp"})])
    for answer in answers:
        answer["usage"] = {"input_tokens": 10, "output_tokens": 2}
    result = play(shop(stock), llm_responses=answers, tool_responses=[STOCK])
    assert result.trace is not None
    assert result.trace.of_type("run_completed")[0].payload["usage"] == {"input_tokens": 20, "output_tokens": 4}


def test_defaults_of_the_function_are_known() -> None:
    """A recording that has an argument which the model left out answers when it is the default."""
    recorded = {**STOCK, "args": {"item": "lamp", "warehouse": "north"}}
    result = play(shop(stock), llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[recorded])
    assert result.unrecorded == []
    assert result.unused == []


def test_missing_arguments_are_told_to_the_model() -> None:
    """ADK refuses the call, and nothing is looked up."""
    result = play(shop(stock), llm_responses=calls([("stock", {})]), tool_responses=[STOCK])
    assert "mandatory input parameters are not present" in last_request(result)
    assert result.tool_calls == []


def test_a_recorded_agent_is_not_asked() -> None:
    """An agent that is a tool is answered like any other tool."""
    clerk = AgentTool(LlmAgent(name="clerk", model=MODEL, tools=[stock]))
    recorded = [{"tool": "clerk", "response": "There are 3."}]
    result = play(shop(clerk), llm_responses=calls([("clerk", {"request": "lamps?"})]), tool_responses=recorded)
    assert "There are 3." in last_request(result)
    assert [c["tool"] for c in result.tool_calls] == ["clerk"]


def test_an_agent_that_is_not_recorded_runs_with_recorded_tools() -> None:
    """What it calls is answered, and its model calls are model calls of the session."""
    clerk = AgentTool(LlmAgent(name="clerk", model=MODEL, tools=[stock]))
    answers = [*calls([("clerk", {"request": "lamps?"})], [("stock", {"item": "lamp"})]), {"content": "Done."}]
    result = play(shop(clerk), llm_responses=answers, tool_responses=[STOCK])
    assert [c["tool"] for c in result.tool_calls] == ["stock"]
    assert result.unrecorded == []
    assert result.turns[0].output == "Done."
    assert real == []


@pytest.mark.parametrize("mode", ["single_turn", "task"])
def test_an_agent_below_another_is_a_tool_of_it(mode: str) -> None:
    """It runs with recorded tools, or is answered itself."""
    if "mode" not in LlmAgent.model_fields:
        pytest.skip("this version has agents below others for transfers only")

    def desk() -> Any:
        clerk = LlmAgent(name="clerk", model=MODEL, tools=[stock], description="Counts.", mode=mode)
        return shop(sub_agents=[clerk])

    asked = [("clerk", {"request": "lamps?"})]
    finished = [[("finish_task", {"result": "3"})]] if mode == "task" else []
    answers = calls(asked, [("stock", {"item": "lamp"})], *finished)
    inside = play(desk(), llm_responses=[*answers, {"content": "Done."}], tool_responses=[STOCK])
    assert [c["tool"] for c in inside.tool_calls] == ["stock"]
    assert inside.outcome == "inconclusive", inside.reasons
    result = play(desk(), llm_responses=calls(asked), tool_responses=[{"tool": "clerk", "response": "There are 3."}])
    assert [c["tool"] for c in result.tool_calls] == ["clerk"]
    assert "There are 3." in last_request(result)
    assert real == []


def test_a_workflow_is_an_agent() -> None:
    """Its nodes run, and the tools of its agents are answered."""
    adk = pytest.importorskip("google.adk")
    if not hasattr(adk, "Workflow"):
        pytest.skip("this version has no workflows")
    clerk = LlmAgent(name="clerk", model=MODEL, tools=[stock])
    flow = adk.Workflow(name="flow", edges=[("START", clerk)])
    result = play(flow, llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[STOCK])
    assert result.turns[0].output == "That is all."
    assert [c["tool"] for c in result.tool_calls] == ["stock"]
    assert real == []


def test_a_transfer_needs_no_recording() -> None:
    """The other agent goes on, and its tools are answered."""
    clerk = LlmAgent(name="clerk", model=MODEL, tools=[stock], description="Counts.")
    answers = calls([("transfer_to_agent", {"agent_name": "clerk"})], [("stock", {"item": "lamp"})])
    result = play(shop(sub_agents=[clerk]), llm_responses=answers, tool_responses=[STOCK])
    assert result.turns[0].output == "That is all."
    assert [c["tool"] for c in result.tool_calls] == ["stock"]
    assert result.unrecorded == []


def test_a_recorded_transfer_is_used_and_happens() -> None:
    """A recording of it is marked as served, and the other agent's instruction is what the model is told."""
    clerk = LlmAgent(name="clerk", model=MODEL, instruction="Count well.", description="Counts.")
    recorded = [{"tool": "transfer_to_agent", "args": {"agent_name": "clerk"}, "response": None}]
    answers = calls([("transfer_to_agent", {"agent_name": "clerk"})])
    result = play(shop(sub_agents=[clerk]), llm_responses=answers, tool_responses=recorded)
    assert result.unused == []
    assert "Count well." in last_request(result)


def test_the_last_of_several_agents_has_the_answer() -> None:
    """Each agent of a sequence says something; what the last says is the answer."""
    agents = [LlmAgent(name=name, model=MODEL) for name in ("first", "second")]
    answers = [{"content": "First."}, {"content": "Second."}]
    result = play(SequentialAgent(name="both", sub_agents=agents), llm_responses=answers)
    assert result.turns[0].output == "Second."


class Scale(BaseTool):
    """A tool of its own kind."""

    def __init__(self) -> None:
        super().__init__(name="scale", description="Weighs.")

    def _get_declaration(self) -> types.FunctionDeclaration:
        return types.FunctionDeclaration(name="scale", description="Weighs.")

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Weighs."""
        real.append("scale")
        return {"grams": 0}


class Precise(Scale):
    """Goes on to the one that it is made from."""

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Weighs, and says so."""
        weighed = await super().run_async(args=args, tool_context=tool_context)
        return {"precise": True, **weighed}


class Guarded(FunctionTool):
    """A function that is called in another way."""

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Calls it."""
        return self.func(**args)


@pytest.mark.parametrize(
    ("tool", "name", "told_of_it"),
    [
        (Scale(), "scale", "{'grams': 7}"),
        (Precise(), "scale", "{'precise': True, 'grams': 7}"),
        (Guarded(stock), "stock", "{'grams': 7}"),
        (LongRunningFunctionTool(stock), "stock", "{'grams': 7}"),
    ],
    ids=["own", "derived", "function", "long-running"],
)
def test_own_kinds_of_tools_are_caught(tool: Any, name: str, told_of_it: str) -> None:
    """Recorded or not, the code that they have does not run; what a derived class adds does."""
    answers = calls([(name, {"item": "lamp"})])
    recorded = play(shop(tool), llm_responses=answers, tool_responses=[{"tool": name, "response": {"grams": 7}}])
    assert told_of_it in last_request(recorded)
    assert [(c["tool"], c["args"], c["call_id"]) for c in recorded.tool_calls] == [(name, {"item": "lamp"}, "call_1")]
    unrecorded = play(shop(tool), llm_responses=answers)
    assert [each.tool for each in unrecorded.unrecorded] == [name]
    assert real == []


def test_a_generator_is_answered_as_one_call() -> None:
    """The recording has all that the model is told."""

    async def count(item: str) -> AsyncIterator[str]:
        """Counts aloud."""
        real.append("count")
        yield "one"

    recorded = [{"tool": "count", "response": {"counted": 3}}]
    result = play(shop(count), llm_responses=calls([("count", {"item": "lamp"})]), tool_responses=recorded)
    assert "{'counted': 3}" in last_request(result)
    assert result.unrecorded == []
    assert real == []


def test_a_node_that_is_a_tool_is_caught() -> None:
    """That of a function is its function: unrecorded, it does not run."""
    nodes = pytest.importorskip("google.adk.tools._node_tool")
    functions = pytest.importorskip("google.adk.workflow._function_node")
    tool = nodes.NodeTool(functions.FunctionNode(func=stock, name="count"), name="count", description="Counts.")
    answers = calls([("count", {"item": "lamp"})])
    recorded = play(shop(tool), llm_responses=answers, tool_responses=[{"tool": "count", "response": {"left": 3}}])
    assert "'left': 3" in last_request(recorded)
    assert [each.tool for each in play(shop(tool), llm_responses=answers).unrecorded] == ["count"]
    assert real == []


def test_a_tool_of_an_mcp_server_needs_no_server() -> None:
    """Nor the credentials that it would be asked with; a failure is what ADK makes of one."""
    mcp = pytest.importorskip("mcp.types")
    schema = {"type": "object", "properties": {"item": {"type": "string"}}}
    try:
        described = mcp.Tool(name="find", description="Finds.", inputSchema=schema)
    except TypeError:
        described = mcp.Tool(name="find", description="Finds.", input_schema=schema)
    tool = McpTool(mcp_tool=described, mcp_session_manager=None)
    answers = calls([("find", {"item": "lamp"})])
    found = {"content": [{"type": "text", "text": "aisle 4"}], "isError": False}
    result = play(shop(tool), llm_responses=answers, tool_responses=[{"tool": "find", "response": found}])
    assert "aisle 4" in last_request(result)
    failure = {"tool": "find", "error": {"type": "TimeoutError", "message": "too slow"}}
    failed = play(shop(tool), llm_responses=answers, tool_responses=[failure])
    assert "too slow" in str(told(failed))


def test_a_toolset_of_an_mcp_server_needs_no_server() -> None:
    """The agent is told of the tools that are recorded."""
    toolsets = pytest.importorskip("google.adk.tools.mcp_tool.mcp_toolset")
    stdio = pytest.importorskip("mcp").StdioServerParameters(command="no-such-server", args=[])
    recorded = [{"tool": "find", "args": {"item": "lamp"}, "response": "aisle 4"}]
    agent = shop(toolsets.McpToolset(connection_params=stdio))
    result = play(agent, llm_responses=calls([("find", {"item": "lamp"})]), tool_responses=recorded)
    assert "aisle 4" in last_request(result)
    assert [(c["tool"], c["channel"]) for c in result.tool_calls] == [("find", "google_adk")]


class Watching(BasePlugin):
    """Sees every tool, and answers failures."""

    def __init__(self) -> None:
        super().__init__(name="watching")
        self.seen: list[Any] = []

    async def before_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any) -> None:
        """Before each."""
        self.seen.append(("before", tool.name))

    async def after_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any, result: Any) -> None:
        """After each that did not fail."""
        self.seen.append(("after", result))

    async def on_tool_error_callback(self, *, tool: Any, tool_args: Any, tool_context: Any, error: Any) -> Any:
        """After each that failed."""
        self.seen.append(("error", str(error)))
        return {"sorry": str(error)}


def test_plugins_see_recorded_tools() -> None:
    """Their callbacks run around it, and may answer a recorded failure."""
    plugin = Watching()
    runner = InMemoryRunner(shop(stock), app_name="shop", plugins=[plugin])
    answers = calls([("stock", {"item": "lamp"})], [("stock", {"item": "rug"})])
    failure = {"tool": "stock", "args": {"item": "rug"}, "error": {"type": "ValueError", "message": "no rugs"}}
    result = play(runner, llm_responses=answers, tool_responses=[STOCK, failure])
    assert "{'sorry': 'no rugs'}" in last_request(result)
    assert plugin.seen[:2] == [("before", "stock"), ("after", {"left": 3})]
    assert plugin.seen[2:4] == [("before", "stock"), ("error", "no rugs")]


def test_a_tool_that_needs_confirmation_is_not_looked_up() -> None:
    """ADK asks the user first."""
    tool = FunctionTool(stock, require_confirmation=True)
    result = play(shop(tool), llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[STOCK])
    assert result.tool_calls == []
    assert real == []


def test_a_runner_may_have_a_thread_of_its_own() -> None:
    """Its synchronous face runs the agent on a loop in a new thread, which belongs to the session."""
    runner = InMemoryRunner(shop(stock), app_name="shop")

    def ask(input: str) -> str:
        asyncio.run(runner.session_service.create_session(app_name="shop", user_id="me", session_id="one"))
        message = types.Content(role="user", parts=[types.Part(text=input)])
        *_, last = runner.run(user_id="me", session_id="one", new_message=message)
        return str(last.content.parts[0].text)

    result = play(ask, llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[STOCK])
    assert "'left': 3" in last_request(result)
    assert result.turns[0].output == "That is all."
    assert real == []


def test_an_app_is_an_agent() -> None:
    """It brings its root agent and its plugins."""
    apps = pytest.importorskip("google.adk.apps")
    plugin = Watching()
    app = apps.App(name="shop", root_agent=shop(stock), plugins=[plugin])
    result = play(app, llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[STOCK])
    assert result.turns[0].output == "That is all."
    assert plugin.seen == [("before", "stock"), ("after", {"left": 3})]


def test_other_models_than_geminis_are_answered() -> None:
    """Through LiteLLM the model's format is another one, and the tools are the same."""
    pytest.importorskip("litellm")
    from google.adk.models.lite_llm import LiteLlm

    agent = LlmAgent(name="shop", model=LiteLlm(model="openai/gpt-4o", api_key="none"), tools=[stock])
    result = play(agent, llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[STOCK])
    assert '"left": 3' in last_request(result)
    assert result.turns[0].output == "That is all."


def test_spans_of_tools_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ADK traces of a tool, it traces of a recorded one."""
    tracing = pytest.importorskip("google.adk.telemetry.tracing")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(memory))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    play(shop(stock), llm_responses=calls([("stock", {"item": "lamp"})]), tool_responses=[STOCK])
    spans = {span.name: dict(span.attributes) for span in memory.get_finished_spans()}
    assert spans["execute_tool stock"]["gen_ai.tool.call.id"] == "call_1"
