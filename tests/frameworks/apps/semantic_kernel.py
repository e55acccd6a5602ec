"""Semantic Kernel: a `ChatCompletionAgent` with a plugin and the OpenAI connector."""

from __future__ import annotations

import asyncio
from typing import Any

from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function

from tests.frameworks import bodies

PACKAGES = ("semantic-kernel", "openai")
VARIANTS = ("native", "sync", "async", "stream")
ORDERED = False  # a result is told when its call is done
OLDEST = {"semantic-kernel": "1.35.0", "openai": "1.109.1"}
NOTES = {
    "intercepted": "`semantic_kernel.functions.KernelFunction._invoke_internal`",
    "errors": "the model is told `An error occurred while invoking the function …: ` and the exception's text",
    "limits": "functions that a prompt template calls are caught like tools; a `Kernel` and a process cannot be asked "
    "(name a function); tools that a service runs (Azure AI, assistants) are in its answer only",
}


class Orders:
    """A plugin."""

    @kernel_function
    def lookup(self, order: int, verbose: bool = False) -> dict[str, Any]:
        """Looks an order up."""
        return bodies.lookup(order)

    @kernel_function
    async def boom(self, text: str) -> str:
        """Fails."""
        return bodies.boom(text)

    @kernel_function
    def quote(self, ticker: str) -> Any:
        """The price of a share."""
        return bodies.quote(ticker)


service = OpenAIChatCompletion(ai_model_id="gpt-4o", api_key="none")
agent = ChatCompletionAgent(service=service, name="desk", plugins=[Orders()])


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await agent.get_response(messages=input)


def ask(input: str) -> Any:
    """Synchronously, on a loop of its own: the framework is async."""
    return asyncio.run(ask_async(input))


async def ask_streamed(input: str) -> Any:
    """With a stream of pieces."""
    return "".join([str(item.content) async for item in agent.invoke_stream(messages=input)])


async def call_lookup() -> Any:
    """As the kernel does."""
    return await agent.kernel.get_function("Orders", "lookup").invoke(agent.kernel, order=1)


AGENTS = {"native": agent, "sync": ask, "async": ask_async, "stream": ask_streamed}
