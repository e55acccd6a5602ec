"""How a model request differs from the recorded one, as text for a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pytest_agent_replay.formats.replay import LlmRequestDigests
from pytest_agent_replay.llm.digest import (
    Part,
    canonical_messages,
    canonical_system,
    differing_parts,
    digest,
    digests,
)
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.reading import content_text

__all__ = ["differences"]

Messages = Sequence[dict[str, Any]]
_AROUND = 30  # characters shown on each side of the first difference


def differences(recorded: LlmRequestDigests, request: ModelRequest, expected: Messages = ()) -> str:
    """The parts in which `request` is not the recorded one, with the first place that differs where it can be known.

    A file holds digests alone. `expected` is a guess at the recorded messages; it is used where its digest is the
    recorded one. Empty when nothing differs.
    """
    explain: dict[Part, Callable[[], str]] = {
        "model": lambda: f"the model is {request.model!r}, recorded was {recorded.model!r}",
        "system": lambda: _system(recorded.system, request, expected),
        "messages": lambda: _messages(recorded.messages, request, expected),
        "tools": lambda: (
            f"the tools offered, or their descriptions, differ (now {', '.join(_names(request)) or 'none'})"
        ),
    }
    return "; ".join(explain[part]() for part in differing_parts(recorded, digests(request)))


def _names(request: ModelRequest) -> list[str]:
    return sorted(str(tool.get("name")) for tool in request.tools)


def _system(recorded: str | None, request: ModelRequest, expected: Messages) -> str:
    now, before = canonical_system(request.messages), canonical_system(expected)
    if not now:
        return "the system prompt is missing"
    if digest(before) != recorded:
        return "the system prompt differs"
    return f"the system prompt differs at {_place(content_text(before), content_text(now))}"


def _messages(recorded: str | None, request: ModelRequest, expected: Messages) -> str:
    now, before = canonical_messages(request.messages), canonical_messages(expected)
    if digest(before) != recorded:
        roles = ", ".join(str(message["role"]) for message in now)
        return f"the messages differ (now {len(now)}: {roles})"
    for index, (old, new) in enumerate(zip(before, now, strict=False), 1):
        if old != new:
            return f"message {index} of {len(now)} differs: {_message(old, new)}"
    if len(now) > len(before):
        return f"message {len(before) + 1} ({now[len(before)]['role']}) was not in the recorded request"
    return f"message {len(now) + 1} ({before[len(now)]['role']}) of the recorded request is missing"


def _message(old: dict[str, Any], new: dict[str, Any]) -> str:
    if old["role"] != new["role"]:
        return f"it is of the {new['role']}, recorded was one of the {old['role']}"
    if old["content"] != new["content"]:
        before, now = content_text(old["content"]), content_text(new["content"])
        return f"the {new['role']}'s text, at {_place(before, now)}{_encoded_again(before, now)}"
    if old.get("tool_calls") != new.get("tool_calls"):
        return f"its tool calls are {_calls(new)}, recorded were {_calls(old)}"
    return f"it answers another call of the {new['role']}"


def _encoded_again(before: str, now: str) -> str:
    """What to do where the agent encoded as JSON what it took for data."""
    try:
        is_same = now[:1] == '"' and json.loads(now) == before
    except ValueError:
        return ""
    return (
        " (the agent encoded the recorded text as JSON once more: its tool returns data. Annotate the function, "
        "`-> dict`, or write the recording's `response:` as data)"
        if is_same
        else ""
    )


def _calls(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls") or []
    return ", ".join(f"{call['name']}({call.get('args', call.get('raw_args'))})" for call in calls) or "none"


def _place(old: str, new: str) -> str:
    """Where two texts part, with what stands there."""
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return f"character {at + 1}: recorded {_extract(old, at)}, now {_extract(new, at)}"


def _extract(text: str, at: int) -> str:
    start, end = max(0, at - _AROUND), at + _AROUND
    return repr(f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}")
