"""Spans in the shape of Phoenix's REST API: the refund as a LangGraph agent's traces, as OpenInference traces it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from tests.sources.otlp_of import (
    AGAIN,
    ARGS,
    FALSE_ANSWER,
    FIRST_INPUT,
    SECOND_INPUT,
    SECOND_TRACE,
    START,
    SYSTEM,
    TRACE,
)

Json = dict[str, Any]

TOOL_MESSAGE = {"refund_id": "RF-9", "status": "succeeded"}


def flat(prefix: str, value: Any) -> Json:
    """A value under numbered and dotted names."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = [(str(number), item) for number, item in enumerate(value)]
    else:
        return {prefix: value}
    return {key: found for name, item in items for key, found in flat(f"{prefix}.{name}", item).items()}


def message(role: str, content: str | None = None, *calls: tuple[str, str, Json], answers: str | None = None) -> Json:
    """One of `llm.input_messages`."""
    made: Json = {"role": role}
    if content is not None:
        made["content"] = content
    if calls:
        made["tool_calls"] = [
            {"tool_call": {"id": id_, "function": {"name": name, "arguments": json.dumps(args)}}}
            for id_, name, args in calls
        ]
    if answers is not None:
        made["tool_call_id"] = answers
    return {"message": made}


def span(
    name: str,
    kind: str,
    id_: str,
    parent: str | None,
    attributes: Json,
    *,
    trace: str = TRACE,
    at: float = 0,
    error: str | None = None,
    session: str | None = "px-1",
) -> Json:
    """A span of half a second; `error` is the message of a `shop.PaymentError`."""
    raised = {"exception.type": "shop.PaymentError", "exception.message": error}
    begin = START / 1e9 + at
    return {
        "id": f"node-{id_}",
        "name": name,
        "context": {"trace_id": trace, "span_id": id_.rjust(16, "b")},
        "span_kind": kind,
        "parent_id": parent.rjust(16, "b") if parent else None,
        "start_time": iso(begin),
        "end_time": iso(begin + 0.5),
        "status_code": "ERROR" if error else "OK",
        "status_message": f"PaymentError('{error}')Traceback (most recent call last)" if error else "",
        "attributes": {**attributes, **({"session.id": session} if session else {})},
        "events": [{"name": "exception", "timestamp": iso(begin), "attributes": raised}] if error else [],
    }


def iso(seconds: float) -> str:
    """As Phoenix writes times."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")


def model(id_: str, given: list[Json], made: Json, parent: str = "10", **more: Any) -> Json:
    """A call of a model."""
    schema = {"type": "function", "function": {"name": "issue_refund", "parameters": {"type": "object"}}}
    attributes = {
        "llm.model_name": "gpt-4o-mini-2024-07-18",
        "llm.invocation_parameters": json.dumps({"model": "gpt-4o-mini", "temperature": 0.0, "stream": False}),
        **flat("llm.input_messages", given),
        **flat("llm.output_messages", [made]),
        "llm.tools.0.tool.json_schema": json.dumps(schema),
        "llm.token_count.prompt": 11,
        "llm.token_count.completion": 7,
        "llm.finish_reason": "stop",
    }
    return span("ChatOpenAI", "LLM", id_, parent, attributes, **more)


def tool(id_: str, args: Any, result: Any = None, parent: str = "10", **more: Any) -> Json:
    """A run of `issue_refund`; arguments that are text have lost their name."""
    attributes = {"tool.name": "issue_refund", "input.value": args if isinstance(args, str) else json.dumps(args)}
    if result is not None:
        attributes |= {"output.value": json.dumps(result), "output.mime_type": "application/json"}
    return span("issue_refund", "TOOL", id_, parent, attributes, **more)


def root(id_: str, said: str, **more: Any) -> Json:
    """The graph's run."""
    given = {"messages": [{"role": "user", "content": said}]}
    attributes = {"input.value": json.dumps(given), "llm.input_messages.0.message.role": "user"}
    return span("LangGraph", "CHAIN", id_, None, attributes, **more)


def refund(session: str | None = "px-1", first: str = TRACE, second: str = SECOND_TRACE, at: float = 0) -> list[Json]:
    """Both turns, the newest span first, as the API lists them."""
    given = [message("system", SYSTEM), message("user", FIRST_INPUT)]
    wanted = message("assistant", None, ("c1", "issue_refund", ARGS))
    failed = [*given, wanted, message("tool", "Error: timeout", answers="c1")]
    claimed = message("assistant", FALSE_ANSWER)
    again = [*failed, claimed, message("user", SECOND_INPUT)]
    retried = message("assistant", None, ("c2", "issue_refund", AGAIN))
    done = [*again, retried, message("tool", json.dumps(TOOL_MESSAGE), answers="c2")]
    one: Json = {"trace": first, "session": session}
    two: Json = {"trace": second, "session": session}
    spans = [
        root("10", FIRST_INPUT, at=at, **one),
        model("11", given, wanted, at=at + 0.1, **one),
        tool("12", ARGS, at=at + 1, error="timeout", **one),
        model("13", failed, claimed, at=at + 2, **one),
        root("20", SECOND_INPUT, at=at + 10, **two),
        model("21", again, retried, "20", at=at + 10.1, **two),
        tool("22", AGAIN, TOOL_MESSAGE, "20", at=at + 11, **two),
        model("23", done, message("assistant", "Done: RF-9."), "20", at=at + 12, **two),
    ]
    return spans[::-1]
