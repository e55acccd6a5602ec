"""The kennel on the day of the incident: that there was a vaccination was enough."""

from __future__ import annotations

import kennel


class TakeIn(kennel.TakeIn):
    """Does not look at the day."""

    def _run(self, dog: str, until: str) -> str:
        if not kennel.vaccination_of(dog):
            return kennel.REFUSED.format(dog=dog)
        kennel.reserve_kennel(dog, until)
        return kennel.BOOKED.format(dog=dog, until=until)


crew = kennel.kennel(TakeIn())
