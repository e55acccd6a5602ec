"""A LangSmith server: where it is, which generation of its endpoints is asked, and what is the same in both."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.fetching import Api, ApiError, RateLimit, environment, quoted
from pytest_agent_replay.sources.langsmith.generations import (
    NOT_THERE,
    FirstGeneration,
    Generation,
    SecondGeneration,
    batches,
)
from pytest_agent_replay.sources.langsmith.shapes import Project, expected

__all__ = ["Server"]

HOSTED = "https://api.smith.langchain.com"
KEY_HINT = (
    "set LANGSMITH_API_KEY (or LANGCHAIN_API_KEY), and LANGSMITH_WORKSPACE_ID where the key is for several workspaces"
)
ENDPOINT_HINT = "set --endpoint or LANGSMITH_ENDPOINT (or LANGCHAIN_ENDPOINT)"
_AT_ONCE = 20
"""The feedback of so many runs is asked for together."""


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
        """The one that the user wants. `auto`: the second, which has a whole trace in one answer and the wider limits,
        where `/info` says that the server answers it; else the first, which older servers have alone.
        """
        if self._asked_for == "v2" or (self._asked_for == "auto" and self._flags.get("sdb_query_enabled")):
            return SecondGeneration(self.api, "/api/v2")
        return FirstGeneration(self.api, self._base)

    def generation_for_runs(self) -> Generation:
        """The one for a run of which only the id is known: the first finds it in any project, where it is answered."""
        if self._asked_for == "auto" and self._flags.get("ch_query_enabled", True):
            return FirstGeneration(self.api, self._base)
        return self.generation()

    @cached_property
    def _flags(self) -> Mapping[str, Any]:
        """`ch_query_enabled` and `sdb_query_enabled`, by which LangSmith's own client chooses."""
        try:
            info = self.api.get(f"{self._base}/info")
        except ApiError as error:
            if error.status not in NOT_THERE:
                raise
            return {}
        return mapping(mapping(info).get("instance_flags"))

    def project(self, name_or_id: str) -> Project:
        """A project by its name, or by its id. Raises `ReplayError` when there is none."""
        found = dicts(self.api.get(f"{self._base}/sessions", {"name": name_or_id, "limit": 1, "include_stats": False}))
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
            self._by_id[project_id] = _project(expected(answer, "a project"))
        return self._by_id[project_id]

    def feedback(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What people and evaluators said about these runs, oldest first. None on a server without this endpoint."""
        found: list[dict[str, Any]] = []
        for some in batches(run_ids, _AT_ONCE):
            offset = 0
            while self.tells_feedback:
                params = {"run": some, "limit": 100, "offset": offset}
                try:
                    page = dicts(self.api.get(f"{self._base}/feedback", params))
                except ApiError as error:
                    if error.status not in NOT_THERE:
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
