"""Calls of W&B Weave."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunSession, Tool
from pytest_agent_replay.sources.weave import ELSEWHERE, GUESSED_TOOLS, SCORERS, Weave

DATA = Path(__file__).parents[3] / "shared" / "data" / "traces" / "weave" / "requests.json"

ASKED = {"role": "user", "content": "Refund order 7, please."}
AGAIN = {"role": "user", "content": "It is not there."}


def call(
    id_: str, name: str, inputs: Any = None, output: Any = None, *, parent: str | None = "a", **more: Any
) -> dict[str, Any]:
    """A call as the API gives it; its time is the number in its id."""
    second = int("".join(letter for letter in id_ if letter.isdigit()) or 0)
    kind = more.pop("kind", None)
    whole = {
        "id": id_,
        "project_id": "shop/refunds",
        "op_name": f"weave:///shop/refunds/op/{name}:v0digest",
        "trace_id": "t-1",
        "parent_id": parent,
        "thread_id": "thread-1",
        "turn_id": parent or id_,
        "started_at": f"2026-11-21T09:00:{second:02}.000Z",
        "ended_at": f"2026-11-21T09:00:{second:02}.500Z",
        "attributes": {"weave": {"kind": kind} if kind else {}},
        "inputs": inputs,
        "output": output,
        "exception": None,
        "summary": {"status_counts": {"success": 1}},
    }
    return {**whole, **more}


def chat(id_: str, messages: list[Any], answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A call of OpenAI's client, as Weave patches it."""
    response = {"model": "gpt-4o-2024", "choices": [{"finish_reason": "stop", "message": answer}]}
    request = {
        "self": {"client": {"version": "3"}},
        "messages": messages,
        "model": "gpt-4o",
        "temperature": 0,
        "timeout": "NOT_GIVEN",
        "tools": [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}],
    }
    usage = {"gpt-4o-2024": {"requests": 1, "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
    given = {"kind": "llm", "summary": {"usage": usage}, **more}
    return call(id_, "openai.chat.completions.create", request, response, **given)


def asks(call_id: str, **args: Any) -> dict[str, Any]:
    """An answer that asks for a refund."""
    function = {"name": "refund", "arguments": json.dumps(args)}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def says(text: str) -> dict[str, Any]:
    """An answer in words."""
    return {"role": "assistant", "content": text}


def raised() -> str:
    """An exception as Weave writes it."""
    return json.dumps({"type": "PayError", "message": "slow", "traceback": [{"filename": "shop.py", "line_number": 1}]})


def refund_calls() -> list[dict[str, Any]]:
    """Two turns of a thread."""
    slow = {"role": "tool", "tool_call_id": "c1", "content": "slow"}
    done = {"role": "tool", "tool_call_id": "c2", "content": "{}"}
    first = [
        call("a1", "agent", {"q": ASKED["content"]}, "Good news.", parent=None),
        chat("b2", [ASKED], asks("c1", order=7), parent="a1"),
        call("c3", "refund", {"order": 7, "retry": False}, parent="a1", kind="tool", exception=raised()),
        chat("d4", [ASKED, asks("c1", order=7), slow], says("Good news."), parent="a1"),
    ]
    history = [ASKED, says("Good news."), AGAIN]
    second = [
        call("e11", "agent", {"q": AGAIN["content"]}, "Now it is.", parent=None, trace_id="t-2"),
        chat("f12", history, asks("c2", order=7, retry=True), parent="e11", trace_id="t-2"),
        call("g13", "refund", {"order": 7, "retry": True}, {"id": "RF-9"}, parent="e11", trace_id="t-2", kind="tool"),
        chat(
            "h14", [*history, asks("c2", order=7, retry=True), done], says("Now it is."), parent="e11", trace_id="t-2"
        ),
    ]
    return [*second, *first]


def imported(tmp_path: Path, calls: Any, *words: str, importing: Importing | None = None) -> list[RunSession]:
    """The sessions of a file with these calls; a list is a file of JSON, a text is written as it is."""
    path = tmp_path / "calls.jsonl"
    path.write_text(calls if isinstance(calls, str) else "\n".join(map(json.dumps, calls)), "utf-8")
    source, parser = Weave(), ArgumentParser()
    source.add_arguments(parser)
    return list(source.sessions(parser.parse_args([str(path), *words]), importing or Importing()))


def spans(session: RunSession) -> dict[str, Any]:
    """The spans by their ids."""
    return {span.id: span for trace in session.traces for span in trace.spans}


def story(session: RunSession) -> list[Any]:
    """What a replay will play."""
    return [
        (turn.input, [(each.tool, each.args, each.is_failure) for each in turn.tool_responses], turn.output)
        for turn in build_session(session).replay.turn_list
    ]


def test_a_thread_is_a_session(tmp_path: Path) -> None:
    """Its traces are the turns, in time order."""
    (session,) = imported(tmp_path, refund_calls())
    assert story(session) == [
        (ASKED["content"], [("refund", {"order": 7}, True)], "Good news."),
        (AGAIN["content"], [("refund", {"order": 7, "retry": True}, False)], "Now it is."),
    ]
    assert session.source == {
        "type": "weave",
        "file": "calls.jsonl",
        "project": "shop/refunds",
        "thread_id": "thread-1",
        "run_ids": ["t-1", "t-2"],
    }


@pytest.mark.parametrize("wrap", [lambda calls: json.dumps(calls), lambda calls: json.dumps({"calls": calls})])
def test_a_list_or_an_answer(wrap: Any, tmp_path: Path) -> None:
    """A list, or a mapping with `calls`, is read like lines."""
    assert len(imported(tmp_path, wrap(refund_calls()))[0].traces) == 2


def test_a_model_call(tmp_path: Path) -> None:
    """The request, the answer, the tokens of its model; nothing that the client says of itself."""
    (session,) = imported(tmp_path, refund_calls())
    model = spans(session)["b2"].what
    assert isinstance(model, Model)
    assert (model.name, model.finish_reason, model.settings) == ("gpt-4o", "stop", {"temperature": 0})
    assert model.messages == [ASKED]
    assert [tool["name"] for tool in model.tools or []] == ["refund"]
    assert model.usage is not None
    assert (model.usage.input_tokens, model.usage.output_tokens, model.usage.total_tokens) == (5, 2, 7)
    assert (model.answer or {})["tool_calls"] == [{"id": "c1", "name": "refund", "args": {"order": 7}}]


def test_a_tool_that_raised(tmp_path: Path) -> None:
    """The exception is JSON text; there is no result."""
    (session,) = imported(tmp_path, refund_calls())
    span = spans(session)["c3"]
    assert span.error == ErrorSpec(type="PayError", message="slow")
    assert span.what.result is MISSING
    assert span.latency_ms == 500


def test_calls_without_a_kind(tmp_path: Path) -> None:
    """Inside of another call and without calls of its own it is taken for a tool, which is said; clients are known."""
    calls = [
        call("a1", "agent", {"q": "Hi"}, "Ho", parent=None),
        call("b2", "step", {"x": 1}, 2, parent="a1"),
        call("c3", "look", {"x": 1}, 2, parent="b2"),
        call("d4", "anthropic.Messages.create", {"messages": [ASKED]}, {"content": "Hi"}, parent="a1"),
    ]
    (session,) = imported(tmp_path, calls)
    assert [type(span.what) for span in spans(session).values()] == [Agent, Agent, Tool, Model]
    assert session.notes.guessed == {GUESSED_TOOLS: 1}


def test_a_call_that_comes_twice(tmp_path: Path) -> None:
    """As it began, and as it ended: one call."""
    began = call("a1", "agent", {"q": "Hi"}, None, parent=None, ended_at=None)
    ended = call("a1", "agent", None, "Ho", parent=None)
    (session,) = imported(tmp_path, [began, ended])
    assert story(session) == [("Hi", [], "Ho")]


def test_a_call_that_did_not_end(tmp_path: Path) -> None:
    """It has no result, which is not null; the session is not whole."""
    calls = [
        call("a1", "agent", {"q": "Hi"}, None, parent=None, ended_at=None),
        call("b2", "look", {"x": 1}, None, parent="a1", kind="tool", ended_at=None),
        call("c3", "note", {"x": 1}, None, parent="a1", kind="tool"),
    ]
    (session,) = imported(tmp_path, calls)
    found = spans(session)
    assert found["b2"].what.result is MISSING
    assert found["c3"].what.result is None
    assert session.source["incomplete"] is True


def test_langchains_run_is_unwrapped(tmp_path: Path) -> None:
    """Weave keeps the whole run; its outputs are the result."""
    message = {"content": "[]", "type": "tool", "tool_call_id": "c1", "status": "error"}
    run = {"id": "r", "outputs": {"output": message}, "inputs": {}}
    calls = [
        call("a1", "agent", {"q": "Hi"}, "Ho", parent=None),
        call("b2", "langchain.Tool.look", {"x": 1}, run, parent="a1", kind="tool"),
    ]
    tool = spans(imported(tmp_path, calls)[0])["b2"].what
    assert tool == Tool("look", {"x": 1}, call_id="c1", result="[]", failed=True)


def test_what_weave_notes_about_objects_is_left_out(tmp_path: Path) -> None:
    """Class names are not the tool's; references to values that are elsewhere are lost."""
    made = {"_type": "Order", "_class_name": "Order", "_bases": ["BaseModel"], "id": 7, "rows": "weave:///e/p/table/ab"}
    calls = [
        call("a1", "agent", {"q": "Hi"}, "Ho", parent=None),
        call("b2", "look", {"self": "weave:///e/p/object/Shop:v1", "x": 1}, made, parent="a1", kind="tool"),
    ]
    (session,) = imported(tmp_path, calls)
    tool = spans(session)["b2"].what
    assert tool.args == {"x": 1}
    assert tool.result == {"id": 7, "rows": "weave:///e/p/table/ab"}
    assert session.notes.lost == {ELSEWHERE: 1}
    calls[1]["output"] = "weave:///e/p/object/Order:v1"
    assert spans(imported(tmp_path, calls)[0])["b2"].what.result is MISSING


def test_scorers_are_left_out(tmp_path: Path) -> None:
    """What a scorer asks of a model is not the agent's doing."""
    calls = [
        call("a1", "agent", {"q": "Hi"}, "Ho", parent=None),
        call("b2", "judge", {}, 1, parent="a1", kind="scorer"),
        chat("c3", [ASKED], says("good"), parent="b2"),
    ]
    (session,) = imported(tmp_path, calls)
    assert list(spans(session)) == ["a1"]
    assert session.notes.lost == {SCORERS: 2}


def test_feedback(tmp_path: Path) -> None:
    """Notes are remarks; reactions and scorers' outputs are scores; a note beside a thumb down says what was wrong."""
    told = [
        {"feedback_type": "wandb.note.1", "payload": {"note": "No money came."}},
        {"feedback_type": "wandb.reaction.1", "payload": {"emoji": "👎", "alias": ":thumbs_down:"}},
        {"feedback_type": "wandb.runnable.grounded", "payload": {"output": False}},
    ]
    root = call("a1", "agent", {"q": "Hi"}, "Ho", parent=None, summary={"weave": {"feedback": told}})
    (session,) = imported(tmp_path, [root])
    assert session.remarks == ["No money came."]
    assert session.scores == {"reaction": "👎", "grounded": False}
    assert session.expected_failure == "No money came."


def test_choices(tmp_path: Path) -> None:
    """A thread, or a trace alone, which is then a part."""
    other = call("z0", "agent", {"q": "Hi"}, "Ho", parent=None, trace_id="t-9", thread_id=None)
    calls = [*refund_calls(), other]
    assert [session.id for session in imported(tmp_path, calls)] == ["t-9", "thread-1"]
    assert [session.id for session in imported(tmp_path, calls, "--session", "thread-1")] == ["thread-1"]
    (alone,) = imported(tmp_path, calls, "--trace", "t-2")
    assert (alone.id, alone.is_part, alone.source["run_id"]) == ("t-2", True, "t-2")
    with pytest.raises(ReplayError, match="no such calls"):
        imported(tmp_path, calls, "--session", "none")


def test_recognised_files(tmp_path: Path) -> None:
    """By the fields of a call."""
    (tmp_path / "a.json").write_text(json.dumps(refund_calls()))
    (tmp_path / "b.json").write_text('[{"id": "1", "trace_id": "2"}]')
    assert Weave().recognises(Sample(tmp_path / "a.json"))
    assert not Weave().recognises(Sample(tmp_path / "b.json"))


def test_lines_of_something_else(tmp_path: Path) -> None:
    """They are problems, with their place."""
    importing = Importing()
    text = '{"a": 1}\n' + "\n".join(map(json.dumps, refund_calls()))
    assert len(imported(tmp_path, text, importing=importing)) == 1
    assert importing.problems[0].startswith(f"{tmp_path / 'calls.jsonl'}:1: it is no call of Weave's")


@pytest.mark.skipif(not DATA.is_file(), reason="the captured calls are not here")
def test_a_capture_of_weave_itself(tmp_path: Path) -> None:
    """Operations without kinds: one turn, two tools, one of them failed."""
    log = json.loads(DATA.read_text())
    calls = [
        each for request in log if request["path"].endswith("/calls/complete") for each in request["body"]["batch"]
    ]
    ((said, tools, _),) = story(imported(tmp_path, calls)[0])
    assert said == "I want a refund for order ORD-1001, my customer id is C-77."
    assert [(name, failed) for name, _, failed in tools] == [("get_order", False), ("issue_refund", True)]
