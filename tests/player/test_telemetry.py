"""What only reports is answered with nothing; what asks or changes something is not taken for it."""

from __future__ import annotations

import pytest

from pytest_agent_replay.player.http import HttpRequest
from pytest_agent_replay.player.telemetry import is_telemetry


def request(method: str, url: str, body: bytes = b"", content_type: str = "application/json") -> HttpRequest:
    return HttpRequest("httpx", method, url, [("content-type", content_type)], body)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "https://api.smith.langchain.com/runs/multipart"),
        ("PATCH", "https://api.smith.langchain.com/runs/3c1d"),
        ("GET", "https://api.smith.langchain.com/info"),
        ("POST", "https://o42.ingest.us.sentry.io/api/17/envelope/"),
        ("POST", "https://cloud.langfuse.com/api/public/ingestion"),
        ("POST", "https://us.i.posthog.com/batch/"),
        ("POST", "https://http-intake.logs.datadoghq.eu/api/v2/logs"),
        ("POST", "https://api.datadoghq.com/api/v2/series"),
        ("POST", "https://logfire-us.pydantic.dev/v1/traces"),
        ("POST", "https://api.segment.io/v1/batch"),
    ],
)
def test_services_that_take_telemetry_in(method: str, url: str) -> None:
    """By their hosts and paths."""
    assert is_telemetry(request(method, url))


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("PUT", "https://sentry.io/api/0/issues/123/"),
        ("DELETE", "https://sentry.io/api/0/projects/shop/"),
        ("GET", "https://api.datadoghq.com/api/v1/query"),
        ("GET", "https://cloud.langfuse.com/api/public/v2/prompts/support"),
        ("POST", "https://us.i.posthog.com/flags"),
        ("POST", "https://api.smith.langchain.com/runs/query/stats"),
        ("POST", "https://logs.example.com/v1/logs"),
        ("POST", "https://billing.example.com/runs/batch"),
    ],
)
def test_other_requests_to_them_are_tools(method: str, url: str) -> None:
    """A ticket that is closed, a query, a prompt that is fetched: an empty answer would be a wrong one."""
    assert not is_telemetry(request(method, url, b'{"status": "resolved"}'))


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/v1/traces", b"\n\x07", "application/x-protobuf"),
        ("/v1/logs", b'{"resourceLogs": []}', "application/json"),
        ("/api/public/ingestion", b'{"batch": []}', "application/json"),
        ("/api/17/envelope/", b'{"event_id": "1"}\n{}', "application/x-sentry-envelope"),
        ("/runs/batch", b'{"post": []}', "application/json"),
        ("/v1/traces/ingest", b'{"data":[{"object":"trace.span"}]}', "application/json"),
    ],
)
def test_the_same_on_hosts_of_ones_own(path: str, body: bytes, content_type: str) -> None:
    """By the path and what the body has."""
    assert is_telemetry(request("POST", f"https://traces.example.com{path}", body, content_type))
