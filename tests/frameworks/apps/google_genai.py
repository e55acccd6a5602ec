"""google-genai: functions that the SDK itself calls for Gemini (automatic function calling)."""

from typing import Any

from google import genai
from google.genai import types

from tests.frameworks import bodies

PACKAGES = ("google-genai",)
VARIANTS = ("sync", "sync_chat", "async", "async_chat", "stream", "sync_stream")
OLDEST = {"google-genai": "1.75.0"}
NOTES = {
    "intercepted": "the function that `google.genai._extra_utils.invoke_function_from_dict_args[_async]` calls",
    "errors": "the model is told `{'error': 'Failed to invoke function … because of error …'}`",
    "limits": "calls have no ids: parallel calls with equal arguments are answered in their order; 1.x itself takes no "
    "functions whose annotations are text (`from __future__ import annotations`)",
}


def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def quote(ticker: str) -> dict[str, Any]:
    """The price of a share."""
    return bodies.quote(ticker)


MODEL = "gemini-2.5-flash"
config = types.GenerateContentConfig(tools=[lookup, boom, quote])


client = genai.Client(api_key="none")


def ask(input: str) -> Any:
    """One question."""
    return client.models.generate_content(model=MODEL, contents=input, config=config).text


def ask_streamed(input: str) -> Any:
    """With a stream of what the model says."""
    chunks = client.models.generate_content_stream(model=MODEL, contents=input, config=config)
    return "".join(chunk.text or "" for chunk in chunks)


def ask_chat(input: str) -> Any:
    """In a chat."""
    return client.chats.create(model=MODEL, config=config).send_message(input).text


async def ask_async(input: str) -> Any:
    """On the loop."""
    return (await client.aio.models.generate_content(model=MODEL, contents=input, config=config)).text


async def ask_async_chat(input: str) -> Any:
    """In a chat, on the loop."""
    return (await client.aio.chats.create(model=MODEL, config=config).send_message(input)).text


async def ask_async_streamed(input: str) -> Any:
    """With a stream of what the model says, on the loop."""
    chunks = await client.aio.models.generate_content_stream(model=MODEL, contents=input, config=config)
    return "".join([chunk.text or "" async for chunk in chunks])


AGENTS = {
    "sync": ask,
    "sync_chat": ask_chat,
    "async": ask_async,
    "async_chat": ask_async_chat,
    "stream": ask_async_streamed,
    "sync_stream": ask_streamed,
}


def call_lookup() -> Any:
    """As the SDK calls it for its model."""
    from google.genai import _extra_utils

    return _extra_utils.invoke_function_from_dict_args({"order": 1}, lookup)
