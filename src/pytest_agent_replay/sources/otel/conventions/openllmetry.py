"""OpenLLMetry's conventions (Traceloop): `traceloop.*`, messages as `gen_ai.prompt.N.*` and `gen_ai.completion.N.*`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.sources.messages import Message, read_answer, read_conversation, read_tools, read_usage
from pytest_agent_replay.sources.otel.conventions.values import Step, arguments, first_of, parsed, returned, settings_of
from pytest_agent_replay.sources.otel.otlp import SpanRecord, nested
from pytest_agent_replay.sources.spans import Agent, Model, Tool

__all__ = ["read"]

_KIND = "traceloop.span.kind"
_USAGE = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
    "total_tokens": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_read.input_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning_tokens",),
}


def read(record: SpanRecord) -> Step | None:
    """What the span is in this convention."""
    attributes = record.attributes
    if "llm.request.type" in attributes or any(key.startswith("gen_ai.prompt.0.") for key in attributes):
        return _model(attributes) if attributes.get("llm.request.type") not in ("embedding", "rerank") else Agent()
    kind = attributes.get(_KIND)
    if kind is None:
        return None
    given, made = (parsed(attributes.get(f"traceloop.entity.{side}")) for side in ("input", "output"))
    if kind == "tool":
        tool = Tool(str(first_of(attributes, ("gen_ai.tool.name", "traceloop.entity.name")) or record.name))
        tool.args, tool.bare = arguments(_inputs(given))
        return returned(tool, _outputs(made))
    agent = Agent()
    if given is not None:
        agent.input = _inputs(given)
    if made is not None:
        agent.output = _outputs(made)
    return agent


def _inputs(value: Any) -> Any:
    """Out of what the callbacks of LangChain put around the inputs of a step."""
    if isinstance(value, dict) and "inputs" in value and value.keys() & {"tags", "metadata", "kwargs"}:
        return value["inputs"]
    if isinstance(value, dict) and "input_str" in value:
        return value["input_str"]
    return value


def _outputs(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() <= {"output", "outputs", "kwargs"} and "kwargs" in value:
        return value.get("output", value.get("outputs"))
    return value


def _model(attributes: Mapping[str, Any]) -> Model:
    prefix = "gen_ai.request."
    settings = {key.removeprefix(prefix): item for key, item in attributes.items() if key.startswith(prefix)}
    made = nested(attributes, "gen_ai.completion")
    first = made[0] if isinstance(made, list) and made and isinstance(made[0], dict) else {}
    reason = first.get("finish_reason")
    name = first_of(attributes, ("gen_ai.request.model", "gen_ai.response.model"))
    functions = nested(attributes, "llm.request.functions")
    return Model(
        name=name if isinstance(name, str) else None,
        messages=_messages(attributes),
        tools=read_tools([_function(item) for item in functions]) if isinstance(functions, list) else None,
        answer=read_answer([_message({"role": "assistant", **first})]) if first else None,
        usage=read_usage({key: first_of(attributes, names) for key, names in _USAGE.items()}),
        finish_reason=reason if isinstance(reason, str) else None,
        settings=settings_of(settings),
    )


def _messages(attributes: Mapping[str, Any]) -> list[Message] | None:
    told = nested(attributes, "gen_ai.prompt")
    if not isinstance(told, list):
        return None
    return read_conversation([_message(item) for item in told if isinstance(item, dict) and "role" in item])


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """A message whose content, where it was no text, is the JSON of its parts."""
    content = item.get("content")
    parts = parsed(content)
    is_parts = isinstance(parts, list) and parts and all(isinstance(part, dict) and "type" in part for part in parts)
    return {**item, "content": parts if is_parts else content}


def _function(item: Any) -> Any:
    return {key: parsed(value) for key, value in item.items()} if isinstance(item, dict) else item
