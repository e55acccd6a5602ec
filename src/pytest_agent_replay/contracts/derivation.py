"""Which figures of an answer nothing gave, and do not follow from figures that were given."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import cached_property
from itertools import chain, combinations, pairwise, permutations
from math import inf

from pytest_agent_replay.contracts.figures import Clock, Date, Figure, Number, Reading, Span, read_figures, word_numbers
from pytest_agent_replay.contracts.grounds import Grounds
from pytest_agent_replay.contracts.wording import PLAIN, Wording, wording_of
from pytest_agent_replay.late import late_pattern

__all__ = ["Answers"]

_TOTALS = r"totals?|totall?ing|sum|altogether|together|combined|overall|in all|comes? to|came to|average|mean"
_COMPUTES = late_pattern(rf"\b(?=[a-z])(?:{_TOTALS}|difference|remain\w*|left)\b|[=+×]", re.IGNORECASE)
_COMPUTES_MONEY = late_pattern(
    rf"\b(?=[a-z])(?:{_TOTALS}|difference|remain\w*|left|balance|owed?|due|refund\w*|sav\w+"
    r"|discount\w*|additional|extra|more|less|increase\w*|decrease\w*|rise|rose|fell|drop\w*|grew|growth|each|per|both|times"
    r"|plus|minus|amount\w*|cost\w*|charge\w*|pay\w*|fees?|change|split|covers?|up|down|off|tax"
    r"|out of|cheaper|pricier|dearer|expensive|higher|lower|warmer|colder|longer|shorter)\b|[=+×*/]",
    re.IGNORECASE,
)
_AVERAGE = late_pattern(r"\b(?:average|mean)\b", re.IGNORECASE)
_CONJOINED = late_pattern(r"[*_]*(?:,? (?:and|or|plus)|,| &| \+) [*_]*")
_LIST_ITEM = late_pattern(r"^[ \t]*(?:\d{1,3}[.)]|[-*•–])[ \t]", re.MULTILINE)
_COUNTED = late_pattern(r"[*_]*(?:[ -][*_]*[A-Za-z]+){1,3}")
_BRACKETED = late_pattern(r"([A-Za-z]+)[*_]*\s?\($")
_LABELLED = late_pattern(r"([A-Za-z]+s)[*_]*:[ *_]*$")
_ANNOUNCED = late_pattern(r"[^.!?\n]{0,200}:[*_]*\s*\n")
_ANYTHING = frozenset(
    {
        "option",
        "options",
        "results",
        "items",
        "matches",
        "entries",
        "records",
        "choices",
        "people",
        "persons",
        "travelers",
    }
    | {"travellers", "guests", "adults", "legs", "segments", "things", "ones"}
)
_LEAST_ROUND = 100
_MAX_COUNT = 20
_REACH = 6
_SOME_YEAR = 2024
_MOST_EXPLAINED = 500
_MAX_FACTOR = 12
_MINUTES_OF_DAY = 24 * 60


class Answers:
    """Reads the answers of a session in order, and tells which figures nothing gave.

    Given is a figure that a source has, one that rounds a given one after a word such as `about`, and what follows
    from given figures within these bounds:

    - a count of up to 20 that is the length of a list that a source gave, when the words after it name the list
      (`2 passengers`; of `options`, `results` and the like: any list), or of the list in the answer that it announces;
    - in a line that speaks of a total, a difference, a price each and the like, or has `=` or `+` in it (for what is
      neither money nor a percentage, only of a total or a difference), from the six given figures of the answer that
      stand nearest before that line, and those in the line: the sum of a run of them (its mean, where the line says
      `average`), the sum or difference of two, the product or share of one with a small whole number of the answer, a
      percentage of one that the line gives, and for percentages the ratio or change of two;
    - a duration between two given times, or two given days, of the answer.

    A figure that followed in an earlier answer counts as given in the later ones. Operands stand in the answer
    itself: from the figures of all tools together, nearly any number would follow.
    """

    def __init__(self, grounds: Grounds, *, tolerance: float = 0.0, ignore: Sequence[re.Pattern[str]] = ()) -> None:
        self._grounds = grounds
        self._tolerance = tolerance
        self._ignore = ignore
        self._carried: Grounds | None = None
        """What followed in earlier answers, and earlier in this one."""
        self.unexplained = 0
        """How many figures of the last answer nothing gave, beyond the 500 for which it was asked what they follow
        from."""

    def read(self, text: str) -> list[Figure]:
        """The figures of the next answer that nothing gave."""
        figures = self._figures(text)
        self.unexplained = 0
        given = [self._is_given(figure, text) for figure in figures]
        if all(given):
            return []
        derivation = _Derivation(
            text, self._grounds, [f for f, is_given in zip(figures, given, strict=True) if is_given]
        )
        left: list[Figure] = []
        carries = False
        asked = 0
        for figure, is_given in zip(figures, given, strict=True):
            if is_given or (carries and self._is_given(figure, text)):
                continue
            asked += 1
            reading = derivation.explain(figure) if asked <= _MOST_EXPLAINED else None
            if reading is None:
                left.append(figure)
            elif isinstance(reading, Number):
                self._carry(reading)
                carries = True
        self.unexplained = max(0, asked - _MOST_EXPLAINED)
        return left

    def _figures(self, text: str) -> list[Figure]:
        figures = read_figures(text)
        if not self._ignore:
            return figures
        covered = {at for pattern in self._ignore for match in pattern.finditer(text) for at in range(*match.span())}
        return [f for f in figures if covered.isdisjoint(range(f.start, f.end))]

    def _carry(self, number: Number) -> None:
        if self._carried is None:
            self._carried = Grounds()
        self._carried.add(number.value, "an earlier answer")

    def _holds(self, reading: Reading, wording: Wording) -> bool:
        if self._grounds.holds(reading, self._tolerance, wording):
            return True
        return self._carried is not None and self._carried.holds(reading, wording=wording)

    def _is_given(self, figure: Figure, text: str) -> bool:
        for option in figure.options:
            if all(map(self._grounds.has, option)):
                return True
        wording = PLAIN
        for option in figure.options:
            if isinstance(option[0], (Number, Span)):
                wording = wording_of(text, figure.start, figure.end)
                break
        for option in figure.options:
            if all(self._holds(reading, wording) for reading in option):
                return True
        if not wording.rough:
            return False
        rounded = (_rounded(o[0], wording) for o in figure.options if len(o) == 1 and isinstance(o[0], Number))
        return any(number is not None and self._grounds.holds(number, wording=wording) for number in rounded)


def _rounded(number: Number, wording: Wording) -> Number | None:
    """`about 4,000` is known to 1,000, either side of it (`over 4,000`: above it), but not beyond a tenth of it.
    None: it is not a round number."""
    unit = number.unit
    if not (number.money or number.percent) and abs(number.value) < _LEAST_ROUND:
        return None
    while unit * 10 <= abs(number.value) and number.value % (unit * 10) == 0:
        unit *= 10
    if unit == number.unit:
        return None
    return number._replace(unit=min(unit, abs(number.value) / 10) * (1 if wording.bound else 2))


class _Derivation:
    """What follows from the given figures of one answer; see `Answers`."""

    def __init__(self, text: str, grounds: Grounds, given: list[Figure]) -> None:
        self._text = text
        self._grounds = grounds
        self._amounts: _Placed = []
        self._counts: _Placed = []
        """Numbers that are neither money nor percentages."""
        self._percents: _Placed = []
        self._clocks: list[int] = []
        self._days: list[date] = []
        self._factors: set[float] = set()
        """The small whole numbers of the answer that may multiply or share: passengers, bags, nights."""
        self._computing_lines: dict[tuple[int, bool], bool] = {}
        for figure in given:
            self._add(figure.start, figure.options[0])
        self._share_currency(given)
        self._add_factors(map(float, word_numbers(text)))

    def _add(self, start: int, readings: Sequence[Reading]) -> None:
        for reading in readings:
            if isinstance(reading, Clock):
                self._clocks.append(reading.minute)
            elif isinstance(reading, Date):
                self._days.extend(_days(reading))
            elif isinstance(reading, Number):
                placed = self._percents if reading.percent else self._amounts if reading.money else self._counts
                insort(placed, (start, reading.value))
                if placed is self._counts:
                    self._add_factors([reading.value])

    def _share_currency(self, given: list[Figure]) -> None:
        """`85 and 90 dollars` are two amounts."""
        if len(given) < 2:
            return
        is_amount = False
        for figure, following in reversed(list(pairwise(given))):
            first, second = figure.options[0][0], following.options[0][0]
            is_amount = isinstance(second, Number) and (second.money or is_amount)
            is_bare = isinstance(first, Number) and not (first.money or first.percent)
            is_amount = (
                is_amount and is_bare and _CONJOINED.fullmatch(self._text, figure.end, following.start) is not None
            )
            if is_amount and isinstance(first, Number):
                insort(self._amounts, (figure.start, first.value))

    def _add_factors(self, values: Iterable[float]) -> None:
        self._factors.update(value for value in values if 2 <= value <= _MAX_FACTOR and value == int(value))

    def explain(self, figure: Figure) -> Number | Span | None:
        """The reading of a figure that follows; None when none does. What followed may be built on."""
        for option in figure.options:
            reading = option[0]
            if len(option) > 1 or not isinstance(reading, (Number, Span)):
                continue
            if isinstance(reading, Span):
                follows = self._is_between_times(reading)
            else:
                follows = self._is_count(reading, figure) or self._is_computed(reading, figure)
            if follows:
                self._add(figure.start, option)
                return reading
        return None

    def _is_count(self, number: Number, figure: Figure) -> bool:
        if number.money or number.percent or number.signed or number.unit != 1 or not 0 <= number.value <= _MAX_COUNT:
            return False
        words = self._counted_words(figure)
        if any(word.lower() in _ANYTHING for word in words):
            words.extend(self._grounds.listed(number.value))
        if self._grounds.counts(number.value, words):
            return True
        announces = _ANNOUNCED.match(self._text, figure.end) is not None
        return announces and number.value == self._listed_items

    def _counted_words(self, figure: Figure) -> list[str]:
        """What a figure may count, by the words beside it."""
        counted = _COUNTED.match(self._text, figure.end)
        words = re.findall(r"[A-Za-z]+", counted[0]) if counted else []
        labelled = _LABELLED.search(self._text, max(0, figure.start - 40), figure.start)
        if labelled:
            words.append(labelled[1])
        if self._text.startswith(")", figure.end):
            words.extend(_BRACKETED.findall(self._text[max(0, figure.start - 40) : figure.start]))
        return words

    @cached_property
    def _listed_items(self) -> int:
        return len(_LIST_ITEM.findall(self._text))

    def _is_between_times(self, span: Span) -> bool:
        gaps = {(b - a) % _MINUTES_OF_DAY * 60 for a, b in permutations(self._clocks[: 2 * _REACH], 2)}
        gaps |= {abs((b - a).days) * 86400 for a, b in combinations(self._days[: 2 * _REACH], 2)}
        return any(abs(gap - span.seconds) <= span.unit / 2 for gap in gaps)

    def _is_computed(self, number: Number, figure: Figure) -> bool:
        start = self._text.rfind("\n", 0, figure.start) + 1
        end = self._text.find("\n", figure.end)
        end = end if end >= 0 else len(self._text)
        if not self._computes(start, end, number.money or number.percent):
            return False
        values = self._operands(number, start, end)
        slack = number.unit / 2 * (1 + 1e-9)
        if number.percent:
            candidates = _percentages(values)
        else:
            percents = [percent for _, percent in _part(self._percents, start, end)]
            candidates = chain(_results(values, self._factors), _shares(values, percents))
            if _AVERAGE.search(self._text, start, end):
                candidates = chain(candidates, _averages(values))
        return any(abs(abs(candidate) - abs(number.value)) <= slack for candidate in candidates)

    def _computes(self, start: int, end: int, money: bool) -> bool:
        """Whether a line speaks of a computation."""
        if (start, money) not in self._computing_lines:
            pattern = _COMPUTES_MONEY if money else _COMPUTES
            self._computing_lines[start, money] = pattern.search(self._text, start, end) is not None
        return self._computing_lines[start, money]

    def _operands(self, wanted: Number, line_start: int, line_end: int) -> list[float]:
        """The numbers of the same sort before the line, and in it."""
        sorts = [self._amounts] if wanted.money else [self._amounts, self._counts]
        before = sorted(chain.from_iterable(_part(placed, 0, line_start, last=True) for placed in sorts))
        beside = sorted(chain.from_iterable(_part(placed, line_start, line_end) for placed in sorts))
        return [value for _, value in (*before[-_REACH:], *beside[:_REACH])]


_Placed = list[tuple[int, float]]
"""Numbers with where they stand, in order."""


def _part(placed: _Placed, start: int, end: int, *, last: bool = False) -> _Placed:
    """The first (or last) numbers that stand in `[start:end]`, no more than are looked at."""
    if not placed:
        return placed
    begin, stop = bisect_left(placed, (start, -inf)), bisect_left(placed, (end, -inf))
    return placed[max(begin, stop - _REACH) : stop] if last else placed[begin : min(stop, begin + _REACH)]


def _days(reading: Date) -> Iterator[date]:
    """The day, in any year when none was written."""
    with suppress(ValueError):  # a day that its month does not have
        if reading.day is not None:
            yield date(reading.year or _SOME_YEAR, reading.month, reading.day)


def _results(values: list[float], factors: set[float]) -> Iterator[float]:
    for first, second in combinations(values, 2):
        yield first + second
        yield first - second
    for size in range(3, len(values) + 1):
        for start in range(len(values) - size + 1):
            yield sum(values[start : start + size])
    for value in values:
        for factor in factors:
            yield value * factor
            yield value / factor


def _averages(values: list[float]) -> Iterator[float]:
    for size in range(2, len(values) + 1):
        for start in range(len(values) - size + 1):
            yield sum(values[start : start + size]) / size


def _shares(values: list[float], percents: list[float]) -> Iterator[float]:
    for value in values:
        for percent in percents:
            yield value * percent / 100
            yield value * (1 + percent / 100)
            yield value * (1 - percent / 100)


def _percentages(values: list[float]) -> Iterator[float]:
    for first, second in permutations(values, 2):
        if second:
            yield first / second * 100
            yield (first - second) / second * 100
