"""A recorded run → the session of a replay file, in the same way for every source.

What is missing, cut off or redacted in the source is kept apart: it never becomes an expected value (an argument that
must match, the baseline, a recorded answer), and the file says what was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_agent_replay.formats.replay import (
    ErrorSpec,
    LlmRequestDigests,
    LlmResponse,
    RecordedToolCall,
    ReplayFile,
    Source,
    ToolResponse,
    Turn,
)
from pytest_agent_replay.formats.times import time_text
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.llm.reading import content_text
from pytest_agent_replay.sources.failures import error_in
from pytest_agent_replay.sources.joining import Joined, join_calls
from pytest_agent_replay.sources.markers import cut, redacted, redacted_paths
from pytest_agent_replay.sources.messages import joined_content, plain_content, read_conversation
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.spans import MISSING, Model, RunSession, Span
from pytest_agent_replay.sources.trees import Unit, put_times_right, units_of

__all__ = ["build_session"]

Message = dict[str, Any]

UNTRACED = "tool calls of which the source has no run: the result is what the model was told"
NO_RESULT = "tool calls whose result the source does not have, left out"
EQUAL = "equal tool calls of one answer, whose runs are taken in their order"
UNEXPLAINED = "failed tool calls whose error the source does not tell: recorded as the text that the model was told"
FAILED_TEXT = "tool results that say that the tool failed, marked `failed`"
REDACTED = "values that the source redacted"
CUT = "values that the source cut off"
NO_ANSWERS = "all model answers: the source does not have the content of some"
NO_REQUESTS = "what the model was asked, where the source does not have it as messages: it is not compared"
NOT_PLAYED = "turns from the first on that has no input"
FEW_SHOT = "messages before the first user message of the session, which the agent is thought to add by itself"
HISTORY = "the conversation before the first turn, which the model was given: it is the `context`"
NO_END = "the end of the session: the source has no end of its last run"


def build_session(run: RunSession) -> ImportedSession:
    """The session as a replay file. Raises `SessionProblem` when nothing of it can be played."""
    return _Builder(run).build()


@dataclass(slots=True)
class _Part:
    """A turn on its way into the file."""

    unit: Unit
    said: list[Message] = field(default_factory=list)
    """The user's messages with which it begins, as the first request of the turn has them."""
    history: list[Message] = field(default_factory=list)
    system: list[Message] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    """The first request."""


class _Builder:
    def __init__(self, run: RunSession) -> None:
        self.run = run
        self.notes: Notes = run.notes
        put_times_right(run.traces, self.notes)
        traces = sorted(run.traces, key=lambda trace: (trace.started is None, trace.started or 0.0, trace.id))
        self.parts = [_part(unit) for trace in traces for unit in units_of(trace, self.notes)]
        self.has_all_answers = all(_is_known(span) for part in self.parts for span in part.unit.models)

    def build(self) -> ImportedSession:
        """The whole session."""
        if not self.has_all_answers:
            self.notes.lose(NO_ANSWERS)
        turns = self._turns()
        data: dict[str, Any] = {"source": Source(**self.run.source), **self._labels()}
        context = self._context()
        if context is not None:
            data["context"] = context
        if len(turns) == 1 and not turns[0].model_fields_set & {"started_at", "notes", "scores"}:
            data.update((name, getattr(turns[0], name)) for name in turns[0].model_fields_set)
        else:
            data["turns"] = turns
        return ImportedSession(ReplayFile(**data), self.run.id, self.run.where or self.run.id, self.notes)

    # -- about the session

    def _labels(self) -> dict[str, Any]:
        run = self.run
        started = next((part.unit.started for part in self.parts if part.unit.started is not None), None)
        given = {
            "name": run.name,
            "captured_at": time_text(started) if started is not None else None,
            "tags": list(dict.fromkeys(run.tags)),
            "expected_failure": run.expected_failure,
            "metadata": run.metadata,
            "scores": run.scores,
            "notes": "\n".join(run.remarks),
            "agent_config": self._agent_config(),
        }
        return {key: value for key, value in given.items() if value}

    def _agent_config(self) -> dict[str, Any]:
        """The model and the prompt that production ran with, as its first model call has them."""
        config = dict(self.run.agent_config)
        first = next((span.what for part in self.parts for span in part.unit.models), None)
        if isinstance(first, Model):
            if first.name is not None:
                config.setdefault("model", first.name)
            for key, value in first.settings.items():
                config.setdefault(key, value)
        prompt = next((part.system for part in self.parts if part.system), [])
        texts = [content_text(message.get("content")) for message in prompt]
        if texts and not _is_hidden("\n\n".join(texts)):
            config.setdefault("system_prompt", "\n\n".join(texts))
        return config

    def _context(self) -> Any:
        """The messages that the agent was given before its first turn; None when it was given none."""
        first = self.parts[0] if self.parts else None
        if first is None:
            return None
        given = read_conversation(first.unit.input) if isinstance(first.unit.input, (dict, list)) else None
        passed = [m for m in (given or [])[: _said_at(given or [])[0]] if not _is_hidden(m.get("content"))]
        if len(passed) == 1 and passed[0].get("role") == "system":
            return plain_content(passed[0].get("content"))
        if passed:
            return passed
        if not first.history:
            return None
        if self.run.is_part:
            self.notes.guess(HISTORY)
            return first.history
        self.notes.guess(FEW_SHOT)
        return None

    # -- turns

    def _turns(self) -> list[Turn]:
        turns: list[Turn] = []
        for index, part in enumerate(self.parts):
            given = self._said(part)
            if given is MISSING and (turns or not self._is_greeting(part)):
                if not turns:
                    raise SessionProblem(self._why_not(part))
                self.notes.lose(NOT_PLAYED)
                break
            following = self.parts[index + 1] if index + 1 < len(self.parts) else None
            turns.append(self._turn(part, given, following))
        if not any(turn.is_played for turn in turns):
            raise SessionProblem(self._why_not(self.parts[0] if self.parts else None))
        return turns

    def _is_greeting(self, part: _Part) -> bool:
        """The agent spoke first."""
        return (
            len(self.parts) > 1 and not part.said and part.unit.input is MISSING and self._output(part) is not MISSING
        )

    def _why_not(self, part: _Part | None) -> str:
        if part is None or not (part.unit.calls or part.unit.input is not MISSING):
            return "there is no model call, tool call or input in it, so there is nothing to play"
        hidden = [value for value in (part.unit.input, *_contents(part.said)) if _is_hidden(value)]
        if hidden:
            return f"what the user said is not in the source: {_marker(hidden[0])}"
        return (
            "what the user said is not in the source. Was the content of messages recorded? "
            "Many tracers leave it out unless they are told to keep it"
        )

    def _said(self, part: _Part) -> Any:
        """The input of the turn: what the agent was called with, in which what the user said is looked for."""
        contents = [content for content in _contents(part.said) if not _is_hidden(content)]
        said = joined_content(contents) if contents else MISSING
        given = part.unit.input
        if given is MISSING or given is None or given in ({}, [], ""):
            return said
        found = _input_in(given, said)
        if not _is_hidden(found):
            return found
        self._hide(found)
        return said

    def _turn(self, part: _Part, said: Any, following: _Part | None) -> Turn:
        data: dict[str, Any] = {}
        if said is not MISSING:
            data["input"] = said
        unit = part.unit
        joined = join_calls(unit.calls, following.messages if following is not None else ())
        self.notes.guess(EQUAL, sum(each.is_guess for each in joined))
        responses = [response for each in joined if (response := self._response(each)) is not None]
        if responses:
            data["tool_responses"] = responses
        if said is not MISSING and self.has_all_answers and unit.models:
            data["llm_responses"] = [self._answer(span) for span in unit.models]
            self.notes.lose(NO_REQUESTS, sum(answer.request is None for answer in data["llm_responses"]))
        output = self._output(part)
        if output is not MISSING:
            data["output"] = output
        elif unit.error is not None:
            data["error"] = unit.error
        elif following is None and not unit.has_ended:
            data["ended"] = "cut"
            self.notes.lose(NO_END)
        elif unit.calls and (not isinstance(unit.calls[-1].what, Model) or _asks(unit.calls[-1].what)):
            data["ended"] = "after_tool"
        if len(self.parts) > 1:
            if unit.started is not None:
                data["started_at"] = time_text(unit.started)
            if unit.scores:
                data["scores"] = unit.scores
        else:
            self.run.scores = {**unit.scores, **self.run.scores}
        return Turn(**data)

    def _output(self, part: _Part) -> Any:
        """What the agent answered: what its run returned, or what its model said last."""
        unit = part.unit
        if unit.error is not None:
            return MISSING
        last = unit.models[-1].what if unit.models else None
        answer = last.answer if isinstance(last, Model) and not _asks(last) else None
        text = plain_content(answer.get("content")) if answer is not None else MISSING
        if text in (None, "", []):
            text = last.refusal if isinstance(last, Model) and last.refusal else MISSING
        found = _output_in(unit.output, text)
        for value in (found, text):
            if value is MISSING or value is None:
                continue
            if not _is_hidden(value):
                return value
            self._hide(value)
        return MISSING

    # -- tools

    def _response(self, joined: Joined) -> ToolResponse | None:
        tool, run = joined.tool, joined.run
        data: dict[str, Any] = {"tool": joined.name}
        self._arguments(joined, data)
        call_id = (joined.call or {}).get("id") or (tool.call_id if tool is not None else None)
        if call_id:
            data["call_id"] = call_id
        if not self._outcome(joined, data):
            self.notes.lose(NO_RESULT)
            return None
        if run is not None and run.latency_ms is not None:
            data["latency_ms"] = run.latency_ms
        return ToolResponse(**data)

    def _arguments(self, joined: Joined, data: dict[str, Any]) -> None:
        """Those that the model sent, without what its tracer or the signature added."""
        call, tool = joined.call, joined.tool
        if call is not None and "raw_args" in call:
            data["raw_args"] = call["raw_args"]
        args = call.get("args") if call is not None else None
        if args is None or (redacted_paths(args) and tool is not None and tool.args is not None):
            args = tool.args if tool is not None and tool.args is not None else args
        if args is not None:
            data["args"] = self._known_arguments(args)
        elif tool is not None and tool.bare is not MISSING and "raw_args" not in data and not _is_hidden(tool.bare):
            data["raw_args"] = tool.bare if isinstance(tool.bare, str) else str(tool.bare)

    def _known_arguments(self, args: dict[str, Any]) -> dict[str, Any]:
        known = {}
        for key, value in args.items():
            if _is_hidden(value) or redacted_paths(value):
                self._hide(value)
            else:
                known[key] = value
        return known

    def _outcome(self, joined: Joined, data: dict[str, Any]) -> bool:
        """How the call ended; False when nobody knows."""
        tool, run = joined.tool, joined.run
        told = plain_content(joined.told.get("content")) if joined.told is not None else MISSING
        if told is not MISSING and _is_hidden(told):
            self._hide(told)
            told = MISSING
        if run is not None and run.error is not None:
            return self._raised(run.error, tool.result if tool is not None else MISSING, told, data)
        result = tool.result if tool is not None else MISSING
        if result is not MISSING and (_is_hidden(result) or redacted_paths(result)):
            self._hide(result)
            result = told if told is not MISSING or redacted(result) else result
        elif result is MISSING and told is not MISSING:
            self.notes.guess(UNTRACED)
            result = told
        if result is MISSING:
            return False
        data["response"] = result
        if tool is not None and tool.status is not None:
            data["status"] = tool.status
        is_untraced = tool is None or tool.result is MISSING
        is_marked = is_untraced and joined.told is not None and joined.told.get("error") is True
        if is_marked or (tool is not None and tool.failed):
            data["failed"] = True
        elif error_in(result) is not None and not (tool is not None and tool.status is not None and tool.status >= 400):
            data["failed"] = True
            self.notes.guess(FAILED_TEXT)
        return True

    def _raised(self, error: ErrorSpec, result: Any, told: Any, data: dict[str, Any]) -> bool:
        is_told = error.message and not redacted(error.message)
        text = next((value for value in (told, result) if isinstance(value, str) and value), None)
        if is_told or text is None:
            data["error"] = error
            if not is_told:
                self._hide(error.message)
            return True
        self.notes.guess(UNEXPLAINED)
        data.update(response=text, failed=True)
        return True

    # -- model answers

    def _answer(self, span: Span) -> LlmResponse:
        model = span.what
        assert isinstance(model, Model)
        data: dict[str, Any] = {}
        if model.name is not None:
            data["model"] = model.name
        if model.answer is not None:
            data["content"] = plain_content(model.answer.get("content"))
            calls = model.answer.get("tool_calls") or []
            if calls:
                data["tool_calls"] = [
                    RecordedToolCall(**{key: value for key, value in call.items() if value is not None})
                    for call in calls
                ]
        elif span.error is not None:
            data["error"] = span.error
            status = span.error.attributes.get("status_code", span.error.attributes.get("status"))
            if isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599:
                data["status"] = status
        for name in ("usage", "finish_reason", "refusal", "reasoning"):
            if getattr(model, name) is not None:
                data[name] = getattr(model, name)
        request = _request(model)
        if request is not None:
            data["request"] = request
        if span.latency_ms is not None:
            data["latency_ms"] = span.latency_ms
        return LlmResponse(**data)

    def _hide(self, value: Any) -> None:
        """Counts what the source does not show."""
        how = cut(value)
        self.notes.lose(f"{CUT} ({how})" if how else REDACTED)


# -- reading a turn


def _part(unit: Unit) -> _Part:
    first = next((s.what.messages for s in unit.models if isinstance(s.what, Model) and s.what.messages), None)
    if first is None:
        return _Part(unit)
    head = next((i for i, message in enumerate(first) if message.get("role") != "system"), len(first))
    begin, end = _said_at(first)
    return _Part(unit, first[begin:end], [*first[head:begin]], first[:head], first)


def _said_at(messages: Sequence[Message]) -> tuple[int, int]:
    """Where the last thing that the user said stands: the last user message, with those right before it."""
    last = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].get("role") == "user"), None)
    if last is None:
        return 0, 0
    begin = last
    while begin > 0 and messages[begin - 1].get("role") == "user":
        begin -= 1
    return begin, last + 1


def _is_known(span: Span) -> bool:
    model = span.what
    if not isinstance(model, Model):
        return True
    if model.answer is None:
        return span.error is not None
    hidden = [model.answer.get("content"), *(call.get("args") for call in model.answer.get("tool_calls") or [])]
    return not any(_is_hidden(value) or redacted_paths(value) for value in hidden)


def _asks(model: Model) -> bool:
    return bool((model.answer or {}).get("tool_calls"))


def _request(model: Model) -> LlmRequestDigests | None:
    """What of the request is known for sure."""
    if model.messages is None:
        return None
    made = request_digests(model.messages, tools=model.tools)
    values = [(message.get("role") == "system", message) for message in model.messages]
    hidden = {
        is_system for is_system, message in values if _is_hidden(message.get("content")) or redacted_paths(message)
    }
    if any(_is_parsed(message) for message in model.messages):
        hidden.add(False)
    known = {
        "system": None if True in hidden else made.system,
        "messages": None if False in hidden else made.messages,
        "tools": made.tools,
    }
    return LlmRequestDigests(**{key: value for key, value in known.items() if value is not None})


# -- values


def _input_in(given: Any, said: Any) -> Any:
    """What the user said in what the agent was called with."""
    messages = read_conversation(given) if isinstance(given, (dict, list)) else None
    if messages:
        begin, end = _said_at(messages)
        contents = _contents(messages[begin:end])
        if contents:
            return joined_content(contents)
    texts = list(_texts(given))
    if isinstance(said, str):
        if said in texts:
            return said
        within = [text for text in texts if text.strip() and text in said]
        if within:
            return max(within, key=len)
    if isinstance(given, dict) and len(given) == 1 and len(texts) == 1:
        return texts[0]
    return given


def _output_in(given: Any, text: Any) -> Any:
    """The agent's answer in what its run returned."""
    if given is MISSING or given is None or given in ({}, []):
        return MISSING
    messages = read_conversation(given) if isinstance(given, (dict, list)) else None
    if messages:
        last = messages[-1]
        is_answer = last.get("role") == "assistant" and not last.get("tool_calls")
        return plain_content(last.get("content")) if is_answer else MISSING
    if isinstance(given, dict) and len(given) == 1 and isinstance(text, str) and text in given.values():
        return text
    return given


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _contents(messages: Sequence[Message]) -> list[Any]:
    return [plain_content(message.get("content")) for message in messages]


def _is_hidden(value: Any) -> bool:
    """It is not what it was: cut off, or a placeholder stands for it."""
    if not isinstance(value, str):
        return False
    return redacted(value) is not None or cut(value) is not None


def _is_parsed(message: Message) -> bool:
    """A tool message of which the source has the data, and nobody knows the text that was sent."""
    content = message.get("content")
    if message.get("role") != "tool" or content is None or isinstance(content, str):
        return False
    return not (isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content))


def _marker(value: Any) -> str:
    return str(redacted(value) or cut(value))
