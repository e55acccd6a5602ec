"""The agent on the day of the incident: the model was free to guess."""

from __future__ import annotations

from irrigation import made

agent = made()
