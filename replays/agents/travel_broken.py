"""The travel agent on the day of the incident: it confirmed a rebooking before it had looked at the tool's answer."""

from __future__ import annotations

from typing import Any

from replays.agents import travel


class TravelAgent(travel.TravelAgent):
    """One conversation with one traveller."""

    def run(self, message: str) -> str:
        """Asks the model; a call of `rebook` counts as done."""
        self.messages.append({"role": "user", "content": message})
        while True:
            reply: Any = self.ask()
            self.messages.append(reply.model_dump(exclude_none=True))
            if not reply.tool_calls:
                return reply.content or ""
            for call in reply.tool_calls:
                self.messages.append({"role": "tool", "tool_call_id": call.id, "content": self.call(call.function)})
                if call.function.name == "rebook":
                    return "You are rebooked to the evening flight LH 902. Have a good trip!"
