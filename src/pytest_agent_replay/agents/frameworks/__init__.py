"""How the agents of frameworks are asked: one file each, loaded when an object of the framework is given as an agent.

The file of a framework has `ADAPTER`, a `FrameworkAdapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.agents.model import Agent, TurnInput
from pytest_agent_replay.errors import AgentError

if TYPE_CHECKING:
    from pytest_agent_replay.agents.adapters import AgentAdapter

__all__ = ["FrameworkAdapter", "adapter_of", "opening"]

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


class FrameworkAdapter:
    """What is known of a framework; see `adapters.AgentAdapter`.

    `converse(obj, first, name)` begins a session and returns what puts a turn: a function, sync or (with `is_async`)
    async, of the `TurnInput`, whose value `answers.read_answer` can read. It runs inside of the session. Most are
    async, for tools may be sync or async there, while the sync way in has no async ones. Overrides are an error unless
    `overrides` names them. `modules(obj)` are those of the agent's own code, beside the known ones.
    """

    def __init__(
        self,
        name: str,
        *,
        matches: Callable[[Any], bool],
        kind: str | Callable[[Any], str],
        converse: Callable[[Any, TurnInput, str], Callable[[TurnInput], Any]],
        is_async: Callable[[Any], bool] = lambda obj: True,
        modules: Callable[[Any], Sequence[str]] = lambda obj: (),
        overrides: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.matches = matches
        self.kind = kind
        self.converse = converse
        self.is_async = is_async
        self.modules = modules
        self.overrides = frozenset(overrides)

    def make(self, obj: Any, *, name: str, module_names: Sequence[str]) -> Agent:
        """The agent."""
        return _FrameworkAgent(self, obj, name, module_names)


class _FrameworkAgent:
    """An agent of a framework; see `agents.model.Agent`."""

    is_remote = False

    def __init__(self, adapter: FrameworkAdapter, obj: Any, name: str, module_names: Sequence[str]) -> None:
        self.entry = obj
        self.name = name
        self.kind = adapter.kind if isinstance(adapter.kind, str) else adapter.kind(obj)
        self.is_async = adapter.is_async(obj)
        self.module_names = tuple(dict.fromkeys([*module_names, *adapter.modules(obj)]))
        self._adapter = adapter

    def start(self, first: TurnInput) -> Any:
        """Begins a session. Raises `AgentError` for overrides that nothing takes."""
        from pytest_agent_replay.agents.call import CallConversation

        unknown = sorted(set(first.overrides) - self._adapter.overrides)
        if unknown:
            raise AgentError(
                f"agent {self.name!r}: nothing takes the override {unknown[0]!r}. A {self.kind} that lives in a module "
                "is the same in every replay: name a function that makes it and has this parameter"
            )
        return CallConversation(
            self._adapter.converse(self.entry, first, self.name), self.is_async, f"agent {self.name!r}"
        )
