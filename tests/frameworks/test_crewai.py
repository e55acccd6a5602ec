"""CrewAI beyond the common incident: agents without function calling, flows, delegation, the cache, limits, names."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.errors import AgentError
from tests.frameworks.harness import calls, play, play_for_real, problems, told

pytest.importorskip("crewai")
pytest.importorskip("openai")

from crewai import LLM, Agent, Crew, Task
from crewai.flow.flow import Flow, listen, start
from crewai.llms.providers.openai.completion import OpenAICompletion
from crewai.tools import BaseTool, tool
from crewai.tools.structured_tool import CrewStructuredTool
from pydantic import BaseModel

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@tool
def weather(city: str, days: int = 1) -> str:
    """The weather."""
    ran.append("weather")
    return f"sun in {city}"


@tool("Storm Warning")
def storm(city: str) -> str:
    """Warns."""
    ran.append("storm")
    raise ValueError("no wind")


class Gauge(BaseTool):
    """A tool that is a class."""

    name: str = "gauge"
    description: str = "Measures."

    def _run(self, place: str) -> int:
        ran.append("gauge")
        return 0

    async def _arun(self, place: str) -> int:
        ran.append("gauge")
        return 0


class WithoutFunctionCalling(OpenAICompletion):
    """A model that writes its calls as text."""

    def supports_function_calling(self) -> bool:
        """It does not."""
        return False


model = LLM(model="gpt-4o", api_key="none")
writing = WithoutFunctionCalling(model="gpt-4o", api_key="none")
RAIN = {"tool": "weather", "args": {"city": "Oslo"}, "response": "rain"}
ONE_CALL = calls([("weather", {"city": "Oslo"})])


def agent_with(*tools: Any, llm: Any = model, **options: Any) -> Agent:
    """A clerk."""
    return Agent(**{"role": "Clerk", "goal": "Help", "backstory": "-", "llm": llm, "tools": list(tools), **options})


def crew_of(*agents: Agent, description: str = "{input}", **options: Any) -> Crew:
    """A crew with one task for its first agent."""
    task = Task(description=description, expected_output="An answer", agent=agents[0], **options)
    return Crew(agents=list(agents), tasks=[task])


def results(result: Any) -> list[Any]:
    """What the model was last told of tools."""
    return [m["content"] for m in told(result)["requests"][-1] if m["role"] == "tool"]


def written(name: str, given: str) -> dict[str, Any]:
    """A call in text."""
    return {"model": "gpt-4o", "content": f"Thought: I look.\nAction: {name}\nAction Input: {given}"}


FINAL = {"model": "gpt-4o", "content": "Thought: I now know the final answer\nFinal Answer: Rain."}


def test_a_crew_without_function_calling_is_told_what_is_recorded() -> None:
    """It writes its calls as text, and gets observations."""
    crew = crew_of(agent_with(weather, Gauge(), llm=writing))
    answers = [written("weather", '{"city": "Oslo"}'), written("gauge", '{"place": "pier"}'), FINAL]
    recorded = [RAIN, {"tool": "gauge", "args": {"place": "pier"}, "response": 7}]
    result = play(crew, llm_responses=answers, tool_responses=recorded)
    assert problems(result) == []
    assert result.turns[0].output == "Rain."
    last = str(told(result)["requests"][-1])
    assert "Observation: rain" in last
    assert "Observation: 7" in last
    assert ran == []


def test_a_raising_tool_is_run_as_often_as_the_framework_does() -> None:
    """Without function calling a failing tool is tried several times; the recorded failure is that of each."""
    answers = [written("storm_warning", '{"city": "Oslo"}'), FINAL]
    real = play_for_real(crew_of(agent_with(storm, llm=writing)), llm_responses=answers)
    times = len(ran)
    ran.clear()
    failure = {"tool": "storm_warning", "args": {"city": "Oslo"}, "error": {"type": "ValueError", "message": "no wind"}}
    result = play(crew_of(agent_with(storm, llm=writing)), llm_responses=answers, tool_responses=[failure])
    assert problems(result) == []
    assert told(result) == told(real)
    assert len(result.tool_calls) == times
    assert ran == []


@pytest.mark.parametrize("recorded", ["storm_warning", "Storm Warning"])
def test_a_tool_goes_by_both_its_names(recorded: str) -> None:
    """The one that the model knows, and its own."""
    result = play(
        crew_of(agent_with(storm)),
        llm_responses=calls([("storm_warning", {"city": "Oslo"})]),
        tool_responses=[{"tool": recorded, "args": {"city": "Oslo"}, "response": "calm"}],
    )
    assert problems(result) == []
    assert results(result) == ["calm"]
    assert ran == []


def test_results_are_cached_in_one_replay_only() -> None:
    """A crew answers an equal call from its cache, but knows nothing of an earlier replay."""
    clerk = agent_with(weather, cache=True)
    crew = Crew(agents=[clerk], tasks=crew_of(clerk).tasks, cache=True)
    for response in ("rain", "snow"):
        result = play(
            lambda input, crew=crew: crew.kickoff({"input": input}),
            llm_responses=calls([("weather", {"city": "Oslo"})], [("weather", {"city": "Oslo"})]),
            tool_responses=[{**RAIN, "response": response}],
        )
        assert problems(result) == []
        assert results(result)[-2:] == [response] * 2
        assert len(result.tool_calls) == 1
    assert ran == []


@pytest.mark.parametrize("is_recorded", [False, True])
def test_delegation_runs_where_it_is_not_recorded(is_recorded: bool) -> None:
    """The coworker's tools are answered then."""
    clerk = agent_with(allow_delegation=True)
    guide = agent_with(weather, role="Guide")
    name = "delegate_work_to_coworker"
    given = {"task": "Oslo", "context": "-", "coworker": "Guide"}
    inner = [] if is_recorded else ONE_CALL
    result = play(
        crew_of(clerk, guide),
        llm_responses=[calls([(name, given)])[0], *inner, {"model": "gpt-4o", "content": "Done."}],
        tool_responses=[{"tool": name, "args": given, "response": "wet"} if is_recorded else RAIN],
    )
    assert problems(result) == []
    assert [call["tool"] for call in result.tool_calls] == [name if is_recorded else "weather"]
    assert results(result) == ["wet" if is_recorded else "That is all."]
    assert ran == []


def test_limits_of_use_hold() -> None:
    """The second call of a tool that may be used once is refused by the framework, and is no call."""
    limited = Gauge(max_usage_count=1)
    result = play(
        crew_of(agent_with(limited)),
        llm_responses=calls([("gauge", {"place": "a"})], [("gauge", {"place": "b"})]),
        tool_responses=[{"tool": "gauge", "args": {"place": "a"}, "response": 7}],
    )
    assert result.unrecorded == []
    assert len(result.tool_calls) == 1
    assert "usage limit" in results(result)[-1]
    assert ran == []


def test_a_tool_called_by_the_agents_own_code_is_answered() -> None:
    """By `run`, `arun`, `invoke`, `ainvoke` and through a structured tool that was made before the replay."""
    gauge = Gauge()
    made_before = gauge.to_structured_tool()
    from_function = CrewStructuredTool.from_function(weather.func, name="weather", description="-")

    async def ask(input: str) -> Any:
        return [
            gauge.run(place="a"),
            await gauge.arun(place="b"),
            made_before.invoke({"place": "c"}),
            await made_before.ainvoke('{"place": "d"}'),
            from_function.invoke({"city": "Oslo"}),
            weather.run("Oslo"),
        ]

    recorded = [{"tool": "gauge", "args": {"place": each}, "response": each * 2} for each in "abcd"]
    result = play(ask, tool_responses=[*recorded, {**RAIN, "times": 2}])
    assert problems(result) == []
    assert result.turns[0].output == ["aa", "bb", "cc", "dd", "rain", "rain"]
    assert [call["channel"] for call in result.tool_calls] == ["crewai"] * 6
    assert ran == []


def test_an_agent_is_asked_turn_by_turn() -> None:
    """With all that was said before."""
    turns = [
        {"input": "Oslo?", "tool_responses": [RAIN], "llm_responses": ONE_CALL},
        {"input": "Sure?", "llm_responses": [{"model": "gpt-4o", "content": "Yes."}]},
    ]
    result = play(agent_with(weather), turns=turns)
    assert problems(result) == []
    assert [turn.output for turn in result.turns] == ["That is all.", "Yes."]
    last = str(told(result)["requests"][-1])
    assert all(each in last for each in ("Oslo?", "That is all.", "Sure?"))


class Verdict(BaseModel):
    """A structured answer."""

    wet: bool


def test_a_structured_answer_is_an_object_and_usage_is_read() -> None:
    """Not the text that it was written in; the tokens are those of the crew."""
    answer = {"model": "gpt-4o", "content": '{"wet": true}', "usage": {"input_tokens": 11, "output_tokens": 3}}
    result = play(crew_of(agent_with(), output_json=Verdict), llm_responses=[answer])
    assert result.turns[0].output == {"wet": True}
    assert result.trace is not None
    (completed,) = result.trace.of_type("run_completed")
    assert completed.payload["usage"] == {"input_tokens": 11, "output_tokens": 3}


class Report(Flow[dict[str, Any]]):
    """A flow of two steps."""

    @start()
    def look(self) -> str:
        """Looks."""
        return str(weather.run(city=self.state["input"]))

    @listen(look)
    async def tell(self, seen: str) -> str:
        """Tells."""
        return f"It is {seen}."


def test_a_flow_gets_the_input_in_its_state() -> None:
    """And its tools are answered; each replay makes a flow of its own where the class is named."""
    for agent in (Report(), Report):
        result = play(agent, input="Oslo", tool_responses=[RAIN])
        assert problems(result) == []
        assert result.turns[0].output == "It is rain."
    assert ran == []


def test_the_only_placeholder_takes_the_input() -> None:
    """Whatever it is called; with several of them the input is a mapping."""
    crew = crew_of(agent_with(), description="Look at {city}.")
    result = play(crew, input="Oslo", llm_responses=[{"content": "Hi."}])
    assert "Look at Oslo." in str(told(result)["requests"][0])
    several = crew_of(agent_with(), description="Look at {city} on {day}.")
    result = play(several, input={"city": "Oslo", "day": "Monday"}, llm_responses=[{"content": "Hi."}])
    assert "Look at Oslo on Monday." in str(told(result)["requests"][0])
    with pytest.raises(AgentError, match=r"\{city\}, \{day\}"):
        play(several, input="Oslo", llm_responses=[{"content": "Hi."}])
