"""What `expected_failure` says in words that leave no doubt: which tool, which figure, that something was made up.

Only plain English is understood, and only about what can be checked: "called issue_refund instead of check_policy",
"must call verify_identity first", "said $500 instead of $450", "made up the revenue", "claimed success although …".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_agent_replay.contracts.plain import plain
from pytest_agent_replay.sources.proposing.facts import Facts, Line, quoted
from pytest_agent_replay.sources.proposing.tools import kind_of

__all__ = ["told"]

_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+|\n+")
_IDENTIFIER = r"[A-Za-z]+(?:_[A-Za-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]+)+"

_LONGEST = 4000
_HIGH = {"severity": "high"}
_T = r"(?:the )?(?:tool )?⟨(\d+)⟩(?: tool)?"
_CALL = r"(?:call(?:s|ed|ing)?|us(?:e|es|ed|ing)|invok(?:e|es|ed|ing)|run(?:s|ning)?|ran|execut(?:e|es|ed|ing))"
_MUST = r"(?:should|must|ought to|needs? to|ha[sd] to|(?:is|was) supposed to)"
_MUST_NOT = (
    r"(?:should(?: not|n't| never)|must(?: not|n't| never)|may not|ought not to"
    r"|(?:is|was)(?: not|n't) (?:supposed|allowed) to|ha[sd] no reason to|never should|cannot)"
)
_MISSED = (
    r"(?:forgot to|fail(?:s|ed) to|did(?: not|n't)|does(?: not|n't)|never|without(?: first| ever)?|skipped|omitted)"
)
_WRONGLY = r"(?:wrongly|mistakenly|unnecessarily|incorrectly|by mistake)"
_SEVERAL = (
    r"(?:twice|(?:two|three|four|five|\d+|several|multiple|many) times|repeatedly|again and again|over and over"
    r"|more than once)"
)
_FIGURE = r"([$€£]?\d[\d,.]*(?<![,.])(?: ?%)?)"

_MADE_UP = re.compile(
    r"\bmade[- ]up\b|\bmakes? up\b|\bfabricat|\bhallucinat|\binvent(?:ed|s|ing)\b|\bout of thin air\b", re.I
)
_LEAKED = re.compile(r"\b(?:leak|expos|disclos|reveal)\w*", re.I)
_PERSONAL = re.compile(
    r"\bPII\b|\bpersonal\b|\be-?mails?\b|\bphone|\bSSN\b|\bsocial security\b|\bcard numbers?\b|\bIBAN\b|\bIP address",
    re.I,
)
_CLAIMED = re.compile(
    r"\b(?:claim|promis|pretend|assert)\w*|\b(?:said|says|told|reports?|reported|confirm(?:s|ed)|announce[sd]?)\b"
    r"|\bfalse(?:ly)? (?:success|confirm)",
    re.I,
)
_WAS_NOT = re.compile(
    r"\b(?:although|even though|though|but|despite|while|when|after)\b.*?(?:\bfail|\berror|\bdeclin|\breject"
    r"|\brefused\b|\bnot\b|n't\b|\bnever\b)|\bfalse(?:ly)? (?:success|claim|confirm|said|told|report)"
    r"|\bclaim\w* (?:false )?success\b",
    re.I | re.S,
)


@dataclass(slots=True)
class _Sentence:
    """A sentence in which tools are numbered: `called ⟨0⟩ instead of ⟨1⟩`. What was understood is taken out."""

    said: str
    text: str
    names: list[str] = field(default_factory=list)

    def take(self, pattern: str) -> Iterator[re.Match[str]]:
        """The matches of a pattern, each of which is then understood."""
        while found := re.search(pattern, self.text, re.IGNORECASE):
            yield found
            self.text = f"{self.text[: found.start()]} … {self.text[found.end() :]}"

    def tool(self, number: str) -> str:
        return self.names[int(number)]


def told(facts: Facts) -> Iterator[Line]:
    """Lines of the rank `told`; whether they fail on the original is not looked at."""
    made: dict[str, Line] = {}
    known = _known_tools(facts)
    text = (facts.replay.expected_failure or "")[:_LONGEST].translate({ord("⟨"): "<", ord("⟩"): ">"})
    for said in filter(None, map(plain, _SENTENCE_END.split(text))):
        sentence = _with_numbered_tools(said.strip(), known)
        for name, invariant in _invariants(sentence, facts):
            key = repr(sorted(invariant.items()))
            number = sum(line.id == name or line.id.startswith(f"{name}-") for line in made.values()) + 1
            reason = f"Read from `expected_failure`: {quoted(sentence.said, 160)}."
            made.setdefault(key, Line(name if number == 1 else f"{name}-{number}", invariant, reason, "told"))
    yield from made.values()


def _known_tools(facts: Facts) -> list[str]:
    asked = [
        call.name
        for turn in facts.replay.turn_list
        for answer in turn.llm_responses or ()
        for call in answer.tool_calls
    ]
    recorded = [response.tool for _, response in facts.replay.all_recordings()]
    return sorted({*asked, *recorded}, key=lambda name: (-len(name), name))


def _with_numbered_tools(said: str, known: list[str]) -> _Sentence:
    sentence = _Sentence(said, said)
    # a tool named `search` is meant where it is marked as one, not in "search the web"
    plain_words = [re.escape(name) for name in known if re.fullmatch(r"[a-z]+", name)]
    others = [re.escape(name) for name in known if not re.fullmatch(r"[a-z]+", name)]
    marked = "|".join([*plain_words, *others, _IDENTIFIER])
    bare = "|".join([*others, _IDENTIFIER])
    pattern = re.compile(
        rf"[`'\"](?P<a>{marked})(?:\(\))?[`'\"]|\b(?P<b>{marked})\(\)|(?<![\w`'\"$])(?P<c>{bare})(?![\w(])"
    )

    def number(match: re.Match[str]) -> str:
        sentence.names.append(match["a"] or match["b"] or match["c"])
        return f"⟨{len(sentence.names) - 1}⟩"

    sentence.text = pattern.sub(number, said)
    return sentence


def _invariants(sentence: _Sentence, facts: Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    for rule in _RULES:
        yield from rule(sentence, facts)


_Found = Iterator[tuple[str, dict[str, Any]]]


def _wanted(tool: str) -> tuple[str, dict[str, Any]]:
    return f"calls-{tool}", {"type": "tool_called", "tool": tool, **_HIGH}


def _unwanted(tool: str) -> tuple[str, dict[str, Any]]:
    return f"does-not-call-{tool}", {"type": "tool_not_called", "tool": tool, **_HIGH}


def _ordered(before: str, after: str) -> tuple[str, dict[str, Any]]:
    return f"{before}-before-{after}", {"type": "tool_order", "before": before, "after": after, **_HIGH}


def _instead(sentence: _Sentence, facts: Facts) -> _Found:
    other = rf"(?:instead of|rather than|,? (?:and )?not)(?: {_CALL})? {_T}"
    for found in sentence.take(rf"\b{_MUST}\b(?! not|n't| never)[^⟨.]*{_T} {other}"):
        yield _wanted(sentence.tool(found[1]))
        yield _unwanted(sentence.tool(found[2]))
    for found in sentence.take(rf"\b{_CALL} {_T} (?:instead of|rather than)(?: {_CALL})? {_T}"):
        yield _unwanted(sentence.tool(found[1]))
        yield _wanted(sentence.tool(found[2]))
    for found in sentence.take(rf"\b(?:instead of|rather than) {_CALL} {_T},? (?:it |the agent |they )?{_CALL} {_T}"):
        yield _wanted(sentence.tool(found[1]))
        yield _unwanted(sentence.tool(found[2]))


def _order(sentence: _Sentence, facts: Facts) -> _Found:
    for found in sentence.take(rf"{_T}[^⟨.]* without (?:first |ever )?{_CALL} {_T}(?: first)?"):
        yield _ordered(sentence.tool(found[2]), sentence.tool(found[1]))
    for found in sentence.take(rf"\b{_MUST}\b(?! not|n't| never)[^⟨.]*{_T} before (?:{_CALL} )?{_T}"):
        yield _ordered(sentence.tool(found[1]), sentence.tool(found[2]))
    for found in sentence.take(
        rf"(?<!not )(?<!never )(?<!n't )\b(?:called|used|ran|invoked|executed) {_T} before (?:{_CALL} )?{_T}"
    ):
        yield _ordered(sentence.tool(found[2]), sentence.tool(found[1]))


def _forbidden(sentence: _Sentence, facts: Facts) -> _Found:
    for pattern in (
        rf"\b{_MUST_NOT}(?: have| be| have been)? {_CALL} {_T}",
        rf"{_T} {_MUST_NOT} (?:be|have been) {_CALL}",
        rf"\b{_WRONGLY} {_CALL} {_T}",
        rf"\b{_CALL} {_T} {_WRONGLY}",
    ):
        for found in sentence.take(pattern):
            yield _unwanted(sentence.tool(found[1]))


def _repeated(sentence: _Sentence, facts: Facts) -> _Found:
    for pattern in (rf"\b{_CALL} {_T} {_SEVERAL}", rf"{_T} (?:was|is|got) {_CALL} {_SEVERAL}"):
        for found in sentence.take(rf"(?<!should )(?<!must )(?<!to ){pattern}"):
            tool = sentence.tool(found[1])
            yield f"once-{tool}", {"type": "tool_called", "tool": tool, "min": 0, "max": 1, **_HIGH}


def _demanded(sentence: _Sentence, facts: Facts) -> _Found:
    for pattern in (
        rf"\b(?:{_MUST}(?! not|n't| never)|{_MISSED})(?: first| always)?(?: have)?(?: first)? {_CALL} {_T}",
        rf"\b(?:forgot|skipped|omitted) {_T}",
        rf"{_T} {_MUST}(?! not|n't| never) (?:be|have been) {_CALL}",
        rf"{_T} (?:was never|was not|wasn't|is never|is not) {_CALL}",
    ):
        for found in sentence.take(pattern):
            yield _wanted(sentence.tool(found[1]))


_FIGURES = (
    (
        rf"\b{_MUST} (?:be|have been|say|have said|read)(?: \w+)? {_FIGURE}"
        rf"(?:,? (?:and )?(?:not|instead of|rather than) {_FIGURE})?",
        1,
        2,
    ),
    (rf"(?<![\d$€£.,]){_FIGURE} (?:instead of|rather than) {_FIGURE}", 2, 1),
    (rf"\bnot {_FIGURE},? but {_FIGURE}", 2, 1),
)
"""With the groups of the right figure and of the wrong one."""


def _figures(sentence: _Sentence, facts: Facts) -> _Found:
    for pattern, right, wrong in _FIGURES:
        for found in sentence.take(pattern):
            where = {"turn": "any"} if facts.has_turns else {}
            if found[wrong]:
                unsaid = _figure_pattern(found[wrong])
                turns = [turn for turn, text in facts.answers() if re.search(unsaid, text)]
                where = facts.turn(turns[0]) if turns else where
                everywhere = {"turn": "all"} if facts.has_turns else {}
                yield f"not-{_slug(found[wrong])}", {"type": "excludes_regex", "pattern": unsaid, **_HIGH, **everywhere}
            said = _figure_pattern(found[right])
            yield f"says-{_slug(found[right])}", {"type": "regex", "pattern": said, **_HIGH, **where}


def _slug(figure: str) -> str:
    return re.sub(r"[^\d]+", "-", figure).strip("-")


def _figure_pattern(figure: str) -> str:
    """The figure with or without separators of thousands, unit and cents of zero, and not as a part of another."""
    number = re.sub(r"[^\d.]", "", figure)
    whole, _, cents = number.partition(".")
    cents = cents.rstrip("0")
    groups = re.findall(r"\d{1,3}(?=(?:\d{3})*$)", whole)
    return rf"(?<![\d.,]){'[,. ]?'.join(groups)}{'[.,]' + cents + '0?' if cents else '(?:[.,]0{1,2})?'}(?!\d|[.,]\d)"


def _made_up(sentence: _Sentence, facts: Facts) -> _Found:
    if _MADE_UP.search(sentence.text):
        yield "nothing-made-up", {"type": "grounded_numbers", "turn": "all", "severity": "critical"}


def _leaked(sentence: _Sentence, facts: Facts) -> _Found:
    if _LEAKED.search(sentence.text) and _PERSONAL.search(sentence.text):
        yield "no-personal-data", {"type": "excludes_pii", "turn": "all", "severity": "critical"}


def _claimed(sentence: _Sentence, facts: Facts) -> _Found:
    if not (_CLAIMED.search(sentence.text) and _WAS_NOT.search(sentence.text)):
        return
    named = [name for name in sentence.names if kind_of(name) != "reads"]
    failed = [call.tool for call in facts.failures if kind_of(call.tool) != "reads"]
    tools = list(dict.fromkeys(named or failed or facts.changing))
    if tools:
        yield "no-false-claim", {"type": "no_promise_without_tool", "tools": tools, "severity": "critical"}


_RULES: tuple[Callable[[_Sentence, Facts], _Found], ...] = (
    _instead, _order, _forbidden, _repeated, _demanded, _figures, _made_up, _leaked, _claimed,
)  # fmt: skip
"""From the more to the less particular: each takes what it understood out of the sentence."""
