"""A connection that no interceptor caught is opened only to this machine, or where the session allows it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_agent_replay.errors import SessionError
from pytest_agent_replay.intercept import sockets
from pytest_agent_replay.intercept.registry import install
from pytest_agent_replay.player.current import activate
from pytest_agent_replay.player.http import PassThrough

from .http_clients import Server, Session, replaying

FAR = ("203.0.113.7", 5432)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Below the guard: look-ups give 203.0.113.7, connections are noted and end on loopback."""
    opened: list[Any] = []
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def to_loopback(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not sockets.is_local(address[0]):
            opened.append(address[:2])
            raise TimeoutError("really tried")
        connect(self, address)

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(host, str) and host.endswith(".example.com"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (FAR[0], port or 0))]
        return getaddrinfo(host, port, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", to_loopback)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "gethostbyname", lambda host: FAR[0])
    monkeypatch.setattr(socket, "gethostbyname_ex", lambda host: (host, [], [FAR[0]]))
    return opened


def test_foreign_connections_are_refused(no_network: list[Any]) -> None:
    """TCP, UDP and connect_ex to another machine are refused; the session is asked with host and port."""
    with replaying(Session()) as session, contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.socket())
        udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        with pytest.raises(ConnectionRefusedError, match="guard"):
            tcp.connect(FAR)
        with pytest.raises(ConnectionRefusedError, match="guard"):
            udp.sendto(b"x", FAR)
        with pytest.raises(ConnectionRefusedError, match="guard"):
            udp.sendto(b"x", 0, FAR)
        if hasattr(udp, "sendmsg"):
            with pytest.raises(ConnectionRefusedError, match="guard"):
                udp.sendmsg([b"x"], [], 0, FAR)
        assert tcp.connect_ex(FAR) in (errno.ECONNREFUSED, 111)
        with pytest.raises(ConnectionRefusedError, match="guard"):
            socket.create_connection(("db.example.com", 5432))
    assert session.connections == [FAR] * (5 if hasattr(socket.socket, "sendmsg") else 4) + [("db.example.com", 5432)]
    assert no_network == []


def test_name_look_ups_are_refused(no_network: list[Any]) -> None:
    """A name that is not allowed is not looked up, in any spelling."""
    with replaying(Session()) as session:
        for look_up in (
            lambda: socket.getaddrinfo(b"db.example.com", "5432"),
            lambda: socket.getaddrinfo(host="DB.example.com.", port=None),
            lambda: socket.gethostbyname("db.example.com"),
            lambda: socket.gethostbyname_ex("db.example.com"),
        ):
            with pytest.raises(ConnectionRefusedError):
                look_up()
    assert session.connections == [("db.example.com", 5432), *[("db.example.com", None)] * 3]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((each, True) for each in ("127.0.0.1", "127.8.9.1", "::1", "localhost", "db.localhost", "0.0.0.0", "::", "")),
        ("::ffff:127.0.0.1", True),
        *((each, False) for each in ("10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1", "notlocalhost")),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_what_is_local(host: str, local: bool) -> None:
    """Loopback and unspecified addresses and localhost names are this machine, and nothing else is."""
    assert sockets.is_local(host) is local


def test_loopback_and_unix_sockets_are_free(server: Server, tmp_path: Any) -> None:
    """The session is not asked about this machine."""
    with replaying(Session()) as session, contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_connection(("localhost", server.server_port)))
        assert stack.enter_context(socket.socket()).connect_ex(("127.0.0.1", server.server_port)) == 0
        stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).sendto(b"x", ("127.0.0.1", server.server_port))
        socket.getaddrinfo(None, 80, flags=socket.AI_PASSIVE)
        socket.gethostbyname(socket.gethostname())
        if hasattr(socket, "AF_UNIX"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(tmp_path / "s"))
    assert session.connections == []


def test_allowed_hosts_bring_their_addresses(no_network: list[Any]) -> None:
    """The addresses of an allowed name are allowed, also when the connection is opened in another thread."""
    with replaying(Session(allowed=("db.example.com",))) as session:
        (entry,) = socket.getaddrinfo("db.example.com", 5432)
        with ThreadPoolExecutor(1) as pool, socket.socket() as tcp, pytest.raises(TimeoutError, match="really tried"):
            pool.submit(tcp.connect, entry[4]).result()
    assert no_network == [FAR]
    assert session.connections == [("db.example.com", 5432)]


def test_asyncio_connections_are_refused(no_network: list[Any]) -> None:
    """asyncio's own connections end in the guard, by name and by address."""

    async def run() -> None:
        for host in ("db.example.com", FAR[0]):
            with pytest.raises(ConnectionRefusedError, match="guard"):
                await asyncio.open_connection(host, 5432)

    with replaying(Session()) as session:
        asyncio.run(run())
    assert [host for host, _ in session.connections] == ["db.example.com", FAR[0]]
    assert no_network == []


@pytest.mark.parametrize("name", ["requests", "httpx", "aiohttp", "http.client"])
def test_requests_that_are_let_through_pass_the_guard(name: str, no_network: list[Any]) -> None:
    """A live request reaches its host, and the proxy of its environment, without the session being asked again."""
    from .http_clients import client

    fetch = client(name)
    with (
        replaying(Session(PassThrough())) as session,
        pytest.raises(Exception, match=r"(?i)tried|time|attempts|connect"),
    ):
        fetch("http://api.example.com:8080/v1")
    assert set(no_network) == {(FAR[0], 8080)}
    assert session.connections == []


def test_environment_proxies_of_live_requests_are_permitted(
    no_network: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy that the environment gives for a live request may be connected to; other hosts may not."""
    requests = pytest.importorskip("requests")
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    with replaying(Session(PassThrough())) as session:
        with pytest.raises(requests.ConnectionError):
            requests.get("http://api.other.test/v1")
        assert set(no_network) == {(FAR[0], 3128)}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("else.example.com", 80))
    assert session.connections == [("else.example.com", 80)]


def test_addresses_that_aiohttp_knows_already(no_network: list[Any]) -> None:
    """A live request of a session whose addresses were looked up before the replay is let through."""
    aiohttp = pytest.importorskip("aiohttp")

    async def run() -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.get("http://api.example.com:8080/")
            with replaying(Session(PassThrough())) as session, pytest.raises(aiohttp.ClientError):
                await http.get("http://api.example.com:8080/")
            assert session.connections == []

    asyncio.run(run())
    assert set(no_network) == {(FAR[0], 8080)}
    assert len(no_network) > 1


def test_sessions_that_permit_the_same_host_share_its_addresses(no_network: list[Any]) -> None:
    """An address that was looked up while two sessions permit its host stays allowed when one of them ends."""
    first, second = Session(), Session()
    with install(sockets.INTERCEPTORS), activate(second):
        for each in (first, second):
            sockets.permit(each, "https://api.example.com/v1")
        with activate(first):
            socket.getaddrinfo("api.example.com", 443)
        first.is_over = True
        with socket.socket() as tcp, pytest.raises(TimeoutError, match="really tried"):
            tcp.connect(FAR)


def test_permits_end_with_their_session(no_network: list[Any]) -> None:
    """What one session permits is not permitted to the next."""
    first = Session()
    with replaying(first):
        sockets.permit(first, "https://api.example.com/v1")
        socket.getaddrinfo("api.example.com", 443)
        first.is_over = True
    with replaying(Session()), pytest.raises(ConnectionRefusedError):
        socket.getaddrinfo("api.example.com", 443)


def test_live_look_ups_without_context_beside_other_sessions(no_network: list[Any]) -> None:
    """A look-up in a thread without context is decided by its host while several sessions run."""
    first, second = Session(), Session()
    with install(sockets.INTERCEPTORS), activate(first), activate(second):
        sockets.permit(first, "https://api.example.com/v1")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(socket.getaddrinfo, "api.example.com", 443).result()[0][4][0] == FAR[0]
            with pytest.raises(SessionError, match="lost its context"):
                pool.submit(socket.getaddrinfo, "else.example.com", 443).result()
    assert len(first.failures) == len(second.failures) == 1


def test_sessions_that_are_over_refuse(no_network: list[Any]) -> None:
    """A connection that outlives its replay is an error, not a connection."""
    session = Session()
    with replaying(session), socket.socket() as tcp:
        session.is_over = True
        with pytest.raises(SessionError, match="after its replay"):
            tcp.connect(FAR)
    assert no_network == []


def test_without_a_session_connections_are_free(no_network: list[Any]) -> None:
    """The guard does nothing while no session runs."""
    with install(sockets.INTERCEPTORS), socket.socket() as tcp, pytest.raises(TimeoutError, match="really tried"):
        tcp.connect(FAR)


def test_guard_leaves_servers_alone() -> None:
    """Listening, accepting and answering work as ever."""
    with replaying(Session()) as session, socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as accepted:
                accepted.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        with socket.create_connection(listener.getsockname()) as tcp:
            assert tcp.recv(5) == b"hello"
        thread.join()
    assert session.connections == []
