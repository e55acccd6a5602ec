"""Messages, tools, results and token counts in the shapes in which they are recorded."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import Usage
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.sources.messages import (
    ToolResult,
    read_answer,
    read_conversation,
    read_result,
    read_tools,
    read_usage,
)

DATA = Path(__file__).parents[3] / "shared" / "data"

ORDER = '{"id": "O-1", "state": "sent"}'
ASKED = [{"id": "c1", "name": "get_order", "args": {"id": "O-1"}}, {"id": "c2", "name": "get_customer", "args": {}}]
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is O-1?"},
    {"role": "assistant", "content": None, "tool_calls": ASKED},
    {"role": "tool", "content": ORDER, "tool_call_id": "c1"},
    {"role": "tool", "content": "Jo", "tool_call_id": "c2"},
    {"role": "assistant", "content": "It was sent."},
]


def _openai() -> list[dict[str, Any]]:
    calls = [
        {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["args"])}}
        for c in ASKED
    ]
    return [*TALK[:2], {"role": "assistant", "content": None, "tool_calls": calls}, *TALK[3:]]


def _flat() -> list[dict[str, Any]]:
    calls = [{"id": c["id"], "name": c["name"], "arguments": c["args"], "requestor": "assistant"} for c in ASKED]
    results = [{"role": "tool", "id": m["tool_call_id"], "content": m["content"], "error": False} for m in TALK[3:5]]
    return [*TALK[:2], {"role": "assistant", "content": "", "tool_calls": calls}, *results, TALK[5]]


def _responses() -> dict[str, Any]:
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "Where is O-1?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look it up."}]},
        {"type": "function_call", "call_id": "c1", "id": "fc_1", "name": "get_order", "arguments": '{"id": "O-1"}'},
        {"type": "function_call", "call_id": "c2", "id": "fc_2", "name": "get_customer", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": ORDER},
        {"type": "function_call_output", "call_id": "c2", "output": "Jo"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It was sent."}]},
    ]
    return {"model": "m", "instructions": "Be brief.", "input": items}


def _anthropic() -> dict[str, Any]:
    calls = [{"type": "tool_use", "id": c["id"], "name": c["name"], "input": c["args"]} for c in ASKED]
    results = [
        {"type": "tool_result", "tool_use_id": "c1", "content": ORDER},
        {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "Jo"}]},
    ]
    thought = {"type": "thinking", "thinking": "Look it up.", "signature": "x"}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Where is O-1?"}]},
        {"role": "assistant", "content": [thought, *calls]},
        {"role": "user", "content": results},
        {"role": "assistant", "content": [{"type": "text", "text": "It was sent."}]},
    ]
    return {"system": [{"type": "text", "text": "Be brief."}], "messages": messages}


def _gemini(snake: bool) -> dict[str, Any]:
    call, result, system = (
        ("function_call", "function_response", "system_instruction")
        if snake
        else ("functionCall", "functionResponse", "systemInstruction")
    )
    parts = [{call: {"id": c["id"], "name": c["name"], "args": c["args"]}} for c in ASKED]
    results = [
        {result: {"id": "c1", "name": "get_order", "response": {"result": ORDER}}},
        {result: {"id": "c2", "name": "get_customer", "response": {"output": "Jo"}}},
    ]
    contents = [
        {"parts": [{"text": "Where is O-1?"}]},
        {"role": "model", "parts": [{"text": "Look it up.", "thought": True}, *parts]},
        {"role": "user", "parts": results},
        {"role": "model", "parts": [{"text": "It was sent."}]},
    ]
    prompt = {"parts": [{"text": "Be brief."}]}
    return {"contents": contents, "config": {system: "Be brief."}} if snake else {system: prompt, "contents": contents}


def _langchain() -> list[dict[str, Any]]:
    calls = [{"name": c["name"], "args": c["args"], "id": c["id"], "type": "tool_call"} for c in ASKED]
    return [
        {"type": "system", "content": "Be brief.", "name": None},
        {"type": "human", "content": "Where is O-1?", "additional_kwargs": {}},
        {"type": "ai", "content": "", "tool_calls": calls, "invalid_tool_calls": [], "name": None},
        {"type": "tool", "content": ORDER, "tool_call_id": "c1", "status": "success"},
        {"type": "tool", "content": "Jo", "tool_call_id": "c2", "status": "success"},
        {"type": "AIMessageChunk", "content": "It was sent.", "tool_call_chunks": []},
    ]


def _serialised() -> dict[str, Any]:
    names = ("SystemMessage", "HumanMessage", "AIMessage", "ToolMessage", "ToolMessage", "AIMessageChunk")
    messages = [
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": message}
        for name, message in zip(names, _langchain(), strict=True)
    ]
    return {"messages": [messages]}


def _below_data() -> list[dict[str, Any]]:
    return [{"type": m["type"].replace("AIMessageChunk", "ai"), "data": m} for m in _langchain()]


def _additional() -> list[dict[str, Any]]:
    messages = _langchain()
    messages[2] = {"role": "assistant", "content": "", "additional_kwargs": {"tool_calls": _openai()[2]["tool_calls"]}}
    return messages


def _genai(as_text: bool) -> list[dict[str, Any]]:
    def args(call: dict[str, Any]) -> Any:
        return json.dumps(call["args"]) if as_text else call["args"]

    calls = [{"type": "tool_call", "id": c["id"], "name": c["name"], "arguments": args(c)} for c in ASKED]
    key = "result" if as_text else "response"
    results = [{"type": "tool_call_response", "id": m["tool_call_id"], key: m["content"]} for m in TALK[3:5]]
    return [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}], "name": None},
        {"role": "user", "parts": [{"type": "text", "content": "Where is O-1?"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Look it up."}, *calls], "finish_reason": "x"},
        {"role": "user" if as_text else "tool", "parts": results},
        {"role": "assistant", "parts": [{"type": "text", "content": "It was sent."}]},
    ]


def _pydantic_ai() -> dict[str, Any]:
    calls = [
        {"part_kind": "tool-call", "id": None, "tool_name": c["name"], "args": c["args"], "tool_call_id": c["id"]}
        for c in ASKED
    ]
    results = [
        {"part_kind": "tool-return", "content": m["content"], "tool_call_id": m["tool_call_id"]} for m in TALK[3:5]
    ]
    asked = [{"part_kind": "user-prompt", "content": "Where is O-1?"}]
    return {
        "messages": [
            {"kind": "request", "parts": asked, "instructions": "Be long."},
            {"kind": "response", "parts": [{"part_kind": "thinking", "content": "Look it up."}, *calls]},
            {"kind": "request", "parts": results, "instructions": "Be brief."},
            {"kind": "response", "parts": [{"part_kind": "text", "content": "It was sent."}]},
        ]
    }


def _bedrock() -> dict[str, Any]:
    calls = [{"toolUse": {"toolUseId": c["id"], "name": c["name"], "input": c["args"]}} for c in ASKED]
    results = [{"toolResult": {"toolUseId": m["tool_call_id"], "content": [{"text": m["content"]}]}} for m in TALK[3:5]]
    messages = [
        {"role": "user", "content": [{"text": "Where is O-1?"}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "Look."}}}, *calls]},
        {"role": "user", "content": results},
        {"role": "assistant", "content": [{"text": "It was sent."}]},
    ]
    return {"system": [{"text": "Be brief."}], "messages": messages}


def _vercel() -> dict[str, Any]:
    calls = [
        {"type": "tool-call", "toolCallId": "c1", "toolName": "get_order", "input": {"id": "O-1"}},
        {"type": "tool-call", "toolCallId": "c2", "toolName": "get_customer", "args": {}},
    ]
    results = [
        {"type": "tool-result", "toolCallId": "c1", "toolName": "f", "output": {"type": "text", "value": ORDER}},
        {"type": "tool-result", "toolCallId": "c2", "toolName": "g", "result": "Jo"},
    ]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Where is O-1?"}]},
        {"role": "assistant", "content": calls},
        {"role": "tool", "content": results},
        {"role": "assistant", "content": [{"type": "text", "text": "It was sent."}]},
    ]
    return {"system": "Be brief.", "messages": messages}


def _llama_index() -> list[dict[str, Any]]:
    def said(role: str, text: str, **more: Any) -> dict[str, Any]:
        return {"role": role, "blocks": [{"block_type": "text", "text": text}], "additional_kwargs": more}

    calls = [
        {"block_type": "tool_call", "tool_call_id": c["id"], "tool_name": c["name"], "tool_kwargs": c["args"]}
        for c in ASKED
    ]
    return [
        said("system", "Be brief."),
        said("user", "Where is O-1?"),
        {"role": "assistant", "blocks": calls, "additional_kwargs": {}},
        {"role": "tool", "content": ORDER, "additional_kwargs": {"tool_call_id": "c1"}},
        {"role": "tool", "content": "Jo", "additional_kwargs": {"tool_call_id": "c2"}},
        said("assistant", "It was sent."),
    ]


def _openinference(nested: bool) -> list[dict[str, Any]]:
    def call(one: dict[str, Any]) -> dict[str, Any]:
        arguments = json.dumps(one["args"])
        if nested:
            return {"tool_call": {"id": one["id"], "function": {"name": one["name"], "arguments": arguments}}}
        told = {"tool_call.id": one["id"], "tool_call.function.name": one["name"]}
        return told | {"tool_call.function.arguments": arguments}

    messages: list[dict[str, Any]] = [
        TALK[0],
        {"role": "user", "contents": [{"message_content": {"type": "text", "text": "Where is O-1?"}}]},
        {"role": "assistant", "tool_calls": [call(one) for one in ASKED]},
        *TALK[3:],
    ]
    return [{"message": m} if nested else {f"message.{key}": m[key] for key in m} for m in messages]


def _autogen() -> list[dict[str, Any]]:
    return [
        {"type": "SystemMessage", "content": "Be brief."},
        {"type": "UserMessage", "content": "Where is O-1?", "source": "user"},
        {
            "type": "AssistantMessage",
            "content": [{"id": c["id"], "name": c["name"], "arguments": json.dumps(c["args"])} for c in ASKED],
        },
        {
            "type": "FunctionExecutionResultMessage",
            "content": [
                {"call_id": m["tool_call_id"], "content": m["content"], "name": "f", "is_error": False}
                for m in TALK[3:5]
            ],
        },
        {"type": "AssistantMessage", "content": "It was sent.", "source": "agent"},
    ]


def _printed() -> list[str]:
    """As Agno gives its messages to Langfuse."""
    return [
        " ".join(f"{key}={value!r}" for key, value in {**message, "metrics": None}.items())
        + " created=Metrics(tokens=1, details={'a': (1, 2)}) audio=None"
        for message in _openai()
    ]


SHAPES: dict[str, Any] = {
    "openai chat": _openai(),
    "flat calls": _flat(),
    "a request": {"model": "m", "messages": _openai(), "tools": []},
    "responses": _responses(),
    "anthropic": _anthropic(),
    "gemini": _gemini(snake=False),
    "gemini's sdk": _gemini(snake=True),
    "langchain": {"messages": _langchain()},
    "langchain serialised": _serialised(),
    "langchain below data": {"input": _below_data()},
    "langchain additional_kwargs": _additional(),
    "genai": _genai(as_text=False),
    "genai of pydantic ai": _genai(as_text=True),
    "pydantic ai": _pydantic_ai(),
    "bedrock": _bedrock(),
    "vercel": _vercel(),
    "llama index": _llama_index(),
    "openinference": _openinference(nested=False),
    "openinference nested": _openinference(nested=True),
    "autogen": _autogen(),
    "printed": _printed(),
    "printed by python": repr({"messages": _openai()}),
    "arguments of a call": {"args": [_openai()], "kwargs": {}},
    "wrapped": {"request": {"llm_input_messages": _openai()}},
    "history": {"chat_history": _openai(), "input": []},
    "json text": json.dumps({"messages": json.dumps(_openai())}),
}


def plain(messages: list[dict[str, Any]] | None) -> list[tuple[Any, ...]]:
    """What counts: roles, contents, calls and which call was answered."""
    assert messages is not None
    return [(m["role"], m["content"] or None, m.get("tool_calls", []), m.get("tool_call_id")) for m in messages]


@pytest.mark.parametrize("shape", SHAPES)
def test_one_conversation_is_the_same_in_every_shape(shape: str) -> None:
    """System prompt, user, parallel calls, results as messages of their own, answer; thoughts are no part of it."""
    assert plain(read_conversation(SHAPES[shape])) == plain(TALK)


@pytest.mark.parametrize(
    "shape", ["openai chat", "anthropic", "gemini", "responses", "bedrock", "langchain serialised"]
)
def test_a_conversation_has_the_digests_of_its_request(shape: str) -> None:
    """So that a recorded answer is found again whichever source it came from."""
    assert request_digests(read_conversation(SHAPES[shape]) or []) == request_digests(TALK)


@pytest.mark.parametrize(
    "value",
    [
        None, 5, "", "Where is O-1?", [], {}, [[]], {"messages": []}, [1, 2], ["a", "b"], {"order_id": "O-1"},
        [{"name": "get_order", "args": {}, "id": "c1", "type": "tool_call"}], {"messages": [TALK[1], {"odd": 1}]},
        '{"id": "O-1"}', "user: hi", "note: system: x", [{"role": "user"}], [TALK[:2], TALK[:2]],
        {"type": "x", "data": {}},
        "system: Be brief.\nuser: hi\ntool: 7",
        [{"role": "assistant", "content": "", "tool_calls": ["ToolCall(id='c1')"]}],
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_not_taken_for_one(value: Any) -> None:
    """Other values, a list of which one item is no message, several conversations, and calls that cannot be read."""
    assert read_conversation(value) is None


def test_several_texts_stay_parts_and_one_is_a_text() -> None:
    """The model saw them as parts; what is no text (an image, a blob) stays as it is."""
    image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    blob = {"type": "blob", "mime_type": "image/png", "data": "aGk="}
    parts = [{"type": "input_text", "text": "a"}, {"type": "text", "content": "b"}, image, blob, "c"]
    [message] = read_conversation([{"role": "user", "content": parts}]) or []
    texts = [{"type": "text", "text": text} for text in "abc"]
    assert message["content"] == [texts[0], texts[1], image, blob, texts[2]]


def test_json_stays_text_where_it_is_text_and_a_value_where_it_is_a_value() -> None:
    """Only of text is it known what the model saw."""
    parts = [
        {"type": "tool_call_response", "id": "c1", "response": '{"a": 1}'},
        {"type": "tool_call_response", "id": "c2", "result": {"a": 1}},
    ]
    contents = [m["content"] for m in read_conversation([{"role": "tool", "parts": parts}]) or []]
    assert contents == ['{"a": 1}', {"a": 1}]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "tool", "content": "no", "tool_call_id": "c1", "status": "error"},
        {"role": "tool", "id": "c1", "content": "no", "error": True},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "no"}],
                                                     "status": "error"}}]},
        {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1",
                                      "output": {"type": "error-text", "value": "no"}}]},
        {"kind": "request", "parts": [{"part_kind": "tool-return", "content": "no", "tool_call_id": "c1",
                                       "outcome": "failed"}]},
    ],
)  # fmt: skip
def test_a_result_that_the_source_marks_as_failed_says_so(message: dict[str, Any]) -> None:
    """LangChain's status, tau2's error, Anthropic's is_error, Bedrock's status, Vercel's and Pydantic AI's outcome."""
    assert read_conversation([message]) == [{"role": "tool", "content": "no", "tool_call_id": "c1", "error": True}]


def test_a_retry_is_what_pydantic_ai_told_the_model() -> None:
    """A tool's retry is its result, with the words that are added; one of the output is said by the user."""
    told = {"part_kind": "retry-prompt", "content": "no gateway", "tool_name": "refund", "tool_call_id": "c1"}
    loose = {"part_kind": "retry-prompt", "content": "too long", "tool_name": None}
    result, said = read_conversation([{"kind": "request", "parts": [told, loose]}]) or []
    assert (result["content"], result["error"]) == ("no gateway\n\nFix the errors and try again.", True)
    assert said == {"role": "user", "content": "Validation feedback:\ntoo long\n\nFix the errors and try again."}


def test_calls_that_langchain_repeats_count_once_and_invalid_ones_are_kept() -> None:
    """The content of a provider has them too, after a stream with a part of the arguments only."""
    message = {
        "type": "ai",
        "content": [{"type": "text", "text": "t"}, {"type": "tool_use", "id": "c1", "name": "f", "input": ""}],
        "tool_calls": [{"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"}],
        "invalid_tool_calls": [{"name": "g", "args": "{a", "id": "c2", "error": "x", "type": "invalid_tool_call"}],
    }
    assert read_conversation([message]) == [
        {
            "role": "assistant",
            "content": "t",
            "tool_calls": [{"id": "c1", "name": "f", "args": {"a": 1}}, {"id": "c2", "name": "g", "raw_args": "{a"}],
        }
    ]


def test_arguments_that_are_no_object_stay_text() -> None:
    """As every reader of the project has them."""
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"a": '}}
    [message] = read_conversation([{"role": "assistant", "content": None, "tool_calls": [call]}]) or []
    assert message["tool_calls"] == [{"id": "c1", "name": "f", "raw_args": '{"a": '}]


def test_definitions_of_tools_among_messages_are_no_messages() -> None:
    """Langfuse's callback of LangChain lists them as messages of a tool: they are the tools."""
    schema = {"type": "object", "properties": {}}
    told = {"role": "tool", "content": {"type": "function", "function": {"name": "f", "parameters": schema}}}
    assert read_conversation([TALK[1], told]) == [TALK[1]]
    assert read_tools([TALK[1], told]) == [{"name": "f", "parameters": schema}]
    assert read_tools(TALK) is None


def test_calls_that_stand_as_a_tools_message_are_the_assistants() -> None:
    """As Koog traces them."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    read = read_conversation([TALK[1], {"role": "tool", "content": [call]}, {"role": "tool", "content": "x"}]) or []
    assert [m["role"] for m in read] == ["user", "assistant", "tool"]
    assert read[1]["tool_calls"] == [{"id": "c1", "name": "f", "args": {"a": 1}}]


@pytest.mark.parametrize(
    "value",
    [
        {"input": "hi"}, {"contents": "hi", "model": "m"}, {"prompt": "hi"}, {"args": ["hi"]}, {"user_prompt": "hi"},
        {"new_message": {"role": "user", "parts": [{"text": "hi"}]}}, {"message": "hi", "history": []},
        {"role": "user", "text": "hi"}, {"input": "hi", "chat_history": []},
    ],
)  # fmt: skip
def test_a_single_text_of_the_user_is_a_conversation(value: Any) -> None:
    """Below the names that frameworks have for it."""
    assert read_conversation(value) == [{"role": "user", "content": "hi"}]


def test_a_new_message_follows_the_history() -> None:
    """As an agent of LangChain, or of Pydantic AI, is called."""
    read = read_conversation({"user_prompt": "And O-2?", "message_history": _pydantic_ai()["messages"]})
    assert plain(read) == [*plain(TALK), ("user", "And O-2?", [], None)]


def test_lines_that_begin_with_a_role_are_read_where_nothing_was_lost() -> None:
    """As OpenLIT writes a conversation."""
    read = read_conversation("developer: Be\nbrief.\nuser: hi\nassistant: yes?\nuser: bye")
    roles = ["system", "user", "assistant", "user"]
    assert [(m["role"], m["content"]) for m in read or []] == list(
        zip(roles, ["Be\nbrief.", "hi", "yes?", "bye"], strict=True)
    )


# -- answers

CALLED = {"role": "assistant", "content": None, "tool_calls": ASKED}
SAID = {"role": "assistant", "content": "It was sent."}

ANSWERS: dict[str, Any] = {
    "message": _openai()[2],
    "choices": {"id": "x", "choices": [{"index": 0, "message": _openai()[2]}], "usage": {}},
    "responses": {"object": "response", "output": _responses()["input"][1:4], "usage": {}},
    "anthropic": {"type": "message", "role": "assistant", "content": _anthropic()["messages"][1]["content"]},
    "blocks": _anthropic()["messages"][1]["content"],
    "candidates": {"candidates": [{"content": _gemini(snake=False)["contents"][1], "finishReason": "STOP"}]},
    "adk": {"content": _gemini(snake=True)["contents"][1], "finish_reason": "STOP"},
    "generations": {"generations": [[{"text": "", "message": _serialised()["messages"][0][2]}]], "llm_output": {}},
    "langchain": _langchain()[2],
    "genai": [_genai(as_text=False)[2]],
    "openinference": [_openinference(nested=False)[2]],
    "pydantic ai": _pydantic_ai()["messages"][1],
    "bedrock": {"output": {"message": _bedrock()["messages"][1]}, "stopReason": "tool_use"},
    "vercel": {"text": "", "toolCalls": _vercel()["messages"][1]["content"]},
    "ollama": {"model": "m", "message": _openai()[2], "done": True},
    "koog": [{"role": "assistant", "content": [call]} for call in _openai()[2]["tool_calls"]],
    "json text": json.dumps({"choices": [{"message": _openai()[2]}]}),
    "a conversation": {"messages": _openai()[:3]},
    "printed": "ChatCompletion(id='x', choices=[Choice(index=0, message=ChatCompletionMessage(content=None, "
    "role='assistant', tool_calls=[Call(id='c1', function=Function(arguments='{\"id\": \"O-1\"}', name='get_order'), "
    "type='function'), Call(id='c2', function=Function(arguments='{}', name='get_customer'), type='function')]))])",
}


@pytest.mark.parametrize("shape", ANSWERS)
def test_one_answer_is_the_same_in_every_shape(shape: str) -> None:
    """The calls of an answer, wherever a response has them."""
    answer = read_answer(ANSWERS[shape])
    assert answer is not None
    assert answer | {"content": answer["content"] or None} == CALLED


@pytest.mark.parametrize(
    "value",
    [
        "It was sent.", {"text": "It was sent."}, {"choices": [{"text": "It was sent.", "logprobs": None}]},
        {"output_text": "It was sent."}, {"output": "It was sent."}, [SAID], {"messages": TALK},
        {"generations": [[{"text": "It was sent.", "type": "Generation"}]]}, [{"type": "text", "text": "It was sent."}],
        {"candidates": [{"content": {"parts": [{"text": "It was sent."}]}}]},
        {"response": "It was sent.", "model": "m", "done": True},
    ],
)  # fmt: skip
def test_a_text_is_an_answer(value: Any) -> None:
    """As such, in a response that is no message, or at the end of a conversation."""
    assert read_answer(value) == SAID


def test_texts_of_one_answer_are_its_parts() -> None:
    """Two messages of a response, and a refusal beside the content."""
    texts = [{"type": "text", "text": text} for text in "ab"]
    items = [{"type": "message", "role": "assistant", "content": [part]} for part in texts]
    assert read_answer({"output": items}) == {"role": "assistant", "content": texts}
    refused = {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "no"}}]}
    assert read_answer(refused) == {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}


def test_a_message_that_langchain_printed_is_an_answer() -> None:
    """With its calls; other text with an equals sign is text."""
    calls = [{"name": "f", "args": {"a": "it's"}, "id": "c1", "type": "tool_call"}]
    printed = f"content='' additional_kwargs={{'x': Y(1)}} id='run-1' tool_calls={calls!r}"
    answer = read_answer(printed)
    assert answer is not None
    assert answer["tool_calls"] == [{"id": "c1", "name": "f", "args": {"a": "it's"}}]
    assert read_answer("content=5 pages") == {"role": "assistant", "content": "content=5 pages"}


@pytest.mark.parametrize("value", [None, 5, [], {}, {"a": 1}, {"messages": TALK[:2]}, {"choices": []}, [1]])
def test_what_is_no_answer_is_none(value: Any) -> None:
    """Also a conversation that ends with somebody else."""
    assert read_answer(value) is None


@pytest.mark.parametrize("text", ['{"response": "hi", "sure": 0.9}', '{"text": "hi"}', "[1, 2]", "{not json", "None"])
def test_json_that_the_model_wrote_is_its_text(text: str) -> None:
    """It is not taken for a response, whatever its keys."""
    assert read_answer(text) == {"role": "assistant", "content": text}


def test_a_structured_value_of_the_model_is_no_answer() -> None:
    """Parsed by the source, its text is not known any more."""
    assert read_answer({"response": "hi", "sure": 0.9}) is None


# -- tools, results, usage

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}
FULL = {"name": "f", "description": "d", "parameters": SCHEMA}
UPPER = {"type": "OBJECT", "properties": {"id": {"type": "STRING"}}}


@pytest.mark.parametrize(
    "value",
    [
        [{"type": "function", "function": FULL}],
        {"tools": [{"type": "function", **FULL, "strict": True}]},
        {"functions": [FULL]},
        [{"name": "f", "description": "d", "input_schema": SCHEMA}],
        {"config": {"tools": [{"function_declarations": [{"name": "f", "description": "d", "parameters": UPPER}]}]}},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}}]}},
        {"model_request_parameters": {"function_tools": [{"name": "f", "description": "d",
                                                          "parameters_json_schema": SCHEMA}]}},
        [{"type": "function", "name": "f", "description": "d", "inputSchema": SCHEMA}],
        [{"tool.json_schema": json.dumps({"type": "function", "function": FULL})}],
        [{"tool": {"json_schema": json.dumps({"name": "f", "description": "d", "input_schema": SCHEMA})}}],
        [{"name": "f", "description": "d", "args_schema": SCHEMA, "return_direct": False}],
        json.dumps([FULL]),
        [json.dumps(FULL)],
    ],
)  # fmt: skip
def test_one_tool_is_the_same_in_every_shape(value: Any) -> None:
    """Name, description and JSON Schema, as a request of any provider or a tracer has them."""
    assert read_tools(value) == [FULL]


def test_no_tools_and_no_word_of_tools_are_not_the_same() -> None:
    """Hosted tools go by their type."""
    assert read_tools({"tools": []}) == []
    assert [read_tools(value) for value in (None, {}, 5, "f", [5], {"tools": None}, TALK)] == [None] * 7
    assert read_tools([{"type": "web_search"}]) == [{"name": "web_search"}]


TOLD = {"content": "42", "type": "tool", "name": "f", "tool_call_id": "c1", "status": "success", "artifact": None}
WHOLE = ToolResult("42", "c1", False, "f")


@pytest.mark.parametrize(
    "value",
    [
        TOLD,
        json.dumps(TOLD),
        {"output": TOLD},
        json.dumps({"output": json.dumps(TOLD)}),
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "ToolMessage"], "kwargs": TOLD},
        {"type": "tool", "data": TOLD},
        {"data": TOLD},
        "content='42' name='f' tool_call_id='c1'",
        "ToolMessage(content='42', name='f', tool_call_id='c1')",
        {"role": "tool", "content": "42", "name": "f", "tool_call_id": "c1"},
        {"graph": None, "update": {"messages": [TOLD]}, "resume": None, "goto": []},
        {"output": [{"graph": None, "update": {"messages": [TOLD]}, "goto": "x"}]},
        {"part_kind": "tool-return", "tool_name": "f", "content": "42", "tool_call_id": "c1", "timestamp": "x"},
        {"type": "tool_result", "tool_use_id": "c1", "name": "f", "content": [{"type": "text", "text": "42"}]},
        {"type": "function_call_output", "call_id": "c1", "name": "f", "output": "42"},
    ],
)  # fmt: skip
def test_a_result_comes_out_of_its_wrapping(value: Any) -> None:
    """A tool's message in any form, also as the output of a run or in the update of a graph."""
    assert read_result(value) == WHOLE


@pytest.mark.parametrize(
    "value",
    [
        None, 42, "42", "text", ["a"], {}, {"output": "42"}, {"output": {"content": "42"}}, {"content": "42"},
        {"content": "a page", "url": "x"}, {"content": [{"type": "text", "text": "42"}]}, {"data": {"content": "42"}},
        {"result": 42}, {"type": "tool", "name": "hammer"}, {"output": None}, {"update": {"a": 1}, "when": 2},
        {"type": "text", "text": "42"}, '{"output": "42"}', {"tool_call_id": "c1"}, {"output": TOLD, "cost": 3},
        {"type": "tool_result", "score": 3}, "{'a': 1}",
    ],
)  # fmt: skip
def test_a_tools_own_value_is_never_unwrapped(value: Any) -> None:
    """A key `output`, `content` or `data` makes no wrapping."""
    assert read_result(value) == ToolResult(value)


def test_failures_that_a_wrapping_tells_of_are_told() -> None:
    """LangChain's status and MCP's isError; an MCP result is the text of its content."""
    failed = read_result({**TOLD, "status": "error"})
    assert failed == WHOLE._replace(failed=True)
    mcp = {"content": [{"type": "text", "text": "no"}], "isError": True, "structuredContent": None}
    assert read_result(mcp) == ToolResult("no", None, True)
    assert read_result({**mcp, "isError": False}) == ToolResult("no")
    several = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read_result({"content": several, "isError": False}).value == several


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, (5, 2, 7, None, None)),
        (
            {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3},
                       "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0}}},
            (5, 2, None, 3, 1),
        ),
        ({"usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 3,
                    "cache_creation_input_tokens": 4}}, (12, 2, None, 3, None)),
        ({"usage_metadata": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7,
                             "input_token_details": {"cache_read": 3}, "output_token_details": {"reasoning": 1}}},
         (5, 2, 7, 3, 1)),
        ({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 1,
                            "totalTokenCount": 8}}, (5, 3, 8, None, 1)),
        ({"input": 5, "output": 2, "total": 7}, (5, 2, 7, None, None)),
        ({"llm_output": {"token_usage": {"prompt_tokens": "5", "completion_tokens": 2.0}}}, (5, 2, None, None, None)),
        ({"inputTokens": 5, "outputTokens": 2, "totalTokens": 7, "cachedInputTokens": 3, "reasoningTokens": 1},
         (5, 2, 7, 3, 1)),
    ],
)  # fmt: skip
def test_token_counts_are_the_same_in_every_shape(value: Any, usage: tuple[int | None, ...]) -> None:
    """What is cached counts as input too, as OpenAI counts it; thoughts count as output."""
    names = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
    assert read_usage(value) == Usage(**dict(zip(names, usage, strict=True)))


def test_what_is_no_count_is_not_told() -> None:
    """Negative numbers, fractions, booleans and words; a price is kept."""
    assert read_usage({"input_tokens": -1, "output_tokens": 1.5, "total_tokens": True, "prompt": "hi"}) is None
    assert read_usage({"usage": {}}) is None
    assert read_usage({"input_tokens": 1, "cost": "0.00004"}) == Usage(input_tokens=1, cost=0.00004)


# -- whatever comes


ODD: list[Any] = [None, True, 1.5, "", "{", '{"a":', "x=", [], {}, [[]], [None], {"type": 5}, {"role": []}, [1]]


def _changed(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.07:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: _changed(item, chance) for key, item in value.items() if chance.random() > 0.04}
    return [_changed(item, chance) for item in value] if isinstance(value, list) else value


READERS = [read_conversation, read_answer, read_tools, read_result, read_usage]


@pytest.mark.parametrize("seed", range(8))
def test_nothing_odd_is_raised_for(seed: int) -> None:
    """A trace is other people's data; what is read of it has the neutral form."""
    chance = random.Random(seed)
    for value in [*SHAPES.values(), *ANSWERS.values(), TOLD, {"output": TOLD}] * 5:
        odd = _changed(
            json.loads(value) if isinstance(value, str) and value[0] == "{" and '"' in value[:3] else value, chance
        )
        for read in READERS:
            read(odd)
        for message in read_conversation(odd) or []:
            assert message.keys() <= {"role", "content", "tool_calls", "tool_call_id", "name", "error"}
            assert message["role"] in ("system", "user", "assistant", "tool")
            assert all(isinstance(call["name"], str) for call in message.get("tool_calls", ()))


def test_whatever_is_nested_too_deeply_is_unknown() -> None:
    """Instead of an error of Python."""
    deep: Any = "x"
    for _ in range(20_000):
        deep = {"messages": [deep], "parameters": deep} if deep == "x" else {"parameters": deep}
    assert read_tools([{"name": "f", "parameters": deep}]) is None
    assert read_conversation("[" * 100_000) is None
    assert read_result(deep).value is deep


# -- real payloads


@pytest.mark.skipif(not DATA.is_dir(), reason="the real traces (../shared/data) are not here")
def test_all_generations_of_real_frameworks_are_read() -> None:
    """In Langfuse's traces of a dozen frameworks; one text has lost its tool calls, and says nothing for sure."""
    missed, known = [], 0
    for path in sorted((DATA / "langfuse-traces").glob("*.json")):
        whole = json.loads(path.read_text("utf-8"))
        trace = whole.get("trace", whole)
        for seen in trace.get("observations") or whole.get("observations") or []:
            if seen["type"] == "GENERATION":
                for read, value in ((read_conversation, seen["input"]), (read_answer, seen["output"])):
                    if value not in (None, "", []):
                        known += 1
                        missed += [] if read(value) else [(path.name, seen["name"])]
    assert known > 40
    assert missed == [("agno-2025-06-11.json", "chat gpt-4o-mini")]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real traces (../shared/data) are not here")
def test_real_requests_of_one_conversation_are_the_same() -> None:
    """What LangSmith has of a LangChain model is what MLflow has of it, but for names and marks."""
    threads = json.loads((DATA / "traces/langsmith/run_trees_by_thread.json").read_text("utf-8"))
    spans = json.loads((DATA / "traces/mlflow/traces.json").read_text("utf-8"))
    requests = [run["inputs"] for run in _below(threads, "run_type") if run["run_type"] == "llm"]
    others = [
        span["attributes"]["mlflow.spanInputs"]
        for span in _below(spans, "attributes")
        if span["attributes"].get("mlflow.spanType") == '"CHAT_MODEL"'
    ]
    one, other = (
        {request_digests(read_conversation(v) or []).messages for v in values} for values in (requests, others)
    )
    assert len(one & other) >= 5


def _below(value: Any, key: str) -> list[dict[str, Any]]:
    """All mappings in a structure that have the key."""
    if isinstance(value, list):
        return [found for item in value for found in _below(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value] if key in value else []
    return [*own, *(found for item in value.values() for found in _below(item, key))]
