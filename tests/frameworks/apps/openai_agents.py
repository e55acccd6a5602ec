"""OpenAI Agents SDK: decorated functions, with the Responses and the chat completions model."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.tool_context import ToolContext
from openai import AsyncOpenAI

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from tests.frameworks import bodies

PACKAGES = ("openai-agents",)
VARIANTS = ("native", "sync", "async", "stream", "chat_stream")
OLDEST = {"openai-agents": "0.2.0", "openai": "1.109.1", "mcp": "1.30.0"}
NOTES = {
    "intercepted": "`agents.FunctionTool.on_invoke_tool`, within it the decorated function or the MCP server",
    "errors": "`failure_error_function` makes a text of it for the model (0.24 leaves the message out, up to 0.14 it "
    "is there); with `failure_error_function=None`, and from a hand-made tool, it ends the run",
    "limits": "hosted tools run at OpenAI; computer, shell and patch tools are no function tools; realtime agents, and "
    "approvals (`needs_approval`), need a function as agent",
}


@function_tool
async def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


@function_tool
def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


@function_tool
def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


client = AsyncOpenAI(api_key="none", max_retries=0)
responses: Any = Agent(
    name="assistant",
    model=OpenAIResponsesModel(model="gpt-4o", openai_client=client),
    tools=[lookup, boom, quote],
)
chat: Any = Agent(
    name="assistant",
    model=OpenAIChatCompletionsModel(model="gpt-4o", openai_client=client),
    tools=[lookup, boom, quote],
)


def ask(input: str) -> Any:
    """Synchronously. Up to 0.6 the SDK runs on the loop of the thread, which only the main thread has by itself."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())
    return Runner.run_sync(responses, input)


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await Runner.run(chat, input)


async def ask_streamed(input: str) -> Any:
    """With a stream of events."""
    return await _streamed(responses, input)


async def ask_chat_streamed(input: str) -> Any:
    """With a stream of events, which are made of chunks."""
    return await _streamed(chat, input)


async def _streamed(agent: Any, input: str) -> Any:
    result = Runner.run_streamed(agent, input)
    async for _ in result.stream_events():
        pass
    return result


async def call_lookup() -> Any:
    """One call of `lookup`, as the runner makes it."""
    context = ToolContext(context=None, tool_name="lookup", tool_call_id="call_1", **_ARGUMENTS)
    return await lookup.on_invoke_tool(context, '{"order": 1}')


_ARGUMENTS: Any = {"tool_arguments": '{"order": 1}'} if "tool_arguments" in ToolContext.__dataclass_fields__ else {}
AGENTS = {
    "native": responses,
    "sync": ask,
    "async": ask_async,
    "stream": ask_streamed,
    "chat_stream": ask_chat_streamed,
}
