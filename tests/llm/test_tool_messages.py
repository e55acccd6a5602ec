"""Which tool results in a model request were served by the replay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.recognise import recognise
from pytest_agent_replay.llm.tool_choice import required_tool
from pytest_agent_replay.llm.tool_messages import as_if_repeated, foreign_tool_results, is_served, tool_messages
from pytest_agent_replay.trace.model import ToolCallView
from tests.llm.sdk import http_request, model_request

RESULT = {"name": "Zoë", "balance": 4200.5, "tags": ["a", "b"]}
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def asked(*calls: tuple[str, str, str]) -> dict[str, Any]:
    """An assistant's message with calls of (id, name, JSON arguments)."""
    listed = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    return {"role": "assistant", "content": None, "tool_calls": listed}


def told(call_id: str, content: str) -> dict[str, Any]:
    """A tool's message."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def request(*messages: dict[str, Any], **body: Any) -> ModelRequest:
    """A request after a user's question."""
    return model_request({"role": "user", "content": "?"}, *messages, **body)


def served(tool: str, args: dict[str, Any], result: Any = None, **more: Any) -> ToolCallView:
    """A call that the session has seen."""
    return ToolCallView(1, tool, args, None, None, 0.0, 1.0, result=result, **more)


def test_only_messages_since_the_last_answer_are_new() -> None:
    """Each new tool message comes with its call; older ones were looked at before."""
    new = tool_messages(
        request(
            asked(("c", "old", "{}")), told("c", "0"),
            asked(("c", "get", '{"id": 1}'), ("d", "put", "{")), told("d", "2"), told("c", "1"), told("?", "3"),
        )
    )  # fmt: skip
    assert [(m["name"], m["tool_call_id"], m["content"]) for m in new] == [
        ("put", "d", "2"),
        ("get", "c", "1"),
        (None, "?", "3"),
    ]
    assert new[1]["call"] == {"id": "c", "name": "get", "args": {"id": 1}}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RESULT),
        json.dumps(RESULT, indent=2),
        json.dumps(RESULT, separators=(",", ":"), ensure_ascii=False, sort_keys=True),
        str(RESULT),
        f"Result: {json.dumps(RESULT)} (cached)",
        json.dumps({"ok": True, "result": RESULT}),
        json.dumps(RESULT)[:30],
        json.dumps(RESULT)[:30] + "... [truncated]",
    ],
)
def test_a_result_is_known_in_every_usual_spelling(content: str) -> None:
    """JSON, Python's spelling, text around it, a structure around it, and its beginning."""
    assert is_served(content, ["something else", RESULT])


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (json.dumps({**RESULT, "balance": 4200.6}), RESULT),
        (json.dumps({"name": "Zoë"}), RESULT),
        ("everything is fine", RESULT),
        ("", RESULT),
        (json.dumps(RESULT)[:10], RESULT),
        ("the balance is 142003", 4200),
        ("all is true and null", True),
        ("null", "nothing"),
        ("True story", True),
        ("it went ok", "ok"),
        ('{"status": "ok"}', "ok"),
    ],
)
def test_an_invented_result_is_not_known(content: str, result: Any) -> None:
    """Other values, parts, and short values inside of other text are not the result."""
    assert not is_served(content, [result])


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("ok", "ok"),
        ('"ok"', "ok"),
        ("true", True),
        ("True", True),
        ("7", 7),
        ('{"a": 1}', '{"a":1}'),
        ("Error: no such user", "no such user"),
    ],
)
def test_short_and_textual_results_are_known_as_a_whole(content: str, result: Any) -> None:
    """A short value is known when it is everything; text also inside of other text."""
    assert is_served(content, [result])


CALL = asked(("c", "get_user", '{"id": "u1"}'))


@pytest.mark.parametrize(
    ("content", "calls"),
    [
        (json.dumps(RESULT), [served("get_user", {"id": "u1"}, RESULT)]),
        ("Zoë has 3 orders", [served("get_user", {"id": "u1"}, RESULT)]),
        ("Zoë has 3 orders", [served("get_user", {"id": "u1", "verbose": False}, RESULT)]),
        ("it did not work", [served("get_user", {"id": "u1"}, error={"type": None, "message": "x"}, failed=True)]),
        ("Zoë has 3 orders", [served("get_user", {"user_id": "U1"}, RESULT)]),
        (json.dumps(RESULT), [served("user_api", {"q": "u1"}, RESULT)]),
        ("Error: gone away", [served("user_api", {}, error={"type": None, "message": "gone away"}, failed=True)]),
    ],
    ids=["result", "summary", "defaults", "failed", "renamed", "other-tool", "other-tools-error"],
)
def test_an_honest_result_is_accounted_for(content: str, calls: list[ToolCallView]) -> None:
    """However the agent words it, a call that the session saw stands behind the message."""
    assert foreign_tool_results(request(CALL, told("c", content)), calls) == []


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [served("get_order", {"id": "u1"}, {"order": 1234567})],
        [served("user_api", {"q": "u1"}, "ok")],
    ],
    ids=["nothing", "another-tool", "short-result"],
)
def test_a_result_that_nobody_served_is_foreign(calls: list[ToolCallView]) -> None:
    """A tool that the session never saw ran for real."""
    found = foreign_tool_results(request(CALL, told("c", "ok, Zoë has 3 orders")), calls)
    assert len(found) == 1
    assert "get_user" in found[0]
    assert "Zoë has 3 orders" in found[0]


def test_one_call_accounts_for_one_message() -> None:
    """Of two different calls the one that the session did not see is foreign."""
    messages = [asked(("c", "get", '{"id": 1}'), ("d", "get", '{"id": 2}')), told("c", "one"), told("d", "two")]
    found = foreign_tool_results(request(*messages), [served("get", {"id": 1}, "one!")])
    assert len(found) == 1
    assert "two" in found[0]
    assert foreign_tool_results(request(*messages), [served("get", {"id": 1}), served("get", {"id": 2})]) == []


def test_calls_of_earlier_steps_do_not_account_for_new_messages() -> None:
    """The call that stands behind an older message does not stand behind a new one with other arguments."""
    messages = [
        asked(("c", "get", '{"id": 1}')), told("c", "one"), asked(("d", "get", '{"id": 2}')), told("d", "two"),
    ]  # fmt: skip
    assert len(foreign_tool_results(request(*messages), [served("get", {"id": 1}, "one")])) == 1


def test_a_result_that_the_agent_kept_is_no_foreign_one() -> None:
    """An agent that remembers a result may tell it again without a call."""
    messages = [
        asked(("c", "get", '{"id": 1}')), told("c", "the first"), asked(("d", "get", '{"id": 1}')),
        told("d", "the first"),
    ]  # fmt: skip
    assert foreign_tool_results(request(*messages), [served("get", {"id": 1}, "the first")]) == []


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (asked(("c", "get_user", '{"id": ')), {}),
        (asked(("c", "get_user", '{"id": 7}')), {"tools": [{"function": {"name": "get_user", "parameters": SCHEMA}}]}),
        (asked(("c", "get_usr", '{"id": "u1"}')), {"tools": [{"function": {"name": "get_user"}}]}),
    ],
    ids=["no-json", "schema", "unknown-tool"],
)
def test_what_a_framework_answers_by_itself_is_not_foreign(call: dict[str, Any], body: dict[str, Any]) -> None:
    """A tool cannot have run on arguments that nobody can pass, or when there is no such tool."""
    assert foreign_tool_results(request(call, told("c", "invalid call"), **body), []) == []


@pytest.mark.parametrize("schema", [SCHEMA, {"type": "nonsense"}, {"$ref": "https://127.0.0.1:9/x.json"}])
def test_a_schema_that_takes_the_arguments_excuses_nothing(schema: dict[str, Any]) -> None:
    """Valid arguments, or a schema that cannot be used, leave the message foreign."""
    body = {"tools": [{"type": "function", "function": {"name": "get_user", "parameters": schema}}]}
    assert len(foreign_tool_results(request(CALL, told("c", "x"), **body), [])) == 1


FORM = {"type": "function", "function": {"name": "get_user", "parameters": SCHEMA}}
OTHER = {"type": "function", "function": {"name": "search", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    ("body", "foreign"),
    [
        ({"tools": [FORM, OTHER], "tool_choice": {"type": "function", "function": {"name": "get_user"}}}, 0),
        ({"tools": [FORM], "tool_choice": "required"}, 0),
        ({"functions": [FORM["function"]], "function_call": {"name": "get_user"}}, 0),
        ({"tools": [FORM, OTHER], "tool_choice": {"type": "function", "function": {"name": "search"}}}, 1),
        ({"tools": [FORM, OTHER], "tool_choice": "required"}, 1),
        ({"tools": [FORM], "tool_choice": "auto"}, 1),
        ({"tools": [FORM]}, 1),
    ],
)
def test_a_tool_that_is_the_form_of_the_answer_has_no_results(body: dict[str, Any], foreign: int) -> None:
    """What is told about a tool that the model must call again is what is wrong with its answer."""
    assert len(foreign_tool_results(request(CALL, told("c", "name: must be upper case"), **body), [])) == foreign


def test_a_recorded_tool_is_no_form() -> None:
    """A tool of which calls are recorded, or were seen, ran unseen also where the model must call it again."""
    asking = request(CALL, told("c", "a real user"), tools=[FORM], tool_choice="required")
    assert len(foreign_tool_results(asking, [], lambda tool: tool == "get_user")) == 1
    other = asked(("d", "get_user", '{"id": "u2"}'))
    again = request(CALL, told("c", "one"), other, told("d", "a real user"), tools=[FORM], tool_choice="required")
    assert len(foreign_tool_results(again, [served("get_user", {"id": "u1"}, "one")])) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v1/responses", {"input": "?", "tool_choice": {"type": "function", "name": "f"}}),
        ("v1/messages", {"max_tokens": 1, "messages": [], "tool_choice": {"type": "tool", "name": "f"}}),
        ("v1/messages", {"max_tokens": 1, "messages": [], "tools": [{"name": "f"}], "tool_choice": {"type": "any"}}),
        (
            "v1beta/models/m:generateContent",
            {"contents": [], "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}},
        ),
        ("model/m/converse", {"messages": [], "toolConfig": {"toolChoice": {"tool": {"name": "f"}}}}),
        (
            "model/m/converse",
            {"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}], "toolChoice": {"any": {}}}},
        ),
    ],
)
def test_the_tool_that_must_be_called_in_each_providers_words(path: str, body: dict[str, Any]) -> None:
    """Named, or the only one where any must be called."""
    found = recognise(http_request({"model": "m", **body}, f"https://x/{path}"))
    assert found is not None
    assert required_tool(found) == "f"


def test_calls_that_the_provider_keeps_are_accounted_for_by_any_call() -> None:
    """With `previous_response_id` the call is not in the request: a call that the session saw may be the one."""

    def continuing(**body: Any) -> ModelRequest:
        output = {"type": "function_call_output", "call_id": "c", "output": "3 hits"}
        found = recognise(http_request({"model": "m", "input": [output], **body}, "https://x/v1/responses"))
        assert found is not None
        return found

    calls = [served("search", {"q": "x"}, [1, 2, 3])]
    assert foreign_tool_results(continuing(previous_response_id="resp_1"), calls) == []
    assert foreign_tool_results(continuing(conversation="conv_1"), calls) == []
    assert len(foreign_tool_results(continuing(previous_response_id="resp_1"), [])) == 1
    assert len(foreign_tool_results(continuing(), calls)) == 1


@pytest.mark.parametrize(("args", "foreign"), [({"q": "x"}, 1), ({"q": 7}, 0), ("{q", 0)])
def test_what_the_provider_keeps_tells_whether_a_tool_can_have_run(args: Any, foreign: int) -> None:
    """A message thread is sent neither the call nor the tools again: both are known from before."""
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    output = {"type": "tool_result", "tool_use_id": "c", "content": "Invalid arguments"}
    body = {
        "model": "m",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": [output]}],
        "thread": {"type": "continue", "previous_message_id": "msg_1"},
    }
    found = recognise(http_request(body, "https://x/v1/messages"))
    assert found is not None
    assert found.continues
    answers = [{"tool_calls": [{"id": "c", "name": "search", "args": args}]}]
    whole = as_if_repeated(found, answers, [{"name": "search", "parameters": schema}])
    assert len(foreign_tool_results(whole, [])) == foreign
