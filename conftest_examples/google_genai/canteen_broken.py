"""The canteen on the day of the incident: the model's word was enough."""

from __future__ import annotations

import canteen


def answer(question: str) -> str:
    """Whatever the model says."""
    text, _ = canteen.ask(question)
    return text
