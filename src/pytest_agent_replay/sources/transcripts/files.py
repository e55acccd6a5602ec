"""Files of transcripts: which sessions are in one, what each of them knows of itself, and whose messages they are.

A file is one transcript (a list of messages, or one message a line), one session, or several (a list, one a line,
or under `sessions`, `conversations` or `simulations`). A session is a list of messages, or an object with `messages`
or `traj` and beside it what is known: an id, `task_id` and `trial`, `reward` or `scores`, `model`, `tools`, `tags`,
`metadata`, a time.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.replay import ReplayFile, Source
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.reading import UNREADABLE, dicts, mapping
from pytest_agent_replay.sources.json_files import read_values
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.transcripts.transcript import Transcript

__all__ = [
    "MESSAGES",
    "NO_TOOLS",
    "add_files",
    "caught",
    "in_files",
    "is_message",
    "labels",
    "own_id",
    "raw_sessions",
    "replay_of",
    "seconds_of",
    "sessions_in",
    "text_repaired",
    "whose",
]

MESSAGES = ("traj", "messages")
NO_TOOLS = "the tools that the model was offered are not in the transcript: they are not compared"

_SESSIONS = ("sessions", "conversations", "simulations")
_IDS = ("id", "session_id", "conversation_id", "thread_id")
_TIMES = ("captured_at", "created_at", "started_at", "start_time", "timestamp")
_KEPT = frozenset(
    {*MESSAGES, *_IDS, "task_id", "trial", "reward", "scores", "model", "tools", "functions", "tags", "metadata"}
)
_NEVER = 253_402_300_800
"""The end of the year 9999, in seconds since the epoch."""
_HALF_CHARACTERS = "text with half a character (an unpaired surrogate), which is now U+FFFD"
_SHORT_FORM = frozenset({"input", "context", "tool_responses", "llm_responses", "output", "ended"})

_ITEMS = frozenset(
    {"function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning", "message"}
)
_BLOCKS = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"}
)


def add_files(parser: ArgumentParser) -> None:
    """The argument of a source that reads files alone."""
    parser.add_argument("file", metavar="FILE", nargs="+", help="a JSON or JSON Lines file")


def in_files(
    paths: Sequence[str | Path], read: Callable[[Path], Iterator[ImportedSession]], importing: Importing
) -> Iterator[ImportedSession]:
    """The sessions of all files. One of several that cannot be read, or that holds none, is a problem; the only one
    raises `FormatError`.
    """
    for path in paths:
        known = len(importing.problems)
        is_empty = True
        try:
            for session in read(Path(path)):
                is_empty = False
                yield session
            if is_empty and len(importing.problems) == known:
                raise FormatError(Problem(str(path), 0, 0, "there is no session in it"))
        except FormatError as error:
            if len(paths) == 1:
                raise
            importing.problem(str(error))


def caught(
    raw: Iterable[tuple[str, Any]], read: Callable[[Any, str, int], ImportedSession], problems: list[str]
) -> Iterator[ImportedSession]:
    """What `read(value, where, number)` makes of each raw session; what is wrong with one is added to `problems`."""
    for number, (where, value) in enumerate(raw, 1):
        try:
            session = read(value, where, number)
        except SessionProblem as error:
            problems.append(f"{where}: {error}")
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
            problems.append(f"{where}: {place}{first['msg'].removeprefix('Value error, ')}")
        except RecursionError:
            problems.append(f"{where}: it is nested too deeply")
        except UNREADABLE as error:
            problems.append(f"{where}: it has not the form that it should have ({error!r})")
        else:
            yield session


def raw_sessions(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    """The raw sessions of a file with their places, lines one by one. Raises `FormatError`."""
    values = read_values(path, problems)
    first = next(values, None)
    if first is None:
        return
    if first[0] == str(path):
        yield from _in_value(path, first[1])
    elif is_message(first[1]):
        lines = [first, *values]
        alone = all(is_message(value) for _, value in lines)
        yield from [(str(path), [value for _, value in lines])] if alone else lines
    else:
        yield first
        yield from values


def sessions_in(value: Any) -> list[Any] | None:
    """The sessions of a value that holds several; None when it is one itself. Empty when there is none."""
    if isinstance(value, dict):
        name = next((key for key in _SESSIONS if isinstance(value.get(key), list)), None)
        if name is None or any(key in value for key in MESSAGES):
            return None
        value = value[name]
    if not isinstance(value, list):
        return []
    return None if any(is_message(item) for item in value) else value


def _in_value(path: Path, value: Any) -> list[tuple[str, Any]]:
    found = sessions_in(value)
    if found is None:
        return [(str(path), value)]
    if not found:
        raise FormatError(
            Problem(str(path), 0, 0, "there is no session in it; a list of messages or sessions is needed")
        )
    return [(f"{path}: session {number}", item) for number, item in enumerate(found, 1)]


def is_message(value: Any) -> bool:
    """Whether a value is a message of any of the APIs, or an item of OpenAI's responses."""
    return isinstance(value, dict) and (
        "role" in value or value.get("type") in ("function_call", "function_call_output")
    )


def whose(value: Any) -> Literal["openai-chat", "anthropic", "openai-agents"] | None:
    """Whose messages a value holds, which is a session, several, or a message of a file of messages; None: nobody's.

    Messages without anything that is of one API alone are OpenAI's.
    """
    found = sessions_in(value)
    if found is not None:
        return next((kind for session in found[:3] if (kind := whose(session)) is not None), None)
    if isinstance(value, dict):
        held = next((value[key] for key in MESSAGES if isinstance(value.get(key), list)), None)
        if held is None:
            return whose([value]) if is_message(value) else None
        kind = whose(held)
        return "anthropic" if kind == "openai-chat" and value.get("system") else kind
    messages = dicts(value)
    if not any(is_message(message) for message in messages):
        return None
    if any("role" not in message or str(message.get("type")) in _ITEMS for message in messages):
        return "openai-agents" if all(is_message(message) or "type" in message for message in messages) else None
    parts = [part for message in messages for part in dicts(message.get("content"))]
    if any(str(part.get("type")) in _BLOCKS for part in parts):
        return "anthropic"
    roles = {str(message["role"]) for message in messages}
    return "openai-chat" if roles <= {"system", "developer", "user", "assistant", "tool", "function"} else None


# -- one session


def replay_of(transcript: Transcript, source: Source, given: dict[str, Any]) -> ReplayFile:
    """The replay file: `given` is what is known beside the turns."""
    data: dict[str, Any] = {"source": source, **{key: value for key, value in given.items() if value}}
    if transcript.context is not None:
        data["context"] = transcript.context
    if transcript.unanswered is not None:
        data["unanswered"] = transcript.unanswered
    started = transcript.turns[0].started_at
    if started is not None:
        data.setdefault("captured_at", started)
    turn = transcript.turns[0]
    named = turn.model_fields_set - ({"started_at"} if started == data.get("captured_at") else set())
    if len(transcript.turns) == 1 and turn.context is None and named <= _SHORT_FORM:
        data.update({name: getattr(turn, name) for name in named})
    else:
        data["turns"] = transcript.turns
    return ReplayFile(**data)


def text_repaired(value: Any, notes: Notes) -> Any:
    """The same data without half surrogate pairs, which are left when text was cut off and which no file can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        notes.guess(_HALF_CHARACTERS)
        repaired = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return json.loads(repaired)
    return value


def own_id(data: dict[str, Any], file_name: str, index: int) -> str:
    """The id that the session would like; the same in every run."""
    own = next((data[key] for key in _IDS if isinstance(data.get(key), (str, int)) and data[key] != ""), None)
    if isinstance(own, str):
        return own
    stem = file_name.partition(".")[0]
    task = data.get("task_id", own)
    if task is None:
        return f"{stem}-{index}" if index > 1 else stem
    trial = data.get("trial")
    return f"{stem}-{task}" if trial is None else f"{stem}-{task}-trial-{trial}"


def labels(data: dict[str, Any], notes: Notes, known: Iterable[str] = ()) -> dict[str, Any]:
    """Scores, tags, metadata and the time, where they have a usable shape; what is not `known` is lost, and said."""
    metadata = dict(mapping(data.get("metadata")))
    metadata.update({key: data[key] for key in ("task_id", "trial") if data.get(key) is not None})
    tags = data.get("tags")
    captured = next((data[key] for key in _TIMES if _is_time(data.get(key))), None)
    used = {*_KEPT, *known, *(key for key in _TIMES if _is_time(data.get(key)) and data[key] == captured)}
    for key in data.keys() - used:
        notes.lose(f"the session's `{key}`")
    given = {
        "scores": _scores(data),
        "metadata": metadata,
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "captured_at": captured,
    }
    return {key: value for key, value in given.items() if value}


def _scores(data: dict[str, Any]) -> dict[str, Any]:
    scores = dict(mapping(data.get("scores")))
    for reward in (data.get("reward"), mapping(data.get("reward_info")).get("reward")):
        if isinstance(reward, (int, float)) and math.isfinite(reward):
            scores.setdefault("reward", reward)
    return scores


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and seconds_of(value) is not None


def seconds_of(value: Any) -> float | None:
    """An ISO time, or a number of seconds or milliseconds, as seconds since the epoch; None when it is no time."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        seconds = value if not 1e11 < value < _NEVER * 1000 else value / 1000
        return float(seconds) if 0 < seconds < _NEVER else None
    try:
        return parse_time(value).timestamp() if isinstance(value, str) else None
    except ValueError:
        return None
