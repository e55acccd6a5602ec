"""The two generations of the endpoints that find and read runs, as one.

Limits: https://docs.langchain.com/langsmith/administration-overview#rate-limits
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, TypeVar

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import dicts
from pytest_agent_replay.sources.fetching import Api, ApiError, quoted
from pytest_agent_replay.sources.langsmith.shapes import (
    BEGINNING,
    Listed,
    Project,
    Query,
    expected,
    first_shape,
    listed,
    text,
)

__all__ = ["NOT_THERE", "FirstGeneration", "Generation", "SecondGeneration", "batches"]

NOT_THERE = (404, 405, 410)
"""An endpoint that the server does not have, or a thing."""
_NOT_UNDERSTOOD = (400, 422)
_AT_ONCE = 20
"""So many ids are asked for in one query."""

_T = TypeVar("_T")


def batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class Generation(ABC):
    """One generation of the endpoints that find and read runs."""

    other: ClassVar[str]
    """The option for the other one."""

    def __init__(self, api: Api, base: str) -> None:
        self.api = api
        self.base = base

    def _page(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return expected(self.api.post(f"{self.base}/runs/query", asked), "a page of runs")
        except ApiError as error:
            if error.status not in NOT_THERE:
                raise
            raise ApiError(f"{error}; try the other endpoints: --api {self.other}", error.status) from None

    @abstractmethod
    def run(self, run_id: str, project: Project | None) -> dict[str, Any]:
        """One run without its children. Raises `ApiError`."""

    @abstractmethod
    def traces(self, project: Project, query: Query) -> Iterator[Listed]:
        """What the query finds, newest first."""

    @abstractmethod
    def threads(self, project: Project, thread_ids: Sequence[str]) -> Iterator[Listed]:
        """All traces of these threads, in any order."""

    @abstractmethod
    def trees(self, project_id: str, traces: Sequence[Listed]) -> dict[str, list[dict[str, Any]]]:
        """By trace id its runs at every depth."""


class FirstGeneration(Generation):
    """`/runs`. A hundred runs a page, and 15 queries in 10 seconds: one query is for several traces."""

    other = "v2"
    _LISTED = ("id", "trace_id", "thread_id", "start_time", "status", "extra")
    _READ = (
        *("id", "name", "run_type", "status", "start_time", "end_time", "inputs", "outputs", "error", "extra", "tags"),
        *("trace_id", "parent_run_id", "parent_run_ids", "dotted_order", "session_id", "thread_id", "feedback_stats"),
        *("prompt_tokens", "completion_tokens", "total_tokens", "total_cost"),
        *("inputs_s3_urls", "outputs_s3_urls", "s3_urls"),
    )

    def __init__(self, api: Api, base: str) -> None:
        super().__init__(api, base)
        self._takes_lists = True

    def run(self, run_id: str, project: Project | None) -> dict[str, Any]:
        return first_shape(expected(self.api.get(f"{self.base}/runs/{quoted(run_id)}"), "a run"))

    def traces(self, project: Project, query: Query) -> Iterator[Listed]:
        body = {
            "session": [project.id],
            "is_root": True,
            "start_time": query.since,
            "error": query.has_error,
            "filter": query.filter,
            "tree_filter": query.tree_filter,
            "order": "desc",
        }
        return map(listed, self._query(body, self._LISTED))

    def threads(self, project: Project, thread_ids: Sequence[str]) -> Iterator[Listed]:
        body = {"session": [project.id], "is_root": True, "start_time": BEGINNING}
        return map(listed, self._each("thread_id", thread_ids, body, self._LISTED))

    def trees(self, project_id: str, traces: Sequence[Listed]) -> dict[str, list[dict[str, Any]]]:
        trees: dict[str, list[dict[str, Any]]] = {trace.id: [] for trace in traces}
        body = {"session": [project_id], "start_time": BEGINNING}
        for run in self._each("trace_id", list(trees), body, self._READ):
            trees.setdefault(str(run.get("trace_id")), []).append(first_shape(run))
        return trees

    def _each(
        self, name: str, ids: Sequence[str], body: Mapping[str, Any], select: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """The runs for which `name` is one of `ids`: together if the server takes a list, else one after the other."""
        for some in batches(ids, _AT_ONCE):
            if len(some) > 1 and self._takes_lists:
                expression = f"in({name}, [{', '.join(map(text, some))}])"
                try:
                    yield from self._query({**body, "filter": expression}, select)
                    continue
                except ApiError as error:
                    if error.status not in _NOT_UNDERSTOOD:
                        raise
                    self._takes_lists = False
            for one in some:
                yield from self._query({**body, "filter": f"eq({name}, {text(one)})"}, select)

    def _query(self, body: Mapping[str, Any], select: Sequence[str]) -> Iterator[dict[str, Any]]:
        asked = {key: value for key, value in body.items() if value is not None}
        asked.update(select=list(select), limit=100)
        while True:
            page = self._page(asked)
            yield from dicts(page.get("runs"))
            cursor = (page.get("cursors") or {}).get("next")
            if not cursor or cursor == asked.get("cursor"):
                return
            asked["cursor"] = cursor


class SecondGeneration(Generation):
    """`/api/v2`. A thousand runs a page; a trace or a thread is one question of its own."""

    other = "v1"
    _LISTED = ("ID", "TRACE_ID", "THREAD_ID", "START_TIME", "STATUS", "METADATA")
    _OF_THREAD = ("TRACE_ID", "THREAD_ID", "START_TIME", "END_TIME")
    _READ = (
        *("ID", "NAME", "RUN_TYPE", "STATUS", "START_TIME", "END_TIME", "INPUTS", "OUTPUTS", "ERROR", "EXTRA", "TAGS"),
        *("TRACE_ID", "PARENT_RUN_IDS", "DOTTED_ORDER", "PROJECT_ID", "THREAD_ID", "FEEDBACK_STATS", "ATTACHMENTS"),
        *("PROMPT_TOKENS", "COMPLETION_TOKENS", "TOTAL_TOKENS", "TOTAL_COST", "METADATA"),
    )

    def run(self, run_id: str, project: Project | None) -> dict[str, Any]:
        if project is None:
            raise ReplayError(
                f"this LangSmith finds the run {run_id} only in its project; give --project NAME, "
                "or the run's address in the browser instead of its id"
            )
        params = {"project_id": project.id, "selects": self._READ}
        return first_shape(expected(self.api.get(f"{self.base}/runs/{quoted(run_id)}", params), "a run"))

    def traces(self, project: Project, query: Query) -> Iterator[Listed]:
        body = {
            "project_ids": [project.id],
            "is_root": True,
            "min_start_time": query.since,
            "has_error": query.has_error,
            "filter": query.filter,
            "tree_filter": query.tree_filter,
            "selects": self._LISTED,
            "page_size": 1000,
        }
        asked = {key: value for key, value in body.items() if value is not None}
        while True:
            page = self._page(asked)
            yield from map(listed, dicts(page.get("items")))
            cursor = page.get("next_cursor")
            if not cursor or cursor == asked.get("cursor"):
                return
            asked["cursor"] = cursor

    def threads(self, project: Project, thread_ids: Sequence[str]) -> Iterator[Listed]:
        for thread_id in thread_ids:
            asked: dict[str, Any] = {"project_id": project.id, "selects": self._OF_THREAD, "page_size": 100}
            while True:
                page = expected(self.api.get(f"{self.base}/threads/{quoted(thread_id)}/traces", asked), "a thread")
                for item in dicts(page.get("items")):
                    yield listed({**item, "thread_id": thread_id, "is_pending": item.get("end_time", "") is None})
                cursor = page.get("next_cursor")
                if not cursor or cursor == asked.get("cursor"):
                    break
                asked["cursor"] = cursor

    def trees(self, project_id: str, traces: Sequence[Listed]) -> dict[str, list[dict[str, Any]]]:
        params = {"project_id": project_id, "selects": self._READ}
        trees = {}
        for trace in traces:
            try:
                answer = expected(self.api.get(f"{self.base}/traces/{quoted(trace.id)}/runs", params), "a trace")
            except ApiError as error:
                if error.status != 404:
                    raise
                answer = {}  # deleted since it was listed
            trees[trace.id] = [first_shape(run) for run in dicts(answer.get("items"))]
        return trees
