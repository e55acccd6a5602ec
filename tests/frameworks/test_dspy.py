"""What is DSPy's own: loops that talk in text, fields of signatures, histories, its cache, its HTTP client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("dspy")

import dspy

from pytest_agent_replay.errors import AgentError
from tests.frameworks.harness import play, problems, told

lm: Any = dspy.LM("openai/gpt-4o", api_key="none", num_retries=0)
ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    ran.clear()
    with dspy.context(adapter=dspy.ChatAdapter()):  # whatever the process has as its own
        yield


def price(item: str, count: int = 1) -> str:
    """The price of an item."""
    ran.append("price")
    return "real"


async def stock(item: str) -> str:
    """How many there are."""
    ran.append("stock")
    return "real"


def fields(**values: Any) -> dict[str, Any]:
    """A model answer that gives these fields, as DSPy's chat adapter reads them."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    content = "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in texts.items())
    return {"model": "gpt-4o", "content": f"{content}\n\n[[ ## completed ## ]]"}


def step(tool: str, **args: Any) -> dict[str, Any]:
    """A step of `ReAct`."""
    return fields(next_thought="Hm.", next_tool_name=tool, next_tool_args=args)


LAST = [step("finish"), fields(reasoning="So.", answer="It is 3.")]


class Held(dspy.Module):
    """A module of the agent's own, with its language model."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        inner.set_lm(lm)

    def forward(self, question: str) -> Any:
        return self.inner(question=question)


def react(*tools: Any, signature: str = "question -> answer") -> Any:
    """The loop that has a text of its steps."""
    loop = dspy.ReAct(signature, tools=list(tools))
    loop.set_lm(lm)
    return loop


@pytest.mark.parametrize("make", [react, lambda *tools: Held(react(*tools))])
def test_the_loop_in_text_is_answered(make: Any) -> None:
    """What is recorded is its next observation; `finish` is no tool; the answer is the one field of the signature."""
    recorded = {"tool": "price", "args": {"item": "tea"}, "response": "3"}
    result = play(make(price), llm_responses=[step("price", item="tea"), *LAST], tool_responses=[recorded])
    assert (ran, problems(result), result.turns[0].output) == ([], [], "It is 3.")
    assert [(c["tool"], c["args"], c["channel"]) for c in result.tool_calls] == [("price", {"item": "tea"}, "dspy")]
    assert "[[ ## observation_0 ## ]]\n3" in told(result)["requests"][1][-1]["content"]
    assert result.trace is not None
    assert result.trace.tool_calls[0].defaults == {"count": 1}


def test_a_recorded_failure_is_an_observation() -> None:
    """With its type and text, as DSPy writes it."""
    failure = {"tool": "price", "error": {"type": "ValueError", "message": "no such item"}}
    result = play(react(price), llm_responses=[step("price", item="tea"), *LAST], tool_responses=[failure])
    seen = told(result)["requests"][1][-1]["content"]
    assert "Execution error in price: \nTraceback" in seen
    assert "ValueError: no such item" in seen
    assert (ran, problems(result)) == ([], [])


def test_an_async_tool_is_answered_where_it_is_awaited() -> None:
    """And is refused as by DSPy where it is called without."""
    recorded = {"tool": "stock", "args": {"item": "tea"}, "response": "12"}
    answers = [step("stock", item="tea"), *LAST]
    loop = react(stock)
    result = play(loop, llm_responses=answers, tool_responses=[recorded])
    assert (ran, problems(result), len(result.tool_calls)) == ([], [], 1)

    def ask(input: str) -> Any:
        return loop(question=input).answer

    seen = told(play(ask, llm_responses=answers, tool_responses=[recorded]))["requests"][1][-1]["content"]
    assert "You are calling `__call__` on an async tool" in seen


def test_model_answers_of_other_runs_are_not_taken() -> None:
    """DSPy keeps answers by their request: two replays that ask the same get each its own."""
    predict = dspy.Predict("question -> answer")
    predict.set_lm(dspy.LM("openai/gpt-4o", api_key="none", cache=True))
    outputs = [play(predict, llm_responses=[fields(answer=text)]).turns[0].output for text in ("One.", "Two.")]
    assert outputs == ["One.", "Two."]


def test_several_fields_are_given_and_answered_as_mappings() -> None:
    """Which one takes a text is not guessed."""
    predict = dspy.Predict("title, year -> genre, pages")
    predict.set_lm(lm)
    answers = [fields(genre="novel", pages="880")]
    result = play(predict, input={"title": "Middlemarch", "year": "1871"}, llm_responses=answers)
    assert result.turns[0].output == {"genre": "novel", "pages": "880"}
    with pytest.raises(AgentError, match="title, year, and which of them takes the text is not known"):
        play(predict, llm_responses=answers)


def test_a_history_has_the_turns_before() -> None:
    """In the field that the signature has for it."""

    class Talk(dspy.Signature):
        """Talk."""

        question: str = dspy.InputField()
        history: dspy.History = dspy.InputField()
        answer: str = dspy.OutputField()

    talk = dspy.Predict(Talk)
    talk.set_lm(lm)
    turns = [
        {"input": "One?", "llm_responses": [fields(answer="One.")]},
        {"input": "Two?", "llm_responses": [fields(answer="Two.")]},
    ]
    result = play(talk, turns=turns)
    texts = [m["content"] for m in told(result)["requests"][-1]]
    assert len(texts) == 4
    for text, part in zip(texts[1:], ("One?", "One.", "Two?"), strict=True):
        assert part in text
    assert [turn.output for turn in result.turns] == ["One.", "Two."]


def test_tokens_are_read_where_dspy_counts_them() -> None:
    """With `track_usage`."""
    from pytest_agent_replay.agents.answers import read_answer
    from pytest_agent_replay.agents.call import make_agent
    from pytest_agent_replay.agents.model import TurnInput

    predict = dspy.Predict("question -> answer")
    predict.set_lm(lm)
    agent = make_agent(predict, name="agent")
    usages = []

    def ask(input: str) -> str:
        with dspy.context(track_usage=True):
            turn = TurnInput(input, session_id="1")
            usages.append(read_answer(agent.start(turn).ask(turn)).usage)
        return "done"

    play(ask, llm_responses=[{**fields(answer="x"), "usage": {"input_tokens": 5, "output_tokens": 2}}])
    assert usages == [{"input_tokens": 5, "output_tokens": 2}]


@pytest.mark.parametrize(("failure", "text"), [({"error": "slow down", "status": 429}, "slow down")])
@pytest.mark.parametrize("is_async", [False, True])
def test_failures_of_the_model_are_those_of_dspy(failure: Any, text: str, is_async: bool) -> None:
    """A recorded status is raised by DSPy's own client, sync and async."""
    predict = dspy.Predict("question -> answer")
    predict.set_lm(dspy.LM("openai/gpt-4o", api_key="none", num_retries=0))

    async def ask_async(input: str) -> Any:
        return (await predict.acall(question=input)).answer

    def ask(input: str) -> Any:
        return predict(question=input).answer

    error = play(ask_async if is_async else ask, llm_responses=[failure] * 4).turns[0].error
    assert error is not None
    assert text in error["message"]
    assert "RateLimit" in error["type"]


@pytest.mark.skipif(not hasattr(dspy, "ReActV2"), reason="since DSPy 3.4")
def test_the_native_loop_goes_on_over_turns() -> None:
    """The history that it gives back is handed in again, and `submit` needs no recording."""
    loop = dspy.ReActV2("question -> answer", tools=[price])
    loop.set_lm(lm)
    submit = [{"model": "gpt-4o", "tool_calls": [{"id": "c", "name": "submit", "args": {"answer": "Yes."}}]}]
    with dspy.context(adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        turns = [{"input": "One?", "llm_responses": submit}, {"input": "Two?", "llm_responses": submit}]
        result = play(loop, turns=turns)
    assert (problems(result), result.tool_calls, [t.output for t in result.turns]) == ([], [], ["Yes.", "Yes."])
    assert "One?" in str(told(result)["requests"][-1])


def test_it_streams() -> None:
    """Pieces of the recorded answer come through DSPy's own client."""
    predict = dspy.Predict("question -> answer")
    predict.set_lm(lm)

    async def ask(input: str) -> Any:
        last = None
        async for piece in dspy.streamify(predict)(question=input):
            last = piece
        assert isinstance(last, dspy.Prediction)
        return last.answer

    result = play(ask, llm_responses=[fields(answer="One.")])
    assert (problems(result), result.turns[0].output) == ([], "One.")
