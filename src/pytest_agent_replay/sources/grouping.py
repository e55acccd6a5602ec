"""Traces that come in any order → conversations in time order, without having all of them in memory."""

from __future__ import annotations

import json
import sqlite3
import threading
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pytest_agent_replay.sources.spans import RunSession

__all__ = ["Head", "Known", "Shelf", "begun", "block_of", "by_session", "chosen", "inside"]


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a trace before it is read."""

    trace: str
    session: str | None = None
    """The conversation it belongs to; None when it is one of its own."""
    started: float | None = None
    """Seconds since the epoch."""
    project: str | None = None
    is_open: bool = False
    """It has not ended yet: there will be more of it."""


def by_session(heads: Iterable[Head]) -> list[tuple[str, list[Head]]]:
    """The traces of each conversation in time order, under its id; the conversations by when they began."""
    groups: dict[tuple[str | None, str | None, str], list[Head]] = {}
    for head in heads:
        own = (head.project, None, head.trace) if head.session is None else (head.project, head.session, "")
        groups.setdefault(own, []).append(head)
    found = [(key[1] or key[2], sorted(group, key=_time)) for key, group in groups.items()]
    return sorted(found, key=lambda group: (_time(group[1][0]), group[0]))


def chosen(heads: Iterable[Head], given: Namespace) -> list[tuple[str, list[Head]]]:
    """The conversations of `--session`, or the trace of `--trace` by itself; all where neither is given."""
    wanted = [head for head in heads if given.trace in (None, head.trace) and given.session in (None, head.session)]
    return [(given.trace, wanted)] if wanted and given.trace is not None else by_session(wanted)


def begun(kind: str, id_: str, heads: Sequence[Head], given: Namespace) -> RunSession:
    """The session of traces that were chosen of files, still without them."""
    file = {"file": Path(given.file[0]).name} if len(given.file) == 1 else {}
    source = {"type": kind, **file, **block_of(id_, heads)}
    is_part = given.trace is not None and heads[0].session is not None
    return RunSession(id_, [], source, is_part=is_part, where=id_)


def _time(head: Head) -> tuple[bool, float, str]:
    return (head.started is None, head.started or 0.0, head.trace)


def block_of(id_: str, heads: Sequence[Head]) -> dict[str, Any]:
    """What the block `source:` of a session says of its traces.

    It has the ids of all of them: a conversation that went on since an earlier import is another one to import.
    """
    block: dict[str, Any] = {}
    if heads[0].project is not None:
        block["project"] = heads[0].project
    if id_ == heads[0].session:
        block["thread_id"] = id_
    ids = [head.trace for head in heads]
    block.update({"run_id": ids[0]} if len(ids) == 1 else {"run_ids": ids})
    if any(head.is_open for head in heads):
        block["incomplete"] = True
    return block


class Known:
    """What is known of traces whose spans come one by one, in any order, and some more than once."""

    def __init__(self) -> None:
        self._heads: dict[str, Head] = {}
        self._ended: set[str] = set()

    def add(
        self,
        trace: str,
        *,
        session: Any = None,
        started: float | None = None,
        project: Any = None,
        root_ended: bool | None = None,
    ) -> None:
        """Something of a span of the trace; `root_ended` is None for a span that is not its root."""
        old = self._heads.get(trace, Head(trace))
        times = [time for time in (old.started, started) if time is not None]
        own = None if session in (None, "") else str(session)
        named = None if project is None else str(project)
        if root_ended:
            self._ended.add(trace)
        self._heads[trace] = Head(
            trace,
            old.session or own,
            min(times, default=None),
            old.project or named,
            is_open=trace not in self._ended and (old.is_open or root_ended is False),
        )

    def heads(self) -> list[Head]:
        """The traces."""
        return list(self._heads.values())


def inside(parents: Mapping[str, str | None], outer: Iterable[str]) -> set[str]:
    """The spans that have one of `outer` above them; `parents` has the id of each span's parent."""
    tops = set(outer)
    return {span for span in parents if not tops.isdisjoint(_above(span, parents))} if tops else set()


def _above(span: str, parents: Mapping[str, str | None]) -> set[str]:
    found: set[str] = set()
    at = parents.get(span)
    while isinstance(at, str) and at not in found:
        found.add(at)
        at = parents.get(at)
    return found


class Shelf:
    """JSON values put aside by a key, on disk; gone when it is closed. Threads may share it."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)  # a file of SQLite's own, which it removes
        self._lock = threading.Lock()
        self._database.execute("CREATE TABLE pieces (key TEXT, value TEXT)")
        self._database.execute("CREATE INDEX by_key ON pieces (key)")

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._database.close()

    def put(self, key: str, value: Any) -> None:
        """Adds a value to those of the key."""
        text = json.dumps(value)  # like the key in ASCII: half surrogate pairs, which SQLite cannot keep, are escaped
        with self._lock:
            self._database.execute("INSERT INTO pieces VALUES (?, ?)", (json.dumps(key), text))

    def values(self, key: str) -> list[Any]:
        """The values of the key, in the order in which they came."""
        asked = (json.dumps(key),)
        with self._lock:
            rows = self._database.execute("SELECT value FROM pieces WHERE key = ? ORDER BY rowid", asked).fetchall()
        return [json.loads(text) for (text,) in rows]
