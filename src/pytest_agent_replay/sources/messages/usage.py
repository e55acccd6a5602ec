"""Token counts in any common shape."""

from __future__ import annotations

import math
from typing import Any

from pytest_agent_replay.formats.replay import Usage
from pytest_agent_replay.sources.messages.texts import none_if_too_deep, structure

__all__ = ["read_usage"]

_BELOW = (
    "usage",
    "usage_metadata",
    "usageMetadata",
    "usageDetails",
    "token_usage",
    "tokenUsage",
    "llm_output",
    "response_metadata",
    "message",
    "kwargs",
)
_INPUT = (
    "input_tokens",
    "prompt_tokens",
    "inputTokens",
    "promptTokens",
    "promptTokenCount",
    "prompt_token_count",
    "input",
    "prompt",
)
_OUTPUT = (
    "output_tokens",
    "completion_tokens",
    "outputTokens",
    "completionTokens",
    "candidatesTokenCount",
    "candidates_token_count",
    "output",
    "completion",
)
_TOTAL = ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count", "total")
_CACHED = (
    "cached_tokens",
    "cache_read_tokens",
    "cachedInputTokens",
    "cacheReadInputTokens",
    "cachedContentTokenCount",
    "cached_content_token_count",
    "cache_read",
    "input_cached_tokens",
    "input_cache_read",
)
_REASONING = (
    "reasoning_tokens",
    "reasoningTokens",
    "thoughtsTokenCount",
    "thoughts_token_count",
    "output_reasoning_tokens",
    "reasoning",
    "thinking_tokens",
)
_GOOGLES = ("candidatesTokenCount", "candidates_token_count", "thoughtsTokenCount", "thoughts_token_count")
_DETAILS = (
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
    "details",
)
_COSTS = ("cost", "total_cost", "totalCost")
_ANTHROPIC = ("cache_read_input_tokens", "cache_creation_input_tokens")
_DEEPEST = 5


@none_if_too_deep
def read_usage(value: Any) -> Usage | None:
    """The counts of `value`, or of what lies below its usual keys; None when there are none. Never raises.

    `input_tokens` counts the cached ones too (Anthropic counts them apart), `output_tokens` the thoughts (Google does
    not). A count that is no whole number, or below zero, is not told.
    """
    return _read(value, _DEEPEST)


def _read(value: Any, depth: int) -> Usage | None:
    if isinstance(value, str):
        value = structure(value)
    if not isinstance(value, dict) or depth == 0:
        return None
    given, made, total = (_count(value, keys) for keys in (_INPUT, _OUTPUT, _TOTAL))
    if given is None and made is None and total is None:
        return next((read for key in _BELOW if (read := _read(value.get(key), depth - 1)) is not None), None)
    inner = {key: item for name in _DETAILS if isinstance(value.get(name), dict) for key, item in value[name].items()}
    apart = [_number(value.get(key)) for key in _ANTHROPIC]
    if given is not None:
        given += sum(count or 0 for count in apart)
    if made is None or made == _count(value, _GOOGLES[:2]):
        thoughts = _count(value, _GOOGLES[2:])
        made = made if thoughts is None else (made or 0) + thoughts
    told: dict[str, Any] = {
        "input_tokens": given,
        "output_tokens": made,
        "total_tokens": total,
        "cached_tokens": _known(apart[0], _count(value, _CACHED), _count(inner, _CACHED)),
        "reasoning_tokens": _known(_count(value, _REASONING), _count(inner, _REASONING)),
        "cost": _cost(value),
    }
    return Usage(**{key: item for key, item in told.items() if item is not None})


def _known(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _count(value: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((count for key in keys if (count := _number(value.get(key))) is not None), None)


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        value = int(value[:18])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _cost(value: dict[str, Any]) -> float | None:
    for key in _COSTS:
        try:
            cost = float(value[key])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(cost) and not isinstance(value[key], bool):
            return cost
    return None
