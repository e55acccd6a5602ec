"""Exported runs in JSON or JSON Lines: trees with `child_runs`, or flat lists, alone or below any key.

What is read: what `langsmith`'s `Run` dumps, answers of both generations of the API, and a mapping of them by thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.sources.grouping import Head, Shelf, by_session
from pytest_agent_replay.sources.json_files import read_values
from pytest_agent_replay.sources.langsmith.conversation import Conversation, build
from pytest_agent_replay.sources.langsmith.runs import moment
from pytest_agent_replay.sources.langsmith.shapes import Listed, first_shape, thread_of
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import RunSession

__all__ = ["is_run", "read_exports", "runs_in"]

_DEEPEST = 4


def is_run(value: Any) -> bool:
    """Whether this is a run of LangSmith, of whatever kind."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("run_type"), str)
        and "id" in value
        and bool(value.keys() & {"trace_id", "dotted_order", "session_id", "project_id"})
    )


def runs_in(value: Any, depth: int = _DEEPEST) -> Iterator[dict[str, Any]]:
    """The runs, each without its children, which follow it."""
    if is_run(value):
        yield from _flat(value)
    elif depth and isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from runs_in(item, depth - 1)


def _flat(run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A tree of any depth, without recursion."""
    waiting: list[tuple[dict[str, Any], dict[str, Any] | None]] = [(run, None)]
    while waiting:
        item, parent = waiting.pop()
        own = first_shape({key: value for key, value in item.items() if key != "child_runs"})
        if parent is not None:
            own["parent_run_id"] = own.get("parent_run_id") or parent.get("id")
            own["trace_id"] = own.get("trace_id") or parent["trace_id"]
        own["trace_id"] = str(
            own.get("trace_id") or str(own.get("dotted_order") or "").partition(".")[0][-36:] or own["id"]
        )
        yield own
        children = item["child_runs"] if isinstance(item.get("child_runs"), list) else []
        waiting.extend((child, own) for child in children if isinstance(child, dict) and "id" in child)


def read_exports(paths: list[Path], as_traces: bool, importing: Importing) -> Iterator[RunSession]:
    """The sessions of the files together, by when they began. Raises `FormatError` for a file that has no run.

    Runs are kept on disk while they are put in order.
    """
    with Shelf() as shelf:
        heads: dict[str, Listed] = {}
        for path in paths:
            if not _shelve(path, shelf, heads, importing):
                raise FormatError(Problem(str(path), 0, 0, "there is no run of LangSmith in it"))
        conversations = _conversations(heads, as_traces)
        importing.total = len(conversations)
        where = ", ".join(path.name for path in paths)
        for conversation in conversations:
            conversation.where = f"{where}: {conversation.id}"
            runs = {trace.id: list(shelf.values(trace.id)) for trace in conversation.traces}
            yield build(conversation, runs, None)


def _shelve(path: Path, shelf: Shelf, heads: dict[str, Listed], importing: Importing) -> bool:
    found = False
    for _, value in read_values(path, importing.problems):
        for run in runs_in(value):
            found = True
            trace_id = run["trace_id"]
            shelf.put(trace_id, run)
            known = heads.get(trace_id)
            is_root = not run.get("parent_run_id")
            if known is None or is_root or known.thread_id is None:
                heads[trace_id] = _head(run, known, is_root)
    return found


def _head(run: Mapping[str, Any], known: Listed | None, is_root: bool) -> Listed:
    """What the root says counts; without it, what any run of the trace says."""
    thread = thread_of(run)
    if known is not None and (thread is None or not is_root):
        thread = known.thread_id or thread
    started = str(run.get("start_time") or "") if is_root or known is None else known.started
    pending = is_root and (run.get("status") == "pending")
    return Listed(run["trace_id"], thread, started, pending or (known is not None and known.is_pending))


def _conversations(heads: Mapping[str, Listed], as_traces: bool) -> list[Conversation]:
    groups = by_session(
        Head(head.id, None if as_traces else head.thread_id, moment(head.started)) for head in heads.values()
    )
    conversations = []
    for _, group in groups:
        traces = [heads[head.trace] for head in group]
        is_part = as_traces and traces[0].thread_id is not None
        conversations.append(Conversation(traces[0].thread_id, traces, is_part=is_part))
    return conversations
