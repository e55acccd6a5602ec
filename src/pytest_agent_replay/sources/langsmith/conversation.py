"""The traces of one conversation with what is known about it: labels, tags, metadata, where it is found again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.langsmith.runs import run_trace
from pytest_agent_replay.sources.langsmith.shapes import Listed
from pytest_agent_replay.sources.spans import RunSession, RunTrace

__all__ = ["Conversation", "build", "source_block"]

PENDING = "traces that had not ended when they were imported: import again later"
NO_ROOT = "traces without their root run"
OLDER = "feedback of a kind that a run has more than once: the newest counts"
_OURS = re.compile(
    r"(LANGSMITH|LANGCHAIN|LANGGRAPH)_.*|(ls|lc|langgraph|checkpoint|__pregel)_.*|__.*|revision_id|usage_metadata"
    r"|thread_id|session_id|conversation_id|graph_id|assistant_id|run_attempt|run_id|created_by"
)
"""Metadata that tracers add by themselves."""
_STEP_TAG = re.compile(r"(seq:step|graph:step|map:key|condition|branch|langsmith|langgraph):.*")
_SHOWN = 300


@dataclass(slots=True)
class Conversation:
    """Some traces, oldest first, that are imported as one session."""

    thread_id: str | None
    traces: list[Listed]
    project: str | None = None
    url: str | None = None
    is_part: bool = False
    """The thread has other traces."""
    where: str = ""
    tags: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The thread's, or the only trace's."""
        return self.thread_id if self.thread_id is not None and not self.is_part else self.traces[0].id


def source_block(conversation: Conversation) -> dict[str, Any]:
    """What finds the session again. A thread that has grown since, and a trace that has ended since, are others."""
    block: dict[str, Any] = {"type": "langsmith"}
    if conversation.project is not None:
        block["project"] = conversation.project
    if conversation.thread_id is not None:
        block["thread_id"] = conversation.thread_id
    ids = [trace.id for trace in conversation.traces]
    block.update({"run_id": ids[0]} if len(ids) == 1 else {"run_ids": ids})
    if any(trace.is_pending for trace in conversation.traces):
        block["incomplete"] = True
    if conversation.url is not None:
        block["url"] = conversation.url
    return block


def build(
    conversation: Conversation,
    runs: Mapping[str, list[dict[str, Any]]],
    feedback: Sequence[Mapping[str, Any]] | None,
) -> RunSession:
    """The session. `runs` by trace id; `feedback` oldest first, None where only the runs' `feedback_stats` tell."""
    session = RunSession(
        id=conversation.id,
        traces=[],
        source=source_block(conversation),
        is_part=conversation.is_part,
        where=conversation.where or conversation.id,
    )
    labels = _Labels(session, feedback)
    for listed in conversation.traces:
        of_trace = runs.get(listed.id, [])
        root = _root(of_trace)
        trace = run_trace(listed.id, of_trace, session.notes)
        session.notes.lose(NO_ROOT, root is None and bool(of_trace))
        session.notes.lose(PENDING, any(_is_pending(run) for run in [root or {}]))
        _describe(session, root or {})
        labels.add(trace, of_trace, root)
        session.traces.append(trace)
    return session


def _root(runs: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    return next((run for run in runs if not run.get("parent_run_id")), None)


def _is_pending(run: Mapping[str, Any]) -> bool:
    return run.get("status") == "pending" or (bool(run) and run.get("end_time") is None and not run.get("error"))


def _describe(session: RunSession, root: Mapping[str, Any]) -> None:
    """Tags and metadata that users gave; what the last trace says counts."""
    tags = root["tags"] if isinstance(root.get("tags"), list) else []
    own = [tag for tag in tags if isinstance(tag, str) and not _STEP_TAG.fullmatch(tag)]
    session.tags = list(dict.fromkeys([*session.tags, *own]))
    extra = mapping(root.get("extra"))
    metadata = mapping(extra.get("metadata"))
    session.metadata.update({key: value for key, value in metadata.items() if not _OURS.fullmatch(key)})


class _Labels:
    """Feedback as scores of its trace, remarks, and what was wrong."""

    def __init__(self, session: RunSession, feedback: Sequence[Mapping[str, Any]] | None) -> None:
        self.session = session
        self.by_run: dict[str, list[Mapping[str, Any]]] | None = None
        if feedback is not None:
            self.by_run = {}
            for item in feedback:
                self.by_run.setdefault(str(item.get("run_id")), []).append(item)

    def add(self, trace: RunTrace, runs: Sequence[Mapping[str, Any]], root: Mapping[str, Any] | None) -> None:
        """What was said about the runs of a trace; that of its root goes by its own key."""
        for run in sorted(runs, key=lambda run: run is not root):
            said = _from_stats(run) if self.by_run is None else self.by_run.get(str(run.get("id")), [])
            scores: dict[str, Any] = {}
            for item in said:
                key = str(item.get("key") or "feedback")
                key = key if run is root else f"{run.get('name') or run.get('run_type')}: {key}"
                value = item.get("score") if item.get("score") is not None else item.get("value")
                if value is not None:
                    self.session.notes.lose(OLDER, key in scores)
                    scores[key] = value
                self._comment(item)
            trace.scores.update(scores)

    def _comment(self, item: Mapping[str, Any]) -> None:
        corrected = item.get("correction")
        texts = [item.get("comment"), f"it should have been: {corrected}" if corrected else None]
        text = "; ".join(text.strip() for text in texts if isinstance(text, str) and text.strip())
        if not text:
            return
        if _is_bad(item) and self.session.expected_failure is None:
            self.session.expected_failure = text[:_SHOWN]
            if len(text) <= _SHOWN:
                return
        remark = f"{item.get('key') or 'feedback'}: {text}"
        if remark not in self.session.remarks:
            self.session.remarks.append(remark)


def _is_bad(item: Mapping[str, Any]) -> bool:
    """Whether a label says that something was wrong: no score of more than 0, or a correction."""
    score = item.get("score")
    return bool(item.get("correction")) or (isinstance(score, (bool, int, float)) and score <= 0)


def _from_stats(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same of the summary that a run has: an average where there is more than one."""
    stats = mapping(run.get("feedback_stats"))
    items = []
    for key, stat in sorted(stats.items()):
        if not isinstance(stat, dict) or not stat.get("n"):
            continue
        values = mapping(stat.get("values"))
        value = next(iter(values)) if len(values) == 1 else (values or None)
        comments = stat["comments"] if isinstance(stat.get("comments"), list) else []
        comment = "; ".join(text for text in comments if isinstance(text, str))
        items.append({"key": key, "score": stat.get("avg"), "value": value, "comment": comment})
    return items
