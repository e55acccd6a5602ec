"""The messages of a transcript into the turns of a session, with the request digests of an ordinary tool loop.

A turn is a user message up to the next one. What an ordinary loop cannot send again is put right first, and noted:
calls that were never answered, results that answer no call, several user messages in a row.

Messages are OpenAI chat messages, or `Said`: neutral messages with what a source knows beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pytest_agent_replay.formats.replay import (
    LlmRequestDigests,
    LlmResponse,
    RecordedToolCall,
    ToolResponse,
    Turn,
)
from pytest_agent_replay.formats.times import time_text
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.llm.openai_messages import neutral_message
from pytest_agent_replay.llm.parts import answer_of, answer_text, parts_of
from pytest_agent_replay.llm.reading import clean
from pytest_agent_replay.sources.building import CUT, FAILED_TEXT, NO_ANSWERS, NO_RESULT, NOT_PLAYED, REDACTED
from pytest_agent_replay.sources.failures import error_in
from pytest_agent_replay.sources.markers import cut, redacted, redacted_paths
from pytest_agent_replay.sources.messages import joined_content, plain_content
from pytest_agent_replay.sources.session import Notes, SessionProblem

__all__ = ["Said", "Transcript", "read_transcript"]

_LAST_TIME = 253402300800.0
"""The year 10000, which no time of a file can have."""

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")

NO_SYSTEM = "the system prompt is not in the transcript: it is not compared"
UNANSWERED_CALLS = "tool calls without a result (not executed), left out of the model's answers"
ORPHANS = "tool results that answer no call; recorded by their own name, for any arguments"
NAMELESS = "tool results that answer no call and name no tool"
MERGED = "user messages that follow another without an answer, joined with it"
SEVERAL_TEXTS = "turns with several texts of the agent; `output` is the last"
INNER_SYSTEM = "system messages within a turn: part of the digests, but the agent has to add them again by itself"
LATE_SYSTEM = "system messages beside the unanswered user message"
SHORTENED = "tool results that say that they were cut off, recorded as the model was told them"
RAW_ARGUMENTS = "tool calls whose arguments are no JSON object, kept as `raw_args`"
SAME_IDS = "tool calls whose id was used before in the session"
TEXTS = "what tools returned: their results are texts, as the model saw them"
TOOLS_FIRST = "tool calls before the first user message, which are not played"


@dataclass(slots=True)
class Transcript:
    """A session as its transcript tells it."""

    context: Any = None
    turns: list[Turn] = field(default_factory=list)
    unanswered: Any = None


@dataclass(slots=True)
class Said:
    """One message, with what a list of messages cannot say."""

    message: dict[str, Any]
    """Neutral: `{role, content, tool_calls?, tool_call_id?, name?}`."""
    started: float | None = None
    """When it was sent, or began to be spoken: seconds since the epoch."""
    latency_ms: float | None = None
    """How long the model took to answer, or the tool to run."""
    failed: bool = False
    """The source marks the tool's result as an error; its text is looked at in any case."""
    is_tool: bool = True
    """False: the result of a call that is the framework's own doing, as a handoff; it is told, but no recording."""
    cut: bool = False
    """The turn ended here without an answer: somebody broke it off, or the model's API failed."""
    answer: LlmResponse | None = None
    """The model's answer with thoughts, usage and the like; None: what `message` says is all."""
    audio: list[Any] = field(default_factory=list)
    """Where it is heard."""


def read_transcript(
    messages: Sequence[Any],
    notes: Notes,
    *,
    tools: Sequence[dict[str, Any]] | None = None,
    model: str | None = None,
    has_system: bool = False,
) -> Transcript:
    """The session that `messages` tell; `tools` are neutral, where the source has them. Raises `SessionProblem`.

    `has_system` is true for whole requests, which tell that there was no system prompt; without one among other
    messages, nobody knows.
    """
    read = _ordinary([_checked(message, number) for number, message in enumerate(messages, 1)], notes)
    return _Builder(notes, tools, model, has_system).build(read)


@dataclass(slots=True)
class _Message:
    """A message in neutral form beside its raw form; of an assistant's message, the results of its calls."""

    raw: dict[str, Any]
    neutral: dict[str, Any]
    said: Said
    results: list[_Message | None] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    """The calls, by their place, that were not executed."""
    was_cut: bool = False
    """Asked for calls of which none was executed."""

    @property
    def role(self) -> str:
        return str(self.neutral["role"])

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.neutral.get("tool_calls") or []


def _checked(message: Any, number: int) -> _Message:
    if isinstance(message, Said):
        read = _Message(message.message, message.message, message, was_cut=message.cut)
    else:
        read = _chat_message(message, number)
    if any(not call["name"].strip() for call in read.calls):
        raise SessionProblem(f"message {number} calls a tool without a name")
    return read


def _chat_message(message: Any, number: int) -> _Message:
    if not isinstance(message, dict):
        raise SessionProblem(f"message {number} is not an object but {_kind(message)}")
    role = message.get("role")
    if role not in _ROLES:
        near = get_close_matches(str(role), _ROLES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SessionProblem(f"message {number} has the role {role!r}, which is none of {', '.join(_ROLES)}{hint}")
    if not isinstance(message.get("content"), (str, list, dict, type(None))):
        raise SessionProblem(
            f"message {number}: its content is {_kind(message['content'])}, not text or a list of parts"
        )
    neutral = neutral_message(message)
    return _Message(message, neutral, Said(neutral, failed=message.get("error") is True))


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")


# -- what an ordinary tool loop would have


def _ordinary(messages: list[_Message], notes: Notes) -> list[_Message]:
    """The conversation with every call answered and nothing else; tool messages hang on the message that asked."""
    kept: list[_Message] = []
    asking: _Message | None = None
    for message in messages:
        if message.role == "tool":
            _hang_on(message, asking, kept, notes)
            continue
        if message.role in ("user", "assistant"):
            asking = message if message.calls else None
            message.results = [None] * len(message.calls)
        kept.append(message)
    for message in kept:
        _drop_unanswered(message, notes)
    return [message for message in kept if message.role != "assistant" or not _says_nothing(message) or message.was_cut]


def _hang_on(result: _Message, asking: _Message | None, kept: list[_Message], notes: Notes) -> None:
    position = _answered_call(result, asking) if asking is not None else None
    if asking is not None and position is not None:
        asking.results[position] = result
    elif isinstance(result.neutral.get("name"), str) and result.neutral["name"].strip():
        notes.guess(ORPHANS)
        kept.append(result)
    else:
        notes.lose(NAMELESS)


def _answered_call(result: _Message, asking: _Message) -> int | None:
    call_id, name = result.neutral.get("tool_call_id"), result.neutral.get("name")
    open_calls = [i for i, answered in enumerate(asking.results) if answered is None]
    by_id = [i for i in open_calls if call_id is not None and asking.calls[i]["id"] == call_id]
    if call_id is not None and any(call["id"] is not None for call in asking.calls):
        fitting = by_id
    else:
        fitting = [i for i in open_calls if name is None or asking.calls[i]["name"] == name]
    named = [i for i in fitting if asking.calls[i]["name"] == name]
    return next(iter(named or fitting), None)


def _drop_unanswered(message: _Message, notes: Notes) -> None:
    executed = [i for i, result in enumerate(message.results) if result is not None]
    dropped = len(message.calls) - len(executed)
    if not dropped:
        return
    notes.lose(UNANSWERED_CALLS, dropped)
    message.was_cut = message.was_cut or not executed
    calls, results = message.calls, message.results
    message.dropped = [i for i in range(len(calls)) if i not in executed]
    message.neutral = message.neutral | {"tool_calls": [calls[i] for i in executed]}
    message.results = [results[i] for i in executed]


def _says_nothing(message: _Message) -> bool:
    return not message.calls and not message.neutral["content"]


# -- turns


class _Builder:
    def __init__(
        self, notes: Notes, tools: Sequence[dict[str, Any]] | None, model: str | None, has_system: bool
    ) -> None:
        self.notes = notes
        self.tools = tools
        self.model = model
        self.has_system = has_system
        self.conversation: list[dict[str, Any]] = []
        self.is_whole = True
        """Nothing in the conversation was redacted."""
        self.has_answers = True
        self.ids: set[str] = set()

    def build(self, messages: list[_Message]) -> Transcript:
        head = _leading(messages, "system")
        self.notes.lose(NO_SYSTEM, not (self.has_system or head))
        self.has_system = (self.has_system or head > 0) and not any(map(_is_redacted, messages[:head]))
        self.has_answers = not any(message.role == "assistant" and _is_redacted(message) for message in messages)
        self.notes.lose(NO_ANSWERS, not self.has_answers)
        self.conversation = [message.neutral for message in messages[:head]]
        shown = [message for message in messages[:head] if not _is_redacted(message)]
        self.notes.lose(REDACTED, head - len(shown))
        transcript = Transcript(context=_context(shown))
        for said, steps in _split(messages[head:]):
            if said and not any(step.role in ("assistant", "tool") for step in steps):
                transcript.unanswered = self._input(said)
                self.notes.lose(LATE_SYSTEM, sum(message.role == "system" for message in (*said, *steps)))
            elif any(message.role == "user" and _is_redacted(message) for message in said):
                if not transcript.turns:
                    raise SessionProblem("what the user said was redacted in the source, so there is nothing to play")
                self.notes.lose(NOT_PLAYED)
                break
            elif said or steps:
                transcript.turns.append(self._turn(said, steps))
        recorded = [response.response for turn in transcript.turns for response in turn.tool_responses]
        self.notes.lose(TEXTS, any(isinstance(response, str) for response in recorded))
        if not any(turn.is_played for turn in transcript.turns):
            raise SessionProblem(_nothing_to_play(messages))
        return transcript

    def _input(self, said: list[_Message]) -> Any:
        users = [message for message in said if message.role == "user"]
        self.notes.guess(MERGED, len(users) - 1)
        return joined_content([plain_content(message.neutral["content"]) for message in users])

    def _turn(self, said: list[_Message], steps: list[_Message]) -> Turn:
        given: dict[str, Any] = {}
        if said:
            system = [message for message in said if message.role == "system"]
            given["input"] = self._input(said)
            if system:
                given["context"] = _context(system)
            for message in system:
                self._tell(message)
            user = next(message.neutral for message in said if message.role == "user")
            self.conversation.append({**user, "content": given["input"]})
        else:
            self.notes.lose(TOOLS_FIRST, sum(len(step.calls) for step in steps))
        responses, answers = self._steps(steps)
        if responses:
            given["tool_responses"] = responses
        if answers and said and self.has_answers:
            given["llm_responses"] = answers
        return Turn(**given, **self._end(steps), **_when_and_where([*said, *steps]))

    def _steps(self, steps: list[_Message]) -> tuple[list[ToolResponse], list[LlmResponse]]:
        responses: list[ToolResponse] = []
        answers: list[LlmResponse] = []
        for step in steps:
            if step.role == "system":
                self.notes.guess(INNER_SYSTEM)
                self._tell(step)
            elif step.role == "tool":
                responses += self._orphan(step)
            elif step.role == "assistant" and not _says_nothing(step):
                answers.append(self._answer(step))
                self._tell(step)
                for call, result in zip(step.calls, step.results, strict=True):
                    assert result is not None
                    if result.said.is_tool:
                        responses += self._response(call, result)
                    self._tell(result)
        return responses, answers

    def _tell(self, message: _Message) -> None:
        """Later requests have it."""
        self.conversation.append(message.neutral)
        self.is_whole = self.is_whole and not _is_redacted(message)

    def _answer(self, step: _Message) -> LlmResponse:
        request = request_digests(self.conversation, tools=self.tools)
        if not self.has_system:
            request.system = None
        if not self.is_whole:
            request.messages = None
        given: dict[str, Any] = {"request": _given(request)}
        if step.said.latency_ms is not None:
            given["latency_ms"] = step.said.latency_ms
        if step.said.answer is not None:
            for call in step.calls:
                self._call(call)
            told = _without_calls(step.said.answer, step.dropped)
            known = {
                name: value for name in LlmResponse.model_fields if (value := getattr(told, name)) not in (None, [])
            }
            return LlmResponse(**{"content": None, **clean(model=self.model), **known, **given})
        given["content"] = plain_content(step.raw.get("content"))
        if step.calls:
            given["tool_calls"] = [self._call(call) for call in step.calls]
        if isinstance(step.raw.get("refusal"), str) and step.raw["refusal"]:
            given["refusal"] = step.raw["refusal"]
        model = step.raw.get("model") or self.model
        if isinstance(model, str):
            given["model"] = model
        return LlmResponse(**given)

    def _call(self, call: dict[str, Any]) -> RecordedToolCall:
        if call["id"] is not None:
            self.notes.guess(SAME_IDS, call["id"] in self.ids)
            self.ids.add(call["id"])
        self.notes.guess(RAW_ARGUMENTS, "raw_args" in call)
        return RecordedToolCall(**{key: value for key, value in call.items() if value is not None})

    def _response(self, call: dict[str, Any], result: _Message) -> list[ToolResponse]:
        given: dict[str, Any] = {key: call[key] for key in ("args", "raw_args") if key in call}
        for key, value in (call.get("args") or {}).items():
            if redacted_paths(value) or cut(value):
                self._hide(value)
                given["args"] = {name: kept for name, kept in given["args"].items() if name != key}
        if call["id"] is not None:
            given["call_id"] = call["id"]
        return self._recorded(call["name"], result, given)

    def _orphan(self, result: _Message) -> list[ToolResponse]:
        return self._recorded(result.neutral["name"], result, {})

    def _recorded(self, tool: str, result: _Message, given: dict[str, Any]) -> list[ToolResponse]:
        """The recording; none where the source does not have the result."""
        response = plain_content(result.neutral["content"])
        if redacted_paths(response):
            self._hide(response)
        if redacted(response):
            self.notes.lose(NO_RESULT)
            return []
        self.notes.guess(SHORTENED, cut(response) is not None)
        if result.said.latency_ms is not None:
            given["latency_ms"] = result.said.latency_ms
        if result.said.failed:
            given["failed"] = True
        elif error_in(response) is not None:
            given["failed"] = True
            self.notes.guess(FAILED_TEXT)
        return [ToolResponse(tool=tool, response=response, **given)]

    def _hide(self, value: Any) -> None:
        """Counts what the source does not show."""
        how = cut(value)
        self.notes.lose(f"{CUT} ({how})" if how else REDACTED)

    def _end(self, steps: list[_Message]) -> dict[str, Any]:
        """How the turn ended, and the agent's last text."""
        spoken = [step for step in steps if step.role in ("assistant", "tool")]
        if not spoken:
            return {}
        last = spoken[-1]
        if last.role == "tool" or last.calls:
            return {"ended": "after_tool"}
        texts = [step for step in spoken if step.role == "assistant" and not step.calls and not _says_nothing(step)]
        self.notes.guess(SEVERAL_TEXTS, len(texts) > 1)
        end: dict[str, Any] = {"ended": "cut"} if last.was_cut else {}
        if texts and texts[-1] is last:
            output = _spoken(last)
            if redacted_paths(output) or cut(output):
                self._hide(output)
            else:
                end["output"] = output
        return end


def _is_redacted(message: _Message) -> bool:
    """A placeholder stands for a part of it."""
    args = [call.get("args", call.get("raw_args")) for call in message.calls]
    return bool(redacted_paths([message.neutral["content"], args]))


def _given(request: LlmRequestDigests) -> LlmRequestDigests:
    return LlmRequestDigests(**request.model_dump(exclude_none=True))


def _without_calls(answer: LlmResponse, dropped: list[int]) -> LlmResponse:
    """The answer without the calls at these places; its parts name calls by their place."""
    if not dropped:
        return answer
    gone = [answer.tool_calls[index] for index in dropped]
    kept = answer_of([part for part in parts_of(answer) if not any(part.call is call for call in gone)])
    return answer.model_copy(update={"content": kept.content, "tool_calls": kept.tool_calls})


def _spoken(message: _Message) -> Any:
    answer = message.said.answer
    if answer is not None:
        return answer_text(answer) or answer.refusal
    return plain_content(message.raw.get("content")) or message.raw.get("refusal")


def _when_and_where(messages: list[_Message]) -> dict[str, Any]:
    """When the turn began, and where it is heard, as far as the source says."""
    started = next((message.said.started for message in messages if message.role != "system"), None)
    if started is not None and not 0 < started < _LAST_TIME:
        started = None
    audio = [place for message in messages for place in message.said.audio]
    return clean(started_at=None if started is None else time_text(started), audio=audio or None)


def _leading(messages: list[_Message], role: str) -> int:
    return next((index for index, message in enumerate(messages) if message.role != role), len(messages))


def _split(messages: list[_Message]) -> list[tuple[list[_Message], list[_Message]]]:
    """Pairs of what was said to the agent (user messages, and system messages before them) and what it did then."""
    pairs: list[tuple[list[_Message], list[_Message]]] = [([], [])]
    for index, message in enumerate(messages):
        said, steps = pairs[-1]
        if message.role != "user" and not (message.role == "system" and _user_is_next(messages, index)):
            steps.append(message)
        elif steps:
            pairs.append(([message], []))
        else:
            said.append(message)
    return pairs


def _user_is_next(messages: list[_Message], index: int) -> bool:
    following = next((message for message in messages[index:] if message.role != "system"), None)
    return following is not None and following.role == "user"


def _nothing_to_play(messages: list[_Message]) -> str:
    if not any(message.role == "user" for message in messages):
        return "there is no user message, so there is nothing to play"
    return "the agent never answered, so there is nothing to play"


# -- contents


def _context(messages: list[_Message]) -> Any:
    """One system text as text, anything else as messages."""
    if not messages:
        return None
    contents = [plain_content(message.neutral["content"]) for message in messages]
    if len(contents) == 1 and isinstance(contents[0], str):
        return contents[0]
    return [{"role": "system", "content": content} for content in contents]
