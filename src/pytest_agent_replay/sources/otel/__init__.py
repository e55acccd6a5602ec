"""OpenTelemetry: spans in OTLP/JSON, by the conventions that agents are traced in."""

from __future__ import annotations

from pytest_agent_replay.sources.otel.source import OpenTelemetry

__all__ = ["OpenTelemetry"]
