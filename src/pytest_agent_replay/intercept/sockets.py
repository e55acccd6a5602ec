"""The egress guard: a connection that no HTTP interceptor caught is checked before it is opened.

`socket.socket.connect`, `connect_ex`, `sendto` and `sendmsg`, and the name look-ups `getaddrinfo`, `gethostbyname` and
`gethostbyname_ex` ask the session for every host that is not this machine. Loopback, Unix sockets and families other
than IPv4 and IPv6 are never asked about. asyncio's selector loops, anyio and trio end in these functions.

Not seen: connections that were opened before; `uvloop` and the Windows proactor loop, which connect in C (of the latter
the name look-ups are seen); C libraries with sockets of their own (gRPC, libpq, librdkafka, libcurl); other
processes; `gethostbyaddr`, `getnameinfo` and `getfqdn`.
"""

from __future__ import annotations

import errno
import functools
import threading
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.player.current import SessionLike, current_session

__all__ = ["INTERCEPTORS", "is_local", "learn", "permit"]

_permits: WeakKeyDictionary[SessionLike, set[str]] = WeakKeyDictionary()
_lock = threading.Lock()


def permit(session: SessionLike, url: str, *proxies: str | None) -> None:
    """Lets connections through for `session`: to the host of `url`, to these proxies, to its proxy in the environment.

    The interceptors call it for a request that goes to the network. Which addresses a host has is learned when its name
    is looked up. A permit holds for the whole process while its session runs, because look-ups happen in threads that
    have no context.
    """
    _add(session, {_host_of(each) for each in (url, _environment_proxy(url), *proxies) if each})


def learn(host: str, addresses: Iterable[str]) -> None:
    """Lets the addresses of a permitted host through, where a client knows them otherwise than by the guarded look-ups.

    That is so with a cache from before the replay, or a resolver of its own.
    """
    for session in _permitting(_plain(host)):
        _add(session, set(map(_plain, addresses)))


def _host_of(url: str) -> str:
    from urllib.parse import urlsplit

    return _plain(urlsplit(url if "//" in url else f"//{url}").hostname or "")


def _environment_proxy(url: str) -> str:
    """The proxy that the environment (on Windows and macOS: the system) gives for this URL; empty for none."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    parts = urlsplit(url)
    if not proxies or (parts.hostname and proxy_bypass(parts.hostname)):
        return ""
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _add(session: SessionLike, hosts: set[str]) -> None:
    with _lock:
        _permits[session] = _permits.get(session, set()) | hosts


def _permitting(host: str) -> list[SessionLike]:
    with _lock:
        entries = list(_permits.items())
    return [session for session, hosts in entries if host in hosts and not session.is_over]


def _plain(host: Any) -> str:
    """One spelling for a host: text, lower case, without brackets, zone and final dot."""
    text = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    return text.strip("[]").split("%")[0].rstrip(".").lower()


@functools.lru_cache(maxsize=1024)
def is_local(host: str) -> bool:
    """Whether a host is this machine: no host, `localhost` and names below it, a loopback or unspecified address."""
    if host in ("", "localhost") or host.endswith(".localhost"):
        return True
    from ipaddress import IPv6Address, ip_address

    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback or address.is_unspecified


def _check(host: Any, port: Any) -> tuple[list[SessionLike], Exception | None]:
    """The sessions that let a connection through (none need to for this machine), or the error to raise."""
    name = "" if host is None else _plain(host)
    if is_local(name):
        return [], None
    sessions = _permitting(name)
    if sessions:
        return sessions, None
    number = int(port) if isinstance(port, int) or (isinstance(port, (str, bytes)) and port.isdigit()) else None
    session = current_session(f"a connection to {name}" + (f":{number}" if number is not None else ""))
    if session is None:
        return [], None
    return [session], session.check_connection(name, number)


def _refuse(host: Any, port: Any) -> list[SessionLike]:
    sessions, error = _check(host, port)
    if error is not None:
        raise error
    return sessions


def _is_internet(sock: Any, address: Any) -> bool:
    import socket

    return sock.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple) and len(address) >= 2


def _apply(module: ModuleType, patcher: Patcher) -> None:
    _guard_sockets(module.socket, patcher)
    own_name = functools.lru_cache(maxsize=1)(lambda: _plain(module.gethostname()))
    for name, addresses in _LOOK_UPS.items():
        patcher.set(module, name, _guarded_look_up(getattr(module, name), addresses, own_name))


def _guard_sockets(owner: Any, patcher: Patcher) -> None:
    connect, connect_ex, sendto = owner.connect, owner.connect_ex, owner.sendto

    @functools.wraps(connect)
    def guarded_connect(self: Any, address: Any, /) -> Any:
        if _is_internet(self, address):
            _refuse(address[0], address[1])
        return connect(self, address)

    @functools.wraps(connect_ex)
    def guarded_connect_ex(self: Any, address: Any, /) -> Any:
        if _is_internet(self, address):
            error = _check(address[0], address[1])[1]
            if error is not None:
                return getattr(error, "errno", None) or errno.ECONNREFUSED
        return connect_ex(self, address)

    @functools.wraps(sendto)
    def guarded_sendto(self: Any, *args: Any) -> Any:
        if args and _is_internet(self, args[-1]):
            _refuse(args[-1][0], args[-1][1])
        return sendto(self, *args)

    patcher.set(owner, "connect", guarded_connect)
    patcher.set(owner, "connect_ex", guarded_connect_ex)
    patcher.set(owner, "sendto", guarded_sendto)
    if hasattr(owner, "sendmsg"):
        patcher.set(owner, "sendmsg", _guarded_sendmsg(owner.sendmsg))


def _guarded_sendmsg(original: Any) -> Any:
    @functools.wraps(original)
    def guarded_sendmsg(self: Any, *args: Any) -> Any:
        if len(args) > 3 and _is_internet(self, args[3]):
            _refuse(args[3][0], args[3][1])
        return original(self, *args)

    return guarded_sendmsg


_LOOK_UPS: dict[str, Callable[[Any], set[str]]] = {
    "getaddrinfo": lambda found: {_plain(entry[4][0]) for entry in found},
    "gethostbyname": lambda found: {_plain(found)},
    "gethostbyname_ex": lambda found: {_plain(address) for address in found[2]},
}
"""The look-ups, and how their result names the addresses."""


def _guarded_look_up(
    original: Callable[..., Any], addresses: Callable[[Any], set[str]], own_name: Callable[[], str]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def look_up(*args: Any, **kwargs: Any) -> Any:
        host = args[0] if args else kwargs.get("host")
        if host is not None and _plain(host) == own_name():
            return original(*args, **kwargs)
        sessions = _refuse(host, args[1] if len(args) > 1 else kwargs.get("port"))
        found = original(*args, **kwargs)
        for session in sessions:
            _add(session, {_plain(host)} | addresses(found))
        return found

    return look_up


INTERCEPTORS = (Interceptor("sockets", "socket", _apply),)
