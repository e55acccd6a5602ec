"""The assistant on the day of the incident: without a rate it took the amount for euros."""

from __future__ import annotations

from expenses import country_in, daily_allowance, exchange_rate


def answer(question: str) -> str:
    """Calls any amount euros when the treasury's system does not answer."""
    country = country_in(question)
    if country is None:
        return "Which country are you travelling to?"
    allowance = daily_allowance(country)
    amount, currency = allowance["amount"], allowance["currency"]
    try:
        rate = exchange_rate(str(currency))
    except ConnectionError:
        return f"You may spend {float(str(amount)):.2f} EUR a day in {country}."
    return f"You may spend {amount} {currency} a day in {country}: {float(str(amount)) * rate:.2f} EUR."
