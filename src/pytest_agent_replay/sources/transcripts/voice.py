"""What calls by voice have in common, whichever platform made them: utterances, recordings, configurations.

A call is not an ordinary conversation: the agent speaks first, says several things in a row, goes on while a tool runs,
and is interrupted. The messages of a call are put in the order of an ordinary tool loop; what was moved is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pytest_agent_replay.formats.replay import ReplayFile, Source
from pytest_agent_replay.llm.reading import clean, tool_call
from pytest_agent_replay.sources.session import ImportedSession, Notes
from pytest_agent_replay.sources.transcripts.files import NO_TOOLS, replay_of
from pytest_agent_replay.sources.transcripts.transcript import Said, read_transcript

__all__ = [
    "CallRecord",
    "known",
    "label",
    "plain_url",
    "session_of",
    "without_secrets",
]

JOINED = "utterances of the agent in a row, joined"
BESIDE = "what the agent said right before a tool call or while the tool ran, taken as part of that answer of the model"
MOVED = "what the user said while a tool ran, which comes after the tool's result"
INTERRUPTED = "utterances of the agent that the user spoke into; the text is what the platform kept of them"
SECRETS = "credentials, headers and keys of the configuration"
SIGNATURES = "signatures of recording URLs: they are secrets, and expire; fetch the recordings again from the call"

_SECRET = re.compile(
    r"credential|secret|passw|apikey|authorization|^headers?$|privatekey|(?:access|auth|refresh|bearer)token|^token$"
    r"|signature|signingkey|publickey|encryption"
)


# -- one call


@dataclass(slots=True)
class CallRecord:
    """A call as its platform tells it. Seconds count from the beginning of the call."""

    began: float | None
    """When the call began: seconds since the epoch."""
    notes: Notes = field(default_factory=Notes)
    said: list[Said] = field(default_factory=list)
    recordings: dict[str, Any] = field(default_factory=dict)
    _calls: dict[str, float | None] = field(default_factory=dict)
    _agent_until: float | None = None

    def system(self, text: str) -> None:
        """What the model is told beside what is spoken."""
        self.said.append(Said({"role": "system", "content": text}))

    def speak(self, role: str, text: str, begin: float | None, end: float | None) -> None:
        """Something that the `user` or the `assistant` said."""
        if role == "assistant":
            self._agent_until = end
        elif self._agent_until is not None and begin is not None:
            self.notes.guess(INTERRUPTED, begin < self._agent_until)
            self._agent_until = None
        heard = clean(role="user" if role == "user" else "agent", from_s=begin, to_s=end)
        audio = [heard] if begin is not None else []
        self.said.append(Said({"role": role, "content": text}, started=self._time(begin), audio=audio))

    def call(self, call_id: Any, name: Any, arguments: Any, at: float | None) -> None:
        """A tool that the agent called."""
        call = tool_call(call_id, name, arguments)
        self._calls[str(call_id)] = at
        self.said.append(Said({"role": "assistant", "content": None, "tool_calls": [call]}, started=self._time(at)))

    def result(self, call_id: Any, name: Any, content: Any, at: float | None, *, failed: bool = False) -> None:
        """What a tool gave."""
        asked = self._calls.get(str(call_id))
        took = round((at - asked) * 1000, 3) if at is not None and asked is not None and at >= asked else None
        message = {"role": "tool", "content": content} | clean(
            tool_call_id=call_id if isinstance(call_id, str) else None, name=name
        )
        self.said.append(Said(message, latency_ms=took, failed=failed))

    def _time(self, seconds: float | None) -> float | None:
        return None if self.began is None or seconds is None else self.began + seconds


def session_of(
    call: CallRecord, source: dict[str, Any], wish: str, where: str, given: dict[str, Any]
) -> ImportedSession:
    """The session of a call; `given` is what is known beside the turns. Raises `SessionProblem`."""
    said = _ordinary(call.said, call.notes)
    transcript = read_transcript(said, call.notes)
    call.notes.lose(NO_TOOLS)
    for turn in transcript.turns:
        if turn.audio:
            turn.audio = clean(recording=call.recordings.get("combined"), spoken=turn.audio)
    if call.recordings:
        given = {**given, "metadata": {**given.get("metadata", {}), "recordings": call.recordings}}
    replay: ReplayFile = replay_of(transcript, Source(**source), given)
    return ImportedSession(replay, wish, where, call.notes)


def _ordinary(said: list[Said], notes: Notes) -> list[Said]:
    """The messages as an ordinary tool loop would have had them."""
    results = {each.message["tool_call_id"]: each for each in said if each.message.get("tool_call_id") is not None}
    asked = {call["id"] for each in said for call in each.message.get("tool_calls") or []}
    waiting: dict[str, Said] = {}
    ordered: list[Said] = []
    for each in said:
        role, call_id = each.message["role"], each.message.get("tool_call_id")
        if role == "tool" and call_id in asked:  # it comes right after its call
            waiting.pop(str(call_id), None)
            continue
        if role == "user":
            notes.guess(MOVED, bool(waiting))
        if role == "assistant" and each.message.get("tool_calls"):
            ids = [str(call["id"]) for call in each.message["tool_calls"] if call["id"] in results]
            asking = next(iter(waiting.values()), None) or _open_text(ordered, notes)
            _ask(each, asking, ordered)
            waiting.update(dict.fromkeys(ids, asking or each))
        elif role == "assistant" and waiting:
            notes.guess(BESIDE)
            _add_text(next(iter(waiting.values())), each)
        elif role == "assistant" and ordered and _is_text(ordered[-1]):
            notes.guess(JOINED)
            _add_text(ordered[-1], each)
        else:
            ordered.append(each)
    return [message for each in ordered for message in (each, *_results_of(each, results))]


def _is_text(said: Said) -> bool:
    return said.message["role"] == "assistant" and not said.message.get("tool_calls")


def _open_text(ordered: list[Said], notes: Notes) -> Said | None:
    """What the agent said right before it called a tool."""
    if not ordered or not _is_text(ordered[-1]):
        return None
    if not any(each.message["role"] == "user" for each in ordered):
        return None  # the greeting
    notes.guess(BESIDE)
    return ordered[-1]


def _ask(each: Said, asking: Said | None, ordered: list[Said]) -> None:
    """Calls without a result between them are one answer of the model."""
    if asking is None:
        ordered.append(each)
    else:
        calls = [*(asking.message.get("tool_calls") or []), *each.message["tool_calls"]]
        asking.message = {**asking.message, "tool_calls": calls}


def _add_text(said: Said, more: Said) -> None:
    texts = [text for text in (said.message["content"], more.message["content"]) if text]
    said.message = {**said.message, "content": "\n".join(texts)}
    said.audio = [*said.audio, *more.audio]


def _results_of(said: Said, results: Mapping[Any, Said]) -> list[Said]:
    calls = said.message.get("tool_calls") or []
    return [results[call["id"]] for call in calls if call["id"] in results]


# -- what is kept of the rest


def label(value: Any) -> Any:
    """An evaluation's text as what it means: `"true"`, `"8"`, or a word of a rubric."""
    if not isinstance(value, str):
        return value
    word = value.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    return float(word) if re.fullmatch(r"-?\d+(?:\.\d+)?", word) else word


def plain_url(url: Any, notes: Notes) -> str | None:
    """A URL without its query, fragment and user, in which secrets are; None when it is none."""
    if not isinstance(url, str) or "://" not in url:
        return None
    parts = urlsplit(url)
    notes.lose(SIGNATURES, bool(parts.query))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_secrets(value: Any, notes: Notes) -> Any:
    """A configuration without what gives access to anything: credentials, headers, keys, parameters of URLs."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not _SECRET.search(re.sub(r"[^a-z]", "", key.lower()))}
        notes.lose(SECRETS, len(value) - len(kept))
        return {key: without_secrets(item, notes) for key, item in kept.items() if item is not None}
    if isinstance(value, list):
        return [without_secrets(item, notes) for item in value]
    if isinstance(value, str) and re.match(r"[a-z][a-z0-9+.-]*://\S+\Z", value):
        parts = urlsplit(value)
        notes.lose(SECRETS, bool(parts.query or "@" in parts.netloc))
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return value


def known(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Those of the values that say something."""
    return {key: value for key, value in pairs if value not in (None, "", {}, [])}
