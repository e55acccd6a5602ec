"""Imports OpenAI chat transcripts as they are: nothing redacted, no contract proposed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_agent_replay.sources.openai_chat import OpenAIChat
from pytest_agent_replay.sources.writer import ImportReport, Wishes, import_sessions


def import_openai_chat(
    path: Path,
    *,
    out: Path,
    contract: str | None = None,
    golden: bool = False,
    tags: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImportReport:
    """One replay file per session of `path` in `out`."""
    wishes = Wishes(contract=contract, golden=golden or None, tags=tags, propose=False)
    return import_sessions(OpenAIChat(), Namespace(file=[path]), out, wishes, force=force, progress=progress)
