"""Stands for the CLI of Claude Code: calls both tools, and says that all went well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from claude_agent_sdk import Transport

CALLS = (("wind_speed", {}), ("open_dome", {"degrees": 90}))


class ScriptedCli(Transport):
    """Speaks with the SDK as the CLI does, as far as this example needs it."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.replies: dict[str, asyncio.Future[Any]] = {}
        self.night: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        pass

    async def close(self) -> None:
        await self.said.put(None)

    async def end_input(self) -> None:
        pass

    def is_ready(self) -> bool:
        return True

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self.said.get()) is not None:
            yield message

    async def write(self, data: str) -> None:
        message = json.loads(data)
        if message["type"] == "control_request":
            response = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            await self.said.put({"type": "control_response", "response": response})
        elif message["type"] == "control_response":
            response = message["response"]
            self.replies[response["request_id"]].set_result(response["response"]["mcp_response"])
        elif message["type"] == "user":
            self.night = asyncio.create_task(self.work())

    async def work(self) -> None:
        """One conversation."""
        info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "cli", "version": "1"}}
        await self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info})
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        for number, (name, arguments) in enumerate(CALLS, 1):
            use = {"type": "tool_use", "id": f"toolu_{number}", "name": f"mcp__dome__{name}", "input": arguments}
            await self.tell("assistant", {"role": "assistant", "model": "claude", "content": [use]})
            params = {"name": name, "arguments": arguments, "_meta": {"claudecode/toolUseId": use["id"]}}
            reply = await self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
            text = "".join(block["text"] for block in reply["result"]["content"])
            result = {"type": "tool_result", "tool_use_id": use["id"], "content": text}
            is_error = bool(reply["result"].get("isError"))
            await self.tell("user", {"role": "user", "content": [{**result, "is_error": is_error}]})
        counts = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "session_id": "s"}
        said = "The wind is calm and the dome is open."
        await self.said.put({"type": "result", "subtype": "success", "is_error": False, "result": said, **counts})
        await self.said.put(None)

    async def tell(self, kind: str, message: dict[str, Any]) -> None:
        await self.said.put({"type": kind, "message": message, "parent_tool_use_id": None, "session_id": "s"})

    async def send(self, message: dict[str, Any]) -> Any:
        """Hands a message of MCP to the SDK, and waits for the answer."""
        request_id = f"r{len(self.replies)}"
        self.replies[request_id] = asyncio.get_running_loop().create_future()
        request = {"subtype": "mcp_message", "server_name": "dome", "message": message}
        await self.said.put({"type": "control_request", "request_id": request_id, "request": request})
        return await self.replies[request_id]
