"""Checks that an answer rests on what the tools, the user and the context gave: its figures, its quotations,
its sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from pytest_agent_replay.contracts.case import Case, text_of
from pytest_agent_replay.contracts.derivation import Answers
from pytest_agent_replay.contracts.figures import Figure, Number
from pytest_agent_replay.contracts.grounds import Grounds, parsed
from pytest_agent_replay.contracts.patterns import Regex, excerpt
from pytest_agent_replay.contracts.plain import folded
from pytest_agent_replay.contracts.registry import Check, Finding, check
from pytest_agent_replay.formats.contract import Invariant
from pytest_agent_replay.formats.replay import no_items
from pytest_agent_replay.late import late_pattern
from pytest_agent_replay.trace.model import ToolCallView

__all__ = ["CHECKS"]


class GroundedNumbers(Invariant):
    """Every figure of the answer was given. `tolerance` is a fraction of the given number (0.01: one percent).

    A figure that one of the patterns `ignore` touches is not looked at.
    """

    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ignore: list[Regex] = Field(default_factory=no_items)


class GroundedQuotes(Invariant):
    """Every quotation of at least `min_words` words occurs in what was given.

    Quotation marks are double, single or angle ones; a single one inside of a word is an apostrophe.
    """

    min_words: Annotated[int, Field(ge=1)] = 2


class CitesSource(Invariant):
    """The answer names at least one source, and every source that it names was given by a tool.

    A source is a URL, or an identifier: what `pattern` finds, by default a word of letters and at least three digits.
    """

    pattern: Regex | None = None


_DIGIT = late_pattern(r"\d")
_QUOTATION = late_pattern(
    r"""
      “([^“”]+)” | "([^"\n]+)" | «([^«»]+)» | „([^„“”]+)[“”] | ‹([^‹›]+)› | ‚([^‚‘’\n]+)‘
    | (?<!\w)‘(?!(?:\d\ds|tis|twas|em|til|cause|n)\b)((?:[^‘’\n]|(?<=\w)’(?=\w))+)’(?!\w)
    | (?<!\w)'(?=\w)(?!(?:\d\ds|tis|twas|em|til|cause|n)\b)((?:[^'\n]|(?<=\w)'(?=\w))+)(?<!\s)'(?!\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""No mark that opens stands inside of its own quotation, so that one which is never closed costs little."""
_ELLIPSIS = late_pattern(r"\s*(?:\[…\]|\[\.\.\.\]|…|\.\.\.)\s*")
_URL = late_pattern(r"https?://[^\s<>\"'`)\]}]+", re.IGNORECASE)
_WORD = late_pattern(r"\w")
_REST_OF_URL = late_pattern(r"[-.]?\w|%")
_REST_OF_IDENTIFIER = late_pattern(r"-?\w")
_IDENTIFIER = late_pattern(r"(?<![\w/])(?=[\w-]*[A-Za-z])(?=(?:[\w-]*\d){3})\w[\w-]*\w")


@check("grounded_numbers", GroundedNumbers)
def grounded_numbers(params: GroundedNumbers, case: Case) -> Finding:
    """Every figure occurs in a tool response, the input or the context up to this turn, or follows from
    figures that do."""
    text = case.text
    if not _DIGIT.search(text):
        return Finding(True, case.sentence("the answer has no figures."))
    grounds = case.session.grounds(case.turn)
    answers = Answers(grounds, tolerance=params.tolerance, ignore=params.ignore)
    found = answers.read(text)
    earlier = list(_earlier_answers(case)) if found else []
    if earlier:
        answers = Answers(grounds, tolerance=params.tolerance, ignore=params.ignore)
        for each in earlier:
            answers.read(each)
        found = answers.read(text)
    if not found:
        return Finding(True, case.sentence("every figure of the answer was given or follows from given ones."))
    calls = _calls_so_far(case)
    listed = ", ".join(dict.fromkeys(figure.text for figure in found[:5]))
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    figures = [_figure_evidence(figure, text, grounds) for figure in found[:20]]
    message = case.sentence(
        f"the answer says {listed}{more}, which no tool, input or context gave: "
        f"{figures[0]['excerpt']!r}{_nearest_in_words(figures[0])} ({_calls_in_words(calls)})."
    )
    evidence: dict[str, Any] = {"turn": case.turn, "figures": figures}
    evidence["tools"] = [_call_in_words(call) for call in calls[:50]]
    if answers.unexplained:
        evidence["not_derived"] = answers.unexplained
        message += f" Whether {answers.unexplained} more follow from given figures was not looked at."
    return Finding(False, message, evidence)


def _earlier_answers(case: Case) -> Iterator[str]:
    for turn in case.session.played:
        output = case.session.outputs.get(turn) if turn < case.turn else None
        if output is not None:
            yield text_of(output)


def _calls_so_far(case: Case) -> list[ToolCallView]:
    return [call for call in case.session.all_calls if call.turn <= case.turn]


def _call_in_words(call: ToolCallView) -> str:
    if call.unrecorded:
        return f"{call.tool} was not recorded"
    if call.failed:
        return f"{call.tool} failed{f' with status {call.status}' if call.status is not None else ''}"
    return f"{call.tool} answered"


def _calls_in_words(calls: list[ToolCallView]) -> str:
    said = list(dict.fromkeys(map(_call_in_words, calls)))
    more = f" and {len(said) - 6} more" if len(said) > 6 else ""
    return ", ".join(said[:6]) + more if said else "no tool was called"


def _figure_evidence(figure: Figure, text: str, grounds: Grounds) -> dict[str, Any]:
    evidence: dict[str, Any] = {"figure": figure.text, "excerpt": excerpt(text, figure.start, figure.end)}
    numbers = [reading for option in figure.options for reading in option if isinstance(reading, Number)]
    nearest = grounds.nearest(numbers[0].value) if numbers else None
    if nearest is not None:
        evidence["nearest"] = {"value": nearest[0], "source": nearest[1]}
    return evidence


def _nearest_in_words(evidence: dict[str, Any]) -> str:
    nearest = evidence.get("nearest")
    return "" if nearest is None else f"; the nearest number given is {nearest['value']:g}, from {nearest['source']}"


def _plain(text: str) -> str:
    """For comparing quotations: case, typography and the length of blanks aside."""
    return folded(text).replace("—", "-").strip()


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value
        yield from _leaves(parsed(value))
    elif value is not None:
        yield text_of(value)


def _given_texts(case: Case, *, tools_only: bool = False) -> list[str]:
    sources = case.session.sources(case.turn)
    values = [value for _, value, prose in sources if not (tools_only and prose)]
    return list(dict.fromkeys(_plain(leaf) for value in values for leaf in _leaves(value)))


def _place(piece: str, text: str, start: int, goes_on: re.Pattern[str]) -> int:
    """Where a piece ends that stands in a text from `start` on, as whole words; -1: it does not. `goes_on` is what a
    piece goes on with that is longer than this one."""
    at = text.find(piece, start)
    while at >= 0:
        end = at + len(piece)
        begins_inside = _WORD.match(piece) is not None and at > 0 and text[at - 1].isalnum()
        if not begins_inside and (_WORD.match(piece[-1:]) is None or goes_on.match(text, end) is None):
            return end
        at = text.find(piece, at + 1)
    return -1


def _stands_in(pieces: Sequence[str], text: str) -> bool:
    """Whether the pieces stand in a text, one after the other."""
    end = 0
    for piece in pieces:
        end = _place(piece, text, end, _WORD)
        if end < 0:
            return False
    return True


@check("grounded_quotes", GroundedQuotes)
def grounded_quotes(params: GroundedQuotes, case: Case) -> Finding:
    """Quotations occur word for word (case, blanks and quotation marks aside; `…` may leave words out)."""
    text = case.text
    matches = list(_QUOTATION.finditer(text))
    given = _given_texts(case) if matches else []
    missing: list[re.Match[str]] = []
    checked = 0
    for match in matches:
        quoted = next(group for group in match.groups() if group is not None)
        if len(quoted.split()) < params.min_words:
            continue
        checked += 1
        pieces = [_plain(piece).strip(" .,;:!?") for piece in _ELLIPSIS.split(quoted)]
        if not any(_stands_in(pieces, each) for each in given):
            missing.append(match)
    if not checked:
        return Finding(True, case.sentence(f"the answer quotes nothing of {params.min_words} words or more."))
    if not missing:
        said = "the quotation" if checked == 1 else f"each of the {checked} quotations"
        return Finding(True, case.sentence(f"{said} in the answer occurs in what was given."))
    message = case.sentence(
        f"the answer quotes {missing[0][0]}, which occurs nowhere in what tools, input and context gave."
    )
    return Finding(False, message, {"turn": case.turn, "quotations": [match[0] for match in missing]})


@check("cites_source", CitesSource)
def cites_source(params: CitesSource, case: Case) -> Finding:
    """At least one source is named, and each that is named comes from a tool."""
    text = case.text
    named = list(dict.fromkeys(_named_sources(text, params.pattern)))
    if not named:
        return Finding(False, case.sentence("the answer names no source."), {"turn": case.turn, "answer": text[:400]})
    given = _given_texts(case, tools_only=True)
    invented = [source for source in named if not any(_is_named_in(_plain(source), each) for each in given)]
    if not invented:
        return Finding(
            True, case.sentence(f"the answer names {', '.join(named[:5])}, which tools gave."), {"sources": named}
        )
    message = case.sentence(f"the answer names {', '.join(invented[:5])} as a source, which no tool gave.")
    return Finding(False, message, {"turn": case.turn, "sources": named, "not_given": invented})


def _is_named_in(source: str, text: str) -> bool:
    """Whether a text has this source, and not only a longer one: of a URL, the site or the folder is its own."""
    if "://" in source:
        return _place(source.rstrip("/"), text, 0, _REST_OF_URL) >= 0
    return _place(source, text, 0, _REST_OF_IDENTIFIER) >= 0


def _named_sources(text: str, pattern: re.Pattern[str] | None) -> Iterator[str]:
    for match in _URL.finditer(text):
        yield match[0].rstrip(".,;:!?*_")
    without_urls = _URL.sub(" ", text)
    for match in (pattern or _IDENTIFIER).finditer(without_urls):
        yield match[0]


CHECKS: tuple[Check[Any], ...] = (grounded_numbers, grounded_quotes, cites_source)
