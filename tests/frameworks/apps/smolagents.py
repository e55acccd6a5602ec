"""smolagents: a `ToolCallingAgent`, and a `CodeAgent` that calls the same tools in code."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from smolagents import ChatMessage, CodeAgent, OpenAIServerModel, Tool, ToolCallingAgent, tool
from smolagents.models import ChatMessageToolCall, ChatMessageToolCallFunction

from tests.frameworks import bodies

PACKAGES = ("smolagents", "openai")
VARIANTS = ("native", "code", "sync", "async", "stream")
OLDEST = {"smolagents": "1.21.0"}
NOTES = {
    "intercepted": "`smolagents.tools.Tool.forward` (within `__call__`), `MultiStepAgent.__call__` of managed agents",
    "errors": "`Error executing tool … Please try again`, or `Code execution failed …`; the run goes on",
    "limits": "code that is run elsewhere (`executor_type` e2b, docker, …); the time limit of code, in virtual time",
}


@tool
def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up.

    Args:
        order: Its number.
        verbose: Whether to say more.
    """
    return bodies.lookup(order)


class Boom(Tool):
    """A tool that is a class."""

    name = "boom"
    description = "Fails."
    inputs = {"text": {"type": "string", "description": "Anything."}}  # noqa: RUF012
    output_type = "string"

    def forward(self, text: str) -> str:
        """Fails."""
        return bodies.boom(text)


@tool
def quote(ticker: str) -> Any:
    """The price of a share.

    Args:
        ticker: Its name.
    """
    return bodies.quote(ticker)


class Model(OpenAIServerModel):
    """A model whose text is its final answer."""

    def parse_tool_calls(self, message: ChatMessage) -> ChatMessage:
        """Takes the text for the answer."""
        answer = ChatMessageToolCallFunction(name="final_answer", arguments={"answer": message.content})
        message.tool_calls = [ChatMessageToolCall(id="last", type="function", function=answer)]
        return message


def _line(call: Any) -> str:
    given = json.loads(call.arguments) if isinstance(call.arguments, str) else call.arguments
    return f"print({call.name}({', '.join(f'{name}={value!r}' for name, value in given.items())}))"


class CodingModel(OpenAIServerModel):
    """A model that writes its calls as code."""

    def generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatMessage:
        """Asks the model, and writes what it calls as code."""
        message = super().generate(messages, *args, **kwargs)
        lines = [_line(each.function) for each in message.tool_calls or []]
        message.content = f"<code>\n{chr(10).join(lines) or f'final_answer({message.content!r})'}\n</code>"
        return message


TOOLS = [lookup, Boom(), quote]


def made(**options: Any) -> ToolCallingAgent:
    """An agent keeps its memory in itself: each conversation has its own."""
    return ToolCallingAgent(TOOLS, Model("gpt-4o", api_key="none"), verbosity_level=0, **options)


def ask(input: str) -> Any:
    """Synchronously."""
    return made().run(input)


async def ask_async(input: str) -> Any:
    """In a thread."""
    return await asyncio.to_thread(made().run, input)


async def ask_streamed(input: str) -> Any:
    """With a stream of steps."""
    steps = await asyncio.to_thread(lambda: list(made(stream_outputs=True).run(input, stream=True)))
    return steps[-1].output


def call_lookup() -> Any:
    """Calls the tool as the framework does."""
    return lookup(order=1, sanitize_inputs_outputs=True)


code = CodeAgent(TOOLS, CodingModel("gpt-4o", api_key="none"), verbosity_level=0)
AGENTS = {"native": made(), "code": code, "sync": ask, "async": ask_async, "stream": ask_streamed}
