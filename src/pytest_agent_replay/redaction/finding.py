"""What stands in a text, by its own form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.redaction import rules as kinds
from pytest_agent_replay.redaction.contexts import pairs, secrets_in_context
from pytest_agent_replay.redaction.fields import Fact, Place, fact
from pytest_agent_replay.redaction.personal import personal_spans
from pytest_agent_replay.redaction.providers import Form, forms_in
from pytest_agent_replay.redaction.rules import Rules
from pytest_agent_replay.redaction.spans import Span, is_placeholder

__all__ = ["Finder"]

_MOST_CACHED = 20_000
_SHAPES = {"JWT": "jwt", "private key": "private key"}


class Finder:
    """Finds secrets and personal data by their form, as far as the rules want them.

    A key is found without its provider's prefix, which says what it is, or `whole`.
    """

    def __init__(self, rules: Rules, *, whole: bool = False) -> None:
        self._rules = rules
        self._whole = whole
        self._secrets: dict[str, tuple[Span, ...]] = {}

    def fact(self, value: Any, place: Place) -> Fact | None:
        """What a value is by its place."""
        found = fact(value, place, self._rules)
        return None if found is None or not self.wanted(found.group, str(value)) else found

    def wanted(self, group: str, value: str) -> bool:
        """Whether the rules want values of that kind, and this one."""
        return group not in self._rules.off and not self._rules.leaves(value)

    def secrets(self, text: str) -> tuple[Span, ...]:
        """The secrets of a text, the surest first. `text` is without escapes; see `texts.masked`."""
        found = self._secrets.get(text)
        if found is None:
            if len(self._secrets) >= _MOST_CACHED:
                self._secrets.clear()
            found = self._secrets[text] = tuple(self._looked_for(text)) if len(text) >= 4 else ()
        return found

    def personal(self, text: str) -> Iterator[Span]:
        """The personal data of a text."""
        yield from personal_spans(text)
        yield from (Span(start, end, *found) for start, end, found in self.told(text) if found.shape != "secret")

    def told(self, text: str) -> Iterator[tuple[int, int, Fact]]:
        """Start, end and kind of the values whose kind is told by the name that stands before them."""
        for pair in pairs(text):
            found = self.fact(pair.value, Place(pair.name)) if pair.is_quoted or pair.in_query else None
            if found is not None:
                yield pair.start, pair.end, found

    def _looked_for(self, text: str) -> Iterator[Span]:
        if kinds.SECRETS in self._rules.off:
            return
        for form in forms_in(text):
            for match in form.pattern.finditer(text):
                if not is_placeholder(match["secret"]):
                    yield self._of_form(form, match)
        for start, end, kind in (*self._own(text), *secrets_in_context(text, self._rules.secret_fields)):
            if not is_placeholder(text[start:end]):
                yield Span(start, end, kinds.SECRETS, kind, "secret")

    def _of_form(self, form: Form, match: re.Match[str]) -> Span:
        start, end = match.span("secret")
        if self._whole:
            start, end = match.start("keep"), match.end() if form.kind == "private key" else end
        return Span(start, end, kinds.SECRETS, form.kind, _SHAPES.get(form.kind, "secret"))

    def _own(self, text: str) -> Iterator[tuple[int, int, str]]:
        for kind, pattern in self._rules.patterns.items():
            for match in pattern.finditer(text):
                yield (*match.span(1 if pattern.groups else 0), kind)
