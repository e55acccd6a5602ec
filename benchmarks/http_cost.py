"""What a recorded HTTP answer costs beside a real one from loopback, for every client.

Run: `python benchmarks/http_cost.py`. Each figure is the median of five rounds, in which the two are measured in turn;
a ratio of 0.5 says that the recorded GET takes half the time of the real one. The server has a process of its own.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pytest_agent_replay.intercept import aiohttp_, http_client, httpx_, sockets, urllib3_
from pytest_agent_replay.intercept.registry import install
from pytest_agent_replay.player.current import activate
from pytest_agent_replay.player.http import HttpReply, HttpRequest

ROUNDS = 5
CALLS = 200
BODY = json.dumps({"ticker": "ACME", "price": 4.2, "history": list(range(50))}).encode()
ALL = (
    *urllib3_.INTERCEPTORS,
    *httpx_.INTERCEPTORS,
    *aiohttp_.INTERCEPTORS,
    *http_client.INTERCEPTORS,
    *sockets.INTERCEPTORS,
)


class Recorded:
    """A session that answers everything with one reply."""

    label = "benchmark"
    is_over = False

    def __init__(self, reply: HttpReply) -> None:
        self.reply = reply
        self.functions: dict[int, Any] = {}

    def handle_http(self, request: HttpRequest) -> HttpReply:
        return self.reply

    def check_connection(self, host: str, port: int | None) -> Exception | None:
        return ConnectionRefusedError(f"{host}:{port}")

    def fail(self, message: str) -> None:
        raise AssertionError(message)


def serve(ready: Any) -> None:
    """A keep-alive server that is as quick as Python allows."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if data.endswith(b"\r\n\r\n"):
                self.transport.write(answer)  # type: ignore[attr-defined]

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def server() -> Iterator[str]:
    """The URL of the server while it runs."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/quote"
    finally:
        process.terminate()
        process.join()


def microseconds(call: Callable[[], Any], calls: int) -> float:
    """Mean time of one call; the first, which connects, is not counted."""
    call()
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6


def in_loop(open_client: Callable[[], Any], get: Callable[[Any], Awaitable[Any]], calls: int) -> float:
    """The same for an async client."""

    async def run() -> float:
        async with open_client() as client:
            await get(client)
            started = time.perf_counter()
            for _ in range(calls):
                await get(client)
            return (time.perf_counter() - started) / calls * 1e6

    return asyncio.run(run())


def measure_requests(url: str) -> float:
    with importlib.import_module("requests").Session() as session:
        session.trust_env = False
        return microseconds(lambda: session.get(url).json(), CALLS)


def measure_urllib3(url: str) -> float:
    with importlib.import_module("urllib3").PoolManager() as pool:
        return microseconds(lambda: json.loads(pool.request("GET", url).data), CALLS)


def measure_http_client(url: str) -> float:
    connection = http.client.HTTPConnection(url.split("/")[2])

    def get() -> Any:
        connection.request("GET", "/quote")
        return json.loads(connection.getresponse().read())

    try:
        return microseconds(get, CALLS)
    finally:
        connection.close()


def measure_httpx(name: str) -> Callable[[str], float]:
    def measure(url: str) -> float:
        with importlib.import_module(name).Client(trust_env=False) as client:
            return microseconds(lambda: client.get(url).json(), CALLS)

    return measure


def measure_httpx_async(name: str) -> Callable[[str], float]:
    def measure(url: str) -> float:
        async def get(client: Any) -> Any:
            return (await client.get(url)).json()

        return in_loop(lambda: importlib.import_module(name).AsyncClient(trust_env=False), get, CALLS)

    return measure


def measure_aiohttp(url: str) -> float:
    async def get(client: Any) -> Any:
        async with client.get(url) as response:
            return await response.json()

    return in_loop(lambda: importlib.import_module("aiohttp").ClientSession(), get, CALLS)


CLIENTS: dict[str, tuple[str, Callable[[str], float]]] = {
    "requests": ("requests", measure_requests),
    "urllib3": ("urllib3", measure_urllib3),
    "http.client": ("http.client", measure_http_client),
    "httpx": ("httpx", measure_httpx("httpx")),
    "httpx async": ("httpx", measure_httpx_async("httpx")),
    "httpx2": ("httpx2", measure_httpx("httpx2")),
    "httpx2 async": ("httpx2", measure_httpx_async("httpx2")),
    "aiohttp": ("aiohttp", measure_aiohttp),
}


def compare(url: str, measure: Callable[[str], float]) -> tuple[float, float, float]:
    """Real and recorded microseconds, and the median of the rounds' ratios."""
    reply = HttpReply(200, [("Content-Type", "application/json")], BODY)
    real, recorded = [], []
    for _ in range(ROUNDS):
        real.append(measure(url))
        with install(ALL), activate(Recorded(reply)):
            recorded.append(measure(url))
    ratios = [ours / theirs for ours, theirs in zip(recorded, real, strict=True)]
    return statistics.median(real), statistics.median(recorded), statistics.median(ratios)


def timeout_milliseconds() -> float:
    """How long a recorded answer over the client's timeout of 30 s takes to fail."""
    httpx = importlib.import_module("httpx")
    times = []
    with install(ALL), activate(Recorded(HttpReply(failure="read_timeout"))), httpx.Client(timeout=30) as client:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            try:
                client.get("http://api.example.com/slow")
            except httpx.ReadTimeout:
                times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def main() -> None:
    """Prints the table."""
    print(f"{'client':14} {'real µs':>9} {'recorded µs':>12} {'ratio':>6}")
    with server() as url:
        for name, (module, measure) in CLIENTS.items():
            try:
                importlib.import_module(module)
            except ImportError:
                print(f"{name:14} not installed")
                continue
            real, recorded, ratio = compare(url, measure)
            print(f"{name:14} {real:9.0f} {recorded:12.0f} {ratio:6.2f}")
    print(f"recorded timeout of 30 s: {timeout_milliseconds():.2f} ms")


if __name__ == "__main__":
    main()
