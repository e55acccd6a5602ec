"""Conversations and turns where nobody says what a user said: told apart by what the model is asked."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay import capture
from pytest_agent_replay.capturing.session import CaptureSession
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.llm.reading import content_text
from pytest_agent_replay.player.http import HttpRequest, PassThrough
from tests.capture import bots
from tests.capture.harness import _json, _whole, loaded, served

Messages = list[dict[str, Any]]
LOOKUP: Any = [{"type": "function", "function": {"name": "check", "parameters": {"type": "object", "properties": {}}}}]


def answering(method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Asks for the tool that is offered, once for each question; answers by repeating the question."""
    if path.endswith("/responses"):
        return _response(body)
    if path.startswith("/docs"):
        return _json({"found": path})
    said = body["messages"]
    asked = [m["content"] for m in said if m["role"] == "user"][-1]
    if body.get("tools") and said[-1]["role"] == "user":
        call = {
            "id": "c1",
            "type": "function",
            "function": {"name": "check", "arguments": json.dumps({"order": asked})},
        }
        return _whole({"role": "assistant", "content": None, "tool_calls": [call]})
    return _whole({"role": "assistant", "content": f"You said {asked}"})


def _response(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    asked = body["input"]
    part = {"type": "output_text", "text": f"You said {asked}", "annotations": []}
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}
    return _json(
        {"id": f"resp_{asked}", "object": "response", "status": "completed", "model": "gpt-4o", "output": [item]}
    )


@pytest.fixture(autouse=True)
def _model() -> Iterator[None]:
    with served(answering) as bots.base_url:
        yield
    bots.base_url = "http://127.0.0.1:9"


def ask(messages: Messages, tools: Any = None) -> Any:
    """One request, as the OpenAI SDK sends it."""
    from openai import OpenAI

    more = {"tools": tools} if tools else {}
    done = bots._client(OpenAI).chat.completions.create(model="gpt-4o", messages=messages, **more)
    return done.choices[0].message


def agent(question: str, history: Messages, system: str = "You sell spare parts and never guess.") -> str:
    """Runs its tools, and keeps nothing of that: its history is what user and assistant said."""
    messages: Messages = [{"role": "system", "content": system}, *history, {"role": "user", "content": question}]
    while True:
        said = ask(messages, LOOKUP)
        if not said.tool_calls:
            history += [{"role": "user", "content": question}, {"role": "assistant", "content": said.content}]
            return str(said.content)
        messages.append(bots._said(said))
        for call in said.tool_calls:
            result = json.dumps(bots.check(**json.loads(call.function.arguments)))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def recorded(folder: Path, program: Callable[[], Any]) -> list[ReplayFile]:
    """The files that came of a program of which nothing else is known, in the order of the first questions."""
    with capture(folder / "a.replay.yaml"):
        program()
    return sorted(map(loaded, folder.iterdir()), key=lambda file: str(file.turn_list[0].input))


def shape(file: ReplayFile) -> list[tuple[Any, list[Any], Any]]:
    """Question, the orders that were looked up, and answer of each turn."""
    return [(t.input, [(r.args or {}).get("order") for r in t.tool_responses], t.output) for t in file.turn_list]


def turn(question: str) -> tuple[Any, list[Any], Any]:
    """A turn of `agent`."""
    return (question, [question], f"You said {question}")


def test_a_history_without_tool_messages_goes_on(tmp_path: Path) -> None:
    """Each question of one conversation is a turn, though its earlier tool calls are not repeated."""

    def program() -> None:
        history: Messages = []
        for question in ("A-1", "B-2", "C-3"):
            agent(question, history)

    [file] = recorded(tmp_path, program)
    assert shape(file) == [turn("A-1"), turn("B-2"), turn("C-3")]


def test_two_users_have_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their questions, calls and answers stay apart, also where both go on in turns; that it was guessed is said."""

    def program() -> None:
        ann, bob = [], []  # type: Messages, Messages
        agent("Ann: A-1", ann)
        agent("Bob: B-2", bob)
        agent("Ann: A-3", ann)
        agent("Bob: B-4", bob)

    files = recorded(tmp_path, program)
    assert [shape(file) for file in files] == [
        [turn("Ann: A-1"), turn("Ann: A-3")],
        [turn("Bob: B-2"), turn("Bob: B-4")],
    ]
    for file in files:
        assert any("2 were told apart" in each for each in (file.import_ or {})["guessed"])


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_conversations_at_the_same_time(kind: str, tmp_path: Path) -> None:
    """Calls belong to the conversation of their thread or task, however the two are interleaved."""
    both = threading.Barrier(2)

    def talk(name: str) -> None:
        history: Messages = []
        for number in range(3):
            both.wait(5)
            agent(f"{name}-{number}", history)

    async def tasks() -> None:
        await asyncio.gather(*(asyncio.to_thread(talk, name) for name in ("Ann", "Bob")))

    def program() -> None:
        if kind == "tasks":
            asyncio.run(tasks())
            return
        threads = [threading.Thread(target=talk, args=(name,)) for name in ("Ann", "Bob")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    files = recorded(tmp_path, program)
    assert [shape(file) for file in files] == [
        [turn(f"{name}-{number}") for number in range(3)] for name in ("Ann", "Bob")
    ]


def test_what_ends_the_program_is_the_error_of_its_own_conversation(tmp_path: Path) -> None:
    """And not of the one that was asked last somewhere else."""

    def program() -> None:
        agent("Ann: A-1", [])
        contextvars.copy_context().run(agent, "Bob: B-2", [])
        raise RuntimeError("over")

    with pytest.raises(RuntimeError, match="over"):
        recorded(tmp_path, program)
    errors = {str(file.input): file.error_spec for file in (loaded(p).turn_list[0] for p in tmp_path.iterdir())}
    assert [name for name, error in errors.items() if error is not None] == ["Ann: A-1"]


def test_who_says_the_same_elsewhere_is_somebody_else(tmp_path: Path) -> None:
    """Two requests of a server that begin alike; the same request from where the first came is made again."""

    def program() -> None:
        for _ in range(2):
            contextvars.copy_context().run(agent, "Hello", [])

    assert [shape(file) for file in recorded(tmp_path / "a", program)] == [[turn("Hello")], [turn("Hello")]]

    def twice() -> None:
        messages = [{"role": "user", "content": "Hello"}]
        ask(messages)
        ask(messages)

    [file] = recorded(tmp_path / "b", twice)
    assert len(file.llm_responses or ()) == 2
    assert any("repeats another" in each for each in (file.import_ or {})["guessed"])


def test_requests_beside_a_conversation(tmp_path: Path) -> None:
    """A classifier before it, a title and a summary after the answer begin no turn, and are no answer."""

    def program() -> None:
        history: Messages = []
        for question in ("What is A-1?", "And B-2?"):
            ask([{"role": "system", "content": "Classify."}, {"role": "user", "content": question}])
            agent(question, history)
            title = {"role": "user", "content": f"A title for: {question}"}
            ask([{"role": "system", "content": "Titles in five words."}, title])
            ask([{"role": "system", "content": "Summarise."}, *history, {"role": "user", "content": "Now summarise."}])

    [file] = recorded(tmp_path, program)
    assert shape(file) == [turn("What is A-1?"), turn("And B-2?")]
    assert sum(len(t.llm_responses or ()) for t in file.turn_list) + len(file.llm_responses or ()) == 10


def test_another_agent_elsewhere_has_a_file_of_its_own(tmp_path: Path) -> None:
    """One server may have several agents; a request beside a conversation is where that is, or speaks of it."""

    def program() -> None:
        for system in ("You sell spare parts and never guess.", "Answer questions about the weather of today."):
            contextvars.copy_context().run(agent, system, [], system)
        title = {"role": "user", "content": "A title for: You sell spare parts and never guess."}
        contextvars.copy_context().run(ask, [{"role": "system", "content": "Titles in five words."}, title])

    files = recorded(tmp_path, program)
    assert [[t.input for t in file.turn_list] for file in files] == [
        ["Answer questions about the weather of today."],
        ["You sell spare parts and never guess."],
    ]


def test_a_shortened_history_goes_on(tmp_path: Path) -> None:
    """The last exchange is enough; a summary in the system prompt is not, and makes a file of its own."""

    def program() -> None:
        history: Messages = []
        for number in range(5):
            agent(f"Question {number}", history)
            del history[:-2]

    [file] = recorded(tmp_path, program)
    assert shape(file) == [turn(f"Question {number}") for number in range(5)]


def test_a_failed_request_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry is no turn; and a user who asks on after a failure is one."""
    failing = iter([True, False, False])

    def answer(method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return (500, {}, b'{"error": {"message": "no"}}') if next(failing) else answering(method, path, body)

    def program() -> None:
        from openai import OpenAI

        messages: Messages = [{"role": "user", "content": "A-1"}]
        client = bots._client(OpenAI).with_options(max_retries=1)
        said = client.chat.completions.create(model="gpt-4o", messages=messages).choices[0].message.content
        ask([*messages, {"role": "assistant", "content": said}, {"role": "user", "content": "B-2"}])

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with served(answer) as bots.base_url:
        [file] = recorded(tmp_path, program)
    assert [(t.input, t.output) for t in file.turn_list] == [("A-1", "You said A-1"), ("B-2", "You said B-2")]


def test_what_the_provider_keeps(tmp_path: Path) -> None:
    """Conversations of the responses API go on by the id of the answer before."""

    def program() -> None:
        from openai import OpenAI

        client = bots._client(OpenAI)
        ids: dict[str, Any] = {}
        for name in ("Ann", "Bob", "Ann", "Bob"):
            more = {"previous_response_id": ids[name]} if name in ids else {}
            ids[name] = client.responses.create(model="gpt-4o", input=f"{name}{len(more)}", **more).id

    files = recorded(tmp_path, program)
    assert [[t.input for t in file.turn_list] for file in files] == [["Ann0", "Ann1"], ["Bob0", "Bob1"]]


def test_a_call_between_two_turns_serves_both(tmp_path: Path) -> None:
    """What is looked up before the model is asked may belong to the answer before or to the question after."""
    import httpx

    def look(name: str) -> None:
        httpx.get(f"{bots.base_url}/docs/{name}")

    def program() -> None:
        history: Messages = []
        for name in ("a", "b"):
            look(name)
            agent(name, history)

    [file] = recorded(tmp_path / "one", program)
    assert [(len(t.tool_responses), t.output) for t in file.turn_list] == [(2, "You said a"), (1, "You said b")]
    assert [r.tool.rpartition("/")[2] for r in file.tool_responses] == ["b"]

    def two_users() -> None:
        for name in ("a", "b"):
            look(name)
            agent(name, [])

    files = recorded(tmp_path / "two", two_users)
    assert "b" in [r.tool.rpartition("/")[2] for r in files[1].tool_responses]


def test_a_conversation_goes_on_after_a_greeting_of_the_same_words(tmp_path: Path) -> None:
    """Users who begin alike are told apart by what they were answered."""

    def program() -> None:
        ann: Messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ann's answer"}]
        bob: Messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Bob's answer"}]
        agent("A-1", ann)
        agent("B-1", bob)
        agent("A-2", ann)

    files = recorded(tmp_path, program)
    assert [[t.input for t in file.turn_list] for file in files] == [["A-1", "A-2"], ["B-1"]]


def _anthropic(messages: Messages, answer: str | None) -> tuple[str, Any, Any]:
    content = [{"type": "text", "text": answer}] if answer else [TOOL_USE]
    body = {"model": "claude", "max_tokens": 9, "system": "Be kind.", "messages": messages}
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content}
    return "https://api.anthropic.com/v1/messages", body, {**said, "stop_reason": "end_turn", "usage": {}}


def _gemini(messages: Messages, answer: str | None) -> tuple[str, Any, Any]:
    roles = {"user": "user", "assistant": "model"}
    contents = []
    for message in messages:
        content = message["content"]
        parts = [{"text": content}] if isinstance(content, str) else [GEMINI_PARTS[content[0]["type"]]]
        contents.append({"role": roles[message["role"]], "parts": parts})
    part = {"text": answer} if answer else GEMINI_PARTS["tool_use"]
    said = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
    url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent"
    return url, {"contents": contents}, said


TOOL_USE: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "check", "input": {"order": "A-1"}}
TOOL_RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t1", "content": "12"}
GEMINI_PARTS: dict[str, Any] = {
    "tool_use": {"functionCall": {"name": "check", "args": {"order": "A-1"}}},
    "tool_result": {"functionResponse": {"name": "check", "response": {"total": 12}}},
}


@pytest.mark.parametrize("shape_of", [_anthropic, _gemini])
def test_other_providers(shape_of: Any) -> None:
    """Results of tools lie in messages of the user there, and are none of what the user says."""
    session = CaptureSession("test")

    def asks(messages: Messages, answer: str | None) -> None:
        url, body, said = shape_of(messages, answer)
        reply = session.handle_http(HttpRequest("httpx", "POST", url, [], json.dumps(body).encode()))
        assert isinstance(reply, PassThrough)
        assert reply.observe is not None
        reply.observe(200, [("content-type", "application/json")], json.dumps(said).encode())

    def user(text: str) -> dict[str, Any]:
        return {"role": "user", "content": text}

    def assistant(text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text}

    called = [{"role": "assistant", "content": [TOOL_USE]}, {"role": "user", "content": [TOOL_RESULT]}]
    asks([user("How much is A-1?")], None)
    asks([user("How much is A-1?"), *called], "It is 12.")
    asks([user("How much is A-1?"), assistant("It is 12."), user("And B-2?")], "That is 14.")
    asks([user("I am Bob.")], "Hello Bob.")
    asks([user("How much is A-1?"), *called, assistant("It is 12."), user("And B-2?")], "That is 15.")
    turns = [(event["talk"], content_text(event["input"])) for event in session.events if event["event"] == "turn"]
    assert turns == [(1, "How much is A-1?"), (1, "And B-2?"), (2, "I am Bob.")]
