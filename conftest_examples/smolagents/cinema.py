"""The box office of a cinema: a `CodeAgent` that books seats."""

from __future__ import annotations

from typing import Any

from smolagents import CodeAgent, OpenAIServerModel, Tool

MOST_SEATS = 8
FOR_GROUPS = "Groups of more than 8 book at the box office, which will call you back."


class Booking(Tool):
    """Books seats in the cinema's system."""

    name = "book_seats"
    description = "Books seats and returns a message for the customer."
    inputs = {  # noqa: RUF012
        "film": {"type": "string", "description": "The title."},
        "seats": {"type": "integer", "description": "How many."},
    }
    output_type = "string"

    def forward(self, film: str, seats: int) -> str:
        """Asks the system."""
        raise RuntimeError("seats were really booked")


class BookingForFew(Booking):
    """Leaves large groups to people."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Books what one customer may book."""
        seats = args[1] if len(args) > 1 else kwargs["seats"]
        return FOR_GROUPS if seats > MOST_SEATS else super().__call__(*args, **kwargs)


def box_office(booking: Tool) -> CodeAgent:
    """The agent with this tool."""
    return CodeAgent(tools=[booking], model=OpenAIServerModel("gpt-4o"), verbosity_level=0)


agent = box_office(BookingForFew())
