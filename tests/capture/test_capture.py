"""The context manager and the wrapper: files, turns, what belongs to a capture, and that it never harms the agent."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import inspect
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_agent_replay import ReplayError, capture
from pytest_agent_replay.capturing.session import CaptureSession
from pytest_agent_replay.capturing.values import error_of
from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.player.http import HttpRequest, PassThrough
from tests.capture import bots
from tests.capture.harness import Model, assert_green, loaded, replayed, served


def tools_of(path: Path) -> list[str]:
    """What was called, in order."""
    return [response.tool for response in loaded(path).tool_responses]


# -- files


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    """The next free number is added to the name; `force` replaces it."""
    path = tmp_path / "new" / "a.replay.yaml"
    for number in range(3):
        with capture(path) as session:
            session.input = number
    assert [loaded(p).input for p in sorted(path.parent.iterdir())] == [1, 2, 0]
    assert sorted(p.name for p in path.parent.iterdir()) == ["a-2.replay.yaml", "a-3.replay.yaml", "a.replay.yaml"]
    with capture(path, force=True) as session:
        session.input = "forced"
    assert loaded(path).input == "forced"


def test_a_folder_gets_a_file_for_each_call(tmp_path: Path) -> None:
    """A decorated agent writes each of its calls to a file of its own; JSON is written where the name says so."""
    agent = capture(tmp_path / "calls", tools=["check"])(bots.plain)
    agent("one")
    agent("two")
    assert sorted(loaded(p).input for p in (tmp_path / "calls").iterdir()) == ["one", "two"]
    with capture(tmp_path / "a.replay.json") as session:
        session.input = "json"
    assert (tmp_path / "a.replay.json").read_text("utf-8").startswith("{")
    assert loaded(tmp_path / "a.replay.json").input == "json"


def test_what_is_said_about_the_session_is_in_the_file(tmp_path: Path) -> None:
    """Agent, contract, tags and other keys as they are given; a contract of its own where none is."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, agent="m:f", contract="Orders", tags=["x"], golden=True, about={"name": "N"}) as session:
        session.input = "?"
    file = loaded(path)
    assert (file.agent, file.contract, file.tags, file.golden, file.name) == ("m:f", "Orders", ["x"], True, "N")
    with capture(tmp_path / "b.replay.yaml") as session:
        session.input = "?"
        session.output = "Yes."
    invariants = loaded(tmp_path / "b.replay.yaml").contract["invariants"]
    assert [invariant["type"] for invariant in invariants] == ["completes", "behavior_unchanged"]


def test_nothing_seen_is_nothing_written(tmp_path: Path) -> None:
    """No file, and no journal."""
    with capture(tmp_path / "a.replay.yaml"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_capture_tells_what_came_of_it(tmp_path: Path) -> None:
    """The path of the file, also when it is not the one that was asked for."""
    path = tmp_path / "a.replay.yaml"
    path.write_text("input: 1\n", "utf-8")
    captured = capture(path)
    with captured as session:
        session.input = 2
    assert captured.captured.path == tmp_path / "a-2.replay.yaml"


# -- turns


def test_several_turns(tmp_path: Path) -> None:
    """`wrap` makes each call of the agent a turn; an agent that speaks first has one without an input."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools=["check"]) as session:
        session.said("Hello!")
        agent = session.wrap(lambda question: f"{question}: {bots.check(question)['total']}")
        agent("A-1")
        session.turn("B-2")
        session.output = bots.check("B-2")
    turns = loaded(path).turn_list
    assert [turn.output for turn in turns] == ["Hello!", "A-1: 12", {"order": "B-2", "total": 12}]
    assert [turn.is_played for turn in turns] == [False, True, True]
    assert [[r.args for r in turn.tool_responses] for turn in turns] == [[], [{"order": "A-1"}], [{"order": "B-2"}]]


def test_what_the_model_is_asked_tells_the_turns_when_nobody_does(tmp_path: Path) -> None:
    """The last thing that a user said begins one; that it was guessed is in the file."""
    path = tmp_path / "a.replay.yaml"
    with served(Model(("check", {"order": "A-1"}), text="12.")) as bots.base_url, capture(path):
        from openai import OpenAI

        bots.chat("How much?")
        client, messages = bots._client(OpenAI), [{"role": "user", "content": "Hi"}]
        for question in ("And now?", ""):
            said = client.chat.completions.create(model="gpt-4o", messages=messages).choices[0].message.content
            messages += [{"role": "assistant", "content": said or ""}, {"role": "user", "content": question}]
    turns = loaded(path).turn_list
    # requests of another kind (another agent's, a summary) begin no turn
    assert [(turn.input, turn.output) for turn in turns] == [("How much?", "12.")]
    said = loaded(path).import_ or {}
    assert said["guessed"] == [
        "the input: what the model was asked last by a user",
        "the output: what the model answered last",
        "whose a model request is that goes on with no conversation: it is kept in the turn before it (2)",
    ]


def test_an_agent_that_raises(tmp_path: Path) -> None:
    """Its exception comes out as it is; the file has what happened until then, and replays."""
    path = tmp_path / "a.replay.yaml"

    with pytest.raises(bots.PaymentError):
        capture(path, tools=["refund"])(broken)("?")
    assert loaded(path).error == ErrorSpec(type="tests.capture.bots.PaymentError", message="declined: A-1")
    assert replayed(path, broken).outcome == "passed"


def broken(question: str) -> None:
    """An agent."""
    bots.refund("A-1")


def test_what_cannot_be_called_is_said_at_once(tmp_path: Path) -> None:
    """With what to do instead."""
    with pytest.raises(ReplayError, match=r"a dict cannot be called: wrap the method"):
        capture(tmp_path)({})  # type: ignore[arg-type]


def test_wrapped_agents_keep_their_kind(tmp_path: Path) -> None:
    """Name, signature, async and generators."""
    for agent in (bots.plain, bots.plain_async, bots.chat_stream, bots.chat_stream_async):
        wrapped = capture(tmp_path)(agent)
        assert inspect.signature(wrapped) == inspect.signature(agent)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            assert kind(wrapped) == kind(agent)


def test_a_generator_keeps_send_throw_and_its_return_value(tmp_path: Path) -> None:
    """The reader of a stream talks to the agent as without the capture."""

    def agent(question: str) -> Any:
        try:
            got = yield "a"
            yield got
        except KeyError:
            yield "caught"
        return "end"

    stream = capture(tmp_path / "a.replay.yaml")(agent)("?")
    assert [next(stream), stream.send("b"), stream.throw(KeyError())] == ["a", "b", "caught"]
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == "end"
    assert loaded(tmp_path / "a.replay.yaml").output == "end"


def test_an_async_generator_keeps_asend_athrow_and_aclose(tmp_path: Path) -> None:
    """The reader of an agent's or a tool's stream talks to it as without the capture, and closes it there and then."""

    async def talk(stream: Any) -> list[Any]:
        said = [await stream.asend(None), await stream.asend("b"), await stream.athrow(KeyError()), bots.closed[:]]
        await stream.aclose()
        return [*said, bots.closed[:]]

    async def agent(question: str) -> Any:
        return [str(each) for each in await talk(bots.answering())]

    bots.closed.clear()
    path = tmp_path / "agent.replay.yaml"
    assert asyncio.run(talk(capture(path)(bots.answering)())) == ["a", "b", "caught", [], ["closed"]]
    assert loaded(path).output == "abcaught"
    bots.closed.clear()
    path = tmp_path / "tool.replay.yaml"
    assert asyncio.run(capture(path, tools=["answering"])(agent)("?")) == ["a", "b", "caught", "[]", "['closed']"]
    assert loaded(path).tool_responses[0].response == ["a", "b", "caught"]


def test_an_agent_that_goes_on_after_it_returned(tmp_path: Path) -> None:
    """A plain function that hands out a coroutine or a generator of its own: the turn lasts until that is done."""

    async def later(question: str) -> str:
        return str(bots.check(question)["total"])

    def pieces(question: str) -> Any:
        yield bots.check(question)["order"]

    async def pieces_later(question: str) -> Any:
        yield bots.check(question)["order"]

    async def read(stream: Any) -> list[Any]:
        return [piece async for piece in stream]

    def captured(kind: Any) -> Any:
        return capture(tmp_path / f"{kind.__name__}.replay.yaml", tools=["check"])(lambda question: kind(question))

    assert asyncio.run(captured(later)("A-1")) == "12"
    assert list(captured(pieces)("A-1")) == ["A-1"]
    assert asyncio.run(read(captured(pieces_later)("A-1"))) == ["A-1"]
    files = [loaded(path) for path in sorted(tmp_path.iterdir())]
    assert [[response.tool for response in file.tool_responses] for file in files] == [["check"]] * 3
    assert [(file.output, file.import_) for file in files] == [("12", None), ("A-1", None), ("A-1", None)]


def test_what_is_given_up_is_closed_as_without_the_capture(tmp_path: Path) -> None:
    """A coroutine may be closed in another context than it ran in: by the garbage collector, when its loop is gone."""

    async def agent(question: str) -> None:
        await bots.waiting()

    path = tmp_path / "agent.replay.yaml"
    coroutine = capture(path)(agent)("?")
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert loaded(path).error is None
    with capture(tmp_path / "tool.replay.yaml", tools=["waiting"]) as session:
        session.input = "?"
        tool = bots.waiting()
        contextvars.copy_context().run(tool.send, None)
        tool.close()
    assert tools_of(tmp_path / "tool.replay.yaml") == ["waiting"]


def test_an_async_generator_that_raises(tmp_path: Path) -> None:
    """Its session ends with the exception, as that of any other agent; the file replays."""
    path = tmp_path / "a.replay.yaml"

    async def read() -> None:
        async for _ in capture(path, tools=["refund"])(broken_stream)("?"):
            pass

    with pytest.raises(bots.PaymentError):
        asyncio.run(read())
    assert loaded(path).error == ErrorSpec(type="tests.capture.bots.PaymentError", message="declined: A-1")
    assert replayed(path, broken_stream).outcome == "passed"


async def broken_stream(question: str) -> Any:
    """An agent."""
    yield "One moment."
    bots.refund("A-1")


# -- what belongs to a capture


def test_many_at_once_stay_apart(tmp_path: Path) -> None:
    """Tasks and threads each have their own file, with their own calls and no others."""
    agent = capture(tmp_path / "threads", tools=["check"])(ask_in_thread)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(agent, [f"T-{number}" for number in range(20)]))
    agent_async = capture(tmp_path / "tasks", tools=["later"])(ask_in_task)

    async def all_at_once() -> None:
        await asyncio.gather(*(agent_async(f"A-{number}") for number in range(20)))

    asyncio.run(all_at_once())
    files = [loaded(path) for folder in ("threads", "tasks") for path in (tmp_path / folder).iterdir()]
    assert len({file.input for file in files}) == 40
    for file in files:
        assert [response.args for response in file.tool_responses] == [{"order": file.input}] * 2
        assert file.import_ is None


def ask_in_thread(order: str) -> str:
    """An agent that calls its tool here and in a thread."""
    bots.check(order)
    thread = threading.Thread(target=bots.check, args=(order,))
    thread.start()
    thread.join()
    return order


async def ask_in_task(order: str) -> str:
    """An agent that calls its tool in two tasks."""
    await asyncio.gather(bots.later(order), bots.later(order))
    return order


def test_calls_of_others_are_not_captured(tmp_path: Path) -> None:
    """A thread from before, and what another request does meanwhile, belong to no capture although only one runs."""
    path = tmp_path / "a.replay.yaml"
    outside = contextvars.copy_context()
    asked, done = threading.Event(), threading.Event()

    def other() -> None:
        asked.wait(5)
        bots.check("other")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with capture(path, tools=["check"]) as session:
        session.input = "?"
        asked.set()
        assert done.wait(5)
        outside.run(bots.check, "outside")
        bots.check("mine")
    thread.join()
    assert [response.args for response in loaded(path).tool_responses] == [{"order": "mine"}]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_capture_that_is_left_in_another_context(
    is_async: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each ends its own file, whichever is left first; that the calls were not in it is said, not kept quiet."""
    shared = capture(tmp_path, tools=["check"])

    def dependency() -> Any:
        with shared as session:
            yield session

    async def dependency_async() -> Any:
        async with shared as session:
            yield session

    def step(generator: Any) -> Any:
        run = contextvars.copy_context().run
        if not is_async:
            return run(next, generator, None)
        try:
            return run(generator.asend(None).send, None)
        except StopIteration as yielded:
            return yielded.value
        except StopAsyncIteration:
            return None

    first, second = [dependency_async() if is_async else dependency() for _ in range(2)]
    sessions = {"one": step(first), "two": step(second)}
    for question, session in sessions.items():
        session.input = question
        session.output = bots.plain(question)
    step(first)
    session.output = "Later."
    step(second)
    files = {file.input: file for file in map(loaded, tmp_path.iterdir())}
    assert (files["one"].output, files["two"].output) == (bots.plain("one"), "Later.")
    lost = "all calls that were made in another context than the capture was entered in"
    assert [(file.import_ or {}).get("lost") for file in files.values()] == [[lost], [lost]]
    assert "wrap the agent" in caplog.text


def test_everything_is_put_back(tmp_path: Path) -> None:
    """The code of tools and the clients; work that goes on afterwards runs, and is not recorded."""
    import httpx

    code, send = bots.check.__code__, httpx.HTTPTransport.handle_request
    go, results = threading.Event(), []

    def late() -> None:
        go.wait(5)
        results.append(bots.check("late")["total"])

    with capture(tmp_path / "a.replay.yaml", tools=["check"]) as session:
        session.input = "?"
        assert bots.check.__code__ is not code
        thread = threading.Thread(target=late)
        thread.start()
    assert bots.check.__code__ is code
    assert httpx.HTTPTransport.handle_request is send
    go.set()
    thread.join()
    assert results == [12]
    assert tools_of(tmp_path / "a.replay.yaml") == []


def test_the_outermost_call_is_the_recording(tmp_path: Path) -> None:
    """What a tool calls, over HTTP or a model, is not recorded with it."""
    path = tmp_path / "a.replay.yaml"
    with served(Model(text="sub")) as bots.base_url:
        answer = capture(path, tools=["research", "check"])(outer)("?")
    bots.base_url = "http://127.0.0.1:9"
    assert tools_of(path) == ["research"]
    assert loaded(path).llm_responses is None
    assert assert_green(path, outer).turns[0].output == answer


def research(topic: str) -> str:
    """A tool that asks a model, and calls another tool, here and in a thread of a pool."""
    with ThreadPoolExecutor(1) as pool:
        price = pool.submit(bots.check, topic).result()["total"]
    return f"{bots.chat(topic)} {bots.check(topic)['total']} {price}"


def outer(question: str) -> str:
    """An agent."""
    return research("ACME")


def test_a_result_without_json_form_is_recorded_by_what_is_inside(tmp_path: Path) -> None:
    """The request that the tool made stands for it, and a replay lets the tool run."""
    path = tmp_path / "a.replay.yaml"
    with served(lambda method, path, body: (200, {}, b"fine")) as bots.base_url:
        answer = capture(path, tools=["fetch"])(fetching)("?")
    assert tools_of(path) == [f"GET {bots.base_url}/orders"]
    assert assert_green(path, fetching).turns[0].output == answer


def fetch(path: str) -> Any:
    """A tool that returns a client's response."""
    import requests

    return requests.get(f"{bots.base_url}/{path}", timeout=5)


def fetching(question: str) -> str:
    """An agent."""
    return str(fetch("orders").text)


def test_a_result_that_is_lost_is_said(tmp_path: Path) -> None:
    """In the file, with the type that has no JSON form."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools=["handle"]) as session:
        session.input = "?"
        handle()
    assert loaded(path).import_ == {"lost": ["a result of handle that has no JSON form (Lock)"]} or loaded(
        path
    ).import_ == {"lost": ["a result of handle that has no JSON form (lock)"]}


def handle() -> Any:
    """A tool that returns something of this process."""
    return threading.Lock()


class Parcel(NamedTuple):
    """A type of the agent's own."""

    weight: Decimal


def untyped(kind: str) -> Any:
    """A tool that does not say what it returns."""
    values: dict[str, Any] = {
        "plain": {"a": [1, None, "x"]},
        "keys": {1: "a"},
        "mixed": [Decimal("1.10"), datetime.date(2026, 1, 1), (1, 2)],
        "parcel": Parcel(Decimal(1)),
        "binary": b"\xff",
        "long": 10**5000,
        "not a number": {"x": float("nan")},
    }
    return values[kind]


def typed(kind: str) -> dict[int, str] | Parcel:
    """A tool that says it."""
    return {1: "a"} if kind == "keys" else Parcel(Decimal(1))


def test_a_type_that_a_replay_cannot_make_again_is_said(tmp_path: Path) -> None:
    """Unless the function's annotation promises it; and no value costs the file."""

    def lost(tool: str, kind: str) -> list[str]:
        path = tmp_path / f"{tool}-{kind}.replay.yaml"
        with capture(path, tools=["typed", "untyped"]) as session:
            session.input = kind
            globals()[tool](kind)
        return list((loaded(path).import_ or {}).get("lost", []))

    said = "the type of a result of untyped ({}): annotate what it returns"
    assert lost("untyped", "plain") == []
    assert lost("untyped", "keys") == [said.format("dict with keys that are no text")]
    assert lost("untyped", "mixed") == [said.format("Decimal, date, tuple")]
    assert lost("untyped", "parcel") == [said.format("Parcel")]
    assert lost("typed", "keys") == lost("typed", "parcel") == []
    unsayable = "a result of untyped that has no JSON form ({})"
    assert lost("untyped", "binary") == [unsayable.format("bytes with binary data")]
    assert lost("untyped", "long") == [unsayable.format("int with more than 600 digits")]
    assert lost("untyped", "not a number") == [unsayable.format("dict with nan")]


def growing(count: int) -> Any:
    """A tool that yields the same list again and again."""
    found: list[int] = []
    for number in range(count):
        found.append(number)
        yield found


def snapshots(question: str) -> str:
    """An agent that looks at each piece as it comes."""
    return " then ".join(str(len(piece)) for piece in growing(3))


def test_the_pieces_of_a_stream_are_kept_as_they_came(tmp_path: Path) -> None:
    """Not as they are at its end, where some are the same object."""
    path = tmp_path / "a.replay.yaml"
    assert capture(path, tools=["growing"])(snapshots)("?") == "1 then 2 then 3"
    assert loaded(path).tool_responses[0].response == [[0], [0, 1], [0, 1, 2]]
    assert assert_green(path, snapshots).turns[0].output == "1 then 2 then 3"


def fill(basket: dict[str, Any], item: str) -> str:
    """A tool that changes what it is given."""
    basket[item] = 1
    return item


def test_what_a_tool_does_to_its_arguments_is_said(tmp_path: Path) -> None:
    """A replay cannot do it; the recording has the arguments as they were when it was called."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools=["fill"]) as session:
        session.input = "?"
        fill({"apple": 1}, "pear")
        fill({"pear": 1}, "pear")
    assert [(r.args or {})["basket"] for r in loaded(path).tool_responses] == [{"apple": 1}, {"pear": 1}]
    said = "what a call of fill did to its arguments (basket): a replay does not do it"
    assert loaded(path).import_ == {"lost": [said]}


def silent(question: str) -> None:
    """An agent that answers nothing."""
    bots.check("A-1")


def test_an_agent_that_answers_nothing_replays(tmp_path: Path) -> None:
    """The contract that nobody wrote asks for what it did, and no more."""
    path = tmp_path / "a.replay.yaml"
    assert capture(path, tools=["check"])(silent)("?") is None
    assert_green(path, silent)


def test_embeddings_are_http_tools(tmp_path: Path) -> None:
    """A model API that is no conversation is recorded by its route, and replays."""
    path = tmp_path / "a.replay.yaml"
    with served(Model()) as bots.base_url:
        capture(path)(embedding)("Hi")
    assert tools_of(path) == [f"POST {bots.base_url}/v1/embeddings"]
    assert_green(path, embedding)


def test_access_tokens_are_no_tools() -> None:
    """A client for Vertex AI or Azure asks for one by itself, in other words each time, and a replay gives it one."""
    session = CaptureSession("test")
    request = HttpRequest("requests", "POST", "https://oauth2.googleapis.com/token", [], b"assertion=signed-now")
    assert session.handle_http(request) == PassThrough()
    assert session.bindings == {}


def embedding(text: str) -> str:
    """An agent that asks for embeddings alone."""
    from openai import OpenAI

    vector = bots._client(OpenAI).embeddings.create(model="e", input=text, encoding_format="float")
    return str(vector.data[0].embedding)


def test_a_tool_that_nobody_saw_is_recorded_as_the_model_was_told(tmp_path: Path) -> None:
    """Its result is the text of the tool message, and that this was guessed is in the file."""
    path = tmp_path / "a.replay.yaml"
    call = {"id": "c1", "type": "function", "function": {"name": "hidden", "arguments": '{"x": 1}'}}
    messages: list[Any] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "from elsewhere"},
    ]
    with served(Model(text="Done.")) as bots.base_url, capture(path) as session:
        from openai import OpenAI

        session.input = "?"
        bots._client(OpenAI).chat.completions.create(model="gpt-4o", messages=messages)
    [recorded] = loaded(path).tool_responses
    assert (recorded.tool, recorded.args, recorded.response, recorded.call_id) == (
        "hidden",
        {"x": 1},
        "from elsewhere",
        "c1",
    )
    assert "hidden" in (loaded(path).import_ or {})["guessed"][0]


def test_a_call_that_its_caller_gave_up(tmp_path: Path) -> None:
    """A timeout around a slow tool fires in the replay as it did."""
    path = tmp_path / "a.replay.yaml"
    assert asyncio.run(capture(path, tools=["slow"])(impatient)("?")) == "gave up"
    assert asyncio.run(_replayed_async(path)) == "gave up"


async def _replayed_async(path: Path) -> Any:
    return (await asyncio.to_thread(assert_green, path, impatient)).turns[0].output


async def slow() -> str:
    """A tool."""
    await asyncio.sleep(30)
    return "never"


async def impatient(question: str) -> str:
    """An agent."""
    try:
        return await asyncio.wait_for(slow(), 0.05)
    except asyncio.TimeoutError:
        return "gave up"


def test_a_replay_of_an_agent_that_captures_itself(tmp_path: Path) -> None:
    """The replay answers its calls as ever, and no further file is written."""
    path = tmp_path / "a.replay.yaml"
    agent = capture(path, tools=bots.NAMES)(bots.plain)
    agent("?")
    bots.ran.clear()
    assert_green(path, agent)
    assert bots.ran == []
    assert list(tmp_path.iterdir()) == [path]


def test_captures_in_captures(tmp_path: Path) -> None:
    """A call belongs to the innermost."""
    with capture(tmp_path / "outer.replay.yaml", tools=["check"]) as outer_session:
        outer_session.input = "?"
        bots.check("outer")
        with capture(tmp_path / "inner.replay.yaml", tools=["check"]) as session:
            session.input = "?"
            bots.check("inner")
    for name in ("outer", "inner"):
        [recorded] = loaded(tmp_path / f"{name}.replay.yaml").tool_responses
        assert recorded.args == {"order": name}


# -- never the agent's error


def test_a_wrong_call_gets_the_functions_own_error(tmp_path: Path) -> None:
    """Python's own text, as without the capture."""
    with pytest.raises(TypeError) as before:
        bots.check()  # type: ignore[call-arg]
    with capture(tmp_path / "a.replay.yaml", tools=["check"]), pytest.raises(TypeError) as inside:
        bots.check()  # type: ignore[call-arg]
    assert str(inside.value) == str(before.value)


class Hostile:
    """Its own code fails whenever it is looked at."""

    def model_dump(self, **options: Any) -> Any:
        raise RuntimeError("model_dump")

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


def hostile(value: Any) -> Any:
    """A tool."""
    return value


class HostileError(Exception):
    """An exception with the same habit."""

    @property
    def status(self) -> int:
        raise RuntimeError("status")

    def __str__(self) -> str:
        raise RuntimeError("str")


def hostile_failure() -> None:
    """A tool that raises it."""
    raise HostileError


def test_hostile_values_do_no_harm(tmp_path: Path) -> None:
    """Objects whose code fails, cycles, surrogates, infinite numbers and very deep values."""
    path = tmp_path / "a.replay.yaml"
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with capture(path, tools=["hostile", "hostile_failure"]) as session:
        session.input = Hostile()
        for value in (Hostile(), cycle, deep, "\ud83d", float("inf"), {1: {2: Hostile()}}, b"\xff", {"a": {1, 2}}):
            assert hostile(value) is value
        with pytest.raises(HostileError):
            hostile_failure()
        session.output = Hostile()
    assert len(loaded(path).tool_responses) == 9
    assert loaded(path).tool_responses[3].response == "?"


def test_what_fails_in_the_capture_is_logged_once_and_goes_no_further(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent has its results; the file says what it lacks."""
    path = tmp_path / "a.replay.yaml"
    monkeypatch.setattr("pytest_agent_replay.capturing.session.recorded", lambda value: 1 / 0)
    with caplog.at_level(logging.WARNING), capture(path, tools=["check"]) as session:
        assert bots.check("A-1") == bots.check("A-1")
        session.input = "?"
    [record] = [r for r in caplog.records if "not captured" in r.getMessage()]
    assert "the agent is not affected" in record.getMessage()
    assert loaded(path).import_ is not None
    assert "what failed to be captured (ZeroDivisionError) (3)" in loaded(path).import_["lost"]  # type: ignore[index]


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The agent runs, and the log says that there is no file."""
    (tmp_path / "file").write_text("", "utf-8")
    captured = capture(tmp_path / "file" / "a.replay.yaml", tools=["check"])
    with captured as session:
        session.input = "?"
        assert bots.check("A-1")["total"] == 12
    assert captured.captured.path is None
    assert captured.captured.error is not None
    assert "no replay file was written" in caplog.text


def test_a_wrong_setting_costs_no_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is left out, which the log and the file say; the others stay."""
    path = tmp_path / "a.replay.yaml"
    about = {"nmae": "N", "notes": object(), "metadata": {"when": datetime.date(2026, 1, 1)}}
    captured = capture(path, agent="m:f", contract={"invariants": object()}, about=about)
    with captured as session:
        session.input = "?"
    assert captured.captured.error is None
    file = loaded(path)
    assert (file.agent, file.metadata) == ("m:f", {"when": "2026-01-01"})
    lost = (file.import_ or {})["lost"]
    assert [each.partition(",")[0] for each in lost] == ["`contract`", "`nmae`", "`notes`"]
    assert "`nmae`, which was given to the capture, is left out" in caplog.text
    assert list(tmp_path.iterdir()) == [path]


def test_one_name_is_not_its_letters(tmp_path: Path) -> None:
    """A lone text is one tool, or one tag."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools="check", tags="prod") as session:
        session.input = bots.check("A-1")["order"]
    assert tools_of(path) == ["check"]
    assert loaded(path).tags == ["prod"]


def test_why_there_is_no_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where not even its place is known; where only the file failed, the journal stays, and the log names it."""
    captured = capture(tmp_path / "a.replay.yaml")
    with captured as session:
        session.input = "?"
        monkeypatch.setattr("pytest_agent_replay.capturing.capture.write_text_atomic", None)
    [journal] = tmp_path.iterdir()
    assert captured.captured.error
    assert f"--recover {journal}" in caplog.text

    def gone(path: Path) -> Path:
        raise FileNotFoundError("gone")

    monkeypatch.setattr("pytest_agent_replay.capturing.capture.target_of", gone)
    lost = capture("b.replay.yaml")
    with lost as session:
        session.input = "?"
    assert (lost.captured.path, lost.captured.error) == (None, "gone")


def test_a_wrong_binding_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the rest is captured."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools={"check": "tests.capture.bots:chek"}) as session:
        session.input = "?"
        assert bots.check("A-1")["total"] == 12
    assert "did you mean 'check'?" in caplog.text
    assert loaded(path).input == "?"


def test_one_wrong_tool_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A name that leads nowhere is said, in the file too; those beside it are captured."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, tools={"nowhere": "tests.capture.bots:nowhere", "chek": None, "check": None}) as session:
        session.input = bots.check("A-1")["order"]
    assert tools_of(path) == ["check"]
    first, second = (loaded(path).import_ or {})["lost"]
    assert first.startswith("nothing is known of a tool `chek`")
    assert "nowhere" in second
    assert caplog.text.count("`chek`") == 1
    with capture(tmp_path / "b.replay.yaml", tools=["price", "check"]) as session:
        session.input = "They are there, and were not called."
    assert loaded(tmp_path / "b.replay.yaml").import_ is None


def test_a_captured_tool_may_be_bound(tmp_path: Path) -> None:
    """To a function or a route; the file says so too."""
    path = tmp_path / "a.replay.yaml"
    with served(lambda method, path, body: (200, {}, b"fine")) as bots.base_url:
        tools = {"status": "tests.capture.bots:check", "orders": f"GET {bots.base_url}/{{kind}}"}
        with capture(path, tools=tools) as session:
            session.input = "?"
            bots.check("A-1")
            fetch("new")
    assert [(r.tool, r.args) for r in loaded(path).tool_responses] == [
        ("status", {"order": "A-1"}),
        ("orders", {"kind": "new"}),
    ]
    assert loaded(path).tools == tools


def test_errors_of_the_script_are_named_without_its_module() -> None:
    """`__main__` is another module in a replay: such a name is looked up where the tool is."""
    kind = type("OwnError", (Exception,), {"__module__": "__main__"})
    assert error_of(kind("x")) == {"type": "OwnError", "message": "x"}
