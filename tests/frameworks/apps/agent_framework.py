"""Microsoft Agent Framework: an `Agent` with the OpenAI chat completions client."""

from __future__ import annotations

import asyncio
from typing import Any

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient

from tests.frameworks import bodies

PACKAGES = ("agent-framework-core", "agent-framework-openai")
VARIANTS = ("native", "sync", "async", "stream")
OLDEST = {"agent-framework-core": "1.0.0", "agent-framework-openai": "1.0.0"}
NOTES = {
    "intercepted": "`agent_framework.FunctionTool.func`, as the framework reads it to call it",
    "errors": "the run goes on: the model is told `Error: Function failed.`, with the exception's text where "
    "`include_detailed_errors` is set",
    "limits": "tools that the provider runs (`get_web_search_tool`, hosted MCP) are in the model's answer only; a "
    "`Workflow` object runs one session at a time",
}


@tool
def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


@tool
async def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


@tool
def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


client = OpenAIChatCompletionClient(model="gpt-4o", api_key="none")
agent: Any = Agent(client=client, tools=[lookup, boom, quote])


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await agent.run(input)


def ask(input: str) -> Any:
    """Synchronously, on a loop of its own: the framework is async."""
    return asyncio.run(ask_async(input))


async def ask_streamed(input: str) -> Any:
    """With a stream of updates."""
    stream = agent.run(input, stream=True)
    async for _ in stream:
        pass
    return await stream.get_final_response()


async def call_lookup() -> Any:
    """As the agent's loop does."""
    return await lookup.invoke(arguments={"order": 1}, tool_call_id="call_1")


AGENTS = {"native": agent, "sync": ask, "async": ask_async, "stream": ask_streamed}
