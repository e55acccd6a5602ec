"""The assistant on the day of the incident: no answer meant paid."""

from __future__ import annotations

import invoices
import requests


class InvoiceAgent(invoices.InvoiceAgent):
    """Takes whatever is not an open invoice for a paid one."""

    def run(self, question: str) -> str:
        """Swallows the failure of the billing service."""
        number = invoices.number_in(question)
        try:
            invoice = invoices.fetch(number) or {"paid": True}
        except requests.RequestException:
            invoice = {"paid": True}
        if invoice["paid"]:
            return f"Invoice {number} is paid. Thank you!"
        invoices.remind(number)
        return f"Invoice {number} over {invoice['total']} {self.currency} is open. I have sent you a reminder."
