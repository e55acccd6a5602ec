"""Placeholders for missing API keys, so that SDK clients can be built when no model will be asked.

An SDK refuses to build a client without a key, although a replay with recorded answers never uses it. A variable is
set only when nothing else gives the SDK that key, so that a choice between providers by the variables that exist is
not changed for people who have keys.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from pytest_agent_replay.player.environment import SharedVariables

__all__ = ["PLACEHOLDER", "placeholder_keys"]

PLACEHOLDER = "placeholder-set-by-pytest-agent-replay"
"""The value of a key that was set here; a provider that is asked for real refuses it by this name."""

_KEYS = (
    ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"),
    ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    # Both of Google's set at once make its SDK warn.
    ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"),
    ("MISTRAL_API_KEY",),
    ("GROQ_API_KEY",),
    ("COHERE_API_KEY", "CO_API_KEY"),
    ("DEEPSEEK_API_KEY",),
    ("OPENROUTER_API_KEY",),
    ("TOGETHER_API_KEY",),
    ("FIREWORKS_API_KEY",),
    ("XAI_API_KEY",),
)
"""The variable to set, and others that do its work."""

_AWS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_BEARER_TOKEN_BEDROCK",
)


def placeholder_keys() -> AbstractContextManager[None]:
    """Inside, the placeholders are set. Not for runs whose model is live."""
    return _shared.set()


def _missing() -> dict[str, str]:
    found = {names[0]: PLACEHOLDER for names in _KEYS if not any(os.environ.get(name) for name in names)}
    # Its mere presence turns `openai`'s module-level client into an Azure client.
    azure_is_used = os.environ.get("AZURE_OPENAI_ENDPOINT") or os.environ.get("OPENAI_API_TYPE") == "azure"
    if azure_is_used and not (os.environ.get("AZURE_OPENAI_API_KEY") or os.environ.get("AZURE_OPENAI_AD_TOKEN")):
        found["AZURE_OPENAI_API_KEY"] = PLACEHOLDER
    return found | _missing_aws() | _missing_region()


def _missing_region() -> dict[str, str]:
    """boto3 makes no client without a region either."""
    config = Path(os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config")
    known = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or config.exists()
    return {} if known else {"AWS_DEFAULT_REGION": "us-east-1"}


def _missing_aws() -> dict[str, str]:
    credentials = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    if any(os.environ.get(name) for name in _AWS) or credentials.exists():
        return {}
    return {"AWS_ACCESS_KEY_ID": PLACEHOLDER, "AWS_SECRET_ACCESS_KEY": PLACEHOLDER}


_shared = SharedVariables(_missing)
