"""The Vercel AI SDK's attributes (`ai.*`). https://ai-sdk.dev/docs/ai-sdk-core/telemetry"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.sources.messages import Message, read_answer, read_conversation, read_tools, read_usage
from pytest_agent_replay.sources.otel.conventions.values import Step, arguments, first_of, parsed, returned, settings_of
from pytest_agent_replay.sources.otel.otlp import SpanRecord
from pytest_agent_replay.sources.spans import Agent, Model, Tool

__all__ = ["read"]

_MODEL = (".doGenerate", ".doStream")


def read(record: SpanRecord) -> Step | None:
    """What the span is in this convention."""
    attributes = record.attributes
    operation = attributes.get("ai.operationId")
    if not isinstance(operation, str):
        return None
    if operation == "ai.toolCall":
        name, call_id = attributes.get("ai.toolCall.name"), attributes.get("ai.toolCall.id")
        tool = Tool(str(name or record.name), call_id=call_id if isinstance(call_id, str) else None)
        tool.args, tool.bare = arguments(first_of(attributes, ("ai.toolCall.args", "ai.toolCall.input")))
        return returned(tool, first_of(attributes, ("ai.toolCall.result", "ai.toolCall.output")))
    if operation.endswith(_MODEL):
        return _model(attributes)
    agent = Agent(is_turn=operation in ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"))
    if (given := parsed(attributes.get("ai.prompt"))) is not None:
        agent.input = given
    if (made := first_of(attributes, ("ai.response.text", "ai.response.object"))) is not None:
        agent.output = made
    return agent


def _model(attributes: Mapping[str, Any]) -> Model:
    tools = attributes.get("ai.prompt.tools")
    name, reason = attributes.get("ai.model.id"), attributes.get("ai.response.finishReason")
    prefix = "gen_ai.request."
    return Model(
        name=name if isinstance(name, str) else None,
        messages=read_conversation(parsed(attributes.get("ai.prompt.messages"))),
        tools=read_tools([parsed(tool) for tool in tools] if isinstance(tools, list) else parsed(tools)),
        answer=_answer(attributes),
        usage=read_usage(
            {
                "input_tokens": first_of(attributes, ("ai.usage.inputTokens", "ai.usage.promptTokens")),
                "output_tokens": first_of(attributes, ("ai.usage.outputTokens", "ai.usage.completionTokens")),
                "cached_tokens": attributes.get("ai.usage.cachedInputTokens"),
                "reasoning_tokens": attributes.get("ai.usage.reasoningTokens"),
            }
        ),
        finish_reason=reason if isinstance(reason, str) else None,
        reasoning=_text(attributes.get("ai.response.reasoning")),
        settings=settings_of({k.removeprefix(prefix): v for k, v in attributes.items() if k.startswith(prefix)}),
    )


def _answer(attributes: Mapping[str, Any]) -> Message | None:
    text = first_of(attributes, ("ai.response.text", "ai.response.object"))
    calls = parsed(attributes.get("ai.response.toolCalls"))
    if text is None and not calls:
        return None
    return read_answer({"text": text or "", "toolCalls": calls or []})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
