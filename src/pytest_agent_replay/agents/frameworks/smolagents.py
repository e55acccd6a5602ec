"""smolagents agents: `ToolCallingAgent`, `CodeAgent`, any other `MultiStepAgent`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.player.current import known_session

__all__ = ["ADAPTER"]


def _conversation(agent: Any, first: TurnInput) -> Callable[[TurnInput], Any]:
    """Later turns go on with the memory of the first (`reset=False`)."""
    own = _copied(agent)
    _note_what_has_no_place(first)
    own.return_full_result = True  # with the tokens
    turns: list[TurnInput] = []

    def ask(turn: TurnInput) -> Any:
        turns.append(turn)
        given = dict(turn.input) if isinstance(turn.input, Mapping) else {"task": turn.input}
        if isinstance(turn.context, Mapping):
            given.setdefault("additional_args", dict(turn.context))
        return own.run(**{"reset": len(turns) == 1, **given})

    return ask


def _copied(agent: Any) -> Any:
    """An agent keeps its conversation in itself: each session has its own, and shares model and tools."""
    own = copy.copy(agent)
    own.memory = copy.copy(agent.memory)
    own.memory.steps = []
    own.state = dict(agent.state)
    own.managed_agents = {name: _copied(each) for name, each in agent.managed_agents.items()}
    executor: Any = getattr(agent, "python_executor", None)
    if type(executor).__name__ == "LocalPythonExecutor":
        own.python_executor = copy.copy(executor)
        own.python_executor.state = dict(executor.state)
        own.python_executor.custom_tools = dict(executor.custom_tools)
    return own


def _note_what_has_no_place(first: TurnInput) -> None:
    session = known_session()
    if session is not None and opening(first):
        session.note(
            "smolagents agents take no messages from before the first question: the replay's context, and turns that "
            "are not played, were not told to the agent"
        )


ADAPTER = FrameworkAdapter(
    "smolagents",
    matches=lambda obj: all(hasattr(obj, name) for name in ("run", "memory", "managed_agents")),
    kind="smolagents agent",
    converse=lambda obj, first, name: _conversation(obj, first),
    is_async=lambda obj: False,
)
