"""Claude Agent SDK: tools within the process, called by a stand-in for the CLI whose model is one of OpenAI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    Transport,
    create_sdk_mcp_server,
    query,
    tool,
)
from openai import AsyncOpenAI

from tests.frameworks import bodies

PACKAGES = ("claude-agent-sdk", "openai")
VARIANTS = ("sync", "query", "client")
OLDEST = {"claude-agent-sdk": "0.2.100", "mcp": "1.30.0"}
NOTES = {
    "intercepted": "`SdkMcpTool.handler`",
    "errors": "the message is the text of a result with `isError`",
    "limits": "the model and the built-in tools are in the process of the CLI: no recorded answers of the model",
}


@tool("lookup", "Looks an order up.", {"type": "object", "properties": {"order": {"type": "integer"}}})
async def lookup(args: dict[str, Any]) -> dict[str, Any]:
    """As JSON."""
    return {"content": [{"type": "text", "text": json.dumps(bodies.lookup(args["order"]), indent=2)}]}


@tool("boom", "Fails.", {"text": str})
async def boom(args: dict[str, Any]) -> dict[str, Any]:
    """Raises."""
    return {"content": [{"type": "text", "text": bodies.boom(args["text"])}]}


@tool("quote", "The price of a share.", {"ticker": str})
async def quote(args: dict[str, Any]) -> dict[str, Any]:
    """As JSON."""
    return {"content": [{"type": "text", "text": json.dumps(bodies.quote(args["ticker"]))}]}


options = ClaudeAgentOptions(mcp_servers={"shop": create_sdk_mcp_server("shop", tools=[lookup, boom, quote])})
model = AsyncOpenAI(api_key="none", max_retries=0)


class Cli(Transport):
    """Speaks with the SDK as the CLI does, as far as it is needed here."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.waiting: dict[str, asyncio.Future[Any]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing more is said."""
        await self.said.put(None)

    async def end_input(self) -> None:
        """The SDK has the result and says nothing more."""
        await self.close()

    def is_ready(self) -> bool:
        """Always."""
        return True

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the CLI says."""
        while (message := await self.said.get()) is not None:
            yield message

    async def write(self, data: str) -> None:
        """What the SDK says."""
        message = json.loads(data)
        if message["type"] == "control_request":
            response = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            await self.said.put({"type": "control_response", "response": response})
        elif message["type"] == "control_response":
            response = message["response"]
            self.waiting[response["request_id"]].set_result(response["response"]["mcp_response"])
        elif message["type"] == "user":
            task = asyncio.create_task(self.converse(message["message"]["content"]))
            self.tasks.add(task)

    async def converse(self, said: str) -> None:
        """One turn."""
        listed = await self.ask("tools/list", {})
        tools = [
            {"type": "function", "function": {"name": each["name"], "parameters": each["inputSchema"]}}
            for each in listed["result"]["tools"]
        ]
        messages: list[Any] = [{"role": "user", "content": said}]
        while True:
            completion = await model.chat.completions.create(model="gpt-4o", messages=messages, tools=tools)
            message = completion.choices[0].message
            if not message.tool_calls:
                break
            messages.append(message.model_dump(exclude_none=True))
            messages += await asyncio.gather(*map(self.call, message.tool_calls))
        counts = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1}
        result = {"type": "result", "subtype": "success", "is_error": False, "session_id": "s", **counts}
        await self.said.put({**result, "result": message.content})

    async def call(self, call: Any) -> dict[str, Any]:
        """The message for the model."""
        meta = {"claudecode/toolUseId": call.id}
        arguments = json.loads(call.function.arguments)
        reply = await self.ask("tools/call", {"name": call.function.name, "arguments": arguments, "_meta": meta})
        text = "".join(block["text"] for block in reply["result"]["content"])
        is_error = reply["result"].get("isError")
        return {"role": "tool", "tool_call_id": call.id, "content": f"failed: {text}" if is_error else text}

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A request to the server within the process, which is begun with the first one."""
        if not self.waiting:
            self.waiting["begun"] = asyncio.get_running_loop().create_future()
            info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "cli", "version": "1"}}
            await self.ask("initialize", info)
            await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return await self.send({"jsonrpc": "2.0", "id": len(self.waiting), "method": method, "params": params})

    async def send(self, message: dict[str, Any]) -> Any:
        """Hands a message of MCP to the SDK, and waits for the answer."""
        request_id = f"r{len(self.waiting)}"
        self.waiting[request_id] = asyncio.get_running_loop().create_future()
        request = {"subtype": "mcp_message", "server_name": "shop", "message": message}
        await self.said.put({"type": "control_request", "request_id": request_id, "request": request})
        return await self.waiting[request_id]


async def ask_query(input: str) -> Any:
    """One question."""
    async for message in query(prompt=input, options=options, transport=Cli()):
        if isinstance(message, ResultMessage):
            found = message.result
    return found


async def ask_client(input: str) -> Any:
    """A conversation."""
    async with ClaudeSDKClient(options, transport=Cli()) as client:
        await client.query(input)
        async for message in client.receive_response():
            if isinstance(message, ResultMessage):
                found = message.result
    return found


def ask(input: str) -> Any:
    """Synchronously."""
    return asyncio.run(ask_query(input))


async def call_lookup() -> Any:
    """Once, without a model."""
    return await lookup.handler({"order": 1})


AGENTS = {"sync": ask, "query": ask_query, "client": ask_client}
