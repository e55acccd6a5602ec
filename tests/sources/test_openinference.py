"""OpenInference's conventions: flattened, as lists, under Future AGI's names, and what LangChain's tools lose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_agent_replay.sources.otel.conventions import is_generative, read_span
from pytest_agent_replay.sources.otel.otlp import nested
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, Tool
from tests.sources.otlp_of import ARGS, FIRST_INPUT, SYSTEM, record_of
from tests.sources.phoenix_of import flat, message

KIND = "openinference.span.kind"
GIVEN = [
    message("system", SYSTEM),
    message("user", FIRST_INPUT),
    message("assistant", None, ("c1", "f", ARGS), ("c2", "g", {})),
    message("tool", "7", answers="c1"),
]
MADE = [message("assistant", "Seven.")]


def step(attributes: dict[str, Any], **more: Any) -> Any:
    """What the span is."""
    return read_span(record_of(attributes, **more)).what


def expect_messages(model: Any) -> None:
    """The conversation above."""
    assert isinstance(model, Model)
    assert [each["role"] for each in model.messages or []] == ["system", "user", "assistant", "tool"]
    assert (model.messages or [])[2]["tool_calls"] == [
        {"id": "c1", "name": "f", "args": ARGS},
        {"id": "c2", "name": "g", "args": {}},
    ]
    assert (model.messages or [])[3]["tool_call_id"] == "c1"
    assert model.answer is not None
    assert model.answer["content"] == "Seven."


@pytest.mark.parametrize(
    ("kind", "given", "made"),
    [
        (KIND, "llm.input_messages", "llm.output_messages"),
        ("gen_ai.span.kind", "gen_ai.input.messages", "gen_ai.output.messages"),
        ("fi.span.kind", "llm.input_messages", "llm.output_messages"),
    ],
)
def test_flattened_messages_are_read(kind: str, given: str, made: str) -> None:
    """Under OpenInference's names and under Future AGI's, more than ten of them in order."""
    expect_messages(step({kind: "LLM", **flat(given, GIVEN), **flat(made, MADE)}))
    many = step({kind: "LLM", **flat(given, [message("user", str(number)) for number in range(12)])})
    assert [each["content"] for each in many.messages] == [str(number) for number in range(12)]


@pytest.mark.parametrize("told", [SYSTEM, [{"type": "text", "text": SYSTEM}]])
def test_a_system_prompt_among_the_settings_is_read(told: Any) -> None:
    """Where Anthropic's was in older versions; one that is among the messages is not doubled."""
    settings = {"llm.invocation_parameters": json.dumps({"system": told, "max_tokens": 9})}
    for messages in (GIVEN, GIVEN[1:]):
        model = step({KIND: "LLM", **settings, **flat("llm.input_messages", messages)})
        assert [each["role"] for each in model.messages] == ["system", "user", "assistant", "tool"]
        assert SYSTEM in str(model.messages[0]["content"])


def test_messages_as_lists_are_read() -> None:
    """As in Phoenix's data frames, whose objects have dots in their keys."""
    dotted = [{f"message.{key}": value for key, value in each["message"].items()} for each in GIVEN]
    dotted[2]["message.tool_calls"] = [
        {
            "tool_call.id": call["tool_call"]["id"],
            "tool_call.function.name": call["tool_call"]["function"]["name"],
            "tool_call.function.arguments": call["tool_call"]["function"]["arguments"],
        }
        for call in GIVEN[2]["message"]["tool_calls"]
    ]
    made = [{"message.role": "assistant", "message.content": "Seven."}]
    expect_messages(step({KIND: "LLM", "llm.input_messages": dotted, "llm.output_messages": made}))


def test_messages_in_several_parts_are_read() -> None:
    """`message.contents` has one part for each."""
    parts = [{"message_content": {"type": "text", "text": text}} for text in ("Hi.", "There.")]
    given = [{"message": {"role": "user", "contents": parts}}]
    model = step({KIND: "LLM", **flat("llm.input_messages", given)})
    assert "There." in json.dumps(model.messages)


def test_without_messages_the_request_itself_is_read() -> None:
    """`input.value` and `output.value` have it whole."""
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
    response = {"choices": [{"message": {"role": "assistant", "content": "Hello."}}]}
    model = step({KIND: "LLM", "input.value": json.dumps(request), "output.value": json.dumps(response)})
    assert (model.messages[0]["content"], model.answer["content"]) == ("Hi.", "Hello.")


def test_a_model_call_tells_all_that_it_has() -> None:
    """The model that was asked for, its settings, tools, tokens, price and why it ended."""
    model = step(
        {
            KIND: "LLM",
            "llm.model_name": "gpt-4o-mini-2024-07-18",
            "llm.invocation_parameters": '{"model": "gpt-4o-mini", "temperature": 0.5, "stream": false, "tools": []}',
            "llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "f", "parameters": {}}}',
            "llm.token_count.prompt": 5,
            "llm.token_count.prompt_details.cache_read": 2,
            "llm.cost.total": 0.25,
            "llm.finish_reason": "stop",
        }
    )
    assert (model.name, model.settings, model.finish_reason) == ("gpt-4o-mini", {"temperature": 0.5}, "stop")
    assert [each["name"] for each in model.tools] == ["f"]
    assert (model.usage.input_tokens, model.usage.cached_tokens, model.usage.cost) == (5, 2, 0.25)


@pytest.mark.parametrize(
    ("given", "args", "bare"),
    [
        ('{"order_id": "ORD-1"}', {"order_id": "ORD-1"}, MISSING),
        ("{'order_id': 'ORD-1'}", {"order_id": "ORD-1"}, MISSING),
        ("ORD-1", None, "ORD-1"),
    ],
)
def test_the_arguments_of_tools_are_read(given: str, args: Any, bare: Any) -> None:
    """A tool with one argument loses its name in LangChain: the model's call has it."""
    tool = step({KIND: "TOOL", "tool.name": "f", "input.value": given})
    assert tool == Tool("f", args, bare)


def test_the_result_of_a_tool_is_taken_out_of_its_message() -> None:
    """With the id of the call; a message's text stays a text where the tool wrote it so."""
    told = {"type": "tool", "data": {"content": "seven", "type": "tool", "tool_call_id": "c1", "status": "error"}}
    tool = step({KIND: "TOOL", "tool.name": "f", "output.value": json.dumps(told)})
    assert (tool.result, tool.call_id, tool.failed) == ("seven", "c1", True)


def test_other_kinds_are_steps() -> None:
    """With what went in and out."""
    agent = step({KIND: "CHAIN", "input.value": '{"q": 1}', "output.value": "done"})
    assert agent == Agent({"q": 1}, "done")
    assert step({KIND: "RERANKER"}) == Agent()


def test_a_retriever_asks_outside_as_a_tool_does() -> None:
    """With the documents that it found."""
    found = step(
        {
            KIND: "RETRIEVER",
            "input.value": "refunds",
            "retrieval.documents.0.document.content": "30 days",
            "retrieval.documents.0.document.score": 0.9,
        }
    )
    assert found == Tool("step", {"query": "refunds"}, result=[{"content": "30 days", "score": 0.9}])


def test_spans_of_other_things_are_of_no_convention() -> None:
    """They are steps without a say."""
    record = record_of({"http.request.method": "GET", "session.id": "s"})
    assert not is_generative(record)
    assert read_span(record).what == Agent()


def test_nested_reads_what_lies_below_a_name() -> None:
    """Lists by their numbers, objects by their keys; nothing is None."""
    attributes = {"a.1.b": 2, "a.0.b": 1, "a.0.c.d": 3, "ab": 4}
    assert nested(attributes, "a") == [{"b": 1, "c": {"d": 3}}, {"b": 2}]
    assert nested(attributes, "x") is None
    assert nested({"a": 1}, "a") is None
