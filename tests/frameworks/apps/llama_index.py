"""LlamaIndex: a `FunctionAgent`, alone and in an `AgentWorkflow`."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI

from tests.frameworks import bodies

PACKAGES = ("llama-index-core", "llama-index-llms-openai")
VARIANTS = ("native", "workflow", "sync", "async", "stream")
ORDERED = False
OLDEST = {"llama-index-core": "0.13.0", "llama-index-llms-openai": "0.5.0", "openai": "1.109.1"}
NOTES = {
    "intercepted": "the function of a `FunctionTool`, the engine of a `QueryEngineTool`, else `BaseTool.call`, `acall`",
    "errors": "the text of the exception is the tool's result; the run goes on",
    "limits": "a tool that is called by its `fn` has to be named as a function; token usage is not in the result",
}


def _lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


async def _boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def _quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


tool = FunctionTool.from_defaults(_lookup, name="lookup")
boom = FunctionTool.from_defaults(async_fn=_boom, name="boom")
quote = FunctionTool.from_defaults(_quote, name="quote")
model = OpenAI(model="gpt-4o", api_key="none", max_retries=0)
agent = FunctionAgent(tools=[tool, boom, quote], llm=model)
workflow = AgentWorkflow(agents=[agent])


def ask(input: str) -> Any:
    """On a loop of its own."""
    return asyncio.run(ask_async(input))


async def ask_async(input: str) -> Any:
    """On the running loop."""
    return str(await agent.run(input))


async def ask_streamed(input: str) -> Any:
    """With a stream of events."""
    handler = agent.run(input)
    async for _ in handler.stream_events():
        pass
    return str(await handler)


def call_lookup() -> Any:
    """Calls the tool as the framework does."""
    return tool.call(order=1)


AGENTS = {"native": agent, "workflow": workflow, "sync": ask, "async": ask_async, "stream": ask_streamed}
