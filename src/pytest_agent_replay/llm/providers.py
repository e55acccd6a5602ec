"""Whether a request is addressed to a model provider: by its host, its SDK or its signature."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from pytest_agent_replay.player.http import HttpRequest

__all__ = ["is_for_provider"]

_HOSTS = re.compile(
    r"""(^|\.)(
        openai\.com | openai\.azure\.com | (services|cognitiveservices)\.azure\.com | ai\.azure\.com | openrouter\.ai
        | anthropic\.com | (generativelanguage|aiplatform)\.googleapis\.com
        | bedrock(-[a-z]+)*\.[a-z0-9-]+\.amazonaws\.com
        | mistral\.ai | groq\.com | cohere\.(com|ai) | deepseek\.com | together\.(xyz|ai) | fireworks\.ai | x\.ai
        | perplexity\.ai | cerebras\.ai | voyageai\.com | jina\.ai | huggingface\.co | nvidia\.com
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_REGIONAL = re.compile(r"-aiplatform\.googleapis\.com$", re.IGNORECASE)
_SDKS = re.compile(
    r"^((Async)?(Azure)?(OpenAI|Anthropic)|litellm|google-genai-sdk|mistral-client|Groq|cohere|ollama-python)\b",
    re.IGNORECASE,
)
_BASE_URLS = (
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "AZURE_OPENAI_ENDPOINT",
    "ANTHROPIC_BASE_URL",
    "GOOGLE_GEMINI_BASE_URL",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "LITELLM_PROXY_API_BASE",
)
"""Variables by which the SDKs are told of another host, as each documents it."""


def is_for_provider(request: HttpRequest) -> bool:
    """Whether the host is a model provider's, or the caller one of their SDKs, wherever it was told to go."""
    host = _host_of(request.url)
    return (
        _HOSTS.search(host) is not None
        or _REGIONAL.search(host) is not None
        or _SDKS.match(request.header("user-agent") or "") is not None
        or "/bedrock/aws4_request" in (request.header("authorization") or "")
        or any(_server_of(request.url) == _server_of(os.environ[name]) for name in _BASE_URLS if os.environ.get(name))
    )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _server_of(url: str) -> tuple[str, int | None] | None:
    """Host and port: a tool may be served beside a model, on another port of the same host."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
