"""Tells employees what they may spend on a journey. Its tools are plain Python functions."""

from __future__ import annotations

ALLOWANCES = {"Japan": (12500, "JPY"), "Norway": (890, "NOK"), "Italy": (48, "EUR")}


def daily_allowance(country: str) -> dict[str, object]:
    """What the travel policy allows per day, in the country's own currency."""
    amount, currency = ALLOWANCES[country]
    return {"amount": amount, "currency": currency}


def exchange_rate(currency: str) -> float:
    """Euros for one unit of the currency, from the treasury's system."""
    raise NotImplementedError("only the office network reaches the treasury's system")


def country_in(question: str) -> str | None:
    """The country that the question names."""
    return next((country for country in ALLOWANCES if country in question), None)


def answer(question: str) -> str:
    """Gives the allowance in euros when the rate is known, and in the country's currency when it is not."""
    country = country_in(question)
    if country is None:
        return "Which country are you travelling to?"
    allowance = daily_allowance(country)
    amount, currency = allowance["amount"], allowance["currency"]
    try:
        rate = exchange_rate(str(currency))
    except ConnectionError:
        return f"You may spend {amount} {currency} a day in {country}. I cannot convert that into euros right now."
    return f"You may spend {amount} {currency} a day in {country}: {float(str(amount)) * rate:.2f} EUR."
