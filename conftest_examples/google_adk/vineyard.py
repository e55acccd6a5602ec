"""Waters a vineyard, with Google ADK."""

from __future__ import annotations

from typing import Any

from google.adk.agents import LlmAgent
from google.adk.agents.callback_context import CallbackContext
from google.adk.models import LlmRequest, LlmResponse
from google.adk.tools import BaseTool, ToolContext
from google.genai import types

LONGEST = 45
REFUSED = "I did not open the valve: a field is watered for 45 minutes at most. Please look at the sensor."


def soil_moisture(field: str) -> dict[str, Any]:
    """The moisture of the soil in percent, from the sensor in a field."""
    raise RuntimeError("the sensors are not reachable from a test")


def open_valve(field: str, minutes: int) -> dict[str, Any]:
    """Waters a field."""
    raise RuntimeError("a valve was really opened")


def refuse_long(tool: BaseTool, args: dict[str, Any], tool_context: ToolContext) -> dict[str, Any] | None:
    """Before every tool: nothing is watered for longer than is good for it."""
    if tool.name == "open_valve" and args["minutes"] > LONGEST:
        tool_context.state["temp:refused"] = True
        return {"error": REFUSED}
    return None


def say_refused(callback_context: CallbackContext, llm_request: LlmRequest) -> LlmResponse | None:
    """Before every question to the model: it does not get to talk about what was refused."""
    if callback_context.state.get("temp:refused"):
        return LlmResponse(content=types.Content(role="model", parts=[types.Part(text=REFUSED)]))
    return None


def gardener(**callbacks: Any) -> LlmAgent:
    """The agent with these callbacks."""
    return LlmAgent(
        name="gardener",
        model="gemini-2.5-flash",
        instruction="You water fields that are dry. Measure before you water, and say what you did.",
        tools=[soil_moisture, open_valve],
        **callbacks,
    )


agent = gardener(before_tool_callback=refuse_long, before_model_callback=say_refused)
