"""What the tools of every app really do, and whether they did."""

from __future__ import annotations

from typing import Any

ran: list[str] = []
"""The tools whose bodies ran."""


def lookup(order: int) -> dict[str, Any]:
    """Answers."""
    ran.append("lookup")
    return {"order": order, "total": 5 * order}


def boom(text: str) -> str:
    """Fails."""
    ran.append("boom")
    raise ValueError(f"broken: {text}")


def quote(ticker: str) -> Any:
    """Asks over HTTP."""
    import httpx

    ran.append("quote")
    return httpx.get("http://api.example.com/market_data_api", params={"ticker": ticker}).json()
