"""Phone numbers, against the example numbers of `phonenumbers`, which knows the plans of all countries."""

from __future__ import annotations

import phonenumbers
import pytest

from tests.redaction.harness import redactor

_TYPES = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)


def test_numbers_of_all_countries() -> None:
    """All that have eight digits or more; their pseudonyms stay, and only two countries have such numbers at all."""
    missed: list[str] = []
    valid: set[str] = set()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in _TYPES:
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None or len(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)) < 9:
                continue
            text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            made = redactor().clean(f"on {text} now")[3:-4]
            if made == text:
                missed.append(text)
                continue
            assert redactor().clean(made) == made
            if phonenumbers.is_valid_number(phonenumbers.parse(made)):
                valid.add(region)
    assert missed == []
    assert valid <= {"RW", "TJ"}


@pytest.mark.parametrize("number", ["(415) 234-1267", "415-234-1267", "415.234.1267", "1-415-234-1267"])
def test_numbers_of_north_america_without_a_plus(number: str) -> None:
    """In the forms in which they are written there."""
    assert redactor().clean(f"on {number}, please") != f"on {number}, please"


@pytest.mark.parametrize("text", ["555-0123", "115-234-1267", "1 415-034-1267", "2024-05-20 15:00", "415-234-12678"])
def test_other_numbers(text: str) -> None:
    """Too short, too long, or not in the plan."""
    assert redactor().clean(text) == text
