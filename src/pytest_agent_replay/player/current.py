"""Which replay session a caught call belongs to.

The session is a context variable, so parallel sessions in threads and tasks stay apart. A thread that lost its context
belongs to the session that started it or handed it its work; where that is unknown (a C callback, a worker from before)
to the only running session. With several running it cannot be known then, and is an error of every one of them: an
answer is never handed to the wrong session.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from pytest_agent_replay.errors import AmbiguousSessionError, SessionError
from pytest_agent_replay.player.http import HttpReply, HttpRequest, PassThrough

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "SessionLike",
    "activate",
    "current_session",
    "hand_work",
    "handle_http",
    "known_session",
    "own_session",
    "session_of",
    "started_by",
]


class SessionLike(Protocol):
    """What interceptors need of a session."""

    @property
    def label(self) -> str:
        """Names the session in messages."""

    @property
    def is_over(self) -> bool:
        """The session has ended; calls that still come for it are strays."""

    @property
    def functions(self) -> dict[int, Any]:
        """`id` of an intercepted function to its bindings in this session."""

    @property
    def background(self) -> weakref.WeakSet[Any]:
        """Threads and futures that were started in this session; see `intercept.background`."""

    @property
    def may_start_processes(self) -> bool:
        """Whether the agent may start processes, in which nothing is intercepted."""

    def thread_started(self, thread: threading.Thread) -> None:
        """A thread of this session is about to be started."""

    def thread_joined(self, thread: threading.Thread) -> None:
        """Somebody in this session waited for the end of a thread."""

    def handle_http(self, request: HttpRequest) -> HttpReply | PassThrough:
        """Answers an HTTP request."""

    def check_connection(self, host: str, port: int | None) -> Exception | None:
        """Egress guard: None when a raw connection to `host` may be opened, else the error to raise (already noted)."""

    def fail(self, message: str) -> None:
        """Notes something that fails the item even when the agent swallows the error."""

    def note(self, message: str) -> None:
        """Notes something that a reader should know though it changes no verdict."""


_ORIGIN = "_agent_replay_session"
"""Attribute of a thread: which session its work belongs to, should it have no context."""

_current: ContextVar[SessionLike | None] = ContextVar("agent_replay_session", default=None)
_running: list[SessionLike] = []
_lock = threading.Lock()


class activate:
    """Inside, `session` is the one that calls of this context (and of threads and tasks that inherit it) belong to.

    `strictly`: calls of which it is not known whose they are never belong to it, also while it runs alone.
    """

    __slots__ = ("_session", "_strictly", "_token")

    def __init__(self, session: SessionLike, *, strictly: bool = False) -> None:
        self._session = session
        self._strictly = strictly

    def __enter__(self) -> None:
        self._token = _current.set(self._session)
        if not self._strictly:
            with _lock:
                _running.append(self._session)

    def __exit__(self, *exc: object) -> None:
        if not self._strictly:
            with _lock:
                _running.remove(self._session)
        _current.reset(self._token)


def current_session(what: str = "a call") -> SessionLike | None:
    """The session that the running code belongs to; None when no replay runs.

    `what` describes the caught call in the error text. Raises `SessionError` when the session is over, and
    `AmbiguousSessionError` when several run and the caller's thread lost its context.
    """
    session = _current.get()
    if session is not None:
        if session.is_over:
            raise SessionError(
                f"{what} came after its replay {session.label} had ended: a background task or thread outlived the "
                "replay. The call was not made. Join or cancel such work before the agent answers."
            )
        return session
    running = _running[:]
    if not running:
        origin = _origin(threading.current_thread())
        return origin if origin is not None and not origin.is_over else None
    if len(running) == 1:
        return running[0]
    session = _origin(threading.current_thread())
    if session in running:
        return session
    message = (
        f"{what} came from thread {threading.current_thread().name!r}, which lost its context, while {len(running)} "
        "replays run at once: it cannot be known which one it belongs to, so it was not made. Start the thread in the "
        "replay, give it its work with `contextvars.copy_context().run`, or run these replays one at a time."
    )
    for each in running:
        each.fail(message)
    raise AmbiguousSessionError(message)


def known_session() -> SessionLike | None:
    """The running session that the running code is taken to belong to. Never raises: for what only takes notes."""
    session = own_session()
    if session is None and len(_running) == 1:
        session = _running[0]
    return session if session is not None and not session.is_over else None


def own_session() -> SessionLike | None:
    """The running session whose code runs, also where only one is running: who starts replays belongs to none."""
    session = _current.get() or _origin(threading.current_thread())
    return session if session is not None and not session.is_over else None


def session_of(context: Any) -> Any:
    """The session that a context (of a task, of a timer) belongs to, or None."""
    return context.get(_current)


def started_by(session: SessionLike, task: asyncio.Task[Any]) -> bool:
    """Whether a task belongs to this session. Before Python 3.12 tasks do not tell: then while no other one runs."""
    context = getattr(task, "get_context", None)
    return context().get(_current) is session if context is not None else _running == [session]


def hand_work(thread: threading.Thread, session: SessionLike | None) -> SessionLike | None:
    """What `thread` does without a context belongs to `session` from now on. Returns to which one it did before."""
    before = _origin(thread)
    thread.__dict__[_ORIGIN] = weakref.ref(session) if session is not None else None
    return before


def _origin(thread: threading.Thread) -> SessionLike | None:
    origin = thread.__dict__.get(_ORIGIN)
    return origin() if origin is not None else None


def handle_http(request: HttpRequest) -> HttpReply | PassThrough:
    """Answers a request for the current session; lets it through when no replay runs. Raises like `current_session`."""
    session = current_session(f"{request.method} {request.url}")
    return PassThrough() if session is None else session.handle_http(request)
