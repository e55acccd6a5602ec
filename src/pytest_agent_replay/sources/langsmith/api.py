"""LangSmith's two generations of endpoints as one: projects, listings of traces, whole traces, feedback.

Runs come out in the shape of the first generation. Every query says from when on: the second generation otherwise
means the last day. Limits: https://docs.langchain.com/langsmith/administration-overview#rate-limits.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.fetching import Api, ApiError, RateLimit, environment, quoted

__all__ = ["Generation", "Listed", "Project", "Query", "Server", "batches", "first_shape", "text"]

BEGINNING = "2000-01-01T00:00:00Z"
HOSTED = "https://api.smith.langchain.com"
KEY_HINT = (
    "set LANGSMITH_API_KEY (or LANGCHAIN_API_KEY), and LANGSMITH_WORKSPACE_ID where the key is for several workspaces"
)
ENDPOINT_HINT = "set --endpoint or LANGSMITH_ENDPOINT (or LANGCHAIN_ENDPOINT)"
_NOT_THERE = (404, 405, 410)
_NOT_UNDERSTOOD = (400, 422)
_AT_ONCE = 20
"""So many ids are asked for in one query."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Project:
    """A tracing project."""

    id: str
    name: str
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A trace as a listing has it: enough to find and name it."""

    id: str
    thread_id: str | None
    started: str
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Which traces of a project, by their root runs. `filter` and `tree_filter` are of LangSmith's filter language."""

    since: str = BEGINNING
    has_error: bool | None = None
    filter: str | None = None
    tree_filter: str | None = None


def text(value: object) -> str:
    """A text in LangSmith's filter language."""
    return json.dumps(value)


def batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class Generation(ABC):
    """One generation of the endpoints that find and read runs."""

    def __init__(self, api: Api, base: str) -> None:
        self.api = api
        self.base = base

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
        return first_shape(_mapping(self.api.get(f"{self.base}/runs/{quoted(run_id)}"), "a run"))

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
        return map(_listed, self._query(body, self._LISTED))

    def threads(self, project: Project, thread_ids: Sequence[str]) -> Iterator[Listed]:
        body = {"session": [project.id], "is_root": True, "start_time": BEGINNING}
        return map(_listed, self._each("thread_id", thread_ids, body, self._LISTED))

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
                listed = f"in({name}, [{', '.join(map(text, some))}])"
                try:
                    yield from self._query({**body, "filter": listed}, select)
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
            page = _mapping(self.api.post(f"{self.base}/runs/query", asked), "a page of runs")
            yield from _mappings(page.get("runs"))
            cursor = (page.get("cursors") or {}).get("next")
            if not cursor or cursor == asked.get("cursor"):
                return
            asked["cursor"] = cursor


class SecondGeneration(Generation):
    """`/api/v2`. A thousand runs a page; a trace or a thread is one question of its own."""

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
        return first_shape(_mapping(self.api.get(f"{self.base}/runs/{quoted(run_id)}", params), "a run"))

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
            page = _mapping(self.api.post(f"{self.base}/runs/query", asked), "a page of runs")
            yield from map(_listed, _mappings(page.get("items")))
            cursor = page.get("next_cursor")
            if not cursor or cursor == asked.get("cursor"):
                return
            asked["cursor"] = cursor

    def threads(self, project: Project, thread_ids: Sequence[str]) -> Iterator[Listed]:
        for thread_id in thread_ids:
            asked: dict[str, Any] = {"project_id": project.id, "selects": self._OF_THREAD, "page_size": 100}
            while True:
                page = _mapping(self.api.get(f"{self.base}/threads/{quoted(thread_id)}/traces", asked), "a thread")
                for item in _mappings(page.get("items")):
                    yield _listed({**item, "thread_id": thread_id, "is_pending": item.get("end_time", "") is None})
                cursor = page.get("next_cursor")
                if not cursor or cursor == asked.get("cursor"):
                    break
                asked["cursor"] = cursor

    def trees(self, project_id: str, traces: Sequence[Listed]) -> dict[str, list[dict[str, Any]]]:
        params = {"project_id": project_id, "selects": self._READ}
        trees = {}
        for trace in traces:
            try:
                answer = _mapping(self.api.get(f"{self.base}/traces/{quoted(trace.id)}/runs", params), "a trace")
            except ApiError as error:
                if error.status != 404:
                    raise
                answer = {}  # deleted since it was listed
            trees[trace.id] = [first_shape(run) for run in _mappings(answer.get("items"))]
        return trees


class Server:
    """A LangSmith server: what is the same in both generations, and which of them is asked."""

    def __init__(self, endpoint: str | None, generation: str, **api: Any) -> None:
        """`generation`: `v1`, `v2`, or `auto`. `api` goes to `Api`. Raises `ApiError` for an address that is none."""
        address = (endpoint or environment("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT") or HOSTED).rstrip("/")
        root = re.sub(r"/api(/v1)?$", "", address)
        self._base = address[len(root) :]
        path = urlsplit(root).path
        first = re.escape(f"{path}{self._base}")
        key = environment("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")
        workspace = environment("LANGSMITH_WORKSPACE_ID", "LANGCHAIN_WORKSPACE_ID")
        self.api = Api(
            root,
            name="LangSmith",
            headers={"x-api-key": key, "X-Tenant-Id": workspace},
            key_hint=KEY_HINT,
            endpoint_hint=ENDPOINT_HINT,
            limits=[
                RateLimit(f"{first}/runs/query", 15, 10.0, "POST"),
                RateLimit(f"{first}/runs/[^/]+", 30, 60.0, "GET"),
                RateLimit(f"{first}/feedback", 2000, 10.0),
                RateLimit(f"{re.escape(path)}/api/v2/.*", 1000, 10.0),
            ],
            **api,
        )
        self._asked_for = generation
        self._web = _web_address(root)
        self._by_id: dict[str, Project] = {}
        self.tells_feedback = True

    def generation(self) -> Generation:
        """The one that the user wants, or that the server says it can answer, as LangSmith's own client tells it.

        Both: the first for a server that has only that or does not say; the second where it is there.
        """
        first = FirstGeneration(self.api, self._base)
        second = SecondGeneration(self.api, "/api/v2")
        if self._asked_for != "auto":
            return first if self._asked_for == "v1" else second
        return second if self._flags().get("sdb_query_enabled") else first

    def answers_first(self) -> bool:
        """Whether the first generation may be asked, too: only that finds a run without its project."""
        return self._asked_for == "v1" or (
            self._asked_for == "auto" and bool(self._flags().get("ch_query_enabled", True))
        )

    def first(self) -> Generation:
        """The first generation."""
        return FirstGeneration(self.api, self._base)

    def _flags(self) -> Mapping[str, Any]:
        try:
            info = self.api.get(f"{self._base}/info")
        except ApiError as error:
            if error.status not in _NOT_THERE:
                raise
            return {}
        flags = info.get("instance_flags") if isinstance(info, dict) else None
        return flags if isinstance(flags, dict) else {}

    def project(self, name_or_id: str) -> Project:
        """A project by its name, or by its id. Raises `ReplayError` when there is none."""
        found = _mappings(
            self.api.get(f"{self._base}/sessions", {"name": name_or_id, "limit": 1, "include_stats": False})
        )
        project = next((_project(item) for item in found), None)
        if project is None and re.fullmatch(r"[0-9a-fA-F-]{36}", name_or_id):
            project = self.project_of(name_or_id)
        if project is None:
            raise ReplayError(f"LangSmith has no project `{name_or_id}` that this key may read; {KEY_HINT}")
        return project

    def project_of(self, project_id: str) -> Project:
        """A project by the id that runs have of it."""
        if project_id not in self._by_id:
            params = {"include_stats": False}
            answer = self.api.get(f"{self._base}/sessions/{quoted(project_id)}", params)
            self._by_id[project_id] = _project(_mapping(answer, "a project"))
        return self._by_id[project_id]

    def feedback(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What people and evaluators said about these runs, oldest first. None on a server without this endpoint."""
        found: list[dict[str, Any]] = []
        for some in batches(run_ids, _AT_ONCE):
            offset = 0
            while self.tells_feedback:
                params = {"run": some, "limit": 100, "offset": offset}
                try:
                    page = _mappings(self.api.get(f"{self._base}/feedback", params))
                except ApiError as error:
                    if error.status not in _NOT_THERE:
                        raise
                    self.tells_feedback = False
                    break
                found += page
                offset += len(page)
                if len(page) < 100:
                    break
        return sorted(found, key=lambda item: (str(item.get("created_at")), str(item.get("id"))))

    def download(self, url: str) -> Any:
        """JSON that LangSmith keeps elsewhere, under a signed address. Raises `ApiError` and `ValueError`."""
        return json.loads(self.api.download(urljoin(f"{self.api.base_url}{self._base}/", url)))

    def url(self, project: Project, run_id: str) -> str | None:
        """Where a run is seen in the browser."""
        if project.workspace is None:
            return None
        return f"{self._web}/o/{project.workspace}/projects/p/{project.id}/r/{run_id}"


def first_shape(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run of either generation in the shape of the first."""
    shaped = dict(run)
    for name in ("run_type", "status"):
        if isinstance(shaped.get(name), str):
            shaped[name] = shaped[name].lower()
    ancestors = shaped.get("parent_run_ids")
    if shaped.get("parent_run_id") is None and isinstance(ancestors, list) and ancestors:
        shaped["parent_run_id"] = ancestors[-1]
    if shaped.get("session_id") is None:
        shaped["session_id"] = shaped.get("project_id")
    extra = shaped["extra"] if isinstance(shaped.get("extra"), dict) else {}
    if "metadata" not in extra and isinstance(shaped.get("metadata"), dict):
        shaped["extra"] = {**extra, "metadata": shaped["metadata"]}
    return shaped


def thread_of(run: Mapping[str, Any]) -> str | None:
    """The conversation that a run says it belongs to, by the keys that LangSmith knows."""
    metadata = (run.get("extra") or {}).get("metadata") if isinstance(run.get("extra"), dict) else None
    metadata = metadata if isinstance(metadata, dict) else run.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    values = [run.get("thread_id"), *(known.get(key) for key in ("thread_id", "session_id", "conversation_id"))]
    return next((str(value) for value in values if isinstance(value, (str, int)) and value != ""), None)


def _listed(run: Mapping[str, Any]) -> Listed:
    pending = run.get("is_pending") or str(run.get("status")).lower() == "pending"
    trace_id = str(run.get("trace_id") or run.get("id"))
    return Listed(trace_id, thread_of(run), str(run.get("start_time") or ""), bool(pending))


def _project(item: Mapping[str, Any]) -> Project:
    workspace = item.get("tenant_id")
    return Project(str(item.get("id")), str(item.get("name") or item.get("id")), str(workspace) if workspace else None)


def _web_address(root: str) -> str:
    """As LangSmith's client makes it of the endpoint's."""
    parts = urlsplit(root)
    hosted = re.fullmatch(r"(?:([a-z]+)\.)?api\.(smith\.langchain\.com)", parts.hostname or "")
    if hosted:
        return f"https://{hosted[1]}.{hosted[2]}" if hosted[1] else f"https://{hosted[2]}"
    return root


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(f"LangSmith answered with a {type(value).__name__} instead of {what}; {ENDPOINT_HINT}")
    return value


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
