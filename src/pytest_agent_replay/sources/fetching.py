"""JSON over HTTP from the servers that sessions come from: politely, within their limits, and without giving keys away.

    with Api("https://api.example.com", name="Example", headers={"x-api-key": key}, key_hint="set EXAMPLE_KEY") as api:
        page = api.get("/v1/runs", {"limit": 100})

Every request is a question that may be asked again; what changes something on a server does not belong here.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from pytest_agent_replay.errors import ReplayError

if TYPE_CHECKING:
    from types import TracebackType

    import requests

__all__ = ["Api", "ApiError", "RateLimit", "environment", "in_order", "quoted"]

_TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two bytes of an answer."""
_ATTEMPTS = 6
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 300.0
_REDIRECTS = 5
_SHOWN = 200

_T = TypeVar("_T")
_R = TypeVar("_R")


class ApiError(ReplayError):
    """A server that cannot be asked, or does not answer as it should; `status` is that of its answer, if any."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _Again(Exception):
    """A request that failed in a way that may pass. `wait_s`: what the server asks for."""

    def __init__(self, problem: str, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.wait_s = wait_s


@dataclass(slots=True)
class RateLimit:
    """At most `requests` within any `per_s` seconds, for the paths that `path` (a regular expression) matches whole."""

    path: str
    requests: int
    per_s: float
    method: str | None = None
    """`GET` or `POST`; None for both."""
    _begun: deque[float] = field(default_factory=deque, init=False, repr=False)
    _closed_until: float = field(default=float("-inf"), init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def is_for(self, method: str, path: str) -> bool:
        """Whether a request counts here."""
        return self.method in (None, method) and re.fullmatch(self.path, path) is not None

    def reserve(self, now: float) -> float:
        """Takes the next free place; gives the seconds until it."""
        with self._lock:
            begin = max(now, self._closed_until)
            if len(self._begun) == self.requests:
                begin = max(begin, self._begun.popleft() + self.per_s)
            self._begun.append(begin)
            return begin - now

    def close_until(self, moment: float) -> None:
        """Nothing more begins before `moment`: the server said so."""
        with self._lock:
            self._closed_until = max(self._closed_until, moment)


class Api:
    """One server. Threads may share it.

    Asked again, at most five times and saying so through `say`: what was answered by 429 (after `retry-after`, which
    holds for all requests under the same limit) or 5xx, and what got no answer in time or lost its connection.
    Redirects are followed on the same host alone, so `headers` never reach another one. They stand in no message.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        headers: Mapping[str, str | None] | None = None,
        key_hint: str = "",
        endpoint_hint: str = "",
        limits: Sequence[RateLimit] = (),
        say: Callable[[str], None] | None = None,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is what messages call the server; `key_hint` and `endpoint_hint` say what to set when the key is
        refused or the address is wrong. Headers whose value is None or empty are left out. Raises `ApiError` for an
        address or a header that cannot be used.
        """
        self.name = name
        self.base_url = _checked_base(base_url, name, endpoint_hint)
        self._headers = _checked_headers(headers or {}, name)
        self._key_hint = key_hint
        self._endpoint_hint = endpoint_hint
        self._limits = tuple(limits)
        self._say = say or (lambda text: None)
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._clock = clock
        self._was_reached = False
        self._sessions = threading.local()
        self._opened: list[requests.Session] = []

    def __enter__(self) -> Api:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Wakes and ends what other threads wait for, and closes the connections."""
        self._closed.set()
        for session in self._opened:
            session.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON that the server answers. Values of `params` may be lists; None is left out. Raises `ApiError`."""
        return self._json("GET", path, params=params)

    def post(self, path: str, body: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The same for a question that is sent as JSON. Raises `ApiError`."""
        return self._json("POST", path, params=params, json=body)

    def download(self, url: str) -> bytes:
        """What lies under an address that the server gave, as signed ones; on any host, without our headers.

        Raises `ApiError`, whose text has no more of the address than its host.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise ApiError(f"{self.name} gave an address to download from that is not http(s)")
        return self._persistently("GET", url, f"the download from {urlsplit(url).hostname}", foreign=True).content

    # -- one question

    def _json(self, method: str, path: str, **content: Any) -> Any:
        what = f"{method} {self.base_url}{path}"
        response = self._persistently(method, f"{self.base_url}{path}", what, **content)
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            shape = "a web page" if response.content.lstrip()[:1] == b"<" else "something that is no JSON"
            problem = f"{what} answered with {shape}{self._shown(response)}; is the address the right one"
            raise ApiError(problem + _also(self._endpoint_hint), response.status_code) from None

    def _persistently(
        self, method: str, url: str, what: str, *, foreign: bool = False, **content: Any
    ) -> requests.Response:
        limits = [] if foreign else [limit for limit in self._limits if limit.is_for(method, urlsplit(url).path)]
        for attempt in range(_ATTEMPTS):
            self._wait(max((limit.reserve(self._clock()) for limit in limits), default=0.0))
            try:
                return self._once(method, url, what, foreign, content)
            except _Again as again:
                wait = _FIRST_WAIT_S * 2**attempt if again.wait_s is None else again.wait_s
                if wait > _LONGEST_WAIT_S:
                    raise ApiError(
                        f"{again}, and asks to wait {wait:,.0f} s; run it again then", again.status
                    ) from None
                if attempt == _ATTEMPTS - 1:
                    raise ApiError(f"{again}; that was the last of {_ATTEMPTS} attempts", again.status) from None
                self._say(f"{again}; asking again in {wait:g} s")
                for limit in limits:
                    limit.close_until(self._clock() + wait)
                if not limits:
                    self._wait(wait)
        raise AssertionError("unreachable")

    def _once(self, method: str, url: str, what: str, foreign: bool, content: dict[str, Any]) -> requests.Response:
        """One answer that is good. Raises `_Again`, and `ApiError` when asking again would not help."""
        from requests import RequestException

        try:
            response = self._followed(method, url, what, foreign, content)
        except RequestException as error:
            raise self._no_answer(error, what) from None
        self._was_reached = True
        status = response.status_code
        if status < 300:
            return response
        problem = f"{what} was answered by {status}{self._shown(response)}"
        if status == 429 or (status >= 500 and status not in (501, 505)):
            raise _Again(problem, status, _retry_after(response.headers.get("retry-after")))
        if status in (401, 403) and not foreign:
            raise ApiError(f"{self.name} refuses the key: {problem}{_also(self._key_hint)}", status)
        raise ApiError(problem + (_also(self._endpoint_hint) if status == 405 else ""), status)

    def _followed(self, method: str, url: str, what: str, foreign: bool, content: dict[str, Any]) -> requests.Response:
        """One answer, after redirects; those of our own requests stay on their host."""
        for _ in range(_REDIRECTS):
            response = self._session().request(
                method,
                url,
                headers={} if foreign else self._headers,
                auth=_as_it_is,
                timeout=_TIMEOUT_S,
                allow_redirects=foreign,
                **content,
            )
            location = response.headers.get("location")
            if foreign or location is None or not 300 <= response.status_code < 400:
                return response
            url = self._redirected(method, url, location, response.status_code, what)
            content = {**content, "params": None}
        raise ApiError(f"{what} is redirected again and again{_also(self._endpoint_hint)}")

    def _redirected(self, method: str, url: str, location: str, status: int, what: str) -> str:
        old, new = urlsplit(url), urlsplit(urljoin(url, location))
        place = f"{new.scheme}://{new.netloc.rpartition('@')[2]}{new.path}"
        same = new.hostname == old.hostname and (new.netloc == old.netloc or new.scheme != old.scheme)
        if not same or (old.scheme, new.scheme) not in (("http", "http"), ("http", "https"), ("https", "https")):
            raise ApiError(
                f"{what} is redirected to {place}, and the key stays where it is; give the right address"
                f"{_also(self._endpoint_hint)}",
                status,
            )
        if method != "GET" and status not in (307, 308):
            raise ApiError(f"{what} is redirected to {place}; give that address{_also(self._endpoint_hint)}", status)
        return new.geturl()

    def _no_answer(self, error: requests.RequestException, what: str) -> Exception:
        from requests import exceptions

        reason = _reason(error)
        if isinstance(error, exceptions.SSLError):
            return ApiError(
                f"{what}: the certificate cannot be trusted ({reason}); name your own authority in REQUESTS_CA_BUNDLE"
            )
        if isinstance(error, exceptions.ReadTimeout):
            return _Again(f"{what} got no answer within {_TIMEOUT_S[1]:g} s")
        if isinstance(error, exceptions.ConnectTimeout):
            reason = f"no connection within {_TIMEOUT_S[0]:g} s"
        elif not isinstance(error, (exceptions.ConnectionError, exceptions.ChunkedEncodingError)):
            return ApiError(f"{what} cannot be asked: {reason}")
        if self._was_reached or _was_cut(error):
            return _Again(f"{what} got no answer: {reason}")
        return ApiError(f"{self.name} is not reached: {what}: {reason}{_also(self._endpoint_hint)}")

    # -- what it needs

    def _session(self) -> requests.Session:
        """One for each thread: a session may not be shared."""
        import requests

        session = getattr(self._sessions, "session", None)
        if session is None:
            session = self._sessions.session = requests.Session()
            self._opened.append(session)
        return session

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)
        if self._closed.is_set():
            raise ApiError(f"{self.name} is not asked any more: the import ended")

    def _shown(self, response: requests.Response) -> str:
        """What the server says, in one short line, without anything that we sent in a header."""
        text = response.content[: 20 * _SHOWN].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
            text = title[1] if title else ""
        for value in self._headers.values():
            for part in value.split():
                text = text.replace(part, "***") if len(part) > 5 else text
        text = " ".join(text.split())
        return f" ({text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''})" if text else ""


def environment(*names: str) -> str | None:
    """The first of these variables that has a value, without blanks around it."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)


def quoted(part: object) -> str:
    """An id as one part of a path, whatever characters it has."""
    return quote(str(part), safe="")


def in_order(work: Callable[[_T], _R], items: Iterable[_T], *, workers: int = 4) -> Generator[_R, None, None]:
    """The results of `work` in the order of `items`, made by some threads that are a few items ahead of the reader.

    `items` is read as it is needed. An exception of `work` comes out at its place.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[_R]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


# -- addresses, headers, answers


def _checked_base(url: str, name: str, hint: str) -> str:
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ApiError(f"the address of {name} is no http(s) URL such as https://api.example.com{_also(hint)}")
    if "@" in parts.netloc:
        raise ApiError(f"the address of {name} may not have a user and password in it{_also(hint)}")
    return url


def _checked_headers(headers: Mapping[str, str | None], name: str) -> dict[str, str]:
    given = {key: value.strip() for key, value in headers.items() if value and value.strip()}
    for key, value in given.items():
        if not re.fullmatch(r"[\x20-\x7e]+", value):
            raise ApiError(
                f"the value of `{key}` for {name} has characters that no header may have; was it pasted whole?"
            )
    return given


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given as authentication, so that ~/.netrc does not replace ours."""
    return request


def _retry_after(value: str | None) -> float | None:
    """Seconds of a `retry-after` header, which has a number or a date."""
    from email.utils import parsedate_to_datetime

    if value is None:
        return None
    try:
        return max(0.0, float(value)) if float(value) < float("inf") else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what lies behind it, in the ways in which requests and urllib3 keep it."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and item not in seen:
            seen.append(item)
            yield item
            waiting += [getattr(item, "reason", None), item.__cause__, item.__context__, *item.args]


def _reason(error: BaseException) -> str:
    """Why there was no answer, in words without the address, which may have secrets."""
    found = [item.strerror for item in _causes(error) if isinstance(item, OSError) and isinstance(item.strerror, str)]
    return found[-1] if found else type(error).__name__


def _was_cut(error: BaseException) -> bool:
    """Whether there was a connection."""
    from http.client import HTTPException

    return any(isinstance(item, (ConnectionResetError, BrokenPipeError, HTTPException)) for item in _causes(error))


def _also(hint: str) -> str:
    return f"; {hint}" if hint else ""
