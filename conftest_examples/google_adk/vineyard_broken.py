"""The gardener on the day of the incident: it watered for as long as the model thought."""

from __future__ import annotations

import vineyard

agent = vineyard.gardener()
