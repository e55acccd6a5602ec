"""The loop on the day of the incident: whatever the model asked for was paid."""

from __future__ import annotations

import payouts


def answer(question: str) -> str:
    """Trusts the model."""
    return payouts.answer(question, check=lambda args, known: True)
