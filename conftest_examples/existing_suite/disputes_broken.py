"""The agent on the day of the incident: it did not ask."""

from __future__ import annotations

import disputes


class DisputeAgent(disputes.DisputeAgent):
    """Opens a dispute as soon as a payment is named."""

    async def run(self, message: str) -> str:
        """One turn of the conversation."""
        payment_id = disputes.payment_in(message)
        if payment_id is None:
            return "Is there anything else?"
        self.network.payment(payment_id)
        case = self.network.open_dispute(payment_id, reason="not recognised")
        return f"I have opened case {case['case']}."
