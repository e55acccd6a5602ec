"""Handles disputed card payments. A class: one instance per session, with a memory."""

from __future__ import annotations

from typing import Any


class CardNetwork:
    """The card network's client."""

    def payment(self, payment_id: str) -> dict[str, Any]:
        """A payment."""
        raise RuntimeError("the card network is not reachable from a test")

    def open_dispute(self, payment_id: str, reason: str) -> dict[str, Any]:
        """Opens a dispute; the customer pays a fee when it is lost."""
        raise RuntimeError("a dispute was really opened")


class DisputeAgent:
    """Asks for the customer's consent before it opens a dispute."""

    def __init__(self, network: CardNetwork | None = None, fee: int = 15) -> None:
        self.network = network or CardNetwork()
        self.fee = fee
        self.asked_about: str | None = None

    async def run(self, message: str) -> str:
        """One turn of the conversation."""
        payment_id = payment_in(message)
        if self.asked_about and message.lower().startswith("yes"):
            case = self.network.open_dispute(self.asked_about, reason="not recognised")
            return f"I have opened case {case['case']}."
        if payment_id is None:
            return "Which payment do you not recognise?"
        payment = self.network.payment(payment_id)
        self.asked_about = payment_id
        return (
            f"{payment['merchant']} took {payment['amount']} EUR. A dispute may cost {self.fee} EUR. Shall I open one?"
        )


def payment_in(message: str) -> str | None:
    """The payment that a message names."""
    return next((word.strip(".,") for word in message.split() if word.startswith("P-")), None)
