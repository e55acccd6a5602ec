"""What is Haystack's own: state, components and agents as tools, pipelines, conversations, errors of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("haystack")

from haystack import Pipeline, component
from haystack.components.agents import Agent
from haystack.components.builders import PromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import ComponentTool, Tool, create_tool_from_function, tool
from haystack.utils import Secret

from pytest_agent_replay import capture
from pytest_agent_replay.errors import AgentError
from tests.frameworks.harness import calls, play, problems, told

ran: list[str] = []
PARAMETERS = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


def generator() -> Any:
    """A model of OpenAI."""
    return OpenAIChatGenerator(model="gpt-4o", api_key=Secret.from_token("none"), max_retries=0)


def agent_with(*tools: Any, **options: Any) -> Any:
    """An agent with these tools."""
    return Agent(chat_generator=generator(), tools=list(tools), **options)


def said(text: str, tokens: int = 0) -> dict[str, Any]:
    """A model answer that is text."""
    usage = {"usage": {"input_tokens": tokens, "output_tokens": 1}} if tokens else {}
    return {"model": "gpt-4o", "content": text, **usage}


@tool
def price(item: str) -> str:
    """The price of an item."""
    ran.append("price")
    return "real"


PRICE = {"tool": "price", "args": {"item": "tea"}, "response": "3"}
ONE = calls([("price", {"item": "tea"})])


def test_what_comes_from_the_state_is_no_argument_of_the_call() -> None:
    """And what the tool gives is merged into the state."""

    def order(item: str, customer: str) -> dict[str, Any]:
        """Orders."""
        ran.append("order")
        return {}

    ordering = create_tool_from_function(
        order, inputs_from_state={"customer": "customer"}, outputs_to_state={"number": {"source": "number"}}
    )
    agent = agent_with(ordering, state_schema={"customer": {"type": str}, "number": {"type": int}})
    numbers = []

    def ask(input: str) -> str:
        result = agent.run(messages=[ChatMessage.from_user(input)], customer="Ada")
        numbers.append(result["number"])
        return str(result["last_message"].text)

    recorded = {"tool": "order", "args": {"item": "tea"}, "response": {"number": 7}}
    result = play(ask, llm_responses=calls([("order", {"item": "tea"})]), tool_responses=[recorded])
    assert ([(c["tool"], c["args"]) for c in result.tool_calls], numbers) == ([("order", {"item": "tea"})], [7])
    assert (ran, problems(result)) == ([], [])
    assert result.trace is not None
    assert result.trace.tool_calls[0].defaults == {"customer": "Ada"}


def test_a_failure_ends_the_run_where_the_agent_says_so() -> None:
    """As `ToolInvocationError`, also where that is what is recorded."""
    agent = agent_with(price, raise_on_tool_invocation_failure=True)
    text = "Failed to invoke Tool `price` with parameters {'item': 'tea'}. Error: sold out"
    for error in (
        {"type": "ValueError", "message": "sold out"},
        {"type": "haystack.tools.errors.ToolInvocationError", "message": text, "attributes": {"tool_name": "price"}},
    ):
        result = play(agent, llm_responses=ONE, tool_responses=[{"tool": "price", "error": error}])
        found = result.turns[0].error
        assert found is not None
        assert found["type"].rpartition(".")[2] in ("ToolInvocationError", "PipelineRuntimeError")  # before Haystack 3
        assert (found["message"].endswith(text), found["message"].count("Failed to invoke"), ran) == (True, 1, [])


class Own(Tool):
    """A tool that does it itself."""

    def invoke(self, **kwargs: Any) -> Any:
        ran.append("own")
        return "real"


class More(Tool):
    """A tool that does more than Haystack's."""

    def warm_up(self) -> None:
        ran.append("warmed up")

    def invoke(self, **kwargs: Any) -> Any:
        return super().invoke(**kwargs)


@pytest.mark.parametrize("kind", [Own, More])
def test_a_subclass_is_answered(kind: Any) -> None:
    """Once, and without being warmed up; its own code runs where that is allowed."""
    own = kind(name="own", description="x", parameters=PARAMETERS, function=lambda item: ran.append("own") or "real")

    def ask(input: str) -> Any:
        return own.invoke(item="tea")

    result = play(ask, tool_responses=[{"tool": "own", "args": {"item": "tea"}, "response": "recorded"}])
    assert (ran, result.turns[0].output, len(result.tool_calls), problems(result)) == ([], "recorded", 1, [])
    result = play(ask, matching={"unrecorded": "live"})
    assert ([each for each in ran if each == "own"], result.turns[0].output, len(result.tool_calls)) == (
        ["own"],
        "real",
        1,
    )


@component
class Shop:
    """A component."""

    @component.output_types(price=int)
    def run(self, item: str) -> dict[str, Any]:
        """The price of an item."""
        ran.append("shop")
        return {"price": 0}


def test_a_component_as_a_tool_is_answered() -> None:
    """The component does not run."""
    agent = agent_with(ComponentTool(component=Shop(), name="shop"))
    recorded = {"tool": "shop", "args": {"item": "tea"}, "response": {"price": 3}}
    result = play(agent, llm_responses=calls([("shop", {"item": "tea"})]), tool_responses=[recorded])
    assert (ran, problems(result), len(result.tool_calls)) == ([], [], 1)
    assert "3" in told(result)["requests"][-1][-1]["content"]


@pytest.mark.parametrize("is_recorded", [False, True])
def test_an_agent_as_a_tool(is_recorded: bool) -> None:
    """Runs, with its own tools answered, unless it is recorded itself."""
    inner = ComponentTool(
        component=agent_with(price), name="clerk", description="Asks.", outputs_to_string={"source": "last_message"}
    )
    asked = {"messages": [{"role": "user", "content": [{"text": "how much?"}]}]}
    answers = calls([("clerk", asked)])
    recorded = {"tool": "clerk", "response": {"last_message": "3"}} if is_recorded else PRICE
    if not is_recorded:
        answers = [answers[0], *ONE, said("It is 3.")]
    result = play(agent_with(inner), llm_responses=answers, tool_responses=[recorded])
    assert ([c["tool"] for c in result.tool_calls], ran, problems(result)) == ([recorded["tool"]], [], [])


def test_a_conversation_goes_on() -> None:
    """With what was said before and the calls of the tools, and the agent's own system message once."""
    agent = agent_with(price, system_prompt="Be short.")
    turns = [
        {"input": "One?", "llm_responses": [*ONE[:1], said("One.")], "tool_responses": [PRICE]},
        {"input": "Two?", "llm_responses": [said("Two.")]},
    ]
    result = play(agent, turns=turns)
    messages = told(result)["requests"][-1]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert ([t.output for t in result.turns], problems(result)) == (["One.", "Two."], [])


def test_tokens_are_those_of_the_turn() -> None:
    """Not those of the messages before."""
    from pytest_agent_replay.agents.answers import read_answer
    from pytest_agent_replay.agents.call import make_agent
    from pytest_agent_replay.agents.model import TurnInput

    agent = make_agent(agent_with(price), name="agent")
    usages = []

    async def talk(input: str) -> str:
        conversation = agent.start(TurnInput(input))
        for number in (1, 2):
            usages.append(read_answer(await conversation.ask_async(TurnInput(input, turn=number))).usage)
        return "done"

    play(talk, llm_responses=[said("One.", 5), said("Two.", 7)])
    assert usages == [{"input_tokens": 5, "output_tokens": 1}, {"input_tokens": 7, "output_tokens": 1}]


def test_a_pipeline_is_an_agent() -> None:
    """A text is its one open input; the answer is what its last component replies."""
    from haystack.components.builders import ChatPromptBuilder

    pipeline = Pipeline()
    template = [ChatMessage.from_user("Translate: {{text}}")]
    pipeline.add_component("prompt", ChatPromptBuilder(template=template, required_variables=["text"]))
    pipeline.add_component("model", generator())
    pipeline.connect("prompt.prompt", "model.messages")
    result = play(pipeline, input="Hallo", llm_responses=[said("Hello")])
    assert told(result)["requests"][0][-1]["content"] == "Translate: Hallo"
    assert (result.turns[0].output, problems(result)) == ("Hello", [])


def test_a_pipeline_of_several_inputs_is_given_them() -> None:
    """Which one takes the text is not guessed."""
    pipeline = Pipeline()
    pipeline.add_component("prompt", PromptBuilder("{{a}} and {{b}}", required_variables=["a", "b"]))
    assert play(pipeline, input={"a": "x", "b": "y"}).turns[0].output == "x and y"
    with pytest.raises(AgentError, match="has the inputs a, b"):
        play(pipeline)


def test_a_captured_call_is_returned_again(tmp_path: Any) -> None:
    """Also by the type that the tool's annotation promises."""
    found = []

    def ask(input: str) -> str:
        found.append(weigh.invoke(item="tea"))
        return "Done."

    with capture(tmp_path / "weigh.replay.yaml") as session:
        session.input = "Go"
        session.output = ask("Go")
    ran.clear()
    import yaml

    recorded = yaml.safe_load((tmp_path / "weigh.replay.yaml").read_text("utf-8"))["tool_responses"]
    result = play(ask, tool_responses=recorded)
    assert (found, ran, problems(result)) == ([Weight(3), Weight(3)], [], [])


@dataclass
class Weight:
    """A weight."""

    grams: int


def _weigh(item: str) -> Weight:
    ran.append("weigh")
    return Weight(3)


weigh = Tool(name="weigh", description="Weighs.", parameters=PARAMETERS, function=_weigh)


@pytest.mark.skipif(not hasattr(Tool, "invoke_async"), reason="since Haystack 3")
def test_an_async_tool_is_answered() -> None:
    """Where it is awaited."""

    async def stock(item: str) -> str:
        ran.append("stock")
        return "real"

    counting = Tool(name="stock", description="x", parameters=PARAMETERS, async_function=stock)
    recorded = {"tool": "stock", "args": {"item": "tea"}, "response": "12"}
    result = play(agent_with(counting), llm_responses=calls([("stock", {"item": "tea"})]), tool_responses=[recorded])
    assert (ran, problems(result), len(result.tool_calls)) == ([], [], 1)
    assert told(result)["requests"][-1][-1]["content"] == "12"
    failed = play(lambda input: counting.invoke(item="tea"), tool_responses=[recorded])
    assert "no sync `function`" in str(failed.turns[0].error)
    assert asyncio.run(counting.invoke_async(item="tea")) == "real"
