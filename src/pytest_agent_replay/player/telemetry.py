"""Requests and variables of observability tools: they must neither leave the machine nor disturb a replay."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from urllib.parse import urlsplit

__all__ = ["TELEMETRY_ENV", "is_telemetry", "is_telemetry_host", "telemetry_switched_off"]

TELEMETRY_ENV = {
    "LANGSMITH_TRACING": ("langsmith", "false"),
    "LANGSMITH_TRACING_V2": ("langsmith", "false"),
    "LANGCHAIN_TRACING_V2": ("langsmith", "false"),
    "OTEL_SDK_DISABLED": ("opentelemetry", "true"),
    "LANGFUSE_TRACING_ENABLED": ("langfuse", "false"),
    "OPENAI_AGENTS_DISABLE_TRACING": ("agents", "1"),
    "TRACELOOP_TELEMETRY": ("traceloop", "false"),
    "CREWAI_DISABLE_TELEMETRY": ("crewai", "true"),
    "ANONYMIZED_TELEMETRY": ("chromadb", "false"),
    "AGNO_TELEMETRY": ("agno", "false"),
    "HAYSTACK_TELEMETRY_ENABLED": ("haystack", "False"),
    "DD_TRACE_ENABLED": ("ddtrace", "false"),
    "DO_NOT_TRACK": ("", "1"),
}
"""Variable → the package that heeds it ("": several do) and the value that switches its telemetry off, as each project
documents it. Set while a replay runs, as far as the package is installed."""

_HOSTS = re.compile(
    r"""(^|\.)(
        smith\.langchain\.com | ingest(\.[a-z]+)?\.sentry\.io | sentry\.io | cloud\.langfuse\.com | posthog\.com
        | (intake|trace\.agent|http-intake\.logs|api)\.[a-z0-9.]*datadoghq\.(com|eu) | api\.honeycomb\.io
        | app\.phoenix\.arize\.com | otlp\.arize\.com | api\.traceloop\.com | logfire(-[a-z]+)?\.pydantic\.dev
        | api\.segment\.io | api\.mixpanel\.com | api\.agentops\.ai | otlp\.agentops\.ai | telemetry\.crewai\.com
        | braintrust\.dev | trace\.wandb\.ai | app\.langwatch\.ai | api\.helicone\.ai
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_PATHS = re.compile(
    r"""(^|/)(
        v1/traces | v1/metrics | v1/logs | v1/traces/ingest | api/public/ingestion | api/public/otel/v1/traces
        | api/\d+/(envelope|store) | runs/batch | runs/multipart
    )/?$""",
    re.VERBOSE,
)


def is_telemetry_host(host: str) -> bool:
    """Whether this host belongs to an observability service."""
    return _HOSTS.search(host) is not None


def is_telemetry(method: str, url: str) -> bool:
    """Whether a request only reports what the agent does: OTLP, LangSmith, Langfuse, Sentry, Datadog and the like."""
    parts = urlsplit(url)
    if is_telemetry_host(parts.hostname or ""):
        return True
    return method.upper() == "POST" and _PATHS.search(parts.path) is not None


@cache
def _switches() -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, (package, value) in TELEMETRY_ENV.items() if not package or find_spec(package))


_lock = threading.Lock()
_users = 0
_before: dict[str, str | None] = {}


@contextmanager
def telemetry_switched_off() -> Iterator[None]:
    """Inside, the variables of `TELEMETRY_ENV` are set. The process has one environment: the last user puts it back."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            for name, value in _switches():
                before = os.environ.get(name)
                if before != value:
                    _before[name] = before
                    os.environ[name] = value
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                for name, before in _before.items():
                    if before is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = before
                _before.clear()
