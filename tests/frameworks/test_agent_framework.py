"""What agents of the Microsoft Agent Framework have beside tools: sessions, sub-agents, workflows, middleware."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("agent_framework")
pytest.importorskip("agent_framework_openai")

import pydantic
from agent_framework import Agent, FunctionTool, WorkflowBuilder, WorkflowContext, executor, function_middleware, tool

from tests.frameworks import bodies
from tests.frameworks.apps.agent_framework import agent, boom, client, lookup
from tests.frameworks.harness import calls, play, play_for_real, problems, told

LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
ONE_CALL = calls([("lookup", {"order": 1})])


def text(content: str, **more: Any) -> list[dict[str, Any]]:
    """A model that says this."""
    return [{"model": "gpt-4o", "content": content, **more}]


def spoken(result: Any, request: int = -1) -> list[tuple[str, Any]]:
    """Role and text of the messages in one request to the model."""
    return [(m["role"], m["content"]) for m in told(result)["requests"][request]]


def test_turns_are_one_conversation() -> None:
    """The second turn is asked with the first one before it, the context once."""
    result = play(
        agent,
        context="Be brief.",
        turns=[
            {"input": "Hello", "llm_responses": text("Good day.")},
            {"input": "Order 1?", "llm_responses": ONE_CALL, "tool_responses": [LOOKUP]},
        ],
    )
    assert [turn.output for turn in result.turns] == ["Good day.", "That is all."]
    assert spoken(result, 1) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Good day."),
        ("user", "Order 1?"),
    ]


def test_what_was_said_before_the_first_played_turn_is_told() -> None:
    """A greeting of the assistant comes before the first question."""
    result = play(agent, turns=[{"output": "Welcome!"}, {"input": "Order 1?", "llm_responses": text("No idea.")}])
    assert spoken(result) == [("assistant", "Welcome!"), ("user", "Order 1?")]


def test_input_may_be_messages() -> None:
    """They are put as they are."""
    said = [{"role": "user", "content": "Hello"}, {"role": "user", "content": "Order 1?"}]
    result = play(agent, input=said, llm_responses=text("No idea."))
    assert spoken(result) == [("user", "Hello"), ("user", "Order 1?")]


class Total(pydantic.BaseModel):
    """An answer with a structure."""

    total: int


def test_a_structured_answer_is_data() -> None:
    """Not the text that it was written in."""
    structured = Agent(client=client, default_options={"response_format": Total})
    result = play(structured, llm_responses=text('{"total": 7}'))
    assert result.turns[0].output == {"total": 7}


def test_defaults_of_the_tool_are_recorded_or_not() -> None:
    """An argument that the model left out is what the function takes it for."""
    recorded = {**LOOKUP, "args": {"order": 1, "verbose": False}}
    result = play(agent, llm_responses=ONE_CALL, tool_responses=[recorded])
    assert problems(result) == []
    assert result.unused == []


def test_usage_is_read() -> None:
    """Token counts of the response are those of the turn."""
    result = play(agent, llm_responses=text("Hi.", usage={"input_tokens": 11, "output_tokens": 3}))
    assert result.trace is not None
    completed = result.trace.of_type("run_completed")[0]
    assert completed.payload["usage"] == {"input_tokens": 11, "output_tokens": 3}


def _with_expert() -> Agent:
    expert = Agent(client=client, name="expert", description="Knows orders.", tools=[lookup])
    return Agent(client=client, tools=[expert.as_tool()])


def test_an_agent_as_a_tool_runs_and_its_tools_are_answered() -> None:
    """Its model is asked, and its tool is answered from the recording."""
    asked = calls([("expert", {"task": "order 1"})])
    result = play(_with_expert(), llm_responses=[asked[0], *ONE_CALL, asked[1]], tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert [call["tool"] for call in result.tool_calls] == ["lookup"]
    assert problems(result) == []


def test_an_agent_as_a_tool_that_is_recorded_does_not_run() -> None:
    """What it said is the result; its model is not asked."""
    recorded = {"tool": "expert", "args": {"task": "order 1"}, "response": "5 in total"}
    asked = calls([("expert", {"task": "order 1"})])
    result = play(_with_expert(), llm_responses=asked, tool_responses=[recorded])
    assert problems(result) == []
    assert spoken(result)[-1] == ("tool", "5 in total")


def test_middleware_sees_what_is_recorded() -> None:
    """It runs around the recorded call, with the model's call id, as around a real one."""
    seen: list[Any] = []

    @function_middleware
    async def note(context: Any, call_next: Any) -> None:
        await call_next()
        seen.append((context.function.name, str(context.result[0].text)))

    watched = Agent(client=client, tools=[lookup], middleware=[note])
    result = play(watched, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert seen == [("lookup", '{"order": 1, "total": 5}')]
    assert result.tool_calls[0]["args"] == {"order": 1}
    assert result.tool_calls[0]["call_id"] == "call_1"


def test_limits_of_a_tool_hold() -> None:
    """A tool that may be called once is refused the second time, in the same words as for real."""

    def once() -> Agent:
        limited = FunctionTool(name="lookup", func=bodies.lookup, max_invocations=1)
        return Agent(client=client, tools=[limited])

    answers = calls([("lookup", {"order": 1})], [("lookup", {"order": 1})])
    real = play_for_real(once(), llm_responses=answers)
    result = play(once(), llm_responses=answers, tool_responses=[LOOKUP])
    assert told(result) == told(real)
    assert len(result.tool_calls) == 1


def test_details_of_errors_are_told_where_they_are_asked_for() -> None:
    """The text of a recorded exception reaches the model where that of a real one does."""
    answers = calls([("boom", {"text": "now"})])
    recorded = {"tool": "boom", "error": {"type": "ValueError", "message": "broken: now"}}
    client.function_invocation_configuration["include_detailed_errors"] = True
    try:
        real = play_for_real(Agent(client=client, tools=[boom]), llm_responses=answers)
        result = play(Agent(client=client, tools=[boom]), llm_responses=answers, tool_responses=[recorded])
    finally:
        client.function_invocation_configuration["include_detailed_errors"] = False
    assert told(result) == told(real)
    assert "broken: now" in str(told(result)["requests"][-1])


class Shop:
    """Tools that are methods, or more than a function."""

    @tool
    def lookup(self, order: int) -> dict[str, Any]:
        """Looks an order up."""
        return bodies.lookup(order)


class OwnTool(FunctionTool):
    """Has nothing of the framework's way to call a function."""

    async def invoke(self, *, arguments: Any = None, **kwargs: Any) -> Any:
        """Runs for real."""
        return self.parse_result(bodies.lookup(arguments["order"]))


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: Shop().lookup, id="method"),
        pytest.param(lambda: FunctionTool(name="lookup", func=lookup), id="tool-of-a-tool"),
        pytest.param(lambda: OwnTool(name="lookup", func=bodies.lookup), id="own-invoke"),
        pytest.param(lambda: bodies.lookup, id="plain-function"),
    ],
)
def test_tools_of_every_kind_are_answered(made: Any) -> None:
    """As they are with the real tool, also when they are made while the replay runs."""
    given = made()
    real = play_for_real(Agent(client=client, tools=[given]), llm_responses=ONE_CALL)
    assert bodies.ran == ["lookup"]
    for make in (lambda: given, made):

        async def ask(input: str, make: Any = make) -> Any:
            return await Agent(client=client, tools=[make()]).run(input)

        result = play(ask, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
        assert bodies.ran == []
        assert told(result) == told(real)
        assert [(c["tool"], c["args"]) for c in result.tool_calls] == [("lookup", {"order": 1})]


def test_a_tool_that_is_called_by_hand_is_answered() -> None:
    """Positional arguments get their names."""

    def ask(input: str) -> Any:
        return lookup(1)

    result = play(ask, tool_responses=[LOOKUP])
    assert result.turns[0].output == {"order": 1, "total": 5}
    assert bodies.ran == []


def test_a_workflow_that_begins_with_messages_is_asked_as_an_agent() -> None:
    """Its answer is what its agents said."""
    workflow = WorkflowBuilder(start_executor=Agent(client=client, name="one", tools=[lookup])).build()
    result = play(workflow, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert result.turns[0].output == "That is all."
    assert bodies.ran == []


def test_a_workflow_that_begins_with_a_value_is_given_the_input() -> None:
    """Its answer is its output."""

    @executor(id="first")
    async def first(value: str, ctx: WorkflowContext[Any, dict[str, Any]]) -> None:
        await ctx.yield_output({"asked": value})

    result = play(WorkflowBuilder(start_executor=first).build())
    assert result.turns[0].output == {"asked": "Go"}


@pytest.mark.parametrize("recorded", [False, True])
def test_handoffs_pass(recorded: bool) -> None:
    """They are no tools of the outside; a recording of one counts as served."""
    orchestrations = pytest.importorskip("agent_framework_orchestrations")
    options: dict[str, Any] = {"client": client, "require_per_service_call_history_persistence": True}
    desk, expert = Agent(name="desk", **options), Agent(name="expert", tools=[lookup], **options)
    workflow = (
        orchestrations.HandoffBuilder(
            participants=[desk, expert],
            termination_condition=lambda conversation: bool(conversation) and conversation[-1].text == "That is all.",
        )
        .with_start_agent(desk)
        .build()
    )
    handoff = [{"tool": "handoff_to_expert", "args": {}, "response": {"handoff_to": "expert"}}] if recorded else []
    result = play(
        workflow,
        llm_responses=[calls([("handoff_to_expert", {})])[0], *ONE_CALL],
        tool_responses=[LOOKUP, *handoff],
    )
    assert problems(result) == []
    assert result.unused == []
    assert bodies.ran == []


def test_spans_of_tools_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrumented agent makes them for recorded calls too."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    simple = pytest.importorskip("opentelemetry.sdk.trace.export")
    from agent_framework import observability

    exporter, provider = export.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(simple.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(observability, "get_tracer", lambda *args, **kwargs: provider.get_tracer("test"))
    monkeypatch.setattr(observability.OBSERVABILITY_SETTINGS, "enable_instrumentation", True)
    play(agent, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert "execute_tool lookup" in [span.name for span in exporter.get_finished_spans()]
