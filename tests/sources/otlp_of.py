"""Exported spans by hand, in OTLP/JSON: the refund of two turns, and single spans."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, ReplayFile
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.otel.otlp import SpanRecord, read_records
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import RunSession

START = 1_795_250_000_000_000_000
TRACE = "5b8efff798038103d269b633813fc60c"
SECOND_TRACE = "6c9f000898149214e37ac744924fd71d"
FIRST_INPUT = "Refund ORD-1, I am C-7."
SECOND_INPUT = "It is not there."
FALSE_ANSWER = "Your refund of $45.99 has been issued."
SYSTEM = "You refund."
TOOLS = [{"type": "function", "name": "issue_refund", "description": "Refund.", "parameters": {"type": "object"}}]

Json = dict[str, Any]


def any_value(value: Any) -> Json:
    """A value as OTLP/JSON writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(attributes: Json) -> list[Json]:
    """Attributes as OTLP/JSON writes them."""
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def otlp_span(
    name: str,
    attributes: Json,
    *,
    id_: str,
    parent: str | None = None,
    trace: str = TRACE,
    at: float = 0,
    lasts: float = 0.5,
    status: Json | None = None,
    events: Iterable[tuple[str, Json]] = (),
) -> Json:
    """A span; `at` and `lasts` are seconds."""
    begin = START + int(at * 1e9)
    return {
        "traceId": trace,
        "spanId": id_.rjust(16, "a"),
        **({"parentSpanId": parent.rjust(16, "a")} if parent else {}),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + int(lasts * 1e9)),
        "attributes": pairs(attributes),
        "events": [{"name": event, "attributes": pairs(told)} for event, told in events],
        "status": status or {},
    }


def batch(*spans: Json, service: str = "shop") -> Json:
    """Spans of one resource."""
    resource = {"attributes": pairs({"service.name": service})}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "test"}, "spans": list(spans)}]}]
    }


def record_of(attributes: Json, name: str = "step", **more: Any) -> SpanRecord:
    """One span as the conventions get it."""
    (record,) = read_records(batch(otlp_span(name, attributes, id_="1", **more)))
    return record


# -- the refund, in OpenTelemetry's GenAI conventions


def text(role: str, content: str) -> Json:
    """A message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def asks(call_id: str, name: str, args: Any) -> Json:
    """A message that asks for a call."""
    part = {"type": "tool_call", "id": call_id, "name": name, "arguments": args}
    return {"role": "assistant", "parts": [part], "finish_reason": "tool_call"}


def told(call_id: str, result: Any) -> Json:
    """A message with the result of a call."""
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": result}]}


def chat(given: list[Json], made: Json, *, conversation: str | None = "conv-1", **span: Any) -> Json:
    """A call of a model."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.response.finish_reasons": [made.get("finish_reason", "stop")],
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}]),
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps([made]),
        "gen_ai.tool.definitions": json.dumps(TOOLS),
        **({"gen_ai.conversation.id": conversation} if conversation else {}),
    }
    return otlp_span("chat gpt-4o-mini", attributes, **span)


def execute(name: str, call_id: str, args: Json, result: Any = None, **span: Any) -> Json:
    """A run of a tool."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": json.dumps(args),
        **({"gen_ai.tool.call.result": json.dumps(result)} if result is not None else {}),
    }
    return otlp_span(f"execute_tool {name}", attributes, **span)


def invoke(conversation: str | None = "conv-1", **span: Any) -> Json:
    """A run of an agent."""
    key = {"gen_ai.conversation.id": conversation} if conversation else {}
    return otlp_span("invoke_agent", {"gen_ai.operation.name": "invoke_agent", **key}, **span)


ARGS = {"order_id": "ORD-1", "amount_cents": 4599}
FAILED = {"code": 2, "message": "timeout"}
FIRST = [text("user", FIRST_INPUT)]
AFTER_FIRST = [*FIRST, asks("c1", "issue_refund", ARGS), told("c1", "Error: timeout")]
SECOND = [*AFTER_FIRST, text("assistant", FALSE_ANSWER), text("user", SECOND_INPUT)]
AGAIN = {**ARGS, "retry": True}


def first_turn(conversation: str | None = "conv-1", trace: str = TRACE) -> list[Json]:
    """The refund fails, and the model says that it did not; inner spans come first, as they are exported."""
    failed = execute("issue_refund", "c1", ARGS, id_="12", parent="10", trace=trace, at=1, status=FAILED)
    failed["attributes"] += pairs({"error.type": "shop.PaymentError"})
    wanted = asks("c1", "issue_refund", ARGS)
    return [
        chat(FIRST, wanted, conversation=conversation, id_="11", parent="10", trace=trace, at=0.1),
        failed,
        chat(
            AFTER_FIRST,
            text("assistant", FALSE_ANSWER),
            conversation=conversation,
            id_="13",
            parent="10",
            trace=trace,
            at=2,
        ),
        invoke(conversation, id_="10", trace=trace, lasts=3),
    ]


def second_turn(conversation: str | None = "conv-1", trace: str = SECOND_TRACE) -> list[Json]:
    """The refund works."""
    wanted = asks("c2", "issue_refund", AGAIN)
    done = {"refund_id": "RF-9", "status": "succeeded"}
    after = [*SECOND, wanted, told("c2", json.dumps(done))]
    last = text("assistant", "Done: RF-9.")
    return [
        chat(SECOND, wanted, conversation=conversation, id_="21", parent="20", trace=trace, at=10.1),
        execute("issue_refund", "c2", AGAIN, done, id_="22", parent="20", trace=trace, at=11),
        chat(after, last, conversation=conversation, id_="23", parent="20", trace=trace, at=12),
        invoke(conversation, id_="20", trace=trace, at=10, lasts=3),
    ]


def expect_refund(replay: ReplayFile) -> None:
    """The two turns above, whatever way they came."""
    first, second = replay.turn_list
    assert (first.input, second.input) == (FIRST_INPUT, SECOND_INPUT)
    assert (first.output, second.output) == (FALSE_ANSWER, "Done: RF-9.")
    (failed,) = first.tool_responses
    assert (failed.tool, failed.args, failed.call_id, failed.latency_ms) == ("issue_refund", ARGS, "c1", 500.0)
    assert isinstance(failed.error, ErrorSpec)
    assert (failed.error.type, failed.error.message) == ("shop.PaymentError", "timeout")
    (done,) = second.tool_responses
    assert (done.args, done.response) == (AGAIN, {"refund_id": "RF-9", "status": "succeeded"})
    assert [len(turn.llm_responses or []) for turn in replay.turn_list] == [2, 2]


# -- importing


def imported(source: Source, *words: object) -> tuple[list[RunSession], Importing]:
    """What a source gives for these words of the command line."""
    parser = ArgumentParser()
    source.add_arguments(parser)
    given = parser.parse_args([str(word) for word in words])
    source.check(given)
    importing = Importing()
    runs = list(source.sessions(given, importing))
    assert all(isinstance(run, RunSession) for run in runs)
    return [run for run in runs if isinstance(run, RunSession)], importing


def replays(runs: Iterable[RunSession]) -> dict[str, ReplayFile]:
    """The replay files, by what they would like to be called."""
    built = [build_session(run) for run in runs]
    return {session.wish: session.replay for session in built}


def write_lines(path: Path, *values: Any) -> Path:
    """JSON Lines."""
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return path
