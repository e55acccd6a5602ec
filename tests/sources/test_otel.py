"""OpenTelemetry files: every encoding, whole conversations out of many traces, and only what has content."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import FormatError, ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec, ReplayFile
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.otel import files as span_files
from pytest_agent_replay.sources.otel.conventions import read_span
from pytest_agent_replay.sources.otel.conversations import conversation_keys
from pytest_agent_replay.sources.otel.otlp import read_records, read_time
from pytest_agent_replay.sources.otel.source import OpenTelemetry
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import RunSession
from tests.sources.otlp_of import (
    ARGS,
    FALSE_ANSWER,
    FIRST,
    FIRST_INPUT,
    SECOND_TRACE,
    START,
    TRACE,
    batch,
    chat,
    execute,
    expect_refund,
    first_turn,
    imported,
    invoke,
    otlp_span,
    pairs,
    record_of,
    replays,
    second_turn,
    text,
    write_lines,
)
from tests.sources.phoenix_of import refund

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "traces"
needs_captures = pytest.mark.skipif(not CAPTURES.exists(), reason="needs the captured traces in ../shared/data/traces")

Json = dict[str, Any]


def read(*words: object) -> tuple[list[RunSession], Importing]:
    """What `import otel` gives."""
    return imported(OpenTelemetry(), *words)


def only(*words: object) -> ReplayFile:
    """The one replay that `import otel` makes."""
    runs, importing = read(*words)
    assert importing.problems == []
    (replay,) = replays(runs).values()
    return replay


# -- conversations


def test_traces_of_a_conversation_are_its_turns(tmp_path: Path) -> None:
    """Though they are spread over lines, inner spans first, and the later one comes first."""
    inner, *outer = second_turn()
    path = write_lines(
        tmp_path / "spans.jsonl", batch(inner), batch(*outer, *first_turn()[:2]), batch(*first_turn()[2:])
    )
    replay = only(path)
    expect_refund(replay)
    assert replay.metadata == {"service": "shop"}
    assert replay.source is not None
    assert not isinstance(replay.source, str)
    assert replay.source.model_dump(exclude_none=True) == {
        "type": "otel",
        "session_id": "conv-1",
        "file": "spans.jsonl",
    }


def test_files_given_together_hold_one_conversation(tmp_path: Path) -> None:
    """Also one trace over several files."""
    parts = first_turn()
    one = write_lines(tmp_path / "one.jsonl", batch(*parts[:1]))
    two = write_lines(tmp_path / "two.jsonl", batch(*parts[1:]), batch(*second_turn()))
    expect_refund(only(one, two))


def test_without_any_id_each_trace_is_a_session(tmp_path: Path) -> None:
    """In time order, under the trace's id."""
    path = write_lines(tmp_path / "spans.jsonl", batch(*second_turn(None)), batch(*first_turn(None)))
    runs, _ = read(path)
    assert [run.id for run in runs] == [TRACE, SECOND_TRACE]
    assert runs[0].source == {"type": "otel", "trace_id": TRACE, "file": "spans.jsonl"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.conversation.id": "k", "session.id": "other", "metadata.thread_id": "third"},
        {"session.id": "k", "metadata.thread_id": "other"},
        {"langfuse.session.id": "k"},
        {"metadata": '{"thread_id": "k"}'},
        {"metadata.conversation_id": "k"},
        {"langfuse.trace.metadata.thread_id": '"k"'},
        {"traceloop.association.properties.session_id": "k"},
        {"ai.telemetry.metadata.chatId": "k"},
    ],
    ids=lambda attributes: next(iter(attributes)),
)
def test_a_conversation_is_found_by(tmp_path: Path, attributes: Json) -> None:
    """The first family of attributes that a trace has."""
    root = invoke(None, id_="10")
    root["attributes"] += pairs(attributes)
    path = write_lines(tmp_path / "spans.jsonl", batch(*first_turn(None)[:-1], root))
    assert [run.id for run in read(path)[0]] == ["k"]


def test_a_trace_around_two_conversations_is_two_sessions(tmp_path: Path) -> None:
    """A web request that ran the agent for each of them has no id of its own."""
    outer = otlp_span("POST /chat", {"http.request.method": "POST"}, id_="1")
    spans = []
    for number, conversation in enumerate(("a", "b")):
        run = invoke(conversation, id_=f"{number}0", parent="1")
        spans += [
            run,
            chat(FIRST, text("assistant", "Hi."), conversation=conversation, id_=f"{number}1", parent=f"{number}0"),
        ]
    runs, _ = read(write_lines(tmp_path / "spans.jsonl", batch(outer, *spans)))
    assert {id_: replay.output for id_, replay in replays(runs).items()} == {"a": "Hi.", "b": "Hi."}


def test_an_agent_within_an_agent_is_no_conversation_of_its_own(tmp_path: Path) -> None:
    """Though frameworks give it an id: it belongs to the tool that ran it."""
    inner = [
        execute("delegate", "c9", {"task": "look"}, "looked", id_="12", parent="10", at=1),
        invoke("inner", id_="30", parent="12", at=1),
        chat([text("user", "look")], text("assistant", "looked"), conversation="inner", id_="31", parent="30", at=1.1),
    ]
    runs, _ = read(write_lines(tmp_path / "spans.jsonl", batch(*first_turn(), *inner)))
    assert [run.id for run in runs] == ["conv-1"]
    assert replays(runs)["conv-1"].input == FIRST_INPUT


def test_calls_traced_by_themselves_are_one_run(tmp_path: Path) -> None:
    """Each is a trace: without a span around them, nothing else keeps them together."""
    spans = [span for span in (*first_turn(), *second_turn()) if "invoke" not in span["name"]]
    for number, span in enumerate(spans):
        span.pop("parentSpanId")
        span["traceId"] = f"{number + 1:032x}"
        span["attributes"] += pairs({"gen_ai.conversation.id": "conv-1"})
    expect_refund(only(write_lines(tmp_path / "spans.jsonl", batch(*spans))))


def test_what_is_there_already_is_not_read_again(tmp_path: Path) -> None:
    """The importer is asked by the session's source."""
    path = write_lines(tmp_path / "spans.jsonl", batch(*first_turn()), batch(*second_turn("conv-2")))
    seen: list[Any] = []

    class There(Importing):
        def has(self, source: Any) -> bool:
            seen.append(source["session_id"])
            return bool(source["session_id"] == "conv-1")

    from argparse import Namespace

    importing = There()
    given = Namespace(file=[str(path)], session=None, trace=None, errors=False)
    assert [run.id for run in OpenTelemetry().sessions(given, importing)] == ["conv-2"]
    assert (seen, importing.total) == (["conv-1", "conv-2"], 2)


# -- what to import


def two_sessions(tmp_path: Path) -> Path:
    """One with a failed tool, and one without; a trace that has nothing to do with agents."""
    other = otlp_span("GET /health", {}, id_="99", trace="f" * 32)
    fine = second_turn("conv-2")
    return write_lines(tmp_path / "spans.jsonl", batch(*fine), batch(other), batch(*first_turn()))


def test_a_session_is_chosen_by_its_id(tmp_path: Path) -> None:
    """`--session`; a wrong one is an error."""
    path = two_sessions(tmp_path)
    assert [run.id for run in read(path, "--session", "conv-2")[0]] == ["conv-2"]
    with pytest.raises(ReplayError, match="no conversation 'conv-3'"):
        read(path, "--session", "conv-3")


def test_a_trace_is_chosen_by_its_id(tmp_path: Path) -> None:
    """`--trace`: a later turn of a conversation begins with what was said before."""
    path = write_lines(tmp_path / "spans.jsonl", batch(*first_turn()), batch(*second_turn()))
    runs, _ = read(path, "--trace", SECOND_TRACE.upper())
    assert [(run.id, run.is_part) for run in runs] == [(f"conv-1-{SECOND_TRACE[:8]}", True)]
    replay = build_one(runs)
    assert replay.input == "It is not there."
    assert isinstance(replay.context, list)
    assert replay.context[-1]["content"] == FALSE_ANSWER
    with pytest.raises(ReplayError, match="no trace 'beef'"):
        read(path, "--trace", "beef")


def build_one(runs: list[RunSession]) -> ReplayFile:
    """The replay of the one run."""
    (replay,) = replays(runs).values()
    return replay


def test_sessions_with_a_failed_span_are_chosen(tmp_path: Path) -> None:
    """`--errors` looks at tools too: the roots of both are fine."""
    runs, importing = read(two_sessions(tmp_path), "--errors")
    assert [run.id for run in runs] == ["conv-1"]
    assert "1 of 2 sessions have a span that failed" in importing.notes


def test_an_error_of_langfuse_is_its_level(tmp_path: Path) -> None:
    """The span's status says nothing."""
    spans = first_turn()
    spans[1]["status"] = {}
    spans[1]["attributes"] += pairs({"langfuse.observation.level": "ERROR"})
    path = write_lines(tmp_path / "spans.jsonl", batch(*spans), batch(*second_turn("conv-2")))
    assert [run.id for run in read(path, "--errors")[0]] == ["conv-1"]


def test_traces_of_other_things_are_left_out(tmp_path: Path) -> None:
    """And it is said."""
    runs, importing = read(two_sessions(tmp_path))
    assert [run.id for run in runs] == ["conv-1", "conv-2"]
    assert importing.notes == ["1 of 3 traces have no span of an agent, a model or a tool: left out"]


def test_a_file_without_agents_is_an_error(tmp_path: Path) -> None:
    """There is nothing to import."""
    path = write_lines(tmp_path / "spans.jsonl", batch(otlp_span("GET /", {}, id_="1")))
    with pytest.raises(ReplayError, match="no span of an agent"):
        read(path)


# -- content


def without(spans: list[Json], *parts: str) -> list[Json]:
    """The spans without attributes whose names contain one of `parts`."""
    for span in spans:
        span["attributes"] = [pair for pair in span["attributes"] if not any(part in pair["key"] for part in parts)]
    return spans


def test_spans_without_content_are_refused_once(tmp_path: Path) -> None:
    """With what has to be set, for all sessions of the file together."""
    spans = [
        without(first_turn(f"conv-{number}", f"{number + 1:032x}"), "messages", "instructions", "call.arguments")
        for number in range(5)
    ]
    runs, importing = read(write_lines(tmp_path / "spans.jsonl", *(batch(*each) for each in spans)))
    assert runs == []
    (problem,) = importing.problems
    assert problem.startswith(
        "spans.jsonl: conv-0, spans.jsonl: conv-1, spans.jsonl: conv-2 and 2 more: the spans have no"
    )
    assert "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY" in problem
    assert "include_content=True" in problem
    assert "OPENINFERENCE_HIDE_INPUTS" in problem


def test_tools_alone_are_refused(tmp_path: Path) -> None:
    """Nobody knows what the user said; the message names the way that has it."""
    spans = [span for span in first_turn() if "chat" not in span["name"]]
    runs, importing = read(write_lines(tmp_path / "spans.jsonl", batch(*spans)))
    assert runs == []
    assert "no model call with its messages" in importing.problems[0]
    assert "`openai-agents`" in importing.problems[0]


def test_content_in_log_records_belongs_to_their_spans(tmp_path: Path) -> None:
    """As with content capture EVENT_ONLY."""
    spans, logs = first_turn() + second_turn(), []
    for span in spans:
        moved = [pair for pair in span["attributes"] if "messages" in pair["key"] or "instructions" in pair["key"]]
        span["attributes"] = [pair for pair in span["attributes"] if pair not in moved]
        logs.append(
            {
                "traceId": span["traceId"],
                "spanId": span["spanId"],
                "eventName": "gen_ai.client.inference.operation.details",
                "attributes": moved,
            }
        )
    told = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": logs}]}]}
    expect_refund(only(write_lines(tmp_path / "both.jsonl", told, batch(*spans))))


# -- encodings


def as_protobuf(value: Any) -> Any:
    """As protobuf's JSON writes it: ids in base64, enumerations by name."""
    if isinstance(value, list):
        return [as_protobuf(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: as_protobuf(item) for key, item in value.items()}
    for key in ("traceId", "spanId", "parentSpanId"):
        if key in made:
            made[key] = base64.b64encode(bytes.fromhex(made[key])).decode()
    if made.get("code") == 2:
        made["code"] = "STATUS_CODE_ERROR"
    return made


VALUES = ("string_value", "bool_value", "int_value", "double_value", "array_value", "kvlist_value", "bytes_value")


def as_snake(value: Any) -> Any:
    """In snake case, with all the values that are not there as null."""
    if isinstance(value, list):
        return [as_snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): as_snake(item) for key, item in value.items()}
    return {**dict.fromkeys(VALUES), **made} if made.keys() & set(VALUES) else made


def as_rows(value: Json) -> list[Json]:
    """As the console exporter prints spans."""
    return [
        {
            "name": record.name,
            "context": {"trace_id": f"0x{record.trace_id}", "span_id": f"0x{record.span_id}", "trace_state": "[]"},
            "kind": "SpanKind.INTERNAL",
            "parent_id": f"0x{record.parent_id}" if record.parent_id else None,
            "start_time": iso(record.start),
            "end_time": iso(record.end),
            "status": {"status_code": record.status.upper(), "description": record.status_message},
            "attributes": record.attributes,
            "events": [{"name": event.name, "attributes": event.attributes} for event in record.events],
            "resource": {"attributes": record.resource},
        }
        for record in read_records(value)
    ]


def as_logfire(value: Json) -> list[Json]:
    """As Logfire's query API gives its records."""
    return [
        {
            "trace_id": record.trace_id,
            "span_id": record.span_id,
            "parent_span_id": record.parent_id,
            "kind": "span",
            "span_name": record.name,
            "start_timestamp": iso(record.start),
            "end_timestamp": iso(record.end),
            "otel_status_code": record.status.upper(),
            "otel_status_message": record.status_message,
            "attributes": json.dumps(record.attributes),
            "otel_events": "[]",
            "service_name": "shop",
        }
        for record in read_records(value)
    ]


def iso(seconds: float | None) -> str:
    """An ISO time with microseconds."""
    from datetime import datetime, timezone

    assert seconds is not None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(
    "encoded",
    [
        lambda value: [value],
        as_protobuf,
        as_snake,
        lambda value: {"batches": value["resourceSpans"]},
        lambda value: {"trace": value},
        as_rows,
        as_logfire,
        lambda value: {"rows": as_logfire(value)},
    ],
    ids=["list", "protobuf", "snake", "tempo", "tempo-trace", "console", "logfire", "logfire-rows"],
)
@pytest.mark.parametrize("layout", ["lines", "indented"])
def test_every_encoding_gives_the_same_session(tmp_path: Path, encoded: Callable[[Any], Any], layout: str) -> None:
    """On one line, and indented over many, whatever the file is called."""
    value = encoded(batch(*first_turn(), *second_turn()))
    path = tmp_path / "export.txt"
    path.write_text(json.dumps(value, indent=2 if layout == "indented" else None))
    expect_refund(only(path))


def test_rows_of_logfire_that_are_no_spans_are_left_out() -> None:
    """It writes a span down when it begins, too."""
    (row, *_) = as_logfire(batch(*first_turn()))
    others = [{**row, "kind": kind} for kind in ("pending_span", "log")]
    assert len(list(read_records([row, *others]))) == 1
    failed = {**row, "exception_type": "ValueError", "exception_message": "no", "otel_status_code": "ERROR"}
    (record,) = read_records(failed)
    assert read_span(record).error == ErrorSpec(type="ValueError", message="no")


def test_values_of_attributes_are_read() -> None:
    """Integers as text, lists, maps; values that JSON cannot have are none."""
    attributes = {"n": 12, "flag": True, "f": 0.5, "list": ["a", 2], "map": {"k": [1.5]}}
    assert record_of(attributes).attributes == attributes
    odd = otlp_span("s", {}, id_="1")
    odd["attributes"] = [
        {"key": "nan", "value": {"doubleValue": "NaN"}},
        {"key": "empty", "value": {}},
        {"key": "broken", "value": {"intValue": "twelve"}},
        {"key": "kept", "value": {"stringValue": ""}},
    ]
    (record,) = read_records(batch(odd))
    assert record.attributes == {"kept": ""}


def test_spans_that_have_not_ended_have_no_end() -> None:
    """Zero is no time."""
    open_span = {**otlp_span("s", {}, id_="1"), "endTimeUnixNano": "0", "parentSpanId": "0" * 16}
    (record,) = read_records(batch(open_span))
    assert (record.end, record.parent_id, record.start) == (None, None, START / 1e9)


@pytest.mark.parametrize(
    "value",
    ["2026-11-21T10:00:00Z", "2026-11-21 11:00:00+01:00", "2026-11-21T10:00:00.000000", 1795255200, 1795255200000,
     1795255200000000, "1795255200000000000"],
)  # fmt: skip
def test_times_of_every_kind_are_read(value: Any) -> None:
    """ISO texts, and numbers of any unit."""
    assert read_time(value) == 1795255200.0


@pytest.mark.parametrize("value", [None, "", "soon", 0, -1, True, [], "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(value: Any) -> None:
    """Nothing is guessed."""
    assert read_time(value) is None


# -- files


def test_a_broken_line_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    """With its place."""
    path = write_lines(tmp_path / "spans.jsonl", batch(*first_turn()), batch(*second_turn()))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], '{"resourceSpans": [', lines[1], ""]))
    runs, importing = read(path)
    expect_refund(build_one(runs))
    (problem,) = importing.problems
    assert problem.startswith(f"{path}:2: it is not JSON")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[1, 2]", "there are no spans"), (b"{\n", "not JSON"), (b"", "the file is empty"), (b"\xff\n", "not UTF-8")],
)
def test_files_of_something_else_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Without a traceback."""
    path = tmp_path / "spans.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read(path)
    with pytest.raises(FormatError, match="cannot be read"):
        read(tmp_path / "nowhere.json")


def test_large_files_are_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One conversation at a time, and the index."""
    monkeypatch.setattr(span_files, "_KEPT_BYTES", 100_000)
    filler = "x" * 20_000
    values = (
        batch(
            chat([text("user", filler)], text("assistant", "Hi."), conversation=f"c{n}", id_="1", trace=f"{n + 1:032x}")
        )
        for n in range(60)
    )
    path = write_lines(tmp_path / "spans.jsonl", *values)
    importing = Importing()
    from argparse import Namespace

    given = Namespace(file=[str(path)], session=None, trace=None, errors=False)
    tracemalloc.start()
    count = sum(1 for _ in OpenTelemetry().sessions(given, importing))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60
    assert peak < path.stat().st_size / 4


def test_spans_that_share_a_line_are_read_for_each_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when nothing is kept."""
    monkeypatch.setattr(span_files, "_KEPT_BYTES", 0)
    mixed = [span for pair in zip(first_turn(), second_turn("conv-2"), strict=True) for span in pair]
    runs, _ = read(write_lines(tmp_path / "spans.jsonl", batch(*mixed[:4]), batch(*mixed[4:])))
    assert [len(run.traces[0].spans) for run in runs] == [4, 4]


def test_evaluations_are_scores(tmp_path: Path) -> None:
    """The score, or the label where there is no score."""
    root = invoke(id_="10", events=[
        ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.25}),
        ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "rude"}),
    ])  # fmt: skip
    replay = only(write_lines(tmp_path / "spans.jsonl", batch(*first_turn()[:-1], root)))
    assert replay.scores == {"relevance": 0.25, "tone": "rude"}


# -- auto, and what was captured from real programs


def test_files_are_recognised(tmp_path: Path) -> None:
    """OTLP by its outermost key, rows by what their spans are; nothing else."""
    source = OpenTelemetry()
    whole = batch(*first_turn())

    def knows(value: Any) -> bool:
        return source.recognises(Sample(write_lines(tmp_path / "sample.jsonl", value)))

    assert all(knows(value) for value in (whole, as_snake(whole), as_rows(whole), as_logfire(whole)))
    assert not knows([{"role": "user", "content": "Hi."}])
    assert not knows(as_rows(batch(otlp_span("GET /", {}, id_="1"))))
    assert not knows([{**row, "span_kind": "LLM"} for row in as_rows(whole)])


def unwrapped(path: Path, folder: Path) -> Path:
    """The bodies that a capture recorded, one a line."""
    if path.suffix == ".jsonl":
        return path
    bodies = [sent["body"] for sent in json.loads(path.read_text())["otlp"]]
    return write_lines(folder / f"{path.stem}.jsonl", *bodies)


@needs_captures
@pytest.mark.parametrize(
    ("capture", "session", "raised"),
    [
        ("otel_genai/otlp_file_exporter.jsonl", "file-1", "shop.PaymentError"),
        ("otel_genai/otlp_genai13_langchain.json", "otel-handled", "shop.PaymentError"),
        ("pydantic_ai/otlp_pyd.json", "pydTrue", "pydantic_ai.exceptions.ModelRetry"),
        ("pydantic_ai/otlp_pyd2.json", "pyd2True", "pydantic_ai.exceptions.ModelRetry"),
        ("pydantic_ai/otlp_pyd3.json", "pyd3True", "pydantic_ai.exceptions.ModelRetry"),
        ("logfire/otlp.json", "logfireTrue", "pydantic_ai.exceptions.ModelRetry"),
        ("langfuse/otlp_ingest.json", "lf-handled", None),
        ("futureagi/otlp.json", "fi-sess", "shop.PaymentError"),
    ],
)
def test_captured_traces_give_the_refund(tmp_path: Path, capture: str, session: str, raised: str | None) -> None:
    """Two turns, three tool calls of which one failed, a false success, one call; the last capture has one turn."""
    runs, importing = read(unwrapped(CAPTURES / capture, tmp_path), "--session", session)
    replay = build_one(runs)
    assert importing.problems == []
    turns = replay.turn_list
    assert [[call.tool for call in turn.tool_responses] for turn in turns] == [
        ["get_order", "get_customer", "issue_refund"],
        ["issue_refund"],
    ][: len(turns)]
    failed = turns[0].tool_responses[2].error
    assert isinstance(failed, ErrorSpec)
    assert (failed.type, failed.message) == (raised, "payment gateway timeout after 2000ms for card ending 4242")
    assert turns[0].output == "Good news, your refund of $45.99 for order ORD-1001 has been issued."
    if capture.startswith("futureagi"):
        return
    assert turns[1].tool_responses[0].args == {"order_id": "ORD-1001", "amount_cents": 4599, "retry": True}
    assert turns[1].output == "I am sorry about that. The refund went through now, reference RF-9."


@needs_captures
@pytest.mark.parametrize(
    ("capture", "message"),
    [("otlp_openai_v2_oai.json", "no content"), ("otlp_genai13_agents.json", "no model call with its messages")],
)
def test_captured_traces_without_content_say_so(tmp_path: Path, capture: str, message: str) -> None:
    """What OpenTelemetry leaves out by default, and what the OpenAI Agents' instrumentation does not export."""
    runs, importing = read(unwrapped(CAPTURES / "otel_genai" / capture, tmp_path))
    assert runs == []
    assert message in importing.problems[0]


def test_arguments_stay_as_the_model_sent_them(tmp_path: Path) -> None:
    """The span of the tool does not change them."""
    replay = only(write_lines(tmp_path / "spans.jsonl", batch(*first_turn())))
    assert replay.tool_responses[0].args == ARGS


ODD: tuple[Any, ...] = (None, 7, "odd", [], {}, [[1]], {"odd": {"odd": 1}}, True)


def broken(value: Any, odd: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by `odd`, one after the other."""
    yield odd
    if isinstance(value, dict):
        for key, item in value.items():
            for changed in broken(item, odd):
                yield {**value, key: changed}
    if isinstance(value, list):
        for index, item in enumerate(value):
            for changed in broken(item, odd):
                yield [*value[:index], changed, *value[index + 1 :]]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("encoded", [lambda value: value, as_snake, as_rows, as_logfire, lambda _: refund()[1:3]])
def test_odd_files_never_raise(encoded: Callable[[Any], Any], odd: Any) -> None:
    """Each part of a span may be anything: what cannot be read is left out."""
    whole = encoded(batch(*first_turn()[1:2]))
    for value in broken(whole, odd):
        for record in read_records(value):
            assert read_span(record).id
            conversation_keys(record)


@pytest.mark.parametrize("moment", [10**400, 10**30, "9" * 40, 1e300])
def test_what_is_later_than_all_years_is_no_time(moment: Any) -> None:
    """Neither in OTLP nor in rows."""
    assert read_time(moment) is None


def test_a_number_beyond_all_others_is_no_json(tmp_path: Path) -> None:
    """No floating-point number can hold it; the other lines are read."""
    path = tmp_path / "spans.jsonl"
    lines = [json.dumps(each) for each in (batch(*first_turn()), {"resourceSpans": [10**400]})]
    path.write_text("\n".join(lines))
    runs, importing = imported(OpenTelemetry(), path)
    assert len(runs) == 1
    assert "a number of 401 digits" in importing.problems[0]
