"""The agent on the day of the incident: the model did the sum, and nobody checked it."""

from __future__ import annotations

import workshop
from pydantic_ai import Agent

agent = Agent(
    workshop.MODEL, output_type=workshop.Estimate, tools=[workshop.price_of], instructions=workshop.INSTRUCTIONS
)
