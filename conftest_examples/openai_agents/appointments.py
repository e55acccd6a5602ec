"""Books appointments at a veterinary clinic, with the OpenAI Agents SDK."""

from __future__ import annotations

from typing import Any

from agents import Agent, ToolsToFinalOutputResult, function_tool

NOT_BOOKED = "not booked:"
CHOOSE_AGAIN = "That time is no longer free, and nothing is booked. Which other time would suit you?"


@function_tool
def free_times(day: str) -> list[str]:
    """The free times of a day (YYYY-MM-DD), from the clinic's calendar."""
    raise RuntimeError("the calendar is not reachable from a test")


def not_booked(context: Any, error: Exception) -> str:
    """What the model is told of a booking that failed."""
    return f"{NOT_BOOKED} {error}"


@function_tool(failure_error_function=not_booked)
def book(day: str, time: str, pet: str) -> dict[str, str]:
    """Books a time for a pet."""
    raise RuntimeError("an appointment was really booked")


def stop_when_not_booked(context: Any, results: list[Any]) -> ToolsToFinalOutputResult:
    """A booking that failed is answered in fixed words: the model does not get to talk about it."""
    failed = any(result.tool.name == "book" and str(result.output).startswith(NOT_BOOKED) for result in results)
    return ToolsToFinalOutputResult(is_final_output=failed, final_output=CHOOSE_AGAIN if failed else None)


agent = Agent(
    name="Clinic",
    model="gpt-4o",
    instructions="You book appointments for pets. Look up the free times of the day before you book one.",
    tools=[free_times, book],
    tool_use_behavior=stop_when_not_booked,
)
