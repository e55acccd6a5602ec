"""One conversation, as each observability system has it, becomes the same session."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_agent_replay.formats.replay import ReplayFile, Turn
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.source import Importing, find_source
from pytest_agent_replay.sources.spans import RunSession

DATA = Path(__file__).parents[3] / "shared" / "data" / "traces"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the captured traces are not here")

ASKED = "I want a refund for order ORD-1001, my customer id is C-77."
CLAIMED = "Good news, your refund of $45.99 for order ORD-1001 has been issued."
ASKED_AGAIN = "I still do not see the refund on my card."
ANSWERED = "I am sorry about that. The refund went through now, reference RF-9."
TOLD_BY_AGENTS = "An error occurred while running the tool."
FAILED = "payment gateway timeout after 2000ms for card ending 4242"


def weave_calls(folder: Path, name: str) -> Path:
    """The calls of a log of requests."""
    calls = [
        item
        for request in json.loads((DATA / name).read_text())
        if request["path"].endswith("/calls/complete")
        for item in request["body"]["batch"]
    ]
    path = folder / "calls.json"
    path.write_text(json.dumps(calls))
    return path


def sessions_of(source: str, *paths: Path) -> Iterator[tuple[str, ReplayFile]]:
    """The sessions of files, by id; those that cannot be built are left out."""
    found = find_source(source)
    parser = ArgumentParser()
    found.add_arguments(parser)
    for session in found.sessions(parser.parse_args([str(path) for path in paths]), Importing()):
        try:
            built = build_session(session) if isinstance(session, RunSession) else session
        except SessionProblem:
            continue
        yield built.wish, built.replay


def the_refund(source: str, *paths: Path, thread: str | None = None) -> ReplayFile:
    """The session in which the failure was handled."""
    found = dict(sessions_of(source, *paths))
    return found[thread] if thread is not None else next(iter(found.values()))


def data_of(value: Any) -> Any:
    """A result as data, whether the source has it as data, as JSON, or as Python writes it."""
    return yaml.safe_load(value) if isinstance(value, str) else value


FULL = [
    ("langsmith", "langsmith/run_trees_by_thread.json", "lg-handled-error"),
    ("langsmith", "langsmith/run_trees_by_thread.json", "wrap-openai"),
    ("langsmith", "langsmith/run_trees_by_thread.json", "wrap-openai-stream"),
    ("langsmith", "langsmith/ingest_dump.json", "lg-handled-error"),
    ("langfuse", "langfuse/observations_v2_emulated.json", "lf-handled"),
    ("langfuse", "langfuse/observations_v2_emulated.json", "lf-openai"),
    ("phoenix", "phoenix/spans_v1.json", "px-handled"),
    ("phoenix", "phoenix/spans_v1.json", "sess-openai"),
    ("phoenix", "phoenix/spans_otlpv1.json", "px-handled"),
    ("phoenix", "phoenix/spans_dataframe.json", "px-handled"),
    ("mlflow", "mlflow/traces.json", "ml-handled"),
    ("mlflow", "mlflow/traces.json", "ml-openai"),
    ("otel", "otel_genai/otlp_file_exporter.jsonl", None),
    ("otel", "otel_genai/otlp_genai13_langchain.json", None),
    ("otel", "pydantic_ai/otlp_pyd2.json", None),
    ("otel", "pydantic_ai/otlp_pyd3.json", None),
    ("otel", "logfire/otlp.json", None),
    ("otel", "langfuse/otlp_ingest.json", "lf-handled"),
    ("openai-agents", "openai_agents/session_items.json", None),
    ("openai-agents", "openai_agents/to_input_list.json", None),
]

FIRST_TURN = [
    ("otel", "futureagi/otlp.json", None),
    ("braintrust", "braintrust/spans_merged.json", None),
]
"""Captures of the first turn alone."""


@pytest.mark.parametrize(("source", "name", "thread"), FULL)
def test_two_turns_with_three_calls_and_one(source: str, name: str, thread: str | None) -> None:
    """Inputs, arguments, results, the failure, the false claim, the retry."""
    replay = the_refund(source, DATA / name, thread=thread)
    first, second = replay.turn_list
    check_first(first)
    assert str(first.output).strip() == CLAIMED
    assert second.input == ASKED_AGAIN
    assert str(second.output).strip() == ANSWERED
    [retried] = second.tool_responses
    assert retried.tool == "issue_refund"
    assert retried.args == {"order_id": "ORD-1001", "amount_cents": 4599, "retry": True}
    assert data_of(retried.response)["refund_id"] == "RF-9"
    assert not retried.is_failure
    assert [len(turn.llm_responses or ()) for turn in replay.turn_list] == [3, 2]


@pytest.mark.parametrize(("source", "name", "thread"), FIRST_TURN)
def test_the_first_turn(source: str, name: str, thread: str | None) -> None:
    """Where no more was captured."""
    [turn] = the_refund(source, DATA / name, thread=thread).turn_list
    check_first(turn)
    assert len(turn.llm_responses or ()) == 3


def test_a_smaller_agent(tmp_path: Path) -> None:
    """It had no model, and called two tools."""
    [turn] = the_refund("weave", weave_calls(tmp_path, "weave/requests.json")).turn_list
    assert (turn.input, str(turn.output)[:9]) == (ASKED, "Good news")
    assert [(r.tool, r.is_failure) for r in turn.tool_responses] == [("get_order", False), ("issue_refund", True)]


def check_first(turn: Turn) -> None:
    """Three calls of which one failed, and the claim that it did not."""
    assert turn.input == ASKED
    assert str(turn.output).startswith("Good news")
    by_tool = {response.tool: response for response in turn.tool_responses}
    assert len(turn.tool_responses) == len(by_tool) == 3
    assert by_tool["get_order"].args == {"order_id": "ORD-1001"}
    assert data_of(by_tool["get_order"].response)["total_cents"] == 4599
    assert by_tool["get_customer"].args == {"customer_id": "C-77"}
    assert data_of(by_tool["get_customer"].response)["email"] == "jane.roe@example.com"
    failed = by_tool["issue_refund"]
    assert failed.args == {"order_id": "ORD-1001", "amount_cents": 4599}
    assert [response.is_failure for response in turn.tool_responses].count(True) == failed.is_failure == 1
    told = failed.error_spec.message if failed.error_spec is not None else str(failed.response)
    assert FAILED in told or told.startswith(TOLD_BY_AGENTS)
