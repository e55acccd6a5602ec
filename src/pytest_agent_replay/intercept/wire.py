"""What the HTTP interceptors share: asking the player, HTTP/1.1 bytes in both directions, failures of the socket layer.

Clients that parse HTTP themselves are handed bytes and keep their own parser, so that redirects, cookies, chunks and
content decoding stay theirs.
"""

from __future__ import annotations

import errno
import http.client
import io
import os
import re
import socket
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from pytest_agent_replay.intercept.sockets import permit
from pytest_agent_replay.player.current import current_session, handle_http
from pytest_agent_replay.player.http import Failure, HttpReply, HttpRequest, PassThrough

__all__ = [
    "CONNECT_FAILURES",
    "Body",
    "Observation",
    "ReplaySocket",
    "TeeFile",
    "ask",
    "dechunk",
    "has_body",
    "parse_response",
    "pieces",
    "read_body",
    "reason",
    "render",
    "render_head",
    "reply_headers",
    "seconds",
    "socket_error",
    "text_headers",
    "url_of",
]

Headers = list[tuple[str, str]]

CONNECT_FAILURES: frozenset[Failure] = frozenset({"connect_timeout", "refused", "dns"})
"""Failures that happen before anything was sent."""

_FRAMING = ("content-length", "transfer-encoding")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


def ask(request: HttpRequest, *proxies: str | None) -> HttpReply | PassThrough:
    """Asks the current session. A request that may go to the network is announced to the egress guard.

    `proxies` are the proxies that the client itself was configured with.
    """
    answer = handle_http(request)
    if isinstance(answer, PassThrough):
        session = current_session(f"{request.method} {request.url}")
        if session is not None:
            permit(session, request.url, *proxies)
    return answer


class Observation:
    """Reports the end of a request that was let through, once: as what came back or as the error it raised."""

    def __init__(self, passed: PassThrough) -> None:
        self._passed = passed
        self._ended = False

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to know what came back."""
        return self._passed.observe is not None

    def done(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Reports the answer; a gzip or deflate coding is taken off the body, and its header away."""
        if not self._ended:
            self._ended = True
            if self._passed.observe is not None:
                self._passed.observe(status, *_decoded(list(headers), body))

    def failed(self, error: BaseException) -> None:
        """Reports the exception that the client's own code raised."""
        if not self._ended:
            self._ended = True
            if self._passed.failed is not None:
                self._passed.failed(error)


def _decoded(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    coding = ",".join(value for name, value in headers if name.lower() == "content-encoding").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate"):
        return headers, body
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            plain = zlib.decompressobj(window).decompress(body)
        except zlib.error:
            continue
        return [pair for pair in headers if pair[0].lower() not in ("content-encoding", "content-length")], plain
    return headers, body


# --- requests ---------------------------------------------------------------------------------------------------------


class Body:
    """A request body that was read to be looked at. `again` stands for the original where it is sent after all."""

    __slots__ = ("again", "data")

    def __init__(self, data: bytes, again: Any) -> None:
        self.data = data
        self.again = again


def read_body(body: Any, encoding: str = "utf-8") -> Body:
    """Reads what http.client and urllib3 accept as a body: bytes, text, a file at its position, an iterable.

    `encoding` is what the client sends text in. Files end where sending them would have left them; a repetition rewinds
    them as it always does. What replaces a file or an iterable has the same shape: the client frames it the same way.
    """
    if body is None:
        return Body(b"", None)
    if isinstance(body, str):
        return Body(body.encode(encoding), body)
    if isinstance(body, (bytes, bytearray, memoryview)):
        return Body(bytes(body), body)
    if hasattr(body, "read"):
        data = _encoded(body.read(), encoding)
        return Body(data, io.BytesIO(data))
    try:
        parts = [_encoded(part, encoding) for part in body]
    except TypeError:
        return Body(bytes(memoryview(body)), body)
    return Body(b"".join(parts), iter(parts))


def _encoded(data: Any, encoding: str) -> bytes:
    return data.encode(encoding) if isinstance(data, str) else bytes(data)


def text_headers(pairs: Iterable[tuple[Any, Any]]) -> Headers:
    """Header pairs as text; clients keep them as text or bytes."""
    return [(_text(name), _text(value)) for name, value in pairs]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def seconds(value: Any) -> float | None:
    """A timeout as a number; None stands for none, and any object that is no number for the process-wide default."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return socket.getdefaulttimeout()


def url_of(scheme: str, host: str, port: int | None, target: str) -> str:
    """The full URL of a request target; an absolute target (sent to a proxy) is already one."""
    if target.startswith(("http://", "https://")):
        return target
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    default = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{shown}{'' if port in (None, default) else f':{port}'}{target}"


def dechunk(data: bytes) -> bytes | None:
    """The body of a chunked message; None while it is not complete."""
    body, position = bytearray(), 0
    while True:
        end = data.find(b"\r\n", position)
        if end < 0:
            return None
        size = int(data[position:end].split(b";")[0], 16)
        if size == 0:
            return bytes(body) if data.find(b"\r\n", end + 2) >= 0 else None
        if len(data) < end + 4 + size:
            return None
        body += data[end + 2 : end + 2 + size]
        position = end + 4 + size


# --- replies ----------------------------------------------------------------------------------------------------------


def pieces(reply: HttpReply) -> list[bytes]:
    """The parts in which the body arrives."""
    return [part for part in (reply.chunks if reply.chunks is not None else [reply.body]) if part]


def reason(status: int) -> str:
    """The reason phrase of a status, empty for an unknown one."""
    return http.client.responses.get(status, "")


def reply_headers(reply: HttpReply, method: str) -> Headers:
    """The recorded headers as they can stand beside this body.

    Length and transfer coding follow the body, whatever was recorded. A content coding that the body plainly does not
    have is left out: recordings often keep the decoded text beside the original headers. Names that HTTP/1.1 does not
    allow (`:status` of HTTP/2) are left out.
    """
    kept = [(name, _CONTROL.sub(" ", str(value))) for name, value in reply.headers if _TOKEN.fullmatch(name)]
    if method.upper() == "HEAD" or reply.status == 304:
        return kept
    headers = [pair for pair in kept if pair[0].lower() not in _FRAMING]
    if reply.status == 204 or reply.status < 200:
        return headers
    body = b"".join(pieces(reply))
    if _is_text(body):
        headers = [pair for pair in headers if pair[0].lower() != "content-encoding"]
    if reply.chunks is not None or _is_chunked(kept):
        return [*headers, ("Transfer-Encoding", "chunked")]
    return [*headers, ("Content-Length", str(len(body)))]


def _is_chunked(headers: Headers) -> bool:
    return any(name.lower() == "transfer-encoding" and "chunked" in value.lower() for name, value in headers)


def _is_text(body: bytes) -> bool:
    """Whether a body is text, which no compressed body is. An empty one is both."""
    try:
        return bool(body) and bool(body.decode())
    except UnicodeDecodeError:
        return False


def has_body(reply: HttpReply, method: str) -> bool:
    """Whether this answer may carry a body at all."""
    return method.upper() != "HEAD" and reply.status not in (204, 304) and reply.status >= 200


def render(reply: HttpReply, method: str) -> list[bytes]:
    """The reply as a server sends it, in one part for each piece of the body; the head comes with the first."""
    headers = reply_headers(reply, method)
    parts = pieces(reply) if has_body(reply, method) else []
    if parts and _is_chunked(headers):
        parts = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in parts]
    head, *rest = parts or [b""]
    rendered = [render_head(reply.status, headers) + head, *rest]
    if has_body(reply, method) and _is_chunked(headers):
        rendered[-1] += b"0\r\n\r\n"
    return rendered


def render_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {status} {reason(status)}", *(f"{name}: {value}" for name, value in headers), "", ""]
    text = "\r\n".join(lines)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


class ReplaySocket:
    """A socket that was connected, has been sent the request, and from which these bytes can be read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *args: Any, **kwargs: Any) -> io.BufferedReader:
        """What `http.client.HTTPResponse` reads from."""
        return io.BufferedReader(io.BytesIO(self._data))


def parse_response(data: bytes, method: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the bytes of one response, also when they end early."""
    response = http.client.HTTPResponse(ReplaySocket(data), method=method)  # type: ignore[arg-type]
    response.begin()
    try:
        body = response.read()
    except http.client.IncompleteRead as error:
        body = error.partial
    return response.status, response.getheaders(), body


class TeeFile(io.BufferedIOBase):
    """Passes on what an `http.client.HTTPResponse` reads, and hands all of it to `ended` when the reader closes it."""

    def __init__(self, file: Any, ended: Callable[[bytes], None]) -> None:
        self._file = file
        self._ended: Callable[[bytes], None] | None = ended
        self._seen = bytearray()

    @classmethod
    def attach(cls, response: Any, method: str, observation: Observation) -> None:
        """Observes a response of `http.client` whose head has been read; one without a body ends at once."""
        status, headers = response.status, response.getheaders()

        def ended(raw: bytes) -> None:
            observation.done(*parse_response(render_head(status, headers) + raw, method))

        if response.fp is None:
            ended(b"")
        else:
            response.fp = cls(response.fp, ended)

    def readable(self) -> bool:
        """It is."""
        return True

    def _keep(self, data: bytes) -> bytes:
        self._seen += data
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads `size` bytes, or all."""
        return self._keep(self._file.read(size))

    def read1(self, size: int = -1, /) -> bytes:
        """Reads what one call to the socket gives."""
        return self._keep(self._file.read1(size))

    def readinto(self, buffer: Any, /) -> int:
        """Fills `buffer`; the count of bytes."""
        count: int = self._file.readinto(buffer)
        self._keep(bytes(memoryview(buffer)[:count]))
        return count

    def readline(self, size: int | None = -1, /) -> bytes:
        """Reads a line."""
        return self._keep(self._file.readline(size))

    def peek(self, size: int = 0, /) -> bytes:
        """What can be read next, without reading it."""
        data: bytes = self._file.peek(size)
        return data

    def fileno(self) -> int:
        """The socket's."""
        number: int = self._file.fileno()
        return number

    def close(self) -> None:
        """Ends the observation."""
        if not self.closed:
            self._file.close()
            super().close()
            ended, self._ended = self._ended, None
            if ended is not None:
                ended(bytes(self._seen))


# --- failures ---------------------------------------------------------------------------------------------------------


def socket_error(failure: Failure, message: str | None = None) -> OSError:
    """The exception of the standard library that a socket (or http.client on it) raises for a failure."""
    if failure in ("connect_timeout", "read_timeout", "total_timeout"):
        return TimeoutError(message or "timed out")
    if failure == "dns":
        return socket.gaierror(socket.EAI_NONAME, message or "Name or service not known")
    if failure == "eof":
        return http.client.RemoteDisconnected(message or "Remote end closed connection without response")
    number = errno.ECONNREFUSED if failure == "refused" else errno.ECONNRESET
    return OSError(number, message or os.strerror(number))
