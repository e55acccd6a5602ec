"""smolagents beyond the common incident: turns, managed agents, code in threads, tools that load, refused arguments."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.frameworks.harness import calls, case, play, play_at_once, problems, told

pytest.importorskip("smolagents")
pytest.importorskip("openai")

from smolagents import CodeAgent, Tool, ToolCallingAgent, tool
from smolagents.tools import Tool as BaseOfTools

from tests.frameworks.apps.smolagents import CodingModel, Model

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@tool
def weather(city: str, days: int = 1) -> str:
    """The weather.

    Args:
        city: Where.
        days: How many.
    """
    ran.append("weather")
    return f"sun in {city}"


RAIN = {"tool": "weather", "args": {"city": "Oslo"}, "response": "rain"}
ONE_CALL = calls([("weather", {"city": "Oslo"})])


def agent_with(*tools: Any, **options: Any) -> ToolCallingAgent:
    """An agent that calls tools."""
    return ToolCallingAgent(list(tools), Model("gpt-4o", api_key="none"), verbosity_level=0, **options)


def coder_with(*tools: Any, **options: Any) -> CodeAgent:
    """An agent that writes code."""
    return CodeAgent(list(tools), CodingModel("gpt-4o", api_key="none"), verbosity_level=0, **options)


def code(*lines: str) -> dict[str, Any]:
    """The answer of a model that writes code; `Model` leaves it as it is."""
    return {"model": "gpt-4o", "content": "<code>\n" + "\n".join(lines) + "\n</code>"}


def texts(messages: list[dict[str, Any]]) -> str:
    """All that was said in a request."""
    return json.dumps([m["content"] for m in messages if m["role"] != "system"])


def test_turns_are_one_conversation_and_sessions_are_not() -> None:
    """The second turn is asked with the first one before it; the next session begins anew."""
    agent = agent_with(weather)
    turns = [
        {"input": "Oslo?", "tool_responses": [RAIN], "llm_responses": ONE_CALL},
        {"input": "Sure?", "llm_responses": [{"content": "Yes."}]},
    ]
    for _ in range(2):
        result = play(agent, turns=turns)
        assert problems(result) == []
        assert [turn.output for turn in result.turns] == ["That is all.", "Yes."]
        first, *_, last = told(result)["requests"]
        assert "Sure?" not in texts(first)
        assert "rain" not in texts(first)
        assert all(each in texts(last) for each in ("Oslo?", "rain", "Sure?"))
    assert agent.memory.steps == []


def test_usage_is_read() -> None:
    """The tokens of all steps."""
    answers = [
        {**ONE_CALL[0], "usage": {"input_tokens": 10, "output_tokens": 2}},
        {"content": "Rain.", "usage": {"input_tokens": 20, "output_tokens": 3}},
    ]
    result = play(agent_with(weather), llm_responses=answers, tool_responses=[RAIN])
    assert result.trace is not None
    (completed,) = result.trace.of_type("run_completed")
    assert completed.payload["usage"] == {"input_tokens": 30, "output_tokens": 5}


def test_a_context_that_cannot_be_told_is_noted() -> None:
    """An agent takes no messages from before; a mapping is given as its additional arguments."""
    result = play(agent_with(weather), llm_responses=[{"content": "Hi."}], context="Be brief.")
    assert any("smolagents agents take no messages" in note for note in result.notes)
    result = play(agent_with(weather), llm_responses=[{"content": "Hi."}], context={"customer": "Ada"})
    assert "Ada" in texts(told(result)["requests"][0])
    assert not any("smolagents agents take no messages" in note for note in result.notes)


@pytest.mark.parametrize("manager", [agent_with, coder_with])
@pytest.mark.parametrize("sub", [agent_with, coder_with])
def test_a_managed_agent_runs_where_it_is_not_recorded(manager: Any, sub: Any) -> None:
    """Its own tools are answered then, and what it reports is the result of the manager's call."""
    helper = sub(weather, name="helper", description="Knows the weather.")
    result = play(
        manager(managed_agents=[helper]),
        llm_responses=[
            *calls([("helper", {"task": "Oslo", "additional_args": {}})])[:1],
            *ONE_CALL,
            {"content": "Done."},
        ],
        tool_responses=[RAIN],
    )
    assert problems(result) == []
    assert [call["tool"] for call in result.tool_calls] == ["weather"]
    assert result.turns[0].output == "Done."
    assert "That is all." in texts(told(result)["requests"][-1])
    assert ran == []


def test_a_recorded_managed_agent_does_not_run() -> None:
    """Its report is what is recorded."""
    helper = agent_with(weather, name="helper", description="Knows the weather.")
    result = play(
        agent_with(managed_agents=[helper]),
        llm_responses=calls([("helper", {"task": "Oslo", "additional_args": {}})]),
        tool_responses=[{"tool": "helper", "args": {"task": "Oslo", "additional_args": {}}, "response": "It rains."}],
    )
    assert problems(result) == []
    assert len(told(result)["requests"]) == 2
    assert "It rains." in texts(told(result)["requests"][-1])


def test_code_may_do_anything_with_what_is_recorded() -> None:
    """Values are values there, positional arguments have names, and a failure can be caught."""
    lines = [
        "first = weather('Oslo')",
        "try:",
        "    weather('Rome', days=2)",
        "except ValueError as error:",
        "    first = first + ' ' + str(error)",
        "final_answer(first)",
    ]
    agent = CodeAgent([weather], Model("gpt-4o", api_key="none"), verbosity_level=0)
    failure = {"tool": "weather", "args": {"city": "Rome", "days": 2}, "error": {"type": "ValueError", "message": "no"}}
    result = play(agent, llm_responses=[code(*lines)], tool_responses=[RAIN, failure])
    assert problems(result) == []
    assert result.turns[0].output == "rain no"


def test_code_in_threads_belongs_to_its_session() -> None:
    """Twenty agents at once run code in threads without a context: each gets its own answer."""

    async def ask(input: str) -> Any:
        return await asyncio.to_thread(coder_with(weather).run, input)

    cases = [
        case(ask, llm_responses=ONE_CALL, tool_responses=[{**RAIN, "response": f"rain {n} mm"}]) for n in range(20)
    ]
    results = asyncio.run(play_at_once(cases))
    for number, result in enumerate(results):
        assert problems(result) == []
        assert f"rain {number} mm" in texts(told(result)["requests"][-1])
    assert ran == []


class Heavy(Tool):
    """A tool that loads something at first."""

    name = "weather"
    description = "The weather."
    inputs = {"city": {"type": "string", "description": "Where."}}  # noqa: RUF012
    output_type = "string"

    def setup(self) -> None:
        """Loads."""
        ran.append("setup")
        super().setup()

    def forward(self, city: str) -> str:
        """Looks."""
        ran.append("forward")
        return city


class OwnCall(Heavy):
    """A tool that does its work where others check."""

    def __call__(self, city: str, **kwargs: Any) -> str:
        """Looks."""
        ran.append("call")
        return city


class Polite(Heavy):
    """A tool that adds to what the framework does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a word."""
        return f"please: {super().__call__(*args, **kwargs)}"


@pytest.mark.parametrize(("kind", "said"), [(Heavy, "rain"), (OwnCall, "rain"), (Polite, "please: rain")])
def test_a_tool_of_any_kind_is_answered_and_loads_nothing(kind: type[BaseOfTools], said: str) -> None:
    """Its `setup` runs only for the real call."""
    result = play(agent_with(kind()), llm_responses=ONE_CALL, tool_responses=[RAIN])
    assert problems(result) == []
    assert said in texts(told(result)["requests"][-1])
    assert ran == []


def test_the_final_answer_is_no_call() -> None:
    """Unless the file records it: then it is served."""
    answers = calls([("final_answer", {"answer": "Rain."})])
    result = play(agent_with(weather), llm_responses=answers)
    assert problems(result) == []
    assert result.turns[0].output == "Rain."
    assert result.tool_calls == []
    recorded = [{"tool": "final_answer", "args": {"answer": "Rain."}, "response": "Rain."}]
    result = play(agent_with(weather), llm_responses=answers, tool_responses=recorded)
    assert problems(result) == []
    assert result.unused == []


def test_arguments_that_python_refuses_are_refused() -> None:
    """In code, in the words of the real call; no call is unrecorded."""
    agent = CodeAgent([weather], Model("gpt-4o", api_key="none"), verbosity_level=0)
    result = play(
        agent,
        llm_responses=[code("weather(town='Oslo')"), code("final_answer(weather(city='Oslo'))")],
        tool_responses=[RAIN],
    )
    assert problems(result) == []
    assert "unexpected keyword argument 'town'" in texts(told(result)["requests"][-1])
    assert ran == []
