"""A garden's adviser: a Haystack agent that reads the sensors of the beds."""

from __future__ import annotations

from typing import Any

from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool

SYSTEM = "You look after a garden. Read a bed's sensor before you say whether it needs water."


@tool
def read_soil(bed: str) -> dict[str, Any]:
    """What the sensor of a bed says."""
    raise RuntimeError("the sensors are not reachable from a test")


def build() -> Agent:
    """The agent. A tool that fails is told to the model."""
    return Agent(chat_generator=OpenAIChatGenerator(model="gpt-4o"), tools=[read_soil], system_prompt=SYSTEM)


def answer(question: str) -> str:
    """What the model says, unless a sensor was silent: then nobody knows."""
    result = build().run(messages=[ChatMessage.from_user(question)])
    if any(found.error for message in result["messages"] for found in message.tool_call_results):
        return "I cannot tell: a sensor does not answer. Somebody will have a look at the bed."
    return str(result["last_message"].text)
