"""Requests and variables of observability tools: they must neither leave the machine nor disturb a replay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from urllib.parse import urlsplit

from pytest_agent_replay.late import late_pattern
from pytest_agent_replay.player.environment import SharedVariables
from pytest_agent_replay.player.http import HttpRequest

__all__ = ["TELEMETRY_ENV", "is_telemetry", "is_telemetry_host", "telemetry_switched_off"]

TELEMETRY_ENV = {
    "LANGSMITH_TRACING": ("langsmith", "false"),
    "LANGSMITH_TRACING_V2": ("langsmith", "false"),
    "LANGCHAIN_TRACING_V2": ("langsmith", "false"),
    "OTEL_SDK_DISABLED": ("opentelemetry", "true"),
    "LANGFUSE_TRACING_ENABLED": ("langfuse", "false"),
    "TRACELOOP_TELEMETRY": ("traceloop", "false"),
    "CREWAI_DISABLE_TELEMETRY": ("crewai", "true"),
    "ANONYMIZED_TELEMETRY": ("chromadb", "false"),
    "AGNO_TELEMETRY": ("agno", "false"),
    "HAYSTACK_TELEMETRY_ENABLED": ("haystack", "False"),
    "DD_TRACE_ENABLED": ("ddtrace", "false"),
    "LITELLM_LOCAL_MODEL_COST_MAP": ("litellm", "true"),
    "DO_NOT_TRACK": ("", "1"),
}
"""Variable → the package that heeds it ("": several do) and the value that switches its telemetry off, as each project
documents it. Set while a replay runs, as far as the package is installed."""

_INTAKES = late_pattern(
    r"""(^|\.)(
        ingest(\.[a-z]+)?\.sentry\.io | (intake|trace\.agent|http-intake\.logs|llmobs-intake)
          \.[a-z0-9.]*datadoghq\.(com|eu)
        | otlp\.arize\.com | otlp\.agentops\.ai | api\.traceloop\.com | logfire(-[a-z]+)?\.pydantic\.dev
        | telemetry\.crewai\.com | api\.honeycomb\.io | api\.segment\.io | api\.mixpanel\.com
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
"""Hosts that do nothing else than to take telemetry in."""

_SERVICES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (late_pattern(rf"(^|\.){host}$", re.IGNORECASE), late_pattern(rf"^({paths})/?$"))
    for host, paths in (
        (
            r"smith\.langchain\.com",
            r"(/api)?(/v\d)?/runs(/[^/]+)?|.*/(batch|multipart|traces)|(/api)?(/v\d)?/(info|feedback)",
        ),
        (r"sentry\.io", r"/api/\d+/(envelope|store)"),
        (r"langfuse\.com", r"/api/public/(ingestion|otel/.*)"),
        (r"posthog\.com", r"/(batch|capture|e|i/v0/e|track)"),
        (
            r"datadoghq\.(com|eu)",
            r"/api/v\d/(series|logs|spans|llmobs|events|distribution_points|check_run)|/v1/input(/.*)?",
        ),
        (r"app\.phoenix\.arize\.com", r".*/v1/traces"),
        (r"api\.agentops\.ai", r".*"),
        (r"braintrust\.dev", r"/logs3|/otel/.*|/version|/api/project_logs/.*"),
        (r"trace\.wandb\.ai", r"/call/.*|/calls/.*|/otel/.*|/obj/create|/file/create"),
        (r"langwatch\.ai", r"/api/(collector|otel/.*)"),
        (r"helicone\.ai", r".*/(log|trace)(/.*)?"),
    )
)
"""Observability services whose hosts have other APIs too, and the paths of theirs that take telemetry in."""

_PATHS = late_pattern(
    r"""(?:^|/)(?:
        (?P<otlp>v1/traces | v1/metrics | v1/logs | api/public/otel/v1/traces)
        | (?P<langfuse>api/public/ingestion)
        | (?P<agents>v1/traces/ingest)
        | (?P<sentry>api/\d+/(?:envelope|store))
        | (?P<langsmith>runs/(?:batch|multipart))
    )/?$""",
    re.VERBOSE,
)
_SIGNS = {
    "otlp": (b"resourceSpans", b"resourceMetrics", b"resourceLogs", b"\x1f\x8b"),
    "agents": (b'"trace',),
    "langfuse": (b'"batch"',),
    "sentry": (b'"event_id"', b'"sent_at"', b'"dsn"', b"\x1f\x8b"),
    "langsmith": (b'"post"', b'"patch"', b"form-data", b"trace_id", b"\x28\xb5\x2f\xfd"),
}
"""What the body of such a request has: on a host of somebody's own, a path is not enough to go by."""


def is_telemetry_host(host: str) -> bool:
    """Whether this host belongs to an observability service."""
    return _INTAKES.search(host) is not None or any(pattern.search(host) for pattern, _ in _SERVICES)


def is_telemetry(request: HttpRequest) -> bool:
    """Whether a request only reports what the agent does: OTLP, LangSmith, Langfuse, Sentry, Datadog and the like.

    Other requests to such services (a query, a change) are none.
    """
    parts = urlsplit(request.url)
    host, method = parts.hostname or "", request.method.upper()
    if method not in ("POST", "PUT", "PATCH"):
        return method == "GET" and parts.path.endswith(("/info", "/version")) and is_telemetry_host(host)
    if _INTAKES.search(host) is not None:
        return True
    for pattern, paths in _SERVICES:
        if pattern.search(host) is not None:
            return paths.match(parts.path) is not None
    found = _PATHS.search(parts.path)
    if found is None or method != "POST":
        return False
    if "protobuf" in (request.header("content-type") or ""):
        return True
    return any(sign in request.body[:65536] for sign in _SIGNS[found.lastgroup or "otlp"])


@cache
def _switches() -> Mapping[str, str]:
    return {name: value for name, (package, value) in TELEMETRY_ENV.items() if not package or find_spec(package)}


_shared = SharedVariables(_switches)


def telemetry_switched_off() -> AbstractContextManager[None]:
    """Inside, the variables of `TELEMETRY_ENV` are set."""
    return _shared.set()
