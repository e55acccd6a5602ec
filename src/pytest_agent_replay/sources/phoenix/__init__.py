"""Arize Phoenix: sessions of its server, and exported spans."""

from __future__ import annotations

from pytest_agent_replay.sources.phoenix.source import Phoenix

__all__ = ["Phoenix"]
