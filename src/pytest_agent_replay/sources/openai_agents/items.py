"""What the OpenAI Agents SDK keeps of a conversation: the items of OpenAI's responses API, in lists and in SQLite.

Read are `Session.get_items()` and `RunResult.to_input_list()` as JSON, and the database of `SQLiteSession`
(openai-agents 0.24), also under other names of its tables. Items have all that was said and the results as the model
was told them, but neither instructions nor tools, and times only in the database, by the second.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.openai_items import response_answer
from pytest_agent_replay.llm.openai_responses import response_messages
from pytest_agent_replay.llm.reading import UNREADABLE, content_text
from pytest_agent_replay.sources.session import Notes, SessionProblem
from pytest_agent_replay.sources.transcripts.files import seconds_of
from pytest_agent_replay.sources.transcripts.transcript import Said

__all__ = ["ItemSession", "is_sqlite", "message_tables", "read_items", "sqlite_sessions"]

HOSTED = "calls of the provider's own tools: part of the model's answers, and no recordings"
BUILT_IN = "results of the SDK's built-in tools (computer, shell, patches), which are no recordings"
REFERENCES = "items that stand for earlier ones, which only the provider has"
BRANCHES = "items of other branches of the conversation than `main`"
HANDOFFS = "handoffs between agents: part of the model's answers, and no tools"

_TOLD = ("function_call_output", "custom_tool_call_output")
_CALLED = ("function_call", "custom_tool_call")
_SPOKEN = ("message", "reasoning", *_CALLED)
_ELSEWHERE = ("item_reference", "compaction", "compaction_summary")
_IGNORED_HANDOFF = "Multiple handoffs detected, ignoring this one."
_MAGIC = b"SQLite format 3\x00"


@dataclass(slots=True)
class ItemSession:
    """The items of one conversation."""

    items: list[Any]
    where: str
    source: dict[str, Any]
    """What finds it again: the file, and the session's id or number."""
    id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    """What a file says beside the items."""
    times: list[float | None] = field(default_factory=list)
    """When each item was stored, where the source knows: seconds since the epoch."""
    on_other_branches: int = 0
    """Items that belong to no part of this conversation's main branch."""


# -- items


def read_items(session: ItemSession, notes: Notes) -> list[Said]:
    """The messages that the items are. Raises `SessionProblem` for what is no item."""
    notes.lose(BRANCHES, session.on_other_branches)
    reader = _Reader(notes)
    times = session.times or [None] * len(session.items)
    for number, (item, time) in enumerate(zip(session.items, times, strict=True), 1):
        reader.read(item, number, time)
    return reader.end()


class _Reader:
    """Items that follow each other without anything in between are one answer of the model."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.said: list[Said] = []
        self.answer: list[dict[str, Any]] = []
        self.names: dict[Any, str] = {}

    def read(self, item: Any, number: int, time: float | None) -> None:
        if not isinstance(item, dict):
            raise SessionProblem(f"item {number} is not an object")
        if item.get("__enc__") is not None:
            raise SessionProblem("the items are encrypted (EncryptedSession); export them with `Session.get_items()`")
        kind = item.get("type") or ("message" if "role" in item else None)
        if kind is None:
            raise SessionProblem(f"item {number} has neither a `type` nor a `role`")
        if not isinstance(kind, str):
            raise SessionProblem(f"item {number}: its `type` is not text")
        if kind == "message" and item.get("role") != "assistant":
            self.end()
            self.said += [Said(message, started=time) for message in response_messages({"input": [item]})]
        elif kind in _TOLD:
            self.end()
            self._told(item)
        elif kind in _ELSEWHERE:
            self.notes.lose(REFERENCES)
        elif kind.endswith(("_output", "_response")):
            self.end()
            self.notes.lose(BUILT_IN)
        else:
            self.notes.lose(HOSTED, kind not in _SPOKEN)
            self.answer.append({**item, "type": kind})

    def _told(self, item: dict[str, Any]) -> None:
        [message] = response_messages({"input": [item]})
        is_handoff = _is_handoff(self.names.get(str(item.get("call_id")), ""), message["content"])
        self.notes.guess(HANDOFFS, is_handoff)
        self.said.append(Said(message, is_tool=not is_handoff))

    def end(self) -> list[Said]:
        """Ends the answer that is open, if any; all messages so far."""
        if self.answer:
            self.names.update((str(item.get("call_id")), str(item.get("name"))) for item in self.answer)
            messages = response_messages({"input": self.answer})
            calls = [call for message in messages for call in message.get("tool_calls") or []]
            content = next((message["content"] for message in messages if message.get("content")), None)
            neutral = {"role": "assistant", "content": content} | ({"tool_calls": calls} if calls else {})
            self.said.append(Said(neutral, answer=_answer(self.answer)))
            self.answer = []
        return self.said


def _answer(items: list[dict[str, Any]]) -> LlmResponse | None:
    whole = [
        {**item, "content": [{"type": "output_text", "text": item["content"]}]}
        if item["type"] == "message" and isinstance(item.get("content"), str)
        else item
        for item in items
    ]
    try:
        answer = response_answer({"status": "completed", "output": whole})
    except UNREADABLE as error:
        raise SessionProblem(f"an item of the model has not the documented form: {error!r}") from None
    return answer.model_copy(update={"finish_reason": None}) if answer is not None else None


def _is_handoff(name: str, output: Any) -> bool:
    """The SDK answers a handoff by itself: with the name of the agent that takes over."""
    if not name.startswith("transfer_to_"):
        return False
    text = content_text(output)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return text == _IGNORED_HANDOFF
    return isinstance(told, dict) and list(told) == ["assistant"]


# -- the SDK's database


def is_sqlite(head: bytes) -> bool:
    """Whether a file that begins so is a SQLite database."""
    return head.startswith(_MAGIC)


def message_tables(path: Path) -> list[str]:
    """The tables that hold the items of sessions. Raises `FormatError` when the database cannot be read."""
    try:
        with closing(_opened(path)) as database:
            return _message_tables(database)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None


def sqlite_sessions(path: Path, problems: list[str]) -> Iterator[ItemSession]:
    """The sessions of a database in the order of their first items, one at a time. Raises `FormatError`."""
    try:
        with closing(_opened(path)) as database:
            tables = _message_tables(database)
            if not tables:
                raise FormatError(
                    Problem(str(path), 0, 0, "the database has no table with `session_id` and `message_data`")
                )
            for table in tables:
                yield from _table_sessions(database, table, path, problems)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None


def _opened(path: Path) -> sqlite3.Connection:
    """Read-only; where no other process writes, without the files that SQLite puts beside a database."""
    log = path.with_name(f"{path.name}-wal")
    alone = not log.exists() or log.stat().st_size == 0
    return sqlite3.connect(f"file:{quote(str(path.resolve()))}?{'immutable=1' if alone else 'mode=ro'}", uri=True)


def _unreadable(path: Path, error: sqlite3.Error) -> FormatError:
    return FormatError(Problem(str(path), 0, 0, f"the database cannot be read: {error}"))


def _message_tables(database: sqlite3.Connection) -> list[str]:
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [name for name in names if {"id", "session_id", "message_data"} <= _columns(database, name)]


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in database.execute(f"PRAGMA table_info({_quoted(table)})")}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _table_sessions(database: sqlite3.Connection, table: str, path: Path, problems: list[str]) -> Iterator[ItemSession]:
    time = "created_at" if "created_at" in _columns(database, table) else "NULL"
    main = "1"
    if _columns(database, "message_structure") >= {"message_id", "branch_id"}:  # AdvancedSQLiteSession
        main = "id IN (SELECT message_id FROM message_structure WHERE branch_id = 'main')"
    ids = [row[0] for row in database.execute(f"SELECT session_id FROM {_quoted(table)} GROUP BY 1 ORDER BY min(id)")]
    for session_id in ids:
        rows = database.execute(
            f"SELECT id, message_data, {time} FROM {_quoted(table)} WHERE session_id = ? AND {main} ORDER BY id",
            (session_id,),
        ).fetchall()
        [others] = database.execute(
            f"SELECT count(*) FROM {_quoted(table)} WHERE session_id = ? AND NOT {main}", (session_id,)
        ).fetchone()
        where = f"{path}: session {session_id}"
        items, times = [], []
        for number, text, stored in rows:
            try:
                items.append(json.loads(text))
            except (TypeError, ValueError, RecursionError):
                problems.append(f"{where}: row {number} of {table} is no JSON")
                continue
            times.append(seconds_of(stored))
        source = {"file": path.name, "session_id": str(session_id)}
        yield ItemSession(items, where, source, str(session_id), times=times, on_other_branches=others)
