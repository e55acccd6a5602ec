"""Runs the lights of a theatre, with Strands: a cue that the desk refuses is said to have failed."""

from __future__ import annotations

from typing import Any

from strands import Agent, tool
from strands.models.openai import OpenAIModel

NOT_LIT = "The desk did not take cue {cue}: please set it by hand."


@tool
def find_cue(scene: str) -> dict[str, Any]:
    """The cue of a scene, from the prompt book."""
    raise RuntimeError("the prompt book is not reachable from a test")


@tool
def run_cue(cue: int) -> str:
    """Runs a cue on the lighting desk."""
    raise RuntimeError("the lights really changed")


def refused_cue(messages: list[Any]) -> int | None:
    """The cue of the last `run_cue`, if the desk refused it."""
    refused: int | None = None
    cues: dict[str, int] = {}
    for block in (block for message in messages for block in message["content"]):
        if "toolUse" in block and block["toolUse"]["name"] == "run_cue":
            cues[block["toolUse"]["toolUseId"]] = block["toolUse"]["input"]["cue"]
        elif "toolResult" in block and block["toolResult"]["toolUseId"] in cues:
            is_error = block["toolResult"]["status"] == "error"
            refused = cues[block["toolResult"]["toolUseId"]] if is_error else None
    return refused


def made() -> Agent:
    """An agent, which is one conversation."""
    return Agent(
        model=OpenAIModel(model_id="gpt-4o"),
        tools=[find_cue, run_cue],
        system_prompt="You run the lights. Look a cue up before you run it.",
        callback_handler=None,
    )


async def answer(request: str) -> str:
    """What the agent says, unless the desk refused its last cue."""
    agent = made()
    said = await agent.invoke_async(request)
    cue = refused_cue(agent.messages)
    return str(said).strip() if cue is None else NOT_LIT.format(cue=cue)
