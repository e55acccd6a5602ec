"""Texts as people read them, for comparing: models write ’ for ', no-break blanks, soft hyphens, line breaks anywhere.

`nfc` is the composed form of Unicode (é is one character, however it was written). `simple` also takes typographic
apostrophes, quotation marks and hyphens for those of a keyboard, and leaves out what is not seen. `plain` also takes
blanks of every kind and number for one. `folded` also ignores case.
"""

from __future__ import annotations

from unicodedata import normalize

__all__ = ["folded", "nfc", "plain", "simple"]

_APOSTROPHES = "\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u02bc\u00b4\uff07"
_QUOTATION_MARKS = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02"
_HYPHENS = "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_UNSEEN = "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2800\u3164\ufeff\uffa0"
_DIRECTIONS = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2061, 0x206A))))
_SIMPLE: dict[int, str | None] = {
    **{ord(character): "'" for character in _APOSTROPHES},
    **{ord(character): '"' for character in _QUOTATION_MARKS},
    **{ord(character): "-" for character in _HYPHENS},
    **{ord(character): None for character in _UNSEEN + _DIRECTIONS},
}


def nfc(text: str) -> str:
    """The composed form (Unicode Standard Annex 15)."""
    return text if text.isascii() else normalize("NFC", text)


def simple(text: str) -> str:
    """In characters of a keyboard, as far as they look alike; blanks stay as they are."""
    return text if text.isascii() else normalize("NFC", text.translate(_SIMPLE))


def plain(text: str) -> str:
    """In one line: between words, and at either end where there are some, blanks of every kind are one."""
    text = simple(text)
    pieces = text.split()
    if not pieces:
        return " " if text else ""
    return f"{' ' if text[0].isspace() else ''}{' '.join(pieces)}{' ' if text[-1].isspace() else ''}"


def folded(text: str) -> str:
    """As `plain`, in any case."""
    return plain(text).casefold()
