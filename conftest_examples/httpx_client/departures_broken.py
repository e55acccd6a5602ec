"""The assistant on the day of the incident: it knew a gate for every flight."""

from __future__ import annotations

import asyncio

import httpx
from departures import fetch, flight_in

USUAL_GATES = {"LX": "A14", "BA": "C55"}


async def answer(question: str) -> str:
    """Gives the usual gate of the airline when the service does not answer."""
    flight = flight_in(question)
    async with httpx.AsyncClient(timeout=3.0) as client:
        status, gate = await asyncio.gather(fetch(client, "status", flight), fetch(client, "gate", flight))
    where = gate["gate"] if gate else USUAL_GATES.get(flight[:2], "B01")
    when = status["departure"] if status else "its usual time"
    return f"{flight} leaves at {when}; from gate {where}."
