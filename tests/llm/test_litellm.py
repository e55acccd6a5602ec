"""Recorded answers through LiteLLM, which speaks every provider's format with HTTP clients of its own."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from tests.llm.parity import playing

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm = pytest.importorskip("litellm")

AWS = {"aws_region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
MODELS: dict[str, dict[str, str]] = {
    "openai/gpt-4o": {},
    "openai/responses/gpt-5": {},
    "anthropic/claude-x": {},
    "gemini/gemini-x": {},
    "bedrock/converse/anthropic.claude-x": AWS,
    "bedrock/invoke/anthropic.claude-x": AWS,
}
ANSWER = {
    "content": "Looking.",
    "tool_calls": [{"id": "c1", "name": "get_weather", "args": {"city": "Oslo"}}],
    "usage": {"input_tokens": 20, "output_tokens": 7},
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def ask(model: str) -> dict[str, Any]:
    """The arguments of a call."""
    asked = {"messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL], "api_key": "none", "num_retries": 0}
    return {"model": model, **asked, **MODELS[model]}


def whole(model: str) -> Any:
    """`completion`."""
    return litellm.completion(**ask(model))


def streamed(model: str) -> Any:
    """`completion(stream=True)`, put together by LiteLLM."""
    return litellm.stream_chunk_builder(list(litellm.completion(**ask(model), stream=True)))


def whole_async(model: str) -> Any:
    """`acompletion`."""
    return asyncio.run(litellm.acompletion(**ask(model)))


def streamed_async(model: str) -> Any:
    """`acompletion(stream=True)`."""

    async def run() -> Any:
        chunks = await litellm.acompletion(**ask(model), stream=True)
        return litellm.stream_chunk_builder([chunk async for chunk in chunks])

    return asyncio.run(run())


@pytest.mark.parametrize("asked", [whole, streamed, whole_async, streamed_async])
@pytest.mark.parametrize("model", MODELS)
def test_a_recorded_answer_arrives(model: str, asked: Any) -> None:
    """Text, calls, usage and finish reason are the recorded ones, whichever provider is asked."""
    with playing(ANSWER):
        got = asked(model)
    choice = got.choices[0]
    calls = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls]
    assert (choice.message.content, calls) == ("Looking.", [("c1", "get_weather", {"city": "Oslo"})])
    assert choice.finish_reason == "tool_calls"
    assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (20, 7)


@pytest.mark.parametrize("model", MODELS)
def test_a_recorded_error_is_litellms_own(model: str) -> None:
    """A status becomes LiteLLM's exception."""
    with playing({"status": 429, "error": "slow down"}), pytest.raises(litellm.RateLimitError, match="slow down"):
        whole(model)
