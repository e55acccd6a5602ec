"""The front desk of a hotel: an agent that looks rooms up and sets the hour of check-out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agent_framework import (
    Agent,
    AgentResponse,
    Message,
    MiddlewareTermination,
    agent_middleware,
    function_middleware,
    tool,
)
from agent_framework.openai import OpenAIChatCompletionClient

LATEST_HOUR = 14
ASK_RECEPTION = "The reception decides about check-outs after 14:00. They will call you within the hour."


@tool
def look_up_room(room: int) -> dict[str, Any]:
    """Who has the room, and when the next guest arrives."""
    raise RuntimeError("the booking system is not reachable from a test")


@tool
def set_checkout(room: int, hour: int) -> dict[str, Any]:
    """Sets the hour of check-out."""
    raise RuntimeError("a check-out was really changed")


@function_middleware
async def keep_the_afternoon_free(context: Any, call_next: Callable[[], Awaitable[None]]) -> None:
    """Lets no late check-out be set, whatever the model decides."""
    if context.function.name == "set_checkout" and context.arguments["hour"] > LATEST_HOUR:
        raise MiddlewareTermination("too late")
    await call_next()


@agent_middleware
async def send_to_reception(context: Any, call_next: Callable[[], Awaitable[None]]) -> None:
    """Says what happens next when the run ended without an answer."""
    await call_next()
    if not context.result.text:
        context.result = AgentResponse(messages=[Message("assistant", [ASK_RECEPTION])])


def desk(middleware: Sequence[Any]) -> Agent:
    """The agent with this middleware."""
    return Agent(
        client=OpenAIChatCompletionClient(model="gpt-4o"),
        name="front_desk",
        instructions="You are at the front desk. Look a room up before you change anything.",
        tools=[look_up_room, set_checkout],
        middleware=middleware,
    )


agent = desk([keep_the_afternoon_free, send_to_reception])
