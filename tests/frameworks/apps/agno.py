"""Agno: an `Agent` with functions as tools, and the OpenAI chat completions model."""

from __future__ import annotations

import inspect
from typing import Any

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.tools import tool
from agno.tools.function import Function, FunctionCall

from tests.frameworks import bodies

PACKAGES = ("agno", "openai")
VARIANTS = ("native", "sync", "async", "stream")
OLDEST = {"agno": "1.8.4", "openai": "2.54.0"}
NOTES = {
    "intercepted": "`agno.tools.function.FunctionCall.execute`, `.aexecute`: within them the function's entrypoint",
    "errors": "the message of the exception is the tool's result; `RetryAgentRun` and `StopAgentRun` are obeyed",
    "limits": "a database of the agent's is really written to; tools are not cached in a replay",
}


@tool
def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


model = OpenAIChat(id="gpt-4o", api_key="none", max_retries=0)
agent: Any = Agent(model=model, tools=[lookup, boom, quote], telemetry=False)


def ask(input: str) -> Any:
    """Synchronously."""
    return agent.run(input)


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await agent.arun(input)


async def ask_streamed(input: str) -> Any:
    """With a stream of events, which version 1 has to be awaited for."""
    stream = agent.arun(input, stream=True)
    events = [event async for event in (await stream if inspect.iscoroutine(stream) else stream)]
    return "".join(event.content for event in events if event.event in ("RunContent", "RunResponseContent"))


def call_lookup() -> Any:
    """One call of `lookup`, as the model's class makes it."""
    return FunctionCall(function=_lookup, arguments={"order": 1}, call_id="call_1").execute()


_lookup = Function.from_callable(bodies.lookup)
AGENTS = {"native": agent, "sync": ask, "async": ask_async, "stream": ask_streamed}
