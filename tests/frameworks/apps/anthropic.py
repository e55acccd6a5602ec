"""Anthropic's SDK: tools that its `tool_runner` runs for Claude."""

from __future__ import annotations

import json
from typing import Any

from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool

from tests.frameworks import bodies

PACKAGES = ("anthropic",)
VARIANTS = ("sync", "async", "stream", "sync_stream")
OLDEST = {"anthropic": "0.69.0"}
NOTES = {
    "intercepted": "the function within `BetaFunctionTool.call` and `BetaAsyncFunctionTool.call`; `call` of built-in "
    "tools (memory) and of toolsets (browser, computer)",
    "errors": "the model is told `repr()` of the exception with `is_error`; a `ToolError` says its own content",
    "limits": "arguments of toolsets are not checked in a replay; a recorded value that is neither text nor content "
    "blocks is given as JSON text",
}


@beta_tool
def lookup(order: int, verbose: bool = False) -> str:
    """Looks an order up."""
    return json.dumps(bodies.lookup(order))


@beta_tool
def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


@beta_tool
def quote(ticker: str) -> str:
    """The price of a share."""
    return json.dumps(bodies.quote(ticker))


@beta_async_tool(name="lookup")
async def lookup_async(order: int, verbose: bool = False) -> str:
    """Looks an order up."""
    return json.dumps(bodies.lookup(order))


@beta_async_tool(name="boom")
async def boom_async(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


@beta_async_tool(name="quote")
async def quote_async(ticker: str) -> str:
    """The price of a share."""
    return json.dumps(bodies.quote(ticker))


client = Anthropic(api_key="none", max_retries=0)
client_async = AsyncAnthropic(api_key="none", max_retries=0)


def runner(client: Any, tools: Any, input: str, **more: Any) -> Any:
    """Asks, runs the tools that are called, and asks again."""
    messages = [{"role": "user", "content": input}]
    return client.beta.messages.tool_runner(
        model="claude-sonnet-5", max_tokens=1024, tools=tools, messages=messages, **more
    )


def ask(input: str) -> Any:
    """To the end."""
    return runner(client, [lookup, boom, quote], input).until_done()


async def ask_async(input: str) -> Any:
    """To the end, on the loop."""
    return await runner(client_async, [lookup_async, boom_async, quote_async], input).until_done()


def ask_streamed(input: str) -> Any:
    """With streams of what the model says."""
    for stream in runner(client, [lookup, boom, quote], input, stream=True):
        final = stream.get_final_message()
    return final


async def ask_async_streamed(input: str) -> Any:
    """With streams of what the model says, on the loop."""
    async for stream in runner(client_async, [lookup_async, boom_async, quote_async], input, stream=True):
        final = await stream.get_final_message()
    return final


AGENTS = {"sync": ask, "async": ask_async, "stream": ask_async_streamed, "sync_stream": ask_streamed}


def call_lookup() -> Any:
    """As the runner calls it."""
    return lookup.call({"order": 1})
