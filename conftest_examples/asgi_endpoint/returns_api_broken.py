"""The API on the day of the incident: it booked a parcel for whoever asked."""

from __future__ import annotations

from returns_api import create_return_label, find_order, make_app


def reply(order_id: str, today: str) -> str:
    """Looks the order up, and forgets to look at its date."""
    find_order(order_id)
    label = create_return_label(order_id)
    return f"Please use label {label['label']} to return order {order_id}."


app = make_app(reply)
