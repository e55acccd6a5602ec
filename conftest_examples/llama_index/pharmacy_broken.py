"""The counter on the day of the incident: the leaflet was looked up, and nobody looked at it."""

from __future__ import annotations

import pharmacy


def give_out(medicine: str, age: int) -> str:
    """Gives a medicine out for somebody of that age (in years)."""
    pharmacy.look_up_leaflet(medicine)
    pharmacy.send_to_counter(medicine)
    return pharmacy.READY.format(medicine=medicine)


agent = pharmacy.counter(give_out)
