"""What a source yields: one session, and what was guessed or lost on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ReplayFile

__all__ = ["ImportedSession", "Notes", "SessionProblem"]


class SessionProblem(ReplayError):
    """One session that cannot be imported; the others can."""


@dataclass(slots=True)
class Notes:
    """What was guessed (put into the file without being in the source) and lost (not put into it), by kind."""

    guessed: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def guess(self, kind: str, count: int = 1) -> None:
        """Counts what was guessed; a count of 0 is nothing."""
        if count:
            self.guessed[kind] += count

    def lose(self, kind: str, count: int = 1) -> None:
        """Counts what was lost; a count of 0 is nothing."""
        if count:
            self.lost[kind] += count


@dataclass(slots=True)
class ImportedSession:
    """A session on its way from a source to its file. `replay` has no id yet: the writer makes `wish` unique."""

    replay: ReplayFile
    wish: str
    where: str
    """Where it stands in the source, for messages."""
    notes: Notes = field(default_factory=Notes)
