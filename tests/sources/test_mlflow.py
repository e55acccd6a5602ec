"""MLflow's traces, from exported files, file stores, databases and servers."""

from __future__ import annotations

import json
import os
import sqlite3
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.mlflow import MLflow
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import Agent, Model, RunSession, Tool
from tests.sources.mlflow_data import (
    AGAIN,
    ASKED,
    START,
    SYSTEM,
    assessment,
    exported,
    model,
    refund_traces,
    serving,
    span,
    trace,
    write_database,
    write_traces,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "traces" / "mlflow" / "traces.json"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MLFLOW_"):
            monkeypatch.delenv(name)


def imported(*words: object, importing: Importing | None = None) -> list[RunSession]:
    """The sessions that the command line asks for."""
    source, parser = MLflow(), ArgumentParser()
    source.add_arguments(parser)
    given = parser.parse_args([str(word) for word in words])
    source.check(given)
    return list(source.sessions(given, importing or Importing()))


def one(tmp_path: Path, *traces: dict[str, Any]) -> RunSession:
    """The session of exported traces."""
    (session,) = imported(write_traces(tmp_path / "traces.json", traces))
    return session


def only(session: RunSession, kind: type) -> Any:
    """The one span of a kind."""
    (found,) = [each for part in session.traces for each in part.spans if isinstance(each.what, kind)]
    return found


def story(session: RunSession) -> list[Any]:
    """What a replay will play."""
    return [
        (turn.input, [(each.tool, each.args, each.is_failure) for each in turn.tool_responses], turn.output)
        for turn in build_session(session).replay.turn_list
    ]


REFUND = [
    (ASKED["content"], [("refund", {"order": 7}, True)], "Good news, it is refunded."),
    (AGAIN["content"], [("refund", {"order": 7, "retry": True}, False)], "Now it is."),
]


# -- from everywhere


def test_a_session_of_an_exported_file(tmp_path: Path) -> None:
    """The traces of a session are its turns, whatever their order in the file."""
    session = one(tmp_path, *reversed(refund_traces()))
    assert session.id == "s-1"
    assert [part.id for part in session.traces] == ["tr-1", "tr-2"]
    assert story(session) == REFUND
    assert session.source == {
        "type": "mlflow",
        "file": "traces.json",
        "project": "1",
        "thread_id": "s-1",
        "run_ids": ["tr-1", "tr-2"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(exported(each)) for each in refund_traces()),
        json.dumps({"traces": [exported(each) for each in refund_traces()]}),
        json.dumps([{"trace_id": "x", "trace": json.dumps(exported(each))} for each in refund_traces()]),
    ],
    ids=["a line each", "below traces", "rows of search_traces()"],
)
def test_the_shapes_of_exported_files(text: str, tmp_path: Path) -> None:
    """JSON Lines, a mapping, and the rows of a data frame are read like a list."""
    path = tmp_path / "traces.jsonl"
    path.write_text(text, "utf-8")
    assert [story(session) for session in imported(path)] == [REFUND]


def test_a_database(tmp_path: Path) -> None:
    """The tables of a database give the same session, by the name of its experiment."""
    path = write_database(tmp_path / "mlflow.db", refund_traces())
    (session,) = imported(path)
    assert story(session) == REFUND
    assert session.source["project"] == "refunds"
    assert session.source["file"] == "mlflow.db"


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_is_only_read(journal: str, tmp_path: Path) -> None:
    """Neither the database nor its folder changes."""
    path = write_database(tmp_path / "mlflow.db", refund_traces(), journal=journal)
    before = path.read_bytes()
    assert len(imported(path)) == 1
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_tracking_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sqlite:///…` from the command line or the environment is the database."""
    path = write_database(tmp_path / "mlflow.db", refund_traces())
    assert story(*imported("--tracking-uri", f"sqlite:///{path}")) == REFUND
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    assert story(*imported()) == REFUND


def test_a_server() -> None:
    """A server is asked for its traces page by page, and for the spans of each."""
    traces = [*refund_traces(), trace("tr-3", [span(1, "AGENT", "a", "Hi", "Ho", parent=None)], minute=3)]
    with serving(traces) as server:
        sessions = imported("--tracking-uri", server.url)
    assert [session.id for session in sessions] == ["s-1", "tr-3"]
    assert story(sessions[0]) == REFUND
    assert sessions[0].source["url"] == server.url
    assert sessions[1].source["run_id"] == "tr-3"
    paths = [path for path, _, _ in server.requests]
    assert paths.count("/api/3.0/mlflow/traces/search") == 2
    assert paths.count("/ajax-api/2.0/mlflow/get-trace-artifact") == 3


def test_a_server_that_closed_its_pages() -> None:
    """Where the address of MLflow's pages is closed, the spans come from the API, which writes them otherwise."""
    with serving(refund_traces()) as server:
        open_ = imported("--tracking-uri", server.url)
        server.is_artifact_closed = True
        closed = imported("--tracking-uri", server.url)
    assert [part.spans for part in closed[0].traces] == [part.spans for part in open_[0].traces]


def test_a_file_store(tmp_path: Path) -> None:
    """A folder has a trace in several small files."""
    for each in refund_traces():
        folder = tmp_path / "mlruns" / "1" / "traces" / each["info"]["trace_id"]
        for name, texts in (("request_metadata", each["info"]["trace_metadata"]), ("tags", {"team": "pay"})):
            (folder / name).mkdir(parents=True)
            for key, value in texts.items():
                (folder / name / key).write_text(value, "utf-8")
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "traces.json").write_text(json.dumps(each["data"]), "utf-8")
        (folder / "trace_info.yaml").write_text(
            f"trace_id: {each['info']['trace_id']}\nrequest_time: '{each['info']['request_time']}'\nstate: OK\n",
            "utf-8",
        )
        (folder / "assessments").mkdir()
        (folder / "assessments" / "a-1.yaml").write_text(json.dumps(assessment("score", 0)), "utf-8")
    (session,) = imported("--tracking-uri", tmp_path / "mlruns")
    assert story(session) == REFUND
    assert session.metadata["team"] == "pay"
    assert session.traces[0].scores == {"score": 0}


@pytest.mark.parametrize("place", ["named", "moved", "told"])
def test_spans_in_files_beside_a_database(place: str, tmp_path: Path) -> None:
    """Where the database has no spans, they are in the folder that the trace names, or where it was moved to."""
    traces = refund_traces()
    for each in traces:
        root = tmp_path / {"named": "far", "moved": "mlartifacts", "told": "elsewhere"}[place]
        folder = root / "1" / "traces" / each["info"]["trace_id"] / "artifacts"
        folder.mkdir(parents=True)
        (folder / "traces.json").write_text(json.dumps(each["data"]), "utf-8")
        location = folder if place == "named" else f"mlflow-artifacts:/1/traces/{each['info']['trace_id']}/artifacts"
        each["info"]["tags"] = {"mlflow.artifactLocation": str(location)}
    path = write_database(tmp_path / "mlflow.db", traces, with_spans=False, with_session_column=False)
    more = ["--artifacts", tmp_path / "elsewhere"] if place == "told" else []
    assert [story(session) for session in imported(path, *more)] == [REFUND]


def test_spans_that_are_nowhere(tmp_path: Path) -> None:
    """A trace without spans is a problem that says where they should be; the others are imported."""
    lost = trace("tr-9", [], minute=-1, tags={"mlflow.artifactLocation": "s3://bucket/1/traces/tr-9/artifacts"})
    importing = Importing()
    path = write_database(tmp_path / "mlflow.db", [lost, *refund_traces()])
    assert [session.id for session in imported(path, importing=importing)] == ["s-1"]
    (problem,) = importing.problems
    assert "tr-9" in problem
    assert "s3://bucket/1/traces/tr-9/artifacts" in problem
    assert "--artifacts" in problem


def test_archived_spans(tmp_path: Path) -> None:
    """Archived spans are had from the server alone."""
    archived = trace("tr-9", [], tags={"mlflow.trace.spansLocation": "ARCHIVE_REPO"})
    importing = Importing()
    assert imported(write_database(tmp_path / "mlflow.db", [archived]), importing=importing) == []
    assert "archived" in importing.problems[0]


# -- what is chosen


def several() -> list[dict[str, Any]]:
    """The refund, a session without a failing tool, and a trace of its own."""
    fine = [span(1, "AGENT", "a", "Hi", "Ho", parent=None), span(2, "TOOL", "look", {"q": 1}, 2)]
    alone = [span(1, "AGENT", "a", "Help", "Sure", parent=None)]
    return [*refund_traces(), trace("tr-3", fine, session="s-2", minute=3), trace("tr-4", alone, minute=4)]


CHOICES: list[tuple[list[str], list[str]]] = [
    ([], ["s-1", "s-2", "tr-4"]),
    (["--session", "s-2"], ["s-2"]),
    (["--trace", "tr-2"], ["tr-2"]),
    (["--as", "trace"], ["tr-1", "tr-2", "tr-3", "tr-4"]),
    (["--tool-errors"], ["s-1"]),
    (["--tool-errors", "--as", "trace"], ["tr-1"]),
    (["--limit", "2"], ["s-2", "tr-4"]),
    (["--since", "2026-11-21T08:35:00Z"], ["s-2", "tr-4"]),
    (["--until", "2026-11-21T08:35:00Z"], ["s-1"]),
    (["--experiment", "1", "--session", "s-1"], ["s-1"]),
]


@pytest.mark.parametrize(("words", "expected"), CHOICES, ids=lambda value: " ".join(value))
@pytest.mark.parametrize("place", ["file", "database", "server"])
def test_choices(place: str, words: list[str], expected: list[str], tmp_path: Path) -> None:
    """The same options choose the same sessions, wherever they are."""
    with serving(several()) as server:
        where: list[object] = ["--tracking-uri", server.url]
        if place == "file":
            where = [write_traces(tmp_path / "traces.json", several())]
        elif place == "database":
            where = [write_database(tmp_path / "mlflow.db", several())]
        assert [session.id for session in imported(*where, *words)] == expected


@pytest.mark.parametrize(
    "words", [["--tool-errors"], ["--until", "2026-11-21T08:34:00Z"], ["--since", "2026-11-21T08:34:00Z"]]
)
def test_a_chosen_session_is_whole(words: list[str], tmp_path: Path) -> None:
    """A session of which one trace is chosen comes with all of its turns."""
    assert story(*imported(write_database(tmp_path / "mlflow.db", refund_traces()), *words)) == REFUND


def test_a_trace_alone(tmp_path: Path) -> None:
    """A later turn alone is known to be a part; its first turn is not."""
    path = write_database(tmp_path / "mlflow.db", refund_traces())
    assert [session.is_part for session in imported(path, "--as", "trace")] == [False, True]
    replay = build_session(*imported(path, "--trace", "tr-2")).replay
    assert replay.turn_list[0].input == AGAIN["content"]
    assert [message["role"] for message in replay.context] == ["user", "assistant", "tool", "assistant"]


def test_mlflows_own_filter() -> None:
    """An expression of MLflow's is handed to the server, beside the other conditions."""
    failed = trace("tr-5", [span(1, "AGENT", "a", "Hi", parent=None, error=("KeyError", "x"))], state="ERROR")
    with serving([*several(), failed]) as server:
        found = imported("--tracking-uri", server.url, "--filter", "trace.status = 'ERROR'", "--since", "2026-11-21")
    assert [session.id for session in found] == ["tr-5"]
    (asked,) = [
        question["filter"] for path, question, _ in server.requests if path.endswith("/search") and "filter" in question
    ]
    assert asked == f"trace.timestamp_ms >= {START // 86_400_000 * 86_400_000} AND trace.status = 'ERROR'"


def test_a_filter_that_mlflow_refuses() -> None:
    """What MLflow says about it is shown beside it."""
    with (
        serving(several()) as server,
        pytest.raises(ReplayError, match=r"--filter nonsense = 3: MLflow does not take it: .*Invalid attribute key"),
    ):
        imported("--tracking-uri", server.url, "--filter", "nonsense = 3")


@pytest.mark.parametrize("place", ["file", "database", "server"])
def test_a_trace_that_is_not_there(place: str, tmp_path: Path) -> None:
    """It is an error, because it was named."""
    with serving(several()) as server:
        where: list[object] = ["--tracking-uri", server.url]
        if place == "file":
            where = [write_traces(tmp_path / "traces.json", several())]
        elif place == "database":
            where = [write_database(tmp_path / "mlflow.db", several())]
        with pytest.raises(ReplayError, match="there is no trace `tr-0`"):
            imported(*where, "--trace", "tr-0")


def test_filter_without_a_server(tmp_path: Path) -> None:
    """A database and a file say that they do not know MLflow's language."""
    for path in (write_database(tmp_path / "m.db", []), write_traces(tmp_path / "t.json", refund_traces())):
        with pytest.raises(ReplayError, match="MLflow's own language"):
            imported(path, "--filter", "trace.status = 'ERROR'")


def test_an_unknown_experiment(tmp_path: Path) -> None:
    """The nearest name is suggested."""
    with pytest.raises(ReplayError, match="no experiment `refund`; did you mean `refunds`"):
        imported(write_database(tmp_path / "m.db", refund_traces()), "--experiment", "refund")


def test_traces_of_deleted_experiments_are_left_out(tmp_path: Path) -> None:
    """As MLflow itself does."""
    gone = trace("tr-8", [span(1, "AGENT", "a", "Hi", "Ho", parent=None)], experiment="2")
    assert [each.id for each in imported(write_database(tmp_path / "m.db", [gone, *refund_traces()]))] == ["s-1"]


def test_nothing_found(tmp_path: Path) -> None:
    """That there is nothing is said."""
    importing = Importing()
    path = write_database(tmp_path / "m.db", refund_traces())
    assert imported(path, "--session", "none", importing=importing) == []
    assert "no traces" in importing.notes[0]


def test_what_is_there_is_not_fetched() -> None:
    """A session that an earlier run wrote costs no request for its spans; one that went on is another."""

    class There(Importing):
        def has(self, source: Any) -> bool:
            return bool(source.get("run_ids") == ["tr-1", "tr-2"])

    with serving(several()) as server:
        assert [each.id for each in imported("--tracking-uri", server.url, importing=There())] == ["s-2", "tr-4"]
        asked = [question["request_id"] for path, question, _ in server.requests if path.endswith("get-trace-artifact")]
    assert sorted(asked) == ["tr-3", "tr-4"]


def test_the_same_traces_twice(tmp_path: Path) -> None:
    """A trace in two files is one; the later counts, and it is said."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_traces(first, refund_traces())
    write_traces(second, refund_traces()[1:])
    importing = Importing()
    assert [story(session) for session in imported(first, second, importing=importing)] == [REFUND]
    assert "tr-2" in importing.notes[0]


# -- wrong calls


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "where are the traces"),
        (["t.json", "--tracking-uri", "http://h"], "not both"),
        (["--tracking-uri", "databricks"], "cannot be read from here"),
        (["--tracking-uri", "sqlite:///none.db"], "there is no such file"),
        (["--tracking-uri", "postgresql://u:secret@h/db"], "cannot be read from here"),
        (["t.db", "--trace", "x", "--tool-errors"], "cannot be combined"),
        (["t.db", "--since", "yesterday"], "--since: `yesterday` is not"),
        (["missing.json"], "cannot be read"),
    ],
)
def test_wrong_calls(words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one clear error without a secret."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReplayError, match=message) as caught:
        imported(*words)
    assert "secret" not in str(caught.value)


def test_a_database_of_something_else(tmp_path: Path) -> None:
    """What is missing is named."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE runs (id TEXT)")
    with pytest.raises(ReplayError, match=r"`experiments\.experiment_id`.* are missing"):
        imported(path)


def test_a_schema_that_is_not_known(tmp_path: Path) -> None:
    """A newer version with the same tables is read, and it is said."""
    importing = Importing()
    path = write_database(tmp_path / "m.db", refund_traces(), revision="ffffffffffff")
    assert len(imported(path, importing=importing)) == 1
    assert "ffffffffffff" in importing.notes[0]
    known = Importing()
    imported(write_database(tmp_path / "known.db", refund_traces()), importing=known)
    assert known.notes == []


def test_tool_errors_need_spans_in_the_database(tmp_path: Path) -> None:
    """An older database cannot be searched for them."""
    path = write_database(tmp_path / "m.db", refund_traces(), with_spans=False)
    with pytest.raises(ReplayError, match="--tool-errors needs the spans in the database"):
        imported(path, "--tool-errors")


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, or a name and a password, go to the server and nowhere else."""
    with serving(refund_traces()) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
        imported("--tracking-uri", server.url)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-123456")
        sessions = imported("--tracking-uri", server.url)
    sent = [headers.get("authorization") for _, _, headers in server.requests]
    assert sent[0] == "Basic YW5uOnB3"
    assert sent[-1] == "Bearer tok-123456"
    assert "tok-123456" not in repr(sessions)


def test_a_refused_key() -> None:
    """The variables to set are named."""
    with serving([]) as server:
        server.refuse = (401, "not authorised")
        with pytest.raises(ReplayError, match="MLFLOW_TRACKING_TOKEN"):
            imported("--tracking-uri", server.url)


def test_spans_that_a_server_does_not_have() -> None:
    """They are a problem of that session; the others are imported."""
    importing = Importing()
    with serving([trace("tr-9", [], minute=-1), *refund_traces()]) as server:
        assert [each.id for each in imported("--tracking-uri", server.url, importing=importing)] == ["s-1"]
    assert importing.problems[0].startswith("tr-9: its spans are not to be had")


# -- spans


def test_a_model_call(tmp_path: Path) -> None:
    """The request as it was sent, the answer, the tokens with their price."""
    session = one(
        tmp_path, trace("tr-1", [model(1, [SYSTEM, ASKED], {"role": "assistant", "content": "Hi"}, parent=None)])
    )
    call = only(session, Model).what
    assert call.name == "gpt-4o-mini"
    assert call.messages == [SYSTEM, ASKED]
    assert call.answer == {"role": "assistant", "content": "Hi"}
    assert [tool["name"] for tool in call.tools] == ["refund"]
    assert call.usage.model_dump(exclude_none=True) == {
        "input_tokens": 11,
        "output_tokens": 2,
        "total_tokens": 13,
        "cost": 0.3,
    }
    assert call.finish_reason == "stop"
    assert call.settings == {"temperature": 0}


def test_the_tools_as_sent_rather_than_mlflows_version(tmp_path: Path) -> None:
    """LangChain's are in `invocation_params`; `mlflow.chat.tools` drops what MLflow does not know."""
    sent = [{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "x-kept": 1}}}]
    own = [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}]
    request = span(1, "CHAT_MODEL", "ChatOpenAI", {"messages": [ASKED]}, None, parent=None, mlflow__chat__tools=own)
    request["attributes"]["invocation_params"] = json.dumps({"model": "gpt-4o", "tools": sent, "temperature": 0.5})
    call = only(one(tmp_path, trace("tr-1", [request])), Model).what
    assert call.tools[0]["parameters"] == {"type": "object", "x-kept": 1}
    assert (call.name, call.settings) == ("gpt-4o", {"temperature": 0.5})


def test_a_tool_that_raised(tmp_path: Path) -> None:
    """The exception's whole type is in its traceback; there is no result."""
    broken = span(1, "TOOL", "refund", {"order": 7}, error=("shop.PaymentError", "gateway timeout"), parent=None)
    run = only(one(tmp_path, trace("tr-1", [broken])), Tool)
    assert run.error.type == "shop.PaymentError"
    assert run.error.message == "gateway timeout"
    assert repr(run.what.result) == "MISSING"
    assert run.latency_ms == 250


def test_a_tool_message_of_langchains(tmp_path: Path) -> None:
    """The result is the message's content; its id and status are kept."""
    message = {"content": "Error: no", "type": "tool", "name": "refund", "tool_call_id": "c1", "status": "error"}
    run = only(one(tmp_path, trace("tr-1", [span(1, "TOOL", "refund", {"order": 7}, message, parent=None)])), Tool).what
    assert (run.result, run.call_id, run.failed) == ("Error: no", "c1", True)


@pytest.mark.parametrize(
    ("inputs", "args", "bare"), [('{"q": 1}', {"q": 1}, None), ("berlin", None, "berlin"), (5, None, 5)]
)
def test_arguments_of_a_tool(inputs: Any, args: Any, bare: Any, tmp_path: Path) -> None:
    """JSON text of an object is arguments by name; anything else has no names."""
    run = only(one(tmp_path, trace("tr-1", [span(1, "TOOL", "look", inputs, "x", parent=None)])), Tool).what
    assert run.args == args
    if args is None:
        assert run.bare == bare


def test_retrievers(tmp_path: Path) -> None:
    """A retriever is a tool of its own, but not when a tool uses it."""
    spans = [
        span(1, "AGENT", "agent", "Hi", "Ho", parent=None),
        span(2, "RETRIEVER", "docs", {"query": "a"}, [{"page_content": "b"}]),
        span(3, "TOOL", "search", {"query": "c"}, "d"),
        span(4, "RETRIEVER", "docs", {"query": "c"}, [], parent=3),
    ]
    session = one(tmp_path, trace("tr-1", spans))
    found = {each.id: type(each.what) for each in session.traces[0].spans}
    assert list(found.values()) == [Agent, Tool, Tool, Agent]


def test_the_result_of_pydantic_ais_agent(tmp_path: Path) -> None:
    """Of the object that MLflow dumps, its output is what the agent answered."""
    dumped: dict[str, Any] = {"output": "Done.", "_output_tool_name": None, "_state": {"message_history": []}}
    root = span(1, "AGENT", "Agent.run", {"user_prompt": "Go"}, dumped, parent=None)
    assert story(one(tmp_path, trace("tr-1", [root]))) == [("Go", [], "Done.")]


def test_a_trace_in_progress(tmp_path: Path) -> None:
    """It is imported as far as it went, and both the file and the block say that it is not whole."""
    root = span(1, "AGENT", "agent", "Hi", parent=None, ended=False)
    (session,) = imported(write_traces(tmp_path / "t.json", [trace("tr-1", [root], state="IN_PROGRESS")]))
    assert session.traces[0].spans[0].ended is None
    assert "the rest of a trace that was in progress" in session.notes.lost
    assert session.source["incomplete"] is True


def test_attachments_are_lost(tmp_path: Path) -> None:
    """They lie beside the trace."""
    root = span(1, "AGENT", "agent", {"image": "mlflow-attachment://abc?content_type=image%2Fpng"}, "Nice", parent=None)
    assert list(one(tmp_path, trace("tr-1", [root])).notes.lost.values()) == [1]


def test_the_spans_of_mlflow_2(tmp_path: Path) -> None:
    """`traces.json` of an older MLflow alone: other names, ids as text, no info."""
    started = START * 1_000_000
    old = {
        "name": "refund",
        "context": {"trace_id": "0x9", "span_id": "0x1"},
        "parent_id": None,
        "start_time": started,
        "end_time": started + 2_000_000,
        "status_code": "ERROR",
        "status_message": "gateway timeout",
        "attributes": {
            "mlflow.traceRequestId": '"tr-old"',
            "mlflow.spanType": '"TOOL"',
            "mlflow.spanInputs": '{"order": 7}',
        },
        "events": [{"name": "exception", "timestamp": 1, "attributes": {"exception.type": "KeyError"}}],
    }
    path = tmp_path / "traces.json"
    path.write_text(json.dumps({"spans": [old]}), "utf-8")
    (session,) = imported(path)
    (run,) = session.traces[0].spans
    assert (session.id, run.id, run.what) == ("tr-old", "0x1", Tool("refund", {"order": 7}))
    assert run.error == ErrorSpec(type="KeyError", message="gateway timeout")
    assert run.latency_ms == 2.0


# -- what others said


def test_assessments(tmp_path: Path) -> None:
    """Feedback is scores and remarks, a bad one says what was wrong; expectations are metadata."""
    said = [
        assessment("expected", "That it failed.", kind="expectation"),
        assessment("facts", None, kind="expectation"),
        assessment("score", 0, "No money came.", by="HUMAN"),
        assessment("grounded", False, "The refund failed.", by="LLM_JUDGE"),
        assessment("old", 1, valid=False),
    ]
    said[1]["expectation"] = {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '["a"]'}}
    root = span(1, "AGENT", "agent", "Hi", "Ho", parent=None)
    session = one(tmp_path, trace("tr-1", [root], assessments=said, tags={"team": "pay"}, mlflow__trace__user="u-1"))
    assert session.scores == {"grounded": False, "score": 0}
    assert session.remarks == ["grounded: The refund failed.", "score: No money came."]
    assert session.expected_failure == "No money came."
    assert session.metadata == {
        "team": "pay",
        "user": "u-1",
        "expectations": {"expected": "That it failed.", "facts": ["a"]},
    }


def test_assessments_of_a_turn(tmp_path: Path) -> None:
    """In a session of several traces, each keeps its own scores; from a database they are the same."""
    first, second = refund_traces()
    second["info"]["assessments"] = [assessment("score", "no", by="CODE"), assessment("score", "yes")]
    (of_database,) = imported(write_database(tmp_path / "m.db", [first, second]))
    of_file = one(tmp_path, first, second)
    for session in (of_database, of_file):
        assert session.scores == {}
        assert [part.scores for part in session.traces] == [{}, {"score": "yes"}]


def test_a_judge_that_failed(tmp_path: Path) -> None:
    """It gives no score."""
    broken = assessment("judge", None, by="LLM_JUDGE")
    broken["feedback"] = {"error": {"error_code": "TIMEOUT"}}
    session = one(tmp_path, trace("tr-1", [span(1, "AGENT", "a", "Hi", "Ho", parent=None)], assessments=[broken]))
    assert session.scores == {}
    assert session.notes.lost


# -- recognised


def test_recognised_files(tmp_path: Path) -> None:
    """Databases by their tables, exports by their shape; nothing else."""
    source = MLflow()
    assert source.recognises(Sample(write_database(tmp_path / "named.anyhow", [])))
    assert source.recognises(Sample(write_traces(tmp_path / "t.json", refund_traces())))
    (tmp_path / "bare.json").write_text(json.dumps(refund_traces()[0]["data"]))
    assert source.recognises(Sample(tmp_path / "bare.json"))
    for name, text in (
        ("a.json", '[{"role": "user", "content": "x"}]'),
        ("b.json", '{"data": {"spans": []}}'),
        ("c.json", '{"info": {}, "data": {"spans": [{"attributes": {"a": 1}}]}}'),
        ("d.db", "SQLite format 3\x00 and no more"),
    ):
        (tmp_path / name).write_text(text)
        assert not source.recognises(Sample(tmp_path / name)), name
    with closing(sqlite3.connect(tmp_path / "e.db")) as database:
        database.execute("CREATE TABLE runs (id TEXT)")
    assert not source.recognises(Sample(tmp_path / "e.db"))


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    """It is a problem, with its place."""
    importing = Importing()
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"a": 1}}\n{json.dumps(exported(refund_traces()[0]))}\n')
    assert len(imported(path, importing=importing)) == 1
    assert importing.problems == [f"{path}:1: it is no trace of MLflow's: one has `info` and `data` with `spans`"]


@pytest.mark.skipif(not DATA.is_file(), reason="the captured traces are not here")
@pytest.mark.parametrize("thread", ["ml-handled", "ml-openai"])
def test_a_capture_of_mlflow_itself(thread: str) -> None:
    """LangGraph's and OpenAI's autologging give the two turns with three calls and one."""
    (session,) = [each for each in imported(DATA) if each.id == thread]
    turns = build_session(session).replay.turn_list
    assert [[(each.tool, each.is_failure) for each in turn.tool_responses] for turn in turns] == [
        [("get_order", False), ("get_customer", False), ("issue_refund", True)],
        [("issue_refund", False)],
    ]
    assert turns[0].output == "Good news, your refund of $45.99 for order ORD-1001 has been issued."
    assert turns[0].tool_responses[2].error_spec.type == "shop.PaymentError"  # type: ignore[union-attr]


@pytest.mark.parametrize("odd", [7, 0.5, "x", {"a": 1}, [1], None])
def test_odd_events_of_a_span_are_none(tmp_path: Path, odd: Any) -> None:
    """The error is known from the status alone."""
    trace = exported(refund_traces()[0])
    for each in trace["data"]["spans"]:
        each["events"] = odd
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(trace))
    (session,) = imported(path)
    assert build_session(session).replay.turn_list
