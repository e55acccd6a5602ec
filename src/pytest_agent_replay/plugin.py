"""pytest's door: hooks and fixtures that delegate. Imports pytest and the standard library only."""

from __future__ import annotations
