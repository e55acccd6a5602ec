"""The inputs of a replay put to the agent once more, with everything real: a new recording of the same session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from pytest_agent_replay.agents.load import load_agent
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.agents.resolve import root_importable
from pytest_agent_replay.capturing.capture import Captured, capture
from pytest_agent_replay.capturing.session import CaptureSession
from pytest_agent_replay.errors import AgentError, ReplayError
from pytest_agent_replay.formats.replay import Turn
from pytest_agent_replay.player.http_tools import is_route
from pytest_agent_replay.runner import Case

__all__ = ["path_of_recording", "record_again"]

_KEPT = ("agent", "name", "tags", "golden", "context", "tools", "matching", "overrides", "expected_failure", "metadata")


def path_of_recording(case: Case) -> Path:
    """The file beside the replay's that its new recording is written to: `ID.recorded.replay.yaml`."""
    return case.path.with_name(f"{case.id}.recorded.replay.yaml")


def record_again(case: Case, *, force: bool = False) -> Captured:
    """Asks the agent, and writes what happened. What the agent raises ends the session and is in the file.

    Raises `ReplayError`: before anything is called when the file exists and `force` is not given, for an agent that
    cannot be called, and when nothing could be written.
    """
    path = path_of_recording(case)
    if path.exists() and not force:
        raise ReplayError(f"{path}: exists already; nothing was recorded (--replay-record-force overwrites)")
    with root_importable(case.root):
        adapters = case.hooks.agents if case.hooks is not None else ()
        agent = load_agent(
            case.agent,
            root=case.root,
            trusted=case.agent_origin != "file",
            where=case.agent_origin if case.agent_origin != "file" else case.file,
            allow_modules=case.settings.allow_modules,
            allow_hosts=case.settings.allow_hosts,
            adapters=adapters,
        )
        captured = capture(
            path,
            tools={**case.settings.tools, **case.replay.tools},
            contract=case.replay.contract,
            about=_about(case),
            force=force,
            root=case.root,
        )
        captured.modules = agent.module_names
        captured.names = tuple({r.tool for _, r in case.replay.all_recordings() if _is_a_name(r.tool)})
        try:
            with captured as session:
                _Conversation(case, agent, session).play()
        except AgentError:
            raise
        except Exception as error:
            if captured.captured.path is None:
                raise ReplayError(f"{case.id}: the agent raised {type(error).__name__}: {error}") from error
    if captured.captured.path is None:
        raise ReplayError(f"{case.id}: nothing was recorded: {captured.captured.error or 'no turn has an `input`'}")
    return captured.captured


def _about(case: Case) -> dict[str, Any]:
    given = case.replay.model_dump(by_alias=True, exclude_unset=True)
    return {key: given[key] for key in _KEPT if given.get(key)}


def _is_a_name(tool: str) -> bool:
    return not is_route(tool) and not set("*?[") & set(tool)


class _Conversation:
    """The turns of a replay, put to the agent as a replay puts them."""

    def __init__(self, case: Case, agent: Any, session: CaptureSession) -> None:
        self._case = case
        self._agent = agent
        self._session = session
        self._history: list[dict[str, Any]] = []
        self._session_id = f"recording-{os.urandom(16).hex()}"

    def play(self) -> None:
        """Plays the turns in order."""
        conversation: Any = None
        try:
            for number, turn in enumerate(self._case.replay.turn_list, 1):
                if not turn.is_played:
                    self._history += deepcopy(turn.messages)
                    self._session.before(turn.messages)
                    continue
                given = self._given(number, turn)
                self._session.turn(turn.input)
                if conversation is None:
                    conversation = self._agent.start(given)
                self._session.output = conversation.ask(given)
                self._remember(turn)
        finally:
            if conversation is not None:
                conversation.close()

    def _given(self, number: int, turn: Turn) -> TurnInput:
        replay = self._case.replay
        return TurnInput(
            input=deepcopy(turn.input),
            context=deepcopy(turn.context if turn.given("context") else replay.context),
            history=deepcopy(self._history),
            session_id=self._session_id,
            replay=replay,
            overrides={**self._case.settings.overrides, **deepcopy(replay.overrides or {})},
            turn=number,
        )

    def _remember(self, turn: Turn) -> None:
        self._history += [
            {"role": "user", "content": turn.input},
            *self._model_exchange(turn.input),
            {"role": "assistant", "content": self._session.output},
        ]

    def _model_exchange(self, said: Any) -> Iterator[dict[str, Any]]:
        """Tool calls and results between input and answer, as the last model request had them; a replay does it so."""
        asked = [event for event in self._session.events if event.get("kind") == "model" and "parent" not in event]
        messages = asked[-1]["_messages"] if asked else []
        starts = [i for i, m in enumerate(messages) if m.get("role") == "user" and m.get("content") == said]
        if starts:
            yield from (dict(m) for m in messages[starts[-1] + 1 :] if m.get("role") in ("assistant", "tool"))
