"""What an agent is called with, besides the input: kept as far as a replay can give it, and else said to be lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay import capture
from tests.capture import bots
from tests.capture.harness import assert_green, loaded

BEFORE = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]


def lost(path: Path) -> list[str]:
    """What the file says is lost."""
    return list((loaded(path).import_ or {}).get("lost", []))


def answer(question: str, history: Any = (), user: str | None = None, context: Any = None) -> str:
    """An agent that says all that it was given."""
    return f"{question}: {[m['content'] for m in history]} before, for {user}, {context}"


def test_history_context_and_settings_are_kept(tmp_path: Path) -> None:
    """As turns that are not played, `context` and `overrides`; the replay gives the agent the same, and is green."""
    path = tmp_path / "a.replay.yaml"
    said = capture(path)(answer)("and now", BEFORE, user="bob", context={"tier": 2})
    file = loaded(path)
    assert [(t.input, t.output, t.is_played) for t in file.turn_list] == [("hi", "x", False), ("and now", said, True)]
    assert (file.turn_list[1].context, file.overrides, file.import_) == ({"tier": 2}, {"user": "bob"}, None)
    assert assert_green(path, answer).turns[0].output == said == "and now: ['hi', 'x'] before, for bob, {'tier': 2}"


def test_a_call_without_more_stays_short(tmp_path: Path) -> None:
    """Arguments that are the defaults are no settings."""
    path = tmp_path / "a.replay.yaml"
    capture(path)(answer)("hi", (), user=None)
    file = loaded(path)
    assert (file.turns, file.overrides, file.context, file.import_) == (None, None, None, None)


def open_agent(question: str, *more: str, **settings: Any) -> str:
    """An agent that takes whatever it is given."""
    return f"{question} {more} {sorted(settings)}"


def strict(question: str, user: str, client: Any = None, /) -> str:
    """An agent whose second parameter a replay cannot fill."""
    return question


def test_what_a_replay_cannot_give_is_said(tmp_path: Path) -> None:
    """By the argument's name."""
    tool = {"role": "tool", "content": "5", "tool_call_id": "c"}
    cases: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[str]]] = [
        (strict, ("?", "bob"), {}, ["the argument `user`"]),
        (strict, ("?", "bob", object()), {}, ["the argument `client`", "the argument `user`"]),
        (answer, ("?",), {"user": object()}, ["the argument `user`"]),
        (answer, ("?",), {"context": 5}, ["the argument `context`"]),
        (open_agent, ("?", "a"), {"mode": "x"}, ["the argument `more`"]),
        (
            answer,
            ("?", [*BEFORE, tool]),
            {},
            ["of the argument `history`, messages that are no `role` (user, assistant) and `content` (1)"],
        ),
        (lambda question, history=None: "", ("?", [("user", "hi")]), {}, ["the argument `history`"]),
    ]
    for number, (agent, args, kwargs, expected) in enumerate(cases):
        path = tmp_path / f"{number}.replay.yaml"
        capture(path)(agent)(*args, **kwargs)
        assert lost(path) == expected
        assert loaded(path).turn_list[-1].input == "?"
    assert loaded(tmp_path / "4.replay.yaml").overrides == {"mode": "x"}


def test_one_file_for_several_requests(tmp_path: Path) -> None:
    """Each call of a session is a turn; its history is what was said before, and settings that changed are said."""
    path = tmp_path / "a.replay.yaml"
    history: list[dict[str, Any]] = list(BEFORE)
    with capture(path) as session:
        agent = session.wrap(answer)
        for question, user in (("one", "bob"), ("two", "bob")):
            said = agent(question, list(history), user=user)
            history += [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
    file = loaded(path)
    assert [t.is_played for t in file.turn_list] == [False, True, True]
    assert (file.overrides, file.import_) == ({"user": "bob"}, None)
    assert_green(path, answer)
    path = tmp_path / "b.replay.yaml"
    with capture(path) as session:
        agent = session.wrap(answer)
        agent("one", (), user="ann")
        agent("two", (), user="bob")
    assert loaded(path).overrides is None
    assert lost(path) == [
        "the argument `history`, which is not what was said before in this session",
        "the argument `user`, which was not the same in each turn",
    ]


def asking(question: str, history: Any = ()) -> str:
    """An agent with a tool."""
    return f"{bots.check(question)['order']} after {len(history)}"


def test_one_file_for_the_requests_of_a_server(tmp_path: Path) -> None:
    """A session that is kept captures what it wraps in whatever context (task, thread) that is called."""
    history: list[dict[str, Any]] = []
    with ExitStack() as captures:
        sessions: dict[str, Any] = {}

        def request(user: str, question: str) -> str:
            if user not in sessions:
                sessions[user] = captures.enter_context(capture(tmp_path / f"{user}.replay.yaml", tools=["check"]))
            said = str(sessions[user].wrap(asking)(question, list(history)))
            history.extend([{"role": "user", "content": question}, {"role": "assistant", "content": said}])
            return said

        for question in ("A-1", "B-2"):
            contextvars.copy_context().run(request, "ann", question)
    file = loaded(tmp_path / "ann.replay.yaml")
    assert [[(r.args or {})["order"] for r in turn.tool_responses] for turn in file.turn_list] == [["A-1"], ["B-2"]]
    assert file.import_ is None
    assert_green(tmp_path / "ann.replay.yaml", asking)


class Shop:
    """An agent with a state of its own."""

    def __init__(self) -> None:
        self.seen = 0

    def invoke(self, question: str, user: str = "nobody") -> str:
        """Answers."""
        self.seen += 1
        return f"{question} {self.seen} {user}"

    def answer(self, question: str) -> str:
        """Is not how a replay asks."""
        return question


def test_methods_of_a_class(tmp_path: Path) -> None:
    """The file names the class, of which a replay makes an agent, where that asks by this method; else nothing."""
    shop = Shop()
    capture(tmp_path / "a.replay.yaml")(shop.invoke)("A-1", user="ann")
    capture(tmp_path / "b.replay.yaml")(shop.answer)("A-1")
    assert loaded(tmp_path / "a.replay.yaml").agent == "tests.capture.test_calls:Shop"
    # in a replay, settings are those of the class
    assert loaded(tmp_path / "a.replay.yaml").overrides is None
    assert lost(tmp_path / "a.replay.yaml") == ["the argument `user`"]
    assert loaded(tmp_path / "b.replay.yaml").agent is None
    assert lost(tmp_path / "b.replay.yaml") == []


def events(question: str) -> Iterator[dict[str, Any]]:
    """An agent that streams mappings."""
    yield {"type": "tool", "name": "check"}
    yield {"type": "token", "text": "It costs "}
    yield {"type": "token", "text": "12."}
    yield {"type": "done"}


async def events_async(question: str) -> AsyncIterator[dict[str, Any]]:
    """The same, async."""
    for event in events(question):
        yield event


def states(question: str) -> Iterator[dict[str, Any]]:
    """An agent whose pieces have no text."""
    yield {"step": 1}
    yield {"count": 2}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_of_mappings_is_its_text(is_async: bool, tmp_path: Path) -> None:
    """As a replay reads it, so that the contract asks for the same answer; and it is green."""
    path = tmp_path / "a.replay.yaml"

    async def read() -> None:
        async for _ in capture(path)(events_async)("?"):
            pass

    if is_async:
        asyncio.run(read())
    else:
        list(capture(path)(events)("?"))
    assert loaded(path).output == "It costs 12."
    assert [each["type"] for each in loaded(path).contract["invariants"]] == ["completes", "behavior_unchanged"]
    assert_green(path, events_async if is_async else events)


def test_how_pieces_without_text_were_read_is_said(tmp_path: Path) -> None:
    """The last one is taken, which is a guess."""
    path = tmp_path / "a.replay.yaml"
    list(capture(path)(states)("?"))
    assert loaded(path).output == {"count": 2}
    [said] = (loaded(path).import_ or {})["guessed"]
    assert said.startswith("the output: ")


def test_a_stream_that_cannot_be_read_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's reader has its pieces; the file says what it lacks."""
    path = tmp_path / "a.replay.yaml"
    monkeypatch.setattr("pytest_agent_replay.agents.streams.settle", lambda value: 1 / 0)
    assert len(list(capture(path)(events)("?"))) == 4
    assert lost(path) == ["what failed to be captured (ZeroDivisionError)"]
