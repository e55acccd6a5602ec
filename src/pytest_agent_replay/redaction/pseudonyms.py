"""Pseudonyms: of the shape of the original, and of a form that no detector takes for real.

Equal originals have equal pseudonyms wherever the key is the same. They are taken from HMAC-SHA256 of the original; two
originals that would get the same one are told apart within one `Pseudonyms`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from datetime import date, timedelta

from pytest_agent_replay.redaction.dates import Written, read_date
from pytest_agent_replay.redaction.lists import listed
from pytest_agent_replay.redaction.personal import parts_of_phone
from pytest_agent_replay.redaction.spans import MARK
from pytest_agent_replay.redaction.words import is_made_up, like, word

__all__ = ["STREET_WORDS", "TITLES", "Pseudonyms"]

_ATTEMPTS = 200
TITLES = frozenset(
    listed(
        """
    mr mrs ms miss mx dr prof sir madam jr sr ii iii iv de da di del della der den van von la le el al bin ibn
    """
    )
)
STREET_WORDS = frozenset(
    listed(
        """
    street st avenue ave road rd drive dr lane ln boulevard blvd court ct way place pl square sq terrace circle
    highway hwy parkway pkwy trail suite ste apt apartment unit floor fl room rm building bldg po box north south
    east west n s e w ne nw se sw str strasse straße weg allee platz gasse rue via calle avenida plaza piazza c o
    house flat no
    """
    )
)
_FIRST_BIRTH = date(1800, 1, 1)
_BIRTHS = 36_524
"""Days until the end of 1899."""


class Pseudonyms:
    """Makes pseudonyms with one key."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._owners: dict[tuple[str, str], str] = {}
        self._made: dict[tuple[str, str], str] = {}

    def make(self, shape: str, original: str) -> str:
        """The pseudonym of that shape. Those of people, streets and e-mail addresses are made word by word."""
        known = self._made.get((shape, original))
        if known is None:
            known = self._made[shape, original] = _SHAPES[shape](self, original)
        return known

    def secret(self, keep: str, secret: str) -> str:
        """The pseudonym of a key: what stays of it, and the rest marked."""
        return keep + self.make("secret", secret)

    # -- where they come from

    def number(self, purpose: str, text: str, below: int, attempt: int = 0) -> int:
        """A number that depends on the key and on the text."""
        message = f"{purpose}\0{attempt}\0{text}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hmac.new(self.key, message, hashlib.sha256).digest(), "big") % below

    def digits(self, purpose: str, text: str, count: int, attempt: int = 0) -> str:
        """So many digits."""
        return str(self.number(purpose, text, 10**count, attempt)).zfill(count) if count else ""

    def different(self, purpose: str, original: str, attempt_at: Callable[[int], str]) -> str:
        """The first attempt that no other original has got."""
        made = attempt_at(0)
        for attempt in range(_ATTEMPTS):
            made = attempt_at(attempt)
            if made != original and self._owners.setdefault((purpose, made), original) == original:
                break
        return made

    def birth_date(self, found: Written) -> str:
        """A day of the 19th century, written like the one that was found."""
        original = str(found.day)

        def attempt_at(attempt: int) -> str:
            return str(_FIRST_BIRTH + timedelta(days=self.number("birth", original, _BIRTHS, attempt)))

        return found.rewritten(date.fromisoformat(self.different("birth", original, attempt_at)), whole_year=True)

    def word(self, original: str) -> str:
        """One word of a name, without regard to case."""
        if is_made_up(original):
            return original
        folded = unicodedata.normalize("NFKD", original.casefold())
        name = "".join(each for each in folded if not unicodedata.combining(each))
        made = self.different("word", name, lambda attempt: word(self.number("word", name, 1 << 64, attempt)).lower())
        return like(original, made.title())


def _name(made: Pseudonyms, text: str) -> str:
    """Each word of it; titles and initials stay."""
    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", lambda match: _word(made, match[0], TITLES), text)


def _word(made: Pseudonyms, text: str, kept: frozenset[str]) -> str:
    return text if len(text) == 1 or text.lower() in kept else made.word(text)


def _identifier(made: Pseudonyms, text: str) -> str:
    """What is made of names and numbers, as `mia_li_3668`."""
    names = re.sub(r"[^\W\d_]{2,}", lambda match: made.word(match[0]), text)
    key = text.casefold()
    return re.sub(r"\d+", lambda match: made.digits(f"id {match.start()}", key, len(match[0])), names)


def _email(made: Pseudonyms, text: str) -> str:
    local, _, domain = text.rpartition("@")
    name = _identifier(made, local)
    if not re.search(r"[^\W\d_]{2}", name):
        name = made.word(local).lower() + re.sub(r"[^0-9]", "", name)
    if re.fullmatch(r"(?i)example\.(?:com|net|org)", domain) or _is_made_up_domain(domain):
        return f"{name}@{domain}"
    return f"{name}@{made.word(domain).lower()}.example.com"


def _is_made_up_domain(domain: str) -> bool:
    return domain.endswith(".example.com") and is_made_up(domain.partition(".")[0])


def _laid_out(layout: str, digits: str) -> str:
    """The digits in the place of those of another number."""
    rest = iter(digits)
    return re.sub(r"\d", lambda match: next(rest), layout)


def _plain_digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _phone(made: Pseudonyms, text: str) -> str:
    """An area that does not exist, within the same country; the last two digits stay."""
    code, area, national = parts_of_phone(text)
    free = max(len(national) - len(area) - 2, 0)

    def attempt_at(attempt: int) -> str:
        fresh = made.digits("phone", f"{code} {national}", free, attempt)
        return f"{code}{area}{fresh}{national[-2:]}"[: len(code) + len(national)]

    return _laid_out(text, made.different("phone", _plain_digits(text), attempt_at))


def _card(made: Pseudonyms, text: str) -> str:
    """The first digit and the last four stay; the check digit is wrong."""
    from stdnum import luhn

    digits = _plain_digits(text)

    def attempt_at(attempt: int) -> str:
        middle = made.digits("card", digits, len(digits) - 6, attempt)
        wrong = next(each for each in "0123456789" if not luhn.is_valid(f"{digits[0]}{middle}{each}{digits[-4:]}"))
        return f"{digits[0]}{middle}{wrong}{digits[-4:]}"

    return _laid_out(text, made.different("card", digits, attempt_at))


def _ssn(made: Pseudonyms, text: str) -> str:
    """Numbers that begin with 9 are never given; the last four digits stay."""
    digits = _plain_digits(text)
    pseudonym = made.different("ssn", digits, lambda attempt: f"9{made.digits('ssn', digits, 4, attempt)}{digits[-4:]}")
    return _laid_out(text, pseudonym)


def _iban(made: Pseudonyms, text: str) -> str:
    """The check digits 00 do not exist; country and the last four characters stay."""
    plain = text.replace(" ", "")

    def attempt_at(attempt: int) -> str:
        fresh = made.digits("iban", plain, len(plain), attempt)
        middle = (new if old.isdigit() else old for old, new in zip(plain[4:-4], fresh, strict=False))
        return f"{plain[:2]}00{''.join(middle)}{plain[-4:]}"

    rest = iter(made.different("iban", plain, attempt_at))
    return re.sub(r"\S", lambda match: next(rest), text)


def _ipv4(made: Pseudonyms, text: str) -> str:
    """240.0.0.0/4 is reserved (RFC 1112)."""
    import ipaddress

    def attempt_at(attempt: int) -> str:
        return str(ipaddress.IPv4Address(0xF0000000 + made.number("ipv4", text, (1 << 28) - 1, attempt)))

    return made.different("ip", text, attempt_at)


def _ipv6(made: Pseudonyms, text: str) -> str:
    """2001:db8::/32 is for documentation (RFC 3849)."""
    import ipaddress

    def attempt_at(attempt: int) -> str:
        return str(ipaddress.IPv6Address((0x20010DB8 << 96) + made.number("ipv6", text.lower(), 1 << 96, attempt)))

    return made.different("ip", text, attempt_at)


def _address(made: Pseudonyms, text: str) -> str:
    """Numbers and names of it; what kind of street or unit it is stays. Without a name (`Suite 217`) the numbers begin
    with 0."""
    plain = " ".join(text.casefold().split())
    names = re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", lambda match: _word(made, match[0], STREET_WORDS), text)
    zero = "0" if names == text else ""

    def number(match: re.Match[str]) -> str:
        return zero + made.digits(f"street {match.start()}", plain, max(len(match[0]) - len(zero), 1))

    return re.sub(r"\d+", number, names)


def _postcode(made: Pseudonyms, text: str) -> str:
    """Begins with what no postcode begins with, `00`; letters become such as stand for no place."""
    key = text.casefold()
    count = len(_plain_digits(text))

    def attempt_at(attempt: int) -> str:
        if re.search(r"[^\W\d_]", text) is None:
            third = str(made.number("third", key, 5, attempt)) if count > 4 else ""
            return _laid_out(text, f"00{third}{made.digits('postcode', key, count, attempt)}"[:count].rjust(count, "0"))
        letters = made.digits("letters", key, len(text), attempt)
        mixed = _laid_out(text, made.digits("postcode", key, count, attempt))
        return re.sub(r"[^\W\d_]", lambda match: "QXZ"[int(letters[match.start()]) % 3], mixed)

    return made.different("postcode", key, attempt_at)


def _birth_date(made: Pseudonyms, text: str) -> str:
    """A day of the 19th century, written in the same way."""
    found = read_date(text)
    return text if found is None else text.replace(found.match[0], made.birth_date(found), 1)


def _secret(made: Pseudonyms, text: str) -> str:
    """As long as the original, and longer when that is too short to tell secrets apart."""
    length = max(len(text) - len(MARK), 6)

    def attempt_at(attempt: int) -> str:
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ234567" if text.upper() == text else "abcdefghijkmnopqrstuvwxyz23456789"
        number, fresh = made.number("secret", text, 1 << 250, attempt), ""
        while len(fresh) < length:
            if not number:
                number = made.number(f"secret {len(fresh)}", text, 1 << 250, attempt)
            number, rest = divmod(number, len(alphabet))
            fresh += alphabet[rest]
        return MARK + fresh

    return made.different("secret", text, attempt_at)


def _private_key(made: Pseudonyms, text: str) -> str:
    """One line between the first and the last, which end as they did."""
    body = re.fullmatch(r"(\s*(?:\\+[nr]|\s)*)([\s\S]*?)((?:\\+[nr]|\s)*)", text)
    before, inner, after = body.groups() if body else ("", text, "")
    plain = re.sub(r"\\+[nr]|\s", "", inner)
    return f"{before}{_secret(made, plain)[:64]}{after}"


def _jwt(made: Pseudonyms, text: str) -> str:
    """A token whose payload says what it is, and whose signature is the pseudonym."""
    return f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment({'redacted': True})}.{_secret(made, text)[:51]}"


def _segment(value: dict[str, object]) -> str:
    import json

    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _code(made: Pseudonyms, text: str) -> str:
    """Three digits cannot be told apart from others: always zeros."""
    return re.sub(r"\d", "0", text)


_SHAPES: dict[str, Callable[[Pseudonyms, str], str]] = {
    "name": _name,
    "identifier": _identifier,
    "email": _email,
    "phone": _phone,
    "card": _card,
    "ssn": _ssn,
    "iban": _iban,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "address": _address,
    "postcode": _postcode,
    "birth date": _birth_date,
    "secret": _secret,
    "jwt": _jwt,
    "private key": _private_key,
    "code": _code,
}
