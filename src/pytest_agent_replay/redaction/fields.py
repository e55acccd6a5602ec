"""Personal data that is known by its place: names, addresses and dates of birth in the fields of an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytest_agent_replay.redaction import rules
from pytest_agent_replay.redaction.contexts import names_secret, plain
from pytest_agent_replay.redaction.dates import read_date
from pytest_agent_replay.redaction.lists import listed
from pytest_agent_replay.redaction.personal import country_code, is_card, is_made_up_email, is_public, is_ssn
from pytest_agent_replay.redaction.pseudonyms import STREET_WORDS, TITLES
from pytest_agent_replay.redaction.words import is_made_up

__all__ = ["Fact", "Place", "fact", "words_of"]


class Place(NamedTuple):
    """Where a value stands: the name of its field, the object that has the field, and the name of that object."""

    field: str = ""
    siblings: Mapping[str, Any] = {}
    above: str = ""


class Fact(NamedTuple):
    """What a value is, by its place."""

    group: str
    kind: str
    shape: str


_NAME_FIELDS = frozenset(
    listed(
        """
    firstname lastname givenname familyname surname middlename maidenname fullname forename firstnames lastnames
    passengername customername guestname patientname cardholder cardholdername contactname holdername
    accountholder accountname recipientname sendername employeename legalname nameoncard displayname personname
    callername vorname nachname prenom apellido apellidos nickname preferredname
    """
    )
)
_PEOPLE = frozenset(
    listed(
        """
    customer customers user users passenger passengers guest guests patient patients person people persons contact
    contacts employee employees recipient sender traveler travelers traveller travellers member client caller
    owner holder cardholder student applicant tenant savedpassengers profile buyer seller payer payee beneficiary
    billing billingdetails shipping shippingaddress billingaddress author assignee requester reporter doctor
    driver rider insured account name
    """
    )
)
_THINGS = frozenset(("account", "profile", "owner", "billing", "shipping", "name"))
"""Of these those that hold other texts than names, too."""
_SIGNS = frozenset(
    listed(
        """
    email emailaddress phone phonenumber mobile dob dateofbirth birthdate birthday firstname lastname ssn address
    street zip zipcode postcode
    """
    )
)
"""Fields that only objects of people have."""
_STREETS = frozenset(
    listed(
        """
    street streetaddress address1 address2 addressline addressline1 addressline2 line1 line2 address fulladdress
    shippingaddress billingaddress homeaddress mailingaddress postaladdress addr street1 street2 strasse
    """
    )
)
_LINES = frozenset(["line1", "line2", "street1", "street2", "address1", "address2"])
_POSTCODES = frozenset(["zip", "zipcode", "postcode", "postalcode", "plz", "postal"])
_CITIES = frozenset(["city", "town", "suburb", "locality"])
_ADDRESS_SIGNS = _STREETS | _POSTCODES
_BIRTHS = frozenset(
    ["dob", "dateofbirth", "birthdate", "birthday", "birthdt", "geburtsdatum", "dayofbirth", "passengerdob"]
)
_EMAILS = frozenset(["email", "emailaddress", "mail", "emails", "useremail", "customeremail", "contactemail"])
_PHONES = frozenset(
    listed(
        """
    phone phonenumber mobile mobilenumber mobilephone cell cellphone telephone tel fax msisdn whatsapp homephone
    workphone fromnumber tonumber callernumber customernumber phonenumbers contactnumber customerphone userphone
    contactphone
    """
    )
)
_SSNS = frozenset(["ssn", "socialsecuritynumber", "socialsecurity"])
_CARDS = frozenset(["cardnumber", "creditcard", "creditcardnumber", "ccnumber", "pan", "debitcardnumber"])
_CODES = frozenset(["cvv", "cvc", "cvv2", "cvc2", "securitycode", "cardverificationcode"])
_IPS = frozenset(
    listed(
        """
    ip ipaddress clientip remoteaddr remoteip xforwardedfor xrealip sourceip userip
    """
    )
)

_HUMAN = re.compile(r"[^\W\d_][^\W\d_'’.-]*(?:[ ,.'’-]+[^\W\d_][^\W\d_'’.-]*\.?){0,5}\.?")
_NOBODY = frozenset(
    listed(
        """
    guest user customer unknown anonymous admin test none null n/a na system assistant default owner member agent
    me self string name first last
    """
    )
)


def fact(value: Any, place: Place, given: rules.Rules) -> Fact | None:
    """What the value of a field is; None when the field says nothing about it."""
    name = plain(place.field)
    if not name or isinstance(value, (bool, float)) or not isinstance(value, (str, int)) or value == "":
        return None
    text = str(value)
    if isinstance(value, str) and names_secret(place.field, text, given.secret_fields):
        return Fact(rules.SECRETS, f"field {place.field.lower()}", "secret")
    for holds, found in (
        (_is_email, Fact(rules.EMAILS, rules.EMAILS, "email")),
        (_is_number, None),
        (_is_birth, Fact(rules.BIRTH_DATES, rules.BIRTH_DATES, "birth date")),
        (_is_name, Fact(rules.NAMES, rules.NAMES, "name")),
        (_is_address, Fact(rules.ADDRESSES, rules.ADDRESSES, "address")),
    ):
        result = holds(name, text, place, given)
        if isinstance(result, Fact):
            return result
        if result and found is not None:
            return found
    return None


def _is_email(name: str, text: str, place: Place, given: rules.Rules) -> bool:
    return name in _EMAILS and re.fullmatch(r"[^\s@]+@[^\s@]+", text) is not None and not is_made_up_email(text)


def _is_number(name: str, text: str, place: Place, given: rules.Rules) -> Fact | None:
    digits = re.sub(r"\D", "", text)
    if name in _PHONES and re.fullmatch(r"\+?[\d\s().-]{7,24}", text) and 7 <= len(digits) <= 15:
        code = (country_code(digits) or "") if "+" in text else "1" if len(digits) == 11 and digits[0] == "1" else ""
        made_up = digits[len(code) :].startswith("555" if len(digits) - len(code) == 10 and code in ("", "1") else "00")
        return None if made_up else Fact(rules.PHONES, rules.PHONES, "phone")
    if name in _SSNS and len(digits) == 9 and is_ssn(digits):
        return Fact(rules.SSNS, rules.SSNS, "ssn")
    if name in _CARDS and is_card(digits):
        return Fact(rules.CARDS, rules.CARDS, "card")
    if name in _CODES and re.fullmatch(r"\d{3,4}", text) and digits.strip("0"):
        return Fact(rules.CARDS, "card security codes", "code")
    if name in _IPS and is_public(text):
        return Fact(rules.IPS, rules.IPS, "ipv6" if ":" in text else "ipv4")
    if name in _POSTCODES and re.fullmatch(r"(?=.*\d)[\w -]{3,10}", text) and not _is_made_up_postcode(text):
        return Fact(rules.ADDRESSES, rules.ADDRESSES, "postcode")
    return None


def _is_made_up_postcode(text: str) -> bool:
    letters = re.sub(r"[^A-Za-z]", "", text)
    return not letters.strip("QXZ") if letters else text.startswith("00")


def _is_birth(name: str, text: str, place: Place, given: rules.Rules) -> bool:
    if name not in _BIRTHS and name not in given.birth_date_fields:
        return False
    day = read_date(text)
    return day is not None and day.year >= 1900


def _is_name(name: str, text: str, place: Place, given: rules.Rules) -> bool:
    if name in _NAME_FIELDS or name in given.name_fields:
        return _is_human(text)
    if name in ("name", "first", "last", "middle"):
        above = plain(place.above)
        around = {plain(sibling) for sibling in place.siblings}
        if above in _PEOPLE or above in given.people or around & _SIGNS:
            return _is_human(text) and (name != "name" or not {"args", "arguments", "parameters"} & around)
    return (name in _PEOPLE - _THINGS or name in given.people) and _is_full_name(text)


def _is_human(text: str) -> bool:
    if len(text) > 80 or text.lower() in _NOBODY or _HUMAN.fullmatch(text) is None:
        return False
    return not all(map(is_made_up, _long_words(text)))


def _long_words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text) if len(word) > 1]


def _is_full_name(text: str) -> bool:
    """Two to four words in title case: `customer: Mia Li`, and not `customer: premium`."""
    words = text.split()
    return 2 <= len(words) <= 4 and all(word[:1].isupper() for word in words) and _is_human(text)


def _is_address(name: str, text: str, place: Place, given: rules.Rules) -> bool:
    around = {plain(sibling) for sibling in place.siblings}
    if name in given.address_fields:
        return True
    in_address = bool(around & _ADDRESS_SIGNS) or "address" in plain(place.above)
    if name in _CITIES:
        return in_address and bool(_long_words(text)) and not all(map(is_made_up, _long_words(text)))
    if name not in _STREETS or (name in _LINES and not in_address and len(around) > 1) or len(text) > 200:
        return False
    return _is_street(text)


def _is_street(text: str) -> bool:
    """Words and a number, and not an e-mail address, a host, or a made-up street."""
    if not re.search(r"\d", text) or not re.search(r"[^\W\d_]", text) or re.search(r"[@{}\[\]<>=]|://", text):
        return False
    names = [word for word in _long_words(text) if word.lower() not in STREET_WORDS]
    return not names or not all(map(is_made_up, names))


def words_of(name: Any) -> list[str]:
    """The words of a name that are somebody's: without titles and initials."""
    return [word for word in _long_words(str(name)) if word.lower() not in TITLES and not is_made_up(word)]
