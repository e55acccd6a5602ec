"""Tells travellers about their flight. Asks two services at once with `httpx`."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx

AIRPORT = "https://airport.example.com"


async def fetch(client: httpx.AsyncClient, service: str, flight: str) -> dict[str, Any] | None:
    """What a service knows of a flight; None when it does not answer."""
    try:
        response = await client.get(f"{AIRPORT}/v2/{service}", params={"flight": flight})
        response.raise_for_status()
    except httpx.HTTPError:
        return None
    found: dict[str, Any] = response.json()
    return found


def flight_in(question: str) -> str:
    """The flight number that the question names."""
    found = re.search(r"\b[A-Z]{2}\d{2,4}\b", question)
    return found.group() if found else ""


async def answer(question: str) -> str:
    """Says what both services know, and what could not be found out."""
    flight = flight_in(question)
    async with httpx.AsyncClient(timeout=3.0) as client:
        status, gate = await asyncio.gather(fetch(client, "status", flight), fetch(client, "gate", flight))
    when = f"{flight} leaves at {status['departure']}" if status else f"I could not find out when {flight} leaves"
    where = f"from gate {gate['gate']}" if gate else "the gate is not known yet: please look at the screens"
    return f"{when}; {where}."
