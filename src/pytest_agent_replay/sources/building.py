"""A recorded run → the session of a replay file."""

from __future__ import annotations

from pytest_agent_replay.sources.session import ImportedSession
from pytest_agent_replay.sources.spans import RunSession

__all__ = ["build_session"]


def build_session(run: RunSession) -> ImportedSession:
    """The session as a replay file. Raises `SessionProblem` when nothing of it can be played."""
    raise NotImplementedError
