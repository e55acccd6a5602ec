"""The service on the day of the incident: what the tool returned was the answer, as it is by default."""

from __future__ import annotations

import parcels

agent = parcels.service()
