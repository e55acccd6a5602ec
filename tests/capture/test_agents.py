"""What is captured of an agent replays green without anything that it called."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay import capture
from tests.capture import bots
from tests.capture.harness import Model, assert_green, loaded, served


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    bots.ran.clear()
    yield
    bots.base_url = "http://127.0.0.1:9"


def asked(agent: Any, question: str = "How much is A-1?") -> Any:
    """The answer of an agent of whatever kind."""
    import inspect

    async def streamed() -> list[Any]:
        return [piece async for piece in agent(question)]

    if inspect.isasyncgenfunction(agent):
        return asyncio.run(streamed())
    if inspect.iscoroutinefunction(agent):
        return asyncio.run(agent(question))
    return list(agent(question)) if inspect.isgeneratorfunction(agent) else agent(question)


@pytest.mark.parametrize("agent", [bots.plain, bots.plain_async, bots.plain_threads], ids=lambda a: a.__name__)
def test_function_tools(agent: Any, tmp_path: Path) -> None:
    """Results, own exceptions with their attributes, dataclasses, generators; tasks and threads."""
    path = tmp_path / "a.replay.yaml"
    answer = asked(capture(path, tools=bots.NAMES)(agent))
    called = list(bots.ran)
    assert called
    assert sorted(r.tool for r in loaded(path).tool_responses) == sorted(called)
    result = assert_green(path, agent)
    assert bots.ran == called, "a tool ran in the replay"
    assert result.turns[0].output == answer


def test_errors_come_back_as_their_own_type(tmp_path: Path) -> None:
    """Type, message and attributes are in the file."""
    path = tmp_path / "a.replay.yaml"
    capture(path, tools=["refund"])(bots.plain)("?")
    [recorded] = loaded(path).tool_responses
    assert recorded.error_spec is not None
    assert recorded.error_spec.model_dump(exclude_unset=True) == {
        "type": "tests.capture.bots.PaymentError",
        "message": "declined: A-1",
        "attributes": {"code": 402},
    }


@pytest.mark.parametrize("agent", [bots.chat, bots.chat_async, bots.chat_stream], ids=lambda a: a.__name__)
def test_agents_of_the_openai_sdk(agent: Any, tmp_path: Path) -> None:
    """The tools that the model is offered, its answers and usage; the replay asks no model and runs no tool."""
    path = tmp_path / "a.replay.yaml"
    with served(Model(("check", {"order": "A-1"}), ("refund", {"order": "A-1"}))) as bots.base_url:
        answer = asked(capture(path)(agent))
    file = loaded(path)
    assert file.input == "How much is A-1?"
    assert sorted(r.tool for r in file.tool_responses) == ["check", "refund"]
    assert [a.usage.total_tokens if a.usage else None for a in file.llm_responses or ()] == [15, 15]
    assert file.agent == f"tests.capture.bots:{agent.__name__}"
    ran = list(bots.ran)
    result = assert_green(path, agent)
    assert bots.ran == ran
    assert result.turns[0].output == "".join(answer)


def test_an_async_stream_that_is_left_early(tmp_path: Path) -> None:
    """What was read until then is in the file, which is written when the stream is closed."""
    path = tmp_path / "a.replay.yaml"

    async def run() -> None:
        with served(Model(text="One two.")) as bots.base_url:
            stream = capture(path)(bots.chat_stream_async)("Hi")
            async for _ in stream:
                break
            await stream.aclose()

    asyncio.run(run())
    assert loaded(path).output == "One two."


def test_a_graph_of_langgraph(tmp_path: Path) -> None:
    """LangChain's tools, sync and async, with the failure of one as the model was told of it."""
    pytest.importorskip("langchain_openai")
    pytest.importorskip("langgraph")
    from tests.capture import graph

    for name, agent in (("sync", graph.ask), ("async", graph.ask_async)):
        path = tmp_path / f"{name}.replay.yaml"
        model = Model(("lookup", {"order": 7}), ("boom", {"text": "x"}))
        with served(model) as url:
            graph.use(url)
            asked(capture(path)(agent))
        graph.use("http://127.0.0.1:9")
        recorded = {(r.tool, r.is_failure) for r in loaded(path).tool_responses}
        assert recorded == {("lookup", False), ("boom", True)}
        graph.ran.clear()
        assert_green(path, agent)
        assert graph.ran == []


def test_http_requests_are_tools(tmp_path: Path) -> None:
    """By their routes: statuses, redirects, forms, texts and failures to connect."""
    path = tmp_path / "a.replay.yaml"

    def answer(method: str, path: str, body: Any) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/old"):
            return 302, {"location": "/new"}, b""
        if path.startswith("/form"):
            return 200, {"content-type": "application/json"}, b'{"ok":"yes"}'
        return (404, {}, b"no") if path.startswith("/missing") else (200, {}, f"{method} {path}".encode())

    with served(answer) as url:
        bots.base_url = url
        answered = asked(capture(path)(bots.http))
    assert answered.endswith("yes down")
    tools = [r.tool.removeprefix(f"GET {url}") for r in loaded(path).tool_responses]
    assert tools == ["/orders/7", "/missing", "/old", "/new", f"POST {url}/form", "GET http://127.0.0.1:9/down"]
    assert loaded(path).tool_responses[0].args == {"full": "yes"}
    bots.base_url = url
    assert assert_green(path, bots.http).turns[0].output == answered
