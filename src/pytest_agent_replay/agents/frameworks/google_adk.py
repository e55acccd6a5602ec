"""Google ADK: agents and workflows, apps, and runners. What is no runner gets an `InMemoryRunner` for each session."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter, opening
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.player.current import known_session

__all__ = ["ADAPTER"]

_KINDS = {"Runner": "ADK runner", "App": "ADK app", "BaseAgent": "ADK agent", "BaseNode": "ADK workflow"}
_USER = "user"


def _kind(obj: Any) -> str | None:
    names = [cls.__name__ for cls in type(obj).__mro__ if cls.__module__.startswith("google.adk.")]
    return next((kind for kind in _KINDS if kind in names), None)


def _runner_of(obj: Any) -> Any:
    from importlib import import_module

    # a module of the framework that made the object; it need not have been needed so far
    make = import_module("google.adk.runners").InMemoryRunner
    kind = _kind(obj)
    if kind == "App":
        return make(app=obj, app_name=None)
    return make(agent=obj, app_name="replay") if kind == "BaseAgent" else make(node=obj, app_name="replay")


def _conversation(obj: Any, first: TurnInput) -> Callable[[TurnInput], Awaitable[Any]]:
    runner = obj if _kind(obj) == "Runner" else _runner_of(obj)
    where = {"user_id": _USER, "session_id": first.session_id}
    begun: list[Any] = []

    async def ask(turn: TurnInput) -> Any:
        if not begun:
            begun.append(await _begin(runner, where, first))
        return _result([event async for event in runner.run_async(**where, new_message=_content(turn.input))])

    return ask


async def _begin(runner: Any, where: Mapping[str, str], first: TurnInput) -> Any:
    """A session in which the first turn has its context as state, and is preceded by what was said before."""
    service = runner.session_service
    state = dict(first.context) if isinstance(first.context, Mapping) else None
    session = await service.create_session(app_name=runner.app_name, **where, state=state)
    for message in opening(first):
        if message["role"] in ("system", "developer"):
            _note_system()
        elif message["role"] in ("user", "assistant"):
            await service.append_event(session, _event(runner, message))
    return session


def _event(runner: Any, message: Mapping[str, str]) -> Any:
    is_user = message["role"] == "user"
    # what was said before is an event of the agent, as if it had been said in this session
    author = _USER if is_user else getattr(runner.agent, "name", "agent")
    content = {"role": "user" if is_user else "model", "parts": [{"text": message["content"]}]}
    return sys.modules["google.adk.events.event"].Event(author=author, content=content)


def _note_system() -> None:
    session = known_session()
    if session is not None:
        session.note("the system's message in the context was not given: an ADK agent has its own instruction")


def _content(value: Any) -> Any:
    """The input as what a user says; a mapping with `parts` is a content itself."""
    content = sys.modules["google.genai.types"].Content
    if isinstance(value, Mapping) and "parts" in value:
        return content.model_validate({"role": _USER, **value})
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return content.model_validate({"role": _USER, "parts": [{"text": text}]})


def _result(events: Iterable[Any]) -> Any:
    """What the run said or gave at its end, and the tokens of all of its model calls."""
    output: Any = None
    usage = {"input_tokens": 0, "output_tokens": 0}
    for event in events:
        if getattr(event, "partial", None):
            continue
        output = _said(event) or getattr(event, "output", None) or output
        used = event.usage_metadata
        if used is not None:
            usage["input_tokens"] += used.prompt_token_count or 0
            usage["output_tokens"] += (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
    return SimpleNamespace(final_output=output, usage=usage if any(usage.values()) else None)


def _said(event: Any) -> str:
    if not event.is_final_response() or event.author == _USER:
        return ""
    parts = (event.content.parts if event.content is not None else None) or []
    return "".join(part.text for part in parts if part.text and not part.thought)


ADAPTER = FrameworkAdapter(
    "google_adk",
    matches=lambda obj: _kind(obj) is not None,
    kind=lambda obj: _KINDS[_kind(obj) or "BaseAgent"],
    converse=lambda obj, first, name: _conversation(obj, first),
)
