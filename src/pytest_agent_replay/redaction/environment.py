"""Keys in use: the values of environment variables that are named like keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pytest_agent_replay.redaction.spans import is_placeholder

__all__ = ["keys_in_use"]

_NAMED = re.compile(
    r".*(API_?KEY|SECRET|SECRET_KEY|ACCESS_KEY(_ID)?|PRIVATE_KEY|SIGNING_KEY|ENCRYPTION_KEY|TOKEN|PASSWORD|PASSWD"
    r"|CREDENTIALS?|_DSN|CONNECTION_STRING)",
    re.IGNORECASE,
)
_LEAST = 8


def keys_in_use(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables and their values, those that are too short to be found in texts left out."""
    env = os.environ if environment is None else environment
    return {name: value for name, value in env.items() if _is_key(name, value)}


def _is_key(name: str, value: str) -> bool:
    return (
        len(value) >= _LEAST
        and _NAMED.fullmatch(name) is not None
        and not is_placeholder(value)
        and not _is_path(value)
    )


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~", ".")) or ("://" not in value and os.sep in value and os.path.exists(value))
