"""Customer service of a carrier: where is my parcel?"""

from __future__ import annotations

from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient

SYSTEM = "You answer questions about parcels. Name nobody's door code or telephone number."


async def track_parcel(number: str) -> dict[str, Any]:
    """All that the carrier knows of a parcel."""
    raise RuntimeError("the tracking service is not reachable from a test")


def service(**options: Any) -> AssistantAgent:
    """The agent with these options."""
    return AssistantAgent(
        "service",
        OpenAIChatCompletionClient(model="gpt-4o"),
        tools=[track_parcel],
        system_message=SYSTEM,
        **options,
    )


agent = service(reflect_on_tool_use=True)
