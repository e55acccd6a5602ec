"""Haystack: an `Agent` with a chat generator of OpenAI."""

from __future__ import annotations

from typing import Any

from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from haystack.utils import Secret

from tests.frameworks import bodies

PACKAGES = ("haystack-ai",)
VARIANTS = ("native", "sync", "async", "stream")
OLDEST = {"haystack-ai": "2.19.0", "openai": "2.54.0"}
REQUIREMENTS = ()
NOTES = {
    "intercepted": "`haystack.tools.Tool.invoke` and `invoke_async`, also of subclasses, on a copy of the tool",
    "errors": "`Failed to invoke Tool … Error: …` to the model, or raised (`raise_on_tool_invocation_failure`)",
    "limits": "results of a `ComponentTool` are JSON: `Document`s in them are mappings; tools that connect when the "
    "agent is warmed up do so",
}


@tool
def lookup(order: int, verbose: bool = False) -> Any:
    """Looks an order up."""
    return bodies.lookup(order)


@tool
def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


@tool
def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


model = OpenAIChatGenerator(model="gpt-4o", api_key=Secret.from_token("none"), max_retries=0)
agent = Agent(chat_generator=model, tools=[lookup, boom, quote])
agent.warm_up()


def call_lookup() -> Any:
    """One call, as the agent makes it."""
    return lookup.invoke(order=1)


def ask(input: str) -> Any:
    """Synchronously."""
    return agent.run(messages=[ChatMessage.from_user(input)])["last_message"].text


async def ask_async(input: str) -> Any:
    """On the loop."""
    return (await agent.run_async(messages=[ChatMessage.from_user(input)]))["last_message"].text


async def ask_streamed(input: str) -> Any:
    """In pieces."""
    pieces: list[str] = []

    async def take(chunk: Any) -> None:
        pieces.append(chunk.content)

    result = await agent.run_async(messages=[ChatMessage.from_user(input)], streaming_callback=take)
    assert result["last_message"].text in "".join(pieces)
    return result["last_message"].text


AGENTS = {"native": agent, "sync": ask, "async": ask_async, "stream": ask_streamed}
