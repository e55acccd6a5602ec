"""LangSmith: runs and threads from its server, over both generations of its API, and exported run trees."""

from __future__ import annotations

from pytest_agent_replay.sources.langsmith.source import LangSmith

__all__ = ["LangSmith"]
