"""The support agent on the day of the incident: the word "refund" was enough to send the money a second time."""

from __future__ import annotations

from replays.agents import refunds


class RefundAgent(refunds.RefundAgent):
    """One conversation with one customer."""

    def about_refund(self, message: str) -> str:
        """Makes a refund whenever one is spoken of."""
        if "refund" in message:
            refund = refunds.TOOLS["issue_refund"](order_id=self.order_id, amount=(self.order or {}).get("total", 0))
            return f"I have sent you {refund['amount']} EUR. It takes up to five days to arrive."
        return "Would you like a refund, or shall we send the item again?"
