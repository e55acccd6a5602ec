"""Claude Code: the session files below `~/.claude/projects`, and what `claude -p --output-format stream-json` prints.

A session file is a log of lines that name their parents. The session is the way from its last line back to the first;
lines beside it were rewound. One message of the model is several lines; the lines of sub-agents are inside of the
tool call that started them. The format is not documented by its maker; read here is what versions 1 and 2 write.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats import replay
from pytest_agent_replay.llm.reading import content_text, dicts
from pytest_agent_replay.sources.anthropic import read_messages
from pytest_agent_replay.sources.json_files import read_values
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.transcripts.files import (
    NO_TOOLS,
    add_files,
    caught,
    in_files,
    replay_of,
    seconds_of,
    text_repaired,
)
from pytest_agent_replay.sources.transcripts.transcript import Said, read_transcript

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["ClaudeCode"]

Line = dict[str, Any]

SUB_AGENTS = "messages of sub-agents: they happened inside of the tool calls that started them"
REWOUND = "messages that the user took back (rewound)"
META = "messages that Claude Code put in by itself (reminders, output of local commands)"
QUEUED = "messages that the user typed while the agent worked"
COMPACTED = "compactions: the model went on with a summary; the digests are those of a loop that keeps everything"
NO_BEGINNING = "what was said before the first compaction that the file knows; its summary is the `context`"
API_ERRORS = "errors of the model's API, after which the turn ended"
EXPANDED = "commands of the user, as typed; the prompts that they stand for are not recorded"
WAITING = "latencies of tools: the time between two log lines, waiting for the user's permission included"
REFUSED = "tool calls that the user refused: recorded as the text that the model was told"

_INTERRUPTED = re.compile(r"\[Request interrupted by user(?: for tool use)?\]")
_REFUSED = re.compile(r"The user doesn't want to (?:proceed with|take) this (?:tool use|action)")
_COMMAND = re.compile(r"<command-name>\s*(.*?)\s*</command-name>", re.DOTALL)
_COMMAND_ARGS = re.compile(r"<command-args>\s*(.*?)\s*</command-args>", re.DOTALL)
_LOCAL = re.compile(r"\s*<(?:local-command-\w+|bash-(?:input|stdout|stderr)|system-reminder|user-memory-input)\b")
_MARKS = ("isMeta", "isVisibleInTranscriptOnly", "isSynthetic")
_SYNTHETIC = "<synthetic>"
_KINDS = ("user", "assistant")
_IDS = ("uuid", "parentUuid", "logicalParentUuid", "sessionId", "session_id", "leafUuid")
_OTHER = ("file-history-snapshot", "queue-operation", "summary", "last-prompt", "custom-title", "ai-title")
_TITLES = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary"}


class ClaudeCode(Source):
    """Sessions of Claude Code."""

    name = "claude-code"
    description = (
        "Reads session files of Claude Code (~/.claude/projects/…/SESSION.jsonl) and the output of "
        "`claude -p --output-format stream-json`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files, and what stream-json leaves out."""
        add_files(parser)
        parser.add_argument(
            "--prompt",
            metavar="TEXT",
            help="what the user asked: stream-json does not repeat the prompt of `claude -p`",
        )

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[ImportedSession]:
        """One session per file, in the order of the files."""
        prompt = getattr(given, "prompt", None)
        yield from in_files(given.file, lambda path: _read(path, prompt, importing.problems), importing)

    def recognises(self, sample: Sample) -> bool:
        """Lines of a known type, with the id of a session."""
        return any(_is_line(line) for line in _log(sample.values))


def _is_line(line: Line) -> bool:
    kind = line.get("type")
    if kind in _OTHER:
        return not line.keys().isdisjoint(("messageId", "sessionId", "leafUuid"))
    is_logged = "sessionId" in line and "uuid" in line
    is_streamed = "session_id" in line and ("message" in line or "subtype" in line)
    return kind in (*_KINDS, "system") and (is_logged or is_streamed)


def _log(values: list[Any]) -> list[Line]:
    """The lines; `--output-format json --verbose` prints them as one list."""
    lines = dicts(values[0] if len(values) == 1 and isinstance(values[0], list) else values)
    return [{key: value for key, value in line.items() if key not in _IDS or isinstance(value, str)} for line in lines]


def _read(path: Path, prompt: str | None, problems: list[str]) -> Iterator[ImportedSession]:
    log = _log([value for _, value in read_values(path, problems)])
    if not any(_is_line(line) for line in log):
        raise FormatError(Problem(str(path), 0, 0, "it has no line of a Claude Code session"))
    yield from caught([(str(path), log)], lambda value, where, _: _session(value, path, where, prompt), problems)


def _session(log: list[Line], path: Path, where: str, prompt: str | None) -> ImportedSession:
    notes = Notes()
    log = text_repaired(log, notes)
    way = _way_of(log, notes)
    said = [Said({"role": "user", "content": prompt})] if prompt is not None else []
    said += _Reader(way, notes).read()
    if not way.is_file and prompt is None and not any(message.message["role"] == "user" for message in said):
        raise SessionProblem("stream-json does not have the prompt of `claude -p`: give it with --prompt TEXT")
    transcript = read_transcript(said, notes, model=_first(way.lines, "model"))
    if way.summary is not None and transcript.context is None:
        transcript.context = way.summary
    notes.lose(NO_TOOLS)
    session_id = next((id_ for line in log if (id_ := line.get("sessionId") or line.get("session_id"))), path.stem)
    source = replay.Source(type=ClaudeCode.name, file=path.name, session_id=session_id)
    wish = path.stem if way.is_file else str(session_id)
    return ImportedSession(replay_of(transcript, source, _labels(log, way)), wish, where, notes)


def _labels(log: list[Line], way: _Way) -> dict[str, Any]:
    """The title, the versions, and what the last line of stream-json counts."""
    here = {line.get("uuid") for line in way.lines}
    known = [line for line in log if line.get("type") in _TITLES and line.get("leafUuid", None) in (None, *here)]
    titles = {line["type"]: line.get(_TITLES[line["type"]]) for line in known}
    name = next((titles[kind] for kind in _TITLES if isinstance(titles.get(kind), str)), None)
    result = next((line for line in reversed(log) if line.get("type") == "result"), {})
    init = next((line for line in log if line.get("type") == "system" and line.get("subtype") == "init"), {})
    told = {
        "claude_code_version": _last(way.lines, "version") or init.get("claude_code_version"),
        "git_branch": _last(way.lines, "gitBranch"),
        "permission_mode": init.get("permissionMode"),
        "cost_usd": result.get("total_cost_usd"),
        "duration_ms": result.get("duration_ms"),
        "result": result.get("subtype"),
    }
    config = {"model": _first(way.lines, "model") or init.get("model"), "tools": init.get("tools")}
    return {
        "name": name,
        "metadata": {key: value for key, value in told.items() if value not in (None, "")},
        "agent_config": {key: value for key, value in config.items() if value},
    }


def _first(lines: list[Line], key: str) -> Any:
    """The first value of a key of the model's messages."""
    found = (line["message"].get(key) for line in lines if line["type"] == "assistant")
    return next((value for value in found if value and value != _SYNTHETIC), None)


def _last(lines: list[Line], key: str) -> Any:
    return next((line[key] for line in reversed(lines) if line.get(key)), None)


# -- which lines are the session


@dataclass(slots=True)
class _Way:
    """The lines of the session, in the order in which they were written."""

    lines: list[Line]
    summary: Any = None
    """What stands for the beginning, where the file does not have it."""
    is_file: bool = True
    """Of a session file; else of stream-json."""


def _way_of(log: list[Line], notes: Notes) -> _Way:
    if any("parentUuid" in line for line in log):
        return _file_way(log, notes)
    main = [line for line in log if _is_message(line)]
    lines = [line for line in main if not line.get("parent_tool_use_id")]
    notes.lose(SUB_AGENTS, len(main) - len(lines))
    result = next((line for line in reversed(log) if line.get("type") == "result"), {})
    if result.get("is_error") or str(result.get("subtype", "")).startswith("error"):
        lines.append({"type": "assistant", "isApiErrorMessage": True, "message": {"content": []}})
    return _Way(lines, is_file=False)


def _file_way(log: list[Line], notes: Notes) -> _Way:
    messages = [line for line in log if _is_message(line)]
    main = [line for line in messages if not line.get("isSidechain")]
    if not main:
        raise SessionProblem(
            "all of its lines are a sub-agent's; import the session that started it, SESSION.jsonl beside it"
            if messages
            else "there is no message in it"
        )
    kept, summary = _back_from(main[-1], {line["uuid"]: line for line in log if "uuid" in line}, notes)
    kept |= _beside(main, kept)
    notes.lose(SUB_AGENTS, len(messages) - len(main))
    notes.lose(REWOUND, sum(line.get("uuid") not in kept and not line.get("isMeta") for line in main))
    queued = [line.get("attachment") for line in log if line.get("uuid") in kept]
    notes.lose(QUEUED, sum(isinstance(each, dict) and each.get("type") == "queued_command" for each in queued))
    return _Way([line for line in main if line.get("uuid") in kept], summary)


def _back_from(last: Line, by_id: dict[Any, Line], notes: Notes) -> tuple[set[Any], Any]:
    """The ids of the lines from the last to the first, across compactions; and the summary of what is not there."""
    kept: set[Any] = set()
    summary: Any = None
    line: Line | None = last
    while line is not None and line.get("uuid") not in kept:
        kept.add(line.get("uuid"))
        before = by_id.get(line.get("parentUuid") or line.get("logicalParentUuid"))
        if line.get("isCompactSummary"):
            summary = _content(line)
            notes.guess(COMPACTED)
        elif line.get("subtype") == "compact_boundary" and before is not None:
            summary = None
        line = before
    notes.lose(NO_BEGINNING, summary is not None)
    return kept, summary


def _beside(main: list[Line], kept: set[Any]) -> set[Any]:
    """Calls of one message that ran in parallel, and their results, lie beside the way."""
    messages = {_message_id(line) for line in main if line.get("uuid") in kept} - {None}
    parts = [line for line in main if _message_id(line) in messages]
    calls = {str(block.get("id")) for line in parts for block in _blocks(line, "tool_use")}
    results = [line for line in main if any(str(b.get("tool_use_id")) in calls for b in _blocks(line, "tool_result"))]
    return {line.get("uuid") for line in (*parts, *results)}


def _is_message(line: Line) -> bool:
    return line.get("type") in _KINDS and isinstance(line.get("message"), dict)


def _message_id(line: Line) -> Any:
    own = line["message"].get("id") if line.get("type") == "assistant" else None
    return own if isinstance(own, str) else None


def _content(line: Line) -> Any:
    return line["message"].get("content")


def _blocks(line: Line, kind: str) -> list[dict[str, Any]]:
    return [block for block in dicts(_content(line)) if block.get("type") == kind]


# -- what the lines say


@dataclass(slots=True)
class _Answer:
    """A message of the model, put together from its lines."""

    message: dict[str, Any]
    ended: float | None = None
    calls: dict[str, float | None] = field(default_factory=dict)
    """When each call was made."""


class _Reader:
    """Lines into messages, with times."""

    def __init__(self, way: _Way, notes: Notes) -> None:
        self.lines = way.lines
        self.notes = notes
        self.said: list[Said] = []
        self.asked_at: float | None = None
        self.calls: dict[str, float | None] = {}
        self.answers: dict[str, Said] = {}

    def read(self) -> list[Said]:
        """The messages of the session."""
        answers = self._answers()
        for index, line in enumerate(self.lines):
            if line["type"] == "user":
                self._user(line, index)
            elif line.get("isApiErrorMessage") or line["message"].get("model") == _SYNTHETIC:
                self._synthetic(line)
            elif (answer := answers.pop(_message_id(line) or id(line), None)) is not None:
                self._assistant(answer)
        return self.said

    def _answers(self) -> dict[Any, _Answer]:
        """The model's messages by their ids; each line repeats all but the content."""
        found: dict[Any, _Answer] = {}
        for line in self.lines:
            message = line["message"]
            if line["type"] != "assistant" or line.get("isApiErrorMessage") or message.get("model") == _SYNTHETIC:
                continue
            key = _message_id(line) or id(line)
            content = _content(line)
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else dicts(content)
            answer = found.setdefault(key, _Answer({"content": []}))
            latest = {name: value for name, value in message.items() if value is not None and name != "content"}
            answer.message.update(latest | {"content": [*answer.message["content"], *blocks]})
            answer.ended = _time(line)
            answer.calls.update((str(block.get("id")), _time(line)) for block in _blocks(line, "tool_use"))
        return found

    def _assistant(self, answer: _Answer) -> None:
        [said] = read_messages([{**answer.message, "role": "assistant"}], self.notes)
        said.latency_ms = _between(self.asked_at, answer.ended)
        self.calls.update(answer.calls)
        self.said.append(said)

    def _synthetic(self, line: Line) -> None:
        """What Claude Code says in the model's place."""
        if line.get("isApiErrorMessage"):
            self.notes.lose(API_ERRORS)
            self._cut()

    def _cut(self) -> None:
        self.said.append(Said({"role": "assistant", "content": None}, cut=True))

    def _user(self, line: Line, index: int) -> None:
        results = _blocks(line, "tool_result")
        if results:
            self._results(line, results)
        content = _content(line)
        rest = content if isinstance(content, str) else self._spoken(dicts(content))
        if not rest:
            return
        text = content_text(rest)
        if _INTERRUPTED.fullmatch(text.strip()):
            self._cut()
        elif line.get("isCompactSummary"):
            pass
        elif (command := _COMMAND.search(text)) is not None and self._is_answered(index):
            self.notes.guess(EXPANDED)
            args = _COMMAND_ARGS.search(text)
            self._say(line, f"{command[1]} {args[1] if args else ''}".strip())
        elif command is not None or _LOCAL.match(text) or any(line.get(mark) for mark in _MARKS):
            self.notes.lose(META)
        else:
            self._say(line, rest)

    def _spoken(self, blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the user said, without results and what Claude Code put beside."""
        rest = [block for block in blocks if block.get("type") != "tool_result"]
        spoken = [block for block in rest if len(rest) == 1 or not _LOCAL.match(str(block.get("text", "")))]
        self.notes.lose(META, len(rest) - len(spoken))
        return spoken

    def _say(self, line: Line, content: Any) -> None:
        [said] = read_messages([{"role": "user", "content": content}], self.notes)
        said.started = self.asked_at = _time(line)
        self.said.append(said)

    def _is_answered(self, index: int) -> bool:
        """Whether the model answered, maybe after what a command put in."""
        following = (line for line in self.lines[index + 1 :] if not line.get("isMeta"))
        after = next(following, None)
        return after is not None and after["type"] == "assistant" and after["message"].get("model") != _SYNTHETIC

    def _results(self, line: Line, results: list[dict[str, Any]]) -> None:
        messages = read_messages([{"role": "user", "content": results}], self.notes)
        for said, block in zip(messages, results, strict=True):
            said.latency_ms = _between(self.calls.get(str(block.get("tool_use_id"))), _time(line))
            self.notes.guess(WAITING, said.latency_ms is not None)
            self.notes.guess(REFUSED, _REFUSED.match(content_text(block.get("content"))) is not None)
        self.asked_at = _time(line)
        self.said += messages


def _time(line: Line) -> float | None:
    return seconds_of(line.get("timestamp"))


def _between(begin: float | None, end: float | None) -> float | None:
    return round((end - begin) * 1000, 3) if begin is not None and end is not None and end >= begin else None
