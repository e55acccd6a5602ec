"""Estimates repairs in a bicycle workshop, with Pydantic AI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import ToolReturnPart

MODEL = "openai:gpt-4o"
INSTRUCTIONS = "You estimate repairs of bicycles. Look up the price of every part."


class Estimate(BaseModel):
    """What the customer is sent."""

    parts: list[str]
    total: float


def price_of(part: str) -> float:
    """The price of a part in euros, from the stock system."""
    raise RuntimeError("the stock system is not reachable from a test")


agent = Agent(MODEL, output_type=Estimate, tools=[price_of], instructions=INSTRUCTIONS)


@agent.output_validator
def adds_up(ctx: Any, estimate: Estimate) -> Estimate:
    """Lets no sum pass that the prices do not give."""
    parts = [part for message in ctx.messages for part in message.parts if isinstance(part, ToolReturnPart)]
    prices = [float(part.content) for part in parts if part.tool_name == "price_of"]
    if abs(estimate.total - sum(prices)) > 0.005:
        raise ModelRetry(f"The prices {prices} do not add up to {estimate.total}.")
    return estimate
