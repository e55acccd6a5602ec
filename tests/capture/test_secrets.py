"""No secret is in a captured file, and the file replays without it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from pytest_agent_replay import capture
from pytest_agent_replay.capturing.secrets import Scrubber
from tests.capture import bots
from tests.capture.harness import Model, assert_green, loaded, served

GITHUB = "ghp_" + "a1B2" * 9
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
IN_USE = "sk-proj-" + "Zx9" * 10


@pytest.mark.parametrize(
    "text",
    [
        f"token {GITHUB} of the user",
        f"Authorization: Bearer {JWT}",
        "AKIAIOSFODNN7EXAMPLE",
        "AIza" + "B" * 35,
        "https://user:hunter22@example.com/",
        "GET /x?api_key=0123456789abcdef&n=1",
        '{"password": "correct horse"}',
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        "xoxb-123456789012-abcdef",
        IN_USE,
    ],
)
def test_forms_of_secrets(text: str) -> None:
    """Each is replaced, and only the secret: the text around it stays."""
    scrubber = Scrubber({})
    clean = scrubber.clean(text)
    assert "[secret 1]" in clean
    assert scrubber.clean(clean) == clean
    assert len(scrubber.found) == 1


@pytest.mark.parametrize(
    "value",
    [
        "the password is wrong",
        {"next_page_token": "c2Vjb25kIHBhZ2U1", "token": "word"},
        {"max_tokens": 100, "api_key": None, "secret": True, "password": ""},
        "sk-none",
        {"thought_signature": "CiQBjz1rX0a1b2c3d4e5f6"},
        "task-force-1234567890 and risk-assessment-of-the-year",
        "order 4242424242424242, sha256:" + "a" * 64,
        "https://example.com/reset-password?step=2",
    ],
)
def test_what_only_looks_a_little_like_a_secret_stays(value: Any) -> None:
    """Prose, page tokens, numbers, hashes and empty fields."""
    assert Scrubber({}).clean(value) == value


def test_a_secret_is_the_same_everywhere() -> None:
    """One placeholder for each, also where it stands in a text, once it is known by its field."""
    scrubber = Scrubber({})
    assert scrubber.clean({"password": "hunter2-x", "other": [GITHUB]}) == {
        "password": "[secret 1]",
        "other": ["[secret 2]"],
    }
    assert scrubber.clean("it is hunter2-x, and not hunter") == "it is [secret 1], and not hunter"


def test_a_secret_that_names_an_argument() -> None:
    """The field is left out, wherever it is in the arguments, and what is said of it does not show the secret."""
    kept, left_out = Scrubber({}).arguments({"by": {GITHUB: 1, "b": 2}, GITHUB: 3, "n": 4})
    assert kept == {"by": {"b": 2}, "n": 4}
    assert left_out == ["/by/[secret 1]", "/[secret 1]"]


def test_keys_in_use_are_known_by_their_value() -> None:
    """Values of variables that are named like keys, also in a URL; not those of others."""
    scrubber = Scrubber({"OPENAI_API_KEY": "my/own+key", "HOME": "/home/someone", "SORT_KEY": "created_at"})
    assert scrubber.clean("a my/own+key b ?k=my%2Fown%2Bkey /home/someone created_at") == (
        "a [secret 1] b ?k=[secret 1] /home/someone created_at"
    )
    assert scrubber.leaks('"my/own+key"') == ["OPENAI_API_KEY"]


def login(user: str, password: str) -> dict[str, Any]:
    """A tool that is given a secret, and returns another."""
    return {"user": user, "access_token": f"t-{len(password) * 1111111}", "note": f"Bearer {JWT}"}


def orders(access_token: str, limit: int) -> str:
    """A tool that is handed the secret."""
    return f"3 orders for {access_token}"


def agent(question: str) -> str:
    """An agent."""
    session = login("kim", password="correct-horse-battery")
    return f"{orders(session['access_token'], limit=3)} {session['note']}"


def test_a_session_with_secrets_replays(tmp_path: Path) -> None:
    """Secret arguments are left out, so that any value fits; results hold the placeholder, which the agent hands on."""
    path = tmp_path / "a.replay.yaml"
    capture(path, tools=["login", "orders"])(agent)("My password is correct-horse-battery")
    text = path.read_text("utf-8")
    assert not [secret for secret in ("correct-horse", "t-2333", JWT) if secret in text]
    file = loaded(path)
    assert [response.args for response in file.tool_responses] == [{"user": "kim"}, {"limit": 3}]
    assert "My password is [secret" in file.input
    said = file.import_ or {}
    assert said["redacted"] == ["JWT", "field access_token", "field password"]
    assert said["lost"] == [
        "arguments of login that hold a secret: /password",
        "arguments of orders that hold a secret: /access_token",
    ]
    assert_green(path, agent)


def test_digests_are_of_what_the_replay_will_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that the model was told: the replay tells it the placeholder, and the request is the recorded one."""
    monkeypatch.setenv("SHOP_API_KEY", IN_USE)
    path = tmp_path / "a.replay.yaml"
    monkeypatch.setattr(bots, "check", keyed)
    with served(Model(("check", {"order": "A-1"}))) as bots.base_url:
        capture(path)(bots.chat)("How much?")
    assert IN_USE not in path.read_text("utf-8")
    assert_green(path, bots.chat)


def keyed(order: str) -> dict[str, Any]:
    """A tool whose result holds a key."""
    return {"order": order, "debug": f"asked with {IN_USE}"}


keyed.__name__ = "check"
keyed.__module__ = bots.__name__


def test_request_headers_are_never_written(tmp_path: Path) -> None:
    """Nor is a cookie of the answer."""
    path = tmp_path / "a.replay.yaml"

    def answer(method: str, path: str, body: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {"set-cookie": "sid=topsecretcookie", "etag": "v1"}, b"fine"

    with served(answer) as url, capture(path) as session:
        import httpx

        session.input = "?"
        headers = {"x-custom": "topsecretheader", "cookie": "a=topsecretcookie"}
        httpx.get(f"{url}/orders?token=topsecretquery1", headers=headers, auth=("user", "topsecretauth"))
    text = path.read_text("utf-8")
    assert "topsecret" not in text
    assert loaded(path).tool_responses[0].headers == {"etag": "v1"}


def test_secrets_in_paths_become_wildcards(tmp_path: Path) -> None:
    """The route matches whatever token the replay uses."""
    path = tmp_path / "a.replay.yaml"
    token = "123456789:" + "A" * 35
    with served(lambda method, path, body: (200, {}, b"sent")) as bots.base_url:
        bots.ran.clear()
        wrapped = capture(path)(send)
        wrapped(token)
    [recorded] = loaded(path).tool_responses
    assert recorded.tool == f"GET {bots.base_url}/bot*/sendMessage"
    assert token not in path.read_text("utf-8")
    assert_green(path, send)


def send(token: str) -> str:
    """An agent whose token is its input."""
    import httpx

    return str(httpx.get(f"{bots.base_url}/bot{token if ':' in token else '1:x'}/sendMessage").text)


def test_nothing_is_written_when_a_key_in_use_cannot_be_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No file, no journal, an error in the log that names the variable and not its value."""
    monkeypatch.setenv("SHOP_API_KEY", IN_USE)
    monkeypatch.setattr(Scrubber, "clean", lambda self, value: value)
    monkeypatch.setattr(Scrubber, "arguments", lambda self, args: (dict(args), []))
    captured = capture(tmp_path / "a.replay.yaml", tools=["check"])
    with caplog.at_level(logging.ERROR), captured as session:
        session.input = f"my key is {IN_USE}"
        bots.check(IN_USE)
    assert captured.captured.error is not None
    assert "SHOP_API_KEY" in captured.captured.error
    assert list(tmp_path.iterdir()) == []
    assert IN_USE not in caplog.text


def test_what_is_learned_last_is_taken_out_of_what_came_first(tmp_path: Path) -> None:
    """Also within one event, and however often the file is made of the events."""
    path = tmp_path / "a.replay.yaml"
    with capture(path) as session:
        session.input = ["the word is Zitronenfalter77", {"note": "n"}]
        session.turn({"said": "Zitronenfalter77 it is", "password": "Zitronenfalter77"})
        session.output = "Zitronenfalter77!"
    text = path.read_text("utf-8")
    assert "Zitronenfalter77" not in text
    assert text.count("[secret 1]") >= 3


def test_settings_hold_no_secret(tmp_path: Path) -> None:
    """What is said about the session is cleaned like what happened in it, in the journal too."""
    path = tmp_path / "a.replay.yaml"
    with capture(path, about={"metadata": {"session_token": "Zitronenfalter77", "user": "u-1"}}) as session:
        session.input = "?"
        [journal] = tmp_path.iterdir()
        assert "Zitronenfalter77" not in journal.read_text("utf-8")
    assert loaded(path).metadata == {"session_token": "[secret 1]", "user": "u-1"}


def test_a_secret_with_what_looks_like_an_escape_costs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backslash before an n is two letters of a password like any others."""
    secret = 'p@ss/w"rd\\näß!7'
    monkeypatch.setenv("DB_PASSWORD", secret)
    path = tmp_path / "a.replay.yaml"
    with capture(path) as session:
        session.input = {"text": f"it is {secret}", secret: [secret]}
        session.output = f"{secret}{secret} {quote(secret)} {quote_plus(secret)}"
    assert loaded(path).input == {"text": "it is [secret 1]", "[secret 1]": ["[secret 1]"]}
    assert loaded(path).output == "[secret 1][secret 1] [secret 1] [secret 1]"
