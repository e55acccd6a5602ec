"""What is redacted, as the configuration says it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from pytest_agent_replay.errors import SettingsError

__all__ = [
    "ADDRESSES",
    "BIRTH_DATES",
    "CARDS",
    "EMAILS",
    "IBANS",
    "IPS",
    "NAMES",
    "PHONES",
    "SECRETS",
    "SSNS",
    "Rules",
]

SECRETS = "secrets"
EMAILS = "e-mail addresses"
PHONES = "phone numbers"
CARDS = "payment cards"
IBANS = "IBANs"
SSNS = "social security numbers"
IPS = "IP addresses"
NAMES = "names"
ADDRESSES = "addresses"
BIRTH_DATES = "dates of birth"

PERSONAL = frozenset((EMAILS, PHONES, CARDS, IBANS, SSNS, IPS, NAMES, ADDRESSES, BIRTH_DATES))
"""All kinds but secrets."""
_KINDS = (SECRETS, EMAILS, PHONES, CARDS, IBANS, SSNS, IPS, NAMES, ADDRESSES, BIRTH_DATES)


@dataclass(frozen=True, slots=True)
class Rules:
    """Which kinds are redacted, what is left as it is, and what is redacted besides."""

    off: frozenset[str] = frozenset()
    """Kinds that are left: `secrets`, `e-mail addresses`, `phone numbers`, `payment cards`, `IBANs`,
    `social security numbers`, `IP addresses`, `names`, `addresses`, `dates of birth`."""
    allow: frozenset[str] = frozenset()
    """Values that are nobody's, such as the address of the shop itself."""
    allow_patterns: tuple[re.Pattern[str], ...] = ()
    """Values that match one of these as a whole are left."""
    allow_paths: tuple[str, ...] = ()
    """JSON pointers (with `*`) of what is left as it is."""
    allow_tools: frozenset[str] = frozenset()
    """Tools whose arguments and results are left as they are."""
    patterns: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """Further forms of secrets by the name of their kind; the first group, if there is one, is the secret."""
    secret_fields: frozenset[str] = frozenset()
    """Further names of fields whose values are secrets."""
    name_fields: frozenset[str] = frozenset()
    """Further names of fields that hold names of people."""
    address_fields: frozenset[str] = frozenset()
    """Further names of fields that hold a street or a whole address."""
    birth_date_fields: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    """Further names of objects whose `name` is that of a person."""
    roles: Mapping[str, str] = field(init=False, default_factory=dict)
    """What the further fields hold, by their name."""

    def __post_init__(self) -> None:
        own = (
            (self.people, "somebody"),
            (self.birth_date_fields, "birth date"),
            (self.address_fields, "address"),
            (self.name_fields, "name"),
        )
        object.__setattr__(self, "roles", {name: role for names, role in own for name in names})

    @classmethod
    def read(cls, data: Mapping[str, Any], where: str = "redaction") -> Rules:
        """The rules of a configuration's mapping, with the names of the fields above.

        Raises `SettingsError` for a name, a kind or a pattern that cannot be used; the text begins with `where`.
        """
        given: dict[str, Any] = {}
        for name, value in data.items():
            reader = _READERS.get(name.replace("-", "_"))
            if reader is None:
                raise SettingsError(f"{where}: `{name}` is unknown{_nearest(name, _READERS)}")
            given[name.replace("-", "_")] = reader(value, f"{where}.{name}")
        return cls(**given)

    def leaves(self, value: str) -> bool:
        """Whether an allow-list names the value."""
        return value in self.allow or any(pattern.fullmatch(value) for pattern in self.allow_patterns)


def _nearest(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(f'`{each}`' for each in known)}"


def _texts(value: Any, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not all(isinstance(each, str) for each in values):
        raise SettingsError(f"{where}: a list of texts is needed, not {value!r}")
    return tuple(values)


def _set(value: Any, where: str) -> frozenset[str]:
    return frozenset(_texts(value, where))


def _field_names(value: Any, where: str) -> frozenset[str]:
    return frozenset(re.sub(r"[^a-z0-9]", "", name.lower()) for name in _texts(value, where))


def _kinds(value: Any, where: str) -> frozenset[str]:
    kinds = _set(value, where)
    for kind in kinds:
        if kind not in _KINDS:
            raise SettingsError(f"{where}: there is no kind `{kind}`{_nearest(kind, _KINDS)}")
    return kinds


def _pattern(text: Any, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise SettingsError(f"{where}: {text!r} is no regular expression: {error}") from None


def _patterns(value: Any, where: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(text, where) for text in _texts(value, where))


def _named_patterns(value: Any, where: str) -> dict[str, re.Pattern[str]]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where}: a mapping from kind to regular expression is needed, not {value!r}")
    return {str(kind): _pattern(text, f"{where}.{kind}") for kind, text in value.items()}


_READERS = {
    "off": _kinds,
    "allow": _set,
    "allow_patterns": _patterns,
    "allow_paths": _texts,
    "allow_tools": _set,
    "patterns": _named_patterns,
    "secret_fields": _field_names,
    "name_fields": _field_names,
    "address_fields": _field_names,
    "birth_date_fields": _field_names,
    "people": _field_names,
}
assert set(_READERS) == {each.name for each in fields(Rules) if each.init}
