"""The agent on the day of the incident: nothing stood between the model and the booking system."""

from __future__ import annotations

import museum


async def answer(question: str) -> str:
    """Lets the model do what it likes."""
    response = await museum.guide().get_response(messages=question)
    return str(response.content)
