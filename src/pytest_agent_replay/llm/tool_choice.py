"""The one tool that a request lets the model call, in whichever provider's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.llm.neutral import ModelRequest

__all__ = ["required_tool"]

_ANY = ("required", "any")


def required_tool(request: ModelRequest) -> str | None:
    """The tool that the model must call: named in the request, or the only one offered where it must call any.

    None where the model may answer as it likes, or choose among several.
    """
    raw = request.raw
    configured = _mapping(raw.get("toolConfig"))  # of Gemini and of Bedrock
    choice = raw.get("tool_choice") or raw.get("function_call") or configured.get("toolChoice")
    gemini = _mapping(configured.get("functionCallingConfig"))
    if gemini.get("mode") == "ANY":
        allowed = gemini.get("allowedFunctionNames") or _offered(request)
    elif choice in _ANY or (isinstance(choice, Mapping) and (choice.get("type") in _ANY or "any" in choice)):
        allowed = _offered(request)
    else:
        allowed = [_named(_mapping(choice))]
    return allowed[0] if len(allowed) == 1 and isinstance(allowed[0], str) else None


def _offered(request: ModelRequest) -> list[Any]:
    return [tool.get("name") for tool in request.tools]


def _named(choice: Mapping[str, Any]) -> Any:
    """OpenAI's chat completions and Bedrock put the name a level deeper than the others."""
    return _mapping(choice.get("function") or choice.get("tool") or choice).get("name")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
