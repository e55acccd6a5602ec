"""An ordinary tool loop on the `openai` SDK for real airline sessions; its tools raise when they are really called."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai

NAMES = [
    "book_reservation",
    "calculate",
    "cancel_reservation",
    "get_reservation_details",
    "get_user_details",
    "list_all_airports",
    "search_direct_flight",
    "search_onestop_flight",
    "send_certificate",
    "think",
    "transfer_to_human_agents",
    "update_reservation_baggages",
    "update_reservation_flights",
    "update_reservation_passengers",
]
WRITES = [name for name in NAMES if name.startswith(("book", "cancel", "send", "update"))]

Call = Callable[[int, str, dict[str, Any]], Any]


def _tool(name: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def {name}(**arguments):\n    raise AssertionError('{name} was really called')\n", globals(), namespace)
    made: Callable[..., Any] = namespace[name]
    return made


TOOLS: dict[str, Callable[..., Any]] = {name: _tool(name) for name in NAMES}
globals().update(TOOLS)
SCHEMAS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": "", "parameters": {"type": "object"}}}
    for name in NAMES
]


class Agent:
    """One conversation. `change` may do something else than the call that the model asked for."""

    def __init__(self, change: Call | None = None) -> None:
        self.client = openai.OpenAI(max_retries=0)
        self.messages: list[Any] = []
        self.calls = -1
        self.change = change or (lambda number, name, arguments: TOOLS[name](**arguments))

    def run(self, input: str, context: Any) -> Any:
        """One turn."""
        if not self.messages:
            self.messages.append({"role": "system", "content": context})
        self.messages.append({"role": "user", "content": input})
        while True:
            reply = self.ask()
            self.messages.append(reply.model_dump(exclude_none=True))
            if not reply.tool_calls:
                return reply.content
            for call in reply.tool_calls:
                self.messages.append({"role": "tool", "tool_call_id": call.id, "content": self.call(call.function)})

    def ask(self) -> Any:
        """The model's next message."""
        made = self.client.chat.completions.create(model="gpt-4o", messages=self.messages, tools=SCHEMAS)
        return made.choices[0].message

    def call(self, function: Any) -> str:
        """Runs a tool; the model is told when it fails."""
        self.calls += 1
        try:
            result = self.change(self.calls, function.name, json.loads(function.arguments))
        except Exception as error:
            return f"Error: {error}"
        return result if isinstance(result, str) else json.dumps(result)
