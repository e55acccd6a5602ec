"""The event loop of one session whose runner is synchronous."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_agent_replay.errors import AgentError
from pytest_agent_replay.player.current import known_session

if TYPE_CHECKING:
    import asyncio

    from pytest_agent_replay.player.session import Session

__all__ = ["SessionLoop", "end_tasks"]

_PATIENCE_S = 0.25

_T = TypeVar("_T")


class SessionLoop:
    """Runs the coroutines of one session, all on one loop, which is made with the first of them.

    The thread's own current loop, which other tests may rely on, is left alone.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_used(self) -> bool:
        """Whether anything was run."""
        return self._loop is not None

    def check(self) -> None:
        """Raises `AgentError` inside of a running loop, which cannot wait for another one."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None and asyncio._get_running_loop() is not None:
            raise AgentError(
                f"{self._title}: it is async and an event loop is running: await `replay.arun()` instead of `run()`"
            )

    def run(self, work: Callable[..., Coroutine[Any, Any, _T]], *args: Any) -> _T:
        """The result of `work(*args)`. Raises like `check`, before `work` is called."""
        self.check()
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.run_until_complete(_follow())
        return self._loop.run_until_complete(work(*args))

    def close(self) -> None:
        """Ends what is still running, and closes the loop."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        import asyncio

        try:
            loop.run_until_complete(end_tasks(asyncio.all_tasks(loop)))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


async def _follow() -> None:
    session = cast("Session | None", known_session())
    if session is not None and not session.observes:
        from pytest_agent_replay.player.virtual_loop import follow

        follow(session)


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Gives tasks that nobody awaited a moment to finish, then cancels them, which the session notes."""
    if not tasks:
        return
    import asyncio

    _, pending = await asyncio.wait(tasks, timeout=_PATIENCE_S)
    for task in pending:
        task.cancel()
    if pending:
        session = known_session()
        if session is not None:
            names = ", ".join(sorted(_name(task) for task in pending))
            session.note(f"cancelled after the last answer, because the agent did not wait for it: {names}")
        await asyncio.gather(*pending, return_exceptions=True)


def _name(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", None) or task.get_name())
