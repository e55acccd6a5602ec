"""Personal data that is known by its place: names, addresses and dates of birth in the fields of an object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pytest_agent_replay.redaction import rules
from pytest_agent_replay.redaction.contexts import names_secret, plain
from pytest_agent_replay.redaction.dates import read_date
from pytest_agent_replay.redaction.lists import listed
from pytest_agent_replay.redaction.personal import (
    is_card,
    is_fictional_phone,
    is_made_up_email,
    is_made_up_phone,
    is_public,
    is_reserved_email,
    is_ssn,
)
from pytest_agent_replay.redaction.pseudonyms import STREET_WORDS, TITLES
from pytest_agent_replay.redaction.words import is_made_up

__all__ = ["Fact", "Place", "fact", "place_in", "words_of", "words_of_account"]


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
    reserved: bool = False
    """It is in a range that is nobody's."""


_NAME_FIELDS = frozenset(
    listed(
        """
    firstname lastname givenname familyname surname middlename maidenname fullname forename firstnames lastnames
    passengername customername guestname patientname cardholder cardholdername contactname holdername
    accountholder recipientname sendername employeename legalname nameoncard displayname personname
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
_LINES = frozenset(("line1", "line2", "street1", "street2", "address1", "address2"))
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

_PARTS = frozenset(("name", "first", "last", "middle"))
_VALUES = frozenset(("value", "Value"))
_NAMES = ("name", "key", "Name", "Key")
"""Beside a `value`: what it is the value of."""
_CALL = frozenset(("args", "arguments", "parameters", "inputschema", "toolcallid"))
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HUMAN = re.compile(r"[^\W\d_][^\W\d_'’.-]*(?:[ ,.'’-]+[^\W\d_][^\W\d_'’.-]*\.?){0,5}\.?")
_NOBODY = frozenset(
    listed(
        """
    guest user customer unknown anonymous admin test none null n/a na system assistant default owner member agent
    me self string name first last service support info sales help team no reply noreply contact hello billing
    orders order office mail email account shop store marketing press jobs hr it security privacy legal web master
    post data bot api app dev ops demo example care feedback news newsletter alerts notifications the my your our
    """
    )
)
_IDS = frozenset(listed("userid username login handle customerid memberid accountid loginname screenname"))
_ID = re.compile(r"(?P<first>[a-z]{2,})[._](?P<last>[a-z]{2,})(?:[._]?\d+)?", re.IGNORECASE)

_ROLES: tuple[tuple[frozenset[str], str], ...] = (
    (_EMAILS, "email"),
    (_PHONES, "phone"),
    (_SSNS, "ssn"),
    (_CARDS, "card"),
    (_CODES, "code"),
    (_IPS, "ip"),
    (_POSTCODES, "postcode"),
    (_BIRTHS, "birth date"),
    (_NAME_FIELDS, "name"),
    (_IDS, "identifier"),
    (_CITIES, "city"),
    (_LINES, "line"),
    (_STREETS, "street"),
    (_PARTS, "name of somebody"),
    (_PEOPLE, "somebody"),
)


def place_in(owner: Mapping[Any, Any], key: Any, above: str) -> Place:
    """Where an entry of an object stands, which is itself in a field named `above`.

    The `value` of `{name: x-api-key, value: …}` is that of the field which stands beside it.
    """
    field = str(key)
    if field in _VALUES:
        field = next((named for name in _NAMES if isinstance(named := owner.get(name), str)), field)
    return Place(field, owner, above)


def fact(value: Any, place: Place, given: rules.Rules) -> Fact | None:
    """What the value of a field is; None when the field says nothing about it."""
    name = plain(place.field)
    if not name or not value or isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    if isinstance(value, str) and names_secret(place.field, text, given.secret_fields):
        return Fact(rules.SECRETS, f"field {place.field.lower()}", "secret")
    role = given.roles.get(name) or _role(name)
    return None if role is None else _JUDGES[role](text, place, given)


@lru_cache(8192)
def _role(name: str) -> str | None:
    return next((role for names, role in _ROLES if name in names), None)


def _email(text: str, place: Place, given: rules.Rules) -> Fact | None:
    is_one = re.fullmatch(r"[^\s@]+@[^\s@]+", text) is not None and not is_made_up_email(text)
    return Fact(rules.EMAILS, rules.EMAILS, "email", is_reserved_email(text)) if is_one else None


def _phone(text: str, place: Place, given: rules.Rules) -> Fact | None:
    if re.fullmatch(r"\+?(?:[\s().-]*\d){7,15}", text) is None or is_made_up_phone(text):
        return None
    return Fact(rules.PHONES, rules.PHONES, "phone", is_fictional_phone(text))


def _ssn(text: str, place: Place, given: rules.Rules) -> Fact | None:
    return Fact(rules.SSNS, rules.SSNS, "ssn") if is_ssn(re.sub(r"[ -]", "", text)) else None


def _card(text: str, place: Place, given: rules.Rules) -> Fact | None:
    return Fact(rules.CARDS, rules.CARDS, "card") if is_card(re.sub(r"[ -]", "", text)) else None


def _code(text: str, place: Place, given: rules.Rules) -> Fact | None:
    is_one = re.fullmatch(r"\d{3,4}", text) is not None and text.strip("0")
    return Fact(rules.CARDS, "card security codes", "code") if is_one else None


def _ip(text: str, place: Place, given: rules.Rules) -> Fact | None:
    return Fact(rules.IPS, rules.IPS, "ipv6" if ":" in text else "ipv4") if is_public(text) else None


def _postcode(text: str, place: Place, given: rules.Rules) -> Fact | None:
    if re.fullmatch(r"(?=.*\d)[\w -]{3,10}", text) is None:
        return None
    letters = re.sub(r"[\W\d_]", "", text)
    is_made_up_ = not letters.strip("QXZ") if letters else text.startswith("00") or int(_digits(text)) < 500
    return None if is_made_up_ else Fact(rules.ADDRESSES, rules.ADDRESSES, "postcode")


def _birth_date(text: str, place: Place, given: rules.Rules) -> Fact | None:
    found = read_date(text)
    is_one = found is not None and found.day.year >= 1900
    return Fact(rules.BIRTH_DATES, rules.BIRTH_DATES, "birth date") if is_one else None


def _name(text: str, place: Place, given: rules.Rules) -> Fact | None:
    return Fact(rules.NAMES, rules.NAMES, "name") if _is_human(text) else None


def _name_of_somebody(text: str, place: Place, given: rules.Rules) -> Fact | None:
    """`name` in the object of a person, and not in that of a tool call."""
    above, around = plain(place.above), {plain(sibling) for sibling in place.siblings}
    is_somebody = above in _PEOPLE or above in given.people or around & _SIGNS or any(map(_is_id_of_somebody, around))
    if around & _CALL or not is_somebody:
        return None
    return _name(text, place, given)


def _is_id_of_somebody(name: str) -> bool:
    """`customer_id`, and not `order_id`."""
    return name.endswith("id") and name[:-2] in _PEOPLE - _THINGS


def _somebody(text: str, place: Place, given: rules.Rules) -> Fact | None:
    """`customer: Mia Li`, and not `customer: premium`."""
    words = text.split()
    is_full = 2 <= len(words) <= 4 and all(word[:1].isupper() for word in words)
    return _name(text, place, given) if is_full and plain(place.field) not in _THINGS else None


def _identifier(text: str, place: Place, given: rules.Rules) -> Fact | None:
    """The name of an account that is made of names: `mia_li_3668`, and not `test_user`."""
    return Fact(rules.NAMES, "names of accounts", "identifier") if words_of_account(text) else None


def _is_human(text: str) -> bool:
    if len(text) > 80 or text.lower() in _NOBODY or _HUMAN.fullmatch(text) is None:
        return False
    return not all(map(is_made_up, words_of(text, also_made_up=True)))


def words_of(name: str, *, also_made_up: bool = False) -> list[str]:
    """The words of a name that are somebody's: without titles and initials."""
    words = [word for word in _WORD.findall(name) if len(word) > 1 and word.lower() not in TITLES]
    return words if also_made_up else [word for word in words if not is_made_up(word)]


def words_of_account(name: str) -> list[str]:
    """The two names of which the name of an account is made; none where it is that of a role."""
    match = _ID.fullmatch(name)
    words = [match["first"], match["last"]] if match else []
    return [] if _NOBODY & {word.lower() for word in words} or any(map(is_made_up, words)) else words


def _city(text: str, place: Place, given: rules.Rules) -> Fact | None:
    around = {plain(sibling) for sibling in place.siblings}
    words = [word for word in _WORD.findall(text) if len(word) > 1]
    if not words or all(map(is_made_up, words)) or not (around & _ADDRESS_SIGNS or "address" in plain(place.above)):
        return None
    return Fact(rules.ADDRESSES, rules.ADDRESSES, "address")


def _line(text: str, place: Place, given: rules.Rules) -> Fact | None:
    """`line1` is that of an address only beside other parts of one."""
    around = {plain(sibling) for sibling in place.siblings}
    is_address = bool(around & (_POSTCODES | _CITIES)) or "address" in plain(place.above)
    return _street(text, place, given) if is_address else None


def _street(text: str, place: Place, given: rules.Rules) -> Fact | None:
    """Words and a number, and not an e-mail address, a host, or a made-up street."""
    if len(text) > 200 or re.search(r"[@{}\[\]<>=]|://", text) or not re.search(r"\d", text):
        return None
    return _address(text, place, given) if re.search(r"[^\W\d_]", text) else None


def _address(text: str, place: Place, given: rules.Rules) -> Fact | None:
    names = [word for word in _WORD.findall(text) if len(word) > 1 and word.lower() not in STREET_WORDS]
    if all(map(is_made_up, names)) if names else all(number.startswith("0") for number in re.findall(r"\d+", text)):
        return None
    return Fact(rules.ADDRESSES, rules.ADDRESSES, "address")


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


_JUDGES: dict[str, Callable[[str, Place, rules.Rules], Fact | None]] = {
    "email": _email,
    "phone": _phone,
    "ssn": _ssn,
    "card": _card,
    "code": _code,
    "ip": _ip,
    "postcode": _postcode,
    "birth date": _birth_date,
    "name": _name,
    "identifier": _identifier,
    "city": _city,
    "line": _line,
    "street": _street,
    "address": _address,
    "name of somebody": _name_of_somebody,
    "somebody": _somebody,
}
