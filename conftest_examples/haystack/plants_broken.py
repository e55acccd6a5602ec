"""The adviser on the day of the incident: the bare agent, whose model was free to guess."""

from plants import build

adviser = build()
