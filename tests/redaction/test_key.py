"""Where the key of the pseudonyms comes from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_agent_replay.errors import ReplayError, SettingsError
from pytest_agent_replay.redaction import Rules, project_rules
from pytest_agent_replay.redaction.key import VARIABLE, key_file, redaction_key


def test_the_variable_counts_first(tmp_path: Path) -> None:
    """No file is made then."""
    env = {VARIABLE: "a long enough key", "XDG_STATE_HOME": str(tmp_path)}
    assert redaction_key(env) == b"a long enough key"
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused() -> None:
    """It could be guessed."""
    with pytest.raises(ReplayError, match="too short"):
        redaction_key({VARIABLE: "short"})


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have folders of their own for state")
def test_the_users_key_is_made_once(tmp_path: Path) -> None:
    """For the user alone, and the same from then on."""
    env = {"XDG_STATE_HOME": str(tmp_path)}
    key = redaction_key(env)
    assert len(key) >= 32
    assert redaction_key(env) == key
    path = key_file(env)
    assert path.is_relative_to(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in path.parent.iterdir()] == ["redaction.key"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have folders of their own for state")
def test_a_key_that_cannot_be_kept(tmp_path: Path) -> None:
    """The message names the file and the way out; an empty file is no key."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ReplayError, match=VARIABLE):
        redaction_key({"XDG_STATE_HOME": str(tmp_path / "file")})
    path = key_file({"XDG_STATE_HOME": str(tmp_path)})
    path.parent.mkdir(parents=True)
    path.write_text("\n")
    with pytest.raises(ReplayError, match="no key"):
        redaction_key({"XDG_STATE_HOME": str(tmp_path)})


def test_a_relative_state_folder_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would lie in the repository."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert key_file({"XDG_STATE_HOME": "state"}).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"alow": []}, "did you mean `allow`"),
        ({"off": ["email addresses"]}, "did you mean `e-mail addresses`"),
        ({"allow_patterns": ["("]}, "no regular expression"),
        ({"allow": 3}, "a list of texts"),
        ({"patterns": ["x"]}, "a mapping"),
    ],
)
def test_mistakes_in_rules(data: dict[str, object], message: str) -> None:
    """What is wrong, where, and what may have been meant."""
    with pytest.raises(SettingsError, match=message) as caught:
        Rules.read(data, "pyproject.toml: redaction")
    assert str(caught.value).startswith("pyproject.toml: redaction")


def test_rules_of_a_project(tmp_path: Path) -> None:
    """From `pyproject.toml` or `flakestorm.yaml`; not from both."""
    assert project_rules(tmp_path) == Rules()
    (tmp_path / "pyproject.toml").write_text('[tool.agent-replay.redaction]\nallow = ["a@acme.io"]\n')
    assert project_rules(tmp_path).allow == {"a@acme.io"}
    (tmp_path / "flakestorm.yaml").write_text("redaction:\n  off: [names]\n")
    with pytest.raises(SettingsError, match="several files"):
        project_rules(tmp_path)
    os.remove(tmp_path / "pyproject.toml")
    assert project_rules(tmp_path).off == {"names"}
