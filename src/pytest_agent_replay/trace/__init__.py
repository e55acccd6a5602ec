"""What happened in one run of an agent: events in order. A recorded original and a new run are the same type."""

from __future__ import annotations

from pytest_agent_replay.trace.model import Event, LlmCallView, ToolCallView, Trace, TraceError
from pytest_agent_replay.trace.recorded import recorded_trace

__all__ = ["Event", "LlmCallView", "ToolCallView", "Trace", "TraceError", "recorded_trace"]
