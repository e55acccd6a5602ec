"""Virtual time: recorded latencies are added up instead of slept, parallel calls counted once.

Every task and thread that makes calls is a *lane* with its own virtual time. A call starts after everything that is
known to have come before it: earlier calls of its lane, calls of tasks and threads that its lane started, calls that
had ended before its own task existed, and calls of threads that were joined before its own was started. What is left
is parallel. Threads of a pool do not know who waits for
them: calls from different ones count as parallel, calls from the same one as one after the other.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["VirtualClock"]


@dataclass(eq=False, slots=True)
class _Lane:
    owner: object
    """What the clock that it belongs to is known by."""
    identity: Any
    """The task or the thread."""
    parent: _Lane | None
    virtual_ms: float = 0.0

    def is_within(self, other: _Lane) -> bool:
        lane: _Lane | None = self
        while lane is not None:
            if lane is other:
                return True
            lane = lane.parent
        return False


@dataclass(slots=True)
class _Spent:
    lane: _Lane
    end_ms: float
    alive: Any
    """The tasks that existed when the call ended (a WeakSet), or None outside a loop."""


_lane: ContextVar[_Lane | None] = ContextVar("agent_replay_lane", default=None)


class VirtualClock:
    """The clock of one session: measured plus virtual milliseconds since its start.

    A context manager: inside, the calling context is the root lane, and what it starts is within that.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._owner = object()
        self._lock = threading.Lock()
        self._root: _Lane | None = None
        self._spent: list[_Spent] = []
        self._last: _Spent | None = None
        self._moments = itertools.count()
        self._started_at: weakref.WeakKeyDictionary[threading.Thread, int] = weakref.WeakKeyDictionary()
        self._joined_at: weakref.WeakKeyDictionary[threading.Thread, int] = weakref.WeakKeyDictionary()
        """Moments in their order, not times."""
        self.simulated_ms = 0.0
        """Virtual time on the longest path so far."""

    def measured_ms(self) -> float:
        """Wall time since the start."""
        return (time.perf_counter() - self._started) * 1000

    def now_ms(self) -> float:
        """Measured plus virtual time, as the calling task or thread sees it."""
        if not self._spent:
            return (time.perf_counter() - self._started) * 1000
        with self._lock:
            return self.measured_ms() + self._catch_up(self._current_lane())

    def total_ms(self) -> float:
        """Measured plus virtual time on the longest path."""
        return self.measured_ms() + self.simulated_ms

    def spend(self, latency_ms: float) -> bool:
        """Lets `latency_ms` (0 or more) of virtual time pass for a call of the calling task or thread.

        Says whether the call ran beside the previous one: neither waited for the other.
        """
        if latency_ms <= 0 and self._is_on_root():
            # everything that ended so far was started from here
            self._last = None
            return False
        with self._lock:
            lane, last = self._current_lane(), self._last
            is_parallel = last is not None and last.lane is not lane and not self._came_before(last, lane)
            if latency_ms > 0:
                lane.virtual_ms = self._catch_up(lane) + latency_ms
                self.simulated_ms = max(self.simulated_ms, lane.virtual_ms)
            spent = self._last = _Spent(lane, lane.virtual_ms, _tasks_alive())
            if latency_ms > 0:
                self._spent.append(spent)
            return is_parallel

    def give_back(self, latency_ms: float) -> None:
        """The calling task or thread did not wait for all of its last call."""
        with self._lock:
            lane = self._current_lane()
            for spent in reversed(self._spent):
                if spent.lane is lane:
                    spent.end_ms -= latency_ms
                    lane.virtual_ms = spent.end_ms
                    break
            self.simulated_ms = max((spent.end_ms for spent in self._spent), default=0.0)

    def thread_started(self, thread: threading.Thread) -> None:
        """A thread is about to be started: what was joined before came before it."""
        self._started_at[thread] = next(self._moments)

    def thread_joined(self, thread: threading.Thread) -> None:
        """Somebody waited until a thread had ended."""
        self._joined_at.setdefault(thread, next(self._moments))

    def __enter__(self) -> None:
        self._root = _Lane(self._owner, _identity(), None)
        self._token = _lane.set(self._root)

    def __exit__(self, *exc: object) -> None:
        _lane.reset(self._token)

    def _is_on_root(self) -> bool:
        root = self._root
        return root is not None and _identity() is root.identity

    def _current_lane(self) -> _Lane:
        identity, lane = _identity(), _lane.get()
        if lane is None or lane.owner is not self._owner:
            lane = self._root
        if lane is None:
            lane = self._root = _Lane(self._owner, identity, None)
        if lane.identity is not identity:
            lane = _Lane(self._owner, identity, lane)
            _lane.set(lane)
        return lane

    def _catch_up(self, lane: _Lane) -> float:
        virtual = lane.virtual_ms
        for spent in self._spent:
            if spent.end_ms > virtual and self._came_before(spent, lane):
                virtual = spent.end_ms
        lane.virtual_ms = virtual
        return virtual

    def _came_before(self, spent: _Spent, lane: _Lane) -> bool:
        if spent.lane.is_within(lane) or spent.lane.identity is lane.identity:
            return True
        joined = self._joined_at.get(spent.lane.identity) if self._joined_at else None
        if joined is not None and self._started_at.get(lane.identity, -1) > joined:
            return True
        if spent.alive is not None and not isinstance(lane.identity, threading.Thread):
            return lane.identity not in spent.alive
        return lane.is_within(spent.lane)


def _identity() -> Any:
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        loop = asyncio._get_running_loop()
        task = asyncio.current_task(loop) if loop is not None else None
        if task is not None:
            return task
    return threading.current_thread()  # not its ident, which a later thread may get again


def _tasks_alive() -> Any:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    return weakref.WeakSet(asyncio.all_tasks())
