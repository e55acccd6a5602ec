"""LangSmith's own client against the server of these tests: both speak it, and so does the importer."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.sources.building import build_session

from .langsmith_server import KEY, LangSmithServer
from .test_langsmith import answered, asks, calls, runs, said

langsmith = pytest.importorskip("langsmith")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmithServer]:
    """A server, and the environment that finds it."""
    with LangSmithServer() as server:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        yield server


def test_what_langsmiths_client_wrote_and_reads(server: LangSmithServer) -> None:
    """Runs that the client ingested: the importer reads of them what the client reads, over both generations."""
    client = langsmith.Client(api_url=server.url, api_key=KEY, auto_batch_tracing=True)
    _trace(client)
    client.flush()
    trace_id = next(run["trace_id"] for run in server.runs.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = {str(run.id): run for run in client.list_runs(project_name="shop", trace_id=trace_id)}
        client.create_feedback(trace_id, "user_score", score=0, comment="No refund came.", trace_id=trace_id)
        client.flush()
        told = list(client.list_feedback(run_ids=[trace_id]))
    names = ["ID", "NAME", "RUN_TYPE", "INPUTS", "OUTPUTS", "ERROR", "STATUS", "PARENT_RUN_IDS"]
    second = asyncio.run(_second(client, trace_id, server.project("shop"), names))
    assert first.keys() == second.keys()
    read = []
    for api in ("v1", "v2"):
        (run,) = runs(trace_id, "--project", "shop", "--api", api)
        read.append(build_session(run).replay)
        for span in run.traces[0].spans:
            theirs = first[span.id]
            assert (span.name, span.parent_id) == (
                theirs.name,
                str(theirs.parent_run_id) if theirs.parent_run_id else None,
            )
            assert span.started == theirs.start_time.replace(tzinfo=timezone.utc).timestamp()
            assert (span.error is None) == (theirs.error is None) == (second[span.id].error is None)
        assert {span.id for span in run.traces[0].spans} == first.keys()
    assert read[0] == read[1]
    (only,) = read[0].turn_list
    assert calls(only) == [
        ("get_order", {"order_id": "O-1"}, {"cents": 4599}),
        ("issue_refund", {"order_id": "O-1"}, f"{__name__}.PaymentError"),
    ]
    assert (only.input, only.output) == ("Refund O-1.", "It is refunded.")
    assert [item.comment for item in told] == [read[0].expected_failure]


def test_runs_that_langsmiths_client_lists_are_an_export(server: LangSmithServer, tmp_path: Path) -> None:
    """As the documentation says how to write them: the same session as from the server."""
    client = langsmith.Client(api_url=server.url, api_key=KEY, auto_batch_tracing=True)
    _trace(client)
    client.flush()
    trace_id = next(run["trace_id"] for run in server.runs.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        listed = client.list_runs(project_name="shop", trace_id=trace_id)
        (tmp_path / "runs.json").write_text(json.dumps([run.model_dump(mode="json") for run in listed]))
    (exported,) = runs(str(tmp_path / "runs.json"))
    (fetched,) = runs(trace_id)
    assert build_session(exported).replay.turn_list == build_session(fetched).replay.turn_list


class PaymentError(Exception):
    """A refund that failed."""


def _trace(client: Any) -> None:
    """An agent in LangSmith's decorators."""

    def fetch(order_id: str) -> dict[str, int]:
        return {"cents": 4599}

    def refund(order_id: str, retry: bool = False) -> str:
        raise PaymentError("declined")

    def ask(messages: list[Any], model: str) -> dict[str, Any]:
        wanted = [("c1", "get_order", {"order_id": "O-1"}), ("c2", "issue_refund", {"order_id": "O-1"})]
        done = len(messages) // 2
        return answered(asks(wanted[done]) if done < 2 else {"role": "assistant", "content": "It is refunded."})

    def run(text: str) -> str:
        messages = [said(text)]
        while True:
            message = model(messages, model="gpt-4o-mini")["choices"][0]["message"]
            if not message.get("tool_calls"):
                return str(message["content"])
            call = message["tool_calls"][0]
            try:
                content = json.dumps(tools[call["function"]["name"]](**json.loads(call["function"]["arguments"])))
            except PaymentError as error:
                content = f"failed: {error}"
            messages = [*messages, message, {"role": "tool", "tool_call_id": call["id"], "content": content}]

    tools = {
        "get_order": langsmith.traceable(run_type="tool", name="get_order")(fetch),
        "issue_refund": langsmith.traceable(run_type="tool", name="issue_refund")(refund),
    }
    model = langsmith.traceable(run_type="llm", name="model")(ask)
    agent = langsmith.traceable(run_type="chain", name="agent")(run)
    with langsmith.tracing_context(enabled=True, client=client, project_name="shop"):
        agent("Refund O-1.", langsmith_extra={"metadata": {"thread_id": "sdk-1"}})


async def _second(client: Any, trace_id: str, project_id: str, names: list[str]) -> dict[str, Any]:
    answer = await client.traces.list_runs(trace_id, project_id=project_id, selects=names)
    return {run.id: run for run in answer.items}
