"""OpenInference's conventions (Arize Phoenix), and Future AGI's, which has their shape under names of `gen_ai.*`.

https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.formats.replay import Usage
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.messages import (
    Message,
    read_answer,
    read_conversation,
    read_tools,
    read_usage,
    with_system,
)
from pytest_agent_replay.sources.otel.conventions.values import Step, arguments, first_of, parsed, returned, settings_of
from pytest_agent_replay.sources.otel.otlp import SpanRecord, nested
from pytest_agent_replay.sources.spans import Agent, Model, Tool

__all__ = ["read"]

_KIND = ("openinference.span.kind", "fi.span.kind", "gen_ai.span.kind")
_INPUT = ("llm.input_messages", "gen_ai.input.messages")
_OUTPUT = ("llm.output_messages", "gen_ai.output.messages")
_TOOLS = ("llm.tools", "gen_ai.tool.definitions")
_TOOL_NAME = ("tool.name", "gen_ai.tool.name", "tool_call.function.name")
_TOOL_ID = ("tool.id", "tool_call.id", "gen_ai.tool.call.id")
_USAGE = {
    "input_tokens": ("llm.token_count.prompt", "gen_ai.usage.input_tokens"),
    "output_tokens": ("llm.token_count.completion", "gen_ai.usage.output_tokens"),
    "total_tokens": ("llm.token_count.total", "gen_ai.usage.total_tokens"),
    "cached_tokens": ("llm.token_count.prompt_details.cache_read",),
    "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
    "cost": ("llm.cost.total",),
}


def read(record: SpanRecord) -> Step | None:
    """What the span is in this convention."""
    attributes = record.attributes
    kind = first_of(attributes, _KIND)
    if not isinstance(kind, str):
        return None
    if kind.upper() == "LLM":
        return _model(attributes)
    if kind.upper() == "TOOL":
        return _tool(record)
    if kind.upper() == "RETRIEVER":
        return _retriever(record)
    agent = Agent()
    if (given := attributes.get("input.value")) is not None:
        agent.input = parsed(given)
    if (made := attributes.get("output.value")) is not None:
        agent.output = parsed(made)
    return agent


def _tool(record: SpanRecord) -> Tool:
    attributes = record.attributes
    tool = Tool(str(first_of(attributes, _TOOL_NAME) or record.name), call_id=_text(first_of(attributes, _TOOL_ID)))
    given = first_of(attributes, ("input.value", "tool_call.function.arguments", "gen_ai.tool.call.arguments"))
    tool.args, tool.bare = arguments(given)
    return returned(tool, first_of(attributes, ("output.value", "gen_ai.tool.call.result")))


def _retriever(record: SpanRecord) -> Tool:
    """A call to outside like that of a tool: the question, and the documents that were found."""
    attributes = record.attributes
    tool = Tool(record.name)
    given = parsed(attributes.get("input.value"))
    if isinstance(given, dict):
        tool.args = given
    elif given is not None:
        tool.args = {"query": given}
    documents = nested(attributes, "retrieval.documents")
    if isinstance(documents, list):
        tool.result = [each.get("document", each) if isinstance(each, dict) else each for each in documents]
        return tool
    return returned(tool, attributes.get("output.value"))


def _model(attributes: Mapping[str, Any]) -> Model:
    request = mapping(parsed(first_of(attributes, ("llm.invocation_parameters", "gen_ai.request.parameters"))))
    asked = request.get("model")
    name = (
        asked if isinstance(asked, str) and asked else first_of(attributes, ("llm.model_name", "gen_ai.request.model"))
    )
    return Model(
        name=_text(name),
        # where Anthropic's system prompt was, before it stood among the messages
        messages=with_system(_messages(attributes), request),
        tools=_tools(attributes),
        answer=_answer(attributes),
        usage=_usage(attributes),
        finish_reason=_text(attributes.get("llm.finish_reason")),
        settings=settings_of(request),
    )


def _messages(attributes: Mapping[str, Any]) -> list[Message] | None:
    listed = _listed(attributes, _INPUT)
    found = read_conversation(listed) if listed else None
    return found or read_conversation(parsed(attributes.get("input.value")))


def _answer(attributes: Mapping[str, Any]) -> Message | None:
    listed = _listed(attributes, _OUTPUT)
    found = read_answer(listed) if listed else None
    made = attributes.get("output.value")
    return found if found is not None or made is None else read_answer(made)


def _listed(attributes: Mapping[str, Any], names: tuple[str, ...]) -> list[Any]:
    """The items of a flattened list that say something: LangGraph's steps have roles without content."""
    found = next((found for name in names if isinstance(found := nested(attributes, name), list)), [])
    return [item for item in found if item]


def _tools(attributes: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    for name in _TOOLS:
        found = read_tools(nested(attributes, name) or parsed(attributes.get(name)))
        if found is not None:
            return found
    return None


def _usage(attributes: Mapping[str, Any]) -> Usage | None:
    return read_usage({key: first_of(attributes, names) for key, names in _USAGE.items()})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
