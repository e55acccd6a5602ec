"""Tools that are not recorded themselves, and run because what they do inside is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_agent_replay.intercept.frameworks.calls import catch
from tests.frameworks import bodies
from tests.frameworks.harness import calls, play, problems

httpx = pytest.importorskip("httpx")

EXPERT = {"type": "function", "function": {"name": "expert", "parameters": {"type": "object"}}}


def asked(messages: list[dict[str, Any]], tools: list[Any] | None = None) -> dict[str, Any]:
    """The model's message."""
    body = {"model": "gpt-4o", "messages": messages, **({"tools": tools} if tools else {})}
    answer = httpx.post("https://api.openai.com/v1/chat/completions", json=body).json()
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


def ask_expert() -> str:
    """A sub-agent, which says in its own words what its model said."""
    call = catch("mine", "expert")
    assert call is not None
    real = lambda: f"The expert thinks: {asked([{'role': 'user', 'content': 'Why?'}])['content'].upper()}"  # noqa: E731
    answer: str = call.answer({"task": "why"}, real, call_id="call_1", is_agent=True)
    return answer


def desk(input: str) -> Any:
    """Asks its expert once."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": input}]
    messages.append(asked(messages, [EXPERT]))
    messages.append({"role": "tool", "tool_call_id": "call_1", "content": ask_expert()})
    return asked(messages, [EXPERT])["content"]


def test_the_model_may_be_told_what_a_sub_agent_said() -> None:
    """The sub-agent is no recorded tool, but what it says is no result of a real one."""
    first, last = calls([("expert", {"task": "why"})])
    inner = {"model": "gpt-4o", "content": "because"}
    result = play(desk, llm_responses=[first, inner, last])
    assert problems(result) == []
    assert result.turns[0].output == "That is all."


def test_work_given_to_a_pool_stays_inside_of_its_tool() -> None:
    """The same tool is not caught a second time there, though a pool's threads have contexts of their own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # the thread is there before the replay

        def look(order: int, depth: int = 0) -> Any:
            call = catch("mine", "look")
            real = lambda: pool.submit(look, order, depth + 1).result()  # noqa: E731
            return depth if call is None else call.answer({"order": order}, real)

        result = play(lambda input: look(1), matching={"unrecorded": "live"})
    assert result.turns[0].output == 1
    assert [call["tool"] for call in result.tool_calls] == ["look"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_tool_that_is_bound_to_a_function_is_answered_there(is_async: bool) -> None:
    """`tools:` goes before the framework: the tool's own code runs, the bound function does not."""
    seen: list[str] = []

    async def agent_async(input: str) -> Any:
        async def real() -> Any:
            seen.append("own code")
            return bodies.lookup(1)

        call = catch("mine", "find")
        assert call is not None
        return await call.answer_async({"order": 1}, real)

    def agent(input: str) -> Any:
        def real() -> Any:
            seen.append("own code")
            return bodies.lookup(1)

        call = catch("mine", "find")
        assert call is not None
        return call.answer({"order": 1}, real)

    recorded = {"tool": "find", "args": {"order": 1}, "response": {"order": 1, "total": 9}}
    bound = {"find": "tests.frameworks.bodies:lookup"}
    result = play(agent_async if is_async else agent, tools=bound, tool_responses=[recorded])
    assert (seen, bodies.ran) == (["own code"], [])
    assert result.turns[0].output == {"order": 1, "total": 9}
    assert [(call["tool"], call["channel"]) for call in result.tool_calls] == [("find", "function")]
    assert problems(result) == []
