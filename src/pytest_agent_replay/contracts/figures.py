"""Reads the figures in a text: numbers, dates, times of day, durations and identifiers.

A figure that can be read in several ways (`1.234`, `5/6`, `3m`) carries every reading; whoever compares figures takes
the reading that fits. Not figures: list numbering and headings that count (`1.`, `Step 2:`), ordinals up to 10
outside of
a date, short names with a digit in them (`Q3`, `MP3`, `GPT-4`), idioms such as `24/7`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_agent_replay.late import late_pattern

__all__ = [
    "Clock",
    "Code",
    "Date",
    "Figure",
    "Number",
    "Reading",
    "Span",
    "read_figures",
    "scale_of",
    "unit_seconds",
    "word_numbers",
]


class Number(NamedTuple):
    """A plain number. `unit` is one unit of its last written digit: `4.2 million` is known to 100,000."""

    value: float
    unit: float = 1.0
    percent: bool = False
    """The value is in percent: `12 %` has the value 12."""
    money: bool = False
    signed: bool = False
    """A minus sign was written, or the parentheses of bookkeeping."""
    seconds: float = 0.0
    """How long the unit of time is that was written after it: 3600 in `2 hours`. 0: none was."""


class Date(NamedTuple):
    """A day, or a month when `day` is None; `year` is None when it was not written."""

    year: int | None
    month: int
    day: int | None


class Clock(NamedTuple):
    """A time of day in minutes after midnight. `either_half`: written without am or pm, so 2:00 may be 14:00."""

    minute: int
    either_half: bool = False


class Span(NamedTuple):
    """A duration in seconds, known to `unit` seconds."""

    seconds: float
    unit: float


class Code(NamedTuple):
    """An identifier, a phone number, a version: compared as text, in lower case."""

    text: str


Reading = Number | Date | Clock | Span | Code


class Figure(NamedTuple):
    """One figure at `[start:end]` of its text. It may mean any of its options; an option is all of its
    readings at once."""

    text: str
    start: int
    end: int
    options: tuple[tuple[Reading, ...], ...]


# In the patterns below, `(?=[…])` before a choice of words are their first letters: where none of these stands, the
# words are not tried one by one.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?=[jfmasond])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])(?:\.(?=[,\s-]*\d))?"
)
_ORDINAL = r"(?:st|nd|rd|th)"
_DAY_MONTH = rf"\d{{1,2}}{_ORDINAL}?(?:\s+of)?[\s-]{_MONTH}"
_VERB = r"(?:is|are|was|were|will|would|has|have|in|at|on|for|with|and|or|works?|costs?)\b"
"""What may follow the last day of `March 2 to 5`; another word says what the 5 counts."""
_HALF = r"(?:[ap]\.m\.|[ap]m\b)"
_SPACES = " \u00a0\u202f\u2009"
_GROUPED = rf"\d{{1,3}}(?P<sep>[,.'’{_SPACES}])\d{{3}}(?:(?P=sep)\d{{3}}){{0,9}}(?!\d)(?:[.,]\d+)?"
_INDIAN = r"\d{1,2}(?:,\d{2}){1,6},\d{3}(?!\d)(?:\.\d+)?"
_PLAIN = r"\d+(?:[.,]\d+)?(?:e[+-]?\d{1,2}(?!\d))?"
_SYMBOLS = "$€£¥₹₩"
_CURRENCIES = "usd|eur|gbp|jpy|chf|cny|inr|cad|aud|nzd|sek|nok|dkk|pln|brl|mxn|sgd|hkd|krw|zar"
_CURRENCY = (
    rf"(?=[a-z{_SYMBOLS}])"
    rf"(?:[a-z]{{0,3}}[{_SYMBOLS}]|(?=[uegjcinasdpbmhkz])(?:{_CURRENCIES})\b|rs\.?(?=[ \d]))"
)
_SCALES = {
    "thousand": 1e3, "k": 1e3, "lakh": 1e5, "million": 1e6, "mn": 1e6, "mm": 1e6, "mio": 1e6, "mln": 1e6, "m": 1e6,
    "crore": 1e7, "billion": 1e9, "bn": 1e9, "b": 1e9, "trillion": 1e12, "tn": 1e12, "t": 1e12,
}  # fmt: skip
_ALSO_UNITS = frozenset({"m", "mm", "t"})
"""Scales that are written like metres (or minutes), millimetres, tonnes: unless it is money, a number before them may
be unscaled. `k`, `M`, `b`, `bn` always scale."""
_SCALE = (
    r"(?:[\s-]?(?=[tmblc])(?:thousand|million|billion|trillion|lakh|crore|mio|mln|mn|mm|bn|tn)s?|[kmbt])(?![a-z\d])"
)
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "n": 86400.0, "w": 604800.0}
_UNIT_NAME = (
    r"(?=[mshdnw])(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|nights?|weeks?|w)"
)
_UNIT = rf"{_UNIT_NAME}(?![a-z\d])"
_PART = rf"\d+(?!\d)(?:\.\d+)?[\s-]?{_UNIT_NAME}(?![a-z])"
_MONEY = rf"(?:(?=[depb])(?:dollars?\b|euros?\b|pounds?\b|bucks\b)|{_CURRENCY})"
_PERCENT = r"(?:%|(?=p)(?:percent\b|per\scent\b|pct\b|percentage\spoints?))"
_TAIL = rf"(?!\d)(?:\s?{_PERCENT}|{_SCALE}|[\s-]?{_MONEY}|[\s-]?{_UNIT}|\s?{_HALF})"
"""After the second of two numbers, it is said of both: `10-15 %`."""
_BARE = rf"""(?<![^ ])\d{{1,15}}(?!\d)(?=[.,;:!?]?\Z|[.,;:!?]\s
          |[ ](?!(?:to|and|through)[ ]{_DAY_MONTH}|{_UNIT}|{_SCALE}|{_MONTH}|{_MONEY}|{_PERCENT}|{_HALF}|of\b)
          (?a:[a-z]+)(?:[\s.,;:!?]|\Z))"""
"""A whole number between blanks, before a word that says nothing of it: the most frequent figure is found first."""
_TOKEN = re.compile(
    rf"""
      (?P<bare>{_BARE})
    | (?P<iso>(?<![\w.-])\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}(?!\d)
          (?:t\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?:z|[+-]\d{{2}}:?\d{{2}})?)?)
    | (?P<monthday>(?<![a-z]){_MONTH}\s+\d{{1,2}}{_ORDINAL}?(?!\d|:\d)
          (?:(?:[-–]|\s*(?:-|–|to|and|through|&)\s*(?=\d+(?!\s+(?!{_VERB})[a-z])))
              \d{{1,2}}{_ORDINAL}?(?!\d|[:./]\d|\s?%|\s*{_HALF}))?(?:,?\s+\d{{4}}(?!\d))?)
    | (?P<monthyear>(?<![a-z]){_MONTH},?\s+\d{{4}}(?!\d))
    | (?P<daymonth>(?<![\w.,])\d{{1,2}}{_ORDINAL}?(?:\s*(?:-|–|to|and|through|&)\s*\d{{1,2}}{_ORDINAL}?)?
          (?:\s+of)?[\s-]{_MONTH}(?:,?[\s-]\d{{4}}(?!\d))?)
    | (?P<numericdate>(?<![\w.])\d{{1,2}}(?P<dsep>[/.-])\d{{1,2}}(?P=dsep)(?:\d{{4}}|\d{{2}})(?!\d|[.]\d))
    | (?P<time>(?<![\d:.])\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?!\d)(?:\s*{_HALF})?(?:\s?\(?\+\d\)?(?!\d))?
          |(?<![\w.:])\d{{1,2}}(?:\.\d{{2}})?\s*{_HALF})
    | (?P<span>(?<![\w.]){_PART}(?:[\s,]*(?:and\s+)?{_PART}){{1,4}}(?!\w))
    | (?P<phone>(?<![\w+])(?:\+\d{{1,3}}[ .-]?(?:\(\d+\)[ .-]?)?\d{{2,4}}(?:[ .-]?\d{{2,4}}){{1,4}}
          |\(?\d{{3}}\)?[ .-]\d{{3}}[ .-]\d{{4}}|\d{{4}}\ \d{{4}}\ \d{{4}}\
          \d{{4}}|(?!\d{{1,20}}-\d{{1,20}}{_TAIL})\d{{1,20}}(?:-\d{{1,20}}){{1,8}})(?!\w))
    | (?P<dotted>(?<![\w.])\d+(?:\.\d+){{2,}}(?!\w|[.,]\d))
    | (?P<code>(?<![a-z\d_])(?:(?<![a-z\d_][-.])(?=[a-z_.-]*\d)[a-z_][a-z\d_]*(?:[-.][a-z\d_]+)*
          |\d+[a-z_][a-z\d_]*(?:-[a-z\d]+)*))
    | (?P<slash>(?<![\w.])\d{{1,4}}/\d{{1,4}}(?![\w/]|[.,]\d))
    | (?P<number>(?P<sign>(?<![\w)%{_SYMBOLS}])[-−])?(?:(?P<currency>{_CURRENCY})[ ]?(?P<sign2>[-−])?)?
          (?P<digits>{_GROUPED}|{_INDIAN}|{_PLAIN}|(?<!\d)\.\d+)
          (?:(?:\s?(?P<percent>{_PERCENT}))|(?P<scale>{_SCALE}))?
          (?:[\s-]?(?P<money>{_MONEY}))?
          (?:[\s-]?(?P<unit>{_UNIT}))?)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_PARTS = late_pattern(r"(\d+(?:\.\d+)?)[\s-]?([a-z]+)", re.IGNORECASE)
_NAMED_MONTH = late_pattern(_MONTH, re.IGNORECASE)
_MEASURE = late_pattern(
    rf"(\d+)({_ORDINAL}|bn|mn|mm|tn|[kmbtx]|{_UNIT}|kg|g|mg|km|cm|[kmgt]b|lbs?|oz|ft|mi|px|pts?|p|usd|eur|gbp)",
    re.IGNORECASE,
)
_MONEY_AFTER = late_pattern(rf"[\s-]?{_MONEY}", re.IGNORECASE)
_UNIT_AFTER = late_pattern(r"\s?(?:(?P<minutes>min(?:ute)?s?)|h|hrs?|hours?)\b", re.IGNORECASE)
_RANGE = late_pattern(r"[*_]*\s?(?:[-–—]|\b(?:to|and|or|through)\b)\s?[*_]*", re.IGNORECASE)
_LONGEST_RANGE = 12
_AFTER_DIGITS = late_pattern(r"(?<=\d)\s?[^\d.,]+\Z")
_VERSION = late_pattern(r"v(\d{1,9}(?:\.\d{1,9})+)", re.IGNORECASE)
_SCIENTIFIC = late_pattern(r"\d{1,15}e\d{1,2}", re.IGNORECASE)
_BULLETS = r"^[ \t>*_#(\-–•|]*"
_LIST_NUMBER = late_pattern(rf"{_BULLETS}(\d{{1,3}})[.):](?=[\s*_]|$)", re.MULTILINE)
_LABEL = late_pattern(
    rf"{_BULLETS}(?:\d{{1,3}}[.)][ \t*_]+)?"
    r"((?:[A-Z][A-Za-z]{0,20} ){0,2}[A-Z][A-Za-z]{0,20})[ \t]+#?(\d{1,2})"
    r"(?=[*_]*[ \t]*(?:[:.)](?!\d)|[(\-–|*](?!\d)|$))",
    re.MULTILINE,
)
_IDIOM = late_pattern(r"\b(?:24/7|24/365|50/50|9[- ]to[- ]5)\b")
_SMALL_WORDS = "one two three four five six seven eight nine ten eleven twelve"
_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {
    **{word: value for value, word in enumerate(f"{_SMALL_WORDS} {_TEENS}".split(), 1)},
    **{word: value for value, word in zip(range(20, 100, 10), _TENS.split(), strict=True)},
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
}
_WORD = late_pattern(r"\b(?ai:(" + "|".join(_WORDS) + r"))\b")
_WORD_IN_LOWER_CASE = late_pattern(rf"{_SMALL_WORDS.replace(' ', '|')}|teen|ty|hundred|thousand|million")
_MOST_ALONE = 12
"""`two hundred` says 2 as well, but `fifty thousand` not 50."""
_LARGEST_ORDINAL_TO_SKIP = 10
_MONTH_ENDS = (*_MONTHS, "ary", "rch", "ril", "une", "uly", "ust", "ept", "ber")
_LEADING = frozenset({*_MONTH_ENDS, *_CURRENCIES.split("|")})
"""What a word ends in that may be the beginning of a date or an amount whose digits come after a blank."""
_LONGEST_KEPT = 4000
"""Characters of a text whose figures are kept for the next time that it is read."""


def read_figures(text: str) -> list[Figure]:
    """The figures of a text in order."""
    if not _DIGIT.search(text):
        return []
    return list(_read_again(text) if len(text) <= _LONGEST_KEPT else _read(text))


def _read(text: str) -> tuple[Figure, ...]:
    if not text.isascii():
        text = _with_ascii_digits(text)
    not_figures = _not_figures(text)
    skipped = {at for a, b in not_figures for at in range(a, b)} if not_figures else ()
    figures: list[Figure] = []
    matches: list[re.Match[str]] = []
    for match in _tokens(text):
        start, end = match.span()
        if start in skipped or end - 1 in skipped:
            continue
        options = _READERS[match.lastgroup or ""](match)
        if options:
            different = options if len(options) == 1 else dict.fromkeys(options)
            figures.append(Figure(match[0].strip(), start, end, tuple(different)))
            matches.append(match)
    _share_units(text, figures, matches)
    return tuple(figures)


def _share_units(text: str, figures: list[Figure], matches: list[re.Match[str]]) -> None:
    """`10-15 %`, `$1.2 to 1.5 million`, `5 or 7 hours`: what follows the second number is said of the first one too."""
    for index in range(len(figures) - 2, -1, -1):
        first, second = matches[index], matches[index + 1]
        if second[0][-1].isdigit() or first.lastgroup not in ("bare", "number"):
            continue
        if second.start() - first.end() > _LONGEST_RANGE or not _RANGE.fullmatch(text, first.end(), second.start()):
            continue
        after = _AFTER_DIGITS.search(second[0])
        if after is None or (first.lastgroup == "number" and any(first.group("percent", "scale", "money", "unit"))):
            continue
        shared = _TOKEN.fullmatch(first[0].strip() + after[0])
        if shared is not None and shared.lastgroup in ("number", "code", "time"):
            read = [tuple(map(_in_either_half, option)) for option in _READERS[shared.lastgroup](shared)]
            options = dict.fromkeys((*figures[index].options, *read))
            figures[index] = figures[index]._replace(options=tuple(options))


def _in_either_half(reading: Reading) -> Reading:
    """`10 to 2 pm` begins in the morning."""
    return reading._replace(either_half=True) if isinstance(reading, Clock) else reading


_read_again = lru_cache(maxsize=128)(_read)
"""What a recording and a new run have in common (the input, often the answer) is read once."""


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """The tokens in order. Each has a digit in it: the rest is not scanned."""
    position = 0
    while (digit := _DIGIT.search(text, position)) is not None:
        match = _TOKEN.search(text, _first_start(text, position, digit.start()))
        if match is None:
            return
        if match["sign"] and not match["currency"]:
            match = _after_dash(match)
        yield match
        position = match.end()


def _after_dash(match: re.Match[str]) -> re.Match[str]:
    """The date or time that begins after what would be a minus sign before a number (`-12 March`), or the match."""
    found = _TOKEN.match(match.string, match.start("digits"))
    return found if found and found.lastgroup in ("daymonth", "numericdate", "time") else match


def _first_start(text: str, position: int, digit: int) -> int:
    """Where a token with its first digit at `digit` may begin: in the word of the digit, or, when a month or a currency
    stands there, in the word before."""
    word = text.rfind(" ", position, digit) + 1
    if word <= position:
        return position
    end = word - 1
    while end > position and text[end - 1] == " ":
        end -= 1
    before = max(position, text.rfind(" ", position, end) + 1)
    return before if _may_lead(text[before:end]) else word


def _may_lead(word: str) -> bool:
    """False only for a word that does not end in a month or a currency."""
    if not word.isascii():  # a symbol, or a letter that is equal to another one when case is ignored
        return True
    plain = word.rstrip(".,")[-3:].lower()
    return plain in _LEADING or plain.endswith(("$", "rs"))


def word_numbers(text: str) -> list[int]:
    """The numbers that are written as words: `seven`, `twenty-one`, `three hundred and fifty`, `a thousand`."""
    if not _WORD_IN_LOWER_CASE.search(text.lower()):
        return []
    runs: list[list[int]] = []
    end = 0
    for match in _WORD.finditer(text):
        value, before = _WORDS[match[0].lower()], text[end : match.start()].lower()
        run = runs[-1] if runs else []
        if run and (before in (" ", "-") or (before == " and " and run[-1] >= 100)) and _continues(run[-1], value):
            run.append(value)
        else:  # `4.2 million` is read with its digits
            runs.append([value] if value < 100 or before.endswith((" a ", "\na ")) or before == "a " else [])
        end = match.end()
    return [*(n for run in runs for n in run if n <= _MOST_ALONE), *(_number_of(run) for run in runs if _is_new(run))]


def _continues(last: int, value: int) -> bool:
    if value >= 100:
        return last < value
    return last >= 100 or (last >= 20 and value < 10)


def _is_new(run: list[int]) -> bool:
    return len(run) > 1 or (len(run) == 1 and run[0] > _MOST_ALONE)


def _number_of(run: list[int]) -> int:
    total = current = 0
    for value in run:
        if value >= 1000:
            total, current = total + (current or 1) * value, 0
        elif value == 100:
            current = (current or 1) * 100
        else:
            current += value
    return total + current


def scale_of(word: str) -> float | None:
    """What `million`, `k`, `bn` multiply by; None for another word."""
    lower = word.lower()
    return _SCALES.get(lower) or _SCALES.get(lower.removesuffix("s"))


def unit_seconds(word: str) -> float | None:
    """How many seconds one `ms`, `minutes`, `hrs`, … is; None for another word."""
    lower = word.lower()
    if not re.fullmatch(_UNIT, lower):
        return None
    if lower.startswith(("ms", "milli")):
        return _UNITS["ms"]
    return _UNITS["min"] if lower.startswith("mi") else _UNITS[lower[0]]


def _with_ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.digit(c)) if not c.isascii() and c.isdecimal() else c for c in text)


def _not_figures(text: str) -> list[tuple[int, int]]:
    """Where numbering and idioms stand."""
    spans = _numbering(text)
    if "/" in text or "9" in text:  # every idiom has one of them
        spans.extend(match.span() for match in _IDIOM.finditer(text))
    return spans


def _numbering(text: str) -> list[tuple[int, int]]:
    """Where list numbers and counting labels stand. They must count: 1, or one more than one before."""
    spans: list[tuple[int, int]] = []
    seen: set[tuple[str, int]] = set()
    line = 0
    while True:
        if match := _LIST_NUMBER.match(text, line):
            _count_on("", int(match[1]), match.span(1), seen, spans)
        if match := _LABEL.match(text, line):
            _count_on(match[1].lower(), int(match[2]), (match.start(1), match.end(2)), seen, spans)
        line = text.find("\n", line) + 1
        if not line:
            return spans


def _count_on(
    label: str, number: int, span: tuple[int, int], seen: set[tuple[str, int]], spans: list[tuple[int, int]]
) -> None:
    if number == 1 or (label, number - 1) in seen:
        seen.add((label, number))
        spans.append(span)


Options = list[tuple[Reading, ...]]


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _date(year: int | None, month: int, day: int | None) -> Options:
    return [(Date(year, month, day),)] if 1 <= month <= 12 and (day is None or 1 <= day <= 31) else []


def _numbers(text: str) -> tuple[Number, ...]:
    return tuple(Number(float(digits)) for digits in re.findall(r"\d+", text))


def _iso(match: re.Match[str]) -> Options:
    text = match[0]
    year, month, day = (int(part) for part in re.split(r"[-/tT]", text)[:3])
    options = _date(year, month, day)
    clock = re.search(r"[tT](\d\d):(\d\d)", text)
    if options and clock:
        return [(*options[0], Clock(int(clock[1]) * 60 + int(clock[2])))]
    return options or [(Code(text.lower()),)]


def _month_number(text: str) -> int:
    found = _NAMED_MONTH.search(text)
    return _MONTHS.index(found[0][:3].casefold()) + 1 if found else 0


def _named_date(match: re.Match[str]) -> Options:
    text = match[0]
    month = _month_number(text)
    digits = re.findall(r"\d+", text)
    year = int(digits.pop()) if len(digits[-1]) == 4 else None
    days = [int(d) for d in digits]
    if any(not 1 <= day <= 31 for day in days):
        return [_numbers(text)]
    options: Options = [tuple(Date(year, month, day) for day in days) if days else (Date(year, month, None),)]
    if len(days) == 2 and re.match(r"\d+[a-z]*\s*(?:and|&)", text, re.IGNORECASE):
        options.append((Number(float(days[0])), Date(year, month, days[1])))
    if year is None and re.search(r"\b(?:may|march|mar)\b", text):
        options.append(_numbers(text))
    return options


def _numeric_date(match: re.Match[str]) -> Options:
    first, second, last = (part for part in re.split(r"[/.-]", match[0]))
    year, a, b = _year(last), int(first), int(second)
    return _date(year, a, b) + _date(year, b, a) or [(Code(match[0]),)]


def _time(match: re.Match[str]) -> Options:
    text = match[0].lower()
    digits = [int(d) for d in re.findall(r"\d+", text.split("+")[0])]
    hour, minute = digits[0], digits[1] if len(digits) > 1 else 0
    half = re.search(r"([ap])\.?m", text)
    if half and not (1 <= hour <= 12 and minute <= 59):
        return [(Code(text),)]
    if hour > 23 or minute > 59:
        return [tuple(Number(float(d)) for d in digits)]
    if half:
        return [(Clock((hour % 12 + (12 if half[1] == "p" else 0)) * 60 + minute),)]
    unit = _UNIT_AFTER.match(match.string, match.end())
    if unit and unit["minutes"]:
        return [(Span(hour * 60.0 + minute, 1.0),)]
    span: tuple[Reading, ...] = (Span(hour * 3600.0 + minute * 60, 60.0),)
    return [span] if unit else [(Clock(hour * 60 + minute, 1 <= hour <= 12),), span]


def _span(match: re.Match[str]) -> Options:
    parts = [(float(n), unit_seconds(unit) or 0.0) for n, unit in _PARTS.findall(match[0])]
    total = sum(n * seconds for n, seconds in parts)
    return [
        (Span(total, min(seconds for _, seconds in parts)),),
        tuple(Span(n * s, s) for n, s in parts),
        tuple(Number(n, seconds=s) for n, s in parts),
    ]


def _phone(match: re.Match[str]) -> Options:
    digits = re.findall(r"\d+", match[0])
    options: Options = [(Code("".join(digits)),)] if sum(map(len, digits)) >= 6 else []
    if match[0][0].isdigit() and "-" in match[0]:
        options.append(_numbers(match[0]))
    return options


def _dotted(match: re.Match[str]) -> Options:
    options: Options = [(Code(match[0]),)]
    first, *rest = match[0].split(".")
    if len(first) <= 3 and all(len(part) == 3 for part in rest):
        options.append((Number(float(match[0].replace(".", ""))),))
    return options


def _code(match: re.Match[str]) -> Options:
    text = match[0]
    measure = _MEASURE.fullmatch(text)
    if measure:
        return _measure(int(measure[1]), measure[2], bool(_MONEY_AFTER.match(match.string, match.end())))
    version = _VERSION.fullmatch(text)
    if version:
        is_number = version[1].count(".") == 1
        return [(Code(version[1]),), *([(Number(*_decimal(version[1])),)] if is_number else [])]
    if _SCIENTIFIC.fullmatch(text):
        return [(Number(*_decimal(text)),), (Code(text.lower()),)]
    return [(Code(text.lower()),)] if any(_is_telling(part) for part in re.split(r"[-_.]", text)) else []


def _is_telling(part: str) -> bool:
    """Whether a piece of an identifier can be invented: `HAT069` and `4OG6T3` can, `Q3` and `OAuth2` are names."""
    digits = sum(c.isdigit() for c in part)
    return digits >= 3 or (digits > 0 and len(part) >= 5 and part.isupper())


def _measure(value: int, suffix: str, money: bool) -> Options:
    lower = suffix.lower()
    if lower in ("st", "nd", "rd", "th"):
        return [] if value <= _LARGEST_ORDINAL_TO_SKIP else [(Number(float(value)),)]
    factors = _factors(suffix, money)
    seconds = (unit_seconds(lower) or 0.0) if 1.0 in factors else 0.0
    options: Options = [
        (Number(value * factor, factor, money=money, seconds=seconds if factor == 1.0 else 0.0),) for factor in factors
    ]
    if seconds:
        options.append((Span(value * seconds, seconds),))
    return options


def _factors(suffix: str, money: bool) -> tuple[float, ...]:
    """What a number may be multiplied by, with this word after it."""
    scale = scale_of(suffix)
    if scale is None:
        return (1.0,)
    return (1.0, scale) if suffix in _ALSO_UNITS and not money else (scale,)


def _slash(match: re.Match[str]) -> Options:
    first, second = match[0].split("/")
    a, b = int(first), int(second)
    if len(second) == 4 and len(first) < 3 and 1 <= a <= 12:
        return [(Date(b, a, None),), _numbers(match[0])]
    options = _date(None, a, b) + _date(None, b, a) + [_numbers(match[0])]
    return [*options, (Number(a / b, 0.01),)] if b else options


def _bare(match: re.Match[str]) -> Options:
    return [(Number(float(match[0])),)]


def _number(match: re.Match[str]) -> Options:
    currency, sign, sign2, digits, percent_sign, scale, money_word, unit = match.group(*_PARTS_OF_NUMBER)
    money, percent, signed = bool(currency or money_word), bool(percent_sign), bool(sign or sign2)
    factors, seconds = _multipliers(scale, unit, money) if scale or unit else ((1.0,), 0.0)
    options: Options = []
    readings = _digit_readings(digits)
    for reading in readings[:1] if money and len(readings[-1]) > 1 else readings:
        for factor in factors:
            times = -factor if signed else factor
            timed = seconds if factor == factors[0] else 0.0
            options.append(tuple([Number(v * times, u * factor, percent, money, signed, timed) for v, u in reading]))
        if money and not signed and _in_brackets(match):
            factor = factors[-1]
            options.append(tuple(Number(-v * factor, u * factor, False, money, True) for v, u in reading))
        if seconds and len(reading) == 1:
            in_seconds = seconds * factors[0]
            options.append((Span(reading[0][0] * in_seconds, reading[0][1] * in_seconds),))
    return options


_PARTS_OF_NUMBER = ("currency", "sign", "sign2", "digits", "percent", "scale", "money", "unit")


def _multipliers(scale: str | None, unit: str | None, money: bool) -> tuple[tuple[float, ...], float]:
    """What a number may be multiplied by, and the seconds of its unit of time, 0 without one."""
    if not scale:
        return (1.0,), (unit_seconds(unit) or 0.0) if unit else 0.0
    suffix = scale.strip(" \t\n-")
    factors = _factors(suffix, money)
    if unit:
        return factors[-1:], unit_seconds(unit) or 0.0
    return factors, (unit_seconds(suffix) or 0.0) if 1.0 in factors else 0.0


def _in_brackets(match: re.Match[str]) -> bool:
    return match.string.endswith("(", 0, match.start()) and match.string.startswith(")", match.end())


def _digit_readings(text: str) -> list[tuple[tuple[float, float], ...]]:
    """Every way to read digits with separators: each is one or several (value, unit of the last digit)."""
    if text.isdecimal():
        return [((float(text), 1.0),)]
    separators = re.findall(r"[^\de+-]", text.lower())
    if not separators or "e" in text.lower():
        return [(_decimal(text.replace(",", ".")),)]
    kinds = list(dict.fromkeys(separators))
    last, groups = separators[-1], re.split(r"\D", text)
    if len(kinds) > 1:
        whole = text[: text.rfind(last)]
        return [(_decimal(re.sub(r"\D", "", whole) + "." + groups[-1]),)]
    joined: tuple[tuple[float, float], ...] = (_decimal("".join(groups)),)
    if len(separators) > 1:
        return [joined]
    readings = [joined] if len(groups[-1]) == 3 and 1 <= len(groups[0]) <= 3 and groups[0] != "0" else []
    if last in ".,":
        readings.append((_decimal((groups[0] or "0") + "." + groups[1]),))
    if last in _SPACES or (last == "," and not readings[:-1]):
        readings.append(tuple(_decimal(group) for group in groups if group))
    return readings


def _decimal(text: str) -> tuple[float, float]:
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(text), 10.0 ** (int(exponent or 0) - decimals)


_READERS: dict[str, Callable[[re.Match[str]], Options]] = {
    "bare": _bare,
    "iso": _iso,
    "monthday": _named_date,
    "monthyear": _named_date,
    "daymonth": _named_date,
    "numericdate": _numeric_date,
    "time": _time,
    "span": _span,
    "phone": _phone,
    "dotted": _dotted,
    "code": _code,
    "slash": _slash,
    "number": _number,
}
