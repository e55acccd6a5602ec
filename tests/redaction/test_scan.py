"""A scan says what is there, and shows as little of it as it can."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_agent_replay.redaction import Rules, scan
from pytest_agent_replay.redaction.files import scan_file

TOKEN = "ghp_" + "a1B2" * 9


def test_findings_say_where() -> None:
    """By JSON pointer and place in the text; the secret itself is not shown."""
    [mail, token] = scan({"a/b": ["ok", "mail jane.roe@acme.io"], "key": TOKEN})
    assert (mail.kind, mail.path, mail.start, mail.end) == ("e-mail addresses", "/a~1b/1", 5, 21)
    assert (token.kind, token.path) == ("GitHub personal token", "/key")
    assert TOKEN[8:] not in str(token)
    assert "jane.roe" not in str(mail)


def test_secrets_in_the_names_of_fields_are_not_shown(tmp_path: Path) -> None:
    """Neither by what is found in the name, nor by what is found below it."""
    data = {"input": "x", "metadata": {TOKEN: {"mail": "jane.roe@acme.io"}}}
    assert TOKEN not in "".join(map(str, scan({TOKEN: 1})))
    path = tmp_path / "a.replay.json"
    path.write_text(json.dumps(data))
    below, name = sorted(map(str, scan_file(path, Rules(), display="a.replay.json")), reverse=True)
    assert name.startswith("a.replay.json:1:29: metadata.…: GitHub personal token: ")
    assert below.startswith("a.replay.json:1:74: metadata.….mail: e-mail addresses: jan… ")


def test_a_text_by_itself() -> None:
    """Its path is empty."""
    [found] = scan(f"the token is {TOKEN}")
    assert found.path == ""
    assert str(found).startswith("/: GitHub personal token: ")


def test_what_is_reserved_for_examples_is_nothing_to_report() -> None:
    """Mail at example.com and numbers from 555-0100 on are nobody's: redacted in an import, and fine in a file."""
    assert list(scan({"email": "jane@example.com", "phone": "+1-415-555-0100", "ip": "192.0.2.1"})) == []


def test_rules_count() -> None:
    """Allowed values are not reported."""
    assert list(scan("jane@acme.io", Rules.read({"allow": ["jane@acme.io"]}))) == []


def test_the_format_of_a_replay_file_is_not_looked_at() -> None:
    """Its digests, ids and times are no findings; what stands in a session is, with its place."""
    data = {
        "id": "a",
        "captured_at": "2026-02-15T09:12:00Z",
        "input": "I am jane@acme.io",
        "llm_responses": [{"content": "ok", "request": {"messages": "sha256:" + "a" * 64}}],
        "tool_responses": [{"tool": "get_order", "args": {"token": TOKEN}, "call_id": "call_1"}],
    }
    assert [found.path for found in scan(data, replay=True)] == ["/input", "/tool_responses/0/args/token"]
