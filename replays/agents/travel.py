"""A travel agent driven by a model: an ordinary tool loop on the `openai` SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from openai import OpenAI

SYSTEM = "You rebook flights. Say that a flight is rebooked only when the tool confirmed it."


def find_flights(origin: str, destination: str, date: str) -> list[dict[str, Any]]:
    """Searches the airline's inventory."""
    raise ConnectionError("the airline's inventory is not reachable from here")


def rebook(booking: str, flight: str) -> dict[str, Any]:
    """Moves a booking to another flight."""
    raise ConnectionError("the airline's booking system is not reachable from here")


TOOLS: dict[str, Callable[..., Any]] = {"find_flights": find_flights, "rebook": rebook}
SCHEMAS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": tool.__doc__, "parameters": {"type": "object"}}}
    for name, tool in TOOLS.items()
]


class TravelAgent:
    """One conversation with one traveller."""

    def __init__(self) -> None:
        self.client = OpenAI(max_retries=0)
        self.messages: list[Any] = [{"role": "system", "content": SYSTEM}]

    def run(self, message: str) -> str:
        """Asks the model, runs the tools that it wants, and asks again until it answers."""
        self.messages.append({"role": "user", "content": message})
        while True:
            reply = self.ask()
            self.messages.append(reply.model_dump(exclude_none=True))
            if not reply.tool_calls:
                return reply.content or ""
            for call in reply.tool_calls:
                self.messages.append({"role": "tool", "tool_call_id": call.id, "content": self.call(call.function)})

    def ask(self) -> Any:
        """The model's next message."""
        completion = self.client.chat.completions.create(model="gpt-4o", messages=self.messages, tools=SCHEMAS)
        return completion.choices[0].message

    @staticmethod
    def call(function: Any) -> str:
        """Runs a tool; the model is told when it fails."""
        try:
            return json.dumps(TOOLS[function.name](**json.loads(function.arguments)))
        except Exception as error:
            return f"Error: {error}"
