"""The date that the agent sees: `clock:` of a replay file, by the time-machine library.

`time.time`, `datetime.now` and the like are set for the whole process, so replays of different dates cannot run in it
at once. Monotonic clocks, which timeouts are measured with, stay real.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ReplayFile, Turn
from pytest_agent_replay.formats.times import parse_time

__all__ = ["WallClock", "recorded_time"]

_lock = threading.Lock()
_running: list[str] = []
"""The times that replays run at now, in this process."""


def recorded_time(replay: ReplayFile) -> str | None:
    """The time at which the file says that the agent lives, as ISO 8601; None for today."""
    if replay.clock in (None, "real"):
        return None
    return replay.captured_at if replay.clock == "captured_at" else replay.clock


class WallClock(AbstractContextManager["WallClock"]):
    """Inside, the clock shows a recorded time and goes on from there."""

    def __init__(self, start: str) -> None:
        """`start` is ISO 8601. Raises `ReplayError` when the time-machine library is not installed."""
        try:
            import time_machine
        except ImportError:
            raise ReplayError(
                "`clock` needs the time-machine library: `pip install 'pytest-agent-replay[clock]'`, or take the field "
                "out of the file: the agent then sees today's date"
            ) from None
        self._start = start
        self._travel: Any = time_machine.travel(parse_time(start), tick=True)
        self._traveller: Any = None

    def __enter__(self) -> WallClock:
        with _lock:
            other = next((each for each in _running if each != self._start), None)
            if other is not None:
                raise ReplayError(
                    f"a replay at {self._start} cannot run beside one at {other}: a process has one date. Run them one "
                    "after another, or in processes of their own (pytest-xdist)"
                )
            self._traveller = self._travel.start()
            _running.append(self._start)
        return self

    def __exit__(self, *exc: object) -> None:
        with _lock:
            _running.remove(self._start)
            self._travel.stop()

    def begin_turn(self, turn: Turn) -> None:
        """A turn that was recorded with its time begins then."""
        with _lock:
            if turn.started_at is not None and len(_running) == 1:
                self._traveller.move_to(parse_time(turn.started_at))
