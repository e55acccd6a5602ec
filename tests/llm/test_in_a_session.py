"""Recorded model answers in a running session: the agent's own SDK client, caught by the real interceptors."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from pytest_agent_replay.errors import StopReplay
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.llm.env import PLACEHOLDER
from pytest_agent_replay.player.http import HttpReply, HttpRequest, PassThrough
from tests.llm.parity import Sent, live, playing

NOWHERE = "http://127.0.0.1:9/v1"
ASK: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def sdk(**options: Any) -> OpenAI:
    """A client whose real address refuses connections."""
    return OpenAI(api_key="sk-none", base_url=NOWHERE, **options)


def test_whole_and_streamed_answers_sync_and_async() -> None:
    """Clients made before the replay are answered too; the trace has what was asked and answered."""
    client, async_client = sdk(), AsyncOpenAI(api_key="sk-none", base_url=NOWHERE)

    async def streamed() -> str:
        stream = await async_client.chat.completions.create(**ASK, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    answers = [{"content": text, "usage": {"input_tokens": 3}} for text in ("one", "two", "three", "four")]
    with playing(*answers) as session:
        got = [client.chat.completions.create(**ASK).choices[0].message.content]
        got.append(
            "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(**ASK, stream=True))
        )
        got.append(asyncio.run(streamed()))
        with client.chat.completions.stream(**ASK) as stream:
            got.append(stream.get_final_completion().choices[0].message.content)
    assert got == ["one", "two", "three", "four"]
    seen = session.trace.llm_calls
    assert [(call.content, call.recorded, call.usage) for call in seen] == [
        (text, True, {"input_tokens": 3}) for text in got
    ]
    assert seen[0].messages == [{"role": "user", "content": "Hi"}]


def test_retries_of_the_sdk_run_without_sleeping() -> None:
    """429 and 503 with a wait of 20 s, then success: the SDK's own retries, in no time."""
    headers = {"retry-after": "20"}
    started = time.perf_counter()
    with playing(
        {"status": 429, "error": "slow down", "headers": headers}, {"status": 503, "error": "x"}, {"content": "ok"}
    ) as session:
        assert sdk().chat.completions.create(**ASK).choices[0].message.content == "ok"
    assert time.perf_counter() - started < 2
    assert [call.failed for call in session.trace.llm_calls] == [True, True, False]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 429, "error": "slow down"}, openai.RateLimitError),
        ({"status": 0, "error": "Connection refused"}, openai.APIConnectionError),
        ({"content": "late", "latency_ms": 700_000}, openai.APITimeoutError),
    ],
)
def test_failures_are_the_sdks_own_exceptions(answer: dict[str, Any], error: type[Exception]) -> None:
    """A status, a refused connection, and a latency over the client's timeout of ten minutes."""
    with playing(answer), pytest.raises(error):
        sdk(max_retries=0).chat.completions.create(**ASK)


def test_a_request_beyond_the_recording_stops_the_replay() -> None:
    """The turn ends at once, past the agent's own `except Exception`, and is inconclusive."""
    with playing({"content": "one"}) as session:
        sdk().chat.completions.create(**ASK)
        with pytest.raises(StopReplay, match="the model would have to be asked"):
            sdk().chat.completions.create(**ASK)
    assert session.findings.inconclusive is not None


def test_recorded_mode_says_that_the_model_was_not_asked() -> None:
    """The note is among the session's findings."""
    with playing({"content": "one"}, llm="recorded") as session:
        sdk().chat.completions.create(**ASK)
    assert any("the model was not asked" in note for note in session.findings.notes)


def test_a_tool_that_ran_for_real_fails_the_item() -> None:
    """A tool message whose result nobody served is a problem of the session."""
    call = {"id": "c", "type": "function", "function": {"name": "get_user", "arguments": '{"id": "u1"}'}}
    messages = [
        *ASK["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "a real user"},
    ]
    with playing({"content": "one"}) as session:
        sdk().chat.completions.create(model="gpt-4o", messages=messages)
    [problem] = session.findings.problems
    assert "get_user" in problem
    assert "a real user" in problem


@pytest.mark.parametrize(("recorded", "problems"), [("get_user", 1), ("search", 0)])
def test_a_recorded_tool_is_watched_where_the_model_must_call_it(recorded: str, problems: int) -> None:
    """Told results of one are of a tool that ran for real; of another it is what was wrong with a structured answer."""
    call = {"id": "c", "type": "function", "function": {"name": "get_user", "arguments": '{"id": "u1"}'}}
    messages: Any = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "id: must be upper case"},
    ]
    must: Any = {"type": "function", "function": {"name": "get_user"}}
    with playing({"content": "one"}, tool_responses=[{"tool": recorded, "response": 1}]) as session:
        sdk().chat.completions.create(model="gpt-4o", messages=messages, tools=[must], tool_choice=must)
    assert len(session.findings.problems) == problems


def test_prefix_asks_the_real_model_from_the_first_difference_on() -> None:
    """What came before is from the recording; the result says where it went live."""
    first, second = request_digests(ASK["messages"]).messages, request_digests([]).messages
    answers = [
        {"content": "Hello.", "request": {"messages": first}},
        {"content": "Old.", "request": {"messages": second}},
    ]
    other: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Something else"}]}

    def ask(base_url: str) -> tuple[str | None, ...]:
        client = OpenAI(api_key="sk-none", base_url=f"{base_url}/v1", max_retries=0)
        replies = [client.chat.completions.create(**each) for each in (ASK, other)]
        return tuple(reply.choices[0].message.content for reply in replies)

    message = {"role": "assistant", "content": "From the real one."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    with playing(*answers, llm="prefix") as session:
        got, request = live(ask, Sent(json.dumps(body).encode()))
    assert got == ("Hello.", "From the real one.")
    assert b"Something else" in request.body
    assert [call.recorded for call in session.trace.llm_calls] == [True, False]
    assert any(note.startswith("the model was asked from step 2 on: ") for note in session.findings.notes)


def token(url: str = "https://oauth2.googleapis.com/token") -> HttpRequest:
    """What Google's credentials library sends before the first request to Vertex AI."""
    return HttpRequest("requests", "POST", url, [], b"grant_type=refresh_token&refresh_token=x")


AZURE = "https://login.microsoftonline.com/my-tenant"


@pytest.mark.parametrize(
    "url",
    [
        "https://oauth2.googleapis.com/token",
        "https://sts.googleapis.com/v1/token",
        f"{AZURE}/oauth2/v2.0/token",
    ],
)
@pytest.mark.parametrize("llm", ["auto", "recorded"])
def test_an_access_token_is_a_placeholder_where_no_model_is_asked(llm: str, url: str) -> None:
    """Clients for Vertex AI ask for one by themselves: that is no call of a tool or a model."""
    with playing({"content": "one"}, llm=llm) as session:
        reply = session.handle_http(token(url))
    assert isinstance(reply, HttpReply)
    assert json.loads(reply.body)["access_token"] == PLACEHOLDER
    assert (session.findings.unrecorded, session.trace.tool_calls, session.trace.llm_calls) == ([], [], [])


@pytest.mark.parametrize(
    ("llm", "answers"), [("auto", []), ("live", [{"content": "one"}]), ("prefix", [{"content": "x"}])]
)
def test_an_access_token_is_real_where_the_model_may_be(llm: str, answers: list[dict[str, Any]]) -> None:
    """Otherwise the real model would refuse the client; the result says so."""
    with playing(*answers, llm=llm) as session:
        assert isinstance(session.handle_http(token()), PassThrough)
    assert session.findings.unrecorded == []
    assert any("access token" in note for note in session.findings.notes)


def test_where_azures_tokens_are() -> None:
    """Its library asks for that first."""
    asked = HttpRequest("requests", "GET", f"{AZURE}/v2.0/.well-known/openid-configuration", [], b"")
    with playing({"content": "one"}) as session:
        reply = session.handle_http(asked)
    assert isinstance(reply, HttpReply)
    told = json.loads(reply.body)
    assert (told["issuer"], told["token_endpoint"]) == (f"{AZURE}/v2.0", f"{AZURE}/oauth2/v2.0/token")
    assert session.findings.unrecorded == []


def test_a_recorded_access_token_is_given_out() -> None:
    """What the file records by its route comes first."""
    recorded = {"tool": "POST https://oauth2.googleapis.com/token", "response": {"access_token": "mine"}}
    with playing({"content": "one"}, tool_responses=[recorded]) as session:
        reply = session.handle_http(token())
    assert isinstance(reply, HttpReply)
    assert json.loads(reply.body) == {"access_token": "mine"}
