"""The OpenAI Agents SDK: items of its sessions, their databases, and exported traces."""

from __future__ import annotations

from pytest_agent_replay.sources.openai_agents.source import OpenAIAgents

__all__ = ["OpenAIAgents"]
