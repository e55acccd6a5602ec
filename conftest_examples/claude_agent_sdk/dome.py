"""Opens the dome of an observatory, with the Claude Agent SDK: what a tool could not do is not said to be done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ResultMessage,
    ToolResultBlock,
    Transport,
    UserMessage,
    create_sdk_mcp_server,
    query,
    tool,
)

NOT_OPEN = "The dome did not open: {reason}. Please call the engineer."

transport: Callable[[], Transport | None] = lambda: None  # noqa: E731  # the CLI, as the SDK starts it


@tool("wind_speed", "The wind at the dome, in m/s.", {})
async def wind_speed(args: dict[str, Any]) -> dict[str, Any]:
    """Asks the weather mast."""
    raise RuntimeError("the mast is not reachable from a test")


@tool("open_dome", "Opens the dome.", {"degrees": int})
async def open_dome(args: dict[str, Any]) -> dict[str, Any]:
    """Turns the motors on."""
    raise RuntimeError("the motors really ran")


options = ClaudeAgentOptions(
    mcp_servers={"dome": create_sdk_mcp_server("dome", tools=[wind_speed, open_dome])},
    allowed_tools=["mcp__dome__wind_speed", "mcp__dome__open_dome"],
    system_prompt="You run the dome. Look at the wind before you open it.",
)


def asked(request: str) -> AsyncIterator[Any]:
    """What comes back from Claude."""
    return query(prompt=request, options=options, transport=transport())


async def answer(request: str) -> str:
    """What Claude says, unless its last tool failed."""
    failure, said = None, ""
    async for message in asked(request):
        if isinstance(message, UserMessage) and isinstance(message.content, list):
            results = [block for block in message.content if isinstance(block, ToolResultBlock)]
            failure = results[-1].content if results and results[-1].is_error else None
        elif isinstance(message, ResultMessage):
            said = message.result or ""
    return said if failure is None else NOT_OPEN.format(reason=failure)
