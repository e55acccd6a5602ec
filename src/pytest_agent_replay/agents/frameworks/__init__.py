"""How the agents of frameworks are asked: one file each, loaded when an object of the framework is given as an agent.

The file of a framework has `ADAPTER`, an `adapters.AgentAdapter`. A `FrameworkAgent` is all that most have to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

if TYPE_CHECKING:
    from pytest_agent_replay.agents.adapters import AgentAdapter

__all__ = ["FrameworkAgent", "adapter_of", "opening"]

_FILES: Mapping[str, str] = {
    "agno": "agno",
    "agent_framework": "agent_framework",
    "autogen_agentchat": "autogen",
    "crewai": "crewai",
    "google": "google_adk",
    "dspy": "dspy",
    "haystack": "haystack",
    "langchain_core": "langchain",
    "langgraph": "langgraph",
    "semantic_kernel": "semantic_kernel",
    "llama_index": "llama_index",
    "workflows": "llama_index",
    "smolagents": "smolagents",
    "pydantic_ai": "pydantic_ai",
    "agents": "openai_agents",
    "strands": "strands",
}
"""The package that an object's class comes from → our file."""


def adapter_of(obj: Any) -> AgentAdapter | None:
    """The adapter of the framework that an object is of, if it knows the object."""
    if isinstance(obj, type):  # what it makes is known when it is made
        return None
    for cls in type(obj).__mro__:
        name = _FILES.get(cls.__module__) or _FILES.get(cls.__module__.partition(".")[0])
        if name is not None:
            from importlib import import_module

            adapter: AgentAdapter = import_module(f"{__name__}.{name}").ADAPTER
            if adapter.matches(obj):
                return adapter
    return None


def opening(first: TurnInput) -> list[dict[str, str]]:
    """The messages (`role`, `content`) before the input of the first turn that is put to an agent.

    They are its context, where that is text (the system's message) or messages, and what was said in turns that are
    not played. A context that is a mapping is no message: it is for agents with a parameter for it.
    """
    import json

    context = first.context
    if isinstance(context, str):
        context = [{"role": "system", "content": context}]
    messages = [*(context if isinstance(context, list) else []), *first.history]
    texts = [m["content"] if isinstance(m.get("content"), str) else json.dumps(m.get("content")) for m in messages]
    return [{"role": m["role"], "content": text} for m, text in zip(messages, texts, strict=True)]


class FrameworkAgent:
    """An agent of a framework; see `agents.model.Agent`.

    `converse(first)` begins a session and returns what puts a turn: a function, sync or (with `is_async`) async, of the
    `TurnInput`, whose value `answers.read_answer` can read. It runs inside of the session. Overrides are an error
    unless `overrides` names them.
    """

    is_remote = False

    def __init__(
        self,
        obj: Any,
        converse: Callable[[TurnInput], Callable[[TurnInput], Any]],
        *,
        name: str,
        kind: str,
        is_async: bool,
        module_names: Sequence[str] = (),
        overrides: Sequence[str] = (),
    ) -> None:
        self.entry = obj
        self.name = name
        self.kind = kind
        self.is_async = is_async
        self.module_names = tuple(module_names)
        self._converse = converse
        self._overrides = frozenset(overrides)

    def start(self, first: TurnInput) -> Any:
        """Begins a session. Raises `AgentError` for overrides that nothing takes."""
        from pytest_agent_replay.agents.call import CallConversation

        unknown = sorted(set(first.overrides) - self._overrides)
        if unknown:
            raise AgentError(
                f"agent {self.name!r}: nothing takes the override {unknown[0]!r}. A {self.kind} that lives in a module "
                "is the same in every replay: name a function that makes it and has this parameter"
            )
        return CallConversation(self._converse(first), self.is_async, f"agent {self.name!r}")
