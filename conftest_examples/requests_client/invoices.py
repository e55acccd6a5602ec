"""Answers customers' questions about their invoices from a billing service, with `requests`."""

from __future__ import annotations

import re
from typing import Any

import requests

BILLING = "https://billing.example.com"


def fetch(number: str) -> dict[str, Any] | None:
    """The invoice; None when there is none of that number. Raises `requests.RequestException`."""
    response = requests.get(f"{BILLING}/invoice", params={"number": number}, timeout=5)
    if response.status_code == 404:
        return None
    response.raise_for_status()
    invoice: dict[str, Any] = response.json()
    return invoice


def number_in(question: str) -> str:
    """The invoice number that the question names."""
    found = re.search(r"\bINV-\d+\b", question)
    return found.group() if found else ""


def remind(number: str) -> None:
    """Sends the customer a reminder."""
    requests.post(f"{BILLING}/reminder", json={"number": number}, timeout=5).raise_for_status()


class InvoiceAgent:
    """Made anew for every session; `overrides` of a replay become arguments of its constructor."""

    def __init__(self, currency: str = "EUR") -> None:
        self.currency = currency

    def run(self, question: str) -> str:
        """Says what is known, and what is not."""
        number = number_in(question)
        try:
            invoice = fetch(number)
            if invoice is None:
                return f"There is no invoice {number}. Please check the number."
            if invoice["paid"]:
                return f"Invoice {number} over {invoice['total']} {self.currency} is paid. Thank you!"
            remind(number)
        except requests.RequestException:
            return f"The billing service does not answer, so I cannot say whether {number} is paid."
        return f"Invoice {number} over {invoice['total']} {self.currency} is open. I have sent you a reminder."
