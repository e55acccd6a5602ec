"""From a server to sessions: which conversations are wanted, and their traces, some ahead of the reader."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.fetching import ApiError, environment, in_order
from pytest_agent_replay.sources.langsmith.conversation import Conversation, build, source_block
from pytest_agent_replay.sources.langsmith.generations import Generation
from pytest_agent_replay.sources.langsmith.selection import query_of
from pytest_agent_replay.sources.langsmith.server import Server
from pytest_agent_replay.sources.langsmith.shapes import Listed, Project, Query, thread_of
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import RunSession

__all__ = ["Remote"]

DEFAULT_LIMIT = 100
_AT_ONCE = 10
"""So many traces are fetched and held together."""
_WORKERS = 4
_ADDRESS = re.compile(r"/projects/p/(?P<project>[0-9a-fA-F-]{36})(?:/r/(?P<run>[0-9a-fA-F-]{36}))?")
_PEEK = re.compile(r"[?&]peek=(?P<run>[0-9a-fA-F-]{36})")
_ID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class Remote:
    """One import from a server."""

    def __init__(self, server: Server, given: Namespace, importing: Importing) -> None:
        self.server = server
        self.given = given
        self.importing = importing
        self.runs: Generation = server.generation()

    def sessions(self) -> Iterator[RunSession]:
        """The wanted sessions that are not there yet, in the order in which they were asked for or, of a project,
        the newest first."""
        missing = [each for each in self._wanted() if not self.importing.has(source_block(each[1]))]
        self.importing.total = len(missing)
        for fetched in in_order(self._fetched, _in_batches(missing), workers=_WORKERS):
            for session in fetched:
                if isinstance(session, RunSession):
                    yield session
                else:
                    self.importing.problem(session)

    # -- which

    def _wanted(self) -> Iterator[tuple[Project, Conversation]]:
        given = self.given
        seen: set[str] = set()
        for project, traces in self._asked():
            for conversation in self._conversations(project, traces):
                if conversation.traces[0].id not in seen:
                    seen.add(conversation.traces[0].id)
                    yield project, conversation
        if given.project is not None and not (given.what or given.thread):
            project = self.server.project(given.project)
            yield from ((project, conversation) for conversation in self._of_project(project))

    def _asked(self) -> Iterator[tuple[Project, list[Listed]]]:
        """The traces of what was named on the command line."""
        for run_id in self.given.what:
            try:
                yield self._of_run(run_id)
            except ApiError as error:
                if error.status not in (404, 422):
                    raise
                self.importing.problem(f"{run_id}: LangSmith has no such run that this key may read: {error}")
        if self.given.thread:
            project = self._project()
            if project is None:
                raise ReplayError(
                    "a thread is found in its project alone; give --project NAME, or set LANGSMITH_PROJECT"
                )
            for thread_id in self.given.thread:
                traces = _by_time(self.runs.threads(project, [thread_id]))
                if traces:
                    yield project, traces
                else:
                    self.importing.problem(f"{thread_id}: the project `{project.name}` has no such thread")

    def _of_run(self, given: str) -> tuple[Project, list[Listed]]:
        """The trace that a run is in, and the others of its thread."""
        run_id, project = self._named(given)
        runs = self.runs
        if project is None and self.given.project is None:
            runs = self.server.generation_for_runs()
        run = runs.run(run_id, project or self._project())
        project = self.server.project_of(str(run["session_id"]))
        root = run
        trace_id = str(run.get("trace_id") or run_id)
        if run.get("parent_run_id"):
            root = runs.run(trace_id, project)
        thread_id = thread_of(root) or thread_of(run)
        pending = root.get("status") == "pending"
        return project, [Listed(trace_id, thread_id, str(root.get("start_time") or ""), pending)]

    def _named(self, given: str) -> tuple[str, Project | None]:
        """A run by its id, or by its address in the browser, which names the project, too."""
        address = _ADDRESS.search(given)
        if address is None:
            if not _ID.fullmatch(given):
                raise ReplayError(
                    f"{given}: this is no id of a run, no address of one, and no file; a thread is --thread ID"
                )
            return given, None
        run_id = address["run"] or (peek["run"] if (peek := _PEEK.search(given)) else None)
        if run_id is None:
            raise ReplayError(f"{given}: this address names no run; open the run, and copy its address")
        return run_id, self.server.project_of(address["project"])

    def _project(self) -> Project | None:
        name = self.given.project or environment("LANGSMITH_PROJECT", "LANGCHAIN_PROJECT")
        return self.server.project(name) if name else None

    def _of_project(self, project: Project) -> Iterator[Conversation]:
        """The conversations of which the query finds a trace, the newest first."""
        query = query_of(self.given)
        limit = None if self.given.select_all else (self.given.limit or DEFAULT_LIMIT)
        found, has_more = _newest(self.runs.traces(project, query), limit, self.given.as_ == "trace")
        if has_more:
            advice = "--limit N or --select-all imports more" if self.given.limit is None else "raise --limit for more"
            self.importing.note(f"the newest {limit} of `{project.name}` were taken, and there are more; {advice}")
        if not found:
            self.importing.note(f"nothing in `{project.name}` is what was asked for")
        is_whole = limit is None and query == Query()
        yield from self._conversations(project, found, is_whole)

    def _conversations(self, project: Project, traces: list[Listed], is_whole: bool = False) -> Iterator[Conversation]:
        """The traces by conversation, in the order in which these come, each with the other traces of its thread."""
        if self.given.as_ == "trace":
            for trace in traces:
                yield self._conversation(project, trace.thread_id, [trace])
            return
        threads = list(dict.fromkeys(trace.thread_id for trace in traces if trace.thread_id is not None))
        by_thread: dict[str, dict[str, Listed]] = {thread_id: {} for thread_id in threads}
        others = iter(()) if is_whole else self.runs.threads(project, threads)
        for trace in [*others, *traces]:
            if trace.thread_id in by_thread:
                by_thread[trace.thread_id][trace.id] = trace
        for trace in traces:
            if trace.thread_id is None:
                yield self._conversation(project, None, [trace])
            elif trace.thread_id in by_thread:
                whole = _by_time(by_thread.pop(trace.thread_id).values())
                yield self._conversation(project, trace.thread_id, whole)

    def _conversation(self, project: Project, thread_id: str | None, traces: list[Listed]) -> Conversation:
        return Conversation(
            thread_id,
            traces,
            project=project.name,
            url=self.server.url(project, traces[0].id),
            is_part=self.given.as_ == "trace" and thread_id is not None,
        )

    # -- what is in them

    def _fetched(self, some: list[tuple[Project, Conversation]]) -> list[RunSession | str]:
        """The sessions of some conversations of one project; a text for one that cannot be imported."""
        traces = [trace for _, conversation in some for trace in conversation.traces]
        runs = self.runs.trees(some[0][0].id, traces)
        labelled = [str(run["id"]) for tree in runs.values() for run in tree if run.get("feedback_stats")]
        feedback = self.server.feedback(labelled) if labelled and self.server.tells_feedback else []
        made: list[RunSession | str] = []
        for _, conversation in some:
            own = {trace.id: runs.get(trace.id, []) for trace in conversation.traces}
            empty = [trace_id for trace_id, tree in own.items() if not tree]
            if empty:
                made.append(f"{conversation.id}: LangSmith has no run of the trace {', '.join(empty)} any more")
                continue
            for tree in own.values():
                self._bring_back(tree)
            made.append(build(conversation, own, feedback if self.server.tells_feedback else None))
        return made

    def _bring_back(self, runs: list[dict[str, Any]]) -> None:
        """Fetches inputs and outputs that LangSmith keeps apart because they are large."""
        for run in runs:
            for name in ("inputs", "outputs"):
                stored = run.get(f"{name}_s3_urls")
                if run.get(name) or not isinstance(stored, dict) or not stored:
                    continue
                url = mapping(stored.get("ROOT")).get("presigned_url")
                try:
                    run[name] = self.server.download(url) if isinstance(url, str) else None
                except (ApiError, ValueError) as error:
                    self.importing.note(f"{name} that LangSmith keeps apart could not be fetched: {error}")
                if not isinstance(run.get(name), dict):
                    run.setdefault("offloaded", []).append(name)


def _newest(traces: Iterable[Listed], limit: int | None, as_traces: bool) -> tuple[list[Listed], bool]:
    """The traces of the first `limit` conversations, and whether there are others."""
    kept: list[Listed] = []
    keys: set[str] = set()
    for trace in traces:
        key = trace.id if as_traces or trace.thread_id is None else f"thread {trace.thread_id}"
        if key not in keys and limit is not None and len(keys) == limit:
            return kept, True
        keys.add(key)
        kept.append(trace)
    return kept, False


def _by_time(traces: Iterable[Listed]) -> list[Listed]:
    return sorted(traces, key=lambda trace: (trace.started, trace.id))


def _in_batches(
    conversations: Iterable[tuple[Project, Conversation]],
) -> Iterator[list[tuple[Project, Conversation]]]:
    """Conversations of one project with together about ten traces."""
    batch: list[tuple[Project, Conversation]] = []
    traces = 0
    for each in conversations:
        if batch and (traces + len(each[1].traces) > _AT_ONCE or batch[0][0].id != each[0].id):
            yield batch
            batch, traces = [], 0
        batch.append(each)
        traces += len(each[1].traces)
    if batch:
        yield batch
