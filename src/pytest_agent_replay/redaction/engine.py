"""The one engine of redaction: importing, capturing, `redact` and `scan` all go through it."""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from pytest_agent_replay.redaction import rules as kinds
from pytest_agent_replay.redaction.contexts import FIELD, secrets_in_context
from pytest_agent_replay.redaction.dates import read_date, written
from pytest_agent_replay.redaction.environment import keys_in_use
from pytest_agent_replay.redaction.fields import Fact, Place, fact, words_of
from pytest_agent_replay.redaction.key import redaction_key
from pytest_agent_replay.redaction.known import LEAST_SECRET, Known
from pytest_agent_replay.redaction.personal import personal_spans
from pytest_agent_replay.redaction.providers import FORMS
from pytest_agent_replay.redaction.pseudonyms import Pseudonyms
from pytest_agent_replay.redaction.rules import Rules
from pytest_agent_replay.redaction.spans import Span, is_placeholder, without_overlaps

__all__ = ["Cleaned", "Redactor", "pointer"]

_MOST_CACHED = 20_000
_LONGEST_PARSED = 4_000_000
_ESCAPES = re.compile(r"\\+[nrt]")
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
_QUOTED = re.compile(r"[^\s\"'<>&?=/#:;,]*(?:%[0-9A-Fa-f]{2}[^\s\"'<>&?=/#:;,%]*)+")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{16,65536}={0,2}(?![A-Za-z0-9+/=_-])")
_OBJECT = re.compile(r"[{\[]\s*[{\"\[]")
_MOST_OBJECTS = 20

_LOCATED = (kinds.EMAILS, kinds.PHONES, kinds.IBANS, kinds.SSNS, kinds.CARDS)
"""Kinds whose values are sure enough to be taken out wherever they stand."""


class Cleaned(NamedTuple):
    """A text without what was found in it, and where that stood."""

    text: str
    spans: tuple[Span, ...]


class Redactor:
    """Takes secrets and personal data out of JSON values; what was found once is known from then on.

    Equal values have equal pseudonyms, with the same key in every file. A pseudonym is of the same shape, and no
    redactor and no scan takes it for real.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        key: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is where keys in use are looked for, by default the process's own.

        Without `key` it is the user's (`redaction_key`); raises `ReplayError` when there is none and none can be made.
        """
        self.rules = rules if rules is not None else Rules()
        self._pseudonyms = Pseudonyms(key if key is not None else redaction_key(environment))
        self._known = Known()
        self._found: dict[str, set[str]] = {}
        self._cache: dict[str, Cleaned] = {}
        self._version = 0
        self._learned: set[str] = set()
        self._depth = 0
        self.listener: Callable[[tuple[str, ...], Cleaned, str], None] | None = None
        """Told what stood where, with the text in which it stood."""
        self._in_use = keys_in_use(environment) if kinds.SECRETS not in self.rules.off else {}
        for name, value in self._in_use.items():
            self._learn_secret(value, f"value of {name}")

    @property
    def found(self) -> Counter[str]:
        """How many different values were taken out, by their kind."""
        return Counter({kind: len(values) for kind, values in sorted(self._found.items())})

    def lines(self) -> list[str]:
        """What was taken out, for `import: {redacted: […]}`."""
        return [f"{kind} ({count})" if count > 1 else kind for kind, count in self.found.items()]

    def leaks(self, text: str) -> list[str]:
        """The variables of the environment whose value stands in a text that is about to be written."""
        return [name for name, value in self._in_use.items() if value in text or json.dumps(value)[1:-1] in text]

    # -- what is where

    def learn(self, value: Any) -> None:
        """Looks through a JSON value: what is found in one place is taken out in every place."""
        self._learn(value, Place())

    def clean(self, value: Any) -> Any:
        """The JSON value with pseudonyms; of the same structure."""
        self.learn(value)
        return self._value(value, Place(), ())

    def replay(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data of a replay file with pseudonyms; what is of the format and not of the session stays.

        Digests of requests are left as they are: `sources.redacting` makes those anew that can be known.
        """
        from pytest_agent_replay.redaction.replays import clean_replay

        return clean_replay(self, data)

    def clean_field(self, value: Any, field: str, path: tuple[str, ...] = ()) -> Any:
        """The value of a field of that name, without looking through it first."""
        return self._value(value, Place(field), path)

    def clean_route(self, route: str, path: tuple[str, ...] = ()) -> str:
        """The name of an HTTP tool; `*` stands for what was in its path, and matches any."""
        cleaned = self._cleaned(route)
        if cleaned.spans and self.listener is not None:
            self.listener(path, cleaned, route)
        for span in reversed(cleaned.spans):
            route = f"{route[: span.start]}*{route[span.end :]}"
        return route

    # -- learning

    def _learn(self, value: Any, place: Place) -> None:
        if isinstance(value, str):
            self._learn_fact(value, place)
            self._learn_text(value, place)
        elif isinstance(value, Mapping):
            self._learn_object(value, place)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._learn(item, place)
        elif isinstance(value, int) and not isinstance(value, bool):
            self._learn_fact(value, place)

    def _learn_object(self, value: Mapping[Any, Any], place: Place) -> None:
        words: list[str] = []
        for key, item in value.items():
            inner = Place(str(key), value, place.field)
            self._learn_text(str(key), Place())
            self._learn(item, inner)
            found = self._fact(item, inner)
            if found is not None and found.shape == "name":
                words += words_of(item)
        if words:
            self._known.person(dict.fromkeys(words))

    def _fact(self, value: Any, place: Place) -> Fact | None:
        found = fact(value, place, self.rules)
        if found is None or found.group in self.rules.off or self.rules.leaves(str(value)):
            return None
        return found

    def _learn_fact(self, value: Any, place: Place) -> None:
        found = self._fact(value, place)
        if found is None:
            return
        text = str(value)
        if found.shape == "secret":
            self._learn_secret(text, found.kind)
        elif found.shape == "name":
            self._known.person(words_of(text))
        elif found.shape == "birth date":
            self._learn_birth_date(text)
        elif found.shape != "code" and (found.shape != "address" or re.search(r"\d", text)):
            self._known.literal(text, found.group, found.kind, found.shape)

    def _learn_birth_date(self, text: str) -> None:
        day = read_date(text)
        if day is not None:
            for old, new in zip(written(day), written(self._pseudonyms.birth_date(day)), strict=True):
                self._known.literal(old, kinds.BIRTH_DATES, kinds.BIRTH_DATES, "birth date", new)

    def _learn_secret(self, secret: str, kind: str) -> None:
        if not is_placeholder(secret) and not self.rules.leaves(secret):
            self._known.secret(secret, kind, self._pseudonyms.make("secret", secret))

    def _learn_text(self, text: str, place: Place) -> None:
        if len(text) < 4 or text in self._learned:
            return
        self._learned.add(text)
        values = list(_values_in(text))
        for value in values:
            self._learn(value, place if len(values) == 1 else Place())
        masked = _masked(text)
        for span in self._secrets(masked):
            if span.end - span.start >= LEAST_SECRET and span.shape == "secret" and span.made is None:
                self._learn_secret(text[span.start : span.end], span.kind)
        if not values:
            for match in FIELD.finditer(masked):
                self._learn_fact(match["value"], Place(match["name"]))

    # -- cleaning

    def _value(self, value: Any, place: Place, path: tuple[str, ...]) -> Any:
        if self._is_allowed(value, path):
            return value
        if isinstance(value, str):
            return self._field(value, place, path)
        if isinstance(value, Mapping):
            return {
                self._text(str(key), (*path, str(key))): self._value(
                    item, Place(str(key), value, place.field), (*path, str(key))
                )
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._value(item, place, (*path, str(index))) for index, item in enumerate(value)]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._whole_number(value, place, path)
        return value

    def _is_allowed(self, value: Any, path: tuple[str, ...]) -> bool:
        if self.rules.allow_paths and path:
            where = pointer(path)
            if any(fnmatchcase(where, allowed) for allowed in self.rules.allow_paths):
                return True
        if self.rules.allow_tools and isinstance(value, Mapping):
            return value.get("tool", value.get("name")) in self.rules.allow_tools
        return False

    def _field(self, text: str, place: Place, path: tuple[str, ...]) -> str:
        found = self._fact(text, place)
        if found is None:
            return self._text(text, path)
        if found.shape == "secret" and (_is_object(text) or self._cleaned(text).spans):
            return self._text(text, path)
        made = self._made(found.shape, text)
        span = Span(0, len(text), found.group, found.kind, found.shape, made=made)
        self._take(span, text)
        if self.listener is not None:
            self.listener(path, Cleaned(made, (span,)), text)
        return made

    def _whole_number(self, number: int, place: Place, path: tuple[str, ...]) -> int:
        text = str(number)
        made = self._field(text, place, path) if len(text) >= 3 else text
        return int(made) if made != text and made.isdigit() else number

    def _text(self, text: str, path: tuple[str, ...]) -> str:
        cleaned = self._cleaned(text)
        if self.listener is not None and cleaned.spans:
            self.listener(path, cleaned, text)
        return cleaned.text

    def _cleaned(self, text: str) -> Cleaned:
        if self._version != self._known.version or len(self._cache) >= _MOST_CACHED:
            self._cache.clear()
            self._version = self._known.version
        found = self._cache.get(text)
        if found is None:
            found = self._cache[text] = self._searched(text)
        return found

    def _searched(self, text: str) -> Cleaned:
        if len(text) < 2:
            return Cleaned(text, ())
        spans = self._json_spans(text) if text[0] in '{["' else None
        if spans is None:
            spans = without_overlaps(self._spans(text))
        if not spans:
            return Cleaned(text, ())
        parts, last = [], 0
        for span in spans:
            original = text[span.start : span.end]
            self._take(span, original)
            parts += [text[last : span.start], span.made if span.made is not None else self._made(span.shape, original)]
            last = span.end
        return Cleaned("".join([*parts, text[last:]]), tuple(spans))

    def _made(self, shape: str, original: str) -> str:
        return self._pseudonyms.make(shape, original)

    def _take(self, span: Span, original: str) -> None:
        if span.shape != "wrapped":
            self._found.setdefault(span.kind, set()).add(original.casefold() if span.group == kinds.NAMES else original)

    # -- finding

    def _spans(self, text: str) -> Iterator[Span]:
        """What stands in a text, what is surest first."""
        masked = _masked(text)
        for span in (*self._secrets(masked), *self._wrapped(masked), *self._personal(masked)):
            original = text[span.start : span.end]
            if span.group not in self.rules.off and not self.rules.leaves(original):
                yield span

    def _secrets(self, text: str) -> Iterator[Span]:
        if kinds.SECRETS in self.rules.off or len(text) < 4:
            return
        for form in FORMS:
            if any(literal in text for literal in form.literals):
                for match in form.pattern.finditer(text):
                    if not is_placeholder(match["secret"]):
                        yield self._secret_span(match, form.kind)
        yield from self._known.secrets(text)
        for kind, pattern in self.rules.patterns.items():
            for match in pattern.finditer(text):
                start, end = match.span(1 if pattern.groups else 0)
                if not is_placeholder(text[start:end]):
                    yield Span(start, end, kinds.SECRETS, kind, "secret")
        for start, end, kind in secrets_in_context(text, self.rules.secret_fields):
            if not is_placeholder(text[start:end]):
                yield Span(start, end, kinds.SECRETS, kind, "secret")

    def _secret_span(self, match: re.Match[str], kind: str) -> Span:
        shape = {"JWT": "jwt", "private key": "private key"}.get(kind, "secret")
        return Span(*match.span("secret"), kinds.SECRETS, kind, shape)

    def _wrapped(self, text: str) -> Iterator[Span]:
        """Percent-encoded and base64-encoded texts in which something stands."""
        if self._depth >= 3:
            return
        self._depth += 1
        try:
            for match in _QUOTED.finditer(text) if "%" in text else ():
                yield from self._rewrapped(match, _unquoted(match[0]), _quoted)
            for match in _BASE64.finditer(text):
                yield from self._rewrapped(match, _decoded(match[0]), _encoded)
        finally:
            self._depth -= 1

    def _rewrapped(self, match: re.Match[str], inner: str | None, wrap: Callable[[str, str], str]) -> Iterator[Span]:
        if inner is None:
            return
        cleaned = self._cleaned(inner)
        if cleaned.spans:
            first = cleaned.spans[0]
            made = wrap(cleaned.text, match[0])
            yield Span(*match.span(), first.group, first.kind, "wrapped", first.reserved, made)

    def _personal(self, text: str) -> Iterator[Span]:
        yield from personal_spans(text)
        for match in FIELD.finditer(text) if "'" in text or '"' in text else ():
            found = self._fact(match["value"], Place(match["name"]))
            if found is not None:
                yield Span(*match.span("value"), found.group, found.kind, found.shape)
        yield from self._known.others(text)

    # -- JSON in a text

    def _json_spans(self, text: str) -> list[Span] | None:
        """Where something stands in the literals of a JSON text; None when it is none."""
        value = _parsed(text)
        if value is None or self._depth >= 3:
            return None
        self._depth += 1
        listener, self.listener = self.listener, None
        try:
            cleaned = self._value(value, Place(), ())
        finally:
            self._depth -= 1
            self.listener = listener
        if cleaned == value:
            return []
        old, new, literals = list(_leaves(value)), list(_leaves(cleaned)), list(_LITERAL.finditer(text))
        if not len(old) == len(new) == len(literals):
            return None
        return [
            self._literal_span(match, before, after)
            for match, before, after in zip(literals, old, new, strict=True)
            if before != after
        ]

    def _literal_span(self, match: re.Match[str], before: Any, after: Any) -> Span:
        inner = self._cleaned(before).spans if isinstance(before, str) else ()
        group, kind, reserved = (
            (inner[0].group, inner[0].kind, all(span.reserved for span in inner))
            if inner
            else (kinds.NAMES, "personal data", False)
        )
        made = json.dumps(after, ensure_ascii=match[0].isascii()) if isinstance(after, str) else str(after)
        return Span(*match.span(), group, kind, "wrapped", reserved, made)


# -- texts


def _masked(text: str) -> str:
    """Escaped ends of lines and tabs as spaces, so that words begin after them; of the same length."""
    return _ESCAPES.sub(lambda match: " " * len(match[0]), text) if "\\" in text else text


def _is_object(text: str) -> bool:
    return text[:1] in "{[" and isinstance(_parsed(text), (dict, list))


def _parsed(text: str) -> Any:
    """The value of a JSON text that has one; None when it is none, or has a name twice."""
    if len(text) > _LONGEST_PARSED:
        return None
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list, str)) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


def _values_in(text: str) -> Iterator[Any]:
    """The JSON values and Python literals that a text is, or that stand in it."""
    start = text.lstrip()[:1]
    if start and start in '{["(':
        value = _parsed(text)
        if value is None and len(text) < _LONGEST_PARSED:
            value = _literal(text)
        if value is not None:
            yield value
            return
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(_MOST_OBJECTS):
        match = _OBJECT.search(text, position)
        if match is None:
            return
        try:
            value, position = decoder.raw_decode(text, match.start())
            yield value
        except (ValueError, RecursionError):
            position = match.start() + 1


def _literal(text: str) -> Any:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return value if isinstance(value, (dict, list, tuple)) else None


def _leaves(value: Any) -> Iterator[Any]:
    """Names, texts and numbers in the order in which they stand in JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _unquoted(text: str) -> str | None:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None


def _quoted(text: str, original: str) -> str:
    return quote(text, safe="".join({each for each in original if not each.isalnum() and each != "%"}))


def _decoded(text: str) -> str | None:
    """The text in base64; None when it is none."""
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return None
    try:
        inner = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return inner if inner.isprintable() or all(each.isprintable() or each in "\r\n\t" for each in inner) else None


def _encoded(text: str, original: str) -> str:
    made = base64.b64encode(text.encode("utf-8")).decode("ascii")
    if "-" in original or "_" in original:
        made = made.replace("+", "-").replace("/", "_")
    return made if original.endswith("=") or len(original) % 4 == 0 else made.rstrip("=")


def pointer(path: Iterable[str]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
