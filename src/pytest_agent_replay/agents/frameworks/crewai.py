"""CrewAI: a `Crew`, an `Agent` (by `kickoff`), a `Flow`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["ADAPTER"]


def _kickoff(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """A crew must not block a running loop: its async tools start one of their own."""
    import asyncio

    if asyncio._get_running_loop() is None:
        return obj.kickoff(*args, **kwargs)
    return obj.kickoff_async(*args, **kwargs)


def _crew_conversation(crew: Any, name: str) -> Callable[[TurnInput], Any]:
    """Each session has a copy, as each input of `kickoff_for_each`. A crew remembers nothing between its runs."""
    own = crew.copy()

    def ask(turn: TurnInput) -> Any:
        return _kickoff(own, inputs=_inputs(sorted(crew.fetch_inputs()), turn, name))

    return ask


def _inputs(placeholders: list[str], turn: TurnInput, name: str) -> dict[str, Any]:
    """What stands for the `{placeholders}`: `input`, or the only one that is not another part of the turn."""
    if isinstance(turn.input, Mapping):
        return dict(turn.input)
    parts = {"history": turn.history, "context": turn.context, "session_id": turn.session_id}
    known = {part: value for part, value in parts.items() if part in placeholders}
    free = [each for each in placeholders if each not in known]
    if "input" not in free and len(free) != 1:
        have = ", ".join(f"{{{each}}}" for each in free) or "none"
        raise AgentError(
            f"agent {name!r}: it cannot be known which placeholder of the crew's tasks takes the input (there are: "
            f"{have}). Name one {{input}}, or give the replay's `input` as a mapping of all of them"
        )
    return {**known, "input" if "input" in free else free[0]: turn.input}


def _agent_conversation(agent: Any, name: str) -> Callable[[TurnInput], Any]:
    """The messages so far are put with every question: an agent remembers nothing either."""
    own = agent.copy()
    messages: list[dict[str, Any]] = []

    def ask(turn: TurnInput) -> Any:
        messages.extend([] if messages else opening(turn))
        messages.append({"role": "user", "content": turn.input})
        answer = _kickoff(own, [*messages])
        return _remembered(answer) if inspect.iscoroutine(answer) else _remember(answer)

    def _remember(answer: Any) -> Any:
        messages.append({"role": "assistant", "content": answer.raw})
        return answer

    async def _remembered(answer: Any) -> Any:
        return _remember(await answer)

    return ask


def _flow_conversation(flow: Any, name: str) -> Callable[[TurnInput], Any]:
    """The state of a flow goes on from turn to turn."""

    def ask(turn: TurnInput) -> Any:
        given = dict(turn.input) if isinstance(turn.input, Mapping) else {"input": turn.input}
        return _kickoff(flow, inputs=given)

    return ask


_KINDS: Mapping[str, tuple[str, Callable[[Any, str], Callable[[TurnInput], Any]]]] = {
    "Crew": ("CrewAI crew", _crew_conversation),
    "Agent": ("CrewAI agent", _agent_conversation),
    "Flow": ("CrewAI flow", _flow_conversation),
}


def _kind(obj: Any) -> tuple[str, Callable[[Any, str], Callable[[TurnInput], Any]]]:
    return _KINDS["Crew" if hasattr(obj, "tasks") else "Agent" if hasattr(obj, "role") else "Flow"]


ADAPTER = FrameworkAdapter(
    "crewai",
    matches=lambda obj: hasattr(obj, "kickoff") and hasattr(obj, "kickoff_async"),
    kind=lambda obj: _kind(obj)[0],
    converse=lambda obj, first, name: _kind(obj)[1](obj, name),
    is_async=lambda obj: False,
)
