"""Reserves guided tours of a museum, with the tool runner of Anthropic's SDK."""

from __future__ import annotations

from typing import Annotated, Any

from anthropic import Anthropic, beta_tool
from pydantic import Field

NOT_RESERVED = "I could not reserve that. A tour is for up to 20 people: shall I look for several tours?"


@beta_tool
def tours(day: str) -> str:
    """The tours of a day (YYYY-MM-DD) and the places that are left in each, from the museum's calendar."""
    raise RuntimeError("the calendar is not reachable from a test")


def reserve(tour: str, people: int) -> str:
    """Reserves places in a tour."""
    raise RuntimeError("places were really reserved")


@beta_tool(name="reserve")
def reserve_for_few(tour: str, people: Annotated[int, Field(ge=1, le=20)]) -> str:
    """Reserves places in a tour, for up to 20 people."""
    return reserve(tour, people)


def ask(question: str, *tools: Any) -> Any:
    """The run of the model and its tools."""
    return Anthropic().beta.messages.tool_runner(
        model="claude-sonnet-5",
        max_tokens=1024,
        system="You reserve guided tours. Look at the tours of the day first.",
        tools=list(tools),
        messages=[{"role": "user", "content": question}],
    )


def said(message: Any) -> str:
    """The text of a message."""
    return "".join(block.text for block in message.content if block.type == "text")


def answer(question: str) -> str:
    """As soon as a tool fails, it is said in fixed words."""
    runner = ask(question, tours, reserve_for_few)
    last = ""
    for message in runner:
        results = runner.generate_tool_call_response()
        if results is not None and any(result.get("is_error") for result in results["content"]):
            return NOT_RESERVED
        last = said(message)
    return last
