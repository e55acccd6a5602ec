"""ASGI apps that run in the process of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

from pytest_agent_replay.agents.call import make_agent
from pytest_agent_replay.agents.endpoint import EndpointError
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

starlette = pytest.importorskip("starlette.applications")
from starlette.background import BackgroundTask  # noqa: E402
from starlette.concurrency import run_in_threadpool  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

TURN = TurnInput(input="How much?", session_id="s-1")
SESSION: ContextVar[str] = ContextVar("session", default="none")


class Journal:
    """An app, and what happened in it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.app: Any = starlette.Starlette(
            routes=[
                Route("/chat", self.chat, methods=["POST"]),
                Route("/stream", self.stream, methods=["POST"]),
                Route("/search", self.search),
                Route("/crash", self.crash, methods=["POST"]),
                Route("/slow", self.slow, methods=["POST"]),
            ],
            lifespan=self.lifespan,
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[dict[str, Any]]:
        self.events.append("startup")
        yield {"client": "ready", "loop": asyncio.get_running_loop()}
        self.events.append("shutdown")

    async def chat(self, request: Request) -> Any:
        assert request.state.client == "ready"
        assert request.state.loop is asyncio.get_running_loop()
        body = await request.json()
        self.events.append(SESSION.get())
        in_thread = await run_in_threadpool(SESSION.get)
        task = BackgroundTask(self.events.append, "background")
        return JSONResponse({"output": f"{body['input']} {in_thread}", "host": request.url.hostname}, background=task)

    async def stream(self, request: Request) -> Any:
        async def pieces() -> AsyncIterator[str]:
            for piece in ("a", "b", "c"):
                await asyncio.sleep(0)
                yield piece

        return StreamingResponse(pieces(), media_type="text/plain")

    async def search(self, request: Request) -> Any:
        return PlainTextResponse(request.query_params["q"])

    async def crash(self, request: Request) -> Any:
        raise KeyError("price")

    async def slow(self, request: Request) -> Any:
        await asyncio.Event().wait()


def ask(app: Any, path: str = "/chat", **mapping: Any) -> Any:
    conversation = make_agent({"endpoint": app, "path": path, **mapping}, name="api").start(TURN)
    try:
        return conversation.ask(TURN)
    finally:
        conversation.close()


def test_a_session_is_one_lifespan_on_one_loop_in_the_sessions_context() -> None:
    """Startup comes once before the first turn, shutdown after the last; context variables reach threads, too."""
    journal = Journal()
    token = SESSION.set("this one")
    agent = make_agent({"endpoint": journal.app, "path": "/chat"}, name="api")
    conversation = agent.start(TURN)
    try:
        assert conversation.ask(TURN) == "How much? this one"
        assert conversation.ask(TURN) == "How much? this one"
    finally:
        conversation.close()
        SESSION.reset(token)
    assert journal.events == ["startup", "this one", "background", "this one", "background", "shutdown"]
    assert agent.is_async
    assert not agent.is_remote


def test_an_async_runner_drives_it_on_its_own_loop() -> None:
    """The same, on the running loop."""
    journal = Journal()

    async def session() -> Any:
        conversation = make_agent({"endpoint": journal.app, "path": "/chat"}, name="api").start(TURN)
        try:
            return await conversation.ask_async(TURN)
        finally:
            await conversation.aclose()

    assert asyncio.run(session()) == "How much? none"
    assert journal.events[-1] == "shutdown"


def test_streamed_answers_are_joined() -> None:
    """Chunks are one answer."""
    assert ask(Journal().app, "/stream") == "abc"


def test_query_parameters_reach_the_app() -> None:
    """Percent-encoded as on a network."""
    assert ask(Journal().app, "/search", method="GET", request_template={"q": "{prompt} & more"}) == "How much? & more"


def test_an_exception_of_the_app_comes_out_as_it_is() -> None:
    """Not as the status 500 that a server would make of it."""
    with pytest.raises(KeyError, match="price"):
        ask(Journal().app, "/crash")


def test_errors_of_the_endpoint() -> None:
    """A wrong path and a slow handler are exceptions of the agent."""
    with pytest.raises(EndpointError, match="POST /nowhere answered HTTP 404: Not Found"):
        ask(Journal().app, "/nowhere")
    with pytest.raises(EndpointError, match=r"POST /slow: no answer within 0\.05 s"):
        ask(Journal().app, "/slow", timeout="50ms")


async def bare(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http", "no lifespan here"
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"bare"})


async def silent(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await receive()


def test_an_app_without_a_lifespan_works() -> None:
    """Servers go on without it, too."""
    assert ask(bare) == "bare"


def test_an_app_that_sends_no_response_is_an_error() -> None:
    """It is not taken for an empty answer."""
    with pytest.raises(EndpointError, match="returned without a response"):
        ask(silent)


def test_a_startup_that_fails_shows_its_own_exception() -> None:
    """No request is made, and the session can still be closed."""

    @contextlib.asynccontextmanager
    async def failing(app: Any) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    with pytest.raises(RuntimeError, match="no database"):
        ask(starlette.Starlette(lifespan=failing))


@pytest.mark.parametrize("make", [lambda: Journal().app, lambda: bare])
def test_an_app_without_a_path_says_how_to_give_it(make: Any) -> None:
    """An app by itself has many paths; it is not guessed which one is the agent."""
    app = make()
    with pytest.raises(AgentError, match=r"an ASGI app needs the path of its agent: \{endpoint: "):
        make_agent(app, name="my_app.api:app")
    with pytest.raises(AgentError, match="an app needs the `path` of its agent"):
        make_agent({"endpoint": app}, name="my_app.api:app")
