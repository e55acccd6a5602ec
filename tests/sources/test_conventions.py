"""What spans say in each convention: models, tools, agents, and how they failed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.sources.otel.conventions import read_span
from pytest_agent_replay.sources.otel.conversations import run_session
from pytest_agent_replay.sources.otel.otlp import SpanRecord, read_records
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, Tool
from tests.sources.otlp_of import FIRST, FIRST_INPUT, batch, chat, otlp_span, record_of, text

# -- errors


def step(record: SpanRecord) -> Any:
    """What the span is."""
    return read_span(record).what


EXCEPTION = (
    "exception",
    {
        "exception.type": "shop.PaymentError",
        "exception.message": "timeout",
        "exception.stacktrace": "Traceback (most recent call last):\nshop.PaymentError: timeout\n",
    },
)
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}


def test_the_exception_event_tells_the_error() -> None:
    """Its type and message, without the traceback."""
    record = record_of(TOOL, status={"code": 2, "message": "PaymentError: timeout"}, events=[EXCEPTION])
    assert read_span(record).error == ErrorSpec(type="shop.PaymentError", message="timeout")


def test_an_exception_without_a_status_failed_the_tool_that_has_no_result() -> None:
    """One that has a result only tells of what it caught."""
    assert read_span(record_of(TOOL, events=[EXCEPTION])).error is not None
    caught = record_of({**TOOL, "gen_ai.tool.call.result": "7"}, events=[EXCEPTION])
    assert read_span(caught).error is None


def test_the_wrapper_of_a_retry_is_what_the_tool_raised() -> None:
    """Pydantic AI's tools raise `ModelRetry`."""
    event = {"exception.type": "pydantic_ai.exceptions.ToolRetryError", "exception.message": "wait"}
    record = record_of(TOOL, status={"code": 2}, events=[("exception", event)])
    assert read_span(record).error == ErrorSpec(type="pydantic_ai.exceptions.ModelRetry", message="wait")


def test_a_status_that_is_a_printed_mapping_is_read() -> None:
    """As the OpenAI Agents SDK's errors arrive; the type `_OTHER` is none."""
    status = {"code": 2, "message": "{'message': 'Error running tool', 'data': {'error': 'gone'}}"}
    error = read_span(record_of({**TOOL, "error.type": "_OTHER"}, status=status)).error
    assert error is not None
    assert error.type is None
    assert "{" not in error.message


# -- GenAI


def test_results_are_values_where_programs_wrote_the_json() -> None:
    """A text in a layout of its own is what the tool returned."""
    results = ['{"a": 1}', '{"a":1}', '{"a" : 1}', "[1, 2]", "42", "done"]
    read_back = [step(record_of({**TOOL, "gen_ai.tool.call.result": result})).result for result in results]
    assert read_back == [{"a": 1}, {"a": 1}, '{"a" : 1}', [1, 2], "42", "done"]
    assert step(record_of(TOOL)).result is MISSING


@pytest.mark.parametrize(
    ("given", "args", "bare"),
    [
        ('{"x": 1}', {"x": 1}, MISSING),
        ("{'x': None, 'y': True}", {"x": None, "y": True}, MISSING),
        ('{"args": [], "kwargs": {"x": 1}}', {"x": 1}, MISSING),
        ('{"args": ["ORD-1"], "kwargs": {}}', None, "ORD-1"),
        ("ORD-1", None, "ORD-1"),
        ("{broken", None, "{broken"),
        ("[1]", None, "[1]"),
    ],
)
def test_arguments_of_every_form_are_read(given: str, args: Any, bare: Any) -> None:
    """By name where they have names."""
    tool = step(record_of({**TOOL, "gen_ai.tool.call.arguments": given}))
    assert (tool.args, tool.bare) == (args, bare)


def test_a_model_call_tells_all_that_it_has() -> None:
    """The request's model and settings, tools, tokens, the reasoning, why it ended."""
    span = chat(FIRST, {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."},
                {"type": "text", "content": "Hi."}], "finish_reason": "stop"}, id_="1")  # fmt: skip
    (record,) = read_records(batch(span))
    model = step(record)
    assert isinstance(model, Model)
    assert (model.name, model.settings, model.reasoning) == ("gpt-4o-mini", {"temperature": 0.5}, "Hm.")
    assert [message["role"] for message in model.messages or []] == ["system", "user"]
    assert model.answer == {"role": "assistant", "content": "Hi."}
    assert [tool["name"] for tool in model.tools or []] == ["issue_refund"]
    assert model.usage is not None
    assert (model.usage.input_tokens, model.usage.output_tokens, model.finish_reason) == (11, 7, "stop")


def test_messages_in_events_are_read() -> None:
    """One event for each, as up to version 1.36 of the conventions; their bodies were JSON or attributes."""
    events = [
        ("gen_ai.system.message", {"content": "You refund."}),
        ("gen_ai.user.message", {"body": '{"content": "Hi."}'}),
        ("gen_ai.assistant.message", {"tool_calls": '[{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]'}),
        ("gen_ai.tool.message", {"id": "c1", "content": "7"}),
        ("gen_ai.choice", {"index": 0, "message": '{"content": "Seven."}'}),
    ]
    model = step(record_of({"gen_ai.operation.name": "chat"}, events=events))
    assert [message["role"] for message in model.messages] == ["system", "user", "assistant", "tool"]
    assert model.messages[3]["tool_call_id"] == "c1"
    assert model.answer["content"] == "Seven."


def test_pydantic_ai_s_first_format_is_read() -> None:
    """All events in one attribute, tools under its own names."""
    told = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Hi."},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "Hello."}},
    ]
    model = step(record_of({"gen_ai.operation.name": "chat", "events": json.dumps(told)}))
    assert model.messages == [{"role": "user", "content": "Hi."}]
    assert model.answer["content"] == "Hello."
    tool = step(record_of({"gen_ai.tool.name": "f", "tool_arguments": '{"x":1}', "tool_response": "7"}))
    assert (tool.name, tool.args, tool.result) == ("f", {"x": 1}, "7")
    agent = step(record_of({"agent_name": "a", "model_name": "m", "final_result": '{"total":1}'}))
    assert (agent.is_turn, agent.output) == (True, {"total": 1})


def test_logfire_s_request_and_response_are_read() -> None:
    """Its instrumentation of OpenAI keeps them as they were."""
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi."}], "tools": [{"type": "function",
               "function": {"name": "f", "parameters": {}}}]}  # fmt: skip
    attributes = {
        "gen_ai.request.model": "m",
        "request_data": json.dumps(request),
        "response_data": json.dumps({"message": {"role": "assistant", "content": "Hello."}, "usage": {}}),
    }
    model = step(record_of(attributes))
    assert model.messages == [{"role": "user", "content": "Hi."}]
    assert (model.answer["content"], [tool["name"] for tool in model.tools]) == ("Hello.", ["f"])


def test_embeddings_and_the_making_of_agents_are_steps() -> None:
    """Not calls."""
    for operation in ("embeddings", "create_agent", "retrieval"):
        assert step(record_of({"gen_ai.operation.name": operation, "gen_ai.request.model": "m"})) == Agent()


# -- other conventions


def test_openllmetry_is_read() -> None:
    """Messages in numbered attributes, tools of LangChain's callbacks and of decorated functions."""
    model = step(
        record_of(
            {
                "llm.request.type": "chat",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": "Hi.",
                "gen_ai.prompt.1.role": "assistant",
                "gen_ai.prompt.1.tool_calls.0.id": "c1",
                "gen_ai.prompt.1.tool_calls.0.name": "f",
                "gen_ai.prompt.1.tool_calls.0.arguments": '{"x": 1}',
                "gen_ai.prompt.2.role": "tool",
                "gen_ai.prompt.2.tool_call_id": "c1",
                "gen_ai.prompt.2.content": "7",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.content": "Seven.",
                "gen_ai.completion.0.finish_reason": "stop",
                "llm.request.functions.0.name": "f",
                "llm.request.functions.0.parameters": '{"type": "object"}',
                "gen_ai.usage.prompt_tokens": 5,
            }
        )
    )
    assert model.messages[1]["tool_calls"] == [{"id": "c1", "name": "f", "args": {"x": 1}}]
    assert model.messages[2]["tool_call_id"] == "c1"
    assert (model.answer["content"], model.finish_reason) == ("Seven.", "stop")
    assert (model.tools[0]["parameters"], model.usage.input_tokens) == ({"type": "object"}, 5)
    for given, made in (
        ({"args": [], "kwargs": {"x": 1}}, {"a": 1}),
        ({"input_str": "{'x': 1}", "inputs": {"x": 1}, "tags": [], "kwargs": {}}, {"output": {"a": 1}, "kwargs": {}}),
    ):
        attributes = {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "f",
            "traceloop.entity.input": json.dumps(given),
            "traceloop.entity.output": json.dumps(made),
        }
        assert step(record_of(attributes)) == Tool("f", {"x": 1}, result={"a": 1})


def test_the_vercel_ai_sdk_is_read() -> None:
    """Its outer calls are turns, its inner ones those of the model."""
    outer = {"ai.operationId": "ai.generateText", "ai.prompt": '{"prompt": "Hi."}', "ai.response.text": "Seven."}
    agent = step(record_of(outer))
    assert (agent.is_turn, agent.input, agent.output) == (True, {"prompt": "Hi."}, "Seven.")
    call = {"toolCallId": "c1", "toolName": "f"}
    given = [
        {"role": "user", "content": [{"type": "text", "text": "Hi."}]},
        {"role": "assistant", "content": [{"type": "tool-call", **call, "input": {"x": 1}}]},
        {"role": "tool", "content": [{"type": "tool-result", **call, "output": {"type": "json", "value": {"a": 1}}}]},
    ]
    model = step(
        record_of(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.id": "gpt-4o",
                "ai.prompt.messages": json.dumps(given),
                "ai.prompt.tools": ['{"type": "function", "name": "f", "inputSchema": {"type": "object"}}'],
                "ai.response.toolCalls": '[{"toolCallId": "c2", "toolName": "f", "input": {"x": 2}}]',
                "ai.response.finishReason": "tool-calls",
                "ai.usage.promptTokens": 3,
            }
        )
    )
    assert [message["role"] for message in model.messages] == ["user", "assistant", "tool"]
    assert model.answer["tool_calls"] == [{"id": "c2", "name": "f", "args": {"x": 2}}]
    assert (model.tools[0]["name"], model.usage.input_tokens) == ("f", 3)
    tool = {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "f", "ai.toolCall.id": "c1",
            "ai.toolCall.args": '{"x":1}', "ai.toolCall.result": '{"a":1}'}  # fmt: skip
    assert step(record_of(tool)) == Tool("f", {"x": 1}, call_id="c1", result={"a": 1})


def test_langfuse_s_attributes_are_read() -> None:
    """Generations, tools, and errors by their level."""
    begin = "langfuse.observation."
    model = step(
        record_of(
            {
                f"{begin}type": "generation",
                f"{begin}input": '[{"role": "user", "content": "Hi."}]',
                f"{begin}output": '{"role": "assistant", "content": "Hello."}',
                f"{begin}model.name": "gpt-4o",
                f"{begin}usage_details": '{"input": 3, "output": 4}',
            }
        )
    )
    assert (model.messages[0]["content"], model.answer["content"], model.usage.input_tokens) == ("Hi.", "Hello.", 3)
    failed = {
        f"{begin}type": "tool",
        f"{begin}input": '{"args": [], "kwargs": {"x": 1}}',
        f"{begin}level": "ERROR",
        f"{begin}status_message": "timeout",
        f"{begin}metadata.tool_call_id": '"c1"',
    }
    span = read_span(record_of(failed, name="f"))
    assert span.what == Tool("f", {"x": 1}, call_id="c1")
    assert span.error == ErrorSpec(message="timeout")


def test_a_span_of_two_conventions_is_read_in_both() -> None:
    """What one leaves open, the other fills in; each knows only its own kinds."""
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(FIRST),
        "gen_ai.output.messages": json.dumps([text("assistant", "Hi.")]),
    }
    model = step(record_of(attributes))
    assert (model.name, model.answer["content"], model.messages[0]["content"]) == ("gpt-4o", "Hi.", FIRST_INPUT)


NAMES = (
    "gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gen_ai.tool.definitions", "gen_ai.request.model", "gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens",
    "request_data", "response_data", "events", "final_result", "error.type", "openinference.span.kind",
    "llm.input_messages", "llm.output_messages", "llm.input_messages.0", "llm.invocation_parameters", "llm.tools",
    "input.value", "output.value", "tool.name", "langfuse.observation.type", "langfuse.observation.input",
    "langfuse.observation.output", "langfuse.observation.usage_details", "langfuse.observation.level",
    "traceloop.span.kind", "traceloop.entity.input", "traceloop.entity.output", "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.content", "gen_ai.completion.0.tool_calls.0", "llm.request.functions.0.name", "ai.operationId",
    "ai.prompt.messages", "ai.prompt.tools", "ai.response.toolCalls", "ai.response.text", "ai.toolCall.args",
    "metadata", "session.id",
)  # fmt: skip
KINDS: tuple[dict[str, Any], ...] = (
    {"gen_ai.operation.name": "chat"},
    {"gen_ai.operation.name": "execute_tool"},
    {"gen_ai.operation.name": "invoke_agent"},
    {"openinference.span.kind": "LLM"},
    {"openinference.span.kind": "TOOL"},
    {"langfuse.observation.type": "generation"},
    {"llm.request.type": "chat"},
    {"traceloop.span.kind": "tool"},
    {"ai.operationId": "ai.generateText.doGenerate"},
    {"ai.operationId": "ai.toolCall"},
)
ODD: tuple[Any, ...] = (7, True, 0.5, "", "odd", "[", "[1]", '{"a": 1}', "null", ["a", 1], {"a": {"b": 1}}, [{"a": 1}])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(next(iter(kind.values()))))
def test_odd_attributes_never_raise(kind: dict[str, Any]) -> None:
    """Whatever a program put there."""
    for name in NAMES:
        for odd in ODD:
            span = read_span(SpanRecord("t", "s", name="f", status="error", attributes={**kind, name: odd}))
            assert span.id == "s"
            assert run_session("t", [[SpanRecord("t", "s", attributes={**kind, name: odd})]], {"type": "otel"}).traces


@pytest.mark.parametrize(
    ("version", "provider", "told"),
    [
        ("2.68.0", "openai", '{"error":"wait"}'),
        ("1.50.0", "openai", "wait\n\nFix the errors and try again."),
        ("2.68.0", "anthropic", "wait"),
    ],
)
def test_what_a_model_was_told_of_a_retry_is_restored(version: str, provider: str, told: str) -> None:
    """Pydantic AI's spans have the text of the exception alone; parsed results are put back into JSON."""
    part = {"type": "tool_call_response", "id": "c1", "name": "f", "result": "wait"}
    other = {**part, "id": "c2", "result": {"a": [1, "é"]}}
    given = json.dumps([{"role": "user", "parts": [part, other]}])
    spans = batch(
        otlp_span("chat", {"gen_ai.operation.name": "chat", "gen_ai.input.messages": given}, id_="1"),
        otlp_span(
            "execute_tool f",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "f",
                "gen_ai.tool.call.id": "c1",
                "gen_ai.tool.call.result": "wait",
                "pydantic_ai.tool.retry.cause": "model_retry",
                "gen_ai.provider.name": provider,
            },
            id_="2",
        ),
    )
    spans["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": "pydantic-ai", "version": version}
    run = run_session("s", [list(read_records(spans))], {"type": "otel"})
    (model,) = [span.what for span in run.traces[0].spans if isinstance(span.what, Model)]
    assert [message["content"] for message in model.messages or []] == [told, '{"a":[1,"é"]}']
