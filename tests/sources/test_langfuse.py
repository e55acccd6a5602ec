"""The Langfuse source: exported files, and servers of both generations."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import Source, ToolResponse, Turn
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.langfuse.source import Langfuse
from pytest_agent_replay.sources.session import ImportedSession
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunSession, Span, Tool
from tests.sources.langfuse_server import PUBLIC, SECRET, LangfuseServer, running

DATA = Path(__file__).parents[3] / "shared" / "data"

Row = dict[str, Any]


def observation(number: int, kind: str, name: str, *, trace: str = "t1", at: int | None = None, **fields: Any) -> Row:
    """An observation as v2 lists have it; `at` is its second, the number unless told."""
    begin = number if at is None else at
    row: Row = {
        "id": f"{trace}-o{number}",
        "traceId": trace,
        "projectId": "p1",
        "parentObservationId": None if number == 0 else f"{trace}-o0",
        "isRootObservation": number == 0,
        "type": kind,
        "name": name,
        "startTime": f"2026-11-21T09:00:{begin:02d}.000Z",
        "endTime": f"2026-11-21T09:00:{begin:02d}.500Z",
        "level": "DEFAULT",
        "statusMessage": None,
        "input": None,
        "output": None,
        "metadata": {},
    }
    texts = {key: json.dumps(fields[key]) for key in ("input", "output") if not isinstance(fields.get(key, ""), str)}
    return {**row, **fields, **texts}


def asked(*calls: tuple[str, str, dict[str, Any]]) -> Row:
    """A model's answer that asks for tools: id, name and arguments of each."""
    functions = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
        for call_id, name, args in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": functions}


SYSTEM = {"role": "system", "content": "You sell tickets."}
USER = {"role": "user", "content": "Two seats for Friday, please."}
CALL = asked(("c1", "find_seats", {"day": "friday"}))
RESULT = {"role": "tool", "tool_call_id": "c1", "content": '["A1", "A2"]'}


def booking(trace: str = "t1", *, tool: Row | None = None, told: Row = RESULT, **fields: Any) -> list[Row]:
    """A trace: the agent asks the model, runs a tool, and asks again. `fields` are every observation's."""
    run = {"name": "find_seats", "input": {"day": "friday"}, "output": ["A1", "A2"], **(tool or {})}
    kind = run.pop("type", "TOOL")
    rows = [
        observation(0, "AGENT", "sell", trace=trace, input={"args": ["Two seats for Friday, please."], "kwargs": {}}),
        observation(1, "GENERATION", "chat", trace=trace, input=[SYSTEM, USER], output=CALL, model="m-1"),
        observation(2, kind, run.pop("name"), trace=trace, **run),
        observation(3, "GENERATION", "chat", trace=trace, input=[SYSTEM, USER, CALL, told], output="A1 and A2 it is."),
    ]
    return [{**row, **fields} for row in rows]


def given(*words: str) -> Namespace:
    """The parsed options."""
    parser = ArgumentParser()
    Langfuse().add_arguments(parser)
    return parser.parse_args(list(words))


def saved(tmp_path: Path, value: Any, name: str = "export.json") -> str:
    """The path of a file with this JSON; a tuple's items are lines."""
    path = tmp_path / name
    path.write_text("\n".join(map(json.dumps, value)) if isinstance(value, tuple) else json.dumps(value))
    return str(path)


def runs(*words: str, importing: Importing | None = None) -> list[RunSession]:
    """What the source yields; problems fail the test unless it looks at them itself."""
    own = importing or Importing()
    found = list(Langfuse().sessions(given(*words), own))
    if importing is None:
        assert own.problems == []
    return found


def only(tmp_path: Path, value: Any) -> RunSession:
    """The one session of a file."""
    (run,) = runs(saved(tmp_path, value))
    return run


def built(tmp_path: Path, value: Any) -> ImportedSession:
    """The same as a replay file's session."""
    return build_session(only(tmp_path, value))


def tools_of(run: RunSession) -> list[Tool]:
    """The runs of tools, in time order."""
    spans = [span for trace in run.traces for span in trace.spans if isinstance(span.what, Tool)]
    return [span.what for span in spans if isinstance(span.what, Tool)]


def models_of(run: RunSession) -> list[Model]:
    """The calls of models, in time order."""
    return [span.what for trace in run.traces for span in trace.spans if isinstance(span.what, Model)]


def span(run: RunSession, number: int) -> Span:
    """The span of the observation with this number in the first trace."""
    return next(span for span in run.traces[0].spans if span.id.endswith(f"-o{number}"))


def turns_of(session: ImportedSession) -> list[Turn]:
    """The turns; the short form's one too."""
    replay = session.replay
    if replay.turns:
        return replay.turns
    return [Turn(**{name: getattr(replay, name) for name in replay.model_fields_set & Turn.model_fields.keys()})]


def responses(turn: Turn) -> list[ToolResponse]:
    """The recorded tool calls of a turn."""
    return list(turn.tool_responses or [])


# -- files


SHAPES: dict[str, Callable[[list[Row]], Any]] = {
    "trace": lambda rows: {"id": "t1", "name": "sell", "sessionId": "s1", "observations": rows},
    "wrapped": lambda rows: {"trace": {"id": "t1", "name": "sell", "sessionId": "s1"}, "observations": rows},
    "traces": lambda rows: [{"id": "t1", "name": "sell", "sessionId": "s1", "observations": rows}],
    "observations": lambda rows: rows,
    "page": lambda rows: {"data": rows, "meta": {}},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_an_export_gives_the_same_session(tmp_path: Path, shape: str) -> None:
    """Traces, bare and wrapped, and lists of observations are read alike."""
    session = built(tmp_path, SHAPES[shape](booking(sessionId="s1", traceName="sell")))
    (turn,) = turns_of(session)
    (response,) = responses(turn)
    assert (session.wish, session.replay.name) == ("s1", "sell")
    assert (turn.input, turn.output) == ("Two seats for Friday, please.", "A1 and A2 it is.")
    assert (response.tool, response.args, response.response) == ("find_seats", {"day": "friday"}, ["A1", "A2"])
    assert isinstance(session.replay.source, Source)
    assert session.replay.source.model_dump(exclude_none=True) == {
        "type": "langfuse",
        "project": "p1",
        "thread_id": "s1",
    }


def test_lines_of_observations_are_grouped_by_session_and_time(tmp_path: Path) -> None:
    """An exported table is in no order; traces of one session are one conversation, and the others are their own."""
    later = [{**row, "startTime": row["startTime"].replace("09:00", "09:30")} for row in booking("t2", sessionId="s")]
    lines = (*later, *booking("t1", sessionId="s")[::-1], *booking("t3"))
    first, second = runs(saved(tmp_path, lines, "export.jsonl"))
    assert (first.id, [trace.id for trace in first.traces]) == ("s", ["t1", "t2"])
    assert (second.id, second.source["run_id"]) == ("t3", "t3")


def test_traces_of_one_session_in_several_files_are_one_session(tmp_path: Path) -> None:
    """The trace page gives a file for each trace of a conversation."""
    files = [
        saved(tmp_path, {"trace": {"id": trace, "sessionId": "s"}, "observations": booking(trace)}, f"{trace}.json")
        for trace in ("t1", "t2")
    ]
    (run,) = runs(*files)
    assert [trace.id for trace in run.traces] == ["t1", "t2"]


def test_an_observation_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    """Pages that overlap, or a trace beside its observations, change nothing."""
    rows = booking()
    run = only(tmp_path, [{"id": "t1", "observations": rows}, *rows])
    assert len(run.traces[0].spans) == len(rows)


def test_a_table_exported_as_csv_is_read(tmp_path: Path) -> None:
    """Texts stand in it as they are, everything else as JSON, and nothing for null."""
    rows = [
        {**row, "startTime": json.dumps(row["startTime"]), "endTime": json.dumps(row["endTime"]), "metadata": "{}"}
        for row in booking(traceName="sell", traceTags='["vip"]', comments='[{"content": "wrong seats"}]')
    ]
    path = tmp_path / "observations.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    (run,) = runs(str(path))
    (response,) = responses(turns_of(build_session(run))[0])
    assert (run.name, run.tags, run.remarks) == ("sell", ["vip"], ["wrong seats"])
    assert (response.args, response.response, response.latency_ms) == ({"day": "friday"}, ["A1", "A2"], 500)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([{"id": "t1", "timestamp": "2026-11-21T09:00:00Z", "input": "hi"}], "item 1: it is a trace without"),
        ({"runs": 3}, "neither a trace with `observations` nor an observation; it has `runs`"),
        ([7], "item 1: it is neither a trace with `observations` nor an observation; it has int"),
    ],
)
def test_what_is_no_trace_is_told(tmp_path: Path, value: Any, problem: str) -> None:
    """Each item that cannot be read is a problem with its place; nothing is made up for it."""
    importing = Importing()
    assert runs(saved(tmp_path, value), importing=importing) == []
    assert len(importing.problems) == 1
    assert problem in importing.problems[0]


def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    """Of several files the readable ones are imported; an only one raises."""
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    importing = Importing()
    (run,) = runs(str(broken), saved(tmp_path, booking()), importing=importing)
    assert run.id == "t1"
    assert "it is not JSON" in importing.problems[0]
    with pytest.raises(ReplayError, match="it is not JSON"):
        runs(str(broken))


@pytest.mark.parametrize(
    ("value", "is_ours"),
    [
        (booking(), True),
        ({"data": booking(), "meta": {"cursor": "x"}}, True),
        ({"trace": {"id": "t"}, "observations": booking()}, True),
        (tuple(booking()), True),
        ([{"role": "user", "content": "hi"}], False),
        ({"resourceSpans": []}, False),
        ({"data": [{"id": "1", "type": "tool"}]}, False),
        ({"id": "t", "observations": []}, False),
    ],
)
def test_it_recognises_its_files(tmp_path: Path, value: Any, is_ours: bool) -> None:
    """Observations and traces of Langfuse are known by their fields."""
    name = "some.jsonl" if isinstance(value, tuple) else "some.json"
    assert Langfuse().recognises(Sample(Path(saved(tmp_path, value, name)))) is is_ours


def test_it_recognises_a_table_by_its_columns(tmp_path: Path) -> None:
    """The header of a CSV file tells."""
    path = tmp_path / "rows.csv"
    path.write_text('"id","traceId","projectId","type","startTime"\n')
    assert Langfuse().recognises(Sample(path))
    path.write_text('"id","text"\n')
    assert not Langfuse().recognises(Sample(path))


# -- tools


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.tool.name": "find_seats"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find_seats"},
        {"openinference.span.kind": "TOOL", "tool.name": "find_seats"},
        {"logfire.msg": "running tool: find_seats", "gen_ai.tool.name": "find_seats"},
    ],
)
@pytest.mark.parametrize("form", ["object", "text", "one by one"])
def test_attributes_tell_that_a_span_is_a_tool(tmp_path: Path, attributes: Row, form: str) -> None:
    """Old traces have no tools among the types; the attributes are whole, JSON text, or keys of the metadata."""
    metadata = {
        "object": {"attributes": attributes},
        "text": json.dumps({"attributes": json.dumps(attributes)}),
        "one by one": {f"attributes.{name}": value for name, value in attributes.items()},
    }[form]
    run = only(tmp_path, booking(tool={"type": "SPAN", "name": "running", "metadata": metadata}))
    assert [(tool.name, tool.args, tool.result) for tool in tools_of(run)] == [
        ("find_seats", {"day": "friday"}, ["A1", "A2"])
    ]


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "AGENT", "tool.name": "find_seats"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.tool.name": "find_seats"},
        {"openinference.span.kind": "CHAIN"},
    ],
)
def test_a_span_that_says_it_is_something_else_is_no_tool(tmp_path: Path, attributes: Row) -> None:
    """What runs an agent or a chain may speak of a tool without being one."""
    metadata = {"attributes": attributes}
    assert tools_of(only(tmp_path, booking(tool={"type": "SPAN", "name": "step", "metadata": metadata}))) == []


def test_a_span_named_like_a_called_tool_is_its_run(tmp_path: Path) -> None:
    """Without types and attributes, the name of a tool that a model asked for tells, and the guess is said."""
    run = only(tmp_path, booking(tool={"type": "SPAN"}))
    assert [tool.name for tool in tools_of(run)] == ["find_seats"]
    assert [text for text in run.notes.guessed if "named like a tool" in text]


def test_a_span_that_began_before_the_tool_was_asked_for_is_no_run_of_it(tmp_path: Path) -> None:
    """An agent may be called like one of its tools."""
    rows = booking()
    rows[0]["name"] = "find_seats"
    run = only(tmp_path, rows)
    assert isinstance(span(run, 0).what, Agent)
    assert len(tools_of(run)) == 1


def test_a_tool_below_a_model_call_counts(tmp_path: Path) -> None:
    """Google's ADK runs tools below the model call that asked for them."""
    (response,) = responses(turns_of(built(tmp_path, booking(tool={"parentObservationId": "t1-o1"})))[0])
    assert (response.tool, response.response) == ("find_seats", ["A1", "A2"])


@pytest.mark.parametrize(
    ("told", "args", "bare"),
    [
        ({"args": [], "kwargs": {"day": "friday"}}, {"day": "friday"}, MISSING),
        ({"args": ["friday"], "kwargs": {}}, None, "friday"),
        ({"args": ["friday", 2], "kwargs": {}}, None, MISSING),
        ("{'day': 'friday'}", {"day": "friday"}, MISSING),
        (
            {"name": "find_seats", "args": {"day": "friday"}, "id": "c1", "type": "tool_call"},
            {"day": "friday"},
            MISSING,
        ),
        ({}, {}, MISSING),
        ("friday", None, "friday"),
    ],
)
def test_arguments_are_read_out_of_what_recorded_them(tmp_path: Path, told: Any, args: Any, bare: Any) -> None:
    """`@observe` records a call, LangChain's callback what Python prints of the arguments."""
    (tool,) = tools_of(only(tmp_path, booking(tool={"input": told})))
    assert (tool.args, tool.bare) == (args, bare)


@pytest.mark.parametrize(
    ("recorded", "result"),
    [
        ('{"free": 2}', {"free": 2}),
        (json.dumps(json.dumps({"free": 2})), {"free": 2}),
        ("2", 2),
        ("true", True),
        ("007", "007"),
        ("1e5", "1e5"),
        ("NaN", "NaN"),
        ("two seats", "two seats"),
        ('"two seats"', "two seats"),
    ],
)
def test_results_are_what_their_json_says(tmp_path: Path, recorded: str, result: Any) -> None:
    """Servers give texts, exports may write their JSON once more; a text that no JSON writer made is itself."""
    (tool,) = tools_of(only(tmp_path, booking(tool={"output": recorded})))
    assert tool.result == result
    assert type(tool.result) is type(result)


def test_a_message_of_a_tool_is_unwrapped(tmp_path: Path) -> None:
    """LangChain's callback records the tool's message; its status tells a failure, its id the call."""
    message = {"type": "tool", "content": "no such day", "tool_call_id": "c1", "status": "error", "name": "find_seats"}
    (tool,) = tools_of(only(tmp_path, booking(tool={"output": message})))
    assert (tool.result, tool.failed, tool.call_id) == ("no such day", True, "c1")


def test_the_answer_of_googles_tools_is_in_the_attributes(tmp_path: Path) -> None:
    """Langfuse shows an empty model answer as the output of ADK's tools."""
    attributes = {
        "gen_ai.tool.name": "find_seats",
        "gcp.vertex.agent.tool_call_args": '{"day": "friday"}',
        "gcp.vertex.agent.tool_response": '{"free": ["A1"]}',
    }
    tool = {"input": {}, "output": {}, "metadata": {"attributes": attributes}}
    (found,) = tools_of(only(tmp_path, booking(tool=tool)))
    assert (found.args, found.result) == ({"day": "friday"}, {"free": ["A1"]})


def test_no_output_is_no_result(tmp_path: Path) -> None:
    """Null stands for what was not recorded; the model was told the result."""
    run = only(tmp_path, booking(tool={"output": None}))
    assert tools_of(run)[0].result is MISSING
    (response,) = responses(turns_of(build_session(run))[0])
    assert response.response == '["A1", "A2"]'


def test_the_level_error_is_an_exception(tmp_path: Path) -> None:
    """Its text is the status message; the type is lost, and that is said."""
    run = only(tmp_path, booking(tool={"level": "ERROR", "statusMessage": "no connection", "output": None}))
    (response,) = responses(turns_of(build_session(run))[0])
    assert response.error is not None
    assert not isinstance(response.error, str)
    assert (response.error.type, response.error.message) == (None, "no connection")
    assert sum(run.notes.lost.values()) == 1


def test_the_type_of_an_exception_may_stand_in_what_the_model_was_told(tmp_path: Path) -> None:
    """LangGraph tells the model the `repr` of an exception."""
    told = {**RESULT, "content": "Error: SeatError('no connection')"}
    tool = {"level": "ERROR", "statusMessage": "no connection", "output": None}
    run = only(tmp_path, booking(tool=tool, told=told))
    error = span(run, 2).error
    assert error is not None
    assert (error.type, error.message) == ("SeatError", "no connection")
    assert run.notes.lost == {}


def test_a_warning_is_no_error(tmp_path: Path) -> None:
    """Only the level ERROR says that something failed."""
    run = only(tmp_path, booking(tool={"level": "WARNING", "statusMessage": "slow"}))
    assert span(run, 2).error is None


def test_a_run_without_a_name_is_left_out_and_told(tmp_path: Path) -> None:
    """Nobody could answer a tool that has no name."""
    run = only(tmp_path, booking(tool={"name": ""}))
    assert tools_of(run) == []
    assert run.notes.lost["runs of tools without a name"] == 1


def test_media_that_langfuse_keeps_apart_are_told(tmp_path: Path) -> None:
    """Where an image was, there is a reference to it."""
    image = "@@@langfuseMedia:type=image/png|id=m1|source=bytes@@@"
    run = only(tmp_path, booking(tool={"input": {"day": "friday", "plan": image}}))
    assert [count for text, count in run.notes.lost.items() if "images" in text] == [1]


ODD: list[Any] = [None, 7, True, "", "x", "[]", "{'a': 1}", [], {}, [None], [{}], {"args": [None]}, {"role": "tool"}]


def test_a_model_call_that_is_traced_twice_counts_once(tmp_path: Path) -> None:
    """Agno's and OpenAI's instrumentations both see a call: one observation is the other's parent."""
    inner = observation(4, "GENERATION", "chat m-1", at=1, parentObservationId="t1-o1", input=[USER], output="None")
    (turn,) = turns_of(built(tmp_path, [*booking(), inner]))
    assert [answer.content for answer in turn.llm_responses or []] == [None, "A1 and A2 it is."]


@pytest.mark.parametrize("field", ["input", "output", "metadata", "name", "model", "modelParameters", "usageDetails"])
@pytest.mark.parametrize("number", [1, 2])
def test_odd_values_raise_nothing(tmp_path: Path, field: str, number: int) -> None:
    """Observations are other people's data: whatever a field holds, the rest of the trace is read."""
    for value in ODD:
        rows = booking()
        rows[number][field] = value
        assert turns_of(built(tmp_path, rows))[0].output == "A1 and A2 it is."


@pytest.mark.parametrize(
    "field", ["tags", "scores", "metadata", "name", "projectId", "sessionId", "input", "timestamp"]
)
def test_odd_fields_of_a_trace_raise_nothing(tmp_path: Path, field: str) -> None:
    """The same holds for what a trace says of itself."""
    for value in ODD:
        assert len(turns_of(built(tmp_path, {"id": "t1", "observations": booking(), field: value}))) == 1


# -- models


def test_tools_are_read_beside_messages_in_parts(tmp_path: Path) -> None:
    """Messages of OpenTelemetry's conventions have parts instead of content; the attributes name the tools."""
    call = {"type": "tool_call", "id": "c1", "name": "find_seats", "arguments": {"day": "friday"}}
    result = {"type": "tool_call_response", "id": "c1", "response": "A1"}
    messages = [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [result]}]
    rows = booking()
    tool = {"type": "function", "function": {"name": "find_seats"}}
    rows[3].update(input=json.dumps(messages), metadata={"attributes": {"gen_ai.tool.definitions": json.dumps([tool])}})
    model = models_of(only(tmp_path, rows))[1]
    assert [message["role"] for message in model.messages or []] == ["assistant", "tool"]
    assert model.tools == [{"name": "find_seats"}]


def test_a_model_call_has_all_that_langfuse_knows(tmp_path: Path) -> None:
    """Messages, the tools that LangChain's callback lists among them, counts, price, settings, the managed prompt."""
    tool = {"name": "find_seats", "description": "Free seats.", "parameters": {"type": "object", "properties": {}}}
    rows = booking()
    listed = [SYSTEM, USER, {"role": "tool", "content": {"type": "function", "function": tool}}]
    rows[1].update(
        input=json.dumps(listed),
        modelParameters={"temperature": 0, "max_tokens": "null", "instructions": "long", "seed": ""},
        usageDetails={"input": 9, "output": 2, "total": 11, "input_cache_read": 4, "output_reasoning": 1},
        costDetails={"total": 0.5},
        promptName="seller",
        promptVersion=3,
    )
    run = only(tmp_path, rows)
    model = models_of(run)[0]
    assert (model.name, model.messages, model.tools) == ("m-1", [SYSTEM, USER], [tool])
    assert model.answer == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "name": "find_seats", "args": {"day": "friday"}}],
    }
    assert model.settings == {"temperature": 0}
    assert model.usage is not None
    assert model.usage.model_dump(exclude_none=True) == {
        "input_tokens": 9,
        "output_tokens": 2,
        "total_tokens": 11,
        "cached_tokens": 4,
        "reasoning_tokens": 1,
        "cost": 0.5,
    }
    assert run.agent_config == {"prompt_name": "seller", "prompt_version": 3}


def test_an_openai_request_tells_its_tools(tmp_path: Path) -> None:
    """Langfuse's OpenAI wrapper records the request's messages and tools beside each other."""
    rows = booking()
    function = {"name": "find_seats", "parameters": {"type": "object"}}
    rows[1]["input"] = json.dumps({"tools": [{"type": "function", "function": function}], "messages": [SYSTEM, USER]})
    model = models_of(only(tmp_path, rows))[0]
    assert (model.messages, model.tools) == ([SYSTEM, USER], [function])


def test_a_prompt_and_an_answer_may_be_texts(tmp_path: Path) -> None:
    """A text is what the user said; an answer that is JSON stays the text that the model wrote."""
    rows = [observation(0, "GENERATION", "complete", input="Rate it.", output='{"quality": "good"}', model="m")]
    model = models_of(only(tmp_path, rows))[0]
    assert model.messages == [{"role": "user", "content": "Rate it."}]
    assert model.answer == {"role": "assistant", "content": '{"quality": "good"}'}


def test_messages_and_answers_may_stand_in_attributes_alone(tmp_path: Path) -> None:
    """OpenInference's attributes, where the observation's own fields have nothing."""
    attributes = {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Rate it.",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Good.",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.response.model": "m-2",
    }
    model = models_of(only(tmp_path, [observation(0, "GENERATION", "c", metadata={"attributes": attributes})]))[0]
    assert model.messages == [{"role": "user", "content": "Rate it."}]
    assert model.answer == {"role": "assistant", "content": "Good."}
    assert (model.name, model.finish_reason) == ("m-2", "stop")


@pytest.mark.parametrize("where", ["attributes", "response"])
def test_the_system_prompt_may_stand_beside_the_messages(tmp_path: Path, where: str) -> None:
    """The OpenAI Agents SDK has it in the attributes, and the response repeats it as `instructions`."""
    attributes = {f"llm.input_messages.0.message.{key}": value for key, value in SYSTEM.items()}
    rows = booking()
    response: Row = {"output": [{"type": "function_call", "call_id": "c1", "name": "find_seats", "arguments": "{}"}]}
    rows[1]["input"] = json.dumps([USER])
    if where == "attributes":
        rows[1]["metadata"] = {"attributes": attributes}
    else:
        response["instructions"] = SYSTEM["content"]
    rows[1]["output"] = json.dumps(response)
    model = models_of(only(tmp_path, rows))[0]
    assert model.messages == [SYSTEM, USER]
    assert model.answer is not None
    assert model.answer["tool_calls"] == [{"id": "c1", "name": "find_seats", "args": {}}]


def test_pydantic_ais_output_tools_were_offered_too(tmp_path: Path) -> None:
    """The tools by which its models give structured answers are in the request like all others."""
    tool = {"name": "find_seats", "parameters_json_schema": {"type": "object"}}
    answer = {"name": "final_result", "parameters_json_schema": {"type": "object"}}
    rows = booking()
    rows[1]["metadata"] = {
        "attributes": {"model_request_parameters": json.dumps({"function_tools": [tool], "output_tools": [answer]})}
    }
    tools = models_of(only(tmp_path, rows))[0].tools
    assert [each["name"] for each in tools or []] == ["find_seats", "final_result"]


def test_old_counts_are_read(tmp_path: Path) -> None:
    """Old exports count in fields of their own."""
    rows = booking(inputUsage=7, outputUsage=3, totalUsage=10, usageDetails=None)
    usage = models_of(only(tmp_path, rows))[0].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (7, 3, 10)


# -- the trace as a whole


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('{"args": ["Two seats"], "kwargs": {}}', "Two seats"),
        (json.dumps(json.dumps("Two seats")), "Two seats"),
        ({"args": [], "kwargs": {"question": "Two seats"}}, {"question": "Two seats"}),
        ({"args": [], "kwargs": {}}, MISSING),
        (None, MISSING),
        ({"run": "RunInput(question='Two seats', at=3)"}, MISSING),
    ],
)
def test_the_input_of_a_trace_is_unwrapped(tmp_path: Path, told: Any, said: Any) -> None:
    """What a function was called with is the input; objects that Python printed are none."""
    assert only(tmp_path, {"id": "t1", "input": told, "observations": booking()}).traces[0].input == said


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"role": "assistant", "content": "Done."}, "Done."),
        ("{'role': 'assistant', 'text': 'Done.'}", "Done."),
        ({"content": {"role": "model", "parts": [{"text": "Done."}]}, "finish_reason": "STOP", "author": "a"}, "Done."),
        ({"candidates": [{"content": {"role": "model", "parts": [{"text": "Done."}]}}]}, "Done."),
        ({"content": "Done.", "sources": []}, {"content": "Done.", "sources": []}),
        ("Done.", "Done."),
    ],
)
def test_the_output_of_a_trace_is_what_was_said(tmp_path: Path, told: Any, said: Any) -> None:
    """A message, and a whole response of a model, are unwrapped; an agent's own object stays whole."""
    assert only(tmp_path, {"id": "t1", "output": told, "observations": booking()}).traces[0].output == said


def test_the_labels_of_a_trace_are_kept(tmp_path: Path) -> None:
    """Name, tags, the user's own metadata, user and release; not what Langfuse and frameworks add."""
    trace = {
        "id": "t1",
        "name": "sell",
        "tags": ["vip"],
        "userId": "u-7",
        "release": "1.2",
        "environment": "staging",
        "metadata": {"shop": "north", "resourceAttributes": {"a": 1}, "scope": {"name": "x"}, "langgraph_step": 1},
        "observations": booking(),
    }
    run = only(tmp_path, trace)
    assert (run.name, run.tags) == ("sell", ["vip"])
    assert run.metadata == {"shop": "north", "user_id": "u-7", "release": "1.2", "environment": "staging"}


def test_scores_become_labels_and_remarks(tmp_path: Path) -> None:
    """Of every data type; what a person annotated as wrong, with a comment, is the expected failure."""
    scores = [
        {"name": "toxicity", "value": 0, "dataType": "NUMERIC", "source": "EVAL", "comment": "polite"},
        {"name": "tone", "value": 1, "stringValue": "warm", "dataType": "CATEGORICAL", "source": "API"},
        {"name": "right", "value": 0, "stringValue": "False", "dataType": "BOOLEAN", "source": "ANNOTATION"}
        | {"comment": "Row A is sold out."},
    ]
    run = only(tmp_path, {"id": "t1", "observations": booking(), "scores": scores})
    assert run.traces[0].scores == {"toxicity": 0, "tone": "warm", "right": False}
    assert run.remarks == ["toxicity: polite", "right: Row A is sold out."]
    assert run.expected_failure == "Row A is sold out."


def test_the_conversation_before_a_single_trace_is_its_context(tmp_path: Path) -> None:
    """A trace without a session may be a later turn of a conversation, which the request repeats."""
    earlier = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Which show?"}]
    rows = [observation(0, "GENERATION", "chat", input=[SYSTEM, *earlier, USER], output="Booked.", model="m")]
    session = built(tmp_path, rows)
    assert session.replay.context == earlier
    assert (session.replay.input, session.replay.output) == (USER["content"], "Booked.")


def test_every_event_of_beeai_is_a_span_and_one_run_is_told(tmp_path: Path) -> None:
    """The event with the result of a tool is its run; the model's answers are in pieces, which is said."""

    def event(number: int, target: str, attributes: Row, kind: str = "SPAN", **fields: Any) -> Row:
        metadata = {"attributes": {"target": target, **attributes}}
        return observation(number, kind, f"{target}-{number}", metadata=metadata, **fields)

    tool = {"tool.name": "Seats", "tool.parameters": '{"day": "friday"}', "openinference.span.kind": "AGENT"}
    rows = [
        observation(0, "SPAN", "beeai", input="Seats?", output="{'role': 'assistant', 'text': 'A1.'}"),
        event(1, "backend.openai.chat.start", {}, "GENERATION", input=[USER], model="m"),
        event(2, "agent.react.update", {"tool.name": "Seats", "tool.parameters": "null"}),
        event(3, "agent.react.update", tool),
        event(4, "tool.search.seats.success", {"openinference.span.kind": "TOOL"}, output=["A1"]),
        event(5, "agent.react.partial_update", tool, output=["A1"]),
        event(6, "agent.react.update", tool, output=["A1"]),
        event(7, "backend.openai.chat.success", {}, "GENERATION"),
    ]
    metadata = {"attributes": {"beeai.version": "0.1"}}
    session = built(tmp_path, {"id": "t1", "input": "Seats?", "metadata": metadata, "observations": rows})
    (turn,) = turns_of(session)
    assert [(each.tool, each.args, each.response) for each in responses(turn)] == [("Seats", {"day": "friday"}, ["A1"])]
    assert turn.output is not MISSING
    assert not turn.llm_responses
    assert [text for text in session.notes.lost if "BeeAI" in text]


# -- the server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangfuseServer]:
    """A server with three conversations, of which the environment knows address and keys."""
    made = LangfuseServer()
    turn = booking("t2", sessionId="s1", tags=["vip"], traceName="again")
    failing = booking("t3", sessionId="s2", tool={"level": "ERROR", "statusMessage": "no connection", "output": None})
    made.observations = [
        *booking("t1", sessionId="s1", tags=["vip"], traceName="sell", userId="u-1"),
        *({**row, "startTime": row["startTime"].replace("09:00", "10:00"), "endTime": None} for row in turn),
        *({**row, "startTime": row["startTime"].replace("09:00", "11:00")} for row in failing),
        *({**row, "startTime": row["startTime"].replace("09:00", "12:00")} for row in booking("t4")),
    ]
    made.scores = [
        score("thumbs", False, "BOOLEAN", {"kind": "trace", "id": "t1"}, comment="no ticket came"),
        score("tone", "warm", "CATEGORICAL", {"kind": "session", "id": "s1"}),
        score("thumbs", True, "BOOLEAN", {"kind": "observation", "id": "t4-o3", "traceId": "t4"}),
    ]
    with running(made):
        monkeypatch.setenv("LANGFUSE_BASE_URL", made.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC)
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET)
        yield made


def score(name: str, value: Any, kind: str, subject: Row, **fields: Any) -> Row:
    """A score as v3 has it."""
    moment = "2026-11-21T13:00:00.000Z"
    times = {"timestamp": moment, "createdAt": moment, "updatedAt": moment}
    own = {"id": f"{name}-{subject['id']}", "name": name, "value": value, "dataType": kind, "subject": subject}
    return {**own, **times, "projectId": "p1", "source": "ANNOTATION", "environment": "default", **fields}


GENERATIONS = pytest.mark.parametrize("is_old", [False, True], ids=["v4", "older"])


@GENERATIONS
def test_a_session_is_fetched_whole(server: LangfuseServer, is_old: bool) -> None:
    """All its traces over all pages, with their scores and the session's own; older servers give the same."""
    server.is_old, server.page = is_old, 3
    (run,) = runs("--session", "s1")
    assert (run.id, [trace.id for trace in run.traces], run.name) == ("s1", ["t1", "t2"], "sell")
    assert [len(trace.spans) for trace in run.traces] == [4, 4]
    assert run.traces[0].scores == {"thumbs": False}
    assert (run.scores, run.remarks, run.expected_failure) == (
        {"tone": "warm"},
        ["thumbs: no ticket came"],
        "no ticket came",
    )
    assert (run.tags, run.metadata) == (["vip"], {"user_id": "u-1"})
    assert run.source == {
        "type": "langfuse",
        "project": "support",
        "thread_id": "s1",
        "url": f"{server.url}/project/p1/sessions/s1",
    }
    (response,) = responses(turns_of(build_session(run))[0])
    assert (response.args, response.response) == ({"day": "friday"}, ["A1", "A2"])


def test_a_server_that_knows_no_scores_of_sessions_gives_none(server: LangfuseServer) -> None:
    """It answers with the scores of others, which are not taken for those of the session."""
    server.is_old, server.knows_session_scores = True, False
    server.scores.append(score("tone", "cold", "CATEGORICAL", {"kind": "session", "id": "s3"}))
    assert runs("--session", "s2")[0].scores == {}


@GENERATIONS
def test_a_single_trace_is_fetched(server: LangfuseServer, is_old: bool) -> None:
    """Of a session it is a part, and it is known by its own id."""
    server.is_old = is_old
    (run,) = runs("--trace", "t2")
    assert (run.id, run.is_part, run.source["run_id"]) == ("t2", True, "t2")
    assert len(run.traces[0].spans) == 4


@GENERATIONS
@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ([], ["t4", "s2", "s1"]),
        (["--limit", "2"], ["t4", "s2"]),
        (["--errors"], ["s2"]),
        (["--tool-errors"], ["s2"]),
        (["--score", "thumbs=false"], ["s1"]),
        (["--score", "thumbs=1"], ["t4"]),
        (["--score", "tone=warm", "--score", "thumbs=0"], ["s1"]),
        (["--score", "tone=cold"], []),
        (["--name", "again"], ["s1"]),
        (["--with-tag", "vip"], ["s1"]),
        (["--with-tag", "vip", "--with-tag", "new"], []),
        (["--since", "2026-11-21T11:00:00Z"], ["t4", "s2"]),
        (["--until", "2026-11-21T11:30:00Z"], ["s2", "s1"]),
        (["--since", "2026-11-21T09:30:00Z", "--until", "2026-11-21T11:30:00Z"], ["s2"]),
        (["--errors", "--score", "tone=warm"], []),
    ],
)
def test_a_project_is_searched(server: LangfuseServer, is_old: bool, words: list[str], ids: list[str]) -> None:
    """Every conversation comes once, the newest first; every condition holds for the whole of it."""
    server.is_old, server.page = is_old, 2
    assert [run.id for run in runs(*words)] == ids


def test_an_error_outside_of_tools_is_no_tool_error(server: LangfuseServer) -> None:
    """`--tool-errors` looks at the runs of tools, `--errors` at everything."""
    server.observations[1].update(level="ERROR", statusMessage="overloaded")
    assert [run.id for run in runs("--tool-errors")] == ["s2"]
    assert [run.id for run in runs("--errors")] == ["s2", "s1"]


def test_what_is_there_is_not_fetched_again(server: LangfuseServer) -> None:
    """An import that is run again asks for the new conversations alone."""
    importing = Importing(lambda source: Path("x.replay.yaml") if source.get("thread_id") is not None else None)
    assert [run.id for run in runs(importing=importing)] == ["t4"]
    assert importing.skipped == 2
    assert not [query for _, query in server.requests if "sessionId" in query]


def test_metadata_that_the_server_cuts_off_is_asked_for_again(server: LangfuseServer) -> None:
    """Values of more than 200 characters come whole when their keys are named."""
    note = "n" * 500
    server.observations[0]["metadata"] = {"note": note, "short": "s", "attributes": json.dumps({"x": note})}
    (run,) = runs("--session", "s1")
    assert run.metadata == {"note": note, "short": "s", "user_id": "u-1"}
    assert [query["expandMetadata"] for _, query in server.requests if query.get("expandMetadata")] == [
        "attributes",
        "attributes,note",
    ]


@GENERATIONS
def test_what_is_not_there_is_told_and_the_others_come(server: LangfuseServer, is_old: bool) -> None:
    """An unknown session or trace is a problem of its own."""
    server.is_old = is_old
    importing = Importing()
    found = runs("--session", "nope", "--session", "s2", "--trace", "nope", importing=importing)
    assert [run.id for run in found] == ["s2"]
    assert len(importing.problems) == 2


def test_a_refused_key_is_told_without_showing_it(server: LangfuseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which variables to set, and has nothing of the key."""
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-another")
    with pytest.raises(ReplayError, match="LANGFUSE_SECRET_KEY") as raised:
        runs()
    assert "sk-lf-another" not in str(raised.value)


def test_it_waits_when_the_server_says_so(server: LangfuseServer) -> None:
    """Rate limits are waited for, and said."""
    server.failures = [(429, {"retry-after": "0"})]
    importing = Importing()
    assert [run.id for run in runs("--session", "s2", importing=importing)] == ["s2"]
    assert len(importing.notes) == 1
    assert importing.problems == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["FILE", "--errors"], "--errors asks the server"),
        (["FILE", "--base-url", "http://localhost"], "--base-url asks the server"),
        (["--session", "s", "--limit", "1"], "--session names what to import; --limit"),
        (["--score", "thumbs"], "NAME=VALUE is needed"),
        (["--since", "yesterday"], "--since: `yesterday` is not an ISO date"),
    ],
)
def test_options_that_say_nothing_are_refused(monkeypatch: pytest.MonkeyPatch, words: list[str], problem: str) -> None:
    """Before anything is asked."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "p")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "s")
    with pytest.raises(ReplayError, match=problem):
        Langfuse().check(given(*words))


def test_the_server_needs_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come from the environment; files need none."""
    monkeypatch.delenv("LANGFUSE_PUBLIC_KEY", raising=False)
    monkeypatch.delenv("LANGFUSE_SECRET_KEY", raising=False)
    with pytest.raises(ReplayError, match="LANGFUSE_PUBLIC_KEY"):
        Langfuse().check(given())
    Langfuse().check(given("FILE"))


# -- real captures


REAL = {
    "agno-2025-06-11": ("What is currently trending on Twitter?", [("duckduckgo_search", 1)], 2, "To find out what's"),
    "autogen-2025-06-06": ("Say 'Hello World!'", [], 1, "Hello World!"),
    "beeai-2025-08-01": ("I'm planning a trip", [("Wikipedia", 1), ("OpenMeteoTool", 2)], 0, "Barcelona is a vibrant"),
    "google-adk-2025-08-28": ("hi", [("say_hello", 0)], 2, "Hello Langfuse"),
    "google-gemini-2025-08-01": ("What is Langfuse?", [], 1, "**Langfuse** is an"),
    "google-vertex-tools-langchain-2025-09-19": ("John Smith", [], 1, "Thank you, John Smith."),
    "koog-2025-08-26": ("Greet and say goodbye", [("HelloTool", 1), ("ByeTool", 1)], 2, "Hello my darling Bob!"),
    "langgraph-2025-08-22": ("Search the web for 'example'", [("Web-Search", 1)], 2, 'The search for "example"'),
    "llamaindex-2025-06-05": ("What is Langfuse?", [], 1, "Langfuse is a tool"),
    "microsoft-agent-2025-10-14": ("What's the weather like in", [("get_weather", 1)], 2, "The weather in Portland"),
    "openai-agents-2025-09-30": ("What's the weather in Tokyo?", [("get_weather", 1)], 2, "The weather in Tokyo"),
    "openai-assistants-2024-05-29": ("I need to solve", [], 1, "Sure, first subtract"),
    "pydantic-ai-tools-2025-12-04": (
        "programming",
        [("get_pun_suggestion", 1), ("get_dad_joke_suggestion", 1), ("get_one_liner_suggestion", 1)],
        4,
        "Why do programmers hate nature?",
    ),
}
"""What was asked, the tools with how many arguments, the model's answers, and what was said at the end."""


@pytest.mark.parametrize("name", REAL)
def test_real_traces_of_frameworks_are_read(name: str) -> None:
    """Each has one turn, as a look at the trace shows it."""
    path = DATA / "langfuse-traces" / f"{name}.json"
    if not path.exists():
        pytest.skip("the captures are not here")
    (run,) = runs(str(path))
    (turn,) = turns_of(build_session(run))
    asked_for, tools, answers, said = REAL[name]
    assert str(turn.input).startswith(asked_for)
    assert [(each.tool, len(each.args or {})) for each in responses(turn)] == tools
    assert all(each.response is not None and each.error is None and not each.failed for each in responses(turn))
    assert len(turn.llm_responses or []) == answers
    assert isinstance(turn.output, str)
    assert turn.output.startswith(said)


@pytest.mark.parametrize("session", ["lf-handled", "lf-openai"])
def test_the_refund_conversation_is_read(session: str) -> None:
    """Two turns: three calls, of which the refund failed, and a false answer; then one that succeeds."""
    path = DATA / "traces" / "langfuse" / "observations_v2_emulated.json"
    if not path.exists():
        pytest.skip("the captures are not here")
    run = next(run for run in runs(str(path)) if run.id == session)
    first, second = turns_of(build_session(run))
    assert [(each.tool, each.args) for each in responses(first)] == [
        ("get_order", {"order_id": "ORD-1001"}),
        ("get_customer", {"customer_id": "C-77"}),
        ("issue_refund", {"order_id": "ORD-1001", "amount_cents": 4599}),
    ]
    error = responses(first)[2].error
    assert error is not None
    assert not isinstance(error, str)
    assert error.message == "payment gateway timeout after 2000ms for card ending 4242"
    assert first.output == "Good news, your refund of $45.99 for order ORD-1001 has been issued."
    assert [(each.tool, each.args) for each in responses(second)] == [
        ("issue_refund", {"order_id": "ORD-1001", "amount_cents": 4599, "retry": True})
    ]
    assert responses(second)[0].error is None
    assert (len(first.llm_responses or []), len(second.llm_responses or [])) == (3, 2)


def test_model_calls_inside_of_each_other_end(tmp_path: Path) -> None:
    """A circle of parents, with a tool below it."""
    rows = booking()
    model = next(row for row in rows if row["type"] == "GENERATION")
    others = [row for row in rows if row["type"] == "GENERATION" and row is not model]
    tool = next(row for row in rows if row["type"] == "TOOL")
    tool["parentObservationId"] = model["id"]
    model["parentObservationId"], others[0]["parentObservationId"] = others[0]["id"], model["id"]
    assert turns_of(built(tmp_path, rows))
