"""Long lists of words, and patterns that find any of many words."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["any_of", "listed", "lowered"]


def listed(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


def any_of(words: Iterable[str], *, spaces: str = " ") -> str:
    """A pattern for any of the words, the longest possible; it looks at each letter of a text once, however many words
    there are. A space of a word is the pattern `spaces`."""
    by_letter: dict[str, list[str]] = {}
    ends = False
    for word in words:
        if word:
            by_letter.setdefault(word[0], []).append(word)
        else:
            ends = True
    branches = [_branch(by_letter[letter], spaces) for letter in sorted(by_letter)]
    if not branches:
        return ""
    group = branches[0] if len(branches) == 1 and not ends else f"(?:{'|'.join(branches)})"
    return f"(?:{group})?" if ends else group


def _branch(words: list[str], spaces: str) -> str:
    """Words that begin with the same letter: what they have in common, and then any of the rest."""
    first, last = min(words), max(words)
    count = next((index for index, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    common = first[:count]
    return re.escape(common).replace(r"\ ", spaces) + any_of((word[count:] for word in words), spaces=spaces)


def lowered(text: str) -> str:
    """The text in lower case, of the same length: what is found in it stands at the same place in the text."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(each.lower() if len(each.lower()) == 1 else each for each in text)
