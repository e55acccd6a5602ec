"""The conversation that a replay file records, put together again as an ordinary tool loop would send it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import (
    LlmResponse,
    RecordedToolCall,
    RecordingRef,
    ReplayFile,
    ToolResponse,
    Turn,
)
from pytest_agent_replay.llm.neutral import is_error
from pytest_agent_replay.llm.openai_messages import neutral_messages
from pytest_agent_replay.llm.parts import spoken

__all__ = ["recorded_messages"]


def recorded_messages(replay: ReplayFile, ref: RecordingRef) -> list[dict[str, Any]]:
    """The neutral messages that the request for the answer `ref` should have had.

    A guess, as a file does not hold requests: only where its digests are the recorded ones is it what was sent.
    Empty for answers at the top of a file that lists its turns, whose place in the conversation is not known.
    """
    if ref.turn == 0:
        return []
    messages = [] if replay.turns is None else _context(replay.context)
    for number, turn in enumerate(replay.turn_list[: ref.turn], 1):
        messages.extend(_turn(turn, ref.index if number == ref.turn else None))
    return messages


def _context(context: Any) -> list[dict[str, Any]]:
    if isinstance(context, str):
        return [{"role": "system", "content": context}]
    return neutral_messages(context) if isinstance(context, list) else []


def _turn(turn: Turn, until: int | None) -> Iterator[dict[str, Any]]:
    """The messages of a turn before its answer number `until`; all of them when that is None."""
    if turn.given("input"):
        yield from _context(turn.context)
        yield {"role": "user", "content": turn.input}
    answers = turn.llm_responses or []
    left = [response for response in turn.tool_responses if response.origin == "production"]
    for answer in answers if until is None else answers[:until]:
        if not is_error(answer):
            yield _said(answer)
            yield from (_result(call, left) for call in answer.tool_calls)
    if until is None and not answers and turn.given("output"):
        yield {"role": "assistant", "content": turn.output}


def _said(answer: LlmResponse) -> dict[str, Any]:
    calls = [call.model_dump(exclude_none=True) for call in answer.tool_calls]
    return {"role": "assistant", "content": spoken(answer)} | ({"tool_calls": calls} if calls else {})


def _result(call: RecordedToolCall, left: list[ToolResponse]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": None}
    named = [response for response in left if response.tool == call.name]
    exact = [r for r in named if r.args == call.args and r.call_id == call.id] or [
        r for r in named if r.args == call.args
    ]
    for response in (exact or named)[:1]:
        left.remove(response)
        given = response.response
        message["content"] = given if isinstance(given, str) else json.dumps(given)
    return message
