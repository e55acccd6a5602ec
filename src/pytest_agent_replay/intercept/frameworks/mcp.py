"""Tools of MCP servers, called through the `mcp` client (1.x and 2.x) or whatever is built on it.

Caught is `ClientSession.send_request`: all clients end there (`ClientSession.call_tool`, `mcp.Client`, that of fastmcp,
the adapters of frameworks), and what is above of it (checks of the result, retries, spans) still runs. A server within
the process, or one that is reached for real, says itself which tools it has; `mcp_servers` stands in for others.

A recorded failure becomes a result with `isError`, whose text is the recorded message: what a server makes of its own
exceptions is in the recording. `McpError` and `MCPError` are raised, and so is a timeout of the client that is shorter
than the recorded latency.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any

from pytest_agent_replay.errors import RecordedToolError, UnrecordedCallError
from pytest_agent_replay.intercept.frameworks.calls import Call, catch, id_of_call, listed, name_of_call
from pytest_agent_replay.intercept.frameworks.mcp_servers import patch_transport
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES", "blocks", "is_result"]

Json = Any

_BLOCKS = {"text": "text", "image": "data", "audio": "data", "resource": "resource", "resource_link": "uri"}
"""Types of content blocks, and what each has."""
_RESULT = frozenset({"content", "structuredContent", "isError", "_meta", "resultType"})


def _patch(module: ModuleType, patcher: Patcher) -> None:
    patcher.set(module.ClientSession, "send_request", _answering(module.ClientSession.send_request))


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def send_request(self: Any, request: Any, result_type: Any, *args: Any, **kwargs: Any) -> Any:
        async def real() -> Any:
            return await original(self, request, result_type, *args, **kwargs)

        inner = getattr(request, "root", request)
        if inner.method == "tools/list":
            result = await real()
            listed(tool.name for tool in result.tools)
            return result
        call = catch("mcp", name_of_call(inner.params.name)) if inner.method == "tools/call" else None
        if call is None:
            return await real()
        timeout = kwargs.get("request_read_timeout_seconds", args[0] if args else None)
        if timeout is None:
            timeout = self._session_read_timeout_seconds
        raw = await _within(timeout, inner.method, lambda: _answer(call, self, inner.params, real))
        return raw if not isinstance(raw, dict) else _typed(raw, result_type)

    return send_request


async def _answer(call: Call, client: Any, params: Any, real: Callable[[], Any]) -> Any:
    """The result as it comes over the wire; what the real server said where that ran."""
    results: list[Any] = []

    async def observed() -> Any:
        call.session.at_servers[call.tool] += 1
        try:
            result = await real()
        finally:
            call.session.at_servers[call.tool] -= 1
        results.append(result)
        raw = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        if raw.get("isError"):
            raise RecordedToolError(_text(raw))
        return await _value(client, params.name, raw)

    try:
        value = await call.answer_async(params.arguments or {}, observed, call_id=id_of_call())
    except UnrecordedCallError:
        raise
    except Exception as error:
        if results:
            return results[0]
        if isinstance(error, _error_class()):
            raise _protocol_error(call, error) from None
        return {"content": blocks(str(error)), "isError": True}
    if results:
        return results[0]
    if call.response is not None and call.response.failed:
        return {"content": blocks(value), "isError": True}
    result = await _result(client, params.name, value)
    _check(call, result, client._tool_output_schemas.get(params.name))
    return result


async def _within(seconds: Any, method: str, answer: Callable[[], Any]) -> Any:
    """Under the client's own timeout; a recorded latency may be longer."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds is None:
        return await answer()
    try:
        with sys.modules["anyio"].fail_after(seconds):
            return await answer()
    except TimeoutError:
        if _is_old():
            text = f"Timed out while waiting for response to ClientRequest. Waited {seconds} seconds."
            raise _made_error(408, text) from None
        raise _made_error(-32001, f"Request {method!r} timed out") from None


# -- errors of the protocol


def _error_class() -> type[Exception]:
    module = sys.modules["mcp.shared.exceptions"]
    kind: type[Exception] = module.McpError if _is_old() else module.MCPError
    return kind


def _is_old() -> bool:
    """Version 1, which has another name for its errors."""
    return not hasattr(sys.modules["mcp.shared.exceptions"], "MCPError")


def _protocol_error(call: Call, error: Exception) -> Exception:
    """The recorded error, whole: the attribute `error` is what clients look at."""
    spec = call.response.error_spec if call.response is not None else None
    known = dict(spec.attributes) if spec is not None else {}
    known.update(known["error"] if isinstance(known.get("error"), Mapping) else {})
    return _made_error(known.get("code", 0), spec.message if spec is not None else str(error))


def _made_error(code: int, message: str) -> Exception:
    if not _is_old():
        return _error_class()(code, message)
    return _error_class()(sys.modules["mcp.types"].ErrorData(code=code, message=message))


# -- results


def _typed(raw: dict[str, Json], result_type: Any) -> Any:
    if hasattr(result_type, "validate_python"):
        return result_type.validate_python(raw, by_name=False)
    return result_type.model_validate(raw)


async def _result(client: Any, tool: str, value: Json) -> dict[str, Json]:
    """A recorded value as the result of a server: that itself, its content, or what it returned."""
    if is_result(value):
        return dict(value)
    if tool not in client._tool_output_schemas:
        await client.list_tools()  # as the client does to check the result
    return _as_result(value, client._tool_output_schemas.get(tool))


def _as_result(value: Json, output_schema: Mapping[str, Any] | None) -> dict[str, Json]:
    """As the servers of the SDK write what a tool returns: JSON as text, and structured where a schema promises it."""
    result: dict[str, Json] = {"content": blocks(value), "isError": False}
    if output_schema is not None:
        result["structuredContent"] = _structured(value, output_schema)
    return result


def _structured(value: Json, schema: Mapping[str, Any]) -> Json:
    """What is no object is wrapped by servers. A text may be recorded for what was JSON: that is all the model saw."""
    inner = schema.get("properties", {}).get("result") if len(schema.get("properties", {})) == 1 else None
    if isinstance(value, str) and (inner is None or inner.get("type") != "string"):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    is_whole = inner is None or (isinstance(value, dict) and value.keys() == {"result"})
    return value if is_whole else {"result": value}


async def _value(client: Any, tool: str, raw: dict[str, Json]) -> Json:
    """The plain value of a result, where that says it all; else the result."""
    raw = {key: raw[key] for key in ("content", "structuredContent") if key in raw}
    structured = raw.get("structuredContent")
    inner = structured.get("result") if isinstance(structured, dict) else None
    for value in (inner, structured, _text(raw)):
        again = await _result(client, tool, value)
        if all(again.get(key) == raw.get(key) for key in ("content", "structuredContent")):
            return value
    return raw


def _check(call: Call, result: Mapping[str, Json], schema: Mapping[str, Any] | None) -> None:
    """The client raises for a result that does not fit; that it was the recording is said here."""
    if schema is None or result.get("isError"):
        return
    from jsonschema.validators import validator_for
    from referencing import Registry

    if not validator_for(schema)(schema, registry=Registry()).is_valid(result.get("structuredContent")):
        call.session.fail(f"the recording of `{call.tool}` does not fit the output schema that its server has today")


def is_result(value: Json) -> bool:
    """Whether a recorded value is the result of a call as MCP writes it."""
    return isinstance(value, dict) and value.keys() <= _RESULT and _is_content(value.get("content"))


def _is_content(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and _BLOCKS.get(item.get("type", ""), "") in item for item in value
    )


def blocks(value: Json) -> list[dict[str, Json]]:
    """A recorded value as content: that itself, or text, of each item of a list."""
    if value is None:
        return []
    if isinstance(value, list):
        return value if value and _is_content(value) else [block for item in value for block in blocks(item)]
    return [
        {"type": "text", "text": value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)}
    ]


def _text(raw: Mapping[str, Json]) -> str:
    return "\n".join(block["text"] for block in raw.get("content", []) if block.get("type") == "text")


PATCHES = {
    "mcp.client.session": _patch,
    "mcp.client.stdio": functools.partial(patch_transport, names=("stdio_client",)),
    "mcp.client.sse": functools.partial(patch_transport, names=("sse_client",)),
    "mcp.client.websocket": functools.partial(patch_transport, names=("websocket_client",)),
    "mcp.client.streamable_http": functools.partial(
        patch_transport, names=("streamable_http_client", "streamablehttp_client")
    ),
}
