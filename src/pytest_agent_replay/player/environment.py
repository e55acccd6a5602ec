"""Environment variables that are set while anybody needs them: a process has one environment for all its sessions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

__all__ = ["SharedVariables"]


class SharedVariables:
    """Set with the first user, put back with the last. What somebody else changes meanwhile stays as they made it."""

    def __init__(self, wanted: Callable[[], Mapping[str, str]]) -> None:
        """`wanted` says which variables are to have which values, asked again for every user."""
        self._wanted = wanted
        self._lock = threading.RLock()
        self._users: set[object] = set()
        self._set: dict[str, tuple[str | None, str]] = {}
        """What stood there, and what was set."""

    @contextmanager
    def set(self) -> Iterator[None]:
        """Inside, they are set."""
        user = object()
        try:  # from the first step on: whatever interrupts, this user is gone afterwards
            with self._lock:
                self._users.add(user)
                for name, value in self._wanted().items():
                    before = os.environ.get(name)
                    if before != value:
                        self._set.setdefault(name, (before, value))
                        os.environ[name] = value
            yield
        finally:
            try:
                self._leave(user)
            except BaseException:  # interrupted, as by Ctrl-C: what is left
                self._leave(user)
                raise

    def _leave(self, user: object) -> None:
        with self._lock:
            self._users.discard(user)
            while self._set and not self._users:
                name, (before, value) = next(reversed(self._set.items()))
                if os.environ.get(name) == value:
                    if before is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = before
                del self._set[name]
