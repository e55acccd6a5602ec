"""OpenAI chat transcripts, as JSON or JSON Lines.

A file is one transcript (a list of messages, or one message a line), one session, or several (a list, one a line,
or under `sessions`, `conversations` or `simulations`). A session is a list of messages, or an object with `traj` or
`messages` and beside it what is known: an id, `task_id` and `trial`, `reward` or `scores`, `model`, `tools`, `tags`,
`metadata`, a time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.replay import ReplayFile, Source
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.llm.openai_messages import neutral_tools
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.transcript import read_transcript
from pytest_agent_replay.sources.writer import ImportReport, write_replays

__all__ = ["import_openai_chat", "read_openai_chat"]

_MESSAGES = ("traj", "messages")
_SESSIONS = ("sessions", "conversations", "simulations")
_IDS = ("id", "session_id", "conversation_id", "thread_id")
_TIMES = ("captured_at", "created_at", "started_at", "start_time", "timestamp")
_KEPT = frozenset(
    {*_MESSAGES, *_IDS, "task_id", "trial", "reward", "scores", "model", "tools", "functions", "tags", "metadata"}
)
_NO_TOOLS = "the tools that the model was offered are not in the transcript: they are not compared"
_HALF_CHARACTERS = "text with half a character (an unpaired surrogate), which is now U+FFFD"


def import_openai_chat(
    path: Path,
    *,
    out: Path,
    contract: str | None = None,
    golden: bool = False,
    tags: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Writes one replay file per session of `path` into `out` (made when missing).

    `contract` is a name, or the path of a contract file from the working directory. A session that cannot be imported
    is a problem of the report; the others are written. `progress(done, total)` is called after each file.
    Raises `FormatError` when the file as a whole cannot be read, and `ReplayError`, before anything is written,
    when a file to be written exists and `force` is not given.
    """
    problems: list[str] = []
    sessions = list(read_openai_chat(path, problems))
    return write_replays(
        sessions, out, contract=contract, golden=golden, tags=tags, force=force, progress=progress, problems=problems
    )


def read_openai_chat(path: Path, problems: list[str]) -> Iterator[ImportedSession]:
    """The sessions of a file in its order; what is wrong with single ones is added to `problems`."""
    for index, (where, raw) in enumerate(_raw_sessions(path, problems), 1):
        try:
            yield _session(raw, path, where, index)
        except SessionProblem as error:
            problems.append(f"{where}: {error}")
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
            problems.append(f"{where}: {place}{first['msg'].removeprefix('Value error, ')}")
        except RecursionError:
            problems.append(f"{where}: it is nested too deeply")


# -- the file


def _raw_sessions(path: Path, problems: list[str]) -> list[tuple[str, Any]]:
    """The raw sessions with their places. Raises `FormatError`."""
    text = _text(path)
    whole = None if path.suffix.lower() in (".jsonl", ".ndjson") else _whole(path, text)
    if whole is None:
        lines = list(_lines(path, text, problems))
        if lines and all(_is_message(value) for _, value in lines):
            return [(str(path), [value for _, value in lines])]
        return lines
    return _in_value(path, whole[0])


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), 0, 0, f"it is not UTF-8 (byte {error.start + 1})")) from None
    except OSError as error:
        raise FormatError(Problem(str(path), 0, 0, f"it cannot be read: {error.strerror or error}")) from None


def _whole(path: Path, text: str) -> tuple[Any] | None:
    """The value of a JSON file; None when it is JSON Lines in spite of its name."""
    try:
        return (_parsed(text),)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Extra data") and _is_json(text.lstrip().partition("\n")[0]):
            return None
        raise FormatError(Problem(str(path), error.lineno, error.colno, f"it is not JSON: {error.msg}")) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(Problem(str(path), 0, 0, f"it is not JSON: {error}")) from None


def _lines(path: Path, text: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield f"{path}:{number}", _parsed(line)
        except json.JSONDecodeError as error:
            problems.append(f"{path}:{number}:{error.colno}: it is not JSON: {error.msg}")
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}:{number}: it is not JSON: {error}")


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _is_json(text: str) -> bool:
    try:
        _parsed(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value


def _in_value(path: Path, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        name = next((key for key in _SESSIONS if isinstance(value.get(key), list)), None)
        if name is None or any(key in value for key in _MESSAGES):
            return [(str(path), value)]
        value = value[name]
    if not isinstance(value, list) or not value:
        raise FormatError(
            Problem(str(path), 0, 0, "there is no session in it; a list of messages or sessions is needed")
        )
    if any(_is_message(item) for item in value):
        return [(str(path), value)]
    return [(f"{path}: session {number}", item) for number, item in enumerate(value, 1)]


# -- one session


def _session(raw: Any, path: Path, where: str, index: int) -> ImportedSession:
    data = {"messages": raw} if isinstance(raw, list) else raw
    if not isinstance(data, dict):
        raise SessionProblem("a session is a list of messages, or an object with `messages` or `traj`")
    notes = Notes()
    data = _text_repaired(data, notes)
    messages = next((data[key] for key in _MESSAGES if key in data), None)
    if not isinstance(messages, list):
        known = ", ".join(f"`{key}`" for key in list(data)[:8]) or "nothing"
        raise SessionProblem(f"it needs a list `messages` or `traj`; it has {known}")
    offered = "tools" in data or "functions" in data
    tools = neutral_tools(data.get("tools"), data.get("functions")) if offered else None
    model = data.get("model") if isinstance(data.get("model"), str) else None
    transcript = read_transcript(messages, notes, tools=tools, model=model)
    given: dict[str, Any] = {
        "source": Source(type="openai-chat", file=path.name, session=index),
        **_labels(data, notes),
    }
    if model is not None:
        given["agent_config"] = {"model": model}
    if transcript.context is not None:
        given["context"] = transcript.context
    if transcript.unanswered is not None:
        given["unanswered"] = transcript.unanswered
    if len(transcript.turns) == 1 and transcript.turns[0].context is None:
        turn = transcript.turns[0]
        given.update({name: getattr(turn, name) for name in turn.model_fields_set})
    else:
        given["turns"] = transcript.turns
    if tools is None:
        notes.lose(_NO_TOOLS)
    return ImportedSession(ReplayFile(**given), _wish(data, path.name, index), where, notes)


def _text_repaired(value: Any, notes: Notes) -> Any:
    """The same data without half surrogate pairs, which are left when text was cut off and which no file can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        notes.guess(_HALF_CHARACTERS)
        repaired = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return json.loads(repaired)
    return value


def _wish(data: dict[str, Any], file_name: str, index: int) -> str:
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


def _labels(data: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """Scores, tags, metadata and the time, where they have a usable shape; other keys are lost, and said."""
    scores = _scores(data)
    metadata = dict(data["metadata"]) if isinstance(data.get("metadata"), dict) else {}
    metadata.update({key: data[key] for key in ("task_id", "trial") if data.get(key) is not None})
    tags = data.get("tags")
    captured = next((data[key] for key in _TIMES if _is_time(data.get(key))), None)
    used = {*_KEPT, *(key for key in _TIMES if _is_time(data.get(key)) and data[key] == captured)}
    for key in data.keys() - used:
        notes.lose(f"the session's `{key}`")
    given = {
        "scores": scores,
        "metadata": metadata,
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "captured_at": captured,
    }
    return {key: value for key, value in given.items() if value}


def _scores(data: dict[str, Any]) -> dict[str, Any]:
    scores = dict(data["scores"]) if isinstance(data.get("scores"), dict) else {}
    info = data.get("reward_info")
    for reward in (data.get("reward"), info.get("reward") if isinstance(info, dict) else None):
        if isinstance(reward, (int, float)) and math.isfinite(reward):
            scores.setdefault("reward", reward)
    return scores


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:
        return False
