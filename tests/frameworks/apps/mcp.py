"""MCP: a tool loop of one's own on the `openai` SDK, whose tools are those of a server within the process."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from typing import Any

from openai import AsyncOpenAI

from tests.frameworks import bodies

try:
    from mcp import Client
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
except ImportError:  # version 1
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp.exceptions import ToolError
    from mcp.shared.memory import create_connected_server_and_client_session

PACKAGES = ("mcp", "openai")
VARIANTS = ("sync", "async")
OLDEST = {"mcp": "1.10.0", "pydantic": "2.11.10"}
CANNOT = {
    "test_arguments_are_validated_by_the_framework": "the server validates arguments: what it says of wrong ones is "
    "known where it was recorded",
}
NOTES = {
    "intercepted": "`ClientSession.send_request`, below `call_tool` of all clients; `stdio_client` and its like",
    "errors": "the recorded message is the text of a result with `isError`; `McpError` is raised",
    "limits": "of a server that is not there only tools are known, not resources and prompts",
}

server: Any = MCPServer("orders")
client = AsyncOpenAI(api_key="none", max_retries=0)


@server.tool()
def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


@server.tool()
def boom(text: str) -> str:
    """Fails, and lets the client know why."""
    try:
        return bodies.boom(text)
    except ValueError as error:
        raise ToolError(str(error)) from error


@server.tool()
def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


def connected() -> AbstractAsyncContextManager[Any]:
    """A client of the server."""
    return connected_to(server)


def connected_to(server: Any) -> AbstractAsyncContextManager[Any]:
    """A client of this server."""
    if "Client" in globals():
        return Client(server)
    return create_connected_server_and_client_session(server._mcp_server)


async def ask_async(input: str) -> Any:
    """On the loop."""
    async with connected() as session:
        return await converse(session, input)


async def converse(session: Any, input: str) -> Any:
    """Lets the model call the tools of the session's server, all of an answer at once, until it says something."""
    tools = [described(tool.model_dump(by_alias=True)) for tool in (await session.list_tools()).tools]
    messages: list[Any] = [{"role": "user", "content": input}]
    while True:
        completion = await client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
        message = completion.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        messages += await asyncio.gather(*(called(session, call) for call in message.tool_calls))


async def called(session: Any, call: Any) -> dict[str, Any]:
    """The message for the model."""
    result = await session.call_tool(call.function.name, json.loads(call.function.arguments))
    said = result.model_dump(by_alias=True)
    text = "".join(block["text"] for block in said["content"])
    if said["isError"]:
        text = f"failed: {text.removeprefix(f'Error executing tool {call.function.name}: ')}"
    return {"role": "tool", "tool_call_id": call.id, "content": text}


def described(tool: dict[str, Any]) -> Any:
    """A tool as the model is told of it."""
    function = {"name": tool["name"], "description": tool["description"] or "", "parameters": tool["inputSchema"]}
    return {"type": "function", "function": function}


def ask(input: str) -> Any:
    """Synchronously."""
    return asyncio.run(ask_async(input))


async def call_lookup() -> Any:
    """Once, without a model, with a connection of its own."""
    async with connected() as session:
        return await session.call_tool("lookup", {"order": 1})


AGENTS = {"sync": ask, "async": ask_async}
