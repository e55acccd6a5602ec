"""The rules that a project's configuration gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError, SettingsError
from pytest_agent_replay.redaction.engine import Redactor
from pytest_agent_replay.redaction.rules import Rules

__all__ = ["project_rules", "redactors"]


def redactors(root: Path) -> Callable[[], Redactor]:
    """Makes redactors with the project's rules and the user's key, a new one for each session.

    Raises `ReplayError` when the configuration or the key cannot be used.
    """
    return Redactor(project_rules(root)).fresh


def project_rules(root: Path) -> Rules:
    """The rules in `[tool.agent-replay.redaction]` of `pyproject.toml`, or in `redaction:` of `flakestorm.yaml`; those
    that leave nothing out when there are none.

    Raises `ReplayError` when there are several, or one that cannot be used.
    """
    found = [(path, data) for path, data in _given(root) if data is not None]
    if len(found) > 1:
        raise SettingsError(f"rules for redaction are in several files: {', '.join(str(path) for path, _ in found)}")
    for path, data in found:
        if not isinstance(data, dict):
            raise SettingsError(f"{path}: redaction: a mapping is needed")
        return Rules.read(data, f"{path}: redaction")
    return Rules()


def _given(root: Path) -> list[tuple[Path, Any]]:
    given = [(root / "pyproject.toml", _in_pyproject(root / "pyproject.toml"))]
    return given + [(root / name, _in_yaml(root / name)) for name in ("flakestorm.yaml", "flakestorm.yml")]


def _in_pyproject(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib  # type: ignore[import-not-found, no-redef]  # comes with pytest on Python 3.10
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ReplayError(f"{path}: cannot be read: {error}") from None
    return data.get("tool", {}).get("agent-replay", {}).get("redaction")


def _in_yaml(path: Path) -> Any:
    if not path.is_file():
        return None
    from pytest_agent_replay.formats.loading import load_document

    data = load_document(path).data
    return data.get("redaction") if isinstance(data, dict) else None
