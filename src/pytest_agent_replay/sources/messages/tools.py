"""The tools that a model was offered, in any common shape, as `{name, description, parameters}`."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.gemini import json_schema
from pytest_agent_replay.llm.reading import clean
from pytest_agent_replay.sources.messages.parts import first
from pytest_agent_replay.sources.messages.texts import none_if_too_deep, structure

__all__ = ["read_tools"]

_BELOW = (
    "tools",
    "functions",
    "toolConfig",
    "function_tools",
    "model_request_parameters",
    "invocation_params",
    "config",
    "kwargs",
    "messages",
)
_INNER = ("function", "custom", "toolSpec", "json_schema", "tool.json_schema", "tool")
_DECLARED = ("functionDeclarations", "function_declarations")
_SCHEMAS = (
    "parameters",
    "input_schema",
    "inputSchema",
    "parameters_json_schema",
    "parametersJsonSchema",
    "args_schema",
)
_DEEPEST = 5


@none_if_too_deep
def read_tools(value: Any) -> list[dict[str, Any]] | None:
    """The tools; None when `value` does not say which. An empty list says that there were none.

    `value` is a list of tools, a mapping (a request) that has it, or the JSON text of one of these; among messages
    they are found where Langfuse's LangChain callback puts them. Hosted tools go by their type. Never raises.
    """
    return _read(value, _DEEPEST)


def _read(value: Any, depth: int) -> list[dict[str, Any]] | None:
    if isinstance(value, str):
        value = structure(value)
    if depth == 0:
        return None
    if isinstance(value, dict):
        return next((read for key in _BELOW if (read := _read(value.get(key), depth - 1)) is not None), None)
    return _read_list(value) if isinstance(value, list) else None


def _read_list(items: list[Any]) -> list[dict[str, Any]] | None:
    if any(isinstance(item, dict) and "role" in item for item in items):
        listed = [item.get("content") for item in items if isinstance(item, dict) and item.get("role") == "tool"]
        found = [tool for item in listed for tool in _tools(item) or () if _is_definition(item)]
        return found or None
    read = [_tools(item) for item in items]
    return None if None in read else [tool for tools in read for tool in tools or ()]


def _is_definition(content: Any) -> bool:
    return isinstance(content, dict) and content.get("type") == "function" and "function" in content


def _tools(item: Any) -> list[dict[str, Any]] | None:
    """The tool that an item is, or the functions that it declares (Gemini's); None when it is none."""
    if isinstance(item, str):
        item = structure(item)
    if not isinstance(item, dict):
        return None
    declared = first(item, _DECLARED)
    if isinstance(declared, list):
        return [tool for one in declared for tool in _tools(one) or ()]
    inner = first(item, _INNER)
    if isinstance(inner, (dict, str)):
        return _tools(inner)
    name = item.get("name") or item.get("type")
    if not isinstance(name, str) or "content" in item:
        return None
    return [{"name": name} | clean(description=item.get("description"), parameters=_parameters(item))]


def _parameters(tool: dict[str, Any]) -> Any:
    schema = first(tool, _SCHEMAS)
    if isinstance(schema, str):
        schema = structure(schema)
    if isinstance(schema, dict) and schema.keys() == {"json"}:
        schema = schema["json"]
    return json_schema(schema)
