"""Data of another form than documented: a problem with its place, and never an error of ours."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.session import SessionProblem
from pytest_agent_replay.sources.source import Importing, Source, find_source
from pytest_agent_replay.sources.spans import RunSession
from tests.sources import test_anthropic, test_claude_code, test_openai_agents, test_voice

JUNK: list[Any] = [None, 5, "x", [], {"a": [1]}, [{"type": ["text"]}], True, 1e300]
CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "name": "f", "arguments": {"x": 1}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "assistant", "content": "Done"},
    ],
    "tools": [{"function": {"name": "f", "parameters": {}}}],
    "scores": {"ok": 1},
    "created_at": "2026-02-15",
}
WHOLE = [
    ("openai-chat", CHAT),
    ("anthropic", test_anthropic.REQUEST),
    ("anthropic", [test_anthropic.pair([test_anthropic.user("Hi")], [test_anthropic.text("One")], timestamp="2026")]),
    ("claude-code", test_claude_code.refund().lines),
    ("claude-code", test_claude_code.compacted(with_beginning=False).lines),
    ("openai-agents", test_openai_agents.ITEMS),
    ("openai-agents", test_openai_agents.chat_trace()),
    ("vapi", test_voice.vapi_call()),
    ("retell", test_voice.retell_call()),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def with_junk(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """A copy with something else in one place."""
    copy = json.loads(json.dumps(value))
    owner = copy
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = junk
    return copy


def read(source: Source, given: Namespace) -> None:
    """Reads and builds what there is."""
    for session in source.sessions(given, Importing()):
        if isinstance(session, RunSession):
            try:
                build_session(session)
            except (SessionProblem, ValidationError):  # problems of the import
                pass


@pytest.mark.parametrize(("name", "whole"), WHOLE, ids=[f"{index}-{name}" for index, (name, _) in enumerate(WHOLE)])
def test_something_else_anywhere(tmp_path: Path, name: str, whole: Any) -> None:
    """In every second place, in turn: null, numbers, texts, lists, mappings."""
    source, parser, path = find_source(name), ArgumentParser(), tmp_path / "log.json"
    source.add_arguments(parser)
    given = parser.parse_args([str(path)])
    for index, place in list(enumerate(places(whole)))[::2]:
        path.write_text(json.dumps(with_junk(whole, place, JUNK[index // 2 % len(JUNK)])))
        source.recognises(Sample(path))
        read(source, given)
