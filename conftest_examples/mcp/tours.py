"""Plans kayak tours with the tools of an MCP server, in an ordinary tool loop on the `openai` SDK."""

from __future__ import annotations

import json
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from openai import AsyncOpenAI

SERVER = StdioServerParameters(command="tide-server", args=["--coast", "north"])
NOT_TODAY = "The tides cannot be looked up at the moment, so no tour can be planned. Please ask again later."


async def answer(question: str, stops_at_failures: bool = True) -> str:
    """Lets the model look tides up, and plans nothing where that fails."""
    async with stdio_client(SERVER) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = [described(tool.model_dump(by_alias=True)) for tool in (await session.list_tools()).tools]
        messages: list[Any] = [{"role": "user", "content": question}]
        while True:
            completion = await AsyncOpenAI().chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
            message = completion.choices[0].message
            if not message.tool_calls:
                return message.content or ""
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                result = await session.call_tool(call.function.name, json.loads(call.function.arguments))
                said = result.model_dump(by_alias=True)
                if said["isError"] and stops_at_failures:
                    return NOT_TODAY
                text = "\n".join(block["text"] for block in said["content"])
                messages.append({"role": "tool", "tool_call_id": call.id, "content": text})


def described(tool: dict[str, Any]) -> Any:
    """A tool of MCP as the model is told of it."""
    function = {"name": tool["name"], "description": tool["description"] or "", "parameters": tool["inputSchema"]}
    return {"type": "function", "function": function}
