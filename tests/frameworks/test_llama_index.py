"""LlamaIndex beyond the common incident: turns, ReAct, query engines, handoffs, spans, contexts."""

from typing import Any

import pytest

from tests.frameworks.harness import calls, play, play_for_real, problems, told

pytest.importorskip("llama_index.llms.openai")

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.response.schema import Response
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.tools import FunctionTool, QueryEngineTool, ToolMetadata, ToolOutput
from llama_index.core.tools.types import AsyncBaseTool
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

model = OpenAI(model="gpt-4o", api_key="none", max_retries=0)
ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


def weather_of(city: str, days: int = 1) -> str:
    """The weather."""
    ran.append("weather")
    return f"sun in {city}"


weather = FunctionTool.from_defaults(weather_of, name="weather")
RAIN = {"tool": "weather", "args": {"city": "Oslo"}, "response": "rain"}


def agent_with(*tools: Any, **options: Any) -> FunctionAgent:
    """An agent of one model."""
    return FunctionAgent(tools=list(tools), llm=model, **options)


def test_turns_are_one_conversation() -> None:
    """The agent remembers the first turn in the second, and begins with the replay's context."""
    turns = [
        {"input": "Oslo?", "tool_responses": [RAIN], "llm_responses": calls([("weather", {"city": "Oslo"})])},
        {"input": "Sure?", "llm_responses": [{"content": "Yes."}]},
    ]
    result = play(agent_with(weather), turns=turns, context="Be brief.")
    assert problems(result) == []
    assert [turn.output for turn in result.turns] == ["That is all.", "Yes."]
    said = [(m["role"], m["content"]) for m in told(result)["requests"][-1]]
    assert said[:2] == [("system", "Be brief."), ("user", "Oslo?")]
    assert said[-3:] == [("tool", "rain"), ("assistant", "That is all."), ("user", "Sure?")]


def test_a_react_agent_is_told_what_is_recorded() -> None:
    """It writes its calls as text, and gets observations."""
    answers = [
        {"content": 'Thought: I look.\nAction: weather\nAction Input: {"city": "Oslo"}'},
        {"content": "Thought: I know.\nAnswer: Rain."},
    ]
    result = play(ReActAgent(tools=[weather], llm=model), tool_responses=[RAIN], llm_responses=answers)
    assert problems(result) == []
    assert result.turns[0].output == "Rain."
    assert "Observation: rain" in str(told(result)["requests"][-1])
    assert ran == []


class Books(CustomQueryEngine):
    """A query engine."""

    def custom_query(self, query_str: str) -> Response:
        """Searches."""
        ran.append("books")
        return Response("nothing")


@pytest.mark.parametrize("recorded", [{"response": "three books"}, {"error": {"type": "KeyError", "message": "shelf"}}])
def test_a_query_engine_is_not_asked(recorded: dict[str, Any]) -> None:
    """What is recorded of its tool is what the model is told."""
    tool = QueryEngineTool.from_defaults(Books(), name="books")
    answers = calls([("books", {"input": "sea"})])
    result = play(
        agent_with(tool),
        llm_responses=answers,
        tool_responses=[{"tool": "books", "args": {"input": "sea"}, **recorded}],
    )
    assert problems(result) == []
    assert told(result)["requests"][-1][-1]["content"] in ("three books", "'shelf'")
    assert ran == []


class Gauge(AsyncBaseTool):
    """A tool of its own kind."""

    @property
    def metadata(self) -> ToolMetadata:
        """Its name."""
        return ToolMetadata(name="gauge", description="Measures.")

    def call(self, input: Any) -> ToolOutput:
        """Measures."""
        ran.append("gauge")
        return ToolOutput(content="0", tool_name="gauge", raw_input={}, raw_output=0)

    async def acall(self, input: Any) -> ToolOutput:
        """Measures."""
        return self.call(input)


def test_spans_stay_around_a_tool_of_any_kind() -> None:
    """The tool's method is answered, and tracers see that it was called."""
    from llama_index.core.instrumentation.span.simple import SimpleSpan
    from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

    handler = SimpleSpanHandler()
    dispatcher = get_dispatcher()
    dispatcher.add_span_handler(handler)
    try:
        result = play(
            agent_with(Gauge(), weather),
            llm_responses=calls([("gauge", {"input": "m"})], [("weather", {"city": "Oslo"})]),
            tool_responses=[{"tool": "gauge", "response": 7}, RAIN],
        )
    finally:
        dispatcher.span_handlers.remove(handler)
    assert problems(result) == []
    assert [m["content"] for m in told(result)["requests"][-1] if m["role"] == "tool"] == ["7", "rain"]
    spans: list[SimpleSpan] = handler.completed_spans
    assert {"Gauge.acall", "FunctionTool.acall"} <= {span.id_.partition("-")[0] for span in spans}
    assert ran == []


def test_what_tools_really_gave_is_their_text() -> None:
    """Where the settings let them run: not the objects around it."""
    tools = [QueryEngineTool.from_defaults(Books(), name="books"), Gauge()]
    answers = calls([("books", {"input": "sea"})], [("gauge", {"input": "m"})])
    result = play_for_real(agent_with(*tools), llm_responses=answers)
    assert result.trace is not None
    assert [call.result for call in result.trace.tool_calls] == ["nothing", "0"]
    assert ran == ["books", "gauge"]


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_handoff_runs_as_it_is(is_recorded: bool) -> None:
    """The next agent goes on, and a recording of the handoff is served."""
    clerk = agent_with(name="clerk", description="Asks.", can_handoff_to=["guide"])
    guide = agent_with(weather, name="guide", description="Knows.", can_handoff_to=[])
    handoff = {"to_agent": "guide", "reason": "weather"}
    result = play(
        AgentWorkflow(agents=[clerk, guide], root_agent="clerk"),
        llm_responses=calls([("handoff", handoff)], [("weather", {"city": "Oslo"})]),
        tool_responses=[RAIN, *([{"tool": "handoff", "args": handoff, "response": "ok"}] if is_recorded else [])],
    )
    assert problems(result) == []
    assert [call["tool"] for call in result.tool_calls] == [*(["handoff"] if is_recorded else []), "weather"]
    assert result.unused == []
    assert ran == []


def test_arguments_that_python_refuses_are_refused() -> None:
    """In the words of the real call, which does not run the function; no call is unrecorded."""
    result = play(
        agent_with(weather),
        llm_responses=calls([("weather", {"city": "Oslo", "hour": 5})], [("weather", {"city": "Oslo"})]),
        tool_responses=[RAIN],
    )
    assert problems(result) == []
    assert "weather_of() got an unexpected keyword argument 'hour'" in str(told(result)["requests"][1])
    assert ran == []


async def note(ctx: Context, text: str, author: str) -> str:
    """Notes."""
    ran.append("note")
    return text


def test_what_the_framework_adds_is_no_argument() -> None:
    """Neither the context nor a partial parameter is looked for in the recording; callbacks run."""
    tool = FunctionTool.from_defaults(
        async_fn=note, name="note", partial_params={"author": "me"}, callback=lambda value: f"noted: {value}"
    )
    result = play(
        agent_with(tool),
        llm_responses=calls([("note", {"text": "a"})]),
        tool_responses=[{"tool": "note", "args": {"text": "a"}, "response": "done"}],
    )
    assert problems(result) == []
    assert result.tool_calls[0]["args"] == {"text": "a"}
    assert told(result)["requests"][-1][-1]["content"] == "noted: done"
    assert ran == []


def test_equal_calls_are_told_apart_by_their_ids() -> None:
    """Each gets the recording of its own id."""
    given = {"city": "Oslo"}
    recorded = [
        {**RAIN, "call_id": "call_2", "response": "second"},
        {**RAIN, "call_id": "call_1", "response": "first"},
    ]
    result = play(
        agent_with(weather),
        llm_responses=calls([("weather", given), ("weather", given)]),
        tool_responses=recorded,
    )
    said = {m["tool_call_id"]: m["content"] for m in told(result)["requests"][-1] if m["role"] == "tool"}
    assert said == {"call_1": "first", "call_2": "second"}


class Verdict(BaseModel):
    """A structured answer."""

    wet: bool


def test_a_structured_answer_is_an_object() -> None:
    """Not the text around it."""
    agent = agent_with(weather, structured_output_fn=lambda messages: {"wet": True})
    result = play(agent, llm_responses=[{"content": "Rain."}])
    assert result.turns[0].output == {"wet": True}


class Upper(Workflow):
    """A workflow that is no agent."""

    @step
    async def shout(self, ev: StartEvent) -> StopEvent:
        """Shouts."""
        return StopEvent(result=str(await weather.acall(city=ev.input)).upper())


def test_a_workflow_gets_the_input_as_a_field() -> None:
    """Its start event has it, and its tools are answered."""
    result = play(Upper(), input="Oslo", tool_responses=[RAIN])
    assert problems(result) == []
    assert result.turns[0].output == "RAIN"
    assert ran == []
