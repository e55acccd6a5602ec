"""What looks like a secret is taken out before anything is written.

Known are: the values of environment variables that are named like keys, values of fields that are named like
passwords or keys, and texts of the forms that providers give their keys. Each secret has one placeholder, `[secret 1]`,
so that a value that is handed from one tool to the next stays the same. Among a call's arguments the field is left out
instead: a recording without it answers whatever secret is in use when it is replayed.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["PLACEHOLDER", "Scrubber"]

PLACEHOLDER = re.compile(r"\[secret \d+\]")

_NAME = (
    r"passw(?:or)?d|passwd|passphrase|secret|client[_-]?secret|api[_-]?key|apikey|x-api-key|access[_-]?key"
    r"|access[_-]?token|refresh[_-]?token|id[_-]?token|auth[_-]?token|bearer[_-]?token|session[_-]?token"
    r"|private[_-]?key|secret[_-]?key|secret[_-]?access[_-]?key|signing[_-]?key|webhook[_-]?secret"
    r"|authorization|proxy-authorization|set-cookie|credentials"
)
_FIELD = re.compile(rf"(?:[a-z0-9]+[_-])*(?:{_NAME})", re.IGNORECASE)
_TOKEN = re.compile(r"(?:[a-z0-9]+[_-])*(?:token|jwt)", re.IGNORECASE)
"""Also the name of what is no secret: it counts where the value looks like one."""
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=-]{12,}")
_NO_SECRET = re.compile(r"(?i)(?:next|prev|previous|page|continuation|sync|cursor|pagination)[_-]?(?:page[_-]?)?token")
_VARIABLE = re.compile(
    r".*(API_?KEY|SECRET|SECRET_KEY|ACCESS_KEY(_ID)?|PRIVATE_KEY|SIGNING_KEY|ENCRYPTION_KEY|TOKEN|PASSWORD|PASSWD"
    r"|CREDENTIALS?|_DSN)",
    re.IGNORECASE,
)

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "private key",
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
        ),
        ("API key", r"\b((?:sk|rk|pk)[-_](?:[a-z0-9]+[-_])*[A-Za-z0-9_-]{20,})"),
        ("GitHub token", r"\b((?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}))"),
        ("Slack token", r"\b(xox[a-z]-[A-Za-z0-9-]{10,})"),
        ("Slack webhook", r"hooks\.slack\.com/services/([A-Za-z0-9/_]{20,})"),
        ("Telegram token", r"/bot(\d{6,}:[A-Za-z0-9_-]{30,})"),
        ("AWS key", r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b"),
        ("Google key", r"\b(AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,})"),
        ("GitLab token", r"\b(glpat-[A-Za-z0-9_-]{20,})"),
        ("Hugging Face token", r"\b(hf_[A-Za-z0-9]{30,})"),
        ("JWT", r"\b(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"),
        ("authorization", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/-]{16,}=*)"),
        ("password in a URL", r"[a-z][a-z0-9+.-]*://[^\s/:@]*:([^\s/@]+)@"),
        ("secret in a URL", rf"(?i)[?&](?:[a-z0-9]+[_-])*(?:{_NAME}|sig|signature|key|token)=([^\s&#\"'<>]{{8,}})"),
        (
            "secret field",
            rf"(?i)[\"'](?:[a-z0-9]+[_-])*(?:{_NAME})\\?[\"']\s*:\s*\\?[\"']([^\"'\\]{{6,}})",
        ),
    )
)
"""Of each the first group is the secret."""

_MOST_CACHED = 10_000
_LEAST = 8
"""A shorter value stands in too many texts that have nothing to do with it."""
_HARMLESS = re.compile(r"(?i)(true|false|none|null|default|disabled|enabled|required|optional|changeme|\*+|\.+|x+)")


class Scrubber:
    """Takes secrets out of JSON values; what was found once is known from then on."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        self.in_use = {name: value for name, value in env.items() if _is_key(name, value)}
        """Variables of the environment that hold a key, with their values."""
        self._written = [(name, {value, json.dumps(value)[1:-1]}) for name, value in self.in_use.items()]
        """How they look in a file."""
        self._taken: set[str] = set()
        """Secrets that were met in what was cleaned."""
        self._cache: dict[str, str] = {}
        """Conversations repeat their texts in every request."""
        self._placeholders: dict[str, str] = {}
        self._known: re.Pattern[str] | None = None
        self._kinds: dict[str, str] = {}
        for name, value in self.in_use.items():
            for form in (value, quote(value, safe=""), quote_plus(value)):
                self._learn(form, f"value of {name}", alike=value)

    @property
    def found(self) -> dict[str, int]:
        """How many secrets were taken out, by their kind."""
        return dict(sorted(Counter(self._kinds[secret] for secret in self._taken).items()))

    def clean(self, value: Any) -> Any:
        """The JSON value with a placeholder for each secret."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(str(key)): self._field(str(key), item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(item) for item in value]
        return value

    def arguments(self, args: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Arguments of a call without the fields that hold a secret, and the paths of these."""
        left_out: list[str] = []
        return self._arguments(args, "", left_out), left_out

    def _arguments(self, args: Mapping[str, Any], path: str, left_out: list[str]) -> dict[str, Any]:
        kept = {}
        for key, item in args.items():
            where = f"{path}/{key}"
            cleaned = self._field(key, item)
            if isinstance(item, Mapping) and isinstance(cleaned, Mapping):
                kept[key] = self._arguments(item, where, left_out)
            elif cleaned == item:
                kept[key] = item
            else:
                left_out.append(where)
        return kept

    def route(self, name: str) -> str:
        """The name of an HTTP tool; `*` stands for a secret in its path, and matches any."""
        return PLACEHOLDER.sub("*", self._text(name))

    def leaks(self, text: str) -> list[str]:
        """The variables of the environment whose value stands in a text that is about to be written."""
        return [name for name, forms in self._written if any(form in text for form in forms)]

    # -- finding

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, str) and _names_secret(key, value) and not PLACEHOLDER.fullmatch(value):
            self._learn(value, f"field {key.lower()}")
            self._taken.add(value)
            return self._placeholders[value]
        return self.clean(value)

    def _text(self, text: str) -> str:
        found = self._cache.get(text)
        if found is None:
            found = self._searched(text)
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[text] = found
        return found

    def _searched(self, text: str) -> str:
        for kind, form in _FORMS:
            for match in form.finditer(text):
                secret = match[1]
                if not PLACEHOLDER.search(secret) and secret not in self._placeholders and _is_secret(secret):
                    self._learn(secret, kind)
        if self._known is None:
            return text
        return self._known.sub(self._replaced, text)

    def _replaced(self, match: re.Match[str]) -> str:
        self._taken.add(match[0])
        return self._placeholders[match[0]]

    def _learn(self, secret: str, kind: str, alike: str | None = None) -> None:
        if secret in self._placeholders:
            return
        number = len(set(self._placeholders.values())) + 1
        self._placeholders[secret] = self._placeholders.get(alike or secret, f"[secret {number}]")
        self._kinds[secret] = kind
        known = [each for each in self._placeholders if len(each) >= _LEAST]
        known.sort(key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        self._cache.clear()


def _is_key(name: str, value: str) -> bool:
    return len(value) >= _LEAST and _VARIABLE.fullmatch(name) is not None and _is_secret(value) and not _is_path(value)


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~", ".")) or ("://" not in value and os.sep in value and os.path.exists(value))


def _names_secret(key: str, value: str) -> bool:
    if _FIELD.fullmatch(key):
        return _is_secret(value)
    return bool(_TOKEN.fullmatch(key) and not _NO_SECRET.fullmatch(key) and _RANDOM.fullmatch(value))


def _is_secret(value: str) -> bool:
    return len(value) >= 4 and _HARMLESS.fullmatch(value) is None
