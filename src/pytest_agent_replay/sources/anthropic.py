"""Anthropic message transcripts, as JSON or JSON Lines.

A session is a list of messages, the body of a request (`{system, messages, tools, model}`), or such an object with
labels beside the messages; `transcripts.files` has the shapes of a file. A file may also be a log of
`{"request": …, "response": …}`: the requests of one conversation repeat what was said before, and make one session.

Formats: https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.formats import replay
from pytest_agent_replay.formats.replay import LlmResponse
from pytest_agent_replay.llm.anthropic_answers import message_answer
from pytest_agent_replay.llm.anthropic_messages import anthropic_messages, anthropic_tools
from pytest_agent_replay.llm.digest import canonical_messages
from pytest_agent_replay.llm.reading import UNREADABLE, dicts, mapping
from pytest_agent_replay.sources.json_files import read_values
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
    seconds_of,
    text_repaired,
    whose,
)
from pytest_agent_replay.sources.transcripts.transcript import Said, read_transcript

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["Anthropic", "read_messages"]

HOSTED = "calls of the provider's own tools: part of the model's answers, and no recordings"

_TIMES = ("timestamp", "started_at", "start_time", "created_at", "time")
_HOSTED = ("server_tool_use", "mcp_tool_use")
_REQUEST = (
    "system",
    "max_tokens",
    "stream",
    "tool_choice",
    "cache_control",
    "anthropic_version",
    "betas",
    "service_tier",
)
_SETTINGS = ("temperature", "top_p", "top_k", "stop_sequences", "thinking", "output_config")


class Anthropic(Source):
    """Messages as Anthropic's messages API has them."""

    name = "anthropic"
    description = (
        "Reads JSON or JSON Lines files of Anthropic messages: lists of messages, request bodies "
        "(`system`, `messages`, `tools`, `model`), sessions with labels, or logs of `request` and `response`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files."""
        add_files(parser)

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[ImportedSession]:
        """The sessions in the order of the files."""
        yield from in_files(given.file, lambda path: _read(path, importing.problems), importing)

    def recognises(self, sample: Sample) -> bool:
        """Messages with blocks, a system prompt beside the messages, or requests with their responses."""
        values = sample.values
        if any(_is_pair(value) for value in _pairs_in(values)):
            return True
        kinds = {whose(value) for value in values}
        return "anthropic" in kinds and kinds <= {"anthropic", "openai-chat"}


def _read(path: Path, problems: list[str]) -> Iterator[ImportedSession]:
    values = read_values(path, [])
    first = next(values, None)
    if first is not None and any(_is_pair(value) for value in _pairs_in([first[1]])):
        values.close()  # type: ignore[attr-defined]
        raw: Iterable[tuple[str, Any]] = _conversations(path, problems)
    else:
        raw = raw_sessions(path, problems)
    return caught(raw, lambda value, where, number: _session(value, path, where, number), problems)


def _session(raw: Any, path: Path, where: str, index: int) -> ImportedSession:
    notes = Notes()
    asked = raw if isinstance(raw, _Conversation) else None
    data = raw.data if isinstance(raw, _Conversation) else {"messages": raw} if isinstance(raw, list) else raw
    if not isinstance(data, dict):
        raise SessionProblem("a session is a list of messages, or an object with `messages`")
    data = text_repaired(data, notes)
    messages = next((data[key] for key in MESSAGES if key in data), None)
    if not isinstance(messages, list):
        known = ", ".join(f"`{key}`" for key in list(data)[:8]) or "nothing"
        raise SessionProblem(f"it needs a list `messages`; it has {known}")
    said = [*_system(data), *read_messages(messages, notes)] if asked is None else asked.said(data, notes)
    tools = anthropic_tools(data) if isinstance(data.get("tools"), list) else None
    model = data.get("model") if isinstance(data.get("model"), str) else None
    # without `max_tokens`, which each request has, it may be what an app stores, which leaves the prompt out
    is_request = asked is not None or "system" in data or "max_tokens" in data
    transcript = read_transcript(said, notes, tools=tools, model=model, has_system=is_request)
    given = labels(data, notes, (*_REQUEST, *_SETTINGS))
    given["agent_config"] = {key: data[key] for key in ("model", *_SETTINGS) if data.get(key) is not None}
    if tools is None:
        notes.lose(NO_TOOLS)
    source = replay.Source(type=Anthropic.name, file=path.name, session=index)
    return ImportedSession(replay_of(transcript, source, given), own_id(data, path.name, index), where, notes)


def _system(data: dict[str, Any]) -> list[Said]:
    return [Said(message) for message in anthropic_messages({"system": data.get("system")})]


# -- messages


def read_messages(messages: list[Any], notes: Notes) -> list[Said]:
    """The messages with their blocks in neutral form; results come before what the user says beside them.

    Raises `SessionProblem` for what is no message.
    """
    return [said for number, message in enumerate(messages, 1) for said in _said(message, number, notes)]


def _said(message: Any, number: int, notes: Notes) -> list[Said]:
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
        role = f" with the role {message.get('role')!r}" if isinstance(message, dict) else ""
        raise SessionProblem(f"message {number} is no message of the user or the assistant{role}")
    if not isinstance(message.get("content"), (str, list)):
        raise SessionProblem(f"message {number}: its content is neither text nor a list of blocks")
    neutral = [_without_marks(each) for each in anthropic_messages({"messages": [message]})]
    if message["role"] == "assistant":
        hosted = [block for block in dicts(message["content"]) if block.get("type") in _HOSTED]
        notes.lose(HOSTED, len(hosted))
        return [Said(neutral[-1], answer=_answer(message, number))]
    failed = [
        block.get("is_error") is True for block in dicts(message["content"]) if block.get("type") == "tool_result"
    ]
    return [
        Said(each, failed=each["role"] == "tool" and failed[place] if place < len(failed) else False)
        for place, each in enumerate(neutral)
    ]


def _without_marks(message: dict[str, Any]) -> dict[str, Any]:
    """The message without the marks of what the provider is to cache, which are no part of what is said."""
    if not isinstance(message.get("content"), list):
        return message
    return message | {"content": [_without_mark(part) for part in message["content"]]}


def _answer(message: dict[str, Any], number: int) -> LlmResponse | None:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    try:
        return message_answer({**message, "content": [_without_mark(block) for block in dicts(blocks)]})
    except UNREADABLE as error:
        raise SessionProblem(f"message {number} has a block that has not the documented form: {error!r}") from None


def _without_mark(block: Any) -> Any:
    return {key: item for key, item in block.items() if key != "cache_control"} if isinstance(block, dict) else block


# -- requests and their responses


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(_body(value.get("request")).get("messages"), list)
        and isinstance(_body(value.get("response")).get("content"), list)
    )


def _pairs_in(values: list[Any]) -> list[Any]:
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _body(value: Any) -> dict[str, Any]:
    """A request or response, also where a log keeps it as `body` or as text."""
    if isinstance(value, dict) and "body" in value and "messages" not in value and "content" not in value:
        value = value["body"]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return mapping(value)


@dataclass(slots=True)
class _Conversation:
    """Requests of one conversation: the last of them has all of it, the others when what was answered."""

    pairs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        """The last request as a session, with its answer."""
        request, response = _body(self.pairs[-1]["request"]), _body(self.pairs[-1]["response"])
        answered = [*request["messages"], {"role": "assistant", "content": response["content"]}]
        beside = {key: value for key, value in self.pairs[0].items() if key not in ("request", "response")}
        return {**_labels_of(beside), **request, "messages": answered}

    def said(self, data: dict[str, Any], notes: Notes) -> list[Said]:
        """The messages, with the answers as they were given and the times of their requests."""
        by_place = {len(_body(pair["request"])["messages"]): pair for pair in self.pairs}
        said: list[Said] = _system(data)
        for place, message in enumerate(data["messages"]):
            pair = by_place.get(place)
            if pair is None:
                said += _said(message, place + 1, notes)
                continue
            given = text_repaired(_body(pair["response"]), Notes())
            [answer] = _said({**given, "role": "assistant"}, place + 1, notes)
            answer.latency_ms = _latency(pair)
            for before in said[-1:]:
                before.started = _started(pair)
            said.append(answer)
        return said


def _labels_of(pair: dict[str, Any]) -> dict[str, Any]:
    known = ("session_id", "conversation_id", "thread_id", "metadata", "tags", "scores")
    return {key: pair[key] for key in known if key in pair}


def _started(pair: dict[str, Any]) -> float | None:
    return next((time for key in _TIMES if (time := seconds_of(pair.get(key))) is not None), None)


def _latency(pair: dict[str, Any]) -> float | None:
    value = next((pair[key] for key in ("latency_ms", "duration_ms") if key in pair), None)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None


def _conversations(path: Path, problems: list[str]) -> Iterator[tuple[str, _Conversation]]:
    """The conversations of a log, in the order of their first requests.

    A request goes on with the conversation whose last request, with an answer, it repeats.
    """
    found: list[tuple[str, _Conversation]] = []
    ends: dict[tuple[str, str], _Conversation] = {}
    for where, value in read_values(path, problems):
        for number, pair in enumerate(value if isinstance(value, list) else [value], 1):
            place = f"{where}: entry {number}" if isinstance(value, list) else where
            if not _is_pair(pair):
                problems.append(f"{place}: it is no `request` with messages and `response` with content")
                continue
            messages = _body(pair["request"])["messages"]
            digests = _prefixes(messages)
            earlier = [(digests[at - 1], _digest(messages[at])) for at in range(len(messages) - 1, 0, -1)]
            known = next((ends[end] for end in earlier if end in ends), None)
            conversation = known or _Conversation()
            if known is None:
                found.append((place, conversation))
            conversation.pairs.append(pair)
            answer = {"role": "assistant", "content": _body(pair["response"])["content"]}
            ends[digests[-1] if digests else "", _digest(answer)] = conversation
    yield from found


def _prefixes(messages: list[Any]) -> list[str]:
    """A digest of the first message, of the first two, and so on."""
    digest = hashlib.sha256()
    found = []
    for message in messages:
        digest.update(_digest(message).encode())
        found.append(digest.hexdigest())
    return found


def _digest(message: Any) -> str:
    """The same for text and for a single block of it."""
    neutral = anthropic_messages({"messages": [message]})
    return hashlib.sha256(json.dumps(canonical_messages(neutral), sort_keys=True).encode()).hexdigest()
