"""The museum on the day of the incident: any number of people was reserved."""

from __future__ import annotations

import museum
from anthropic import beta_tool


def answer(question: str) -> str:
    """To the end, with a tool that takes every number."""
    return museum.said(museum.ask(question, museum.tours, beta_tool(museum.reserve)).until_done())
