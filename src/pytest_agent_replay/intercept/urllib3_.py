"""urllib3 1.26 and 2.x, and what stands on it: requests, botocore (boto3), google-auth.

The point is `HTTPConnectionPool._make_request`: below redirects, `Retry`, cookies, content decoding and
`raise_for_status`. A request through a proxy is asked about as its target; the CONNECT tunnel is opened only when the
request is let through.

An exception that a recording names (`HttpReply.exception`) reaches users of requests as it is. Users of bare urllib3
and of botocore get it by way of their retries, and wrapped, as those libraries do with exceptions of that type.
"""

from __future__ import annotations

import functools
import http.client
import inspect
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NoReturn

from pytest_agent_replay.intercept import wire
from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.http import Failure, HttpReply, HttpRequest, PassThrough

__all__ = ["INTERCEPTORS"]

_TUNNEL = "_agent_replay_tunnel"
_CALLERS = {"requests": "requests", "botocore": "botocore"}
_CALLER_DEPTH = 16


_in_requests: ContextVar[bool] = ContextVar("agent_replay_in_requests", default=False)
"""Whether the running code is below `requests.Session.send`, which unpacks what `_Carried` brings."""


class _Carried(BaseException):
    """Brings a recorded exception past the handlers of urllib3 and requests, which would turn it into another."""

    def __init__(self, exception: BaseException) -> None:
        super().__init__(exception)
        self.exception = exception


def _apply(module: ModuleType, patcher: Patcher) -> None:
    point = _Point(module)
    patcher.set(module.HTTPConnectionPool, "_make_request", point.make_request())
    patcher.set(module.HTTPSConnectionPool, "_prepare_proxy", point.prepare_proxy())


class _Point:
    """The patched methods, and the originals that they stand for."""

    def __init__(self, module: ModuleType) -> None:
        self.original = module.HTTPConnectionPool._make_request
        self.open_tunnel = module.HTTPSConnectionPool._prepare_proxy
        self.errors = sys.modules[module.__name__.rpartition(".")[0] + ".exceptions"]
        self.raw = "response_conn" not in inspect.signature(self.original).parameters
        """urllib3 1.26 wants the response of http.client and wraps it later."""

    def make_request(self) -> Any:
        @functools.wraps(self.original)
        def _make_request(pool: Any, conn: Any, method: str, url: str, **options: Any) -> Any:
            full = wire.url_of(pool.scheme, pool.host, pool.port, url)
            if current_session(f"{method} {full}") is None:
                return self.pass_on(pool, conn, method, url, options)
            body = wire.read_body(options.get("body"))
            options["body"] = body.again
            request = _request(pool, method, full, body.data, options)
            answer = wire.ask(request, *_proxies(pool))
            if isinstance(answer, PassThrough):
                return self.observe(wire.Observation(answer), pool, conn, method, url, options)
            conn.__dict__.pop(_TUNNEL, None)
            return self.answer(answer, request, pool, conn, url, options)

        return _make_request

    def prepare_proxy(self) -> Any:
        @functools.wraps(self.open_tunnel)
        def _prepare_proxy(pool: Any, conn: Any) -> None:
            if current_session(f"a tunnel to {pool.host}") is None:
                self.open_tunnel(pool, conn)
            else:
                setattr(conn, _TUNNEL, True)

        return _prepare_proxy

    def pass_on(self, pool: Any, conn: Any, method: str, url: str, options: dict[str, Any]) -> Any:
        if conn.__dict__.pop(_TUNNEL, False):
            try:
                self.open_tunnel(pool, conn)
            except OSError as error:
                pool._raise_timeout(err=error, url=str(pool.proxy), timeout_value=conn.timeout)
                raise
        return self.original(pool, conn, method, url, **options)

    def observe(
        self, observation: wire.Observation, pool: Any, conn: Any, method: str, url: str, options: dict[str, Any]
    ) -> Any:
        try:
            response = self.pass_on(pool, conn, method, url, options)
        except BaseException as error:
            observation.failed(error)
            raise
        if not observation.wanted:
            return response
        if self.raw:
            wire.TeeFile.attach(response, method, observation)
        elif options.get("preload_content", True):
            coded = "content-encoding" if options.get("decode_content", True) else None
            headers = [pair for pair in response.headers.items() if pair[0].lower() != coded]
            observation.done(response.status, headers, response.data)
        else:
            wire.TeeFile.attach(response._original_response, method, observation)
        return response

    def answer(
        self, reply: HttpReply, request: HttpRequest, pool: Any, conn: Any, url: str, options: dict[str, Any]
    ) -> Any:
        if reply.pause is not None:
            reply.pause.sleep()
        if reply.exception is not None:
            raise _Carried(reply.exception) if _in_requests.get() else reply.exception
        if reply.failure is not None:
            self.fail(reply.failure, reply.message, request, pool, conn, url)
        native = http.client.HTTPResponse(
            wire.ReplaySocket(b"".join(wire.render(reply, request.method))),  # type: ignore[arg-type]
            method=request.method,
        )
        native.begin()
        return native if self.raw else _wrapped(native, request.method, url, pool, options)

    def fail(
        self, failure: Failure, message: str | None, request: HttpRequest, pool: Any, conn: Any, url: str
    ) -> NoReturn:
        cause = wire.socket_error(failure, message)
        if getattr(conn, "proxy", None) is not None:
            # It is the target that fails: without this urllib3 would say that the proxy could not be reached.
            conn._has_connected_to_proxy = True
        text = f"Failed to establish a new connection: {cause}"
        if failure in ("reset", "eof"):
            raise cause
        if failure == "dns" and hasattr(self.errors, "NameResolutionError"):
            raise self.errors.NameResolutionError(pool.host, conn, cause) from cause
        if failure in ("dns", "refused"):
            raise self.errors.NewConnectionError(conn, text) from cause
        if failure == "connect_timeout":
            text = message or f"Connection to {pool.host} timed out. (connect timeout={request.connect_timeout})"
            raise self.errors.ConnectTimeoutError(conn, text) from cause
        text = message or f"Read timed out. (read timeout={request.read_timeout})"
        raise self.errors.ReadTimeoutError(pool, url, text) from cause


def _proxies(pool: Any) -> Iterator[str]:
    if pool.proxy is not None:
        yield str(pool.proxy)
    socks = getattr(pool, "conn_kw", {}).get("_socks_options")
    if socks:
        yield str(socks["proxy_host"])


def _request(pool: Any, method: str, url: str, body: bytes, options: dict[str, Any]) -> HttpRequest:
    timeout = pool._get_timeout(options["timeout"]) if "timeout" in options else pool.timeout.clone()
    timeout.start_connect()
    headers = wire.text_headers((options.get("headers") or {}).items())
    return HttpRequest(
        client=_caller(),
        method=method,
        url=url,
        headers=[pair for pair in headers if pair[1] != "@@@SKIP_HEADER@@@"],
        body=body,
        connect_timeout=wire.seconds(timeout.connect_timeout),
        read_timeout=wire.seconds(timeout.read_timeout),
    )


def _caller() -> str:
    """The client library that is above urllib3 on the stack."""
    frame = sys._getframe(2)
    for _ in range(_CALLER_DEPTH):
        client = _CALLERS.get(frame.f_globals.get("__name__", "").partition(".")[0])
        if client is not None:
            return client
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "urllib3"


def _wrapped(native: http.client.HTTPResponse, method: str, url: str, pool: Any, options: dict[str, Any]) -> Any:
    """What `urllib3.connection.HTTPConnection.getresponse` of 2.x makes of a response of http.client."""
    classes = sys.modules["urllib3.response"]
    response = classes.HTTPResponse(
        body=native,
        headers=classes.HTTPHeaderDict(native.headers.items()),
        status=native.status,
        version=native.version,
        reason=native.reason,
        preload_content=options.get("preload_content", True),
        decode_content=options.get("decode_content", True),
        original_response=native,
        enforce_content_length=options.get("enforce_content_length", True),
        request_method=method,
        request_url=url,
    )
    response.version_string = "HTTP/1.1"  # the constructor of 2.0 to 2.2 does not take it
    response.retries = options.get("retries")
    response._connection = options.get("response_conn")
    response._pool = pool
    return response


def _apply_requests(module: ModuleType, patcher: Patcher) -> None:
    original = module.Session.send

    @functools.wraps(original)
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        token = _in_requests.set(True)
        try:
            return original(self, request, **kwargs)
        except _Carried as carried:
            exception = carried.exception
        finally:
            _in_requests.reset(token)
        if getattr(exception, "request", False) is None:
            exception.request = request  # type: ignore[attr-defined]
        raise exception

    patcher.set(module.Session, "send", send)


INTERCEPTORS = (
    Interceptor("urllib3", "urllib3.connectionpool", _apply),
    Interceptor("requests", "requests.sessions", _apply_requests),
)
