"""What the attributes of OpenTelemetry spans say: one module for each convention, and one reader of them all.

A convention is a function that gives what a span is, or None when it does not speak of it. A span may follow several
(Pydantic AI through OpenInference, Langfuse's own attributes beside `gen_ai.*`): the first says what it is, and the
others of the same kind fill in what it leaves open.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.sources.failures import read_error
from pytest_agent_replay.sources.otel.conventions import genai, langfuse, openinference, openllmetry, vercel
from pytest_agent_replay.sources.otel.conventions.values import Step, parsed
from pytest_agent_replay.sources.otel.otlp import SpanRecord
from pytest_agent_replay.sources.spans import MISSING, Agent, Span, Tool

__all__ = ["is_generative", "read_span"]

_CONVENTIONS: tuple[Callable[[SpanRecord], Step | None], ...] = (
    openinference.read,
    langfuse.read,
    vercel.read,
    openllmetry.read,
    genai.read,
)
_RETRY = ("pydantic_ai.exceptions.ToolRetryError", "pydantic_ai.exceptions.ModelRetry")
"""What Pydantic AI makes of the exception that a tool asks for another attempt with, and that exception."""


def read_span(record: SpanRecord) -> Span:
    """The span in the words of all sources; one of which no convention speaks is a step like any other."""
    found = [step for read in _CONVENTIONS if (step := read(record)) is not None]
    what = found[0] if found else Agent()
    for other in found[1:]:
        if type(other) is type(what):
            _fill(what, other)
    return Span(
        record.span_id,
        what,
        name=record.name,
        parent_id=record.parent_id,
        started=record.start,
        ended=record.end,
        error=_error(record, what),
        order=record.order,
    )


def is_generative(record: SpanRecord) -> bool:
    """Whether a convention speaks of the span as a model, a tool, or an agent that was asked something."""
    return any(step is not None and step != Agent() for step in (read(record) for read in _CONVENTIONS))


def _fill(what: Step, other: Step) -> None:
    for each in fields(what):
        if getattr(what, each.name) in (None, MISSING, False, {}):
            setattr(what, each.name, getattr(other, each.name))


def _error(record: SpanRecord, what: Step) -> ErrorSpec | None:
    """What the span raised. An exception that it only tells of (it was caught) is none where there is a result."""
    raised = next((event.attributes for event in reversed(record.events) if event.name == "exception"), None)
    is_failed = record.status == "error" or record.attributes.get("langfuse.observation.level") == "ERROR"
    if not is_failed and (raised is None or not isinstance(what, Tool) or what.result is not MISSING):
        return None
    given_type = record.attributes.get("error.type")
    raised = raised or {}
    found = read_error(
        _message(record),
        type=_text(raised.get("exception.type")) or (None if given_type == "_OTHER" else _text(given_type)),
        message=_text(raised.get("exception.message")),
        stacktrace=_text(raised.get("exception.stacktrace")),
    )
    if found is None:
        return ErrorSpec()
    return found.model_copy(update={"type": _RETRY[1]}) if found.type == _RETRY[0] else found


def _message(record: SpanRecord) -> Any:
    """The status in words; some keep there what Python prints of a mapping."""
    text = record.status_message or record.attributes.get("langfuse.observation.status_message")
    if isinstance(text, str) and text.startswith("{"):
        value = parsed(text)
        if not isinstance(value, dict):
            try:
                value = ast.literal_eval(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                return text
        return value if isinstance(value, dict) else text
    return text


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
