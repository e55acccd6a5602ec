"""Replay real production sessions of an AI agent as pytest tests."""

__version__ = "0.1.0"
