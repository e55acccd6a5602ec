"""The front desk on the day of the incident: the model alone decided."""

from __future__ import annotations

import hotel

agent = hotel.desk([])
