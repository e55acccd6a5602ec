"""Recorded errors of a model's API: which status they have, and how the SDK is kept from sleeping before it retries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmResponse
from pytest_agent_replay.llm.neutral import ModelRequest, error_spec
from pytest_agent_replay.llm.reading import content_text, json_object
from pytest_agent_replay.player.http import Failure, HttpReply

__all__ = ["error_message", "error_status", "read_error", "transport_failure", "without_back_off"]

_STATUS_OF_ERROR = {
    "BadRequestError": 400,
    "ValidationException": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "AccessDeniedException": 403,
    "NotFoundError": 404,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ConflictError": 409,
    "RequestTooLargeError": 413,
    "UnprocessableEntityError": 422,
    "ModelErrorException": 424,
    "RateLimitError": 429,
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "InternalServerError": 500,
    "InternalServerException": 500,
    "ServiceUnavailableError": 503,
    "ServiceUnavailableException": 503,
    "DeadlineExceededError": 504,
    "OverloadedError": 529,
    "APIConnectionError": 0,
    "APITimeoutError": 0,
    "ConnectTimeoutError": 0,
    "ReadTimeoutError": 0,
    "EndpointConnectionError": 0,
    "ConnectionClosedError": 0,
}


def error_status(answer: LlmResponse) -> int:
    """The HTTP status that the answer is given out with; 0 is a failure below HTTP.

    An error that came in the middle of an answer (status 200) and one without a status go by the error's type or its
    `code`, else they are a 500.
    """
    if answer.error is None:
        return 200 if answer.status is None else answer.status
    if answer.status is not None and not 200 <= answer.status < 400:
        return answer.status
    spec = error_spec(answer)
    code = spec.attributes.get("code") if spec is not None else None
    return _STATUS_OF_ERROR.get(_class_name(spec), code if isinstance(code, int) and 400 <= code < 600 else 500)


def error_message(answer: LlmResponse) -> str:
    """The recorded text of an error; empty when there is none."""
    spec = error_spec(answer)
    if spec is not None and spec.message:
        return spec.message
    return content_text(answer.content)


def transport_failure(answer: LlmResponse) -> HttpReply:
    """The reply to a request that failed below HTTP; a refused connection when the recording does not say how."""
    return HttpReply(failure=_failure(error_spec(answer)), message=error_message(answer) or None)


def _class_name(spec: ErrorSpec | None) -> str:
    return (spec.type or "").rpartition(".")[2] if spec is not None else ""


def _failure(spec: ErrorSpec | None) -> Failure:
    told = f"{_class_name(spec)} {spec.message}".lower() if spec is not None else ""
    if "timeout" in told or "timed out" in told:
        return "read_timeout"
    if "reset" in told:
        return "reset"
    if "resolv" in told or "name or service" in told or "getaddrinfo" in told:
        return "dns"
    return "refused"


def without_back_off(headers: list[tuple[str, str]], longest_s: float = math.inf) -> list[tuple[str, str]]:
    """The headers with a wait of 1 ms before a retry: the SDK sleeps for real, and recorded latency is virtual.

    An SDK that is told to wait more than `longest_s` seconds gives up: such a wait stays, so that it still does.
    """
    told = {name.lower(): value for name, value in headers}
    if max(_seconds(told.get("retry-after-ms")) / 1000, _seconds(told.get("retry-after"))) > longest_s:
        return headers
    return [*(pair for pair in headers if pair[0].lower() != "retry-after-ms"), ("retry-after-ms", "1")]


def _seconds(value: str | None) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return 0.0


def read_error(
    status: int, body: bytes, request: ModelRequest, error_body: Callable[[LlmResponse], dict[str, Any]]
) -> LlmResponse:
    """A live error. Its body is kept as `content` where it says more than `error_body` makes of status and message."""
    data = json_object(body)
    answer = LlmResponse(model=request.model, status=status, error=_told(data or {}) or _raw_text(body))
    if data is None or _lasting(data) == _lasting(error_body(answer)):
        return answer
    return answer.model_copy(update={"content": data})


def _told(data: dict[str, Any]) -> str:
    error = data.get("error")
    message = error.get("message") if isinstance(error, dict) else error or data.get("message") or data.get("Message")
    return message if isinstance(message, str) else ""


def _raw_text(body: bytes) -> str:
    return body.decode("utf-8", "replace")[:2000]


def _lasting(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is another at each request."""
    return {key: value for key, value in body.items() if key != "request_id"}
