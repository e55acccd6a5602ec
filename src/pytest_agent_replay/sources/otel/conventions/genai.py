"""OpenTelemetry's GenAI conventions (`gen_ai.*`), as they are and were, and Pydantic AI's and Logfire's ways with them.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/; messages stand in attributes, in the event
`gen_ai.client.inference.operation.details`, or (up to 1.36) in one event for each message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.formats.replay import Usage
from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.messages import Message, read_answer, read_conversation, read_tools, read_usage
from pytest_agent_replay.sources.otel.conventions.values import (
    Step,
    arguments,
    first_of,
    parsed,
    returned,
    settings_of,
    structured,
)
from pytest_agent_replay.sources.otel.otlp import SpanRecord
from pytest_agent_replay.sources.spans import Agent, Model, Tool

__all__ = ["read"]

_AGENTS = ("invoke_agent", "invoke_workflow")
_MODELS = ("chat", "generate_content", "text_completion")
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"
_INPUT = ("gen_ai.input.messages", "gen_ai.prompt")
_OUTPUT = ("gen_ai.output.messages", "gen_ai.completion")
_USAGE = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "total_tokens": ("gen_ai.usage.total_tokens",),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.details.cache_read_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.details.reasoning_tokens"),
    "cost": ("operation.cost", "gen_ai.usage.cost"),
}


def read(record: SpanRecord) -> Step | None:
    """What the span is in this convention."""
    attributes = _with_details(record)
    operation = attributes.get("gen_ai.operation.name")
    if operation == "execute_tool" or (operation is None and "gen_ai.tool.name" in attributes):
        return _tool(record, attributes)
    if operation in _AGENTS or (operation is None and "agent_name" in attributes and "model_name" in attributes):
        return _agent(attributes)
    if operation in _MODELS or (operation is None and _speaks_of_a_model(attributes)):
        return _model(record, attributes)
    return Agent() if operation is not None else None


def _speaks_of_a_model(attributes: Mapping[str, Any]) -> bool:
    return any(name in attributes for name in ("gen_ai.request.model", *_INPUT, *_OUTPUT))


def _with_details(record: SpanRecord) -> Mapping[str, Any]:
    """The attributes, with those of the events in which the content of messages may stand."""
    found = record.attributes
    for event in record.events:
        if event.name == "gen_ai.client.inference.operation.details" or event.name.startswith("gen_ai.content."):
            found = {**event.attributes, **found}
    return found


# -- tools and agents


def _tool(record: SpanRecord, attributes: Mapping[str, Any]) -> Tool:
    name = first_of(attributes, ("gen_ai.tool.name",)) or record.name.removeprefix("execute_tool ")
    tool = Tool(str(name), call_id=_text(attributes.get("gen_ai.tool.call.id")))
    tool.args, tool.bare = arguments(first_of(attributes, ("gen_ai.tool.call.arguments", "tool_arguments")))
    return returned(tool, first_of(attributes, ("gen_ai.tool.call.result", "tool_response")))


def _agent(attributes: Mapping[str, Any]) -> Agent:
    agent = Agent(is_turn=True)
    messages = _conversation(attributes)
    if messages:
        agent.input = messages
    answer = read_answer(_listed(attributes.get("gen_ai.output.messages")))
    final = attributes.get("final_result")
    if final is not None:
        agent.output = structured(final)
    elif answer is not None and answer.get("content"):
        agent.output = answer["content"]
    return agent


# -- models


def _model(record: SpanRecord, attributes: Mapping[str, Any]) -> Model:
    given, chosen = _from_events(record, attributes)
    request = parsed(attributes.get("request_data"))
    answer = read_answer(_listed(first_of(attributes, _OUTPUT)) or chosen or parsed(attributes.get("response_data")))
    reasons = parsed(attributes.get("gen_ai.response.finish_reasons"))
    prefix = "gen_ai.request."
    return Model(
        name=_text(first_of(attributes, ("gen_ai.request.model", "gen_ai.response.model"))),
        messages=_conversation(attributes) or read_conversation(given) or _conversation_of(request),
        tools=_tools(attributes, request),
        answer=answer,
        usage=_usage(attributes),
        finish_reason=_text(reasons[0]) if isinstance(reasons, list) and reasons else _text(reasons),
        reasoning=_reasoning(first_of(attributes, _OUTPUT)),
        settings=settings_of({k.removeprefix(prefix): v for k, v in attributes.items() if k.startswith(prefix)}),
    )


def _conversation(attributes: Mapping[str, Any]) -> list[Message] | None:
    messages = read_conversation(_as_sent(_listed(first_of(attributes, _INPUT))))
    told = parsed(attributes.get("gen_ai.system_instructions"))
    if not told or not messages or messages[0].get("role") == "system":
        return messages
    parts = told if isinstance(told, list) else [{"type": "text", "content": told}]
    return [*(read_conversation([{"role": "system", "parts": parts}]) or []), *messages]


def _as_sent(messages: Any) -> Any:
    """Results in the text that the model saw, where it is known: Pydantic AI, whose name for them is `result`,
    parses the JSON that it sends."""
    for message in dicts(messages):
        for part in dicts(message.get("parts")):
            if isinstance(part.get("result"), (dict, list)):
                part["result"] = json.dumps(part["result"], separators=(",", ":"), ensure_ascii=False)
    return messages


def _conversation_of(request: Any) -> list[Message] | None:
    return read_conversation(request) if isinstance(request, dict) else None


def _from_events(record: SpanRecord, attributes: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The messages and the answer out of one event for each; Pydantic AI had these in an attribute."""
    kept = parsed(attributes.get("events"))
    told = (
        [(event.get("event.name"), event) for event in kept if isinstance(event, dict)]
        if isinstance(kept, list)
        else []
    )
    told += [(event.name, _body(event.attributes)) for event in record.events]
    given = [{"role": _ROLES[name], **_message(body, ())} for name, body in told if name in _ROLES]
    chosen = next((_message(body, ("message",)) for name, body in told if name == _CHOICE), None)
    return given, {"role": "assistant", **chosen} if chosen else None


def _body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    body = parsed(attributes.get("body"))
    return {**attributes, **body} if isinstance(body, dict) else dict(attributes)


def _message(body: Mapping[str, Any], below: tuple[str, ...]) -> dict[str, Any]:
    inner = next((found for name in below if isinstance(found := parsed(body.get(name)), dict)), body)
    message = {key: parsed(inner[key]) if key == "tool_calls" else inner[key] for key in inner if key in _KEPT}
    if "tool_call_id" not in message and isinstance(inner.get("id"), str):
        message["tool_call_id"] = inner["id"]
    return message


_KEPT = frozenset({"role", "content", "tool_calls", "tool_call_id", "name"})


def _tools(attributes: Mapping[str, Any], request: Any) -> list[dict[str, Any]] | None:
    told = first_of(attributes, ("gen_ai.tool.definitions", "model_request_parameters"))
    found = read_tools(_listed(told))
    return found if found is not None or not isinstance(request, dict) else read_tools(request.get("tools"))


def _usage(attributes: Mapping[str, Any]) -> Usage | None:
    return read_usage({key: first_of(attributes, names) for key, names in _USAGE.items()})


def _reasoning(output: Any) -> str | None:
    messages = _listed(output)
    first = messages[0] if isinstance(messages, list) and messages else None
    parts = mapping(first).get("parts")
    thoughts = [
        part.get("content")
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and part.get("type") in ("reasoning", "thinking")
    ]
    return "\n".join(thought for thought in thoughts if isinstance(thought, str) and thought) or None


def _listed(value: Any) -> Any:
    """A list in one of the forms of attributes: a JSON text, or a list of JSON texts."""
    found = parsed(value)
    return [parsed(item) for item in found] if isinstance(found, list) else found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
