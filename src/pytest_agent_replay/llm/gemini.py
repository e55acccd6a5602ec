"""Google's `generateContent` and `streamGenerateContent` (Gemini API and Vertex AI).

Format: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.answering import Answering
from pytest_agent_replay.llm.gemini_answers import content_reply, error_body, error_reply, read_content, unlisted
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.reading import clean, dicts, json_object, path_of, tool_call
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["Gemini", "function_result", "json_schema"]

_PATH = re.compile(r"/([^/]+):(generateContent|streamGenerateContent)$")


class Gemini(Answering):
    """`generateContent`, whole and streamed; see `gemini_answers` for what is sent."""

    name = "gemini"
    _reply = staticmethod(content_reply)
    _error = staticmethod(error_reply)
    _error_body = staticmethod(error_body)
    _read = staticmethod(read_content)

    def recognise(self, request: HttpRequest) -> ModelRequest | None:
        """A POST to `…/MODEL:generateContent` (or the streamed twin) with `contents`."""
        path = path_of(request)
        if request.method != "POST" or not path.endswith("enerateContent"):
            return None
        found = _PATH.search(path)
        body = json_object(request.body)
        if found is None or body is None or "contents" not in body:
            return None
        return ModelRequest(
            wire=self,
            model=found.group(1),
            messages=_messages(body),
            tools=_tools(body),
            stream=found.group(2) == "streamGenerateContent",
            raw=body,
            http=request,
        )

    def read(self, status: int, body: bytes, request: ModelRequest) -> LlmResponse | None:
        """A live answer; an error that a stream of JSON ends in lies in a list."""
        return super().read(status, unlisted(body) if status >= 400 else body, request)


def _either(mapping: dict[str, Any], camel: str, snake: str) -> Any:
    return mapping.get(camel, mapping.get(snake))


def _tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    declared = [
        function
        for tool in dicts(body.get("tools"))
        for function in dicts(_either(tool, "functionDeclarations", "function_declarations"))
    ]
    return [
        {"name": str(function.get("name") or "")}
        | clean(
            description=function.get("description"),
            parameters=json_schema(function.get("parameters"))
            or _either(function, "parametersJsonSchema", "parameters_json_schema"),
        )
        for function in declared
    ]


def json_schema(schema: Any) -> Any:
    """Google's schema as JSON Schema: the same but for the types, which it writes in capitals."""
    if isinstance(schema, list):
        return [json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    lowered = {key: json_schema(value) for key, value in schema.items()}
    return lowered | ({"type": schema["type"].lower()} if isinstance(schema.get("type"), str) else {})


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    system = _either(body, "systemInstruction", "system_instruction")
    if isinstance(system, dict):
        messages.append({"role": "system", "content": system.get("parts")})
    elif system:
        messages.append({"role": "system", "content": system})
    contents = body["contents"]
    for content in dicts([contents] if isinstance(contents, dict) else contents):
        messages.extend(_neutral(content))
    return messages


def _neutral(content: dict[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    parts: list[Any] = []
    for part in dicts(content.get("parts")):
        call, result = (
            _either(part, "functionCall", "function_call"),
            _either(part, "functionResponse", "function_response"),
        )
        if isinstance(call, dict):
            calls.append(tool_call(call.get("id"), call.get("name"), call.get("args")))
        elif isinstance(result, dict):
            results.append(
                {"role": "tool", "content": function_result(result.get("response")), "name": result.get("name")}
                | clean(tool_call_id=result.get("id"))
            )
        elif not part.get("thought"):
            parts.append(part)
    if parts or calls or not results:
        role = "assistant" if content.get("role") == "model" else "user"
        results.append({"role": role, "content": parts} | ({"tool_calls": calls} if calls else {}))
    return results


def function_result(response: Any) -> Any:
    """What the tool gave: the API wants an object, so that anything else is put under `output` or `result`."""
    wrapped = isinstance(response, dict) and len(response) == 1 and (response.keys() & {"output", "result"})
    return next(iter(response.values())) if wrapped else response
