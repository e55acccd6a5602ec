"""Everything that may name an agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.agents.load import load_agent
from pytest_agent_replay.agents.model import Agent, TurnInput
from pytest_agent_replay.errors import AgentError

Project = Callable[..., Path]
TURN = TurnInput(input="hi")
APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})
chat = {"endpoint": "load_a:app", "path": "/chat"}
def answer(question): return "answer " + question
"""


def load(spec: Any, root: Path, **options: Any) -> Agent:
    return load_agent(spec, root=root, where="here", **{"trusted": True, **options})


@pytest.mark.parametrize(
    ("spec", "answer", "name"),
    [
        ("load_a:answer", "answer hi", "load_a:answer"),
        ("load_a.py:answer", "answer hi", "load_a.py:answer"),
        ({"endpoint": "load_a:app", "path": "/x"}, "/x", "load_a:app"),
        ('{"endpoint": "load_a:app", "path": "/x"}', "/x", "load_a:app"),
        ("load_a:chat", "/chat", "load_a:app"),
        (len, 2, "builtins:len"),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_references_mappings_and_objects(project: Project, spec: Any, answer: Any, name: str, trusted: bool) -> None:
    """Each gives an agent with the name that reports show, and the modules of its own code."""
    agent = load(spec, project(load_a=APP), trusted=trusted)
    conversation = agent.start(TURN)
    assert conversation.ask(TURN) == answer
    conversation.close()
    assert agent.name == name
    assert callable(spec) or agent.module_names[0] == "load_a"


def test_a_url_is_an_endpoint(tmp_path: Path) -> None:
    """`--replay-agent http://…` needs no mapping."""
    assert load("http://staging.example/chat", tmp_path).is_remote


@pytest.mark.parametrize(
    ("mapping", "allow", "expected"),
    [
        ({"endpoint": "http://evil.example/x"}, (), "may not send requests to 'evil.example'"),
        ("http://169.254.169.254/latest", (), "may not send requests to '169.254.169.254'"),
        ({"endpoint": "http://127.0.0.1.evil.example/"}, (), "may not send requests"),
        ({"endpoint": "http://localhost@evil.example/"}, (), "may not send requests to 'evil.example'"),
        ({"endpoint": "http://${HOST}/"}, ("*",), "may not take a host from environment variables"),
        ({"endpoint": "http://ok.example/", "headers": {"X": "${HOME}"}}, ("ok.example",), "may not send environment"),
        ({"endpoint": "http://ok.example/${HOME}"}, ("*.example",), "may not send environment"),
    ],
)
def test_an_endpoint_in_a_file_cannot_carry_anything_away(
    tmp_path: Path, mapping: Any, allow: tuple[str, ...], expected: str
) -> None:
    """Only this machine and allowed hosts, and variables of the environment only to this machine."""
    with pytest.raises(AgentError, match=expected) as caught:
        load(mapping, tmp_path, trusted=False, allow_hosts=allow)
    assert str(caught.value).startswith("here: ")
    assert load(mapping, tmp_path, trusted=True).is_remote


def test_a_mapping_without_an_endpoint_is_named_by_who_wrote_it(tmp_path: Path) -> None:
    """There is nothing in it to name it by."""
    with pytest.raises(AgentError, match="agent 'here': unknown key 'target' of an endpoint"):
        load({"target": "load_a:answer"}, tmp_path)


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://ok.example/"])
def test_an_endpoint_in_a_file_may_be_here_or_allowed(tmp_path: Path, url: str) -> None:
    """Loopback, with variables of the environment, and hosts of `replay_allow_hosts`."""
    headers = {} if "ok" in url else {"X": "${HOME}"}
    assert load({"endpoint": url, "headers": headers}, tmp_path, trusted=False, allow_hosts=("ok.*",)).is_remote


def test_an_app_in_a_file_must_be_the_users_own(tmp_path: Path) -> None:
    """An endpoint's reference follows the same rules as any other."""
    with pytest.raises(AgentError, match=r"here: reference 'http\.server:test'"):
        load({"endpoint": "http.server:test", "path": "/"}, tmp_path, trusted=False)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [('{"endpoint": }', "is not valid JSON"), ("{}", "must be a URL or `package.module:app`"), (None, "is no agent")],
)
def test_what_names_no_agent(tmp_path: Path, spec: Any, expected: str) -> None:
    """A mistake in the mapping is told."""
    with pytest.raises(AgentError, match=expected):
        load(spec, tmp_path)
