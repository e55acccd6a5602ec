"""What Semantic Kernel has beside single functions: threads, filters, agents as plugins, prompts, orchestrations."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("semantic_kernel")

from semantic_kernel import Kernel
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import OpenAIChatPromptExecutionSettings
from semantic_kernel.functions import KernelArguments, KernelFunctionFromPrompt, KernelPlugin, kernel_function

from tests.frameworks import bodies
from tests.frameworks.apps.semantic_kernel import Orders, agent, service
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
    """The second turn is asked with the first one before it, the context once; the next session begins anew."""
    turns = [
        {"input": "Hello", "llm_responses": text("Good day.")},
        {"input": "Order 1?", "llm_responses": ONE_CALL, "tool_responses": [LOOKUP]},
    ]
    for _ in range(2):
        result = play(agent, context="Be brief.", turns=turns)
        assert [turn.output for turn in result.turns] == ["Good day.", "That is all."]
        assert spoken(result, 1) == [
            ("system", "Be brief."),
            ("user", "Hello"),
            ("assistant", "Good day."),
            ("user", "Order 1?"),
        ]


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


@pytest.mark.parametrize("recorded", ["Orders-lookup", "lookup"])
@pytest.mark.parametrize("asked", ["Orders-lookup", "lookup"])
def test_a_function_is_known_with_its_plugin_and_without(asked: str, recorded: str) -> None:
    """Whatever the model calls it, and whatever the recording does."""
    answers = calls([(asked, {"order": 1})])
    result = play(agent, llm_responses=answers, tool_responses=[{**LOOKUP, "tool": recorded}])
    assert problems(result) == []
    assert [(c["tool"], c["args"], c["call_id"]) for c in result.tool_calls] == [(recorded, {"order": 1}, "call_1")]
    assert bodies.ran == []


def test_a_name_that_two_plugins_have_is_not_taken_for_either() -> None:
    """Only the recording with the plugin's name answers."""
    both = ChatCompletionAgent(
        service=service, plugins=[KernelPlugin.from_object(name, Orders()) for name in ("Old", "New")]
    )
    answers = calls([("New-lookup", {"order": 1})])
    assert play(both, llm_responses=answers, tool_responses=[LOOKUP]).unrecorded[0].tool == "New-lookup"
    right = {**LOOKUP, "tool": "New-lookup"}
    assert problems(play(both, llm_responses=answers, tool_responses=[right])) == []
    assert bodies.ran == []


def test_filters_see_what_is_recorded() -> None:
    """They run around the recorded call and may change its result."""
    kernel = Kernel()

    @kernel.filter("function_invocation")
    async def double(context: Any, next: Any) -> None:
        await next(context)
        context.result.value = {"total": 2 * context.result.value["total"]}

    watched = ChatCompletionAgent(service=service, kernel=kernel, plugins=[Orders()])
    real = play_for_real(watched, llm_responses=ONE_CALL)
    result = play(watched, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert told(result) == told(real)
    assert spoken(result)[-1] == ("tool", "{'total': 10}")


def with_expert() -> ChatCompletionAgent:
    """An agent with an agent as its plugin."""
    expert = ChatCompletionAgent(service=service, name="expert", description="Knows orders.", plugins=[Orders()])
    return ChatCompletionAgent(service=service, name="desk", plugins=[expert])


def test_an_agent_as_a_plugin_runs_and_its_functions_are_answered() -> None:
    """Its model is asked, and its function is answered from the recording."""
    first, last = calls([("expert-expert", {"messages": "order 1"})])
    result = play(with_expert(), llm_responses=[first, *ONE_CALL, last], tool_responses=[LOOKUP])
    assert problems(result) == []
    assert [call["tool"] for call in result.tool_calls] == ["lookup"]
    assert bodies.ran == []


def test_an_agent_as_a_plugin_that_is_recorded_does_not_run() -> None:
    """What it said is the result; its model is not asked."""
    recorded = {"tool": "expert-expert", "args": {"messages": "order 1"}, "response": "5 in total"}
    asked = calls([("expert-expert", {"messages": "order 1"})])
    result = play(with_expert(), llm_responses=asked, tool_responses=[recorded])
    assert problems(result) == []
    assert spoken(result)[-1] == ("tool", "5 in total")


def with_prompt() -> ChatCompletionAgent:
    """An agent whose tool is a prompt."""
    prompt = KernelFunctionFromPrompt("shorten", plugin_name="Text", prompt="Shorten: {{$input}}")
    return ChatCompletionAgent(service=service, plugins=[KernelPlugin("Text", functions=[prompt])])


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_prompt_that_the_model_calls_is_a_tool(is_recorded: bool) -> None:
    """It is answered where it is recorded, and asks its model where it is not."""
    first, last = calls([("Text-shorten", {"input": "A long text."})])
    recorded = {"tool": "Text-shorten", "args": {"input": "A long text."}, "response": "Text."}
    inner = [] if is_recorded else text("Text.")
    result = play(with_prompt(), llm_responses=[first, *inner, last], tool_responses=[recorded] if is_recorded else [])
    assert problems(result) == []
    assert len(told(result)["requests"]) == (2 if is_recorded else 3)
    assert "Text." in spoken(result)[-1][1]


def test_a_prompt_of_the_agents_own_is_no_tool() -> None:
    """The kernel asks the model, and answers the functions that it calls."""
    kernel = Kernel(services=service, plugins={"Orders": KernelPlugin.from_object("Orders", Orders())})
    settings = OpenAIChatPromptExecutionSettings(function_choice_behavior=FunctionChoiceBehavior.Auto())

    async def ask(input: str) -> str:
        return str(await kernel.invoke_prompt("{{$input}}", arguments=KernelArguments(settings, input=input)))

    result = play(ask, llm_responses=ONE_CALL, tool_responses=[LOOKUP])
    assert problems(result) == []
    assert result.turns[0].output == "That is all."
    assert [call["tool"] for call in result.tool_calls] == ["lookup"]
    assert bodies.ran == []


def orchestrations() -> Any:
    """The module that has them; an extra of the package."""
    pytest.importorskip("google.protobuf")
    from semantic_kernel import agents

    return agents


class Pieces:
    """A function that yields."""

    @kernel_function
    async def lookup(self, order: int) -> Any:
        """Piece by piece."""
        bodies.ran.append("lookup")
        for piece in ("a", "b"):
            yield piece


def test_a_function_that_yields_is_answered_in_pieces() -> None:
    """Where the agent's code asks for a stream."""
    kernel = Kernel(plugins={"Pieces": KernelPlugin.from_object("Pieces", Pieces())})

    async def ask(input: str) -> list[Any]:
        return [piece async for piece in kernel.invoke_stream(plugin_name="Pieces", function_name="lookup", order=1)]

    assert play_for_real(ask).turns[0].output == ["a", "b"]
    result = play(ask, tool_responses=[{"tool": "lookup", "args": {"order": 1}, "stream": ["x", "y"]}])
    assert result.turns[0].output == ["x", "y"]
    assert bodies.ran == []


def test_an_orchestration_is_told_what_was_said() -> None:
    """It answers with what its last agent said; a later turn has the earlier ones before it."""
    members = [ChatCompletionAgent(service=service, name=name, plugins=[Orders()]) for name in ("first", "second")]
    result = play(
        orchestrations().SequentialOrchestration(members=members),
        turns=[
            {"input": "Hello", "llm_responses": [*text("Hm."), *text("Good day.")]},
            {"input": "1?", "llm_responses": [*ONE_CALL, *text("5.")], "tool_responses": [LOOKUP]},
        ],
    )
    assert problems(result) == []
    assert [turn.output for turn in result.turns] == ["Good day.", "5."]
    assert spoken(result, 2) == [("user", "Hello"), ("assistant", "Good day."), ("user", "1?")]
    assert bodies.ran == []


@pytest.mark.parametrize("recorded", [False, True])
def test_handoffs_pass(recorded: bool) -> None:
    """They are no tools of the outside; a recording of one counts as served."""
    desk = ChatCompletionAgent(service=service, name="desk", description="Asks back.")
    expert = ChatCompletionAgent(service=service, name="expert", description="Knows orders.", plugins=[Orders()])
    orchestration = orchestrations().HandoffOrchestration(
        members=[desk, expert], handoffs=orchestrations().OrchestrationHandoffs().add("desk", "expert", "For orders.")
    )
    handoff = {"tool": "Handoff-transfer_to_expert", "args": {}, "response": None}
    answers = [
        calls([("Handoff-transfer_to_expert", {})])[0],
        calls([("lookup", {"order": 1})])[0],
        calls([("Handoff-complete_task", {"task_summary": "It is 5."})])[0],
    ]
    result = play(orchestration, llm_responses=answers, tool_responses=[LOOKUP, *([handoff] if recorded else [])])
    assert problems(result) == []
    assert result.unused == []
    assert "It is 5." in str(result.turns[0].output)
    assert bodies.ran == []
