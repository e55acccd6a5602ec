"""Personal data that is known by its form, wherever it stands in a text.

Check digits and formats of IBANs, cards and social security numbers are `python-stdnum`'s. Phone numbers follow the
numbering plans (ITU-T E.164 and its list of country codes; NANP for numbers without one).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from pytest_agent_replay.redaction import rules
from pytest_agent_replay.redaction.lists import listed
from pytest_agent_replay.redaction.spans import MARK, Span
from pytest_agent_replay.redaction.words import is_made_up

__all__ = [
    "emails",
    "is_card",
    "is_fictional_phone",
    "is_made_up_email",
    "is_made_up_phone",
    "is_phone",
    "is_public",
    "is_reserved_email",
    "is_ssn",
    "parts_of_phone",
    "personal_spans",
]

_EMAIL = re.compile(
    r"(?<![\w.%+@-])(?P<local>[\w.!#$&'*+/=?^`{|}~-]{1,64})@(?P<domain>(?:[\w-]{1,63}\.)+[^\W\d_]{2,24})(?![\w@-]|\.\w)"
)
_USERINFO = re.compile(r"://[^\s/@]*\Z")
_FILE = frozenset(
    listed(
        """
    png jpg jpeg gif svg webp ico css js ts py json yaml yml html htm md txt csv pdf zip gz so
    """
    )
)
_RESERVED_DOMAIN = re.compile(r"(?i)(?:.*\.)?(?:example(?:\.(?:com|net|org))?|invalid|test|localhost)")
_PHONE = re.compile(r"(?<![\w+.-])\+\d(?:[\s().-]{0,2}\d){6,14}(?![\w-])")
_NANP = re.compile(r"(?<![\w+./-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-]|\.\d)")
_PHONE_SAID = re.compile(
    r"(?i)\b(?:phone|tel|telephone|mobile|cell|cellphone|fax|whatsapp|sms|caller|(?:call|reach|text) (?:me )?(?:at|on))"
    r"(?:[ _-]?(?:number|no\.?|#))?(?:\s+is)?\s*[:=]?\s*(?P<number>\(?\d(?:[ ().-]{0,2}\d){8,14})(?![\w-])"
)
_CARD = re.compile(r"(?<![\w.+-])[2-6](?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|(?:50|5[6-9]|6\d)\d{14}"
)
_OTHER_NUMBER = re.compile(
    r"(?i)(?:order|tracking|invoice|reservation|booking|confirmation|ticket|ref(?:erence)?|transaction|shipment|parcel|id"
    r"|sku|isbn|imei|serial|case|request|trace|span|timestamp|session|run)[\w ]{0,10}[\"']?"
    r"(?:\s|[:=#]|number|no\.?|nr\.?|is)*[\"']?\Z"
)
_SSN = re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])")
_SSN_SAID = re.compile(
    r"(?i)\b(?:ssn|social security(?: number| no\.?)?|social)\W{0,4}(?:is |number )?\W{0,2}"
    r"(?P<number>\d{3}[ -]?\d{2}[ -]?\d{4})\b"
)
# ISO 7064: check digits are 02 to 98
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}(?!00|01|99)\d{2}(?: ?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:.])")
_VERSION = re.compile(r"(?i)(?:\bv(?:er(?:sion)?)?|release|build|[\w-]/|==|@|\^|~)[\"']?\s*[:=]?\s*[\"']?\Z")

_ONE = frozenset(["1", "7"])
_TWO = frozenset(
    listed(
        """
    20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86
    90 91 92 93 94 95 98
    """
    )
)
_UNASSIGNED = re.compile(
    r"21[0479]|25[9]|28|29[2-6]|38[48]|42[24-9]|69[3-9]|80[1-79]|83|85[14789]|87[1-9]|88[4579]|89|97[8]|99[79]"
)
_LEAST_NATIONAL = 5


def personal_spans(text: str) -> Iterator[Span]:
    """What looks like personal data, the surest first."""
    if "@" in text:
        yield from emails(text)
    if not any(digit in text for digit in "0123456789"):
        return
    yield from _ibans(text)
    yield from _cards(text)
    yield from _ssns(text)
    yield from _phones(text)
    if "." in text or ":" in text:
        yield from _addresses_of_hosts(text)


# -- mail


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses, also such as are nobody's, but no pseudonyms."""
    for match in _EMAIL.finditer(text):
        domain = match["domain"]
        if domain.rpartition(".")[2].lower() in _FILE or is_made_up_email(match[0]):
            continue
        local = match["local"].lstrip("'`*{|/=#")
        start = match.end("local") - len(local)
        if MARK in local or (local == "git" and text[match.end() : match.end() + 1] == ":"):
            continue
        if not local or _USERINFO.search(text, max(0, start - 80), start):
            continue
        reserved = is_reserved_email(match[0])
        yield Span(start, match.end(), rules.EMAILS, "e-mail addresses", "email", reserved)


def is_reserved_email(address: str) -> bool:
    """Whether its domain is one that RFC 2606 keeps for examples."""
    return _RESERVED_DOMAIN.fullmatch(address.rpartition("@")[2]) is not None


def is_made_up_email(address: str) -> bool:
    """Whether it is a pseudonym: made-up words at a subdomain that is named like one, or at a reserved domain."""
    local, _, domain = address.rpartition("@")
    words = re.findall(r"[^\W\d_]+", local)
    return _RESERVED_DOMAIN.fullmatch(domain) is not None and bool(words) and all(map(is_made_up, words))


# -- numbers


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def is_card(digits: str) -> bool:
    """Whether an issuer could have given this number to a card."""
    from stdnum import luhn

    return _ISSUED.fullmatch(digits) is not None and luhn.is_valid(digits) and len(set(digits)) > 1


def _cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        if is_card(_digits(match[0])) and not _OTHER_NUMBER.search(text, max(0, match.start() - 40), match.start()):
            yield Span(*match.span(), rules.CARDS, "payment cards", "card")


def is_ssn(number: str) -> bool:
    """Whether the Social Security Administration could have given this number."""
    from stdnum.us import ssn

    return bool(ssn.is_valid(number))


def _ssns(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        if is_ssn(match[0]):
            yield Span(*match.span(), rules.SSNS, "social security numbers", "ssn")
    for match in _SSN_SAID.finditer(text):
        if is_ssn(_digits(match["number"])):
            yield Span(*match.span("number"), rules.SSNS, "social security numbers", "ssn")


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        from stdnum import iban

        found = match[0]
        ends = [end for end in range(len(found), 14, -1) if end == len(found) or found[end] == " "]
        for end in ends:
            if iban.is_valid(found[:end], check_country=False):
                yield Span(match.start(), match.start() + end, rules.IBANS, "IBANs", "iban")
                break


# -- phones


def country_code(digits: str) -> str | None:
    """The country code with which an international number begins; None when none is assigned."""
    if digits[:1] in _ONE:
        return digits[:1]
    if digits[:2] in _TWO:
        return digits[:2]
    if digits[:1] in ("", "0") or _UNASSIGNED.match(digits):
        return None
    return digits[:3]


def is_phone(number: str) -> bool:
    """Whether the numbering plans have such a number: with a `+` any country's, without it one of North America."""
    digits = _digits(number)
    if "+" not in number:
        return _is_nanp(digits[1:] if len(digits) == 11 and digits[0] == "1" else digits)
    code = country_code(digits)
    if code is None or len(digits) > 15:
        return False
    national = digits[len(code) :]
    if code == "1":
        return _is_nanp(national)
    # no national number begins with two zeros
    return len(national) >= _LEAST_NATIONAL and not national.startswith("00")


def is_made_up_phone(number: str) -> bool:
    """Whether it is of the form of the pseudonyms: in an area that does not exist."""
    _, area, national = parts_of_phone(number)
    return national.startswith(area)


def parts_of_phone(number: str) -> tuple[str, str, str]:
    """Country code as far as it is told, an area that does not exist there, and the digits after the code."""
    digits = _digits(number)
    if "+" in number:
        code = country_code(digits) or ""
        return code, "555" if code == "1" else "00", digits[len(code) :]
    code = "1" if len(digits) == 11 and digits[0] == "1" else ""
    national = digits[len(code) :]
    # no area of Brazil, whose country code is 55, begins with 50
    return code, "555" if len(national) == 10 else "5550", national


def _is_nanp(digits: str) -> bool:
    return re.fullmatch(r"(?!555|[2-9]11)[2-9]\d\d(?!911)[2-9]\d{6}", digits) is not None


def _phones(text: str) -> Iterator[Span]:
    for match in _PHONE.finditer(text) if "+" in text else ():
        if is_phone(match[0]):
            yield Span(*match.span(), rules.PHONES, "phone numbers", "phone", is_fictional_phone(match[0]))
    for match in _NANP.finditer(text):
        if is_phone(match[0]):
            yield Span(*match.span(), rules.PHONES, "phone numbers", "phone", is_fictional_phone(match[0]))
    for match in _PHONE_SAID.finditer(text):
        number = match["number"]
        if not is_made_up_phone(number):
            yield Span(*match.span("number"), rules.PHONES, "phone numbers", "phone", is_fictional_phone(number))


def is_fictional_phone(number: str) -> bool:
    """555-0100 to 555-0199 are for films and examples."""
    return re.fullmatch(r"1?\d{3}55501\d\d", _digits(number)) is not None


# -- hosts


def is_public(address: str) -> bool:
    """Whether it is an IP address that can be somebody's."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _addresses_of_hosts(text: str) -> Iterator[Span]:
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()]
        is_version = all(len(octet) == 1 for octet in match[0].split(".")) or _VERSION.search(before)
        if is_version and not before.endswith("://"):
            continue
        if is_public(match[0]):
            yield Span(*match.span(), rules.IPS, "IP addresses", "ipv4")
    for match in _IPV6.finditer(text):
        if is_public(match[0]):
            yield Span(*match.span(), rules.IPS, "IP addresses", "ipv6")
