"""What an answer may rest on: the figures that tools, the user and the context gave, indexed for looking up.

A reading is grounded when a source has it: numbers to the precision in which they are written (`4.2 million` rests on
4187000), percentages on fractions, dates with or without their year, times in 12 or 24 hours, identifiers as text.
"""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from pytest_agent_replay.contracts.figures import (
    Clock,
    Date,
    Number,
    Reading,
    Span,
    read_figures,
    scale_of,
    unit_seconds,
    word_numbers,
)
from pytest_agent_replay.contracts.wording import PLAIN, Wording
from pytest_agent_replay.late import late_pattern

__all__ = ["Grounds", "SharedSources", "Source", "parsed"]

_MINUTES_OF_DAY = 24 * 60
_EPSILON = 1e-9
_MAX_SUMMED = 10
_LEAST_ROUNDED = 10
_TIMED, _RISING, _OTHER, _MINOR = 1, 2, 4, 8
"""What the key of a number says of it, as bits: that it counts a unit of time; that it is a change, up or down; that it
counts cents."""
_LASTS, _AMOUNT, _SHARE = 16, 32, 64
"""What a text says of a number: `24 hours`, `$24`, `24 %`."""
_ANY = 127
_CENT = 0.01
_LEAST_OF_PHONE = 7
_LARGEST = sys.float_info.max
_DIGITS = late_pattern(r"\d+")
_KEY_WORDS = late_pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_UNIT_KEYS = frozenset({"unit", "units", "scale", "denomination", "multiplier"})
_MONEY_KEYS = frozenset(
    {"amount", "price", "total", "cost", "fee", "balance", "charge", "charged", "refund", "refunded", "subtotal", "tax"}
    | {"paid", "cents", "discount"}
)
_CENT_KEYS = frozenset({"cent", "cents", "pence"})
_AMBIGUOUS_UNITS = frozenset({"min", "mins", "second"})
_RISING_KEYS = frozenset({"change", "changes", "growth", "delta", "increase", "gain"})
_EXPIRY = late_pattern(r"(0[1-9]|1[0-2])\s?[/-]\s?(\d\d)")
_LONGEST_EXPIRY = 7
_HOST = late_pattern(r"://([^/\s?#]+)")
_LONGEST_HOST = 253
_LONGEST_PRINTED = 100_000
_NEXT_DAY = late_pattern(
    r"\d\s?\(?\+1\b|\b(?:tomorrow|next day|day after|following day|yesterday|day before)\b", re.IGNORECASE
)


class Source:
    """One value that was given, and what it says: its plain numbers at once, the rest when that is asked for."""

    __slots__ = ("_index", "label", "plain", "prose", "value")

    def __init__(self, value: Any, label: str, prose: bool) -> None:
        self.value = value
        self.label = label
        self.prose = prose
        self.plain: set[float] = set()
        """Its numbers under keys that say nothing of them."""
        _collect_numbers(value, self.plain)
        self._index: _Index | None = None

    @property
    def index(self) -> _Index:
        """Its figures, with those in its texts."""
        if self._index is None:
            self._index = _Index()
            self._index.add(self.value, self.label, prose=self.prose)
        return self._index


class Grounds:
    """What answers may rest on. `add` sources, then ask `holds`.

    Most figures of an answer are plain numbers of a tool's response: these are looked at first, and the sources are
    read in full, with their texts, only for a question that they do not answer.
    """

    __slots__ = ("_plain", "_read", "_waiting")

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._waiting = list(sources)
        self._plain: set[float] = set().union(*[source.plain for source in self._waiting])
        self._read: _Index | None = None

    def add(self, value: Any, label: str, *, prose: bool = False) -> None:
        """Takes in a JSON value; a text that is JSON is read as JSON. `prose`: a time such as 2:00 may be
        meant as 14:00."""
        source = Source(value, label, prose)
        self._waiting.append(source)
        self._plain |= source.plain

    @property
    def _index(self) -> _Index:
        if self._read is None:
            self._read = _Index()
        if self._waiting:
            for source in self._waiting:
                self._read.include(source.index)
            self._waiting.clear()
        return self._read

    @property
    def numbers(self) -> dict[float, str]:
        """Every number that a source has, and where it is from."""
        return self._index.numbers

    def has(self, reading: Reading) -> bool:
        """Whether a source has this very number outside of texts, under a key that says nothing of it: `holds`, however
        it is worded. False is no answer."""
        return isinstance(reading, Number) and reading.value in self._plain

    def holds(self, reading: Reading, tolerance: float = 0.0, wording: Wording = PLAIN) -> bool:
        """Whether a source has this reading. `tolerance` is a fraction of the source's number."""
        return self.has(reading) or self._index.holds(reading, tolerance, wording)

    def counts(self, number: float, words: Iterable[str]) -> bool:
        """Whether a source has a list of so many of the things that one of `words` names."""
        stems = {_stem(word) for word in words}
        return not stems.isdisjoint(self.listed(number))

    def listed(self, number: float) -> set[str]:
        """What the lists of this length hold, by name."""
        return self._index.lengths.get(int(number), set())

    def nearest(self, value: float) -> tuple[float, str] | None:
        """The source number that is nearest to `value`, and where it is from."""
        numbers = self.numbers
        if not numbers:
            return None
        wanted = abs(value)
        found = min(numbers, key=lambda number: abs(abs(number) - wanted))
        return found, numbers[found]


class SharedSources:
    """The sources of sessions that were given much the same, such as a run and what production did: each is read once.

    They are told apart by their label and by which object they are, so none may be changed as long as this is used.
    """

    __slots__ = ("_grounds", "_sources")

    def __init__(self) -> None:
        self._sources: dict[tuple[int, str, bool], Source] = {}
        self._grounds: dict[tuple[Source, ...], Grounds] = {}

    def grounds(self, given: Iterable[tuple[str, Any, bool]]) -> Grounds:
        """What these rest on: `(label, value, prose)` of each; see `Grounds.add`. Nothing may be added to it."""
        sources = tuple(dict.fromkeys([self._source(label, value, prose) for label, value, prose in given]))
        found = self._grounds.get(sources)
        if found is None:
            found = self._grounds[sources] = Grounds(sources)
        return found

    def _source(self, label: str, value: Any, prose: bool) -> Source:
        key = (id(value), label, prose)
        found = self._sources.get(key)
        if found is None:  # it keeps the value, whose id is that of no other one as long as it is kept
            found = self._sources[key] = Source(value, label, prose)
        return found


class _Index:
    """The figures of sources, for looking up."""

    __slots__ = (
        "_cents",
        "_clocks",
        "_codes",
        "_dates",
        "_exact",
        "_kinds",
        "_next_day",
        "_phones",
        "_sorted",
        "_sorted_spans",
        "_spans",
        "_years",
        "lengths",
        "numbers",
    )

    def __init__(self) -> None:
        self.numbers: dict[float, str] = {}
        self.lengths: dict[int, set[str]] = {}
        self._kinds: dict[float, int] = {}
        self._exact: set[float] = set()
        self._cents: set[float] = set()
        self._spans: set[float] = set()
        self._clocks: set[int] = set()
        self._codes: set[str] = set()
        self._phones: dict[str, list[str]] = {}
        """Codes by their last digits."""
        self._dates: dict[tuple[int, int | None], set[int | None]] = {}
        self._years: set[int] = set()
        self._next_day = False
        self._sorted: list[float] | None = None
        self._sorted_spans: list[float] | None = None

    def add(self, value: Any, label: str, *, prose: bool = False) -> None:
        """See `Grounds.add`."""
        self._sorted = self._sorted_spans = None
        if isinstance(value, str):
            structured = parsed(value)
            if structured is None:
                self._add_text(value, label, prose)
                return
            value = structured
        self._add_value(value, label, prose)

    def include(self, other: _Index) -> None:
        """Takes in what another one has read, as if it were added here."""
        self._sorted = self._sorted_spans = None
        for value, label in other.numbers.items():
            self._add_number(value, label, other._kinds[value])
        self._exact |= other._exact
        self._cents |= other._cents
        self._spans |= other._spans
        self._clocks |= other._clocks
        self._codes |= other._codes
        self._years |= other._years
        for length, names in other.lengths.items():
            self.lengths.setdefault(length, set()).update(names)
        for ending, codes in other._phones.items():
            self._phones.setdefault(ending, []).extend(codes)
        for day, years in other._dates.items():
            self._dates.setdefault(day, set()).update(years)
        self._next_day = self._next_day or other._next_day

    def holds(self, reading: Reading, tolerance: float, wording: Wording) -> bool:
        """See `Grounds.holds`."""
        if isinstance(reading, Number):
            return self._holds_number(reading, tolerance, wording)
        if isinstance(reading, Date):
            return self._holds_date(reading)
        if isinstance(reading, Clock):
            other = (reading.minute + _MINUTES_OF_DAY // 2) % _MINUTES_OF_DAY
            return reading.minute in self._clocks or (reading.either_half and other in self._clocks)
        if isinstance(reading, Span):
            return self._holds_span(reading, tolerance, wording)
        return self._holds_code(reading.text)

    # -- taking in

    def _add_value(self, value: Any, label: str, prose: bool, name: str | None = None) -> None:
        """`name` is the key under which the value stands; a value without one is named by where it is from."""
        if isinstance(value, str):
            self.add(value, label, prose=prose)
        elif isinstance(value, dict):
            if all(isinstance(item, (dict, list)) for item in value.values()):
                self._add_length(len(value), name or label)
            self._add_mapping(value, label, prose)
        elif isinstance(value, list):
            self._add_length(len(value), name or label)
            for item in value:
                self._add_value(item, label, prose, name)
            if 2 <= len(value) <= _MAX_SUMMED and all(isinstance(item, dict) for item in value):
                self._add_sums(value, label)
        elif _is_finite_number(value):
            self._add_keyed_number(name or "", value, [], label)

    def _add_mapping(self, value: dict[str, Any], label: str, prose: bool) -> None:
        scales = [scale for key, item in value.items() if key.lower() in _UNIT_KEYS for scale in _scales_in(str(item))]
        short_texts: list[str] = []
        for key, item in value.items():
            if isinstance(item, str):
                self.add(item, label, prose=prose)
                if 3 < len(item) < 40:
                    short_texts.append(item)
                if len(item) <= _LONGEST_EXPIRY and "exp" in key.lower():
                    self._add_expiry(item, label, prose)
            elif _is_finite_number(item):
                self._add_keyed_number(key, item, scales, label)
            else:
                self._add_value(item, label, prose, key)
            if _DIGITS.search(key):
                self._add_text(key, label, prose)
        if len(short_texts) > 1:
            self._add_distances(short_texts)

    def _add_expiry(self, text: str, label: str, prose: bool) -> None:
        """The month and year of a card, `09/27`, which elsewhere would be a day."""
        expiry = _EXPIRY.fullmatch(text)
        if expiry:
            self._add_reading(Date(2000 + int(expiry[2]), int(expiry[1]), None), label, prose)

    def _add_length(self, length: int, name: str) -> None:
        self.lengths.setdefault(length, set()).update(_stem(word) for word in _KEY_WORDS.findall(name))

    def _add_sums(self, records: list[dict[str, Any]], label: str) -> None:
        """The total of each number that all records of a short list have, also one level down:
        `prices.economy` of two legs."""
        first, *others = [dict(_numbers_of(record)) for record in records]
        for path, number in first.items():
            numbers = [other.get(path) for other in others]
            if None not in numbers:
                self._add_number(number + sum(n for n in numbers if n is not None), f"{label}, sum of {'.'.join(path)}")

    def _add_keyed_number(self, key: str, number: int | float, scales: list[float], label: str) -> None:
        """A number under a key that says its unit: `revenue_musd`, `duration_minutes`, `amount_cents`."""
        value = float(number)
        said = _said_by(key)
        self._add_number(value, label, said.kind)
        if scales or said.scales:
            for scale in (*scales, *said.scales):
                self._add_number(value * scale, label, said.kind)
        if said.kind == _MINOR:
            self._add_number(value / 100, label)
        for seconds in said.seconds:
            self._spans.add(value * seconds)
        if said.money and value.is_integer():
            self._cents.add(value)

    def _add_number(self, value: float, label: str, kind: int = _OTHER) -> None:
        if value in self.numbers:
            self._kinds[value] |= kind
        elif abs(value) <= _LARGEST:
            self.numbers[value] = label
            self._kinds[value] = kind

    def _add_distances(self, texts: list[str]) -> None:
        """Times and days that stand in one record: the time between them is a figure that the record gives."""
        readings = [r for text in texts for figure in read_figures(text) for r in figure.options[0]]
        clocks = [r.minute for r in readings if isinstance(r, Clock)]
        for a, b in combinations(clocks[:8], 2):
            self._spans.add((b - a) % _MINUTES_OF_DAY * 60.0)
            self._spans.add((a - b) % _MINUTES_OF_DAY * 60.0)
        days = [d for r in readings if isinstance(r, Date) and (d := _day(r)) is not None]
        for first, second in combinations(days[:8], 2):
            self._spans.add(abs((second - first).days) * 86400.0)

    def _add_text(self, text: str, label: str, prose: bool) -> None:
        for figure in read_figures(text):
            for option in figure.options:
                for reading in option:
                    self._add_reading(reading, label, prose)
        for number in word_numbers(text):
            self._add_number(float(number), label)
        if "://" in text:  # a site is called as its address: "24 Trends"
            self._exact.update(float(n) for host in _HOST.findall(text) for n in _DIGITS.findall(host[:_LONGEST_HOST]))
        self._next_day = self._next_day or _says_next_day(text)

    def _add_reading(self, reading: Reading, label: str, prose: bool) -> None:
        if isinstance(reading, Number):
            self._add_number(reading.value, label, _kind_in_text(reading))
            if reading.percent:
                self._add_number(reading.value / 100, label)
        elif isinstance(reading, Date):
            self._dates.setdefault((reading.month, reading.day), set()).add(reading.year)
            if reading.year is not None:
                self._years.add(reading.year)
        elif isinstance(reading, Clock):
            self._clocks.add(reading.minute)
            if reading.either_half and prose:
                self._clocks.add((reading.minute + _MINUTES_OF_DAY // 2) % _MINUTES_OF_DAY)
        elif isinstance(reading, Span):
            self._spans.add(reading.seconds)
        else:
            self._add_code(reading.text)

    def _add_code(self, text: str) -> None:
        self._codes.add(text)
        parts = re.split(r"[-_.]", text)
        self._codes.update((*parts, "".join(parts)))
        for digits in _DIGITS.findall(text):
            if len(digits) >= _LEAST_OF_PHONE:
                self._phones.setdefault(digits[-_LEAST_OF_PHONE:], []).append(digits)
            if len(digits) >= 3:
                self._codes.add(digits)
                if digits[0] != "0":
                    self._exact.add(float(digits))

    # -- looking up

    def _holds_number(self, number: Number, tolerance: float, wording: Wording) -> bool:
        value, unit = number.value, number.unit
        is_exact = unit == 1.0 and abs(value) < _LEAST_ROUNDED
        slack = _slack(unit, is_exact, wording)
        if self._has(number, 1.0, slack, tolerance, wording):
            return True
        if number.money and unit == _CENT:
            return abs(value) < _LARGEST / 100 and round(abs(value) * 100) in self._cents
        if number.percent:
            return self._has(number, 0.01, slack, tolerance, wording)
        if number.money or number.unit != 1.0 or number.signed or number.seconds:
            return False
        return value in self._exact or value in self._years

    def _has(
        self, number: Number, factor: float, slack: tuple[float, float], tolerance: float, wording: Wording
    ) -> bool:
        """Whether a source has the number times `factor`. Without a sign, a source may be negative (`a loss of 5`),
        unless it is said to have risen; what is said to have fallen by it has not, by its key, grown by it."""
        value = number.value * factor
        least = _EPSILON * abs(value)
        below = slack[0] * factor * (1 + _EPSILON) + least
        above = slack[1] * factor * (1 + _EPSILON) + least
        kinds = _ANY & ~_kinds_unlike(number)
        if self._near(value, below, above, tolerance, kinds & ~_RISING if wording.trend < 0 else kinds):
            return True
        if number.signed or wording.trend > 0:
            return False
        return self._near(-value, above, below, tolerance, kinds)

    def _near(self, value: float, below: float, above: float, tolerance: float, kinds: int) -> bool:
        if value in self.numbers and self._kinds[value] & kinds:
            return True
        if self._sorted is None:
            self._sorted = sorted(self.numbers)
        return any(self._kinds[source] & kinds for source in _between(self._sorted, value, below, above, tolerance))

    def _holds_span(self, span: Span, tolerance: float, wording: Wording) -> bool:
        if self._sorted_spans is None:
            self._sorted_spans = sorted(self._spans)
        is_exact = span.seconds < _LEAST_ROUNDED * span.unit * (1 - _EPSILON)
        below, above = _slack(span.unit, is_exact, wording)
        found = _between(self._sorted_spans, span.seconds, below + _EPSILON, above + _EPSILON, tolerance)
        return next(found, None) is not None

    def _holds_date(self, wanted: Date) -> bool:
        if wanted.month == 0:
            return any(day == wanted.day for _, day in self._dates)
        if wanted.day is None:
            years = {y for (month, _), found in self._dates.items() if month == wanted.month for y in found}
            return self._fits_year(wanted.year, years)
        if self._fits_year(wanted.year, self._dates.get((wanted.month, wanted.day), set())):
            return True
        return self._next_day and any(
            self._fits_year(d.year, self._dates.get((d.month, d.day), set())) for d in _beside(wanted)
        )

    def _fits_year(self, wanted: int | None, found: set[int | None]) -> bool:
        if wanted is None or wanted in found:
            return bool(found)
        return None in found and (wanted in self._years or not self._years or float(wanted) in self.numbers)

    def _holds_code(self, text: str) -> bool:
        if text in self._codes:
            return True
        if text.isdigit():
            return float(text) in self.numbers or self._holds_phone(text)
        if not any(map(str.isalpha, text)):  # of a version each part counts, where it stands
            return False
        telling = [part for part in re.split(r"[-_.]", text) if sum(map(str.isdigit, part)) >= 3 or part.isdigit()]
        return (
            len(telling) > 0
            and telling != [text]
            and all(part in self._codes or self._is_number(part) for part in telling)
        )

    def _holds_phone(self, text: str) -> bool:
        """Whether a source has this phone number, with or without its country code."""
        return len(text) >= _LEAST_OF_PHONE and any(
            code.endswith(text) or text.endswith(code) for code in self._phones.get(text[-_LEAST_OF_PHONE:], ())
        )

    def _is_number(self, text: str) -> bool:
        return text.isdigit() and float(text) in self.numbers


def _kind_in_text(number: Number) -> int:
    return _AMOUNT if number.money else _SHARE if number.percent else _LASTS if number.seconds else _OTHER


def _kinds_unlike(number: Number) -> int:
    """What a number of a source must not be only, for this figure to rest on it: an amount is no duration."""
    if number.money:
        return _MINOR | _LASTS | _SHARE
    if number.percent:
        return _LASTS | _AMOUNT
    return _TIMED | _LASTS | _AMOUNT | _SHARE if number.seconds else 0


def _slack(unit: float, is_exact: bool, wording: Wording) -> tuple[float, float]:
    """How far below and above a figure, which is known to `unit`, a source may be."""
    if wording.bound:
        return (unit, 0.0) if wording.bound < 0 else (0.0, unit)
    return (0.0, 0.0) if is_exact and not wording.rough else (unit / 2, unit / 2)


def _between(ordered: list[float], value: float, below: float, above: float, tolerance: float) -> Iterator[float]:
    """The sources from `value - below` to `value + above`, and so much farther as `tolerance` allows."""
    spread = tolerance * abs(value) * 2
    for index in range(bisect_left(ordered, value - below - spread), len(ordered)):
        source = ordered[index]
        if source > value + above + spread:
            return
        allowed = tolerance * abs(source)
        if value - below - allowed <= source <= value + above + allowed:
            yield source


def _says_next_day(text: str) -> bool:
    lower = text.lower()
    # most texts have none of these, which is faster to see
    return ("day" in lower or "tomorrow" in lower or "+1" in text) and _NEXT_DAY.search(text) is not None


class _Said(NamedTuple):
    """What a key says of the number under it."""

    scales: tuple[float, ...]
    seconds: tuple[float, ...]
    money: bool
    kind: int


@lru_cache(maxsize=1024)
def _said_by(key: str) -> _Said:
    words = [word.lower() for word in _KEY_WORDS.findall(key)]
    long = [word for word in words if len(word) > 1]
    return _Said(
        tuple(scale for word in long for scale in _scales_in(word)),
        tuple(seconds for word in long if (seconds := unit_seconds(word))),
        not _MONEY_KEYS.isdisjoint(words),
        _kind_of(words),
    )


def _kind_of(words: list[str]) -> int:
    if _counts_time(words):
        return _TIMED
    if not _CENT_KEYS.isdisjoint(words):
        return _MINOR
    return _OTHER if _RISING_KEYS.isdisjoint(words) else _RISING


def _counts_time(words: list[str]) -> bool:
    """Whether a unit of time is among the words of a key; `min_price` and `second_price` have none."""
    units = [index for index, word in enumerate(words) if len(word) > 1 and unit_seconds(word)]
    return any(words[index] not in _AMBIGUOUS_UNITS or 0 < index == len(words) - 1 for index in units)


def _collect_numbers(value: Any, into: set[float], key: str = "") -> None:
    """The finite numbers of a JSON value under keys that say nothing of them; those in texts are not looked for."""
    if isinstance(value, str):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            _collect_numbers(item, into, name)
    elif isinstance(value, list):
        for item in value:
            _collect_numbers(item, into, key)
    elif _is_finite_number(value) and _said_by(key).kind == _OTHER:
        into.add(float(value))


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST


def parsed(text: str) -> Any:
    """The mapping or list that a text holds as JSON, or as Python prints it; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _printed(text)
    return value if isinstance(value, (dict, list)) else None


def _printed(text: str) -> Any:
    """The value of `{'total_cents': 4599}`: frameworks tell their model what `str` makes of a tool's result."""
    if len(text) > _LONGEST_PRINTED:
        return None
    from ast import literal_eval

    try:
        return json.loads(json.dumps(literal_eval(text.strip())))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _stem(word: str) -> str:
    """`passengers`, `Passenger` → `passenger`; `flies` stays, which does no harm."""
    lower = word.lower()
    return lower[:-1] if lower.endswith("s") and not lower.endswith("ss") else lower


def _numbers_of(record: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    for key, item in record.items():
        if _is_finite_number(item):
            yield (*prefix, key), float(item)
        elif isinstance(item, dict) and not prefix:
            yield from _numbers_of(item, (key,))


def _scales_in(text: str) -> list[float]:
    words = [word.lower() for word in _KEY_WORDS.findall(text)]
    scales = {scale for word in words if len(word) > 1 and (scale := scale_of(word))}
    if any(word in ("musd", "meur", "mgbp") for word in words):
        scales.add(1e6)
    return sorted(scales)


def _day(reading: Date) -> date | None:
    if reading.year is None or reading.day is None:
        return None
    try:
        return date(reading.year, reading.month, reading.day)
    except ValueError:
        return None


def _beside(wanted: Date) -> list[Date]:
    day = _day(wanted if wanted.year is not None else wanted._replace(year=2024))
    if day is None or not 1 < day.year < 9999:
        return []
    near = (day - timedelta(1), day + timedelta(1))
    return [Date(d.year if wanted.year is not None else None, d.month, d.day) for d in near]
