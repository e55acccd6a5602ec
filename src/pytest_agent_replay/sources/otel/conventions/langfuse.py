"""Langfuse's own attributes (`langfuse.observation.*`), which its SDK exports by OTLP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.sources.messages import read_answer, read_conversation, read_tools, read_usage
from pytest_agent_replay.sources.otel.conventions.values import Step, arguments, parsed, returned, settings_of
from pytest_agent_replay.sources.otel.otlp import SpanRecord
from pytest_agent_replay.sources.spans import Agent, Model, Tool

__all__ = ["read"]

_BEGIN = "langfuse.observation."


def read(record: SpanRecord) -> Step | None:
    """What the span is in this convention."""
    told = {key.removeprefix(_BEGIN): value for key, value in record.attributes.items() if key.startswith(_BEGIN)}
    kind = str(told.get("type") or "").lower()
    if kind == "generation":
        return _model(told)
    if kind == "tool":
        tool = Tool(record.name, call_id=_call_id(told))
        tool.args, tool.bare = arguments(told.get("input"))
        return returned(tool, told.get("output"))
    if not told:
        return None
    agent = Agent()
    if "input" in told:
        agent.input = parsed(told["input"])
    if "output" in told:
        agent.output = parsed(told["output"])
    return agent


def _model(told: Mapping[str, Any]) -> Model:
    settings = parsed(told.get("model.parameters"))
    usage = parsed(told.get("usage_details"))
    cost = parsed(told.get("cost_details"))
    if isinstance(usage, dict) and isinstance(cost, dict):
        usage = {**usage, "cost": cost.get("total")}
    name = told.get("model.name")
    return Model(
        name=name if isinstance(name, str) else None,
        messages=read_conversation(parsed(told.get("input"))),
        tools=read_tools(parsed(told.get("input"))),
        answer=read_answer(told["output"]) if "output" in told else None,
        usage=read_usage(usage),
        settings=settings_of(settings) if isinstance(settings, dict) else {},
    )


def _call_id(told: Mapping[str, Any]) -> str | None:
    found = parsed(told.get("metadata.tool_call_id"))
    return found if isinstance(found, str) else None
