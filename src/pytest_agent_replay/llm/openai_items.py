"""Recorded answers in the words of OpenAI's responses API (whole, streamed, as errors), and live ones read.

Formats: https://platform.openai.com/docs/api-reference/responses and …/responses-streaming.

- Texts that follow each other are the contents of one message; a text with `message: N` begins another, and `phase`
  is kept. A thought is a reasoning item with one summary, unless the recording has `summaries` or `content`.
- Ids of items are made up. Of what a hosted tool does, a stream has the item at its beginning and end alone.
- A response that failed (`status: failed`, with HTTP status 200) is an error with status 200, and fails so again; so
  does one whose stream ended in an `error` event.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse, RecordedToolCall, Usage
from pytest_agent_replay.llm.failures import error_message
from pytest_agent_replay.llm.neutral import ModelRequest, error_spec
from pytest_agent_replay.llm.openai_answers import openai_headers
from pytest_agent_replay.llm.parts import Part, answer_of, finish_reason, parts_of
from pytest_agent_replay.llm.reading import clean, dicts, json_object, tool_call
from pytest_agent_replay.llm.rendering import CREATED, IdMaker, arguments_text, json_reply, pieces, stream_reply
from pytest_agent_replay.llm.sse import sse_data, sse_event
from pytest_agent_replay.player.http import HttpReply

__all__ = ["read_response", "response_answer", "response_reply"]

_WIRE = "openai.responses"
_INCOMPLETE = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "max_messages": "max_messages",
    "steered": "steered",
}
_ECHOED: dict[str, Any] = {
    "background": False,
    "conversation": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What the API says again of the request, with its defaults."""


def response_reply(answer: LlmResponse, request: ModelRequest, status: int) -> HttpReply:
    """The answer, whole or streamed; one with an error has failed."""
    response = _response(answer, request)
    if not request.stream:
        return json_reply(status, openai_headers(answer, response["id"], "application/json"), response)
    headers = openai_headers(answer, response["id"], "text/event-stream; charset=utf-8")
    events = (event | {"sequence_number": number} for number, event in enumerate(_events(response)))
    return stream_reply(status, headers, (sse_event(event, event["type"]) for event in events))


def _response(answer: LlmResponse, request: ModelRequest) -> dict[str, Any]:
    made_id = IdMaker(answer, request, json.dumps([request.raw.get(key) for key in ("previous_response_id", "input")]))
    reason = None if answer.refusal else _INCOMPLETE.get(finish_reason(answer))
    status = "failed" if answer.error is not None else "incomplete" if reason else "completed"
    output = list(_items(answer, request, made_id))
    if status == "incomplete" and output and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    return {
        "id": made_id("resp_", length=48),
        "object": "response",
        "created_at": CREATED,
        "completed_at": CREATED if status == "completed" else None,
        "status": status,
        "error": _failure(answer) if status == "failed" else None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "model": answer.model or request.model or "recorded",
        "output": output,
        **{key: default if request.raw.get(key) is None else request.raw[key] for key, default in _ECHOED.items()},
        "conversation": _conversation(request.raw.get("conversation")),
        "usage": None if status == "failed" else _usage(answer.usage),
    }


def _conversation(given: Any) -> Any:
    return {"id": given} if isinstance(given, str) else given


def _failure(answer: LlmResponse) -> dict[str, Any]:
    spec = error_spec(answer)
    code = spec.attributes.get("code") if spec is not None else None
    return {"code": code or "server_error", "message": error_message(answer)}


def _usage(usage: Usage | None) -> dict[str, Any]:
    known = usage or Usage()
    given, made = known.input_tokens or 0, known.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": known.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": known.reasoning_tokens or 0},
        "total_tokens": known.total_tokens if known.total_tokens is not None else given + made,
    }


# -- items


def _items(answer: LlmResponse, request: ModelRequest, made_id: IdMaker) -> Iterator[dict[str, Any]]:
    custom = {tool.get("name") for tool in request.raw.get("tools") or () if tool.get("type") == "custom"}
    for index, (_, group) in enumerate(itertools.groupby(_numbered(parts_of(answer)), key=lambda pair: pair[0])):
        parts = [part for _, part in group]
        call = parts[0].call
        if call is not None:
            yield _call_item(call, parts[0], index, custom, made_id)
        elif parts[0].kind == "reasoning":
            yield _reasoning_item(parts[0], made_id(f"rs_{index:02}", f"item {index}", 46))
        elif parts[0].kind == "own":
            block = parts[0].block(_WIRE, "type")
            yield from [block] if block is not None else []
        else:
            yield _message(parts, made_id(f"msg_{index:02}", f"item {index}", 46))


def _numbered(parts: list[Part]) -> Iterator[tuple[int, Part]]:
    """Each part with the number of its item."""
    number, message = -1, None
    for part in parts:
        said = (part.own.get("phase"), part.own.get("message"))
        if message is None or not (part.kind == "refusal" or (part.kind == "text" and said == message)):
            number += 1
            message = said if part.kind in ("text", "refusal") else None
        yield number, part


def _message(parts: list[Part], made_id: str) -> dict[str, Any]:
    content = [_content(part) for part in parts]
    item = {"id": made_id, "type": "message", "status": "completed", "role": "assistant", "content": content}
    return item | clean(phase=parts[0].own.get("phase"))


def _content(part: Part) -> dict[str, Any]:
    if part.kind == "refusal":
        return {"type": "refusal", "refusal": part.text}
    own = {key: part.own.get(key) or [] for key in ("annotations", "logprobs")}
    return {"type": "output_text", **own, "text": part.text}


def _call_item(call: RecordedToolCall, part: Part, index: int, custom: set[Any], made_id: IdMaker) -> dict[str, Any]:
    call_id = call.id or made_id("call_", f"call {index}", 24)
    more = {key: part.own[key] for key in ("caller", "namespace") if key in part.own}
    if call.name in custom:
        kind, prefix, said = "custom_tool_call", "ctc", {"input": arguments_text(call)}
    else:
        kind, prefix, said = "function_call", "fc", {"arguments": arguments_text(call)}
    item = {"id": made_id(f"{prefix}_{index:02}", f"item {index}", 46), "type": kind, "status": "completed"}
    return item | {"call_id": call_id, "name": call.name} | said | more


def _reasoning_item(part: Part, made_id: str) -> dict[str, Any]:
    content, default = part.own.get("content"), [part.text] if part.text else []
    texts = part.own.get("summaries", [] if content else default)
    item: dict[str, Any] = {"id": made_id, "type": "reasoning"}
    item["summary"] = [{"type": "summary_text", "text": text} for text in texts]
    if content:
        item["content"] = [{"type": "reasoning_text", "text": text} for text in content]
    return item | {key: part.own[key] for key in ("encrypted_content",) if key in part.own}


# -- streams


def _events(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a stream in the documented order, without their numbers."""
    begun = response | {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
    begun |= {"error": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        empty, events = _item_events(item)
        yield {"type": "response.output_item.added", "output_index": index, "item": empty}
        yield from (event | {"output_index": index, "item_id": item.get("id")} for event in events)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def _item_events(item: dict[str, Any]) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """The item as it begins, and what comes until it is done."""
    kind, open_ = item["type"], {"status": "in_progress"}
    if kind == "message":
        return item | open_ | {"content": []}, _content_events(item["content"])
    if kind == "reasoning":
        return item | {"summary": []} | ({"content": []} if "content" in item else {}), _reasoning_events(item)
    if kind == "function_call":
        return item | open_ | {"arguments": ""}, _written(item, "function_call_arguments", "arguments")
    if kind == "custom_tool_call":
        return item | open_ | {"input": ""}, _written(item, "custom_tool_call_input", "input")
    return (item | open_ if "status" in item else item), iter(())


def _written(item: dict[str, Any], event: str, key: str) -> Iterator[dict[str, Any]]:
    yield from ({"type": f"response.{event}.delta", "delta": piece} for piece in pieces(item[key]))
    yield {"type": f"response.{event}.done", key: item[key], "name": item["name"]}


def _content_events(content: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(content):
        key, name = ("text", "output_text") if part["type"] == "output_text" else (part["type"], part["type"])
        if name == "reasoning_text":
            key = "text"
        at = {"content_index": index}
        logprobs: dict[str, Any] = {"logprobs": []} if name == "output_text" else {}
        blank = part | {key: ""} | ({"annotations": [], **logprobs} if name == "output_text" else {})
        yield {"type": "response.content_part.added", **at, "part": blank}
        for piece in pieces(part[key]):
            yield {"type": f"response.{name}.delta", **at, "delta": piece, **logprobs}
        for number, annotation in enumerate(part.get("annotations") or ()):
            added = {"annotation_index": number, "annotation": annotation}
            yield {"type": "response.output_text.annotation.added", **at, **added}
        yield {"type": f"response.{name}.done", **at, key: part[key], **logprobs}
        yield {"type": "response.content_part.done", **at, "part": part}


def _reasoning_events(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for index, summary in enumerate(item["summary"]):
        at = {"summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", **at, "part": summary | {"text": ""}}
        for piece in pieces(summary["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **at, "text": summary["text"]}
        yield {"type": "response.reasoning_summary_part.done", **at, "part": summary}
    yield from _content_events(item.get("content") or [])


# -- live answers


def read_response(body: bytes, request: ModelRequest) -> LlmResponse | None:
    """A live answer, put together again when it was streamed. Raises one of `UNREADABLE`."""
    if request.stream:
        return _from_events([event for data in sse_data(body) if (event := json_object(data)) is not None])
    return response_answer(json_object(body) or {})


def _from_events(events: list[dict[str, Any]]) -> LlmResponse | None:
    response: dict[str, Any] = {}
    items: dict[int, dict[str, Any]] = {}
    texts: dict[int, str] = {}
    for event in events:
        kind = event.get("type")
        if isinstance(event.get("response"), dict):
            response = event["response"]
        elif kind == "response.output_item.done":
            items[event["output_index"]] = event["item"]
        elif kind == "response.output_text.delta":
            texts[event["output_index"]] = texts.get(event["output_index"], "") + event["delta"]
        elif kind == "error":
            told = event.get("error") if isinstance(event.get("error"), dict) else event
            response = response | {"status": "failed", "error": told}
    for index, text in texts.items():
        items.setdefault(index, {"type": "message", "content": [{"type": "output_text", "text": text}]})
    return response_answer(response | {"output": response.get("output") or [items[index] for index in sorted(items)]})


def response_answer(response: dict[str, Any]) -> LlmResponse | None:
    """The answer that a response of the API is; None when it has no `status` or no `output` items.

    Raises one of `UNREADABLE` when an item has not the documented form.
    """
    if "status" not in response or not isinstance(response.get("output"), list):
        return None
    usage = response.get("usage")
    answer = answer_of(
        list(_parts(dicts(response["output"]))),
        model=response.get("model"),
        usage=_read_usage(usage) if isinstance(usage, dict) else None,
        finish_reason=_read_reason(response),
    )
    error = response.get("error")
    if response["status"] != "failed" or not isinstance(error, dict):
        return answer
    kind = "RateLimitError" if error.get("code") == "rate_limit_exceeded" else "InternalServerError"
    told = ErrorSpec(
        type=f"openai.{kind}", message=str(error.get("message") or ""), attributes=clean(code=error.get("code"))
    )
    return answer.model_copy(update={"status": 200, "error": told, "finish_reason": None})


def _read_reason(response: dict[str, Any]) -> str | None:
    if response["status"] == "incomplete":
        return (response.get("incomplete_details") or {}).get("reason") or "incomplete"
    return "completed" if response["status"] == "completed" else None


def _parts(items: list[dict[str, Any]]) -> Iterator[Part]:
    last: Any = None
    for index, item in enumerate(items):
        kind, phase = item.get("type"), item.get("phase")
        more = {key: item[key] for key in ("caller", "namespace") if item.get(key)}
        if kind == "message":
            own = clean(phase=phase, message=index if last == (kind, phase) else None)
            yield from (_read_content(part, own) for part in dicts(item["content"]))
        elif kind == "function_call":
            read = tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))
            yield Part("call", call=RecordedToolCall(**read), own=more)
        elif kind == "custom_tool_call":
            call = RecordedToolCall(id=item.get("call_id"), name=item["name"], raw_args=item["input"])
            yield Part("call", call=call, own=more)
        elif kind == "reasoning":
            yield _read_reasoning(item)
        else:
            yield Part("own", own={"of": _WIRE, "block": item})
        last = kind, phase


def _read_content(part: dict[str, Any], own: dict[str, Any]) -> Part:
    if part.get("type") == "refusal":
        return Part("refusal", part["refusal"])
    return Part("text", part["text"], own=own | {k: part[k] for k in ("annotations", "logprobs") if part.get(k)})


def _read_reasoning(item: dict[str, Any]) -> Part:
    summaries = [summary["text"] for summary in dicts(item.get("summary"))]
    content = [text["text"] for text in dicts(item.get("content"))]
    own = clean(
        summaries=summaries if len(summaries) > 1 or (content and summaries) else None,
        content=content or None,
        encrypted_content=item.get("encrypted_content"),
    )
    return Part("reasoning", "\n\n".join(summaries or content), own=own)


def _read_usage(usage: dict[str, Any]) -> Usage:
    return Usage(
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        total_tokens=usage.get("total_tokens"),
        cached_tokens=(usage.get("input_tokens_details") or {}).get("cached_tokens"),
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("reasoning_tokens"),
    )
