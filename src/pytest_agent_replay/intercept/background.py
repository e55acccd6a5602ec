"""What an agent starts and does not wait for: threads, work given to thread pools, processes.

Every call of such work belongs to the session that started it, and counts: the session waits for it before it ends. A
call that comes later would find its tool unpatched, so what is still running then fails the replay. New processes,
where nothing is patched, are refused with the network, and so is work for pools of processes.

Not seen: work given to threads from before the replay by other means than a `ThreadPoolExecutor` (a queue, say);
`os.fork`, and programs that are started with `subprocess`.
"""

from __future__ import annotations

import functools
import os
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.errors import SessionError
from pytest_agent_replay.intercept.registry import Interceptor, Patcher
from pytest_agent_replay.player.current import (
    SessionLike,
    current_session,
    hand_work,
    known_session,
    own_session,
)
from pytest_agent_replay.player.layers import place, placed

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["INTERCEPTORS", "settle"]

_PATIENCE_S = 2.0
_DAEMON_PATIENCE_S = 0.25
"""A daemon may be meant to live as long as the process."""


def settle(session: SessionLike) -> Iterator[float]:
    """Seconds to sleep until all that the session started is done. What takes too long fails it (daemons: a note)."""
    start = time.monotonic()
    pause = 0.001
    while work := [each for each in list(session.background) if not _is_done(each)]:
        waited = time.monotonic() - start
        late = [each for each in work if waited >= (_DAEMON_PATIENCE_S if _is_daemon(each) else _PATIENCE_S)]
        for each in late:
            session.background.discard(each)
            _report(session, each)
        if len(late) < len(work):
            yield pause
            pause = min(2 * pause, 0.02)


def _report(session: SessionLike, work: threading.Thread | Future[Any]) -> None:
    what = f"thread {work.name!r}" if isinstance(work, threading.Thread) else "work in a thread pool"
    if _is_daemon(work):
        session.note(
            f"{what} was still running after the last answer: what it calls after the replay is not answered from the "
            "recording"
        )
    else:
        session.fail(
            f"{what} was still running {_PATIENCE_S:g} s after the last answer: its calls from then on are not "
            "answered from the recording. Let the agent wait for what it starts"
        )


def _is_done(work: threading.Thread | Future[Any]) -> bool:
    if isinstance(work, threading.Thread):
        return not work.is_alive() or work is threading.current_thread()
    return work.done()


def _is_daemon(work: Any) -> bool:
    return isinstance(work, threading.Thread) and work.daemon


def _patch_threads(module: ModuleType, patcher: Patcher) -> None:
    original = module.Thread.start

    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        session = own_session()
        if session is not None:
            hand_work(self, session)
            session.thread_started(self)
        original(self)
        if session is not None and _is_agents(self):
            session.background.add(self)

    original_join = module.Thread.join

    @functools.wraps(original_join)
    def join(self: threading.Thread, timeout: float | None = None) -> None:
        original_join(self, timeout)
        session = known_session()
        if session is not None and not self.is_alive():
            session.thread_joined(self)

    patcher.set(module.Thread, "start", start)
    patcher.set(module.Thread, "join", join)


def _is_agents(thread: threading.Thread) -> bool:
    """Runs the agent's code: workers of pools, exporters and loops of libraries may live as long as they like."""
    work: Any = getattr(thread, "_target", None) or getattr(thread, "function", None) or type(thread).run
    while isinstance(work, functools.partial):
        work = work.func
    code = getattr(getattr(work, "__func__", work), "__code__", None)
    if code is None:
        return not thread.daemon
    standard, installed = _library_paths()
    return not code.co_filename.startswith(standard if not thread.daemon else (*standard, *installed))


@functools.cache
def _library_paths() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where the standard library and installed packages are."""
    standard, installed = (
        tuple(os.path.join(sysconfig.get_path(name), "") for name in names)
        for names in (("stdlib", "platstdlib"), ("purelib", "platlib"))
    )
    return standard, installed


def _patch_pools(module: ModuleType, patcher: Patcher) -> None:
    original = module.ThreadPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        session = own_session()
        if session is None:
            return original(self, fn, *args, **kwargs)  # type: ignore[no-any-return]

        inside = place()

        def work(*args: Any, **kwargs: Any) -> Any:
            before = hand_work(threading.current_thread(), session)
            try:
                with placed(inside):
                    return fn(*args, **kwargs)
            finally:
                hand_work(threading.current_thread(), before)

        future: Future[Any] = original(self, work, *args, **kwargs)
        session.background.add(future)
        return future

    patcher.set(module.ThreadPoolExecutor, "submit", submit)


def _patch_processes(module: ModuleType, patcher: Patcher) -> None:
    original = module.BaseProcess.start

    @functools.wraps(original)
    def start(self: Any) -> None:
        _refuse_process(f"the start of process {self.name!r}", f"started a process ({self.name})")
        original(self)

    patcher.set(module.BaseProcess, "start", start)


def _patch_process_executors(module: ModuleType, patcher: Patcher) -> None:
    original = module.ProcessPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        _refuse_process("work for a process pool", "gave work to a pool of processes")
        return original(self, fn, *args, **kwargs)  # type: ignore[no-any-return]

    patcher.set(module.ProcessPoolExecutor, "submit", submit)


def _patch_process_pools(module: ModuleType, patcher: Patcher) -> None:
    # every method that gives work to a pool begins with this
    original = module.Pool._check_running

    @functools.wraps(original)
    def check_running(self: Any) -> None:
        original(self)
        if not isinstance(self, module.ThreadPool):
            _refuse_process("work for a process pool", "gave work to a pool of processes")

    patcher.set(module.Pool, "_check_running", check_running)


def _refuse_process(what: str, done: str) -> None:
    """Raises what the agent gets for work in another process."""
    session = current_session(what)
    if session is None or session.may_start_processes:
        return
    message = (
        f"the agent {done}, in which no call can be answered from the recording: it was refused. Record the tool that "
        "needs it, use threads, or lift the guard with `--replay-network=allow`"
    )
    session.fail(message)
    raise SessionError(message)


INTERCEPTORS = (
    Interceptor("threads", "threading", _patch_threads),
    Interceptor("thread pools", "concurrent.futures.thread", _patch_pools),
    Interceptor("processes", "multiprocessing.process", _patch_processes),
    Interceptor("process executors", "concurrent.futures.process", _patch_process_executors),
    Interceptor("process pools", "multiprocessing.pool", _patch_process_pools),
)
