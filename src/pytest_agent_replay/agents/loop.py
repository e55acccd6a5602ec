"""The event loop of one session whose runner is synchronous."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_agent_replay.errors import AgentError

if TYPE_CHECKING:
    import asyncio

__all__ = ["SessionLoop"]

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
        return self._loop.run_until_complete(work(*args))

    def close(self) -> None:
        """Cancels what is still running, and closes the loop."""
        import asyncio

        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
