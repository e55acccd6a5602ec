"""The box office on the day of the incident: whatever the model wrote was booked."""

from __future__ import annotations

import cinema

agent = cinema.box_office(cinema.Booking())
