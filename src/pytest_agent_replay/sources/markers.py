"""The marks that sources leave where they cut a value off, or put something in its place.

Both are precise rather than complete: an ordinary sentence that ends in "..." is whole, and asterisks before the last
digits of a card are the tool's own. What only a source can know (LangSmith's hidden inputs are `{}`, a preview has a
length limit) is for the source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

__all__ = ["cut", "has_placeholder", "is_redacted", "redacted", "redacted_paths"]

# -- cut off

MARKED = "marked as truncated"
MIDDLE = "JSON that ends in the middle"
MEDIA = "media that is kept elsewhere"

_SIZE = r"[\d,._]+\s*(?:more\s+)?(?:chars?|characters?|bytes?|[kmg]i?b)"
_COUNT = r"[\d,._]+\s*more\s+(?:tokens?|lines?|items?|words?|rows?|elements?)"
_ANY = rf"(?:{_SIZE}|{_COUNT}|[\d,._]+\s*(?:tokens?|lines?|items?))"
_WORD = r"(?:truncated|omitted|trimmed|clipped|cut(?:\ off)?|abbreviated|elided)"
_MARKED = re.compile(
    rf"""
    (?: (?:\.\.\.|…)?\s* [\[(<]+ \s* (?:\.\.\.|…)?\s* (?:output|content|text|value|result|message)?\s* {_WORD}
        (?:[\s:,;-]+ [^\[\]()<>\n]{{0,80}})? \s* (?:\.\.\.|…)?\s* [\])>]+
      | (?:\.\.\.|…)\s* {_WORD} \.?
      | (?:\.\.\.|…)\s* [\[(<]* \s* \+?
        (?:{_SIZE}|{_COUNT}|{_ANY}\s+(?:{_WORD}|left|remaining)) (?:\s+ {_WORD})? \s* [\])>]*
    ) \s* \Z
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WITHIN = re.compile(
    rf"(?<![\[(<])[\[(<]+[^\[\]()<>\n]{{0,40}}(?:{_WORD}\s+{_ANY}|{_ANY}\s+(?:were\s+)?{_WORD})[^\[\]()<>\n]{{0,40}}[\])>]+",
    re.IGNORECASE | re.VERBOSE,
)
_MEDIA = re.compile(
    r"@@@langfuseMedia:[^@]*@@@|[\[<(](?:base64|binary|image|audio|file)\b[^\[\]<>()\n]{0,60}\b(?:bytes|omitted|removed)[\]>)]",
    re.IGNORECASE,
)
_BEGINS_JSON = re.compile(r"\s*(?:\{\s*\"|\[\s*[\[{\"]|\[\s*-?\d+\s*,)")
_UNFINISHED = re.compile(
    r"-|-?\d+\.?\d*(?:[eE][+-]?)?|\.\d*|[eE][+-]?|t(?:ru?)?|f(?:al?s?)?|n(?:ul?)?|\\u?[0-9a-fA-F]{0,3}"
)


def cut(value: Any) -> str | None:
    """How a value was cut off, in a few words; None when it seems whole. Of a structure, how its first cut text was.

    A mark at the end (`... [truncated]`, `… (1,200 more characters)`), or one with a length within the text; media
    that stand elsewhere; and JSON text that ends before its brackets are closed.
    """
    return next((how for _, text in _leaves(value) if (how := _cut_text(text)) is not None), None)


def _cut_text(text: str) -> str | None:
    if _MARKED.search(text[-200:]) is not None or _WITHIN.search(text) is not None:
        return MARKED
    if _MEDIA.search(text) is not None:
        return MEDIA
    return MIDDLE if _ends_in_the_middle(text) else None


def _ends_in_the_middle(text: str) -> bool:
    if _BEGINS_JSON.match(text) is None:
        return False
    whole = re.sub(r"\s*(?:\.{3,}|…)?\s*\Z", "", text)
    try:
        json.loads(whole)
    except json.JSONDecodeError as error:
        rest = whole[error.pos :].strip()
        return error.msg.startswith("Unterminated string") or not rest or _UNFINISHED.fullmatch(rest) is not None
    except (ValueError, RecursionError):
        return False
    return False


# -- replaced

_NAMES = (
    "PERSON|PERSON_NAME|NAME|FIRST_NAME|LAST_NAME|FULL_NAME|EMAIL|EMAIL_ADDRESS|PHONE|PHONE_NUMBER|ADDRESS|"
    "STREET_ADDRESS|LOCATION|ORGANIZATION|CREDIT_CARD|CREDIT_CARD_NUMBER|CREDIT_DEBIT_NUMBER|CRYPTO|DATE_TIME|"
    "DATE_OF_BIRTH|IBAN|IBAN_CODE|IP|IP_ADDRESS|MAC_ADDRESS|NRP|MEDICAL_LICENSE|URL|SSN|PASSWORD|SECRET|API_KEY|"
    "TOKEN|USERNAME|PASSPORT|AGE|ZIP_CODE|"
    "(?:US|UK|ES|IT|PL|SG|AU|IN|FI|KR|TH|DE)_[A-Z]+(?:_[A-Z]+)*"
)
_BRACKETED = (
    r"[\[<{]+\s*(?:(?i:redacted|scrubbed)(?:[\s_:-][^\[\]<>(){}\n]{0,80})?"
    r"|(?i:filtered|masked|hidden|sanitized|anonymi[sz]ed))\s*[\]>}]+"
)
_ENTITY = rf"<(?:{_NAMES})(?:_\d+)?>|\[(?:{_NAMES})(?:[_-]\d+)?\]"
_BARE = r"__REDACTED__|\bREDACTED(?:_[A-Z0-9]+)*\b"
_SAID = r"(?:Tool execution failed\. )?Error details are redacted\.?"
_WHOLE = re.compile(
    rf"\s*(?:{_BRACKETED}|{_ENTITY}|{_BARE}|{_SAID}|\((?i:redacted|hidden|masked)\)|\*{{3,}}|[█•●]{{3,}})\s*"
)
_INSIDE = re.compile(f"{_BRACKETED}|{_ENTITY}|{_BARE}|{_SAID}")


def redacted(value: Any) -> str | None:
    """The placeholder that stands for a whole value (`__REDACTED__`, `[Scrubbed due to 'auth']`, `<PERSON>`, `***`).

    None for everything else, also for text in which only a part was replaced: see `has_placeholder`.
    """
    return value.strip() if isinstance(value, str) and _WHOLE.fullmatch(value) is not None else None


def is_redacted(text: str | None) -> bool:
    """Whether nothing but a placeholder is left of the text (of an error, say)."""
    return redacted(text) is not None


def has_placeholder(text: str) -> bool:
    """Whether a placeholder stands in the text, for all of it or for a part."""
    return _INSIDE.search(text) is not None or is_redacted(text)


def redacted_paths(value: Any) -> list[str]:
    """JSON pointers of the texts in a structure that are nothing but a placeholder; `""` is the value itself."""
    return [_pointer(path) for path, text in _leaves(value) if is_redacted(text)]


_Path: TypeAlias = "tuple[_Path, object] | None"
"""A key or an index, below another path."""


def _leaves(value: Any) -> Iterator[tuple[_Path, str]]:
    """The texts of a structure with their paths, in order; without recursion, however deep it is."""
    rest: list[tuple[_Path, Any]] = [(None, value)]
    while rest:
        path, item = rest.pop()
        if isinstance(item, str):
            yield path, item
        elif isinstance(item, dict):
            rest += [((path, key), inner) for key, inner in reversed(item.items())]
        elif isinstance(item, (list, tuple)):
            rest += [((path, index), item[index]) for index in range(len(item) - 1, -1, -1)]


def _pointer(path: _Path) -> str:
    keys: list[str] = []
    while path is not None:
        path, key = path
        keys.append(str(key).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{key}" for key in reversed(keys))
