"""How much is found of what should be, and how much of what should not be."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import pytest

from pytest_agent_replay.redaction import scan
from tests.redaction.corpus import DECOYS, NAMED, PERSONAL, SELF_EVIDENT, Sample, decoys, personal, secrets
from tests.redaction.harness import redactor


def everything_said(value: Any) -> str:
    """A value as text, also without percent-encoding and base64."""
    text = json.dumps(value, ensure_ascii=False)
    decoded = [base64.b64decode(word).decode() for word in str(value).split() if word.startswith("eyJ2YWx1ZSI6")]
    return "\n".join([text, unquote(text), str(value), *decoded])


def left_over(samples: Iterable[Sample]) -> tuple[Counter[tuple[str, str]], list[Any]]:
    """Of which kinds something was left in which contexts, and all that was cleaned."""
    left: Counter[tuple[str, str]] = Counter()
    cleaned = []
    for sample in samples:
        clean = redactor().clean(sample.value)
        cleaned.append(clean)
        said = everything_said(clean)
        left[sample.kind, sample.context] += sample.core in said or json.dumps(sample.core)[1:-1] in said
    return +left, cleaned


def test_the_corpus_is_broad() -> None:
    """Many kinds of secrets, of personal data, and of what looks like them."""
    assert len(SELF_EVIDENT) + len(NAMED) >= 130
    assert len(PERSONAL) >= 20
    assert len(DECOYS) >= 60


@pytest.mark.parametrize("samples", [secrets, personal], ids=["secrets", "personal"])
def test_nothing_is_left(samples: Any) -> None:
    """Each kind in each context; what came out is quiet: it changes no more, and a scan has nothing to report."""
    left, cleaned = left_over(samples(1))
    assert left == {}
    assert redactor().clean(cleaned) == cleaned
    assert list(scan(cleaned)) == []


def test_what_only_looks_like_it_stays() -> None:
    """Ids, hashes, times, amounts, versions, names of models, placeholders, prose."""
    changed = {
        (sample.kind, sample.context): (sample.value, clean)
        for sample in decoys(3)
        if (clean := redactor().clean(sample.value)) != sample.value
    }
    assert changed == {}
