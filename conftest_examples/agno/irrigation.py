"""Says how dry the beds of a greenhouse are, with Agno: nothing is said of a bed whose sensor failed."""

from __future__ import annotations

from typing import Any

from agno.agent import Agent
from agno.models.openai import OpenAIChat

LOOK_YOURSELF = "The sensor of that bed does not answer: please look at the soil yourself."


def soil_moisture(bed: str) -> dict[str, float]:
    """Per cent of water in the soil of a bed, from its sensor."""
    raise RuntimeError("the sensors are not reachable from a test")


def only_what_was_measured(run_output: Any) -> None:
    """Without a measurement the model is not listened to."""
    if any(tool.tool_call_error for tool in run_output.tools or ()):
        run_output.content = LOOK_YOURSELF


def made(**more: Any) -> Agent:
    """The agent, with or without hooks."""
    return Agent(
        model=OpenAIChat(id="gpt-4o"),
        tools=[soil_moisture],
        instructions="You say how dry the beds of a greenhouse are. Measure before you answer.",
        telemetry=False,
        **more,
    )


agent = made(post_hooks=[only_what_was_measured])
