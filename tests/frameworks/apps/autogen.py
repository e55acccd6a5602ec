"""AutoGen: an `AssistantAgent` of AgentChat with its OpenAI client."""

from __future__ import annotations

import asyncio
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken
from autogen_core.tools import FunctionTool, StaticWorkbench
from autogen_ext.models.openai import OpenAIChatCompletionClient

from tests.frameworks import bodies

PACKAGES = ("autogen-agentchat", "autogen-core", "autogen-ext", "tiktoken", "openai")
VARIANTS = ("native", "sync", "async", "stream", "workbench")
OLDEST = {"autogen-agentchat": "0.7.0", "autogen-core": "0.7.0", "autogen-ext": "0.7.0"}
NOTES = {
    "intercepted": "`autogen_core.tools.BaseTool.run` and `BaseStreamTool.run_stream`; `Workbench.call_tool` where a "
    "workbench has no tools of its own (MCP)",
    "errors": "the model is told the exception's text, as a result that is an error",
    "limits": "a team object plays one session at a time; code that a `CodeExecutorAgent` runs, and what the agents of "
    "Magentic-One do by themselves (browser, files), are no tools",
}


def look_up(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


async def go_wrong(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def find_quote(ticker: str) -> dict[str, Any]:
    """The price of a share."""
    return bodies.quote(ticker)  # type: ignore[no-any-return]


client = OpenAIChatCompletionClient(model="gpt-4o", api_key="none", max_retries=0)
tools: list[Any] = [
    FunctionTool(look_up, "Looks an order up.", name="lookup"),
    FunctionTool(go_wrong, "Fails.", name="boom"),
    FunctionTool(find_quote, "The price of a share.", name="quote"),
]


def make(**options: Any) -> AssistantAgent:
    """A new agent, for what is said stays in it."""
    given = {"tools": tools, **options}
    return AssistantAgent("desk", client, max_tool_iterations=5, **given)


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await make().run(task=input)


def ask(input: str) -> Any:
    """Synchronously, on a loop of its own: the framework is async."""
    return asyncio.run(ask_async(input))


async def ask_streamed(input: str) -> Any:
    """With a stream of messages, the model's answer in pieces."""
    items = [item async for item in make(model_client_stream=True).run_stream(task=input)]
    return items[-1]


async def call_lookup() -> Any:
    """As a workbench does."""
    return await tools[0].run_json({"order": 1}, CancellationToken(), call_id="call_1")


AGENTS = {
    "native": make(),
    "sync": ask,
    "async": ask_async,
    "stream": ask_streamed,
    "workbench": make(tools=None, workbench=StaticWorkbench(tools)),
}
