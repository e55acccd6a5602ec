"""The parts of a recorded answer, in the order in which the model gave them.

Most answers are text and calls: `content` is a string then. Where a provider says more than that, or in another
order, `content` is a list of parts, so that the answer can be given out again as it was:

- `{"type": "text", "text": …}`, with the provider's own keys (`citations`, …) beside;
- `{"type": "thinking", "thinking": …}`, likewise (`signature`, `encrypted_content`, …);
- `{"type": "tool_call", "index": N}` where the call number N (from 0) of `tool_calls` is not simply at the end,
  or where the provider said something beside it;
- `{"type": "own", "of": WIRE, "block": …}`: any other block of one wire format (a hosted tool's call and result,
  …) as it came. Other formats leave it out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import LlmResponse, RecordedToolCall
from pytest_agent_replay.llm.reading import content_text

__all__ = ["Part", "answer_of", "answer_text", "finish_reason", "parts_of", "spoken"]

_NATURAL = frozenset({"STOP", "completed", "FINISH_REASON_UNSPECIFIED"})
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "refusal": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}


@dataclass(slots=True)
class Part:
    """One part of an answer."""

    kind: Literal["text", "reasoning", "refusal", "call", "own"]
    text: str = ""
    call: RecordedToolCall | None = None
    own: dict[str, Any] = field(default_factory=dict)
    """What the provider's block has beside (signature, citations, id); `of` and `block` where `kind` is `own`."""

    def block(self, wire: str, needed: str | None = None) -> dict[str, Any] | None:
        """The block as it came, when it is one of this wire format.

        Raises `ReplayError` when it is no mapping, or lacks the key that every block of the format needs.
        """
        if self.kind != "own" or self.own.get("of") != wire:
            return None
        block = self.own.get("block")
        if isinstance(block, dict) and (needed is None or needed in block):
            return block
        what = "a mapping" if needed is None else f"a mapping with `{needed}`"
        raise ReplayError(f"a part of a recorded answer is no block of {wire}: `block` must be {what}, not {block!r}")


def parts_of(answer: LlmResponse) -> list[Part]:
    """The parts; calls that the content does not place come last."""
    parts = _content_parts(answer.content, answer.tool_calls)
    if answer.reasoning and not any(part.kind == "reasoning" for part in parts):
        parts.insert(0, Part("reasoning", answer.reasoning))
    if answer.refusal:
        parts.append(Part("refusal", answer.refusal))
    placed = [part.call for part in parts]
    return parts + [Part("call", call=call) for call in answer.tool_calls if not any(call is other for other in placed)]


def _content_parts(content: Any, calls: Sequence[RecordedToolCall]) -> list[Part]:
    if isinstance(content, list) and content and all(_is_part(item) for item in content):
        return [part for item in content if (part := _part(item, calls)) is not None]
    text = content_text(content) or (json.dumps(content, ensure_ascii=False) if content else "")
    return [Part("text", text)] if text else []


def _is_part(item: Any) -> bool:
    if not isinstance(item, dict):
        return isinstance(item, str)
    return isinstance(item.get("text"), str) or item.get("type") in ("thinking", "tool_call", "own")


def _part(item: str | dict[str, Any], calls: Sequence[RecordedToolCall]) -> Part | None:
    if isinstance(item, str):
        return Part("text", item)
    kind, own = item.get("type"), {key: value for key, value in item.items() if key != "type"}
    if kind == "thinking":
        return Part("reasoning", str(own.pop("thinking", "")), own=own)
    if kind == "tool_call":
        index = own.pop("index", None)
        at_call = isinstance(index, int) and 0 <= index < len(calls)
        return Part("call", call=calls[index], own=own) if at_call else None
    return Part("own", own=own) if kind == "own" else Part("text", own.pop("text"), own=own)


def answer_of(parts: Sequence[Part], **fields: Any) -> LlmResponse:
    """The answer of which these are the parts; `fields` are its other fields (model, usage, finish_reason, …).

    Raises `TypeError` when a text is none: the parts were read from something else than a model's answer.
    """
    if not all(isinstance(part.text, str) for part in parts):
        raise TypeError("the text of a part is no text")
    calls = [part.call for part in parts if part.call is not None]
    return LlmResponse(
        content=_neutral_content(parts),
        tool_calls=calls,
        reasoning=_joined(parts, "reasoning"),
        refusal=_joined(parts, "refusal"),
        **fields,
    )


def _joined(parts: Sequence[Part], kind: str) -> str | None:
    return "".join(part.text for part in parts if part.kind == kind) or None


def _neutral_content(parts: Sequence[Part]) -> Any:
    """The shortest content that `parts_of` reads the same parts from."""
    kept = [part for part in parts if part.kind != "refusal"]
    items = _items(kept)
    while kept and kept[-1].kind == "call" and not kept[-1].own:
        kept.pop()
        items.pop()
    thoughts = [part for part in kept if part.kind == "reasoning"]
    if len(thoughts) == 1 and kept[0] is thoughts[0] and thoughts[0].text and not thoughts[0].own:
        kept, items = kept[1:], items[1:]
    if not kept:
        return None
    return kept[0].text if len(kept) == 1 and kept[0].kind == "text" and not kept[0].own else items


def _items(parts: Sequence[Part]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    calls = 0
    for part in parts:
        if part.kind == "text":
            items.append({"type": "text", "text": part.text, **part.own})
        elif part.kind == "reasoning":
            items.append({"type": "thinking", "thinking": part.text, **part.own})
        elif part.kind == "call":
            items.append({"type": "tool_call", "index": calls, **part.own})
            calls += 1
        else:
            items.append({"type": "own", **part.own})
    return items


def answer_text(answer: LlmResponse) -> str | None:
    """All of the text; None when the model gave none."""
    if answer.content is None or isinstance(answer.content, str):
        return answer.content
    return "".join(part.text for part in _content_parts(answer.content, answer.tool_calls) if part.kind == "text")


def spoken(answer: LlmResponse) -> Any:
    """What of the content a model is told again as the assistant's message: all but thoughts and calls."""
    if not isinstance(answer.content, list):
        return answer.content
    parts = [part for part in _content_parts(answer.content, answer.tool_calls) if part.kind in ("text", "own")]
    return _neutral_content(parts)


def finish_reason(answer: LlmResponse) -> str:
    """Why the model stopped, in the words of OpenAI's chat completions, whichever provider's word was recorded."""
    given = answer.finish_reason
    if given is None or given in _NATURAL:
        return "tool_calls" if answer.tool_calls else "stop"
    return _FINISH_REASONS.get(given.lower(), given.lower())
