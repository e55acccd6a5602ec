"""The counter of a pharmacy: a `FunctionAgent` whose tool gives out what the leaflet allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI

ASK = "Please speak to the pharmacist: {medicine} is not for everybody of that age."
READY = "{medicine} is waiting for you at the counter."


def look_up_leaflet(medicine: str) -> dict[str, Any]:
    """What the leaflet says, from the register of medicines."""
    raise RuntimeError("the register is not reachable from a test")


def send_to_counter(medicine: str) -> None:
    """Has the medicine brought to the counter."""
    raise RuntimeError("a medicine was really given out")


def give_out(medicine: str, age: int) -> str:
    """Gives a medicine out for somebody of that age (in years)."""
    if age < look_up_leaflet(medicine)["from_age"]:
        return ASK.format(medicine=medicine)
    send_to_counter(medicine)
    return READY.format(medicine=medicine)


def counter(tool: Callable[[str, int], str]) -> FunctionAgent:
    """The agent with this tool, whose result is the answer."""
    return FunctionAgent(
        tools=[FunctionTool.from_defaults(tool, name="give_out", return_direct=True)],
        llm=OpenAI(model="gpt-4o"),
        system_prompt="You are at the counter of a pharmacy.",
    )


agent = counter(give_out)
