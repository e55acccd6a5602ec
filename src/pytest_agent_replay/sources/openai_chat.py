"""OpenAI chat transcripts, as JSON or JSON Lines; `transcripts.files` has the shapes of a file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.formats import replay
from pytest_agent_replay.llm.openai_messages import neutral_tools
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.transcripts.files import (
    MESSAGES,
    NO_TOOLS,
    add_files,
    caught,
    in_files,
    labels,
    own_id,
    raw_sessions,
    replay_of,
    text_repaired,
    whose,
)
from pytest_agent_replay.sources.transcripts.transcript import read_transcript

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["OpenAIChat", "read_openai_chat"]


class OpenAIChat(Source):
    """Messages as OpenAI's chat completions have them."""

    name = "openai-chat"
    description = (
        "Reads JSON or JSON Lines files of OpenAI chat transcripts: one list of messages, or many sessions with "
        "`messages` or `traj`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files."""
        add_files(parser)

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[ImportedSession]:
        """The sessions in the order of the files."""
        yield from in_files(given.file, lambda path: read_openai_chat(path, importing.problems), importing)

    def recognises(self, sample: Sample) -> bool:
        """Messages with the usual roles, and nothing in them that is of another API."""
        kinds = [whose(value) for value in sample.values]
        return bool(kinds) and set(kinds) == {"openai-chat"}


def read_openai_chat(path: Path, problems: list[str]) -> Iterator[ImportedSession]:
    """The sessions of a file in its order; what is wrong with single ones is added to `problems`."""
    return caught(raw_sessions(path, problems), lambda raw, where, number: _session(raw, path, where, number), problems)


def _session(raw: Any, path: Path, where: str, index: int) -> ImportedSession:
    data = {"messages": raw} if isinstance(raw, list) else raw
    if not isinstance(data, dict):
        raise SessionProblem("a session is a list of messages, or an object with `messages` or `traj`")
    notes = Notes()
    data = text_repaired(data, notes)
    messages = next((data[key] for key in MESSAGES if key in data), None)
    if not isinstance(messages, list):
        known = ", ".join(f"`{key}`" for key in list(data)[:8]) or "nothing"
        raise SessionProblem(f"it needs a list `messages` or `traj`; it has {known}")
    offered = "tools" in data or "functions" in data
    tools = neutral_tools(data.get("tools"), data.get("functions")) if offered else None
    model = data.get("model") if isinstance(data.get("model"), str) else None
    transcript = read_transcript(messages, notes, tools=tools, model=model)
    given = labels(data, notes)
    if model is not None:
        given["agent_config"] = {"model": model}
    if tools is None:
        notes.lose(NO_TOOLS)
    source = replay.Source(type=OpenAIChat.name, file=path.name, session=index)
    return ImportedSession(replay_of(transcript, source, given), own_id(data, path.name, index), where, notes)
