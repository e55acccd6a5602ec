"""A finance assistant that asks two HTTP services, and says so when neither answers."""

from __future__ import annotations

import re
from typing import Any

import requests

MARKET_DATA = "https://market-data-api.example.com/v1/revenue"
WEB_SEARCH = "https://search.example.com/web_search"


def answer(question: str) -> str:
    """Answers a question about a company's revenue from what the services gave, and from nothing else."""
    company = company_in(question)
    revenue = from_market_data(company)
    if revenue is not None:
        return f"{company}'s {revenue['period']} revenue was ${revenue['amount']:,} (source: market data)."
    found = from_web_search(f"{company} quarterly revenue")
    if found:
        return f"The market data service did not answer. The web says: “{found}”"
    return f"The revenue of {company} is not available right now: no data source answered. Please try again later."


def company_in(question: str) -> str:
    """The company that the question names."""
    found = re.search(r"\b([A-Z]{2,})\b", question)
    return found.group(1) if found else question


def from_market_data(company: str) -> dict[str, Any] | None:
    """The reported revenue, or None when the service does not answer."""
    try:
        response = requests.get(MARKET_DATA, params={"ticker": company}, timeout=10)
        response.raise_for_status()
    except requests.RequestException:
        return None
    revenue: dict[str, Any] = response.json()
    return revenue


def from_web_search(query: str) -> str | None:
    """The text of the first hit, or None."""
    try:
        response = requests.get(WEB_SEARCH, params={"q": query}, timeout=5)
        response.raise_for_status()
    except requests.RequestException:
        return None
    results = response.json().get("results", [])
    return results[0]["text"] if results else None
