"""Values out of attributes, which hold texts, numbers and lists of them: everything else is JSON in a text."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_agent_replay.sources.json_files import parse_json
from pytest_agent_replay.sources.messages import read_result
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, Tool

__all__ = ["Step", "arguments", "first_of", "parsed", "returned", "settings_of", "structured"]

Step = Agent | Model | Tool

_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "stop_sequences": "stop_sequences",
    "reasoning_effort": "reasoning_effort",
    "tool_choice": "tool_choice",
}
_SEPARATORS = ((", ", ": "), (",", ":"))


def first_of(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of the attributes that is there; None when none is."""
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)


def parsed(value: Any) -> Any:
    """The value of a JSON text; a text that is no JSON, and everything that is no text, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        return value


def structured(value: Any) -> Any:
    """An object or a list out of the text that was made of it.

    A text in another layout than programs write by default is the tool's own, and stays a text: the model saw it so.
    """
    found = parsed(value)
    if not isinstance(value, str) or not isinstance(found, (dict, list)):
        return value
    for separators in _SEPARATORS:
        for ascii_only in (False, True):
            if json.dumps(found, separators=separators, ensure_ascii=ascii_only) == value:
                return found
    return value


def arguments(value: Any) -> tuple[dict[str, Any] | None, Any]:
    """The arguments by name, and else what there is of them (`MISSING` when nothing).

    Read are JSON, what Python prints of a dict, and `{"args": […], "kwargs": {…}}` of traced functions.
    """
    if value is None:
        return None, MISSING
    found = parsed(value)
    if isinstance(found, str) and found.lstrip().startswith("{"):
        try:
            found = ast.literal_eval(found.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None, value
    if (
        isinstance(found, dict)
        and found
        and found.keys() <= {"args", "kwargs"}
        and isinstance(found.get("kwargs"), dict)
    ):
        positional = found.get("args") or []
        if positional:
            return None, positional[0] if len(positional) == 1 and not found["kwargs"] else found
        found = found["kwargs"]
    if isinstance(found, dict) and all(isinstance(key, str) for key in found):
        return found, MISSING
    return None, value


def returned(tool: Tool, value: Any) -> Tool:
    """The tool with its result out of the framework's wrapping; None is no result."""
    if value is not None:
        result = read_result(value)
        tool.result = structured(result.value)
        tool.call_id = tool.call_id or result.call_id
        tool.failed = tool.failed or result.failed
    return tool


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Temperature and the like out of a model's request, without the request itself."""
    return {_SETTINGS[key]: value for key, value in values.items() if key in _SETTINGS and value is not None}
