"""The finance assistant on the day of the incident: without data it fell back to a figure that nobody gave it."""

from __future__ import annotations

from replays.agents.finance import company_in, from_market_data, from_web_search

TYPICAL_REVENUE = "$4.2 million"


def answer(question: str) -> str:
    """Answers a question about a company's revenue."""
    company = company_in(question)
    revenue = from_market_data(company)
    if revenue is not None:
        return f"{company}'s {revenue['period']} revenue was ${revenue['amount']:,}."
    found = from_web_search(f"{company} quarterly revenue")
    return found or f"{company}'s Q3 revenue was {TYPICAL_REVENUE}."
