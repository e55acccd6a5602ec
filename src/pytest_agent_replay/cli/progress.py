"""A counter on the screen for long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]

_INTERVAL_S = 0.1


@contextmanager
def progress(verb: str, total: int) -> Iterator[Callable[[], None]]:
    """Gives a function to be called after each of `total` steps; shown on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    done, shown = 0, 0.0

    def step() -> None:
        nonlocal done, shown
        done += 1
        now = time.monotonic()
        if now - shown >= _INTERVAL_S:
            shown = now
            sys.stderr.write(f"\r{verb} {done}/{total}")
            sys.stderr.flush()

    try:
        yield step
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
