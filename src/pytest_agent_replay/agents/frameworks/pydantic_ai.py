"""Agents of Pydantic AI: `Agent`, and whatever wraps one (`WrapperAgent`, durable agents)."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["ADAPTER"]


def _modules_of_tools(agent: Any) -> list[str]:
    """Where the functions of its tools are, also of those in toolsets within others."""
    found: list[Any] = []
    for toolset in agent.toolsets:
        toolset.apply(lambda leaf: found.extend(getattr(leaf, "tools", {}).values()))
    return [module for tool in found if (module := getattr(getattr(tool, "function", None), "__module__", None))]


def _conversation(agent: Any, first: TurnInput, name: str) -> Callable[[TurnInput], Awaitable[Any]]:
    """Every turn goes on from all messages so far. A context that is text is one more instruction, as system prompts
    are only written into an empty history."""
    options = dict(first.overrides)
    if isinstance(options.get("deps"), Mapping):
        options["deps"] = _deps(agent, options["deps"], name)
    history: list[Any] | None = None

    async def ask(turn: TurnInput) -> Any:
        nonlocal history
        if not isinstance(turn.input, (str, list)):
            raise AgentError(f"agent {name!r}: Pydantic AI takes text or a list of contents, and not {turn.input!r}")
        if history is None:
            history = await _history(agent, turn, options, name)
        instructions = turn.context if isinstance(turn.context, str) else None
        result = await agent.run(turn.input, message_history=history, instructions=instructions, **options)
        history = result.all_messages()
        return result

    return ask


def _deps(agent: Any, deps: Mapping[str, Any], name: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(agent.deps_type).validate_python(deps)
    except ValidationError as error:
        raise AgentError(f"agent {name!r}: the override `deps` is no {agent.deps_type.__name__}: {error}") from error


async def _history(agent: Any, turn: TurnInput, options: Mapping[str, Any], name: str) -> list[Any]:
    """What was said before the first turn that is played, begun as Pydantic AI begins: with the system prompts."""
    module = sys.modules["pydantic_ai.messages"]
    said = [message for message in opening(turn) if message["content"] != turn.context]
    if not said:
        return []
    if not hasattr(agent, "system_prompt_parts"):
        raise AgentError(
            f"agent {name!r}: this version of Pydantic AI cannot say which system prompts belong before the "
            "conversation that the replay begins with; Pydantic AI 2 can"
        )
    history = [module.ModelRequest(parts=await agent.system_prompt_parts(deps=options.get("deps")))]
    for message in said:
        history.append(_message(module, message))
    return [message for message in history if message.parts]


def _message(module: Any, message: Mapping[str, Any]) -> Any:
    role, content = message["role"], message["content"]
    if role == "assistant":
        return module.ModelResponse(parts=[module.TextPart(content)])
    part = module.UserPromptPart if role == "user" else module.SystemPromptPart
    return module.ModelRequest(parts=[part(content)])


ADAPTER = FrameworkAdapter(
    "pydantic_ai",
    matches=lambda obj: hasattr(obj, "run_stream") and hasattr(obj, "toolsets") and hasattr(obj, "deps_type"),
    kind="Pydantic AI agent",
    converse=_conversation,
    modules=_modules_of_tools,
    overrides=("deps", "model", "model_settings"),  # `deps` as JSON becomes the agent's `deps_type`
)
