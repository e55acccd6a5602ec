"""Strands: an `Agent` with functions as tools, and the OpenAI model."""

from __future__ import annotations

from typing import Any

from strands import Agent, tool
from strands.models.openai import OpenAIModel

from tests.frameworks import bodies

PACKAGES = ("strands-agents", "openai")
VARIANTS = ("native", "sync", "async", "stream")
REQUIREMENTS = ("strands-agents[openai]",)
OLDEST = {"strands-agents": "1.0.0"}
NOTES = {
    "intercepted": "`strands.types.tools.AgentTool.stream` of every class: within it the tool's function",
    "errors": "`Error: ValueError - message` (of a `ValueError` the message alone) as a result with `status: error`",
    "limits": "a session manager of the agent's really writes; events that a tool yields on its way are not replayed",
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


model = OpenAIModel(client_args={"api_key": "none", "max_retries": 0}, model_id="gpt-4o")


def make() -> Any:
    """An agent, which is one conversation."""
    return Agent(model=model, tools=[lookup, boom, quote], callback_handler=None)


def ask(input: str) -> Any:
    """Synchronously."""
    return make()(input)


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await make().invoke_async(input)


async def ask_streamed(input: str) -> Any:
    """With a stream of events."""
    events = [event async for event in make().stream_async(input)]
    return "".join(event["data"] for event in events if "data" in event)


async def call_lookup() -> Any:
    """One call of `lookup`, as the event loop makes it."""
    used: Any = {"toolUseId": "call_1", "name": "lookup", "input": {"order": 1}}
    return [event async for event in lookup.stream(used, {})]


AGENTS = {"native": make(), "sync": ask, "async": ask_async, "stream": ask_streamed}
