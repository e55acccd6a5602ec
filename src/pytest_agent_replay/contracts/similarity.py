"""How alike two texts are, from 0 to 1.

Without embeddings (the `embed` service) the offline measure is used: the mean of two cosines, one between the counts of
the words, one between the counts of the character trigrams, in lower case. It knows no synonyms: it tells a reworded
answer (about 0.5 to 0.9) from another one (below 0.4), not agreement from contradiction. With embeddings, their cosine.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from pytest_agent_replay.contracts.plain import simple

__all__ = ["OFFLINE", "offline_similarity", "similarity"]

OFFLINE = "offline: words and character trigrams"
EMBEDDINGS = "cosine of embeddings"

_WORD = re.compile(r"\w+|(?<!\w)[-−+](?=[\d$€£])|[%$€£¥₹]")
"""A sign or a currency makes another figure; other marks make no other text."""


def similarity(
    one: str, other: str, embed: Callable[[list[str]], Sequence[Sequence[float]]] | None
) -> tuple[float, str]:
    """The similarity and the name of the measure. Raises `ValueError` when `embed` does not give two vectors, or one
    of them has no direction."""
    if embed is None:
        return offline_similarity(one, other), OFFLINE
    vectors = list(embed([one, other]))
    if len(vectors) != 2 or len(vectors[0]) != len(vectors[1]):
        raise ValueError("`embed` must give one vector for each text, of the same length")
    left, right = (list(map(float, vector)) for vector in vectors)
    dot = sum(a * b for a, b in zip(left, right, strict=True))
    length = math.hypot(*left) * math.hypot(*right)
    if not (0 < length < math.inf):
        raise ValueError("`embed` must give vectors of finite numbers that are not all 0")
    return max(0.0, min(1.0, dot / length)), EMBEDDINGS


def offline_similarity(one: str, other: str) -> float:
    """The mean of the word cosine and the trigram cosine; 1 for texts that differ in case, blanks and marks of
    punctuation only."""
    left, right = (" ".join(_WORD.findall(simple(text).lower())) for text in (one, other))
    if left == right:
        return 1.0 if left or "".join(one.split()) == "".join(other.split()) else 0.0
    return (_cosine(Counter(left.split()), Counter(right.split())) + _cosine(_trigrams(left), _trigrams(right))) / 2


def _trigrams(text: str) -> Counter[str]:
    padded = f" {text} "
    return Counter(padded[i : i + 3] for i in range(len(padded) - 2))


def _cosine(left: Counter[str], right: Counter[str]) -> float:
    dot = sum(count * right[key] for key, count in left.items())
    length = math.sqrt(sum(c * c for c in left.values()) * sum(c * c for c in right.values()))
    return dot / length if length else 0.0
