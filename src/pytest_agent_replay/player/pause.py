"""How long a recorded call takes: a part of its latency may be slept, the rest passes in virtual time.

On an asyncio loop the loop's own clock jumps, so that the timeouts of the agent and its framework that wait around a
slow call (`asyncio.wait_for`, `asyncio.timeout`, anyio's scopes) fire when they did in production. See `virtual_loop`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_agent_replay.player.session import Session

__all__ = ["Pause"]


@dataclass(frozen=True, slots=True)
class Pause:
    """The time between a call and its answer, in seconds."""

    session: Session
    span_id: str
    real_s: float
    """To be slept."""
    virtual_s: float
    """To pass on the clock of the loop that waits."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.real_s + self.virtual_s

    def sleep(self) -> None:
        """Waits in a thread. Virtual time passes only for a loop that waits for this thread."""
        if self.real_s:
            time.sleep(self.real_s)
        if self.virtual_s and "asyncio" in sys.modules:
            from pytest_agent_replay.player.virtual_loop import pass_time_in_thread

            pass_time_in_thread(self.session, self.virtual_s)

    async def wait(self) -> None:
        """Waits on the running loop. When the task is cancelled meanwhile, the call ends there."""
        asyncio = sys.modules.get("asyncio")
        loop = asyncio._get_running_loop() if asyncio is not None else None
        if asyncio is None or loop is None:
            await self._wait_elsewhere()
            return
        from pytest_agent_replay.player.virtual_loop import pass_time

        start = loop.time()
        try:
            if self.real_s:
                await asyncio.sleep(self.real_s)
            if self.virtual_s:
                await pass_time(self.session, self.virtual_s)
        except asyncio.CancelledError:
            self.session.cut_short(self.span_id, (loop.time() - start) * 1000)
            raise

    async def _wait_elsewhere(self) -> None:
        """On trio, whose clock is left alone."""
        anyio = sys.modules.get("anyio")
        if self.real_s and anyio is not None:
            await anyio.sleep(self.real_s)
        elif self.real_s:
            time.sleep(self.real_s)
