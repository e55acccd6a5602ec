"""A hundred real sessions, where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.formats.files import load_replays
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.player import LlmPlayer
from pytest_agent_replay.llm.recognise import recognise
from pytest_agent_replay.player.http import HttpRequest
from pytest_agent_replay.sources.writer import ImportReport
from tests.sources.chats import import_openai_chat

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "tau-bench" / "airline-even-tasks.json"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the real sessions in ../shared/data")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    """The import of all sessions."""
    return import_openai_chat(DATA, out=tmp_path_factory.mktemp("airline"))


@pytest.fixture(scope="module")
def replays(report: ImportReport) -> list[ReplayFile]:
    """The written files, loaded."""
    return [load_replays(path, root=path.parent)[0].replay for path in report.written]


def test_nothing_of_the_real_sessions_is_lost(report: ImportReport, replays: list[ReplayFile]) -> None:
    """All sessions, turns, calls and rewards arrive, and 30 sessions end after a tool."""
    assert (len(replays), report.turns, report.tool_calls, report.failed_calls, report.problems) == (
        100,
        616,
        577,
        21,
        [],
    )
    assert sum(replay.scores["reward"] == 1.0 for replay in replays) == 49
    assert [replay.turn_list[-1].ended for replay in replays].count("after_tool") == 30
    assert sum(replay.given("unanswered") for replay in replays) == 70


def test_an_ordinary_tool_loop_asks_what_is_recorded(replays: list[ReplayFile]) -> None:
    """At every step the messages that a loop appends have the recorded digests, so that `auto` plays every session."""
    for replay in replays:
        for messages in played(replay):
            assert messages[-1]["role"] in ("assistant", "tool")


def played(replay: ReplayFile) -> Iterator[list[dict[str, Any]]]:
    """Plays a session with the simplest loop; yields the conversation after each turn."""
    player = LlmPlayer(replay, "auto")
    messages: list[dict[str, Any]] = [{"role": "system", "content": replay.context}]
    for number, turn in enumerate(replay.turn_list, 1):
        player.begin_turn(number)
        messages.append({"role": "user", "content": turn.input})
        results = iter(turn.tool_responses)
        while True:
            request = asked(messages)
            decision = player.decide(request)
            assert decision.answer is not None, f"{replay.id}: {decision.text}"
            message = json.loads(request.wire.render(decision.answer, request).body)["choices"][0]["message"]
            messages.append(message)
            if not message.get("tool_calls"):
                break
            for call in message["tool_calls"]:
                recorded = next(results)
                assert (recorded.tool, recorded.args) == (
                    call["function"]["name"],
                    json.loads(call["function"]["arguments"]),
                )
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": recorded.response})
        assert list(results) == []
        assert message["content"] == (turn.output if turn.ended == "answered" else "")
        yield messages
    assert player.unused() == []


def asked(messages: list[dict[str, Any]]) -> ModelRequest:
    """The request of a loop that sends the whole conversation."""
    body = json.dumps({"model": "gpt-4o", "messages": messages}).encode()
    request = recognise(HttpRequest("httpx2", "POST", "https://api.openai.com/v1/chat/completions", (), body))
    assert request is not None
    return request
