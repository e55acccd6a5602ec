"""Every kind of agent, put the same question."""

from __future__ import annotations

import asyncio
import functools
import json
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any
from unittest.mock import Mock

import pytest

from pytest_agent_replay.agents.call import agent_factory, make_agent
from pytest_agent_replay.agents.model import Agent, Conversation, TurnInput
from pytest_agent_replay.errors import AgentError

TURN = TurnInput(
    input="How much?",
    context="Be brief.",
    history=[{"role": "user", "content": "Hi"}],
    session_id="s-1",
    replay="the replay",
)


def ask(obj: Any, turn: TurnInput = TURN) -> Any:
    """The answer by the sync way, after checking that the async way gives the same."""
    agent = make_agent(obj, name="my_app:agent")
    conversation = agent.start(turn)
    try:
        answer = conversation.ask(turn)
    finally:
        conversation.close()

    async def once() -> Any:
        other = agent.start(turn)
        try:
            return await other.ask_async(turn)
        finally:
            await other.aclose()

    assert asyncio.run(once()) == answer
    return answer


def error_of(obj: Any, turn: TurnInput = TURN) -> str:
    with pytest.raises(AgentError) as caught:
        ask(obj, turn)
    assert str(caught.value).startswith("agent 'my_app:agent': ")
    return str(caught.value)


def with_overrides(**overrides: Any) -> TurnInput:
    return TurnInput(input="How much?", overrides=overrides)


def plain(question: str) -> str:
    return f"sync {question}"


async def coroutine(question: str) -> str:
    await asyncio.sleep(0)
    return f"async {question}"


def generator(question: str) -> Iterator[str]:
    yield from ("gen ", question)


async def async_generator(question: str) -> AsyncIterator[str]:
    yield "agen "
    yield question


@pytest.mark.parametrize(
    ("agent", "answer"),
    [
        (plain, "sync How much?"),
        (coroutine, "async How much?"),
        (generator, "gen How much?"),
        (async_generator, "agen How much?"),
        (functools.partial(lambda style, question: f"{style} {question}", "curt"), "curt How much?"),
        (functools.partial(coroutine), "async How much?"),
        (functools.lru_cache(plain), "sync How much?"),
        (str.upper, "HOW MUCH?"),
    ],
)
def test_functions_of_every_kind_are_called_with_the_input(agent: Any, answer: str) -> None:
    """Functions, coroutines, generators, partials, cached functions and bound methods."""
    assert ask(agent) == answer


def test_the_sync_way_makes_no_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync agent costs one function call."""
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: pytest.fail("a loop was made"))
    conversation = make_agent(plain, name="a").start(TURN)
    assert conversation.ask(TURN) == "sync How much?"
    conversation.close()


def test_a_decorator_may_hide_that_an_agent_is_async() -> None:
    """What was returned tells; the whole session runs on one loop."""
    loops = []

    async def hidden(question: str) -> str:
        loops.append(asyncio.get_running_loop())
        return "found"

    agent = make_agent(lambda question: hidden(question), name="a")
    conversation = agent.start(TURN)
    assert [conversation.ask(TURN), conversation.ask(TURN)] == ["found", "found"]
    conversation.close()
    assert loops[0] is loops[1]
    assert loops[0].is_closed()


def test_a_sync_question_to_an_async_agent_inside_a_loop_says_what_to_do() -> None:
    """The error names `arun()`, and the coroutine is not left behind."""

    async def inside(agent: Any) -> None:
        conversation = make_agent(agent, name="my_app:agent").start(TURN)
        with pytest.raises(AgentError, match=r"await `replay\.arun\(\)`"):
            conversation.ask(TURN)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for agent in (coroutine, async_generator, lambda question: coroutine(question), Made):
            asyncio.run(inside(agent))


class Made:
    async def run(self, question: str) -> str:
        return question


@pytest.mark.parametrize(
    ("agent", "answer"),
    [
        (lambda input, context: (input, context), ("How much?", "Be brief.")),
        (lambda question, *, session_id: (question, session_id), ("How much?", "s-1")),
        (lambda history, question: (question, len(history)), ("How much?", 1)),
        (lambda context, question, /: (context, question), ("Be brief.", "How much?")),
        (lambda question, model="small", context=None: (question, model, context), ("How much?", "small", "Be brief.")),
        (lambda *args, **kwargs: (args, kwargs), (("How much?",), {})),
        (lambda *, question: question, "How much?"),
        (lambda replay: replay, "the replay"),
        (lambda question, input: (question, input), ("How much?", "How much?")),
        (lambda question, overrides: overrides, {}),
    ],
)
def test_parameters_are_filled_by_their_names(agent: Any, answer: Any) -> None:
    """Known names get their part; the first required parameter without a known name gets the input."""
    assert ask(agent) == answer


def test_a_decorated_function_keeps_its_signature() -> None:
    """`functools.wraps` shows the parameters of the function inside."""

    def deco(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    @deco
    def agent(question: str, history: list[Any]) -> Any:
        return question, len(history)

    assert ask(agent) == ("How much?", 1)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (lambda question, contxt: "", "required parameter 'contxt'; did you mean 'context'?"),
        (lambda question, database: "", "nothing is known for its required parameter 'database'"),
        (lambda context: "", "none of its parameters takes the input"),
        (lambda **kwargs: "", "none of its parameters takes the input"),
        (42, "a int is no agent"),
        (object(), "a object is no agent"),
        (None, "a NoneType is no agent"),
    ],
)
def test_what_cannot_be_called_is_an_error_that_names_it(agent: Any, expected: str) -> None:
    """The parameter is named, and what an agent may declare."""
    assert expected in error_of(agent)


class Method:
    def __init__(self) -> None:
        self.seen: list[Any] = []


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["run"], "run"),
        (["invoke"], "invoke"),
        (["ainvoke"], "ainvoke"),
        (["arun"], "arun"),
        (["__call__"], "__call__"),
        (["invoke", "ainvoke", "__call__"], "invoke"),
        (["run", "invoke"], "run"),
        (["arun", "__call__"], "arun"),
    ],
)
def test_objects_are_asked_through_their_methods(names: list[str], asked: str) -> None:
    """The first of run, invoke, arun, ainvoke, __call__ that there is."""

    def sync(name: str) -> Callable[..., Any]:
        return lambda self, question: f"{name} {question}"

    def async_(name: str) -> Callable[..., Any]:
        async def method(self: Any, question: str) -> str:
            return f"{name} {question}"

        return method

    kind = type("Assistant", (), {name: (async_ if name.startswith("a") else sync)(name) for name in names})
    assert ask(kind()) == f"{asked} How much?"


def test_a_mapping_reaches_an_object_as_it_is() -> None:
    """A messages-style agent gets the recorded input unchanged."""

    class Graph:
        def invoke(self, state: dict[str, Any], config: Any = None) -> Any:
            return state

    given = {"messages": [{"role": "user", "content": "Hi"}]}
    assert ask(Graph(), TurnInput(input=given)) is given


def test_a_mock_is_called_not_asked_for_methods_it_makes_up() -> None:
    """A mock has an attribute of every name; only what is really defined counts."""
    mock = Mock(return_value="mocked")
    assert ask(mock) == "mocked"
    assert mock.call_args.args == ("How much?",)


class Assistant:
    made = 0

    def __init__(self, model: str = "small", session_id: str = "") -> None:
        type(self).made += 1
        self.model = model
        self.session_id = session_id
        self.turns = 0
        self.closed = 0

    def run(self, question: str) -> Any:
        self.turns += 1
        return self.model, self.session_id, self.turns

    def close(self) -> None:
        self.closed += 1


def test_a_class_is_made_once_per_session() -> None:
    """Turns of one session share an instance, another session has its own, and each is closed at its end."""
    agent = make_agent(Assistant, name="a")
    one, two = agent.start(TURN), agent.start(TURN)
    assert one.ask(TURN) == ("small", "s-1", 1)
    assert one.ask(TURN) == ("small", "s-1", 2)
    assert two.ask(TURN) == ("small", "s-1", 1)


def test_what_was_made_for_a_session_is_closed_with_it() -> None:
    """Sync and async, by `close` and by `aclose`; an object of the user's module is left open."""
    made: list[Any] = []

    class Client(Assistant):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    class AsyncClient(Client):
        async def arun(self, question: str) -> str:
            return "x"

        async def aclose(self) -> None:
            self.closed += 10

        run = None  # type: ignore[assignment]

    ask(Client)
    ask(AsyncClient)
    assert [client.closed for client in made] == [1, 1, 10, 10]
    shared = Assistant()
    make_agent(shared, name="a").start(TURN).close()
    assert shared.closed == 0


def test_overrides_become_keyword_arguments() -> None:
    """Of a class, a factory and a function; or the parameter `overrides` gets them whole."""

    def build(model: str = "small") -> Callable[[str], Any]:
        return lambda question: (question, model)

    def whole(overrides: Mapping[str, Any]) -> Callable[[str], Any]:
        return lambda question: (question, dict(overrides))

    def agent(question: str, model: str = "small") -> Any:
        return question, model

    turn = with_overrides(model="large")
    assert ask(Assistant, turn)[0] == "large"
    assert ask(build, turn) == ("How much?", "large")
    assert ask(whole, turn) == ("How much?", {"model": "large"})
    assert ask(agent, turn) == ("How much?", "large")
    assert ask(lambda question, **kwargs: kwargs, turn) == {"model": "large"}
    assert ask(build) == ("How much?", "small")


def test_an_override_that_nothing_takes_is_an_error() -> None:
    """It is never dropped silently, and the nearest parameter is named."""
    assert "takes no override 'modle'; did you mean 'model'?" in error_of(Assistant, with_overrides(modle="x"))
    assert "takes no override 'model' (it takes: none)" in error_of(plain, with_overrides(model="x"))
    assert "takes no override 'context'" in error_of(lambda question, context: "", TURN_WITH_CONTEXT)


TURN_WITH_CONTEXT = with_overrides(context="x")


def test_a_required_parameter_of_a_class_can_come_from_the_overrides() -> None:
    """Without them it is an error that names the parameter."""

    class NeedsClient:
        def __init__(self, client: str) -> None:
            self.client = client

        def run(self, question: str) -> str:
            return self.client

    assert ask(NeedsClient, with_overrides(client="stub")) == "stub"
    assert "required parameter 'client'" in error_of(NeedsClient)


def test_a_function_without_a_place_for_the_input_makes_an_agent() -> None:
    """Also an async one, and one that is marked although it has such a place."""

    async def build() -> Any:
        return plain

    @agent_factory
    def marked(context: str) -> Any:
        return lambda question: (question, context)

    assert ask(lambda: plain) == "sync How much?"
    assert ask(build) == "sync How much?"
    assert ask(marked) == ("How much?", "Be brief.")


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (lambda: "How may I help?", "Declare `input`"),
        (lambda: Assistant, "which has to be called again"),
        (lambda: lambda: plain, "which has to be called again"),
        (lambda: object(), "a object is no agent"),
    ],
)
def test_a_factory_that_makes_no_agent_is_an_error(factory: Any, expected: str) -> None:
    """An agent that forgot its parameter is told so."""
    assert expected in error_of(factory)


def test_exceptions_of_the_agent_come_out_as_they_are() -> None:
    """They are results, not errors of the replay."""

    def failing(question: str) -> str:
        raise KeyError("price")

    async def failing_async(question: str) -> str:
        raise KeyError("price")

    class FailingClass:
        def __init__(self) -> None:
            raise KeyError("price")

    for kind in (failing, failing_async, FailingClass):
        with pytest.raises(KeyError, match="price"):
            ask(kind)


@pytest.mark.parametrize(
    ("chunks", "answer"),
    [
        ([], None),
        ([None, "a", None, "b"], "ab"),
        ([b"a", b"b"], b"ab"),
        (["thinking", {"answer": 1}], {"answer": 1}),
        ([{"step": 1}, {"step": 2}], {"step": 2}),
        ([{"event": "start"}, "a", "b"], "ab"),
    ],
)
def test_chunks_become_one_answer(chunks: list[Any], answer: Any) -> None:
    """Text is joined; of other chunks the last one is the answer."""

    async def stream(question: str) -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    assert ask(lambda question: iter(chunks)) == answer
    assert ask(stream) == answer


def test_what_a_generator_returns_is_its_answer() -> None:
    """Progress may be yielded before the final result is returned."""

    def agent(question: str) -> Any:
        yield "thinking"
        return {"price": 3}

    assert ask(agent) == {"price": 3}


def test_the_modules_of_the_agents_code_are_known() -> None:
    """Of every layer of a decorated function and of a class with its bases; the module of the reference comes first."""

    @functools.wraps(json.loads)
    def wrapped(question: str) -> Any:
        return question

    assert make_agent(wrapped, name="a", module_names=["my_app"]).module_names == ("my_app", __name__, "json")
    assert make_agent(Assistant, name="a").module_names == (__name__,)
    assert make_agent(Assistant().run, name="a").module_names == (__name__,)


class Shouting:
    """An adapter for text objects of a framework."""

    name = "shouting"

    def matches(self, obj: Any) -> bool:
        return isinstance(obj, Shout)

    def make(self, obj: Any, *, name: str, module_names: Any) -> Agent:
        return make_agent(lambda question: question.upper(), name=name, module_names=module_names)


class Shout:
    pass


def test_an_adapter_makes_agents_of_objects_that_are_none_by_themselves() -> None:
    """Also of those that a factory made."""
    for obj in (Shout(), Shout):
        agent = make_agent(obj, name="a", adapters=[Shouting()])
        assert agent.start(TURN).ask(TURN) == "HOW MUCH?"


def test_an_agent_of_the_users_own_making_is_taken_as_it_is() -> None:
    """Whoever implements the interface needs no adapter."""
    agent = make_agent(plain, name="a")
    assert make_agent(agent, name="b") is agent
    assert isinstance(agent.start(TURN), Conversation)
