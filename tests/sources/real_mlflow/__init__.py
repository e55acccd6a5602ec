"""Agents that MLflow itself traces."""
