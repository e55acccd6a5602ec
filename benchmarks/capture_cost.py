"""What a capture costs the agent: calls inside of one beside the same calls without.

Run: `python benchmarks/capture_cost.py`. Each figure is the median of rounds in which the two are measured in turn; a
ratio of 1.2 says that a captured call takes a fifth longer. The journal is written to a temporary folder. The servers
have a process of their own and answer at once, so that the ratios of real ones are nearer to 1.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pytest_agent_replay import capture

ROUNDS = 7
ANSWER = {
    "id": "c",
    "created": 1,
    "model": "gpt-4o",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}
BODY = json.dumps(ANSWER).encode()
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}}}


def lookup(order: str) -> dict[str, Any]:
    """A tool that costs nothing itself."""
    return {"order": order, "total": 12, "lines": [{"sku": "A", "count": 1}]}


def working(order: str) -> dict[str, Any]:
    """A tool that works for about a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return lookup(order)


def serve(ready: Any) -> None:
    """A keep-alive server that is as quick as Python allows, and answers everything with the one completion."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport, self.data = transport, b""

        def data_received(self, data: bytes) -> None:
            self.data += data
            request, separator, body = self.data.partition(b"\r\n\r\n")
            length = next((int(h[15:]) for h in request.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
            if separator and len(body) >= length:
                self.data = b""
                self.transport.write(head + BODY)  # type: ignore[attr-defined]

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
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def calls_of_clients(url: str) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """Name, number of calls, and call, of the clients that are installed."""
    for name in ("httpx", "requests", "openai"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            print(f"{name:34} not installed")
            continue
        if name == "openai":
            for count in (2, 80):
                yield f"openai, {count} messages", 30, ask(module.OpenAI(api_key="none", base_url=f"{url}/v1"), count)
        else:
            session = module.Client(trust_env=False) if name == "httpx" else module.Session()
            yield f"{name} GET", 60, functools.partial(get, session, url)


def ask(client: Any, count: int) -> Callable[[], Any]:
    """A request with so many messages."""
    messages = [{"role": "user", "content": f"{number} " + "Some words. " * 40} for number in range(count)]
    return lambda: client.chat.completions.create(model="gpt-4o", messages=messages, tools=[TOOL])


def get(session: Any, url: str) -> Any:
    """A request as a tool."""
    return session.get(f"{url}/orders").json()


def microseconds(call: Callable[[], Any], calls: int) -> float:
    """Mean time of one call; the first is not counted."""
    call()
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6


def compare(call: Callable[[], Any], calls: int, folder: Path) -> tuple[float, float, float]:
    """Plain and captured microseconds, and the median of the rounds' ratios."""
    plain: list[float] = []
    captured: list[float] = []
    for number in range(2 * ROUNDS):
        inside = number % 2 == 1
        context = (
            capture(folder / "a.replay.yaml", force=True, tools=["lookup", "working"]) if inside else nullcontext()
        )
        with context as session:
            if session is not None:
                session.input = "?"
            (captured if inside else plain).append(microseconds(call, calls))
    ratios = [ours / theirs for ours, theirs in zip(captured, plain, strict=True)]
    return statistics.median(plain), statistics.median(captured), statistics.median(ratios)


def whole_milliseconds(folder: Path) -> float:
    """To enter a capture, to leave it, and to write its file, with one call inside."""
    times = []
    for _ in range(5 * ROUNDS):
        started = time.perf_counter()
        with capture(folder / "a.replay.yaml", force=True, tools=["lookup"]) as session:
            session.input = "?"
            lookup("A-1")
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def main() -> None:
    """Prints the table."""
    print(f"{'':34} {'plain µs':>9} {'captured µs':>12} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as name, server() as url:
        folder = Path(name)
        functions = [
            ("a function that does nothing", 500, lambda: lookup("A-1")),
            ("a function that works 1 ms", 50, lambda: working("A-1")),
        ]
        for title, calls, call in [*functions, *calls_of_clients(url)]:
            plain, captured, ratio = compare(call, calls, folder)
            print(f"{title:34} {plain:9.1f} {captured:12.1f} {ratio:7.2f}")
        print(f"a whole capture with one call: {whole_milliseconds(folder):.1f} ms")


if __name__ == "__main__":
    main()
