"""Which HTTP requests ask a model, and what they ask."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.llm.digest import differing_parts, digests
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.sdk import http_request, model_request

OLLAMA = ("User-Agent", "ollama-python/0.6.3 (x86_64 linux) Python/3.11.7")
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1/chat/completions",
        "http://127.0.0.1:8080/chat/completions",
        "https://openrouter.ai/api/v1/chat/completions/",
        "https://gateway.corp/openai/v1/chat/completions?trace=1",
        "https://x.openai.azure.com/openai/deployments/my-4o/chat/completions?api-version=2024-10-21",
    ],
)
def test_chat_completions_are_recognised_on_any_host(url: str) -> None:
    """Chat completions go by their path and body, never by the host."""
    found = recognise(http_request(CHAT, url))
    assert found is not None
    assert (found.wire.name, found.wire.can_render, found.model, found.stream) == ("openai.chat", True, "gpt-4o", False)
    assert found.messages == [{"role": "user", "content": "Hi"}]


def test_azure_deployment_stands_for_the_model() -> None:
    """A body without a model takes the deployment of an Azure path."""
    url = "https://x.openai.azure.com/openai/deployments/my-4o/chat/completions?api-version=1"
    found = recognise(http_request({"messages": []}, url))
    assert found is not None
    assert found.model == "my-4o"


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "https://api.openai.com/v1/chat/completions", CHAT),
        ("POST", "https://api.openai.com/v1/chat/completions", b"not json"),
        ("POST", "https://api.openai.com/v1/chat/completions", {"model": "x"}),
        ("POST", "https://api.openai.com/v1/chat/completions", b"[" * 100_000),
        ("POST", "https://api.example.com/quotes", CHAT),
        ("POST", "https://forms.example.com/v1/responses", {"answers": []}),
        ("POST", "https://chat.example.com/rooms/1/messages", {"text": "hi"}),
        ("POST", "https://chat.example.com/rooms/1/messages", {"messages": [{"text": "hi"}]}),
        ("GET", "https://cars.example.com/v1/models", b""),
        ("GET", "https://forms.example.com/v1/responses/7", b""),
        ("POST", "https://chat.example.com/v1/conversations", {"title": "x"}),
        ("POST", "https://search.example.com/embeddings", {"text": "x"}),
        ("POST", "https://fleet.example.com/model/7/invoke", b"\xff"),
        ("POST", "https://chat.example.com/api/chat", CHAT),
        ("POST", "https://api.cohere.com/v2/chat", {"title": "x"}),
        ("POST", "https://search.example.com/api/embed", {"model": "m", "input": "x"}),
        ("GET", "no url at all", b""),
    ],
)
def test_requests_of_tools_are_no_model_requests(method: str, url: str, body: Any) -> None:
    """A tool's request that only resembles a model's is left to the tools."""
    assert recognise(http_request(body, url, method)) is None


@pytest.mark.parametrize(
    ("method", "url", "body", "headers"),
    [
        ("POST", "http://127.0.0.1:9/v1/embeddings", {"model": "e", "input": "x"}, []),
        ("POST", "https://api.openai.com/v1/moderations", {"input": "x"}, []),
        ("GET", "https://api.openai.com/v1/models", b"", []),
        ("GET", "http://127.0.0.1:9/v1/models/gpt-4o", b"", [("User-Agent", "AsyncOpenAI/Python 3.54.0")]),
        ("POST", "https://api.openai.com/v1/audio/transcriptions", b"--x", []),
        ("POST", "https://api.anthropic.com/v1/messages/count_tokens", {"model": "c", "messages": []}, []),
        ("POST", "https://generativelanguage.googleapis.com/v1beta/models/g:embedContent", {"content": {}}, []),
        ("POST", "http://127.0.0.1:9/v1/completions", {"model": "m", "prompt": "x"}, []),
        ("POST", "https://api.openai.com/v1/conversations", {}, []),
        ("POST", "https://api.openai.com/v1/conversations/conv_1/items", {"items": []}, []),
        ("GET", "https://api.openai.com/v1/responses/resp_1", b"", []),
        ("POST", "https://api.openai.com/v1/responses/resp_1/cancel", {}, []),
        ("POST", "https://api.openai.com/v1/responses/input_tokens", {"model": "m", "input": "x"}, []),
        ("POST", "https://api.cohere.com/v2/embed", {"model": "m", "texts": ["x"]}, []),
        ("POST", "https://api.cohere.com/v2/rerank", {"model": "m", "query": "x"}, []),
        ("POST", "http://127.0.0.1:11434/api/embed", {"model": "m", "input": "x"}, [OLLAMA]),
    ],
)
def test_other_requests_to_a_model_api_are_known_but_no_conversation(
    method: str, url: str, body: Any, headers: Any
) -> None:
    """Embeddings, moderation, lists and audio belong to the model's API but never to `llm_responses`."""
    found = recognise(http_request(body, url, method, headers))
    assert found is not None
    assert (found.wire.converses, found.wire.can_render, found.messages, found.tools) == (False, False, [], [])


@pytest.mark.parametrize(
    ("url", "body", "headers"),
    [
        ("https://api.cohere.com/v2/chat", CHAT, []),
        ("https://api.cohere.com/v1/chat", {"message": "Hi"}, []),
        ("http://127.0.0.1:11434/api/chat", CHAT, [OLLAMA]),
        ("http://127.0.0.1:11434/api/generate", {"model": "m", "prompt": "Hi"}, [OLLAMA]),
        ("https://generativelanguage.googleapis.com/v1beta/interactions", {"model": "m", "input": "Hi"}, []),
    ],
)
def test_conversations_in_formats_that_are_not_given_out(url: str, body: dict[str, Any], headers: Any) -> None:
    """They are known to ask a model, so that a live run lets them pass; the tools that they offer are read."""
    offered = [{"type": "function", "function": {"name": "f"}}]
    found = recognise(http_request({**body, "tools": offered}, url, headers=headers))
    assert found is not None
    assert (found.wire.converses, found.wire.can_render, found.tools) == (True, False, [{"name": "f"}])


def test_a_tool_beside_a_model_on_one_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that a variable names for an SDK is a model's, another port of its host is not."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    assert recognise(http_request(b"", "http://localhost:8000/models", "GET")) is not None
    assert recognise(http_request(b"", "http://localhost:9000/models", "GET")) is None
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example.com")
    assert recognise(http_request(b"", "https://gateway.example.com:443/models", "GET")) is not None


def test_chat_messages_and_tools_in_neutral_form() -> None:
    """Roles, calls, the legacy function form and tools come out neutral, settings as they were sent."""
    found = model_request(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}},
                {"id": "c2", "type": "function", "function": {"name": "b", "arguments": "{broken"}},
                {"id": "c3", "type": "custom", "custom": {"name": "c", "input": "SELECT 1"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "assistant", "content": None, "function_call": {"name": "old", "arguments": ""}},
        {"role": "function", "name": "old", "content": "two"},
        {"role": "assistant", "content": None, "refusal": "No."},
        tools=[
            {"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}},
            {"type": "web_search"},
        ],
        functions=[{"name": "old", "description": "Old."}],
        temperature=0,
    )
    assert [message["role"] for message in found.messages] == [
        "system", "user", "assistant", "tool", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert found.messages[2]["tool_calls"] == [
        {"id": "c1", "name": "a", "args": {"x": 1}},
        {"id": "c2", "name": "b", "raw_args": "{broken"},
        {"id": "c3", "name": "c", "raw_args": "SELECT 1"},
    ]
    assert found.messages[4]["tool_calls"] == [{"id": None, "name": "old", "args": {}}]
    assert found.messages[5] == {"role": "tool", "content": "two", "name": "old"}
    assert found.messages[6]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert found.tools == [
        {"name": "a", "parameters": {"type": "object"}},
        {"name": "web_search"},
        {"name": "old", "description": "Old."},
    ]
    assert found.settings == {"temperature": 0}


ANTHROPIC = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "…"},
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
    ],
    "tools": [{"name": "weather", "description": "Now.", "input_schema": {"type": "object"}}],
}  # fmt: skip
RESPONSES = {
    "model": "gpt-4o",
    "instructions": "Be brief.",
    "stream": True,
    "input": [
        {"role": "user", "content": "Weather?"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
        {"type": "function_call", "call_id": "t1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"type": "function_call_output", "call_id": "t1", "output": "sunny"},
    ],
    "tools": [{"type": "function", "name": "weather", "description": "Now.", "parameters": {"type": "object"}}],
}
GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [
            {"text": "Looking."},
            {"functionCall": {"id": "t1", "name": "weather", "args": {"city": "Oslo"}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "t1", "name": "weather", "response": {"result": "sunny"}}},
        ]},
    ],
    "tools": [{"functionDeclarations": [{"name": "weather", "description": "Now.", "parameters": {"type": "OBJECT"}}]}],
}  # fmt: skip
BEDROCK = {
    "system": [{"text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"text": "Weather?"}]},
        {"role": "assistant", "content": [
            {"text": "Looking."},
            {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Oslo"}}},
        ]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}}]},
    ],
    "toolConfig": {"tools": [{"toolSpec": {
        "name": "weather", "description": "Now.", "inputSchema": {"json": {"type": "object"}},
    }}]},
}  # fmt: skip

TOOL = {"name": "weather", "description": "Now.", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    ("url", "body", "name", "model", "stream"),
    [
        ("https://api.anthropic.com/v1/messages", ANTHROPIC, "anthropic.messages", "claude-sonnet-4-5", False),
        ("http://localhost:1/v1/responses", RESPONSES, "openai.responses", "gpt-4o", True),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            GEMINI, "gemini", "gemini-2.5-pro", True,
        ),
        (
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2%3A1/converse",
            BEDROCK, "bedrock.converse", "anthropic.claude-v2:1", False,
        ),
        (
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude/invoke-with-response-stream",
            {**ANTHROPIC, "anthropic_version": "bedrock-2023-05-31"}, "bedrock.anthropic", "anthropic.claude", True,
        ),
        (
            "https://eu-aiplatform.googleapis.com/v1/projects/p/publishers/anthropic/models/claude-x:rawPredict",
            {**ANTHROPIC, "model": None, "anthropic_version": "vertex"}, "anthropic.messages", "claude-x", False,
        ),
    ],
)  # fmt: skip
def test_the_other_wire_formats_are_read(url: str, body: Any, name: str, model: str, stream: bool) -> None:
    """The same conversation is read out of every provider's format, with its tools and calls."""
    found = recognise(http_request(body, url))
    assert found is not None
    assert (found.wire.name, found.wire.can_render, found.wire.converses) == (name, True, True)
    assert (found.model, found.stream) == (model, stream)
    assert [message["role"] for message in found.messages] == ["system", "user", "assistant", "tool"]
    assert found.messages[2]["tool_calls"] == [{"id": "t1", "name": "weather", "args": {"city": "Oslo"}}]
    assert found.messages[3]["tool_call_id"] == "t1"
    assert found.tools == [{"name": "weather", "description": "Now.", "parameters": {"type": "object"}}]


def test_a_conversation_has_the_same_digests_in_every_format() -> None:
    """A recording serves an agent that moved to another provider: what was asked is the same."""
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    chat = model_request(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Looking.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "sunny"},
        tools=[{"type": "function", "function": TOOL}],
        model=None,
    )
    expected = digests(chat)
    for body, path in (
        (ANTHROPIC, "/v1/messages"),
        (RESPONSES, "/v1/responses"),
        (GEMINI, "/v1beta/models/m:generateContent"),
        (BEDROCK, "/model/m/converse"),
    ):
        found = recognise(http_request(body, f"https://any.example{path}"))
        assert found is not None
        assert differing_parts(digests(found), expected) == ["model"]
