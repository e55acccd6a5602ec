"""Patterns that a contract names, and how long they may take."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_agent_replay.contracts import searching
from pytest_agent_replay.contracts.searching import SECONDS, spans
from tests.contracts.session import Run, answered, judge, judge_recording, make_replay

HANGS = "^(a+)+$"
LONG = "a" * 40 + "!"


@pytest.mark.parametrize(
    "invariant",
    [
        {"type": "regex", "pattern": HANGS, "turn": "all"},
        {"type": "no_promise_without_tool", "tools": "t", "pattern": "^(?:a|a?)+$"},
    ],
)
def test_a_pattern_that_does_not_end_is_an_error_after_a_second(invariant: dict[str, Any]) -> None:
    """An error names the pattern, whatever other turns hold; it fails no recording."""
    replay = make_replay(turns=[{"input": "a", "output": LONG}, {"input": "b", "output": LONG}])
    run = Run().start(1).answer(LONG, 1).start(2).answer(LONG, 2)
    begun = time.perf_counter()
    result = judge(invariant, run, replay)
    assert time.perf_counter() - begun < 2 * SECONDS
    assert result.outcome == "error"
    assert result.message.startswith(f"Cannot be evaluated: the pattern {invariant['pattern']!r} takes more than 1 s")


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_agent_replay.contracts.searching.SECONDS", 0.2)


@pytest.mark.usefixtures("_hurried")
def test_a_pattern_that_did_not_end_stops_no_other() -> None:
    """The next one is searched for as if nothing had happened."""
    assert judge_recording({"type": "excludes_regex", "pattern": HANGS}, make_replay(output=LONG))[0] == "unknown"
    assert judge({"type": "excludes_regex", "pattern": HANGS}, answered("a" * 30)).outcome == "failed"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"(\w+\s?)+é", "der Café\u2028 da", "der Café"),
        (r"(?i)(x|y+)*Z", "..XyYz..", "XyYz"),
        (r"(?x) (a|b)+  # (", "..abba", "abba"),
        (r"(\d+,?)+", "\ud800 1,2,3", "1,2,3"),
        (r"(a|b)+", "ccc", None),
    ],
)
def test_what_could_take_long_finds_the_same(pattern: str, text: str, found: str | None) -> None:
    """As `re.search` with DOTALL."""
    expected = re.search(pattern, text, re.DOTALL)
    assert (expected[0] if expected else None) == found
    result = judge({"type": "regex", "pattern": pattern}, answered(text))
    assert (result.evidence.get("match")) == found
    assert result.outcome == ("passed" if found else "failed")


@pytest.mark.usefixtures("_hurried")
def test_patterns_of_every_type_have_an_end() -> None:
    """Those that are matched whole, that are found again and again, and that look at a path."""
    assert judge({"type": "excludes_pii", "allow": ["(a|m|@|[x.])+"]}, answered("a@x.am")).outcome == "passed"
    assert judge({"type": "excludes_pii", "allow": ["(a|@|[x.])+"]}, answered("a@x.am")).outcome == "failed"
    for truth in ({"type": "grounded_numbers", "ignore": [HANGS]}, {"type": "cites_source", "pattern": HANGS}):
        assert judge(truth, answered(LONG + " 12")).outcome == "error"
    assert judge({"type": "grounded_numbers", "ignore": ["(1|2)+x"]}, answered("12x")).outcome == "passed"
    path = {"type": "json_path", "path": "$.a", "matches": HANGS}
    assert judge(path, answered({"a": LONG})).outcome == "error"
    assert judge(path, answered({"a": "aa"})).outcome == "passed"


def test_a_search_process_that_is_gone_is_started_again() -> None:
    """Whoever ended it; and searches of several threads do not disturb each other."""
    pattern = re.compile("(a|b)+")
    assert spans(pattern, "search", "..abba") == [(2, 6)]
    searcher = searching._searcher
    assert searcher is not None
    searcher.process.kill()
    searcher.process.wait()
    with ThreadPoolExecutor(4) as pool:
        texts = ["c" * n + "ab" * n for n in range(1, 20)]
        found = list(pool.map(lambda text: spans(pattern, "finditer", text), texts))
    assert found == [[(n, 3 * n)] for n in range(1, 20)]


def test_an_interrupted_search_leaves_no_answer_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it waits."""
    pattern = re.compile("(a|b)+")
    spans(pattern, "search", "a")
    searcher = searching._searcher
    assert searcher is not None
    answers = searcher._answers

    class Interrupted:
        def readline(self) -> str:
            raise KeyboardInterrupt

        def close(self) -> None:
            answers.close()

    monkeypatch.setattr(searcher, "_answers", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        spans(pattern, "search", "..a")
    assert spans(pattern, "search", "....a") == [(4, 5)]


def test_without_a_process_patterns_are_searched_for_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program may be started, `re` itself takes the time that it takes."""

    def refused(*args: object, **kwargs: object) -> None:
        raise PermissionError("no programs here")

    monkeypatch.setattr(searching, "_searcher", None)
    monkeypatch.setattr("subprocess.Popen", refused)
    assert judge({"type": "regex", "pattern": "(a|b)+"}, answered("..abba")).evidence["match"] == "abba"
    assert judge({"type": "excludes_pii", "allow": ["(a|@|m|[x.])+"]}, answered("a@x.am")).outcome == "passed"
    assert judge({"type": "grounded_numbers", "ignore": ["(1|2)+x"]}, answered("12x")).outcome == "passed"
