"""Runs both agents with MLflow's own autologging: `python trace_agents.py TRACKING_URI EXPORT`."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import refund_agents  # type: ignore[import-not-found]  # it lies beside the copy of this file that is run

TURNS = ("I want a refund for order ORD-1001, my customer id is C-77.", "I still do not see the refund on my card.")

mlflow: Any = import_module("mlflow")


def trace_langgraph() -> None:
    """The thread's id becomes the session's."""
    mlflow.langchain.autolog()
    for said in TURNS:
        refund_agents.langgraph_agent(said, "real-langgraph")
    mlflow.langchain.autolog(disable=True)


def trace_openai() -> None:
    """OpenAI's client knows of no session and runs no tools: both are told."""
    mlflow.openai.autolog()
    for name, tool in refund_agents.TOOLS.items():
        setattr(refund_agents, name, mlflow.trace(tool, span_type="TOOL"))

    @mlflow.trace(span_type="AGENT")  # type: ignore[untyped-decorator]
    def agent(question: str) -> str:
        mlflow.update_current_trace(metadata={"mlflow.trace.session": "real-openai", "mlflow.trace.user": "u-7"})
        return str(refund_agents.openai_agent(question, "real-openai"))

    agent(TURNS[0])
    mlflow.flush_trace_async_logging()
    first = mlflow.get_last_active_trace_id()
    agent(TURNS[1])
    judge = mlflow.entities.AssessmentSource(source_type="LLM_JUDGE", source_id="a-model")
    mlflow.log_feedback(
        trace_id=first, name="grounded", value=False, rationale="It claims a refund that failed.", source=judge
    )


mlflow.set_tracking_uri(sys.argv[1])
experiment = mlflow.set_experiment("real-refunds")
trace_langgraph()
trace_openai()
mlflow.flush_trace_async_logging()
found = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
Path(sys.argv[2]).write_text(json.dumps([trace.to_dict() for trace in found]), "utf-8")
