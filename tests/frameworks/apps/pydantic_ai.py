"""Pydantic AI: decorated functions, with the chat completions and the Responses model of OpenAI."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, RunContext
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import CombinedToolset
from pydantic_ai.usage import RunUsage

from tests.frameworks import bodies

PACKAGES = ("pydantic-ai-slim",)
VARIANTS = ("native", "sync", "async", "stream", "responses")
OLDEST = {"pydantic-ai-slim": "1.50.0"}
REQUIREMENTS = ("pydantic-ai-slim[mcp,openai]",)
NOTES = {
    "intercepted": "`FunctionToolset.call_tool` (what it calls in the end), `AbstractToolset.call_tool` of one's own",
    "errors": "an exception ends the run; `ModelRetry` and `ToolFailed` are told to the model",
    "limits": "built-in (hosted) tools run at the provider",
}

provider = OpenAIProvider(openai_client=AsyncOpenAI(api_key="none", max_retries=0))
agent = Agent(OpenAIChatModel("gpt-4o", provider=provider), instructions="Be brief.")
responses = Agent(OpenAIResponsesModel("gpt-4o", provider=provider))


def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


async def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


for each in (agent, responses):
    each.tool_plain(lookup)
    each.tool_plain(boom)
    each.tool_plain(quote)


def ask(input: str) -> Any:
    """Synchronously."""
    return agent.run_sync(input)


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await agent.run(input)


async def ask_streamed(input: str) -> Any:
    """With a stream of texts."""
    async with agent.run_stream(input) as stream:
        return [text async for text in stream.stream_text()][-1]


async def call_lookup() -> Any:
    """Once, without a model."""
    toolset = CombinedToolset(agent.toolsets)
    context = RunContext(deps=None, model=agent.model, usage=RunUsage(), tool_call_id="call_1")
    tools = await toolset.get_tools(context)
    return await toolset.call_tool("lookup", {"order": 1}, context, tools["lookup"])


AGENTS = {"native": agent, "sync": ask, "async": ask_async, "stream": ask_streamed, "responses": responses}
