"""HTTP requests as tool calls: which tool a request is, with which arguments, and how a recording answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_agent_replay.errors import BindingError
from pytest_agent_replay.formats.replay import ToolResponse, ToolTarget
from pytest_agent_replay.player.http import Failure, HttpReply, HttpRequest
from pytest_agent_replay.player.revive import exception_type, revive
from pytest_agent_replay.player.values import Text

__all__ = ["HttpTools", "Route", "arguments_of", "is_route", "reply_for"]

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")


def is_route(target: str) -> bool:
    """Whether a tool target or a recorded tool name is an HTTP route: `[METHOD ]https://host/path*`, `METHOD /path`."""
    first, _, rest = target.partition(" ")
    return "://" in target or (first.upper() in _METHODS and rest.lstrip().startswith("/"))


@dataclass(slots=True)
class Route:
    """`[METHOD ]URL`, in which `*` stands for anything and `{name}` for one path segment that becomes an argument.

    Without a host (`GET /v1/quote`) it matches on every host. The query is compared only when the route has one.
    """

    text: str
    match: Mapping[str, Any] | None = None
    method: str = field(init=False)
    _pattern: re.Pattern[str] = field(init=False, repr=False)
    _with_query: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        first, _, url = self.text.strip().partition(" ")
        self.method, url = (first.upper(), url.strip()) if url and first.upper() in _METHODS else ("ANY", self.text)
        scheme, separator, rest = url.partition("://")
        if separator:
            host, slash, path = rest.partition("/")
            url = f"{scheme.lower()}://{host.lower()}{slash}{path}"
        self._with_query = "?" in url
        pattern = "".join(map(_route_piece, re.split(r"(\*|\{[A-Za-z_]\w*\})", url)))
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise BindingError(f"the route {self.text!r} cannot be read: {error}") from None
        self._has_host = "://" in url

    _has_host: bool = field(init=False, repr=False)

    def captures(self, request: HttpRequest) -> dict[str, Any] | None:
        """The `{name}` segments when the request is of this route, else None."""
        if self.method not in ("ANY", request.method.upper()):
            return None
        parts = urlsplit(request.url)
        port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
        url = f"{parts.scheme}://{parts.hostname or ''}{port}" if self._has_host else ""
        url += parts.path or "/"
        if self._with_query and parts.query:
            url += f"?{parts.query}"
        found = self._pattern.fullmatch(url)
        if found is None and url.endswith("/"):
            found = self._pattern.fullmatch(url[:-1])
        if found is None or (self.match and not _matchers_hold(self.match, request)):
            return None
        return {name: Text(unquote(value)) for name, value in found.groupdict().items()}


def _route_piece(piece: str) -> str:
    if piece == "*":
        return ".*"
    if piece.startswith("{") and piece.endswith("}"):
        return f"(?P<{piece[1:-1]}>[^/?]+)"
    return re.escape(piece)


def _matchers_hold(match: Mapping[str, Any], request: HttpRequest) -> bool:
    """Asks the matchers of the `responses` library, which our users know."""
    import responses.matchers
    from requests import PreparedRequest

    prepared = PreparedRequest()
    prepared.prepare(method=request.method, url=request.url, headers=dict(request.headers), data=request.body or None)
    prepared.headers.update(dict(request.headers))
    prepared.params = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))  # type: ignore[attr-defined]
    prepared.req_kwargs = {}  # type: ignore[attr-defined]
    for name, value in match.items():
        factory = getattr(responses.matchers, name if name.endswith("_matcher") else f"{name}_matcher", None)
        if factory is None:
            known = ", ".join(sorted(n[:-8] for n in dir(responses.matchers) if n.endswith("_matcher")))
            raise BindingError(f"unknown matcher {name!r} in the `match` of a tool; known are: {known}")
        matcher = factory(**value) if name == "multipart" else factory(value)
        if not matcher(prepared)[0]:
            return False
    return True


class HttpTools:
    """Finds the tool that a request is a call of: explicit routes first, then recorded names in its URL."""

    def __init__(self, targets: Mapping[str, Any], recorded: Iterable[str]) -> None:
        self._routes: list[tuple[str, Route]] = []
        self._names: dict[str, str] = {}
        for tool, target in targets.items():
            if isinstance(target, ToolTarget) and target.route is not None:
                self._routes.append((tool, Route(target.route, target.match)))
            elif isinstance(target, str) and is_route(target):
                self._routes.append((tool, Route(target)))
        for tool in recorded:
            if tool in targets:
                continue
            if is_route(tool):
                self._routes.append((tool, Route(tool)))
            else:
                self._names[_label(tool)] = tool
        # the one that says most of the URL goes first; of equal ones the first
        self._routes.sort(key=lambda each: (each[1].text.count("*"), each[1].text.count("{")))

    def has_route(self, tool: str) -> bool:
        """Whether calls of this tool are known to be requests."""
        return any(name == tool for name, _ in self._routes)

    def routed(self, request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
        """The tool whose route the request is of, with the captured arguments."""
        for tool, route in self._routes:
            captures = route.captures(request)
            if captures is not None:
                return tool, captures
        return None

    def named(self, request: HttpRequest, bound: Container[str]) -> str | None:
        """The recorded tool whose name is the last path segment or a host label, unless it is in `bound`."""
        if not self._names:
            return None
        parts = urlsplit(request.url)
        segments = [unquote(s) for s in parts.path.split("/") if s]
        for label in (*segments[-1:], *(parts.hostname or "").split(".")):
            tool = self._names.get(_label(label))
            if tool is not None and tool not in bound:
                return tool
        return None


def _label(name: str) -> str:
    # host labels have no underscores
    return name.lower().replace("-", "_")


def arguments_of(request: HttpRequest) -> dict[str, Any]:
    """Query, JSON and form keys of a request together. Query and form values are `Text`; repeated keys make a list.

    A JSON body that is no object is the argument `json`, any other body the argument `body`.
    """
    args = _pairs(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    if not request.body:
        return args
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type == "application/x-www-form-urlencoded":
        args.update(_pairs(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)))
    elif content_type == "multipart/form-data":
        args.update(_multipart(request))
    else:
        args.update(_json_or_text(request.body, content_type))
    return args


def _json_or_text(body: bytes, content_type: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {"body": Text(body.decode("utf-8", "backslashreplace"))}
    if isinstance(value, dict):
        return value
    return {"json" if content_type.endswith("json") else "body": value}


def _pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    args: dict[str, Any] = {}
    for key, value in pairs:
        if key in args:
            old = args[key]
            args[key] = [*old, Text(value)] if isinstance(old, list) else [old, Text(value)]
        else:
            args[key] = Text(value)
    return args


def _multipart(request: HttpRequest) -> dict[str, Any]:
    import email

    head = f"Content-Type: {request.header('content-type')}\r\n\r\n".encode("latin-1", "replace")
    message = email.message_from_bytes(head + request.body)
    pairs: list[tuple[str, str]] = []
    for part in message.get_payload() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        payload = part.get_payload(decode=True)  # type: ignore[union-attr]
        filename = part.get_filename()  # type: ignore[union-attr]
        text = filename or (payload.decode("utf-8", "backslashreplace") if isinstance(payload, bytes) else "")
        pairs.append((str(name), text))
    return _pairs(pairs)


# -- answers

_FAILURE_NAMES: tuple[tuple[str, Failure], ...] = (
    ("connecttimeout", "connect_timeout"),
    ("connectiontimeout", "connect_timeout"),
    ("timeout", "read_timeout"),
    ("connectionreset", "reset"),
    ("readerror", "reset"),
    ("remotedisconnected", "eof"),
    ("serverdisconnected", "eof"),
    ("remoteprotocolerror", "eof"),
    ("connectionrefused", "refused"),
    ("newconnection", "refused"),
    ("nameresolution", "dns"),
    ("gaierror", "dns"),
    ("dns", "dns"),
    ("endpointconnection", "refused"),
    ("connecterror", "refused"),
    ("connectionerror", "refused"),
    ("clientconnector", "refused"),
)
_FAILURE_TEXTS: tuple[tuple[str, Failure], ...] = (
    ("reset", "reset"),
    ("refused", "refused"),
    ("timed out", "read_timeout"),
    ("timeout", "read_timeout"),
    ("name or service", "dns"),
    ("name resolution", "dns"),
    ("getaddrinfo", "dns"),
    ("nodename", "dns"),
    ("without response", "eof"),
    ("disconnected", "eof"),
    ("closed", "eof"),
)


def reply_for(response: ToolResponse, request: HttpRequest) -> HttpReply:
    """How a recording answers this request: a response, or the failure that the client will raise as its own.

    A latency over the client's timeout is the client's timeout; how long that takes is `waited_ms`'s business.
    """
    failure = timeout_failure(response.latency_ms, request)
    if failure is not None:
        return HttpReply(failure=failure)
    spec = response.error_spec
    if spec is not None and not (response.status is not None and response.status >= 100 and spec.type is None):
        named = _failure_by_name(spec.type) if spec.type else _failure_by_text(spec.message)
        if named is not None:
            return HttpReply(failure=named, message=spec.message or None)
        if spec.type or response.status is None:
            return HttpReply(exception=revive(spec, response))
    if response.status == 0:
        text = spec.message if spec is not None else response.response
        text = text if isinstance(text, str) else ""
        return HttpReply(failure=_failure_by_text(text) or "refused", message=text or None)
    return _http_response(response)


def timeout_failure(latency_ms: float | None, request: HttpRequest) -> Failure | None:
    """Which of the client's timeouts the recorded latency runs into."""
    if latency_ms is None:
        return None
    seconds = latency_ms / 1000
    if request.read_timeout is not None and seconds > request.read_timeout:
        if request.total_timeout is None or request.read_timeout <= request.total_timeout:
            return "read_timeout"
        return "total_timeout"
    if request.total_timeout is not None and seconds > request.total_timeout:
        return "total_timeout"
    return None


def waited_ms(latency_ms: float | None, request: HttpRequest) -> float:
    """The simulated duration: the recorded latency, or the client's timeout where that is shorter."""
    limits = [t * 1000 for t in (request.read_timeout, request.total_timeout) if t is not None]
    return min([latency_ms or 0.0, *limits])


def _failure_by_name(type_name: str) -> Failure | None:
    """The transport failure behind an exception type of an HTTP client or of the standard library.

    The client that runs now raises its own exception for it, whichever client production ran.
    """
    module, _, name = type_name.rpartition(".")
    top = module.partition(".")[0]
    known = (
        "requests",
        "urllib3",
        "httpx",
        "httpx2",
        "aiohttp",
        "botocore",
        "builtins",
        "socket",
        "http",
        "asyncio",
        "",
    )
    if top not in known or (top == "" and exception_type(name) is None):
        return None
    lowered = name.lower()
    return next((failure for piece, failure in _FAILURE_NAMES if piece in lowered), None)


def _failure_by_text(text: str) -> Failure | None:
    lowered = text.lower()
    return next((failure for piece, failure in _FAILURE_TEXTS if piece in lowered), None)


def _http_response(response: ToolResponse) -> HttpReply:
    body = response.response
    spec = response.error_spec
    if body is None and spec is not None and spec.message:
        body = spec.message
    chunks = None if response.stream is None else [_bytes(chunk) for chunk in response.stream]
    data = b"" if chunks is not None else _bytes(body)
    headers = _recorded_headers(response)
    if not any(name.lower() == "content-type" for name, _ in headers) and (data or chunks):
        headers.append(("content-type", _content_type(body, chunks)))
    return HttpReply(status=response.status or 200, headers=headers, body=data, chunks=chunks)


def _recorded_headers(response: ToolResponse) -> list[tuple[str, str]]:
    # the recorded body is decoded text: what described its encoding on the wire is no longer true
    gone = {"content-encoding", "content-length", "transfer-encoding", "connection"}
    return [
        (name, value)
        for name, values in (response.headers or {}).items()
        if name.lower() not in gone
        for value in (values if isinstance(values, list) else [values])
    ]


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()


def _content_type(body: Any, chunks: list[bytes] | None) -> str:
    if chunks is not None:
        return "text/event-stream" if chunks and chunks[0].lstrip().startswith((b"data:", b"event:")) else "text/plain"
    if not isinstance(body, str):
        return "application/json"
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "text/plain; charset=utf-8"
    return "application/json"
