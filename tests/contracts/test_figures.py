"""The reader of figures."""

from __future__ import annotations

import calendar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agent_replay.contracts.figures import (
    Clock,
    Code,
    Date,
    Number,
    Reading,
    Span,
    read_figures,
    word_numbers,
)


def readings(text: str) -> list[Reading]:
    return [reading for figure in read_figures(text) for option in figure.options for reading in option]


def values(text: str) -> set[float]:
    return {reading.value for reading in readings(text) if isinstance(reading, Number)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$4.2 million", 4.2e6),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1 234", 1234),
        ("1\u202f234\u202f567", 1234567),
        ("1'234'567", 1234567),
        ("12,34,567", 1234567),
        ("4k", 4000),
        ("€3bn", 3e9),
        ("4.2-million-dollar", 4.2e6),
        ("USD 4,500.00", 4500),
        ("100 dollars", 100),
        ("-5", -5),
        ("-$55", -55),
        ("−7", -7),
        ("($1,234)", -1234),
        ("37%", 37),
        ("12 per cent", 12),
        (".5", 0.5),
        ("1e6", 1e6),
        ("٤٢", 42),
    ],
)
def test_numbers_are_read_in_many_notations(text: str, value: float) -> None:
    """Separators, signs, currencies, scale words and percent signs are understood."""
    assert value in values(f"It is {text} now")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5k", {5e3}),
        ("5K", {5e3}),
        ("4.2k", {4200}),
        ("5b", {5e9}),
        ("5bn", {5e9}),
        ("4.2bn", {4.2e9}),
        ("5M", {5e6}),
        ("4.2M", {4.2e6}),
        ("5T", {5e12}),
        ("5m", {5, 5e6}),
        ("4.2m", {4.2, 4.2e6}),
        ("1.5 mm", {1.5, 1.5e6}),
        ("5t", {5, 5e12}),
        ("$5m", {5e6}),
        ("$4.2m", {4.2e6}),
        ("$5k", {5e3}),
        ("5m USD", {5e6}),
        ("5m€", {5e6}),
        ("4.2m dollars", {4.2e6}),
        ("5kg", {5}),
        ("1080p", {1080}),
    ],
)
def test_a_scale_is_left_out_only_where_it_may_be_a_unit(text: str, wanted: set[float]) -> None:
    """`5m` may be five metres or minutes, `5k`, `5M` and `$5m` are never five."""
    assert values(f"It is {text} now") == wanted


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("2024-05-20", Date(2024, 5, 20)),
        ("May 20, 2024", Date(2024, 5, 20)),
        ("20 May 2024", Date(2024, 5, 20)),
        ("20th of May", Date(None, 5, 20)),
        ("May 2024", Date(2024, 5, None)),
        ("05/20/2024", Date(2024, 5, 20)),
        ("20.05.2024", Date(2024, 5, 20)),
        ("on May 21:", Date(None, 5, 21)),
        ("May 10-11", Date(None, 5, 11)),
        ("14:00", Clock(840)),
        ("2 PM", Clock(840)),
        ("2:30 p.m.", Clock(870)),
        ("12:15 AM", Clock(15)),
        ("2024-05-15T15:30:00Z", Clock(930)),
        ("2h 30m", Span(9000, 60)),
        ("2 hours and 30 minutes", Span(9000, 60)),
        ("30000 ms", Span(30, 0.001)),
        ("5m", Span(300, 60)),
        ("1.5m", Span(90, 6)),
        ("HAT069", Code("hat069")),
        ("4OG6T3", Code("4og6t3")),
        ("certificate_7504069", Code("certificate_7504069")),
        ("+1 (555) 123-4567", Code("15551234567")),
        ("192.168.0.1", Code("192.168.0.1")),
    ],
)
def test_dates_times_durations_and_identifiers_are_read(text: str, reading: Reading) -> None:
    """What is not a plain number is read as what it is."""
    assert reading in readings(f"See {text}")


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("(14:05)", ["14:05"]),
        ("(2:05 pm)", ["2:05 pm"]),
        ("(2026-03-12)", ["2026-03-12"]),
        ("(12 March)", ["12 March"]),
        ("(12th of March, 14:05)", ["12th of March", "14:05"]),
        ("(12.03.2026)", ["12.03.2026"]),
        ("(6 AM - 8:30 AM)", ["6 AM", "8:30 AM"]),
        ("(06:00 - 08:30)", ["06:00", "08:30"]),
        ("-12 March", ["12 March"]),
        ("(2h 30m)", ["2h 30m"]),
        ("(555) 123-4567", ["(555) 123-4567"]),
        ("(30)", ["30"]),
        ("(-5)", ["-5"]),
    ],
)
def test_figures_in_brackets_and_after_a_dash_are_read_whole(text: str, figures: list[str]) -> None:
    """A bracket or a dash before a date, a time or a number is no part of it, except for the sign of a number."""
    assert [figure.text for figure in read_figures(f"See {text} now")] == figures


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("It comes on 14 March.", "14 March"),
        ("It comes on March. Then 3 more", "3"),
        ("It comes on 14 Mar. Then", "14 Mar"),
        ("It comes on 14 Mar. 2026.", "14 Mar. 2026"),
        ("It comes on Mar. 14, 2026.", "Mar. 14, 2026"),
        ("It comes in Sept., 2026.", "Sept., 2026"),
    ],
)
def test_the_end_of_a_sentence_is_no_part_of_a_date(text: str, figure: str) -> None:
    """A full stop after a month belongs to the date only where the date goes on."""
    assert [each.text for each in read_figures(text)] == [figure]


@pytest.mark.parametrize(
    "text",
    [
        "Q3",
        "GPT-4",
        "MP3",
        "24/7",
        "no figure",
        "the 2nd one",
        "1. one\n2. two\n3) three",
        "Option 1: a\nOption 2: b",
        "",
    ],
)
def test_names_and_numbering_are_not_figures(text: str) -> None:
    """List numbers that count, labels that count, small ordinals and short names are left out."""
    assert read_figures(text) == []


def test_a_list_number_that_does_not_count_is_a_figure() -> None:
    """`42.` at the start of a line is numbering only after 41."""
    assert 42 in values("42. is the answer")


def test_a_code_that_ends_in_a_digit_before_a_line_end_is_read() -> None:
    """An identifier is not taken for a label with its number."""
    assert readings("UDMOP1\n") == [Code("udmop1")]


def test_ranges_are_two_figures_without_a_sign() -> None:
    """`5-7` is 5 and 7, not 5 and minus 7."""
    assert values("5-7 days") >= {5, 7}
    assert -7 not in values("5-7 days")


def test_rounding_is_known_from_the_last_digit() -> None:
    """`4.2 million` is known to a hundred thousand."""
    assert readings("4.2 million") == [Number(4.2e6, 1e5)]


@given(st.integers(min_value=0, max_value=10**15))
def test_every_grouping_of_a_whole_number_reads_as_that_number(number: int) -> None:
    """Commas, dots, blanks and apostrophes between groups of three do not change a number."""
    for separator in (",", ".", "'", "\u202f"):
        assert float(number) in values("it is " + f"{number:,}".replace(",", separator) + " now")


@given(st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False))
def test_money_reads_as_its_amount_in_both_notations(amount: object) -> None:
    """`1,234.50` and `1.234,50` are the same amount."""
    english = f"{amount:,}"
    german = english.replace(",", "_").replace(".", ",").replace("_", ".")
    assert float(str(amount)) in values(f"It costs ${english}")
    assert float(str(amount)) in values(f"Es kostet {german} €")


@given(st.dates())
def test_every_way_to_write_a_date_gives_that_date(day: object) -> None:
    """ISO and named months agree."""
    year, month, number = (int(part) for part in str(day).split("-"))
    name = calendar.month_name[month]
    wanted = Date(year, month, number)
    for text in (str(day), f"{name} {number}, {year:04}", f"{number} {name[:3]} {year:04}"):
        assert wanted in readings(f"on {text}")


@given(st.integers(0, 23), st.integers(0, 59))
def test_twelve_and_twentyfour_hours_agree(hour: int, minute: int) -> None:
    """`2:05 PM` is 14:05."""
    half = "AM" if hour < 12 else "PM"
    assert Clock(hour * 60 + minute) in readings(f"at {hour % 12 or 12}:{minute:02} {half}")


@given(st.text(alphabet="0123456789.,:/-+()$€% aehmpsT_\n1", max_size=60))
def test_any_text_is_read_and_figures_stand_where_they_say(text: str) -> None:
    """Reading never raises, and gives figures in order, each with its own text."""
    end = 0
    for figure in read_figures(text):
        assert end <= figure.start < figure.end <= len(text)
        assert figure.text == text[figure.start : figure.end].strip()
        assert figure.options
        end = figure.end


@pytest.mark.parametrize(
    "piece", ["a_", "a-", "a.b-", "1-", "1,", "12,", "1h ", "1", "a1", "jan ", "+1 ", "1:11", "(1"]
)
def test_long_repetitive_texts_are_read_in_good_time(piece: str) -> None:
    """No pattern needs more than about linear time."""
    import time

    begun = time.process_time()
    read_figures(piece * 4000 + "é1!")
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("order 17 costs", Number(17)),
        ("paid by 17 people.", Number(17)),
        ("on May 17 it", Date(None, 5, 17)),
        ("on Sept. 17 it", Date(None, 9, 17)),
        ("on 17 May it", Date(None, 5, 17)),
        ("on 17 of May it", Date(None, 5, 17)),
        ("USD 17 were", Number(17, 1, money=True)),
        ("$ 17 were", Number(17, 1, money=True)),
        ("17 dollars were", Number(17, 1, money=True)),
        ("17 million were", Number(17e6, 1e6)),
        ("17 percent were", Number(17, 1, percent=True)),
        ("17 hours were", Span(61200, 3600)),
        ("at 5 pm it", Clock(1020)),
    ],
)
def test_the_words_around_a_whole_number_say_what_it_is(text: str, reading: Reading) -> None:
    """A month, a currency, a unit or a scale belongs to the number before or after it; other words do not."""
    assert reading in readings(text)
    numbers = [reading._replace(seconds=0.0) for reading in readings(text) if isinstance(reading, Number)]
    assert (Number(17) in numbers) is (reading == Number(17) or isinstance(reading, Span))


def test_a_letter_that_is_an_s_when_case_is_ignored_is_read() -> None:
    """The long s, which patterns take for an s, neither breaks the reading of months nor that of number words."""
    assert readings("on ſep 17") == [Date(None, 9, 17)]
    assert list(word_numbers("ſix or Seven")) == [7]
