"""The marks of values that were cut off or replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.sources.markers import cut, has_placeholder, is_redacted, redacted, redacted_paths

DATA = Path(__file__).parents[3] / "shared" / "data"
ORDER = json.dumps({"id": "O-1", "total": 45.99, "paid": True, "lines": [{"sku": "a\\b", "note": None}]})


@pytest.mark.parametrize(
    "text",
    [
        "some text... [truncated]", "some text…[truncated]", "some text [TRUNCATED]", "some text (truncated)",
        "some text <truncated>", "some text... truncated", "some text <truncated 1200 chars>",
        "some text... [1200 characters truncated]", "some text… (1,200 more characters)", "some text... (+34 chars)",
        "some text... 3 more items", "some text [output truncated: 120 kB]", "head <truncated 55 bytes> tail",
        "head [1200 characters omitted] tail", "[content truncated]", "[1, 2, 3, ...] … [truncated to 100 chars]",
        "some text...[truncated]\n",
    ],
)  # fmt: skip
def test_a_mark_of_a_cut_is_seen(text: str) -> None:
    """At the end, or within the text where it tells how much is missing."""
    assert cut(text) == "marked as truncated"


@pytest.mark.parametrize(
    "text",
    [
        "", "Let me think...", "And so on…", "Wait... what?", "the log was truncated",
        "The list is truncated (see page 2).", "These were found... (3 items)", "Two left... 3 items left are blue",
        "I truncated it.", "1, 2, 3, ...", "a...b", "[INFO] started", "{name} is your order", "[1] A book",
        "{", "[", "{not json", '["a", "b"]', ORDER, json.dumps([ORDER]), "[2026-01-01 10:00:00] up",
        '{"a": 1} and more',
        "{'a': 1", "4 items", "... 3 apples", "It costs 5 tokens... 3", "<b>bold</b>", "[1, 2] apples",
    ],
)  # fmt: skip
def test_an_ordinary_text_is_whole(text: str) -> None:
    """Dots at the end of a sentence, brackets, JSON that closes, text that only begins like JSON."""
    assert cut(text) is None


@pytest.mark.parametrize("end", ["", "...", "…"])
def test_json_that_ends_anywhere_in_the_middle_is_cut(end: str) -> None:
    """As a limit on the length of attributes leaves it, also with dots behind."""
    seen = {cut(ORDER[:at] + end) for at in range(2, len(ORDER))}
    assert seen == {"JSON that ends in the middle"}


def test_media_that_stand_elsewhere_are_missing() -> None:
    """What Langfuse keeps apart, and notes in place of base64."""
    media = "@@@langfuseMedia:type=image/png|id=cc48|source=base64_data_uri@@@"
    assert [cut(text) for text in (media, "<base64 image, 1200 bytes>", "[audio omitted]")] == [
        "media that is kept elsewhere"
    ] * 3


def test_of_a_structure_the_first_cut_text_counts() -> None:
    """Wherever it is; numbers and keys are whole."""
    assert cut({"a": [1, {"b": "x... [truncated]"}]}) == "marked as truncated"
    assert cut({"x... [truncated]": 1, "b": [None, "whole"]}) is None
    assert cut(5) is None


@pytest.mark.parametrize(
    "text",
    [
        "__REDACTED__", "[REDACTED]", "<redacted>", "[Redacted]", "***", "********", "[Filtered]", "REDACTED",
        "REDACTED_BY_POLICY", "[Scrubbed due to 'session']", "<PERSON>", "<EMAIL_ADDRESS>", "<PHONE_NUMBER_2>",
        "[CREDIT_CARD]", "[REDACTED: email]", "<REDACTED_SSN>", "[redacted-by-agent]", "{{redacted}}", " [REDACTED] ",
        "<US_SSN>", "[PERSON_1]", "██████", "[hidden]", "<masked>", "(redacted)",
        "Tool execution failed. Error details are redacted.",
    ],
)  # fmt: skip
def test_a_placeholder_is_no_value(text: str) -> None:
    """Of tracers, scrubbers and anonymisers."""
    assert redacted(text) == text.strip()
    assert is_redacted(text)
    assert has_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "**", "a", "redacted", "The document was redacted", "[draft]", "<div>", "<b>", "[1]", "****4242",
        "x@example.com", "PERSON", "<EOF>", "hidden", "filtered", "<filtered-list>x</filtered-list>",
        "[filtered by date]",
        "[REDACTED] and more",
        "REDACTEDLY", "unredacted", "- [ ] task", "[a](redacted.html)",
    ],
)  # fmt: skip
def test_an_ordinary_text_is_a_value(text: str) -> None:
    """Also one with a placeholder for a part, and a card of which the tool itself shows the last digits."""
    assert redacted(text) is None
    assert not is_redacted(text)


def test_values_that_are_no_text_are_values() -> None:
    """Of a structure, `redacted_paths` tells more."""
    assert [redacted(value) for value in (None, 5, ["[REDACTED]"])] == [None] * 3
    assert not is_redacted(None)


def test_a_placeholder_for_a_part_of_a_text_is_seen() -> None:
    """And only that."""
    seen = ["Mail <EMAIL_ADDRESS> today", "key=[REDACTED], id=7", "token __REDACTED__.", "by REDACTED_BY_X or so"]
    assert all(has_placeholder(text) for text in seen)
    ordinary = ["card ****4242", "**bold** ***", "see <div> and <EOF>", "one left (hidden)", "rows [filtered by date]"]
    assert not any(has_placeholder(text) for text in ordinary)


def test_the_paths_of_placeholders_are_json_pointers() -> None:
    """Only of texts that are nothing else; with RFC 6901's escapes."""
    value: Any = {"a/b": ["x", "[REDACTED]"], "c~": {"d": "<PERSON>", "e": "to <PERSON>"}, "f": "ok", "": "***"}
    assert redacted_paths(value) == ["/a~1b/1", "/c~0/d", "/"]
    assert redacted_paths("[REDACTED]") == [""]
    assert redacted_paths({"[REDACTED]": 1}) == []


def test_deep_structures_are_looked_through() -> None:
    """Without Python's limit on nesting."""
    deep: Any = "***"
    for _ in range(5000):
        deep = [deep]
    assert redacted_paths(deep) == ["/0" * 5000]
    assert cut(deep) is None


@pytest.mark.skipif(not DATA.is_dir(), reason="the real sessions (../shared/data) are not here")
def test_real_conversations_have_no_marks() -> None:
    """Nothing in 100 real sessions was cut off or replaced, whatever the agent and its tools wrote."""
    sessions = json.loads((DATA / "tau-bench/airline-even-tasks.json").read_text("utf-8"))
    texts = [m["content"] for s in sessions for m in s["traj"] if m["content"]]
    assert len(texts) > 1500
    assert [text for text in texts if cut(text) or has_placeholder(text)] == []


def test_many_brackets_take_no_time() -> None:
    """Each is looked at once."""
    import time

    before = time.process_time()
    assert cut("[" * 30_000) is None
    assert time.process_time() - before < 1
