"""A support agent over several turns, whose tools are plain Python functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def get_order(order_id: str) -> dict[str, Any]:
    """Reads an order from the shop's database."""
    raise ConnectionError("the shop's database is not reachable from here")


def check_status(order_id: str) -> dict[str, Any]:
    """Reads the state of an order's refund from the payment provider."""
    raise ConnectionError("the payment provider is not reachable from here")


def issue_refund(order_id: str, amount: float) -> dict[str, Any]:
    """Sends money back."""
    raise ConnectionError("the payment provider is not reachable from here")


TOOLS: dict[str, Callable[..., dict[str, Any]]] = {
    "get_order": get_order,
    "check_status": check_status,
    "issue_refund": issue_refund,
}


class RefundAgent:
    """One conversation with one customer."""

    def __init__(self) -> None:
        self.order: dict[str, Any] | None = None
        self.refund_sent = False

    def run(self, message: str) -> str:
        """The agent's reply to one message."""
        order_id = re.search(r"\bA-\d+\b", message)
        if order_id is not None:
            self.order = TOOLS["get_order"](order_id=order_id.group())
            return f"I found order {self.order['id']}: {self.order['item']}, {self.order['total']} EUR. How can I help?"
        if self.order is None:
            return "Could you give me your order number?"
        return self.about_refund(message.lower())

    def about_refund(self, message: str) -> str:
        """Looks a refund up, or makes one when the customer asks for it and none was made."""
        if self.refund_sent or self.asks_about_state(message):
            status = TOOLS["check_status"](order_id=self.order_id)
            return f"Your refund of {status['amount']} EUR is {status['state']}."
        if "refund" in message:
            refund = TOOLS["issue_refund"](order_id=self.order_id, amount=self.order["total"] if self.order else 0)
            self.refund_sent = True
            return f"I have sent you {refund['amount']} EUR. It takes up to five days to arrive."
        return "Would you like a refund, or shall we send the item again?"

    @staticmethod
    def asks_about_state(message: str) -> bool:
        """Whether the customer asks where a refund is, and does not ask for one."""
        return any(words in message for words in ("where is", "when will", "still waiting", "arrived"))

    @property
    def order_id(self) -> str:
        """The order that the conversation is about."""
        return str(self.order["id"]) if self.order else ""
