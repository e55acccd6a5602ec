"""Whether a value that a tool returned says that the tool failed."""

from __future__ import annotations

import re
from typing import Any

from pytest_agent_replay.sources.failures.reprs import python_value

__all__ = ["error_in"]

_ERROR_TEXT = re.compile(
    r"\s*(?:(?:error|exception|failed|failure|fatal)\s*(?::|\s-\s)"
    r"|error \d+\b|error (?:executing|calling|while|during|in|occurred)\b"
    r"|an? (?:\w+ )?error (?:occurred|happened)\b"
    r"|traceback \(most recent call last\)"
    r"|(?:[a-z_][\w.]*\.)?[a-z]\w*(?:error|exception)\s*(?::|\())",
    re.IGNORECASE,
)
_BEGINS_WITH_ERROR = re.compile(
    r'\s*\{\s*"(?:error|exception)"\s*:(?!\s*(?:null\b|false\b|""|\{\s*\}|\[\s*\]))', re.IGNORECASE
)
_OUTCOMES = ("success", "Success", "ok", "successful", "succeeded")
_FLAGS = ("isError", "is_error")
_ERRORS = ("error", "Error", "exception", "error_message", "errorMessage")
_WORDS_BESIDE = (*_ERRORS, "message", "Message", "detail", "reason", "msg", "title")
_ENVELOPE = frozenset(
    {*_OUTCOMES, *_FLAGS, *_WORDS_BESIDE, "status", "statusCode", "status_code", "code", "error_code", "errorCode"}
    | {"type", "error_type", "errorType", "details", "data", "result", "response", "body", "jsonrpc", "errors", "hint"}
    | {"traceback", "stack", "request_id", "requestId", "trace_id", "timestamp", "path", "retryable", "retry_after"}
)
"""What stands beside an `error` that tells of the call, not of the thing that was asked for."""
_FAILED = frozenset({"error", "failed", "failure"})
_NO_ERROR = frozenset({"", "no error", "none", "null", "ok", "success"})
_BELOW = ("data", "result", "response", "body")


def error_in(value: Any) -> str | None:
    """Why a returned value says that its tool failed, as a sentence; None when it does not say so.

    A text that begins like an error (`Error: …`, `ValueError: …`, a traceback), or a mapping (also as JSON text, or as
    Python prints it) that says so by a key of its own: `success`, `ok` or `successful` false; `isError` true; an
    `error` that is not empty, at the head of the mapping or among nothing but words about the call; `errors` of
    GraphQL without data; `status` error, failed or failure; `statusCode`, or a number as `status` or `code`, of 400
    to 599 (the latter beside a word about it). So does one mapping below `data`, `result`, `response` or `body`,
    where a text as `status` (of a payment, say) does not count.
    Other words of the domain (an order that is `cancelled`, a job with its last `error`), empty `errors` and numbers
    below `error` say nothing.
    """
    text = value if isinstance(value, str) else None
    if text is not None and text.lstrip().startswith("{"):
        value = python_value(text.strip())
    if isinstance(value, dict):
        return _of_mapping(value)
    if text is None:
        return None
    if _ERROR_TEXT.match(text) is not None:
        return "the result begins like an error"
    return "the result has `error`" if _BEGINS_WITH_ERROR.match(text) is not None else None


def _of_mapping(value: dict[Any, Any]) -> str | None:
    found = _outcome(value) or _status(value)
    if found is not None:
        return f"the result {found}"
    for key in _BELOW:
        if isinstance(value.get(key), dict) and (found := _outcome(value[key])) is not None:
            return f"the result's `{key}` {found}"
    return None


def _outcome(value: dict[Any, Any]) -> str | None:
    for key in _OUTCOMES:
        if value.get(key) is False:
            return f"says `{key}: false`"
    for key in _FLAGS:
        if value.get(key) is True:
            return f"says `{key}: true`"
    for key in _ERRORS:
        if _is_error(value.get(key)) and (next(iter(value)) == key or value.keys() <= _ENVELOPE or "jsonrpc" in value):
            return f"has `{key}`"
    errors = value.get("errors")
    if isinstance(errors, list) and errors and value.get("data") is None and all(map(_is_told, errors)):
        return "has `errors` and no data"
    return _http_status(value)


def _status(value: dict[Any, Any]) -> str | None:
    status = value.get("status")
    return f"says `status: {status}`" if isinstance(status, str) and status.lower() in _FAILED else None


def _http_status(value: dict[Any, Any]) -> str | None:
    for key in ("statusCode", "status_code", "status", "code"):
        code = value.get(key)
        is_failure = isinstance(code, int) and 400 <= code <= 599
        if is_failure and (key == "statusCode" or any(_is_error(value.get(word)) for word in _WORDS_BESIDE)):
            return f"says `{key}: {code}`"
    return None


def _is_error(error: Any) -> bool:
    """Whether what stands below `error` is one: a text, a mapping or a list that is not empty, or true."""
    if isinstance(error, str):
        return error.strip().lower() not in _NO_ERROR
    return error is True or (isinstance(error, (dict, list)) and bool(error))


def _is_told(error: Any) -> bool:
    return isinstance(error, dict) and isinstance(error.get("message"), str)
