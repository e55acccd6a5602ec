"""An MLflow tracking server over its REST API."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.llm.reading import mapping
from pytest_agent_replay.sources.fetching import Api, ApiError, environment, quoted
from pytest_agent_replay.sources.grouping import Head, Shelf
from pytest_agent_replay.sources.mlflow.stores import Query, Trace, experiment_id
from pytest_agent_replay.sources.mlflow.traces import experiment_of, is_open, session_of, started_at, trace_id_of
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.source import Importing

__all__ = ["Server"]

_PAGE = 500
_NAME = "MLflow"
_NO_SUCH = "RESOURCE_DOES_NOT_EXIST"
_KEY_HINT = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
_ADDRESS_HINT = "MLFLOW_TRACKING_URI or --tracking-uri is the address of an MLflow server (3.0 or later)"


class Server:
    """A tracking server, MLflow 3.0 or later.

    Traces are listed by `POST /api/3.0/mlflow/traces/search`. Spans are asked for at the address that MLflow's own
    pages use (`/ajax-api/…/get-trace-artifact`), because it gives them as they are, wherever the server keeps them (in
    its database, with the artifacts, in the archive); where that is closed, `/api/3.0/mlflow/traces/get` has those of
    the database.
    """

    def __init__(self, uri: str, importing: Importing) -> None:
        self._api = Api(
            uri,
            name=_NAME,
            headers={"Authorization": _authorization()},
            key_hint=_KEY_HINT,
            endpoint_hint=_ADDRESS_HINT,
            say=importing.note,
        )
        self.place: dict[str, Any] = {"url": self._api.base_url}
        self._infos = Shelf()
        self._experiments: dict[str, str] | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *raised: object) -> None:
        self._api.close()
        self._infos.__exit__(None, None, None)

    def heads(self, query: Query) -> Iterator[Head]:
        if query.trace is not None:
            info = self._info(query.trace)
            if info:
                yield self._head({"info": info})
            return
        names = self._names()
        ids = list(names) if query.experiment is None else [experiment_id(query.experiment, names)]
        try:
            for start in range(0, len(ids), 100):
                for info in self._search(ids[start : start + 100], _filter(query)):
                    yield self._head({"info": info})
        except ApiError as error:
            if error.status == 400 and query.filter is not None:
                raise ReplayError(f"--filter {query.filter}: MLflow does not take it: {error}") from None
            raise

    def trace(self, head: Head) -> Trace:
        info = self._infos.values(head.trace)[-1]
        try:
            return {"info": info, "data": {"spans": self._spans(head.trace)}}
        except ApiError as error:
            if error.status is None or error.status in (401, 403):
                raise
            raise SessionProblem(f"{head.trace}: its spans are not to be had: {error}") from None

    # -- requests

    def _info(self, trace: str) -> Trace:
        try:
            answer = self._api.get(f"/api/3.0/mlflow/traces/{quoted(trace)}")
        except ApiError as error:
            if error.status == 404 and _NO_SUCH in str(error):
                return {}
            raise
        return mapping(mapping(answer.get("trace")).get("trace_info"))

    def _search(self, experiments: list[str], wanted: str) -> Iterator[Trace]:
        where = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": id_}} for id_ in experiments]
        question = {"locations": where, "filter": wanted, "max_results": _PAGE, "order_by": ["timestamp_ms ASC"]}
        for answer in self._pages("/api/3.0/mlflow/traces/search", question):
            yield from answer.get("traces") or []

    def _pages(self, path: str, question: Trace) -> Iterator[Trace]:
        while True:
            answer = mapping(self._api.post(path, question))
            yield answer
            token = answer.get("next_page_token")
            if not token or token == question.get("page_token"):
                return
            question = {**question, "page_token": token}

    def _names(self) -> dict[str, str]:
        if self._experiments is None:
            pages = self._pages("/api/2.0/mlflow/experiments/search", {"max_results": 1000})
            found = [each for page in pages for each in page.get("experiments") or []]
            self._experiments = {str(each["experiment_id"]): str(each["name"]) for each in found}
        return self._experiments

    def _head(self, trace: Trace) -> Head:
        experiment = experiment_of(trace)
        id_ = trace_id_of(trace) or ""
        self._infos.put(id_, trace["info"])
        name = self._names().get(experiment, experiment) if experiment is not None else None
        return Head(id_, session_of(trace), started_at(trace), name, is_open(trace))

    def _spans(self, trace: str) -> list[Any]:
        try:
            answer = self._api.get("/ajax-api/2.0/mlflow/get-trace-artifact", {"request_id": trace})
        except ApiError as error:
            is_closed = error.status in (403, 404, 405) and _NO_SUCH not in str(error)
            if not is_closed:
                raise
            answer = mapping(self._api.get("/api/3.0/mlflow/traces/get", {"trace_id": trace}).get("trace"))
        return mapping(answer).get("spans") or []


def _authorization() -> str | None:
    token = environment("MLFLOW_TRACKING_TOKEN")
    if token is not None:
        return f"Bearer {token}"
    user, password = environment("MLFLOW_TRACKING_USERNAME"), environment("MLFLOW_TRACKING_PASSWORD")
    if user is None or password is None:
        return None
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _filter(query: Query) -> str:
    """In MLflow's language, which has no `OR` and no brackets."""
    wanted = []
    if query.session is not None:
        wanted.append(f"metadata.`mlflow.trace.session` = {_text(query.session)}")
    if query.since_ms is not None:
        wanted.append(f"trace.timestamp_ms >= {query.since_ms}")
    if query.until_ms is not None:
        wanted.append(f"trace.timestamp_ms < {query.until_ms}")
    if query.tool_errors:
        wanted.append("span.type = 'TOOL' AND span.status = 'ERROR'")
    if query.filter is not None:
        wanted.append(query.filter)
    return " AND ".join(wanted)


def _text(value: str) -> str:
    mark = "'" if "'" not in value else '"'
    if mark in value:
        raise ReplayError(f"MLflow cannot search for {value!r}, which has both kinds of quotation marks")
    return f"{mark}{value}{mark}"
