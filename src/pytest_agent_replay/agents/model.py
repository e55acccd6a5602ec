"""What the runner and the agents say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

__all__ = ["KNOWN_NAMES", "Agent", "Conversation", "TurnInput"]

KNOWN_NAMES = ("input", "context", "history", "session_id", "replay", "overrides")
"""Parameters that an agent may declare to be given that part of the turn."""


@dataclass(slots=True)
class TurnInput:
    """One turn as it is put to the agent."""

    input: Any
    context: Any = None
    history: list[dict[str, Any]] = field(default_factory=list)
    """Neutral messages before this turn, without the current input."""
    session_id: str = ""
    """The same over the turns of one session, different in every run."""
    replay: Any = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    turn: int = 1


@runtime_checkable
class Conversation(Protocol):
    """One session with an agent.

    The turns are put either all by `ask`, then `close`; or all by `ask_async` on one and the same event loop, then
    `aclose`. Exceptions of the agent come out as they are; an `AgentError` means that it could not be called. What
    comes back is the agent's raw answer: streams are joined already, and `answers.read_answer` reads it.
    """

    is_async: bool

    def ask(self, turn: TurnInput) -> Any:
        """Puts one turn. A sync agent costs no event loop and no thread; an async one runs on the session's own loop.

        Raises `AgentError` for an async agent when a loop is running in this thread.
        """

    async def ask_async(self, turn: TurnInput) -> Any:
        """Puts one turn on the running loop, which a sync agent blocks meanwhile."""

    def close(self) -> None:
        """Releases what a session that was driven by `ask` holds."""

    async def aclose(self) -> None:
        """Releases what a session that was driven by `ask_async` holds, on the loop of its turns."""


@runtime_checkable
class Agent(Protocol):
    """An agent under test: something that sessions can be started with, also several at once."""

    name: str
    kind: str
    """In words, for reports: `function`, `factory`, `HTTP endpoint`, …"""
    is_async: bool
    """Better driven on a loop. A factory cannot know before it ran: there, `Conversation.is_async` is exact."""
    is_remote: bool
    """It runs in another process: its tool calls cannot be seen, so recordings for it are an error."""
    module_names: tuple[str, ...]
    """Modules of the agent's own code, nearest first: where functions with the names of tools are looked for."""

    def start(self, first: TurnInput) -> Conversation:
        """Begins a session; `first` is its first turn, which is not put yet.

        Factories and classes run here, so it belongs inside of what makes the session current. Their exceptions come
        out as they are. Raises `AgentError` when what they return is no agent.
        """
