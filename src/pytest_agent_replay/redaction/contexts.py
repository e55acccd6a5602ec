"""Secrets that are known by what stands before them: the name of a field, of a header or of a part of a URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_agent_replay.redaction.lists import listed
from pytest_agent_replay.redaction.spans import is_placeholder
from pytest_agent_replay.redaction.texts import decoded

__all__ = ["NAMED_ID", "SAID_NAME", "names_secret", "pairs", "plain", "secrets_in_context"]

_SURE = listed(
    """
    password passwd passwort passphrase passcode pwd secret clientsecret apikey apitoken xapikey accesskey
    accesstoken refreshtoken idtoken authtoken bearertoken sessiontoken privatekey secretkey secretaccesskey
    signingkey webhooksecret authorization proxyauthorization setcookie cookie credentials accountkey
    sharedaccesskey sharedaccesssignature encryptionkey masterkey subscriptionkey applicationkey appkey
    connectionstring sessionkey storagekey functionskey hostkey servicekey licensekey ingestkey xamzsecuritytoken
    privatetoken personaltoken otp onetimepassword pincode totpsecret recoverycode
    """
)
_WITH_CARE = listed(
    """
    token jwt sig signature xamzsignature xamzcredential dsn pat sessid jsessionid csrf xsrf
    """
)
"""Also the names of what is no secret: they count where the value looks random."""
_NOT = re.compile(
    r"(?:next|prev|previous|page|continuation|sync|cursor|pagination|max|min|stop|eos|bos|pad|unk|mask|thought|sort|item"
    r"|public|primary|foreign|partition|idempotency|cache|method|function|message|call|conference)"
)
_ALWAYS = ("password", "passwd", "passphrase", "secret", "secretkey", "privatekey")
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=%:-]{12,}")
_LEAST = 4
_IN_QUERY = frozenset(("sig", "signature", "key", "code", "sid", "credential", "hmac", "auth", "xamzcredential"))
"""Parameters of URLs."""
_QUOTE = r"\\*[\"'`]"

_USERINFO = re.compile(r"(?<=://)[^\s/:@\"'<>]{0,128}:(?P<secret>[^\s/@\"'<>]{1,256})@")
_HEADER = re.compile(
    rf"(?i)\b(?:bearer|basic|token|apikey|digest|negotiate)[ =:]+(?:{_QUOTE})?(?P<secret>[A-Za-z0-9._~+/=-]{{16,}})"
)
_SIGN = re.compile(r"[=:]|(?<=\s)is(?=\s)")
_NAME = re.compile(
    rf"(?P<name>(?:(?i:api|access|secret|private|auth|client|account|bearer) )?[A-Za-z][\w.-]*)(?:{_QUOTE})?\s?\Z"
)
_AFTER = re.compile(rf">?\s{{0,2}}[bru]?(?P<quote>{_QUOTE})?(?=[^\s=:>])")
_LONGEST_NAME = 60
_BARE_VALUE = re.compile(r"[^\s\"'`,;&<>\\]{1,3000}")
_LONGEST_QUOTED = 5000
_BASIC = re.compile(r"(?i)\bbasic (?P<secret>[A-Za-z0-9+/]{8,}={0,2})")
_USER = re.compile(r"(?<![\w-])(?:-u|--user)[ =][\"']?[^\s:\"']+:(?P<secret>[^\s\"']{4,})")
_OPTION = re.compile(r"(?<![\w-])--?(?P<name>[A-Za-z][\w-]{2,60})[ =](?P<secret>[^\s\"'`-][^\s\"'`]{3,})")
_COOKIE = re.compile(r"(?i)(?<![\w])(?:set-)?cookie2?[\"']?\s*[:=]\s*\\*[\"']?(?P<all>[^\r\n\"'\\]+)")
_CRUMB = re.compile(r"(?P<name>[^\s=;,]+)=(?P<secret>[^\s;,]{6,})")
_ATTRIBUTES = frozenset(("path", "domain", "expires", "max-age", "samesite", "version", "comment", "priority"))

NAMED_ID = re.compile(
    r"(?i)\b(?:user ?name|user ?id|login|handle|account)(?: is|:)? *[:=]? *[\"'`*]{0,2}"
    r"(?P<value>[a-z]{2,}[._][a-z]{2,}(?:[._]?\d+)?)(?![\w@])"
)
"""Where somebody says the name of an account."""


SAID_NAME = re.compile(r"\b[Mm]y (?:full )?name(?: is|'s|:) (?P<name>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,2})")
"""Where somebody says who they are."""


class Pair(NamedTuple):
    """A name with a value, in whatever a text is: JSON, code, a query string, a sentence."""

    name: str
    sign: str
    is_quoted: bool
    in_query: bool
    value: str
    start: int
    end: int
    """Of the value."""


@lru_cache(4096)
def pairs(text: str) -> tuple[Pair, ...]:
    """`name: value`, `"name": "value"`, `name='value'`, `name is value`, …, as they stand in a text."""
    return tuple(_pairs(text))


def _pairs(text: str) -> Iterator[Pair]:
    for sign in _SIGN.finditer(text):
        start = sign.start()
        name = _NAME.search(text, max(0, start - _LONGEST_NAME), start)
        after = _AFTER.match(text, sign.end()) if name is not None else None
        value = _value_at(text, after.end(), after["quote"]) if after is not None else None
        if name is None or after is None or value is None or value.startswith("//"):
            continue
        in_query = sign[0] == "=" and text[name.start() - 1 : name.start()] in ("?", "&", ";", "#")
        end = after.end() + len(value)
        yield Pair(name["name"], sign[0], after["quote"] is not None, in_query, value, after.end(), end)


def _value_at(text: str, start: int, quote: str | None) -> str | None:
    if quote is None:
        match = _BARE_VALUE.match(text, start)
        return match[0] if match else None
    end = text.find(quote, start, start + _LONGEST_QUOTED)
    value = text[start:end] if end > start else None
    return None if value is None or "\n" in value else value


@lru_cache(8192)
def plain(name: str) -> str:
    """The name of a field without case and separators."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def names_secret(name: str, value: str, further: frozenset[str] = frozenset()) -> bool:
    """Whether a field of that name with that value holds a secret."""
    if len(value) < _LEAST:
        return False
    bare = plain(name)
    surety = "sure" if bare in further else _surety(bare)
    if surety is None or is_placeholder(value):
        return False
    return not value.isspace() if surety == "sure" else _is_random(value)


@lru_cache(8192)
def _surety(name: str) -> str | None:
    is_other = _NOT.match(name) is not None and not name.endswith(_ALWAYS)
    if name.endswith(tuple(_SURE)) and not is_other:
        return "sure"
    return "random" if name.endswith(tuple(_WITH_CARE)) and not is_other else None


def _is_random(value: str) -> bool:
    return _RANDOM.fullmatch(value) is not None and not re.fullmatch(r"[\d.:TZ+-]+|https?:.*", value)


def secrets_in_context(text: str, further: frozenset[str] = frozenset()) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of the secrets of a text that are known by their surroundings."""
    if "://" in text and "@" in text:
        for match in _USERINFO.finditer(text):
            yield (*match.span("secret"), "password in a URL")
    for match in _HEADER.finditer(text) if len(text) > 20 else ():
        if _is_random(match["secret"]) or match["secret"].endswith("="):
            yield (*match.span("secret"), "authorization")
    for match in _BASIC.finditer(text) if "asic " in text else ():
        if ":" in (decoded(match["secret"]) or ""):
            yield (*match.span("secret"), "authorization")
    for start, end in _cookies(text):
        yield start, end, "cookie"
    for pair in pairs(text):
        if _is_secret(pair, further):
            yield pair.start, pair.end, "secret in a URL" if pair.in_query else f"field {pair.name.lower()}"
    for match in _USER.finditer(text) if "-u" in text else ():
        yield (*match.span("secret"), "option user")
    for match in _OPTION.finditer(text) if "-" in text else ():
        if names_secret(match["name"], match["secret"], further):
            yield (*match.span("secret"), f"option {match['name'].lower()}")


def _is_secret(pair: Pair, further: frozenset[str]) -> bool:
    """In prose a colon stands after any word: then the value has to look like a secret."""
    if pair.in_query and plain(pair.name) in _IN_QUERY and len(pair.value) >= 8 and not is_placeholder(pair.value):
        return True
    if not names_secret(pair.name, pair.value, further):
        return False
    if pair.is_quoted or "=" in pair.sign:
        return True
    bare = pair.value.rstrip(".?!)")
    return len(bare) >= 6 and re.search(r"\d|[^\w.?!)-]|[a-z][A-Z]", bare) is not None


def _cookies(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of the values of cookies in a header that stands in a text."""
    if "ookie" not in text and "OOKIE" not in text:
        return
    for header in _COOKIE.finditer(text):
        for crumb in _CRUMB.finditer(text, *header.span("all")):
            if crumb["name"].lower() not in _ATTRIBUTES and not is_placeholder(crumb["secret"]):
                yield crumb.span("secret")
