"""Files of exported spans, which may be larger than memory.

JSON Lines are read twice: first to find out which trace stands on which lines, then each conversation by itself. A
file that is one JSON value has to be read as a whole.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.sources.json_files import parse_json, read_values
from pytest_agent_replay.sources.otel.conventions import is_generative
from pytest_agent_replay.sources.otel.conversations import Key, best_family, conversation_keys, has_failed
from pytest_agent_replay.sources.otel.otlp import SpanRecord, read_records

__all__ = ["Conversation", "SpanFiles", "TraceEntry"]

_KEPT_BYTES = 16 * 1024 * 1024
"""So much JSON is kept parsed: neighbouring traces often stand on one line."""


class _Chunk(NamedTuple):
    """A line of a file, or (with a length of 0) the whole of it."""

    path: Path
    offset: int
    length: int


@dataclass(slots=True)
class TraceEntry:
    """What is remembered of a trace."""

    id: str
    chunks: list[_Chunk] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    start: float | None = None
    is_generative: bool = False
    has_failed: bool = False

    def add(self, record: SpanRecord, chunk: _Chunk) -> None:
        """Takes a span in."""
        if not self.chunks or self.chunks[-1] is not chunk:
            self.chunks.append(chunk)
        self.keys |= conversation_keys(record)
        if record.start is not None:
            self.start = record.start if self.start is None else min(self.start, record.start)
        self.is_generative = self.is_generative or is_generative(record)
        self.has_failed = self.has_failed or has_failed(record)


@dataclass(slots=True)
class Conversation:
    """Traces that belong together, in time order."""

    traces: list[TraceEntry]

    @property
    def keys(self) -> list[str]:
        """The ids that it goes by."""
        return sorted({name for trace in self.traces for _, name in best_family(trace.keys)})


class SpanFiles:
    """What stands in some files, and where."""

    def __init__(self, paths: Sequence[Path], problems: list[str]) -> None:
        """Raises `FormatError` when a file cannot be read or is no JSON; a bad line is added to `problems`."""
        self._problems = problems
        self._kept: OrderedDict[_Chunk, dict[str, list[SpanRecord]]] = OrderedDict()
        self._kept_bytes = 0
        self.traces: dict[str, TraceEntry] = {}
        for path in paths:
            self._index(path)

    def conversations(self) -> list[Conversation]:
        """The traces of agents, models and tools, by conversation, in time order."""
        groups = _Groups()
        entries = [entry for entry in self.traces.values() if entry.is_generative]
        for entry in entries:
            groups.join(entry.id, [f"{rank} {name}" for rank, name in best_family(entry.keys)])
        found: dict[str, list[TraceEntry]] = {}
        for entry in sorted(entries, key=_time_order):
            found.setdefault(groups.of(entry.id), []).append(entry)
        return [Conversation(traces) for traces in found.values()]

    def read(self, conversation: Conversation) -> Iterator[list[SpanRecord]]:
        """The spans of each of its traces."""
        for entry in conversation.traces:
            yield [record for chunk in entry.chunks for record in self._records(chunk).get(entry.id, [])]

    # -- the files

    def _index(self, path: Path) -> None:
        is_empty = True
        for chunk, value in self._chunks(path):
            for record in read_records(value):
                self.traces.setdefault(record.trace_id, TraceEntry(record.trace_id)).add(record, chunk)
                is_empty = False
        if is_empty:
            raise FormatError(Problem(str(path), 0, 0, "there are no spans in it"))

    def _chunks(self, path: Path) -> Iterator[tuple[_Chunk, Any]]:
        if not _has_lines(path):
            for _, value in read_values(path, self._problems):
                yield _Chunk(path, 0, 0), value
            return
        with path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield _Chunk(path, offset, len(line)), parse_json(line.decode("utf-8-sig"))
                    except (ValueError, RecursionError) as error:
                        self._problems.append(f"{path}:{number}: {_no_json(error)}")
                offset += len(line)

    def _records(self, chunk: _Chunk) -> Mapping[str, list[SpanRecord]]:
        """The spans of a chunk by trace; those read last are kept."""
        if chunk in self._kept:
            self._kept.move_to_end(chunk)
            return self._kept[chunk]
        found: dict[str, list[SpanRecord]] = {}
        for value in self._values(chunk):
            for record in read_records(value):
                found.setdefault(record.trace_id, []).append(record)
        self._kept[chunk] = found
        self._kept_bytes += chunk.length
        while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            dropped, _ = self._kept.popitem(last=False)
            self._kept_bytes -= dropped.length
        return found

    def _values(self, chunk: _Chunk) -> Iterator[Any]:
        if not chunk.length:
            yield from (value for _, value in read_values(chunk.path, []))
            return
        with chunk.path.open("rb") as file:
            file.seek(chunk.offset)
            yield parse_json(file.read(chunk.length).decode("utf-8-sig"))


def _has_lines(path: Path) -> bool:
    """Whether each line is a JSON value: the first one is."""
    try:
        with path.open("rb") as file:
            line = next((line for line in file if line.strip()), b"")
    except OSError as error:
        raise FormatError(Problem(str(path), 0, 0, f"it cannot be read: {error.strerror or error}")) from None
    try:
        parse_json(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.start + 1} of the line)"
    return f"it is not JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"


def _time_order(entry: TraceEntry) -> tuple[bool, float, str]:
    return (entry.start is None, entry.start or 0.0, entry.id)


class _Groups:
    """Sets of names that grow together (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The name that stands for the set of `name`."""
        while (parent := self._parents.get(name, name)) != name:
            self._parents[name] = self._parents.get(parent, parent)
            name = parent
        return name

    def join(self, name: str, others: Sequence[str]) -> None:
        """Puts `name` and the others into one set."""
        for other in others:
            self._parents[self.of(other)] = self.of(name)
