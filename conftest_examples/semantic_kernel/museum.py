"""A museum's agent for questions about guided tours."""

from __future__ import annotations

from typing import Any

from semantic_kernel import Kernel
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function

INSTRUCTIONS = "You help visitors with guided tours. Look a tour up before you change anything."
AT_THE_DESK = "Tours are cancelled at the desk only. Please call us: we are there from nine to six."


class Tours:
    """The booking system."""

    @kernel_function
    async def find_tour(self, number: int) -> dict[str, Any]:
        """When a tour is, and who booked it."""
        raise RuntimeError("the booking system is not reachable from a test")

    @kernel_function
    async def cancel_tour(self, number: int) -> str:
        """Cancels a tour."""
        raise RuntimeError("a tour was really cancelled")


async def staff_cancels(context: Any, next: Any) -> None:
    """Ends the conversation before a visitor's wish cancels a tour."""
    if context.function.name == "cancel_tour":
        context.terminate = True
        return
    await next(context)


def guide(*filters: Any) -> ChatCompletionAgent:
    """The agent with these filters around the functions that its model calls."""
    kernel = Kernel()
    for each in filters:
        kernel.add_filter("auto_function_invocation", each)
    service = OpenAIChatCompletion(ai_model_id="gpt-4o")
    return ChatCompletionAgent(
        service=service, kernel=kernel, name="guide", instructions=INSTRUCTIONS, plugins=[Tours()]
    )


async def answer(question: str) -> str:
    """One question of a visitor."""
    response = await guide(staff_cancels).get_response(messages=question)
    return str(response.content) or AT_THE_DESK
