"""Phoenix's REST API: which conversations a project has, their spans, and what was annotated.

`GET /v1/projects/{project}/sessions`, `/traces`, `/spans`, `/{span,trace,session}_annotations`, each in pages with a
cursor (seen on server 20.26).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.fetching import Api, ApiError, quoted
from pytest_agent_replay.sources.otel.otlp import SpanRecord, read_records

__all__ = ["Chosen", "PhoenixServer", "Selection"]

_PAGE = 1000
_IDS = 50
"""So many ids go into one address."""
_ANNOTATIONS_PAGE = 1000
_OLD_SERVER = "it is older than what this reads (20.26): update it, or export its spans to a file"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which conversations. Times are ISO texts; they, `errors` and `limit` (the newest) choose by traces."""

    session: str | None = None
    errors: bool = False
    since: str | None = None
    until: str | None = None
    limit: int | None = None


@dataclass(slots=True)
class Chosen:
    """One conversation and its traces. `session` is None for a trace that belongs to none."""

    session: str | None
    traces: list[str] = field(default_factory=list)


class PhoenixServer:
    """One project of a server."""

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self.project = project
        self._path = f"/v1/projects/{quoted(project)}"

    def conversations(self, selection: Selection) -> list[Chosen]:
        """Those with a trace that the selection asks for, whole, the oldest first. Raises `ReplayError`."""
        params: dict[str, Any] = {
            "session_identifier": selection.session,
            "start_time": selection.since,
            "end_time": selection.until,
            "error": "true" if selection.errors else None,
            "order": "desc",
            "limit": _PAGE,
        }
        owners = {} if selection.session is not None else self._owners()
        found: dict[str, Chosen] = {}
        for trace in self._traces(params):
            id_ = str(trace["trace_id"])
            if selection.session is not None:
                found.setdefault(selection.session, Chosen(selection.session)).traces.append(id_)
                continue
            chosen = owners.get(id_) or Chosen(None, [id_])
            key = chosen.session or id_
            if key not in found and len(found) == selection.limit:
                break
            found.setdefault(key, chosen)
        return list(found.values())[::-1]

    def first_trace(self, session: str) -> str | None:
        """The trace with which a conversation begins."""
        params = {"session_identifier": session, "order": "asc", "limit": 1}
        return next((str(trace["trace_id"]) for trace in self._traces(params)), None)

    def spans(self, traces: Sequence[str]) -> list[SpanRecord]:
        """The spans of some traces."""
        found: list[SpanRecord] = []
        for begin in range(0, len(traces), _IDS):
            params = {"trace_id": list(traces[begin : begin + _IDS]), "limit": _PAGE}
            found += read_records(list(self._pages("/spans", params)))
        return found

    def annotations(self, kind: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What was annotated on these spans, traces or sessions (`kind`). Raises `ApiError`."""
        found: list[dict[str, Any]] = []
        for begin in range(0, len(ids), _IDS):
            params = {f"{kind}_ids": list(ids[begin : begin + _IDS]), "limit": _ANNOTATIONS_PAGE}
            try:
                found += self._pages(f"/{kind}_annotations", params)
            except ApiError as error:
                if error.status != 404 or "None of" not in str(error):
                    raise
        return found

    # -- pages

    def _owners(self) -> dict[str, Chosen]:
        """The conversation of each trace that has one."""
        owners: dict[str, Chosen] = {}
        for session in self._asked("/sessions", {"limit": _PAGE}):
            chosen = Chosen(str(session["session_id"]), [str(trace["trace_id"]) for trace in session["traces"]])
            owners.update(dict.fromkeys(chosen.traces, chosen))
        return owners

    def _traces(self, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        return self._asked("/traces", params)

    def _asked(self, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Pages of something that every project has. Raises `ReplayError` when there is no such project."""
        try:
            yield from self._pages(path, params)
        except ApiError as error:
            if error.status != 404:
                raise
            raise ReplayError(self._not_found()) from None

    def _not_found(self) -> str:
        names = [str(project["name"]) for project in self._listed("/v1/projects", {"limit": 100})]
        if self.project in names:
            return f"the Phoenix server at {self._api.base_url} cannot list traces: {_OLD_SERVER}"
        near = get_close_matches(self.project, names, 1)
        known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, names[:10])) or 'none'}"
        return f"the Phoenix server at {self._api.base_url} has no project {self.project!r}; {known}"

    def _pages(self, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        return self._listed(f"{self._path}{path}", params)

    def _listed(self, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self._api.get(path, {**params, "cursor": cursor})
            data = mapping(page).get("data")
            if not isinstance(data, list):
                raise ApiError(f"{self._api.base_url}{path} answered with something that Phoenix does not send")
            yield from data
            following = page.get("next_cursor")
            if not isinstance(following, str) or not following or following == cursor:
                return
            cursor = following
