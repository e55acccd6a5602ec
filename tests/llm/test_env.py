"""Placeholders for missing API keys."""

from __future__ import annotations

import os
from pathlib import Path

import openai
import pytest

from pytest_agent_replay.llm.env import PLACEHOLDER, placeholder_keys


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI", "AZURE", "ANTHROPIC", "GOOGLE", "GEMINI", "AWS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def test_clients_can_be_made_inside_only() -> None:
    """The SDK finds a key during the block, and none after it."""
    with placeholder_keys():
        assert openai.OpenAI().api_key == PLACEHOLDER
        assert os.environ["AWS_SECRET_ACCESS_KEY"] == PLACEHOLDER
    with pytest.raises(openai.OpenAIError):
        openai.OpenAI()


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real key, its synonym, and a credentials file are left alone."""
    monkeypatch.setenv("OPENAI_API_KEY", "real")
    monkeypatch.setenv("GEMINI_API_KEY", "real")
    (tmp_path / "credentials").touch()
    with placeholder_keys():
        assert os.environ["OPENAI_API_KEY"] == "real"
        assert "GOOGLE_API_KEY" not in os.environ
        assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert os.environ["OPENAI_API_KEY"] == "real"


def test_the_last_of_several_users_removes_them() -> None:
    """Replays that run at once share the placeholders; an exception does not leave them behind."""
    with placeholder_keys():
        with pytest.raises(ZeroDivisionError), placeholder_keys():
            raise ZeroDivisionError
        assert os.environ["OPENAI_API_KEY"] == PLACEHOLDER
    assert "OPENAI_API_KEY" not in os.environ


def test_a_key_that_the_agent_sets_stays() -> None:
    """A value that came over the placeholder is not taken away."""
    with placeholder_keys():
        os.environ["OPENAI_API_KEY"] = "from-dotenv"
    assert os.environ.pop("OPENAI_API_KEY") == "from-dotenv"


def test_azure_only_for_those_who_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's variable alone would turn the SDK's module-level client into another one."""
    with placeholder_keys():
        assert "AZURE_OPENAI_API_KEY" not in os.environ
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com")
    with placeholder_keys():
        assert os.environ["AZURE_OPENAI_API_KEY"] == PLACEHOLDER


def test_a_region_for_those_who_have_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """boto3's client can be made; a region that is known is left alone."""
    with placeholder_keys():
        assert os.environ["AWS_DEFAULT_REGION"] == "us-east-1"
    assert "AWS_DEFAULT_REGION" not in os.environ
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with placeholder_keys():
        assert "AWS_DEFAULT_REGION" not in os.environ
    monkeypatch.delenv("AWS_REGION")
    (tmp_path / "config").touch()
    with placeholder_keys():
        assert "AWS_DEFAULT_REGION" not in os.environ
