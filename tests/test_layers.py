"""A tool without a recording runs only where what is recorded is inside of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay
from pytest_agent_replay.settings import Settings

ROOT = Path(__file__).parent.parent
RAN: list[str] = []


def share_price(ticker: str) -> Any:
    """A tool that asks over HTTP."""
    RAN.append("share_price")
    return httpx.get("http://api.example.com/v1/price_feed", params={"ticker": ticker}).json()


def order_total(order: int) -> Any:
    """A tool that calls a function of the agent's code."""
    RAN.append("order_total")
    return sum(_row["price"] for _row in order_rows(order))


def order_rows(order: int) -> list[dict[str, Any]]:
    """Reads the database."""
    RAN.append("order_rows")
    return []


def send_mail(to: str) -> str:
    """A tool with an effect."""
    RAN.append("send_mail")
    return "sent"


TOOLS = {tool.__name__: tool for tool in (share_price, order_total, send_mail)}


def agent(input: str) -> Any:
    """Calls what its model says."""
    offered = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in TOOLS]
    messages: list[dict[str, Any]] = [{"role": "user", "content": input}]
    while True:
        body = {"model": "m", "messages": messages, "tools": offered}
        reply = httpx.post("http://127.0.0.1:9/v1/chat/completions", content=json.dumps(body)).json()
        message = reply["choices"][0]["message"]
        messages.append(message)
        if not message.get("tool_calls"):
            return messages[-2]["content"]
        for call in message["tool_calls"]:
            try:
                result = TOOLS[call["function"]["name"]](**json.loads(call["function"]["arguments"]))
            except Exception as error:
                result = f"failed: {error}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": str(result)})


def play(tool: str, args: dict[str, Any], *recorded: dict[str, Any], **replay: Any) -> ReplayResult:
    """The model calls one tool, and is done."""
    RAN.clear()
    answers = [{"tool_calls": [{"id": "c1", "name": tool, "args": args}]}, {"content": "Done."}]
    data = {"input": "Go", "llm_responses": answers, "tool_responses": list(recorded), **replay}
    file, settings = ReplayFile.model_validate(data), Settings(llm="recorded")
    return run_replay(Case(file, "layers", ROOT / "layers.replay.yaml", ROOT, agent, settings=settings))


def test_the_request_inside_is_answered() -> None:
    """A name that stands in a URL of the agent's code is a request."""
    result = play("share_price", {"ticker": "A"}, {"tool": "price_feed", "response": 42})
    assert RAN == ["share_price"]
    assert result.turns[0].output == "42"
    assert (result.unrecorded, result.reasons[0].split(":")[0]) == ([], "the replay has no contract")


def test_a_recorded_route_is_a_request_anyway() -> None:
    """Whatever the code looks like."""
    result = play("share_price", {"ticker": "A"}, {"tool": "GET http://api.example.com/v1/*", "response": 43})
    assert (RAN, result.turns[0].output) == (["share_price"], "43")


def test_the_function_inside_is_answered() -> None:
    """One that is recorded and no tool of the agent's."""
    result = play("order_total", {"order": 1}, {"tool": "order_rows", "response": [{"price": 4}, {"price": 5}]})
    assert (RAN, result.turns[0].output) == (["order_total"], "9")


def test_the_outermost_recording_answers() -> None:
    """Then nothing inside runs."""
    outer = {"tool": "share_price", "response": 1}
    result = play("share_price", {"ticker": "A"}, outer, {"tool": "price_feed", "response": 42})
    assert (RAN, result.turns[0].output) == ([], "1")
    assert [row["tool"] for row in result.unused] == ["price_feed"]


def test_a_name_of_which_nothing_is_known_lets_nothing_through() -> None:
    """It may be what the tool was called when the file was recorded."""
    result = play("send_mail", {"to": "a"}, {"tool": "mail_customer", "response": "sent"})
    assert RAN == []
    assert [call.tool for call in result.unrecorded] == ["send_mail"]


def test_recorded_tools_of_the_agent_let_nothing_else_through() -> None:
    """They are beside it, not inside."""
    result = play("send_mail", {"to": "a"}, {"tool": "order_total", "response": 3})
    assert RAN == []
    assert [call.tool for call in result.unrecorded] == ["send_mail"]


def test_a_tool_that_leads_to_nothing_recorded_does_not_run() -> None:
    """Although a request is recorded, which another tool makes."""
    result = play("send_mail", {"to": "a"}, {"tool": "price_feed", "response": 42})
    assert RAN == []
    assert [call.tool for call in result.unrecorded] == ["send_mail"]


def test_what_ran_without_an_answer_inside_fails() -> None:
    """A recorded route lets every tool through, for its requests may be anywhere."""
    result = play("send_mail", {"to": "a"}, {"tool": "GET http://api.example.com/v1/*", "response": 43})
    assert RAN == ["send_mail"]
    assert result.outcome == "failed"
    assert any(reason.startswith("`send_mail` ran for real in turn 1") for reason in result.reasons)
