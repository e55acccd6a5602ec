"""One recording serves an agent that moved to another provider: the request's digests find the same answers."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from pytest_agent_replay.errors import StopReplay
from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.digest import digests
from pytest_agent_replay.llm.parts import answer_text, finish_reason
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.parity import NOWHERE, playing
from tests.llm.sdk import http_request, model_request
from tests.llm.test_round_trip import BODY, URLS, request

SYSTEM, QUESTION, RESULT = "Be brief.", "Weather in Oslo?", "3.5 degrees, rain"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "The weather now.", "parameters": SCHEMA}


def keyed(answer: dict[str, Any], *messages: dict[str, Any]) -> dict[str, Any]:
    """The answer to exactly this request, whichever model was asked."""
    asked = model_request(*messages, tools=[{"type": "function", "function": TOOL}])
    request = digests(asked).model_dump(exclude={"model"})
    return {**answer, "request": request}


def recording() -> list[dict[str, Any]]:
    """Two steps as an OpenAI chat recorded them, in the wrong order: they are found by their requests."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
    start = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    said = {"role": "assistant", "content": "Looking.", "tool_calls": [call]}
    told = {"role": "tool", "tool_call_id": "call_1", "content": RESULT}
    first = {"content": "Looking.", "tool_calls": [{"id": "call_1", "name": "get_weather", "args": {"city": "Oslo"}}]}
    return [keyed({"content": "It rains."}, *start, said, told), keyed(first, *start)]


def chat() -> str | None:
    """An agent on chat completions."""
    client = openai.OpenAI(api_key="none", base_url=NOWHERE)
    messages: list[Any] = [{"role": "developer", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    tools: list[Any] = [{"type": "function", "function": TOOL}]
    said: Any = client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools).choices[0].message
    messages += [said, {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": RESULT}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools).choices[0].message.content


def responses() -> Any:
    """An agent on OpenAI's responses, which sends the items back."""
    client = openai.OpenAI(api_key="none", base_url=NOWHERE)
    ask: Any = {"model": "gpt-5", "instructions": SYSTEM, "tools": [{"type": "function", **TOOL}]}
    said: Any = client.responses.create(**ask, input=[{"role": "user", "content": QUESTION}])
    told = {"type": "function_call_output", "call_id": said.output[-1].call_id, "output": RESULT}
    items = [{"role": "user", "content": QUESTION}, *said.output, told]
    return client.responses.create(**ask, input=items).output_text


def messages() -> Any:
    """An agent on Anthropic's messages, streamed."""
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(api_key="none", base_url=NOWHERE)
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": SCHEMA}
    ask: Any = {"model": "claude-x", "max_tokens": 100, "system": SYSTEM, "tools": [tool]}
    asked: list[Any] = [{"role": "user", "content": QUESTION}]
    with client.messages.stream(**ask, messages=asked) as stream:
        said = stream.get_final_message()
    result = {"type": "tool_result", "tool_use_id": said.content[-1].id, "content": [{"type": "text", "text": RESULT}]}
    asked += [{"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
    with client.messages.stream(**ask, messages=asked) as stream:
        return stream.get_final_text()


def gemini() -> Any:
    """An agent on a Gemini chat."""
    genai = pytest.importorskip("google.genai")
    client = genai.Client(api_key="none", http_options={"base_url": NOWHERE})
    declared = {"name": TOOL["name"], "description": TOOL["description"], "parameters": SCHEMA}
    config = {"system_instruction": SYSTEM, "tools": [{"function_declarations": [declared]}]}
    talk = client.chats.create(model="gemini-x", config=config)
    called = talk.send_message(QUESTION).function_calls[0]
    return talk.send_message(
        genai.types.Part.from_function_response(name=called.name, response={"result": RESULT})
    ).text


def converse() -> Any:
    """An agent on Bedrock's converse."""
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "eu-west-1"}
    client = boto3.client("bedrock-runtime", endpoint_url=NOWHERE, **keys)
    spec = {"name": TOOL["name"], "description": TOOL["description"], "inputSchema": {"json": SCHEMA}}
    ask: Any = {"modelId": "m", "system": [{"text": SYSTEM}], "toolConfig": {"tools": [{"toolSpec": spec}]}}
    asked: list[Any] = [{"role": "user", "content": [{"text": QUESTION}]}]
    said = client.converse(**ask, messages=asked)["output"]["message"]
    called = said["content"][-1]["toolUse"]
    result = {"toolResult": {"toolUseId": called["toolUseId"], "content": [{"text": RESULT}]}}
    asked += [said, {"role": "user", "content": [result]}]
    return client.converse(**ask, messages=asked)["output"]["message"]["content"][0]["text"]


@pytest.mark.parametrize("agent", [chat, responses, messages, gemini, converse])
def test_the_same_recording_serves_every_provider(agent: Callable[[], Any]) -> None:
    """A tool call and its result, in each provider's own format, are the request that was recorded."""
    with playing(*recording()) as session:
        assert agent() == "It rains."
    assert [call.recorded for call in session.trace.llm_calls] == [True, True]


def test_another_question_is_another_request() -> None:
    """What was asked differently is not answered: the replay stops."""
    answers = recording()
    answers[1]["request"]["messages"] = f"sha256:{'0' * 64}"
    with playing(*answers) as session, pytest.raises(StopReplay, match="the messages differ"):
        chat()
    assert session.findings.inconclusive is not None


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every answer that the tests of the formats have: its format's URL, its name and its body."""
    for module, url, listed in (
        ("test_anthropic", "/v1/messages", "MESSAGES"),
        ("test_openai_responses", "/v1/responses", "RESPONSES"),
        ("test_openai_chat", "/v1/chat/completions", "COMPLETIONS"),
        ("test_gemini", "/v1beta/models/m:generateContent", "RESPONSES"),
        ("test_bedrock", "/model/m/converse", "RESPONSES"),
    ):
        try:
            found = getattr(importlib.import_module(f"tests.llm.{module}"), listed)
        except pytest.skip.Exception:  # its SDK is not installed
            continue
        yield from ((url, f"{module} {name}", body) for name, body in found.items())


def told(answer: LlmResponse) -> tuple[Any, ...]:
    """What every format can say."""
    called = [(call.name, call.args) for call in answer.tool_calls if call.raw_args is None]
    return answer_text(answer) or answer.refusal or None, called, finish_reason(answer) if called else None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", URLS)
def test_what_one_provider_answered_every_other_says(name: str, stream: bool) -> None:
    """Any answer of any provider is given out in any format: its text, its calls, and that it called."""
    asked = request(name, stream)
    for source, label, body in bodies():
        origin = recognise(http_request(BODY, f"https://api.openai.com{source}"))
        assert origin is not None
        answer = origin.wire.read(200, json.dumps(body).encode(), origin)
        assert answer is not None, label
        reply = asked.wire.render(answer, asked)
        read = asked.wire.read(reply.status, reply.body, asked)
        assert read is not None, label
        if read.error is None and not any(call.raw_args is not None for call in answer.tool_calls):
            assert told(read) == told(answer), label
