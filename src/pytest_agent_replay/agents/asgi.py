"""An ASGI app as the agent: it runs in this process, without a socket, so the calls of its tools can be answered.

Its lifespan is started with the first turn of a session and ended with the session. Everything runs in the
context of the session, on its loop; what the app hands to threads keeps the context when it copies it, as
Starlette and FastAPI do. A turn ends when the app returns, background tasks included. An exception that leaves
the app comes out as it is, as from a function, also when the app answered with status 500 first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_agent_replay.agents.endpoint import Endpoint, EndpointError, HttpRequestParts, HttpResult, refuse_overrides
from pytest_agent_replay.agents.loop import SessionLoop
from pytest_agent_replay.agents.model import Conversation, TurnInput

__all__ = ["AsgiAgent"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Coroutine[Any, Any, None]]


class AsgiAgent:
    """Asks an ASGI app at one path."""

    kind = "ASGI app"
    is_async = True
    is_remote = False

    def __init__(self, app: App, name: str, endpoint: Endpoint, module_names: tuple[str, ...]) -> None:
        self.name = name
        self.module_names = module_names
        self._app = app
        self._endpoint = endpoint

    def start(self, first: TurnInput) -> Conversation:
        """Begins a session; the app's lifespan starts with its first turn."""
        refuse_overrides(first, self._endpoint.title)
        return _AsgiConversation(self._app, self._endpoint)


class _AsgiConversation:
    is_async = True

    def __init__(self, app: App, endpoint: Endpoint) -> None:
        self._app = app
        self._endpoint = endpoint
        self._lifespan: _Lifespan | None = None
        self._loop = SessionLoop(endpoint.title)

    def ask(self, turn: TurnInput) -> Any:
        return self._loop.run(self.ask_async, turn)

    async def ask_async(self, turn: TurnInput) -> Any:
        endpoint = self._endpoint
        if self._lifespan is None:
            self._lifespan = _Lifespan(self._app, endpoint.timeout_s)
            await self._lifespan.start()
        request = endpoint.request(turn)
        exchange = _exchange(self._app, request, self._lifespan.state)
        result = await _within(endpoint.timeout_s, exchange, f"{request.method} {request.target}")
        return endpoint.read(result)

    def close(self) -> None:
        try:
            if self._loop.is_used:
                self._loop.run(self.aclose)
        finally:
            self._loop.close()

    async def aclose(self) -> None:
        if self._lifespan is not None:
            await self._lifespan.stop()


async def _within(seconds: float, work: Coroutine[Any, Any, HttpResult], what: str) -> HttpResult:
    """`wait_for` that can tell its own time-out from a `TimeoutError` of the app."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    raise EndpointError(f"{what}: no answer within {seconds:g} s")


async def _exchange(app: App, request: HttpRequestParts, state: dict[str, Any]) -> HttpResult:
    """One request through the app; returns when the app does."""
    result = HttpResult(0, {}, b"")
    pieces: list[bytes] = []
    unread = [{"type": "http.request", "body": request.body, "more_body": False}]
    complete = asyncio.Event()

    async def receive() -> Message:
        if unread:
            return unread.pop()
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            result.status = message["status"]
            for name, value in message.get("headers", ()):
                result.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        elif message["type"] == "http.response.body":
            pieces.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                complete.set()

    await app(_scope(request, state), receive, send)
    if not result.status:
        raise EndpointError(f"{request.method} {request.target}: the app returned without a response")
    result.body = b"".join(pieces)
    return result


def _scope(request: HttpRequestParts, state: dict[str, Any]) -> dict[str, Any]:
    url = urlsplit(request.target)
    headers = {"host": "localhost", "content-length": str(len(request.body))}
    headers.update((name.lower(), value) for name, value in request.headers.items())
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
        "state": dict(state),
    }


class _Lifespan:
    """Startup and shutdown of the app, in one task, as a server runs them. An app without a lifespan needs none."""

    def __init__(self, app: App, timeout_s: float) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def start(self) -> None:
        """Raises the app's own exception, or `EndpointError`, when its startup fails."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._to_app.get, self._from_app.put))
        await self._step("startup")

    async def stop(self) -> None:
        """Runs the shutdown, unless the app has no lifespan."""
        if self._task is not None and not self._task.done():
            await self._step("shutdown")
            await asyncio.wait({self._task}, timeout=self._timeout_s)

    async def _step(self, name: str) -> None:
        assert self._task is not None
        await self._to_app.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({self._task, answer}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            if not self._task.done():
                self._task.cancel()
                raise EndpointError(f"the app's lifespan {name} did not end within {self._timeout_s:g} s")
            if not self._task.cancelled():
                self._task.exception()  # an app that raises at once has no lifespan: servers go on without it, too
            return
        message = answer.result()
        if message["type"] == f"lifespan.{name}.failed":
            await asyncio.wait({self._task}, timeout=self._timeout_s)
            if self._task.done() and not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
            raise EndpointError(f"the app's lifespan {name} failed: {message.get('message', '')}")
