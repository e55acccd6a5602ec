"""Virtual time on an asyncio loop.

While a session waits for a recorded latency, its loop does not sleep until the next timer of that session is due: its
clock jumps there. Timers come in their order, whichever of the session's timeouts is the first. Each session has a time
of its own: a jump puts the timers of all others off by as much.

The clock stands still while something is on its way that takes real time: live requests, work in threads (for a second
at most), and sockets that the loop watches (for 50 ms before each jump). Loops without a Python clock (uvloop) cannot
jump: there a recorded latency passes at once, and no timeout around it fires, which the session notes.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.player.current import session_of

if TYPE_CHECKING:
    from pytest_agent_replay.player.session import Session

__all__ = ["follow", "leave", "pass_time", "pass_time_in_thread"]

_SLICE_S = 0.005
_GRACE_S = 0.05
_PATIENCE_S = 1.0
_MOMENT_S = 0.1

_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _VirtualLoop] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def follow(session: Session) -> _VirtualLoop | None:
    """Code of the session runs on this loop: timeouts around its calls can fire. Undone with `leave`.

    None for a loop whose clock cannot jump.
    """
    loop = asyncio.get_running_loop()
    if not _can_jump(loop):
        return None
    with _lock:
        virtual = _loops.get(loop)
        if virtual is None:
            virtual = _loops[loop] = _VirtualLoop(loop)
        virtual.sessions.add(session)
        if loop not in session.loops:
            session.loops.append(loop)
        return virtual


def leave(session: Session) -> None:
    """The session is over: the last one puts the clock of each loop back."""
    with _lock:
        while session.loops:
            loop = session.loops.pop()
            virtual = _loops.get(loop)
            if virtual is None:
                continue
            virtual.sessions.discard(session)
            if not virtual.sessions:
                del _loops[loop]
                virtual.undo()


async def pass_time(session: Session, seconds: float) -> None:
    """Lets virtual seconds pass for the session, as `asyncio.sleep` does."""
    virtual = follow(session)
    if virtual is None:
        session.note(
            "a recorded latency did not pass on the agent's event loop, which is none of asyncio's own: timeouts "
            "around recorded calls do not fire there"
        )
        return
    with virtual.waiting(session):
        await asyncio.sleep(seconds)


def pass_time_in_thread(session: Session, seconds: float) -> None:
    """The same for a thread that a loop of the session waits for. Nothing passes where it is known that none does."""
    loop = next((each for each in reversed(session.loops) if each.is_running()), None)
    virtual = _loops.get(loop) if loop is not None else None
    if virtual is None or loop is None or virtual.thread == threading.get_ident() or not virtual.is_idle():
        return
    passed = asyncio.run_coroutine_threadsafe(_pass(virtual, session, seconds), loop)
    end = time.monotonic() + _PATIENCE_S
    while not passed.done() and loop.is_running() and time.monotonic() < end:
        futures.wait([passed], 0.02)
    passed.cancel()


async def _pass(virtual: _VirtualLoop, session: Session, seconds: float) -> None:
    # on the loop: its clock may jump only once there is the timer to which
    with virtual.waiting(session, in_thread=True):
        await asyncio.sleep(seconds)


def _can_jump(loop: Any) -> bool:
    return isinstance(loop, asyncio.BaseEventLoop) and hasattr(loop, "_selector") and hasattr(loop, "_scheduled")


class _VirtualLoop:
    """A loop whose clock can jump."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.thread = threading.get_ident()
        self.sessions: set[Session] = set()
        self._waiting: dict[Session, int] = {}
        self._threads: dict[Session, int] = {}
        self._working_since: weakref.WeakKeyDictionary[Session, float] = weakref.WeakKeyDictionary()
        self._offset = 0.0
        self._moment = _MOMENT_S
        self._is_selecting = False
        self._time = type(loop).time.__get__(loop)
        self._select = loop._selector.select
        loop.time = self._now
        loop._selector.select = self._select_or_jump

    def undo(self) -> None:
        """Puts the clock back; what is still scheduled stays as far away as it is."""
        del self._loop.time
        if self._loop._selector is not None:
            del self._loop._selector.select
        for handle in self._loop._scheduled:
            handle._when -= self._offset

    @contextmanager
    def waiting(self, session: Session, *, in_thread: bool = False) -> Iterator[None]:
        """Inside, the clock of the session may jump."""
        with _lock:
            self._waiting[session] = self._waiting.get(session, 0) + 1
            self._threads[session] = self._threads.get(session, 0) + in_thread
        try:
            yield
        finally:
            with _lock:
                self._waiting[session] -= 1
                self._threads[session] -= in_thread
                if not self._waiting[session]:
                    del self._waiting[session], self._threads[session]

    def is_idle(self) -> bool:
        """Whether the loop waits for something, and is not blocked by the thread that asks.

        It gets a moment to come there, a shorter one each time that it did not.
        """
        end = time.monotonic() + self._moment
        while not self._is_selecting:
            if time.monotonic() > end:
                self._moment /= 2
                return False
            time.sleep(0.0005)
        self._moment = _MOMENT_S
        return True

    def _now(self) -> float:
        now: float = self._time() + self._offset
        return now

    def _select_or_jump(self, timeout: float | None = None) -> Any:
        self._is_selecting = True
        try:
            if not self._waiting or (timeout is not None and timeout <= 0):
                return self._select(timeout)
            events = self._select(_GRACE_S if self._watches_sockets() else 0)
            if events:
                return events
            with _lock:
                session, due = self._next()
                if session is not None:
                    self._jump(session, due - self._now())
                    return []
            return self._select(_SLICE_S if timeout is None else min(timeout, _SLICE_S))
        finally:
            self._is_selecting = False

    def _watches_sockets(self) -> bool:
        watched: Any = getattr(self._loop._selector, "get_map", dict)()
        return len(watched or ()) > 1  # one is the loop's own

    def _next(self) -> tuple[Session | None, float]:
        """The session whose next timer comes first, of those that wait for nothing real."""
        first: Session | None = None
        due = float("inf")
        for handle in self._loop._scheduled:
            if handle._when < due and not handle._cancelled:
                session = session_of(handle._context)
                if session in self._waiting and not self._is_busy(session):
                    first, due = session, handle._when
        return first, due

    def _is_busy(self, session: Session) -> bool:
        if session.in_flight > 0:
            return True
        working = sum(not _is_done(work) for work in list(session.background))
        if working <= self._threads.get(session, 0):
            self._working_since.pop(session, None)
            return False
        since = self._working_since.setdefault(session, self._time())
        return bool(self._time() - since < _PATIENCE_S)

    def _jump(self, session: Session, seconds: float) -> None:
        if seconds <= 0:
            return
        self._offset += seconds
        for handle in self._loop._scheduled:
            if session_of(handle._context) is not session:
                handle._when += seconds
        heapq.heapify(self._loop._scheduled)


def _is_done(work: Any) -> bool:
    return not work.is_alive() if isinstance(work, threading.Thread) else bool(work.done())
