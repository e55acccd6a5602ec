"""Regular expressions as parameters: compiled, and their mistakes found, when a contract is bound.

A pattern can take for ever on some text (`^(a+)+$`). One that might is searched for by `searching`, which stops it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import PlainValidator, WithJsonSchema

from pytest_agent_replay.contracts.case import TakesTooLong, excerpt
from pytest_agent_replay.contracts.plain import nfc
from pytest_agent_replay.late import late_pattern

if TYPE_CHECKING:
    from pytest_agent_replay.contracts.searching import How

__all__ = ["Regex", "bounded", "excerpt"]

_QUICK = 27
"""2 to this power of steps, less than half a second, may be taken in this process."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A match that was found elsewhere; the part of `re.Match` that checks use."""

    string: str
    start: int
    end: int

    def span(self) -> tuple[int, int]:
        return self.start, self.end

    def __getitem__(self, group: int) -> str:
        if group != 0:
            raise IndexError("no such group")
        return self.string[self.start : self.end]


class _BoundedPattern:
    """The part of `re.Pattern` that checks use. Each search raises `TakesTooLong` when it takes too long."""

    __slots__ = ("_compiled", "_cost", "pattern")

    def __init__(self, compiled: re.Pattern[str]) -> None:
        self._compiled = compiled
        self.pattern = compiled.pattern
        self._cost = _cost(compiled)

    def search(self, text: str) -> Any:
        return self._compiled.search(text) if self._is_quick(text) else self._first("search", text)

    def fullmatch(self, text: str) -> Any:
        return self._compiled.fullmatch(text) if self._is_quick(text) else self._first("fullmatch", text)

    def finditer(self, text: str) -> Iterator[Any]:
        return self._compiled.finditer(text) if self._is_quick(text) else iter(self._elsewhere("finditer", text))

    def _is_quick(self, text: str) -> bool:
        cost, length = self._cost, math.log2(len(text) + 2)
        if (cost.wide + cost.narrow + 1) * length + cost.choices <= _QUICK:
            return True
        within = (cost.wide + 1) * length + cost.runs + cost.choices <= _QUICK
        return within and _has_usual_runs(text)

    def _first(self, how: How, text: str) -> _Found | None:
        return next(iter(self._elsewhere(how, text)), None)

    def _elsewhere(self, how: How, text: str) -> list[_Found]:
        from pytest_agent_replay.contracts.searching import SECONDS, TooSlow, spans

        try:
            return [_Found(text, start, end) for start, end in spans(self._compiled, how, text)]
        except TooSlow:
            raise TakesTooLong(
                f"the pattern {self.pattern!r} takes more than {SECONDS:g} s on this answer; "
                "write it without a repetition inside of a repetition"
            ) from None
        except OSError:  # where no process can be started, as patient as `re`
            return [_Found(text, *match.span()) for match in self._here(how, text)]

    def _here(self, how: How, text: str) -> Iterator[re.Match[str]]:
        if how == "finditer":
            yield from self._compiled.finditer(text)
        elif match := getattr(self._compiled, how)(text):
            yield match


class Cost(NamedTuple):
    """How a search grows, where nothing that it tries fits in the end.

    It takes at most (length of the text) ** (`wide` + `narrow`) * 2 ** `choices` steps from each of its characters.
    A `narrow` repetition stays within a run of blanks, digits or letters: where these are as short as usual, all of
    them together only take 2 ** `runs` steps.
    """

    wide: float = 0
    narrow: float = 0
    runs: float = 0
    choices: float = 0

    def times(self, count: float) -> Cost:
        return Cost(*(each * count for each in self))

    def then(self, other: Cost) -> Cost:
        return Cost(*map(operator.add, self, other))

    def choosing(self, bits: float) -> Cost:
        return self._replace(choices=self.choices + bits)


_ENDLESS = Cost(wide=math.inf)
_NARROW = {r"\s": 3, r"\d": 6, r"\w": 6}
"""Runs of these are at most 2 to this power long where `_has_usual_runs`."""
_MANY_BLANKS = late_pattern(r"\s{9}")


def _has_usual_runs(text: str) -> bool:
    return max(map(len, text.split()), default=0) <= 64 and _MANY_BLANKS.search(text) is None


_TOKEN = late_pattern(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\] | (?P<open>\(\??) | (?P<close>\)) | (?P<or>\|)
    | (?P<repeat>[*+?]|\{(?P<low>\d*)(?P<comma>,?)(?P<high>\d*)\})[?+]? | .""",
    re.VERBOSE | re.DOTALL,
)
_MANY = 16


class _Group:
    """A group while it is read: what its alternatives before this one, this one, and its last item cost."""

    def __init__(self) -> None:
        self.alternatives: list[Cost] = []
        self.sequence = Cost()
        self.item, self.item_text = Cost(), ""

    def add(self, item: Cost, text: str = "") -> None:
        self.sequence = self.sequence.then(self.item)
        self.item, self.item_text = item, text

    def end_alternative(self) -> None:
        self.add(Cost())
        self.alternatives.append(self.sequence)
        self.sequence = Cost()

    def cost(self) -> Cost:
        self.end_alternative()
        most = Cost(*map(max, zip(*self.alternatives, strict=True)))
        return most.choosing(math.log2(len(self.alternatives)))


@lru_cache(maxsize=1000)
def _cost(compiled: re.Pattern[str]) -> Cost:
    """At most so much, read from the text of the pattern: a choice inside of a repetition has no bound."""
    if compiled.flags & re.VERBOSE:  # its comments may look like anything
        return _ENDLESS
    groups = [_Group()]
    for token in _TOKEN.finditer(compiled.pattern):
        group = groups[-1]
        if token["open"]:
            groups.append(_Group())
        elif token["close"]:
            if len(groups) == 1:
                return _ENDLESS
            inner = groups.pop().cost()
            groups[-1].add(inner)
        elif token["or"]:
            group.end_alternative()
        elif token["repeat"]:
            group.item = _repeated(group.item, group.item_text, *_bounds(token))
        else:
            group.add(Cost(), token[0])
    return groups[0].cost() if len(groups) == 1 else _ENDLESS


def _bounds(token: re.Match[str]) -> tuple[float, float]:
    simple = {"*": (0, math.inf), "+": (1, math.inf), "?": (0, 1)}.get(token["repeat"])
    if simple is not None:
        return simple
    low, high = token["low"] or 0, token["high"] if token["comma"] else token["low"]
    return float(low), float(high or math.inf)


def _repeated(item: Cost, text: str, low: float, high: float) -> Cost:
    if high <= 1:
        return item.choosing(1)
    if low == high:
        return item.times(high)
    if any(item):
        return _ENDLESS
    if high <= _MANY:
        return Cost(choices=math.log2(high - low + 1))
    return Cost(narrow=1, runs=_NARROW[text]) if text in _NARROW else Cost(wide=1)


def bounded(pattern: re.Pattern[str]) -> _BoundedPattern:
    """The pattern with an end to its searches: `search`, `fullmatch` and `finditer` raise `TakesTooLong`."""
    return _BoundedPattern(pattern)


_NEGATIVE = late_pattern(r"\(\?<?!")
_PROBES = ("", "\x01", "\x01 \x01\n\x02")
"""What fits in these, without saying what must not be there, fits because it needs no character at all."""


def _compile(value: Any) -> _BoundedPattern:
    if isinstance(value, _BoundedPattern):
        return value
    if isinstance(value, re.Pattern):
        return _BoundedPattern(value)
    if not isinstance(value, str) or not value:
        raise ValueError("must be a regular expression, as text")
    try:
        compiled = re.compile(nfc(value), re.DOTALL)  # as the texts are that it searches
    except re.error as error:
        at = f" at position {error.pos}" if error.pos is not None else ""
        raise ValueError(f"`{value}` is not a regular expression: {error.msg}{at}") from None
    except (RecursionError, OverflowError):
        raise ValueError(f"`{value[:60]}` is too complicated for a regular expression") from None
    if _NEGATIVE.search(value) is None and all(map(compiled.search, _PROBES)):
        raise ValueError(f"`{value}` matches every text, also an empty one")
    return _BoundedPattern(compiled)


Regex = Annotated[re.Pattern[str], PlainValidator(_compile), WithJsonSchema({"type": "string", "format": "regex"})]
"""A pattern for `search`, `fullmatch` and `finditer`; a dot matches line ends too (DOTALL)."""
