"""Looking for secrets and personal data without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_agent_replay.redaction.engine import Cleaned, Redactor
from pytest_agent_replay.redaction.rules import Rules
from pytest_agent_replay.redaction.spans import Span
from pytest_agent_replay.redaction.texts import pointer

__all__ = ["Finding", "scan"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a file should not have. `path` is a JSON pointer, empty for a text by itself."""

    kind: str
    path: str
    start: int
    end: int
    """Where it stands in the text at `path`; around the whole of it when it stands there encoded."""
    preview: str
    """Its first characters, at most a fifth of it, and its length."""
    in_name: bool = False
    """It stands in the name of a field: in the last step of `path`."""

    def __str__(self) -> str:
        path = f"{self.path.rpartition('/')[0]}/…" if self.in_name else self.path or "/"
        return f"{path}: {self.kind}: {self.preview}"


def scan(value: Any, rules: Rules | None = None, *, replay: bool = False) -> Iterator[Finding]:
    """What a redactor with these rules would take out of a JSON value, or of a text.

    What is in a range that is nobody's (addresses at example.com, numbers 555-0100 to 555-0199) is nothing to report.
    With `replay` the value is the data of a replay file: what is of the format is not looked at.
    """
    redactor = Redactor(rules, key=b"a scan keeps no pseudonyms", environment={})
    findings: list[Finding] = []

    def listen(path: tuple[str, ...], cleaned: Cleaned, text: str) -> None:
        where = pointer(path)
        is_name = path[-1:] == (text,)
        findings.extend(_finding(span, where, text, is_name) for span in cleaned.spans if not span.reserved)

    redactor.listener = listen
    if replay and isinstance(value, Mapping):
        redactor.replay(value)
    else:
        redactor.clean(value)
    yield from findings


def _finding(span: Span, path: str, text: str, is_name: bool) -> Finding:
    found = text[span.start : span.end]
    shown = found[: min(len(found) // 5, 4)]
    return Finding(span.kind, path, span.start, span.end, f"{shown}… ({len(found)} characters)", is_name)
