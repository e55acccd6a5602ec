"""Rows of Braintrust's logs, from files and from its API."""

from __future__ import annotations

import json
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.braintrust import NO_SESSION, SCORERS, Braintrust
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import MISSING, Model, RunSession, Tool

DATA = Path(__file__).parents[3] / "shared" / "data" / "traces" / "braintrust" / "spans_merged.json"

ASKED = {"role": "user", "content": "Refund order 7, please."}
AGAIN = {"role": "user", "content": "It is not there."}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRAINTRUST_API_KEY", "BRAINTRUST_API_URL"):
        monkeypatch.delenv(name, raising=False)


def row(
    number: int, name: str, kind: str, input: Any = None, output: Any = None, *, parent: int | None = 1, **more: Any
) -> dict[str, Any]:
    """A span's row; its time is its number."""
    start = 1_795_250_000 + number
    whole = {
        "id": f"row-{number}",
        "span_id": f"s{number}",
        "root_span_id": "r1",
        "span_parents": [f"s{parent}"] if parent is not None else None,
        "span_attributes": {"name": name, "type": kind, "exec_counter": number},
        "created": "2026-11-21T08:33:20Z",
        "project_id": "p-1",
        "input": input,
        "output": output,
        "metrics": {"start": start, "end": start + 0.25, **more.pop("metrics", {})},
    }
    return {**whole, **more}


def chat(number: int, messages: list[Any], answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A call of OpenAI's client, as Braintrust wraps it."""
    schema = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}
    given = {
        "metadata": {"model": "gpt-4o", "provider": "openai", "temperature": 0, "tools": [schema]},
        "metrics": {"prompt_tokens": 5, "completion_tokens": 2, "tokens": 7, "time_to_first_token": 0.1},
        **more,
    }
    choices = [{"index": 0, "finish_reason": "stop", "message": answer}]
    return row(number, "Chat Completion", "llm", messages, choices, **given)


def asks(call_id: str, **args: Any) -> dict[str, Any]:
    """An answer that asks for a refund."""
    function = {"name": "refund", "arguments": json.dumps(args)}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def says(text: str) -> dict[str, Any]:
    """An answer in words."""
    return {"role": "assistant", "content": text}


def told(call_id: str, text: str) -> dict[str, Any]:
    """A result, as the model gets it."""
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def refund_rows() -> list[dict[str, Any]]:
    """Two turns of a session, the newest first."""
    traceback = "Traceback (most recent call last):\n  File x\nshop.PayError: slow\n"
    session: dict[str, Any] = {"metadata": {"session_id": "s-1", "tier": "gold"}}
    first = [
        row(
            1,
            "agent",
            "task",
            ASKED["content"],
            "Good news.",
            parent=None,
            scores={"user": 0},
            tags=["sev1"],
            **session,
        ),
        chat(2, [ASKED], asks("c1", order=7)),
        row(3, "refund", "tool", {"order": 7}, error=traceback),
        chat(4, [ASKED, asks("c1", order=7), told("c1", "slow")], says("Good news.")),
    ]
    history = [ASKED, says("Good news."), AGAIN]
    of_second: dict[str, Any] = {"root_span_id": "r2", "parent": 11}
    second = [
        row(11, "agent", "task", AGAIN["content"], "Now it is.", **{**of_second, "parent": None}, **session),
        chat(12, history, asks("c2", order=7, retry=True), **of_second),
        row(13, "refund", "tool", {"order": 7, "retry": True}, {"id": "RF-9"}, **of_second),
        chat(14, [*history, asks("c2", order=7, retry=True), told("c2", "{}")], says("Now it is."), **of_second),
    ]
    return [*reversed(second), *reversed(first)]


def imported(*words: object, importing: Importing | None = None) -> list[RunSession]:
    """The sessions that the command line asks for."""
    source, parser = Braintrust(), ArgumentParser()
    source.add_arguments(parser)
    given = parser.parse_args([str(word) for word in words])
    source.check(given)
    return list(source.sessions(given, importing or Importing()))


def written(tmp_path: Path, rows: Any) -> Path:
    """A file with rows."""
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows), "utf-8")
    return path


def spans(session: RunSession) -> dict[str, Any]:
    """The spans by their ids."""
    return {span.id: span for trace in session.traces for span in trace.spans}


def story(session: RunSession) -> list[Any]:
    """What a replay will play."""
    return [
        (turn.input, [(each.tool, each.args, each.is_failure) for each in turn.tool_responses], turn.output)
        for turn in build_session(session).replay.turn_list
    ]


REFUND = [
    (ASKED["content"], [("refund", {"order": 7}, True)], "Good news."),
    (AGAIN["content"], [("refund", {"order": 7, "retry": True}, False)], "Now it is."),
]


class Api:
    """Braintrust's API on loopback: pages of rows, newest first."""

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        self.pages = pages
        self.requests: list[tuple[str, Any, str | None]] = []
        self.url = ""
        self.status = 200

    def answer(self, path: str, body: Any) -> Any:
        """What it says."""
        if path.startswith("/v1/project?"):
            return {"objects": [{"id": "p-1", "name": "refund agent"}] if "refund" in path else []}
        number = int(body.get("cursor", 0))
        more = {"cursor": str(number + 1)} if number + 1 < len(self.pages) else {"cursor": None}
        return {"events": self.pages[number], **more}


@contextmanager
def serving(pages: list[list[dict[str, Any]]]) -> Iterator[Api]:
    """The API, as long as the block lasts."""
    api = Api(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            api.requests.append((self.path, body, self.headers.get("authorization")))
            content = json.dumps(api.answer(self.path, body)).encode()
            self.send_response(api.status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("order", [1, -1], ids=["newest first", "oldest first"])
def test_traces_of_a_session(order: int, tmp_path: Path) -> None:
    """Those that name the same session in their metadata are its turns, in time order."""
    (session,) = imported(written(tmp_path, refund_rows()[::order]))
    assert story(session) == REFUND
    assert session.source == {
        "type": "braintrust",
        "file": "rows.json",
        "project": "p-1",
        "thread_id": "s-1",
        "run_ids": ["r1", "r2"],
    }


@pytest.mark.parametrize("key", ["events", "rows", "data"])
def test_answers_of_the_api_as_files(key: str, tmp_path: Path) -> None:
    """Rows are also read below the keys of the API's answers."""
    assert [story(session) for session in imported(written(tmp_path, {key: refund_rows()}))] == [REFUND]


def test_labels(tmp_path: Path) -> None:
    """Scores are the trace's; tags and the rest of the root's metadata the session's."""
    (session,) = imported(written(tmp_path, refund_rows()))
    assert [trace.scores for trace in session.traces] == [{"user": 0}, {}]
    assert (session.tags, session.metadata) == (["sev1"], {"tier": "gold"})


def test_a_model_call(tmp_path: Path) -> None:
    """The model, its tools and settings are metadata; tokens are metrics."""
    (session,) = imported(written(tmp_path, refund_rows()))
    model = spans(session)["s2"].what
    assert isinstance(model, Model)
    assert (model.name, model.finish_reason, model.settings) == ("gpt-4o", "stop", {"temperature": 0})
    assert model.messages == [ASKED]
    assert [tool["name"] for tool in model.tools or []] == ["refund"]
    assert model.usage is not None
    assert model.usage.model_dump(exclude_none=True) == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    assert (model.answer or {})["tool_calls"] == [{"id": "c1", "name": "refund", "args": {"order": 7}}]


def test_a_tool_that_raised(tmp_path: Path) -> None:
    """The error is its traceback; there is no result."""
    (session,) = imported(written(tmp_path, refund_rows()))
    span = spans(session)["s3"]
    assert span.what == Tool("refund", {"order": 7})
    assert span.what.result is MISSING
    assert (span.error.type, span.error.message, span.latency_ms) == ("shop.PayError", "slow", 250)


def test_rows_of_the_same_id_are_merged(tmp_path: Path) -> None:
    """What was logged later adds to what was logged first, by the transaction where there is one."""
    whole = row(1, "agent", "task", "Hi", "Ho", parent=None)
    first = {key: value for key, value in whole.items() if key != "output"}
    later = {**{key: whole[key] for key in ("id", "span_id", "root_span_id", "output")}, "_is_merge": True}
    later["metrics"] = {"end": whole["metrics"]["end"] + 1}
    for rows in ([first, later], [{**later, "_xact_id": "20"}, {**first, "_xact_id": "10"}]):
        (session,) = imported(written(tmp_path, rows))
        assert story(session) == [("Hi", [], "Ho")]
        assert session.traces[0].spans[0].latency_ms == 1250
    gone = {**later, "_object_delete": True, "id": "row-2", "span_id": "s2"}
    assert list(spans(imported(written(tmp_path, [whole, gone]))[0])) == ["s1"]


def test_scorers_are_left_out(tmp_path: Path) -> None:
    """What a scorer asks of a model is not the agent's doing."""
    rows = [
        row(1, "agent", "task", "Hi", "Ho", parent=None),
        row(2, "judge", "score", {}, 1),
        chat(3, [ASKED], says("good"), parent=2),
    ]
    (session,) = imported(written(tmp_path, rows))
    assert list(spans(session)) == ["s1"]
    assert session.notes.lost == {SCORERS: 2}


def test_traces_without_a_session(tmp_path: Path) -> None:
    """Each is one of its own, and it is said how to put them together."""
    rows = [row(n, "agent", "task", "Hi", "Ho", parent=None, root_span_id=f"r{n}") for n in (1, 2)]
    rows[1]["metrics"].pop("end")
    importing = Importing()
    sessions = imported(written(tmp_path, rows), importing=importing)
    assert [session.source.get("run_id") for session in sessions] == ["r1", "r2"]
    assert [session.source.get("incomplete") for session in sessions] == [None, True]
    assert importing.notes == [NO_SESSION]


def test_choices(tmp_path: Path) -> None:
    """A session, a trace alone, the last of them."""
    other = row(30, "agent", "task", "Hi", "Ho", parent=None, root_span_id="r9")
    path = written(tmp_path, [*refund_rows(), other])
    assert [session.id for session in imported(path)] == ["s-1", "r9"]
    assert [session.id for session in imported(path, "--limit", 1)] == ["r9"]
    assert [session.id for session in imported(path, "--session", "s-1")] == ["s-1"]
    (alone,) = imported(path, "--trace", "r2")
    assert (alone.id, alone.is_part, alone.source["run_id"]) == ("r2", True, "r2")
    with pytest.raises(ReplayError, match="no such spans"):
        imported(path, "--session", "none")


def test_a_project_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are read page by page; what comes twice counts once."""
    rows = refund_rows()
    stale = {**rows[0], "output": "old", "_xact_id": "1"}
    monkeypatch.setenv("BRAINTRUST_API_KEY", "bt-key-123456")
    with serving([[{**each, "_xact_id": "5"} for each in rows[:3]], [*rows[3:], stale]]) as api:
        monkeypatch.setenv("BRAINTRUST_API_URL", api.url)
        (session,) = imported("--project", "refund agent")
    assert story(session) == REFUND
    assert session.source["project"] == "refund agent"
    asked = [(path, body) for path, body, _ in api.requests]
    assert asked == [
        ("/v1/project?project_name=refund+agent", None),
        ("/v1/project_logs/p-1/fetch", {"limit": 100}),
        ("/v1/project_logs/p-1/fetch", {"limit": 100, "cursor": "1"}),
    ]
    assert {key for _, _, key in api.requests} == {"Bearer bt-key-123456"}
    assert "bt-key-123456" not in repr(session)


def test_a_project_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no project's name is taken for the id."""
    with serving([refund_rows()]) as api:
        monkeypatch.setenv("BRAINTRUST_API_URL", api.url)
        imported("--project", "0123-abc")
    assert api.requests[1][0] == "/v1/project_logs/0123-abc/fetch"


def test_a_refused_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable to set is named."""
    with serving([]) as api:
        monkeypatch.setenv("BRAINTRUST_API_URL", api.url)
        api.status = 401
        with pytest.raises(ReplayError, match="set BRAINTRUST_API_KEY"):
            imported("--project", "x")


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "either files or --project"), (["a", "--project", "b"], "either")],
)
def test_wrong_calls(words: list[str], message: str) -> None:
    """Each is one clear error."""
    with pytest.raises(ReplayError, match=message):
        imported(*words)


def test_recognised_files(tmp_path: Path) -> None:
    """By the fields of a row."""
    assert Braintrust().recognises(Sample(written(tmp_path, refund_rows())))
    assert not Braintrust().recognises(Sample(written(tmp_path, [{"span_id": "1", "trace_id": "2"}])))


def test_rows_of_something_else(tmp_path: Path) -> None:
    """They are problems, with their place."""
    importing = Importing()
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + "\n".join(map(json.dumps, refund_rows())))
    assert len(imported(path, importing=importing)) == 1
    assert importing.problems[0].startswith(f"{path}:1: it is no row of Braintrust's")


@pytest.mark.skipif(not DATA.is_file(), reason="the captured rows are not here")
def test_a_capture_of_braintrust_itself() -> None:
    """One turn with three calls, of which one failed, and the false claim."""
    ((said, tools, answered),) = story(imported(DATA)[0])
    assert said == "I want a refund for order ORD-1001, my customer id is C-77."
    assert [(name, failed) for name, _, failed in tools] == [
        ("get_order", False),
        ("get_customer", False),
        ("issue_refund", True),
    ]
    assert answered == "Good news, your refund of $45.99 for order ORD-1001 has been issued."


def test_the_instructions_of_the_responses_api(tmp_path: Path) -> None:
    """The wrapped client keeps them apart from the input; they are the system prompt."""
    rows = [
        row(1, "agent", "task", "Hi", "Hello", parent=None),
        row(2, "openai.responses.create", "llm", [{"role": "user", "content": "Hi"}], says("Hello"),
            metadata={"model": "gpt-5", "instructions": "Be brief."}),
    ]  # fmt: skip
    [session] = imported(written(tmp_path, rows))
    assert spans(session)["s2"].what.messages[0] == {"role": "system", "content": "Be brief."}
