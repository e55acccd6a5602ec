"""What only google-genai has: functions with types of their own, chats, what the SDK refuses."""

from importlib.metadata import version
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.intercept.frameworks import framework_interceptors
from pytest_agent_replay.intercept.registry import Patcher
from tests.frameworks.harness import calls, play, play_for_real, told

pytest.importorskip("google.genai")

from google import genai
from google.genai import types

client = genai.Client(api_key="none")
real: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    real.clear()


class Place(BaseModel):
    """Where it is."""

    city: str
    floor: int = 0


def forecast(place: Place, days: int = 1) -> dict[str, Any]:
    """How it will be."""
    real.append("forecast")
    return {"degrees": 0}


async def tides(city: str) -> str:
    """When it comes."""
    real.append("tides")
    return "never"


class Station:
    """One that is asked by its method."""

    def wind(self, city: str) -> dict[str, Any]:
        """How much."""
        real.append("wind")
        return {"knots": 0}


def ask_with(*tools: Any, is_async: bool = False) -> Any:
    """An agent that has these tools."""
    config = types.GenerateContentConfig(tools=list(tools))

    async def ask_async(input: str) -> Any:
        return (await client.aio.chats.create(model="gemini-2.5-flash", config=config).send_message(input)).text

    def ask(input: str) -> Any:
        return client.chats.create(model="gemini-2.5-flash", config=config).send_message(input).text

    return ask_async if is_async else ask


def test_models_of_the_arguments_are_made_by_the_sdk() -> None:
    """What is looked up is what the model gave, and defaults are known."""
    recorded = {"tool": "forecast", "args": {"place": {"city": "Oslo"}, "days": 1}, "response": {"degrees": -3}}
    answers = calls([("forecast", {"place": {"city": "Oslo"}})])
    result = play(ask_with(forecast), llm_responses=answers, tool_responses=[recorded])
    assert [c["args"] for c in result.tool_calls] == [{"place": {"city": "Oslo"}}]
    assert result.unrecorded == []
    assert real == []


@pytest.mark.parametrize("args", [{"place": {"floor": "high"}}, {}], ids=["wrong", "missing"])
def test_what_the_sdk_refuses_is_not_looked_up(args: dict[str, Any]) -> None:
    """The model is told the same as with the real function."""
    answers = calls([("forecast", args)])
    native = play_for_real(ask_with(forecast), llm_responses=answers)
    result = play(ask_with(forecast), llm_responses=answers, tool_responses=[{"tool": "forecast", "response": {}}])
    assert told(result) == told(native)
    assert "error" in str(told(result)["requests"][-1])
    assert result.tool_calls == []


def test_async_functions_are_answered() -> None:
    """On the loop of the agent."""
    recorded = {"tool": "tides", "args": {"city": "Oslo"}, "response": "at noon"}
    answers = calls([("tides", {"city": "Oslo"})])
    result = play(ask_with(tides, is_async=True), llm_responses=answers, tool_responses=[recorded])
    assert "at noon" in str(told(result)["requests"][-1])
    assert real == []


def test_methods_are_answered() -> None:
    """Those of an object that the agent holds."""
    recorded = {"tool": "wind", "args": {"city": "Oslo"}, "response": {"knots": 12}}
    answers = calls([("wind", {"city": "Oslo"})])
    result = play(ask_with(Station().wind), llm_responses=answers, tool_responses=[recorded])
    assert "12" in str(told(result)["requests"][-1])
    assert real == []


def test_a_chat_remembers_its_turns() -> None:
    """The second turn's request has what was called in the first."""
    chat = client.chats.create(model="gemini-2.5-flash", config=types.GenerateContentConfig(tools=[Station().wind]))

    def ask(input: str) -> Any:
        return chat.send_message(input).text

    recorded = {"tool": "wind", "response": {"knots": 12}}
    turns = [
        {"input": "Wind?", "llm_responses": calls([("wind", {"city": "Oslo"})]), "tool_responses": [recorded]},
        {"input": "Sure?", "llm_responses": calls()},
    ]
    result = play(ask, turns=turns)
    assert "'knots': 12" in str(told(result)["requests"][-1])
    assert [turn.output for turn in result.turns] == ["That is all.", "That is all."]


def test_a_version_that_is_not_understood_is_named() -> None:
    """The package that is meant, of the several whose modules begin with `google`."""
    interceptor = next(each for each in framework_interceptors() if each.name.startswith("google_genai"))
    with pytest.raises(BindingError, match=rf"tools of google-genai {version('google-genai')} cannot be intercepted"):
        interceptor.apply(ModuleType(interceptor.module), Patcher())
