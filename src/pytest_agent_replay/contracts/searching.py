"""Searches that may take for ever, in a process of their own that can be stopped.

A search of `re` holds the interpreter until it ends: no thread, and outside of the main thread of Unix no signal, can
end it. The process is started when the first such search is asked for, serves all later ones, and ends with this one.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from typing import IO, Literal

__all__ = ["SECONDS", "How", "Span", "TooSlow", "spans"]

How = Literal["search", "fullmatch", "finditer"]
Span = tuple[int, int]

SECONDS = 1.0
"""So long may a search take."""

_PROGRAM = """
import json, re, sys
print("ready", flush=True)
for line in sys.stdin:
    pattern, flags, how, text = json.loads(line)
    found = getattr(re.compile(pattern, flags), how)(text)
    matches = found if how == "finditer" else [found] if found else []
    print(json.dumps([match.span() for match in matches]), flush=True)
"""


class TooSlow(Exception):
    """The search was stopped, or its process ended by itself (for want of memory)."""


class _Searcher:
    """One process. `ask` is for one thread at a time."""

    def __init__(self) -> None:
        """Raises `OSError` when no process can be started."""
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="ascii",
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests: IO[str] = self.process.stdin
        self._answers: IO[str] = self.process.stdout
        if not self._answers.readline():  # the time that Python takes to start is not that of a search
            self.close()
            raise OSError("the process that searches could not be started")

    def ask(self, request: str) -> str:
        """The answer. Raises `TooSlow`; then, and when the process is gone, it is closed."""
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            self.process.kill()

        timer = threading.Timer(SECONDS, stop)
        timer.daemon = True
        timer.start()
        answer = ""
        try:
            self._requests.write(request + "\n")
            self._requests.flush()
            answer = self._answers.readline()
        except OSError:  # it was stopped, or is gone, before it had read everything
            pass
        finally:
            timer.cancel()
            timer.join()
            if stopped.is_set() or not answer:  # also when the user interrupts: the answer would be taken for the next
                self.close()
        if stopped.is_set() or not answer:
            raise TooSlow
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self._requests, self._answers):
            try:
                pipe.close()
            except OSError:  # what was not sent any more
                pass


_lock = threading.Lock()
_searcher: _Searcher | None = None


def spans(pattern: re.Pattern[str], how: How, text: str) -> list[Span]:
    """Where the pattern is found. Raises `TooSlow` after `SECONDS`, and `OSError` when no process can be started."""
    request = json.dumps([pattern.pattern, pattern.flags, how, text])
    with _lock:
        return [(start, end) for start, end in json.loads(_ready().ask(request))]


def _ready() -> _Searcher:
    global _searcher
    if _searcher is None or _searcher.owner != os.getpid() or _searcher.process.poll() is not None:
        if _searcher is not None and _searcher.owner == os.getpid():
            _searcher.close()
        _searcher = _Searcher()
    return _searcher


@atexit.register
def _close() -> None:
    if _searcher is not None and _searcher.owner == os.getpid():
        _searcher.close()
