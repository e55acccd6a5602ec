"""The service desk of a shop as a web API. Its tools are plain Python functions."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LAST_DAY = 30


def find_order(order_id: str) -> dict[str, Any]:
    """The order, from the warehouse's database."""
    raise RuntimeError("the database is not reachable from a test")


def create_return_label(order_id: str) -> dict[str, Any]:
    """Books a parcel; costs money each time."""
    raise RuntimeError("a parcel was really booked")


def days_since(day: str, today: str) -> int:
    """Whole days between two ISO dates."""
    return (date.fromisoformat(today) - date.fromisoformat(day)).days


def reply(order_id: str, today: str) -> str:
    """Books a return for an order that is still in time, and refuses one that is not."""
    order = find_order(order_id)
    if days_since(order["delivered"], today) > LAST_DAY:
        return f"Order {order_id} came on {order['delivered']}: it can no longer be returned."
    label = create_return_label(order_id)
    return f"Please use label {label['label']} to return order {order_id}."


def make_app(reply: Any) -> Starlette:
    """The API around a way to reply."""

    async def chat(request: Request) -> JSONResponse:
        body = await request.json()
        words = body["message"].replace(".", " ").split()
        order_id = next((word for word in words if word.startswith("R-")), None)
        text = reply(order_id, body["today"]) if order_id else "Which order is it about? Its number begins with R-."
        return JSONResponse({"reply": {"text": text}, "session": body["session"]})

    return Starlette(routes=[Route("/chat", chat, methods=["POST"])])


app = make_app(reply)
