"""What Pydantic AI's spans leave out of what its models were told."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pytest_agent_replay.sources.otel.conventions.values import first_of
from pytest_agent_replay.sources.otel.otlp import SpanRecord
from pytest_agent_replay.sources.spans import Model, Span

__all__ = ["tell_retries"]

_NATIVE = ("anthropic", "bedrock", "aws", "google", "gcp", "gemini", "vertex")
"""Providers whose API can say that a result is an error, so that its text stays as it is."""


def tell_retries(records: Iterable[SpanRecord], spans: Iterable[Span]) -> None:
    """Completes the messages of tools that asked for another attempt, in all model calls of a conversation.

    The messages in spans have the text alone, as if the tool had returned it; the tools' own spans know. What the
    model saw depends on Pydantic AI's version and on the provider: `ToolReturnPart.model_response_str` since 2,
    `RetryPromptPart.model_response` before.
    """
    retried: set[tuple[object, str]] = set()
    told_as = _in_json
    for record in records:
        attributes = record.attributes
        text = first_of(attributes, ("gen_ai.tool.call.result", "tool_response"))
        if attributes.get("pydantic_ai.tool.retry.cause") == "model_retry" and isinstance(text, str):
            retried.add((str(attributes.get("gen_ai.tool.call.id")), text))
        if record.scope_version.startswith(("0.", "1.")):
            told_as = _asking_again
        elif str(first_of(attributes, ("gen_ai.provider.name", "gen_ai.system"))).startswith(_NATIVE):
            return
    for span in spans if retried else ():
        messages = span.what.messages if isinstance(span.what, Model) else None
        for message in messages or ():
            text = message.get("content")
            if message["role"] == "tool" and isinstance(text, str) and (message.get("tool_call_id"), text) in retried:
                message["content"] = told_as(text)


def _in_json(text: str) -> str:
    return json.dumps({"error": text}, separators=(",", ":"), ensure_ascii=False)


def _asking_again(text: str) -> str:
    return f"{text}\n\nFix the errors and try again."
