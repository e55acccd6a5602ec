"""Secrets that are known by what stands before them: the name of a field, of a header or of a part of a URL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_agent_replay.redaction.lists import listed
from pytest_agent_replay.redaction.spans import is_placeholder

__all__ = ["FIELD", "cookies", "names_secret", "plain", "secrets_in_context"]

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
    token jwt sig signature xamzsignature xamzcredential dsn pat sid sessionid csrf xsrf
    """
)
"""Also the names of what is no secret: they count where the value looks random."""
_NOT = re.compile(
    r"(?:next|prev|previous|page|continuation|sync|cursor|pagination|max|min|stop|eos|bos|pad|unk|mask|thought|sort|item"
    r"|public|primary|foreign|partition|idempotency|cache|method|function|message|call|account|call|conference)"
)
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=%:-]{12,}")
_LEAST = 4

_NAME = (
    r"(?:[A-Za-z0-9]+[_.-])*(?:passw(?:or)?d|passwd|passwort|passphrase|passcode|pwd|secret|api[_-]?key|api[_-]?token"
    r"|access[_-]?key(?:[_-]id)?|access[_-]?token|refresh[_-]?token|id[_-]?token|auth[_-]?token|bearer[_-]?token"
    r"|session[_-]?token|security[_-]?token|private[_-]?key|private[_-]?token|secret[_-]?key|secret[_-]?access[_-]?key"
    r"|signing[_-]?key|client[_-]?secret|webhook[_-]?secret|account[_-]?key|shared[_-]?access[_-]?key"
    r"|shared[_-]?access[_-]?signature|encryption[_-]?key|master[_-]?key|subscription[_-]?key|app(?:lication)?[_-]?key"
    r"|license[_-]?key|session[_-]?key|token|jwt|otp)"
)
_QUERY = r"(?:[A-Za-z0-9]+[_.-])*(?:sig|signature|key|code|sid|credential|x-amz-[a-z-]+|hmac|auth)"
_QUOTE = r"\\*[\"']"

_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'<>]*:(?P<secret>[^\s/@\"'<>]+)@")
_HEADER = re.compile(
    r"(?i)\b(?:bearer|basic|token|apikey|digest|negotiate)[ =:]+(?:" + _QUOTE + r")?(?P<secret>[A-Za-z0-9._~+/=-]{16,})"
)
_IN_QUERY = re.compile(rf"(?i)[?&;](?:{_NAME}|{_QUERY})=(?P<secret>[^\s&#\"'<>\\]{{8,}})")
FIELD = re.compile(
    rf"(?<![\w-])(?:{_QUOTE})?(?P<name>[A-Za-z][\w.-]{{1,59}})(?:{_QUOTE})?\s*(?:=>|[:=])\s*[bru]?(?P<quote>{_QUOTE})"
    r"(?P<value>(?:(?!(?P=quote))[^\n]){1,500}?)(?P=quote)"
)
"""A field with its value in quotes, in JSON, in a Python repr, in code."""
_PAIR = re.compile(
    rf"(?i)(?<![A-Za-z0-9])(?P<name>{_NAME})[\"']?(?P<sign>\s?=\s?|:\s?|\s+is\s+|=>\s?)(?P<quote>\\?[\"'`])?"
    r"(?P<secret>[^\s\"'`,;&<>\\]{4,})"
)
_OPTION = re.compile(rf"(?<![\w-])--?(?P<name>{_NAME})[ =](?P<secret>[^\s\"'`-][^\s\"'`]{{3,}})")
_COOKIE = re.compile(r"(?i)(?<![\w])(?:set-)?cookie2?[\"']?\s*[:=]\s*\\*[\"']?(?P<all>[^\r\n\"'\\]+)")
_CRUMB = re.compile(r"(?P<name>[^\s=;,]+)=(?P<secret>[^\s;,]{6,})")
_ATTRIBUTES = frozenset(("path", "domain", "expires", "max-age", "samesite", "version", "comment", "priority"))


def plain(name: str) -> str:
    """The name of a field without case and separators."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def names_secret(name: str, value: str, further: frozenset[str] = frozenset()) -> bool:
    """Whether a field of that name with that value holds a secret."""
    bare = plain(name)
    if len(value) < _LEAST or is_placeholder(value):
        return False
    if bare in further:
        return True
    if any(bare.endswith(sure) for sure in _SURE) and not (_NOT.match(bare) and not bare.endswith("secret")):
        return not value.isspace()
    return any(bare.endswith(each) for each in _WITH_CARE) and _NOT.match(bare) is None and _is_random(value)


def _is_random(value: str) -> bool:
    return _RANDOM.fullmatch(value) is not None and not re.fullmatch(r"[\d.:TZ+-]+|https?:.*", value)


def secrets_in_context(text: str, further: frozenset[str] = frozenset()) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of the secrets of a text that are known by their surroundings."""
    if "://" in text:
        for match in _USERINFO.finditer(text):
            yield (*match.span("secret"), "password in a URL")
    for match in _HEADER.finditer(text):
        if _is_random(match["secret"]) or match["secret"].endswith("="):
            yield (*match.span("secret"), "authorization")
    if "=" in text:
        for match in _IN_QUERY.finditer(text):
            yield (*match.span("secret"), "secret in a URL")
    for start, end in cookies(text):
        yield start, end, "cookie"
    for match in _PAIR.finditer(text):
        if _is_pair(match, further):
            yield (*match.span("secret"), f"field {match['name'].lower()}")
    if "-" in text:
        for match in _OPTION.finditer(text):
            if names_secret(match["name"], match["secret"], further):
                yield (*match.span("secret"), f"option {match['name'].lower()}")


def _is_pair(match: re.Match[str], further: frozenset[str]) -> bool:
    """In prose a colon stands after any word: then the value has to look like a secret."""
    secret = match["secret"]
    if not names_secret(match["name"], secret, further):
        return False
    if "=" in match["sign"] or match["quote"]:
        return True
    return len(secret) >= 6 and re.search(r"\d|[^\w.?!)-]|[a-z][A-Z]", secret.rstrip(".?!)")) is not None


def cookies(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of the values of cookies in a header that stands in a text."""
    if "ookie" not in text and "OOKIE" not in text:
        return
    for header in _COOKIE.finditer(text):
        for crumb in _CRUMB.finditer(text, *header.span("all")):
            if crumb["name"].lower() not in _ATTRIBUTES and not is_placeholder(crumb["secret"]):
                yield crumb.span("secret")
