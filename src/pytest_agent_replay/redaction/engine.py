"""The one engine of redaction: importing, capturing, `redact` and `scan` all go through it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from pytest_agent_replay.redaction import rules as kinds
from pytest_agent_replay.redaction.environment import keys_in_use
from pytest_agent_replay.redaction.fields import Place, place_in
from pytest_agent_replay.redaction.finding import Finder
from pytest_agent_replay.redaction.key import redaction_key
from pytest_agent_replay.redaction.known import Known
from pytest_agent_replay.redaction.learning import Learner
from pytest_agent_replay.redaction.pseudonyms import Pseudonyms
from pytest_agent_replay.redaction.rules import Rules
from pytest_agent_replay.redaction.spans import Span, without_overlaps
from pytest_agent_replay.redaction.texts import (
    decoded,
    encoded,
    leaves,
    literal,
    masked,
    parsed,
    pointer,
    quoted,
    unquoted,
)

__all__ = ["Cleaned", "Redactor"]

_MOST_CACHED = 20_000
_DEEPEST = 4
"""So many encodings around each other are looked into."""
_SHORTEST_NUMBER = 9
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
_QUOTED = re.compile(r"(?<![^\s\"'<>&?=/#:;,%])[^\s\"'<>&?=/#:;,%]*(?:%[0-9A-Fa-f]{2}[^\s\"'<>&?=/#:;,%]*)+")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{16,65536}={0,2}(?![A-Za-z0-9+/=_-])")

Path = tuple[str, ...]


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
        self.listener: Callable[[Path, Cleaned, str], None] | None = None
        """Told what stood where, with the text in which it stood."""
        self._environment = environment
        self._pseudonyms = self._made_pseudonyms(key)
        self._known = Known()
        self._finder = self._made_finder()
        self._learner = Learner(self._finder, self._known, self._pseudonyms)
        self._found: dict[str, set[str]] = {}
        self._cache: dict[str, Cleaned] = {}
        self._version = 0
        self._depth = 0
        self._in_use = keys_in_use(environment) if kinds.SECRETS not in self.rules.off else {}
        for name, value in self._in_use.items():
            self._learner.secret(value, f"value of {name}")

    def _made_pseudonyms(self, key: bytes | None) -> Pseudonyms:
        return Pseudonyms(key if key is not None else redaction_key(self._environment))

    def _made_finder(self) -> Finder:
        return Finder(self.rules)

    def fresh(self) -> Redactor:
        """Another one with the same rules and the same key, for another session: it knows nothing of this one's values,
        and is quicker than a new one with what both sessions have in common."""
        other = Redactor(self.rules, key=self._pseudonyms.key, environment=self._environment)
        other._finder = self._finder
        other._learner = Learner(self._finder, other._known, other._pseudonyms)
        return other

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

    def learn(self, value: Any) -> None:
        """Looks through a JSON value: what is found in one place is taken out in every place."""
        self._learner.learn(value, Place())

    def clean(self, value: Any) -> Any:
        """The JSON value with pseudonyms; of the same structure."""
        self.learn(value)
        return self._value(value, Place(), ())

    def clean_field(self, value: Any, field: str, path: Path = ()) -> Any:
        """The value of a field of that name, without looking through it first."""
        return self._value(value, Place(field), path)

    def clean_route(self, route: str, path: Path = ()) -> str:
        """The name of an HTTP tool; `*` stands for what was in its path, and matches any."""
        cleaned = self._cleaned(route)
        self._tell(path, cleaned, route)
        for span in reversed(cleaned.spans):
            route = f"{route[: span.start]}*{route[span.end :]}"
        return route

    def clean_pieces(self, pieces: Sequence[str], path: Path = ()) -> list[str]:
        """The pieces of one text, without what is cut by the end of a piece; what is in a piece alone may be left."""
        whole = "".join(pieces)
        cleaned = self._cleaned(whole)
        self._tell(path, cleaned, whole)
        return _cut(cleaned, pieces)

    def replay(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data of a replay file with pseudonyms; what is of the format and not of the session stays.

        Digests of requests are left as they are: `sources.redacting` makes those anew that can be known.
        """
        from pytest_agent_replay.redaction.replays import clean_replay

        return clean_replay(self, data)

    # -- values

    def _value(self, value: Any, place: Place, path: Path) -> Any:
        if self._is_allowed(value, path):
            return value
        if isinstance(value, str):
            return self._field(value, place, path)
        if isinstance(value, Mapping):
            return {self._text(str(key), (*path, str(key))): self._item(value, key, place, path) for key in value}
        if isinstance(value, (list, tuple)):
            return [self._value(item, place, (*path, str(index))) for index, item in enumerate(value)]
        return self._number(value, place, path) if isinstance(value, int) and not isinstance(value, bool) else value

    def _number(self, number: int, place: Place, path: Path) -> int:
        """A number is looked at for what its field says, and where it is long enough to be a card or a phone."""
        if self._finder.fact(number, place) is None and len(str(number)) < _SHORTEST_NUMBER:
            return number
        made = self._field(str(number), place, path, is_number=True)
        return int(made) if made.isdigit() else number

    def _item(self, owner: Mapping[Any, Any], key: Any, place: Place, path: Path) -> Any:
        return self._value(owner[key], place_in(owner, key, place.field), (*path, str(key)))

    def _is_allowed(self, value: Any, path: Path) -> bool:
        if self.rules.allow_paths and path:
            where = pointer(path)
            if any(fnmatchcase(where, allowed) for allowed in self.rules.allow_paths):
                return True
        if self.rules.allow_tools and isinstance(value, Mapping):
            return value.get("tool", value.get("name")) in self.rules.allow_tools
        return False

    def _field(self, text: str, place: Place, path: Path, *, is_number: bool = False) -> str:
        found = self._finder.fact(int(text) if is_number else text, place)
        if found is None or (found.shape == "secret" and self._has_inside(text)):
            return self._text(text, path)
        made = self._pseudonyms.make(found.shape, text)
        span = Span(0, len(text), *found, made=made)
        self._take(span, text)
        self._tell(path, Cleaned(made, (span,)), text)
        return made

    def _has_inside(self, text: str) -> bool:
        """A secret that is structured (`Bearer …`, a JSON text, several cookies) keeps its structure."""
        return isinstance(parsed(text), (dict, list)) or bool(self._cleaned(text).spans)

    # -- texts

    def _text(self, text: str, path: Path) -> str:
        cleaned = self._cleaned(text)
        self._tell(path, cleaned, text)
        return cleaned.text

    def _tell(self, path: Path, cleaned: Cleaned, text: str) -> None:
        if self.listener is not None and cleaned.spans:
            self.listener(path, cleaned, text)

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
        spans = self._spans_of_value(text) if text[0] in '{["(' else None
        if spans is None:
            spans = without_overlaps(self._spans(text))
        parts, last = [], 0
        for index, span in enumerate(spans):
            original = text[span.start : span.end]
            self._take(span, original)
            made = span.made if span.made is not None else self._pseudonyms.make(span.shape, original)
            spans[index] = span._replace(made=made)
            parts += [text[last : span.start], made]
            last = span.end
        return Cleaned("".join([*parts, text[last:]]), tuple(spans))

    def _take(self, span: Span, original: str) -> None:
        if span.shape != "wrapped":
            value = original.casefold() if span.group == kinds.NAMES else original
            self._found.setdefault(span.kind, set()).add(value)

    def _spans(self, text: str) -> Iterator[Span]:
        """What stands in a text, what is surest first."""
        plain = masked(text)
        for spans in (
            self._known.secrets(text),  # as it is: what looks like an escape may be a part of one
            self._percent_encoded(plain),
            self._finder.secrets(plain),
            self._in_base64(plain),
            self._finder.personal(plain),
            self._known.others(plain),
        ):
            yield from (span for span in spans if self._finder.wanted(span.group, text[span.start : span.end]))

    # -- texts in texts

    def _percent_encoded(self, text: str) -> Iterator[Span]:
        for match in _QUOTED.finditer(text) if "%" in text else ():
            yield from self._rewrapped(match, unquoted(match[0]), quoted)

    def _in_base64(self, text: str) -> Iterator[Span]:
        for match in _BASE64.finditer(text) if len(text) >= 16 else ():
            yield from self._rewrapped(match, decoded(match[0]), encoded)

    def _rewrapped(self, match: re.Match[str], inner: str | None, wrap: Callable[[str, str], str]) -> Iterator[Span]:
        if inner is None or self._depth >= _DEEPEST:
            return
        self._depth += 1
        try:
            cleaned = self._cleaned(inner)
        finally:
            self._depth -= 1
        if cleaned.spans:
            yield _around(cleaned.spans, *match.span(), wrap(cleaned.text, match[0]))

    def _spans_of_value(self, text: str) -> list[Span] | None:
        """Where something stands in a JSON text or in a Python literal; None when it is neither."""
        if self._depth >= _DEEPEST:
            return None
        value = parsed(text)
        if value is not None:
            return self._json_spans(text, value)
        value = literal(text)
        if value is None or repr(value) != text:
            return None
        cleaned, told = self._inner(value)
        return [_around([span for spans in told for span in spans], 0, len(text), repr(cleaned))] if told else []

    def _json_spans(self, text: str, value: Any) -> list[Span] | None:
        cleaned, told = self._inner(value)
        old, new, literals = list(leaves(value)), list(leaves(cleaned)), list(_LITERAL.finditer(text))
        if not len(old) == len(new) == len(literals):
            return None
        changed = [item for item in zip(literals, old, new, strict=True) if item[1] != item[2]]
        return [
            _around(spans, *match.span(), _json(after, match[0]))
            for (match, _, after), spans in zip(changed, told, strict=True)
        ]

    def _inner(self, value: Any) -> tuple[Any, list[tuple[Span, ...]]]:
        """A value that stands in a text, cleaned, and what was in each part of it that has changed."""
        told: list[tuple[Span, ...]] = []
        listener, self.listener = self.listener, lambda path, cleaned, text: told.append(cleaned.spans)
        self._depth += 1
        try:
            return self._value(value, Place(), ()), told
        finally:
            self._depth -= 1
            self.listener = listener


def _cut(cleaned: Cleaned, pieces: Sequence[str]) -> list[str]:
    """A cleaned text in pieces as its original was: a stand-in is in the piece where that began."""
    cuts, counted, shift = [0], 0, 0
    for end in accumulate(map(len, pieces)):
        while counted < len(cleaned.spans) and cleaned.spans[counted].start < end:
            span = cleaned.spans[counted]
            shift += len(span.made or "") - (span.end - span.start)
            counted += 1
        cuts.append(max(end, cleaned.spans[counted - 1].end if counted else 0) + shift)
    return [cleaned.text[begin:end] for begin, end in pairwise(cuts)]


def _around(spans: Sequence[Span], start: int, end: int, made: str) -> Span:
    """The span of an encoded text in which others stand; it is named by the first that counts."""
    first = next((span for span in spans if not span.reserved), spans[0])
    return first._replace(start=start, end=end, shape="wrapped", made=made)


def _json(value: Any, original: str) -> str:
    return json.dumps(value, ensure_ascii=original.isascii()) if isinstance(value, str) else str(value)
