"""Agents and tools as somebody may have them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

ran: list[str] = []
"""The tools whose bodies ran."""
base_url = "http://127.0.0.1:9"
"""Where model and APIs are; nothing is there when a test has not said otherwise."""


class PaymentError(Exception):
    """With an attribute that its constructor sets."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Price:
    """A result that is more than JSON."""

    order: str
    total: float


def check(order: str, currency: str = "EUR") -> dict[str, Any]:
    """Answers."""
    ran.append("check")
    return {"order": order, "total": 12}


def refund(order: str) -> None:
    """Fails with an exception of its own."""
    ran.append("refund")
    raise PaymentError(f"declined: {order}", 402)


def price(order: str) -> Price:
    """Returns a dataclass."""
    ran.append("price")
    return Price(order, 12.5)


async def later(order: str) -> str:
    """Is awaited."""
    ran.append("later")
    await asyncio.sleep(0)
    return f"later {order}"


def pieces(count: int) -> Iterator[int]:
    """Is a generator."""
    ran.append("pieces")
    yield from range(count)


async def pieces_later(count: int) -> AsyncIterator[int]:
    """Is an async generator."""
    ran.append("pieces_later")
    for number in range(count):
        yield number


NAMES = ("check", "refund", "price", "later", "pieces", "pieces_later")


async def waiting() -> None:
    """A tool that gives way to others."""
    await asyncio.sleep(0)


closed: list[str] = []


async def answering() -> AsyncGenerator[Any, Any]:
    """A tool that listens."""
    try:
        got = yield "a"
        yield got
    except KeyError:
        yield "caught"
    finally:
        closed.append("closed")


def plain(question: str) -> str:
    """An agent without a model."""
    try:
        refund("A-1")
        failed = ""
    except PaymentError as error:
        failed = f"{error} ({error.code})"
    return f"{check('A-1', currency='USD')['total']} {price('A-1').total} {list(pieces(3))} {failed}"


async def plain_async(question: str) -> str:
    """The same, async."""
    parallel = await asyncio.gather(later("A-1"), later("B-2"))
    return f"{parallel} {[number async for number in pieces_later(2)]}"


def plain_threads(question: str) -> str:
    """Calls its tools in threads."""
    found: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: found.update(check("T-1")))
    thread.start()
    with ThreadPoolExecutor(2) as pool:
        orders = [done["order"] for done in pool.map(check, ["P-1", "P-2"])]
    thread.join()
    return f"{found['order']} {orders}"


# -- with a model

TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"order": {"type": "string"}}}},
    }
    for name in ("check", "refund")
]


def _told(call: Any) -> str:
    try:
        return json.dumps(globals()[call.function.name](**json.loads(call.function.arguments)))
    except PaymentError as error:
        return f"Error: {error}"


def _said(message: Any) -> dict[str, Any]:
    calls = [c.model_dump(include={"id": True, "type": True, "function": {"name", "arguments"}})
             for c in message.tool_calls or ()]  # fmt: skip
    return {"role": "assistant", "content": message.content, **({"tool_calls": calls} if calls else {})}


def _client(kind: Any) -> Any:
    return kind(api_key="sk-none", base_url=f"{base_url}/v1", max_retries=0)


def _asked(question: str) -> list[Any]:
    return [{"role": "system", "content": "Be kind."}, {"role": "user", "content": question}]


def chat(question: str) -> str:
    """The OpenAI SDK, sync."""
    from openai import OpenAI

    messages, client = _asked(question), _client(OpenAI)
    while True:
        said = client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message
        messages.append(_said(said))
        if not said.tool_calls:
            return str(said.content)
        messages += [{"role": "tool", "tool_call_id": c.id, "content": _told(c)} for c in said.tool_calls]


async def chat_async(question: str) -> str:
    """Async, with its tools in parallel threads."""
    from openai import AsyncOpenAI

    messages = _asked(question)
    async with _client(AsyncOpenAI) as client:
        while True:
            done = await client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)
            said = done.choices[0].message
            messages.append(_said(said))
            if not said.tool_calls:
                return str(said.content)
            told = await asyncio.gather(*(asyncio.to_thread(_told, call) for call in said.tool_calls))
            for call, text in zip(said.tool_calls, told, strict=True):
                messages.append({"role": "tool", "tool_call_id": call.id, "content": text})


def chat_stream(question: str) -> Iterator[str]:
    """Streamed, and a stream itself."""
    from openai import OpenAI

    messages, client = _asked(question), _client(OpenAI)
    options = {"include_usage": True}
    while True:
        with client.chat.completions.stream(
            model="gpt-4o", messages=messages, tools=TOOLS, stream_options=options
        ) as stream:
            yield from (event.delta for event in stream if event.type == "content.delta")
            said = stream.get_final_completion().choices[0].message
        messages.append(_said(said))
        if not said.tool_calls:
            return
        messages += [{"role": "tool", "tool_call_id": c.id, "content": _told(c)} for c in said.tool_calls]


async def chat_stream_async(question: str) -> AsyncIterator[str]:
    """Streamed by the async client, and an async stream."""
    from openai import AsyncOpenAI

    async with _client(AsyncOpenAI) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=_asked(question), stream=True)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


# -- over HTTP


def http(question: str) -> str:
    """A status, a redirect, a form, a body that is no JSON, and a server that is not there."""
    import httpx
    import requests

    found = [
        httpx.get(f"{base_url}/orders/7", params={"full": "yes"}).text,
        str(requests.get(f"{base_url}/missing", timeout=5).status_code),
        requests.get(f"{base_url}/old", timeout=5).text,
        httpx.post(f"{base_url}/form", data={"a": "1"}).json()["ok"],
    ]
    try:
        httpx.get("http://127.0.0.1:9/down")
    except httpx.ConnectError:
        found.append("down")
    return " ".join(found)
