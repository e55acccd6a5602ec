"""Phoenix: whole sessions of a project, chosen by their traces, with what was annotated; and exported files."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.otel.source import OpenTelemetry
from pytest_agent_replay.sources.phoenix.source import Phoenix
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import RunSession
from tests.sources.otlp_of import FIRST_INPUT, SECOND_TRACE, START, TRACE, expect_refund, imported, replays, write_lines
from tests.sources.phoenix_of import iso, message, model, refund, root, tool
from tests.sources.phoenix_server import PhoenixServer, serving

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "traces" / "phoenix"

Json = dict[str, Any]
VARIABLES = ("COLLECTOR_ENDPOINT", "ENDPOINT", "PROJECT_NAME", "API_KEY", "CLIENT_HEADERS")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"PHOENIX_{name}", raising=False)


def fine(number: int, session: str | None) -> list[Json]:
    """A turn without a failure, `number` minutes later."""
    trace = f"{number:032x}"
    given: Json = {"trace": trace, "session": session, "at": 60.0 * number}
    answer = message("assistant", "Hello.")
    return [model("31", [message("user", "Hi.")], answer, "30", **given), root("30", "Hi.", **given)]


@pytest.fixture
def server() -> Iterator[PhoenixServer]:
    """The refund, a session without a failure, and a trace that belongs to none."""
    with serving(PhoenixServer(refunds=[*fine(3, None), *fine(2, "px-2"), *refund()], empty=[])) as running:
        yield running


def read(server: PhoenixServer, *words: object) -> tuple[list[RunSession], Importing]:
    """What `import phoenix --project refunds` gives."""
    return imported(Phoenix(), "--url", server.url, "--project", "refunds", *words)


# -- the server


def test_sessions_of_a_project_are_imported_whole(server: PhoenixServer) -> None:
    """The oldest first; a trace without a session is one of its own."""
    runs, importing = read(server)
    assert [run.id for run in runs] == ["px-1", "px-2", f"{3:032x}"]
    assert (importing.total, importing.problems, importing.notes) == (3, [], [])
    found = replays(runs)
    expect_refund(found["px-1"])
    assert runs[0].source == {
        "type": "phoenix",
        "project": "refunds",
        "session_id": "px-1",
        "url": f"{server.url}/redirects/sessions/px-1",
    }
    assert runs[2].source["trace_id"] == f"{3:032x}"


def test_pages_are_followed(server: PhoenixServer) -> None:
    """Of sessions, traces, spans and annotations."""
    server.page = 1
    server.annotations["trace"] = [annotation("correct", 0.5, trace_id=id_) for id_ in (TRACE, SECOND_TRACE)]
    runs, _ = read(server)
    assert [len(run.traces) for run in runs] == [2, 1, 1]
    expect_refund(replays(runs)["px-1"])
    assert [trace.scores for trace in runs[0].traces] == [{"correct": 0.5}, {"correct": 0.5}]


def test_a_session_is_chosen_by_its_id(server: PhoenixServer) -> None:
    """`--session`: its traces in time order."""
    (run,) = read(server, "--session", "px-1")[0]
    expect_refund(replays([run])["px-1"])
    with pytest.raises(ReplayError, match="no session 'px-9' in the project 'refunds'"):
        read(server, "--session", "px-9")


def test_a_trace_is_chosen_by_its_id(server: PhoenixServer) -> None:
    """`--trace`: of a later turn, what was said before is the context."""
    (run,) = read(server, "--trace", SECOND_TRACE)[0]
    assert run.is_part
    (replay,) = replays([run]).values()
    assert isinstance(replay.context, list)
    assert replay.context[0]["content"] == FIRST_INPUT
    (run,) = read(server, "--trace", TRACE)[0]
    assert not run.is_part
    with pytest.raises(ReplayError, match="no trace 'beef'"):
        read(server, "--trace", "beef")


def test_sessions_with_a_failed_span_are_chosen(server: PhoenixServer) -> None:
    """`--errors`: their root is fine, and the session comes whole."""
    (run,) = read(server, "--errors")[0]
    expect_refund(replays([run])["px-1"])


def test_errors_are_checked_here_too(server: PhoenixServer) -> None:
    """A server that does not know the filter leaves it out and gives everything."""
    server.projects["refunds"] = [*fine(2, "px-2"), *refund()]
    real = server.answer

    def without_filter(path: str, query: dict[str, list[str]], key: str | None) -> tuple[int, Any]:
        query.pop("error", None)
        return real(path, query, key)

    server.answer = without_filter  # type: ignore[method-assign]
    assert [run.id for run in read(server, "--errors")[0]] == ["px-1"]


def test_sessions_are_chosen_by_time(server: PhoenixServer) -> None:
    """A session with one trace in the window comes whole."""
    since, until = iso(START / 1e9 + 5), iso(START / 1e9 + 60)
    assert [run.id for run in read(server, "--since", since, "--until", until)[0]] == ["px-1"]
    assert [len(run.traces) for run in read(server, "--since", since, "--until", until)[0]] == [2]
    runs, importing = read(server, "--since", "1h", "--until", "2000-01-01")
    assert (runs, importing.notes) == ([], ["the project 'refunds' has no trace that was asked for"])


def test_a_limit_takes_the_newest(server: PhoenixServer) -> None:
    """Of the sessions, in the same order."""
    assert [run.id for run in read(server, "--limit", 2)[0]] == ["px-2", f"{3:032x}"]


def test_what_is_there_already_is_not_fetched_again(server: PhoenixServer) -> None:
    """Its spans are not asked for."""

    class There(Importing):
        def has(self, source: Any) -> bool:
            return bool(source.get("session_id") == "px-1")

    parser = ArgumentParser()
    Phoenix().add_arguments(parser)
    given = parser.parse_args(["--url", server.url, "--project", "refunds"])
    assert [run.id for run in Phoenix().sessions(given, There())] == ["px-2", f"{3:032x}"]
    asked = [parse_qs(urlsplit(request).query).get("trace_id") for request in server.requests if "/spans" in request]
    assert sorted(map(str, asked)) == [str([f"{2:032x}"]), str([f"{3:032x}"])]


def annotation(name: str, score: Any = None, label: str | None = None, words: str | None = None, **about: Any) -> Json:
    """What the API gives for an annotation."""
    return {
        "name": name,
        "annotator_kind": about.pop("by", "LLM"),
        "updated_at": about.pop("at", "2026-11-21T10:00:00+00:00"),
        "result": {"score": score, "label": label, "explanation": words},
        **about,
    }


def test_annotations_are_scores_and_remarks(server: PhoenixServer) -> None:
    """Of the session, its traces, their roots and their steps; the first blame by a person is the failure."""
    root_id, tool_id = "10".rjust(16, "b"), "12".rjust(16, "b")
    server.annotations["session"] = [
        annotation("satisfied", 0.0, session_id="px-1", by="HUMAN", words="No refund came.")
    ]
    server.annotations["trace"] = [annotation("tone", label="kind", trace_id=TRACE)]
    server.annotations["span"] = [
        annotation("correct", 1.0, span_id=root_id, at="2026-11-21T09:00:00+00:00"),
        annotation("correct", 0.0, span_id=root_id, words="It claims success."),
        annotation("note", words="Look at this.", span_id=root_id, by="HUMAN"),
        annotation("risky", 0.9, span_id=tool_id),
    ]
    (run,) = read(server, "--session", "px-1")[0]
    assert run.scores == {"satisfied": 0.0}
    assert [trace.scores for trace in run.traces] == [{"tone": "kind", "correct": 0.0}, {}]
    assert run.expected_failure == "No refund came."
    assert sorted(run.remarks) == [
        "Look at this.",
        "correct = 0.0: It claims success.",
        "issue_refund: risky = 0.9",
        "satisfied = 0.0: No refund came.",
    ]
    assert sum(run.notes.lost.values()) == 1


def test_a_server_without_annotations_is_said_once(server: PhoenixServer) -> None:
    """The sessions come without them."""
    server.missing = {"session_annotations", "trace_annotations", "span_annotations"}
    runs, importing = read(server)
    assert len(runs) == 3
    assert any(note.startswith("annotations are not imported") for note in importing.notes)


def test_spans_without_content_are_refused(server: PhoenixServer) -> None:
    """As from files."""
    bare = [{**span, "attributes": {"session.id": "px-1"}} for span in refund()]
    server.projects["refunds"] = bare
    runs, importing = read(server)
    assert runs == []
    assert "OPENINFERENCE_HIDE_INPUTS" in importing.problems[0]


# -- what may be wrong


def test_a_wrong_project_gets_the_nearest_name(server: PhoenixServer) -> None:
    """Or all of them."""
    with pytest.raises(ReplayError, match="has no project 'refund'; did you mean 'refunds'"):
        imported(Phoenix(), "--url", server.url, "--project", "refund")
    with pytest.raises(ReplayError, match="it has 'refunds', 'empty'"):
        imported(Phoenix(), "--url", server.url)
    assert "has no trace" in imported(Phoenix(), "--url", server.url, "--project", "empty")[1].notes[0]


def test_an_old_server_is_an_error(server: PhoenixServer) -> None:
    """It cannot list traces."""
    server.missing = {"traces"}
    with pytest.raises(ReplayError, match="cannot list traces"):
        read(server)


def test_the_key_comes_from_the_environment(server: PhoenixServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is said to be missing; the address and the project come from there too."""
    server.key = "secret-key"
    with pytest.raises(ReplayError, match="set PHOENIX_API_KEY"):
        read(server)
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", f"{server.url}/v1/traces")
    monkeypatch.setenv("PHOENIX_PROJECT_NAME", "refunds")
    monkeypatch.setenv("PHOENIX_API_KEY", "secret-key")
    runs, _ = imported(Phoenix(), "--session", "px-1")
    assert len(runs) == 1
    assert "secret-key" not in json.dumps(runs[0].source)
    monkeypatch.delenv("PHOENIX_API_KEY")
    monkeypatch.setenv("PHOENIX_CLIENT_HEADERS", "Authorization=Bearer secret-key,x-other=1")
    assert len(imported(Phoenix(), "--session", "px-1")[0]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("spans.json", "--limit", "1"), "--limit is for the server"),
        (("spans.json", "--project", "p"), "--project is for the server"),
        (("--session", "a", "--trace", "b"), "leave --session out"),
        (("--session", "a", "--errors"), "leave --errors out"),
        (("--since", "yesterday"), "--since: `yesterday` is not an ISO date .* nor how long ago"),
        (("--since", "99999999w"), "too long ago"),
    ],
)
def test_options_that_contradict_are_refused(words: tuple[str, ...], message: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ReplayError, match=message):
        imported(Phoenix(), *words)


# -- files


def as_frame(spans: list[Json]) -> list[Json]:
    """Rows of a data frame of the client: columns with dots, messages as lists, times in milliseconds."""
    rows = []
    for span in spans:
        row = {key: value for key, value in span.items() if key not in ("context", "attributes", "id")}
        row |= {f"context.{key}": value for key, value in span["context"].items()}
        row |= {f"attributes.{key}": value for key, value in span["attributes"].items()}
        rows.append(row)
    return rows


@pytest.mark.parametrize("shape", ["rest", "frame", "lines"])
def test_exported_spans_are_read(tmp_path: Path, shape: str) -> None:
    """What `/spans` answered, and a data frame, whole or a row a line."""
    path = tmp_path / "spans.json"
    if shape == "rest":
        path.write_text(json.dumps({"data": refund(), "next_cursor": None}))
    elif shape == "frame":
        path.write_text(json.dumps(as_frame(refund())))
    else:
        write_lines(path, *as_frame(refund()))
    runs, _ = imported(Phoenix(), path)
    expect_refund(replays(runs)["px-1"])
    assert runs[0].source == {"type": "phoenix", "session_id": "px-1", "file": "spans.json"}
    sample = Sample(path)
    assert Phoenix().recognises(sample)
    assert not OpenTelemetry().recognises(sample)


def test_an_argument_without_a_name_gets_it_from_the_model(tmp_path: Path) -> None:
    """As of LangChain's tools with one argument."""
    asked = message("assistant", None, ("c1", "issue_refund", {"order_id": "ORD-1"}))
    spans = [root("10", "Hi."), model("11", [message("user", "Hi.")], asked), tool("12", "ORD-1", "done", at=1)]
    runs, _ = imported(Phoenix(), write_lines(tmp_path / "spans.jsonl", *spans))
    (response,) = replays(runs)["px-1"].tool_responses
    assert (response.args, response.call_id, response.raw_args) == ({"order_id": "ORD-1"}, "c1", None)


def test_other_files_are_not_recognised(tmp_path: Path) -> None:
    """Rows of other sources."""
    mlflow = {"trace_id": "dHI=", "span_id": "c3A=", "name": "n", "start_time_unix_nano": START, "attributes": {}}
    values: tuple[Any, ...] = ({"messages": []}, {"traceId": "1", "name": "n"}, [1], {"data": {"spans": [mlflow]}})
    for value in values:
        assert not Phoenix().recognises(Sample(write_lines(tmp_path / "sample.jsonl", value)))


@pytest.mark.skipif(not CAPTURES.exists(), reason="needs the captured traces in ../shared/data/traces")
@pytest.mark.parametrize("name", ["spans_v1.json", "spans_otlpv1.json", "spans_dataframe.json"])
@pytest.mark.parametrize("session", ["px-handled", "px-using-session", "sess-openai"])
def test_captured_exports_give_the_refund(name: str, session: str) -> None:
    """Of a LangGraph agent and of one on OpenAI's client: two turns, one failure of four calls, a false success."""
    runs, importing = imported(Phoenix(), CAPTURES / name, "--session", session)
    first, second = replays(runs)[session].turn_list
    assert importing.problems == []
    assert sorted(call.tool for call in first.tool_responses) == ["get_customer", "get_order", "issue_refund"]
    error = first.tool_responses[2].error
    assert error == ErrorSpec(
        type="shop.PaymentError", message="payment gateway timeout after 2000ms for card ending 4242"
    )
    assert first.output == "Good news, your refund of $45.99 for order ORD-1001 has been issued."
    assert [call.args for call in second.tool_responses] == [
        {"order_id": "ORD-1001", "amount_cents": 4599, "retry": True}
    ]
    assert Phoenix().recognises(Sample(CAPTURES / name))
    assert not OpenTelemetry().recognises(Sample(CAPTURES / name))
