"""Langfuse: sessions, traces and projects of its servers of both generations, and exported files."""

from __future__ import annotations

from pytest_agent_replay.sources.langfuse.source import Langfuse

__all__ = ["Langfuse"]
