"""The one tree of exceptions.

User mistakes (a wrong file, name or option) are `ReplayError`s whose text is complete: what, where, what to do.
The pytest layer and the command line print that text and never a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = [
    "AgentError",
    "AmbiguousSessionError",
    "BindingError",
    "FormatError",
    "Problem",
    "RecordedToolError",
    "ReplayError",
    "SessionError",
    "SettingsError",
    "StopReplay",
    "UnrecordedCallError",
]


MAX_SHOWN = 101
"""So many problems stand in the text of a `FormatError`."""


class ReplayError(Exception):
    """Base of everything that this package raises on purpose."""


class Problem(NamedTuple):
    """One mistake in one file. `line` and `column` count from 1; 0 means that the place is not known."""

    path: str
    line: int
    column: int
    message: str
    field: str = ""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}: " if self.line else f"{self.path}: "
        return f"{where}{self.field}: {self.message}" if self.field else f"{where}{self.message}"


class FormatError(ReplayError):
    """A file (replay, contract, configuration) that cannot be used; carries every problem that was found in it."""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        shown = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            shown.append(f"and {len(self.problems) - MAX_SHOWN:,} more problems")
        super().__init__("\n".join(shown))


class SettingsError(ReplayError):
    """An option, ini value or marker argument that cannot be used."""


class AgentError(ReplayError):
    """The agent under test cannot be found, may not be used, or is of a kind that nobody knows how to call."""


class BindingError(ReplayError):
    """A tool name cannot be tied to one client of the agent (not found where it must be, or several candidates)."""


class SessionError(ReplayError):
    """A call was caught for a replay session that is over, or cannot be told."""


class AmbiguousSessionError(SessionError):
    """A call from a thread without context, while several sessions run."""


class RecordedToolError(ReplayError):
    """What a recorded tool failure raises when the recording names no exception type.

    `status` is the recorded HTTP-style status (None when only an error was recorded), `response` the recorded body.
    """

    def __init__(self, message: str = "", *, status: int | None = None, response: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.response = response


class UnrecordedCallError(ReplayError):
    """The agent called a tool that the recording does not answer. The item fails, also when the agent swallows this."""


class StopReplay(BaseException):
    """Ends the running turn at once. Not an `Exception`, so that an agent's `except Exception` cannot swallow it.

    The reason is kept on the session, which stays stopped even if an agent catches this all the same.
    """
