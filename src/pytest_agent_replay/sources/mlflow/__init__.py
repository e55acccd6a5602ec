"""MLflow: traces of its servers, its SQLite databases, its file stores, and exported ones."""

from __future__ import annotations

from pytest_agent_replay.sources.mlflow.source import MLflow

__all__ = ["MLflow"]
