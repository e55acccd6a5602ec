# mypy: ignore-errors
"""The tools of the refund agents."""

SYSTEM = "You are a refund support agent. Never claim a refund succeeded unless the tool confirmed it."


class PaymentError(Exception):
    """The gateway did not answer."""


def get_order(order_id: str) -> dict:
    """Look up an order."""
    return {"order_id": order_id, "status": "delivered", "total_cents": 4599, "customer_id": "C-77"}


def get_customer(customer_id: str) -> dict:
    """Look up a customer."""
    return {"customer_id": customer_id, "email": "jane.roe@example.com"}


def issue_refund(order_id: str, amount_cents: int, retry: bool = False) -> dict:
    """Issue a refund."""
    if not retry:
        raise PaymentError("payment gateway timeout after 2000ms")
    return {"refund_id": "RF-9", "order_id": order_id, "amount_cents": amount_cents, "status": "succeeded"}
