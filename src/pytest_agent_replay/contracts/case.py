"""What a check sees: one session (a new run, or what production did), and the turns of it that an invariant is
about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.contracts.plain import folded, plain
from pytest_agent_replay.formats.replay import ReplayFile, Turn
from pytest_agent_replay.player.values import covers
from pytest_agent_replay.trace.model import LlmCallView, ToolCallView, Trace
from pytest_agent_replay.trace.recorded import recorded_trace

if TYPE_CHECKING:
    from pytest_agent_replay.contracts.grounds import Grounds, SharedSources

__all__ = ["CannotEvaluate", "Case", "NoAnswer", "Services", "SessionView", "TakesTooLong", "excerpt", "json_in",
           "name_matches", "parsed_json", "text_of", "texts_of"]  # fmt: skip


class NoAnswer(Exception):
    """The agent gave no answer that a check could be about: none, or none of the form that the check is about.

    Fails the invariant, negated or not.
    """

    def __init__(self, message: str, evidence: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.evidence = evidence


class CannotEvaluate(Exception):
    """What a check needs is not known: an error of the invariant, and `unknown` on a recording."""


class TakesTooLong(CannotEvaluate):
    """A check was stopped. Its other turns are not tried: they might take as long."""


@dataclass(slots=True)
class Services:
    """What the project gives to checks."""

    judge: Callable[..., Any] | None = None
    """Called as `judge(rubric=…, answer=…, input=…, trace=…)`; returns True or False, a score from 0 to 1, or
    `(score, reason)`."""
    embed: Callable[[list[str]], Sequence[Sequence[float]]] | None = None
    """Texts to vectors. None: the offline similarity."""
    allow_python: bool = False
    root: Path = field(default_factory=Path)
    resolve_reference: Callable[[str], Any] | None = None
    """`pkg.mod:name` to the object, under the rules for references in files. Raises `ReplayError`."""


def text_of(output: Any) -> str:
    """The text of an answer: a string as it is, anything else as JSON."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)


def json_in(output: Any) -> Any:
    """An answer as JSON: a structured one as it is, a text parsed, and of a fenced block alone in it the content.

    Raises `ValueError` for what is not JSON: `NaN` and `Infinity` are not.
    """
    if not isinstance(output, str):
        return output
    text = output.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        text = text[text.index("\n") + 1 : -3]
    return parsed_json(text)


def parsed_json(text: str) -> Any:
    """Raises `ValueError` for what is not JSON."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def excerpt(text: str, start: int, end: int, width: int = 40) -> str:
    """The piece of a text around `[start:end]`, in one line."""
    left, right = max(0, start - width), min(len(text), end + width)
    piece = " ".join(text[left:right].split())
    return f"{'…' if left else ''}{piece}{'…' if right < len(text) else ''}"


def texts_of(output: Any) -> Iterator[str]:
    """What can be read in an answer: its text, and of a structured answer each text in it, without JSON's escapes."""
    yield text_of(output)
    if not isinstance(output, str):
        yield from _texts_in(output)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts_in(item)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def name_matches(pattern: str, tool: str) -> bool:
    """Whether a tool's name is the one given, or fits the glob given."""
    return pattern == tool or fnmatchcase(tool, pattern)


class SessionView:
    """One session, with everything that several checks ask for computed once.

    `recorded`: the trace is what production did. What the recording does not hold raises `CannotEvaluate` there.
    """

    __slots__ = (
        "_all_calls",
        "_beside",
        "_calls_unknown",
        "_grounds",
        "_llm_calls",
        "_phrases",
        "_recorded_turns",
        "_sources",
        "answered",
        "last",
        "outputs",
        "played",
        "recorded",
        "replay",
        "services",
        "tags",
        "trace",
    )

    def __init__(
        self,
        trace: Trace,
        replay: ReplayFile,
        services: Services,
        *,
        tags: Iterable[str] = (),
        recorded: bool = False,
        beside: SessionView | None = None,
    ) -> None:
        """`beside` is another view of the same replay: what was given in both is read once."""
        self.trace = trace
        self.replay = replay
        self.services = services
        self.tags = {*tags, *replay.tags}
        self.recorded = recorded
        turns = self._recorded_turns = replay.turn_list
        self._beside = beside
        self._sources: SharedSources | None = None
        self._grounds: dict[int, Grounds] = {}
        self._phrases: dict[int, list[tuple[str, str]]] = {}
        self._all_calls: list[ToolCallView] | None = None
        self._llm_calls: list[LlmCallView] | None = None
        self._calls_unknown: str | None = None
        self.outputs: dict[int, Any] = trace.outputs()
        """The answers, by turn."""
        self.played: list[int]
        """The numbers of the turns in which the user says something."""
        self.answered: list[int]
        """The played turns that call for an answer: not those that a tool, or the end of the recording, ended."""
        self.last: int | None
        """The last turn that production answered; without any recorded answer, the last one that is played."""
        if beside is not None:
            self.played, self.answered, self.last = beside.played, beside.answered, beside.last
            return
        self.played = [n for n, turn in enumerate(turns, 1) if turn.is_played]
        self.answered = [n for n in self.played if turns[n - 1].ended == "answered"]
        with_output = [n for n in self.answered if turns[n - 1].given("output")]
        candidates = with_output or self.answered or self.played
        self.last = candidates[-1] if candidates else None

    def original(self) -> SessionView:
        """The view of what production did."""
        return SessionView(
            recorded_trace(self.replay), self.replay, self.services, tags=self.tags, recorded=True, beside=self
        )

    # -- turns

    def _turn(self, number: int) -> Turn:
        return self._recorded_turns[number - 1]

    def ended_without_answer(self, turn: int) -> bool:
        """Whether a turn that calls for no answer is over: the agent came back, or in production a tool ended it."""
        if turn in self.answered:
            return False
        return turn in self.outputs or (self.recorded and self._turn(turn).ended == "after_tool")

    # -- answers

    def output(self, turn: int) -> Any:
        """The answer of a turn. Raises `NoAnswer`, `CannotEvaluate`."""
        output = self.outputs.get(turn)
        if output is not None:
            return output
        if self.recorded:
            if turn in self.outputs:
                raise NoAnswer(f"In turn {turn}, production answered nothing (null).")
            if self._turn(turn).error is not None:
                raise NoAnswer(self._why_no_answer(turn))
            raise CannotEvaluate(f"the recording holds no `output` of turn {turn}")
        raise NoAnswer(self._why_no_answer(turn))

    def phrases(self, turn: int) -> list[tuple[str, str]]:
        """The texts of a turn's answer, `plain` and `folded`, to look for phrases. Raises as `output`."""
        found = self._phrases.get(turn)
        if found is None:
            lines = [plain(text) for text in texts_of(self.output(turn))]
            found = self._phrases[turn] = [(line, line.casefold()) for line in lines]
        return found

    def _why_no_answer(self, turn: int) -> str:
        error = self.trace.failures().get(turn)
        if error is not None:
            kind, message = error.get("type") or "an exception", error.get("message") or ""
            return f"In turn {turn}, the agent raised {kind}{f': {message}' if message else ''} instead of answering."
        if turn in self.outputs:
            return f"In turn {turn}, the agent returned no answer (None)."
        return f"Turn {turn} was not answered: the session ended before."

    def baseline(self, turn: int) -> Any:
        """What production answered in a turn. Raises `CannotEvaluate` when that is not recorded."""
        recorded = self._turn(turn)
        if not recorded.given("output") or recorded.output is None:
            raise CannotEvaluate(f"the recording holds no `output` of turn {turn} to compare with")
        return recorded.output

    # -- calls

    @property
    def all_calls(self) -> list[ToolCallView]:
        if self._all_calls is None:
            self._all_calls = self.trace.tool_calls
        return self._all_calls

    @property
    def calls(self) -> list[ToolCallView]:
        """Every tool call, in order. Raises `CannotEvaluate` when the recording does not say what was called."""
        if self.recorded:
            if self._calls_unknown is None:
                self._calls_unknown = self._why_calls_unknown()
            if self._calls_unknown:
                raise CannotEvaluate(self._calls_unknown)
        return self.all_calls

    def _why_calls_unknown(self) -> str:
        """Empty where the recording says what was called."""
        turns = self._recorded_turns
        if self.replay.turns is not None and any(r.origin == "production" for r in self.replay.tool_responses):
            return "recordings at the top of a file do not say in which turn production called them"
        if any("*" in call.tool for call in self.all_calls):
            return "a recording for any tool (`*`) does not say which tool production called"
        if not self.all_calls and not any(turn.given("output") or turn.llm_responses for turn in turns):
            return "the recording holds neither calls nor answers of production"
        return ""

    @property
    def llm_calls(self) -> list[LlmCallView]:
        if self._llm_calls is None:
            self._llm_calls = self.trace.llm_calls
        return self._llm_calls

    @property
    def llm_is_recorded(self) -> bool:
        """Whether the model's answers are known for every turn."""
        return not self.recorded or all(
            turn.llm_responses is not None for turn in self._recorded_turns if turn.is_played
        )

    def knows_args(self, call: ToolCallView) -> bool:
        """Whether the arguments of a call are known; a recording may leave them out."""
        if not self.recorded or call.recording is None:
            return True
        return self.replay.recording(call.recording).args is not None

    # -- faults

    def tool_failed(self, name: str | None = None) -> bool:
        """Whether a call (of the named tool) failed, or nothing recorded answered it."""
        return any(call.went_wrong and (name is None or name_matches(name, call.tool)) for call in self.calls)

    @property
    def llm_failed(self) -> bool:
        return any(call.failed for call in self.llm_calls)

    # -- what answers may rest on

    def grounds(self, turn: int) -> Grounds:
        """What tools, user and context have given up to and including a turn."""
        found = self._grounds.get(turn)
        if found is None:
            found = self._grounds[turn] = self._shared_sources.grounds(self.sources(turn))
        return found

    def sources(self, turn: int) -> list[tuple[str, Any, bool]]:
        """`(where from, value, is_prose)` of everything that was given up to and including a turn."""
        replay = self.replay
        found: list[tuple[str, Any, bool]] = []
        for event in self.trace.events:
            if event.type == "run_started" and event.turn <= turn:
                found.append(("the context", event.payload.get("context"), True))
                found.append((f"the input of turn {event.turn}", event.payload.get("input"), True))
        found.append(("the context", replay.context, True))
        if replay.agent_config and isinstance(prompt := replay.agent_config.get("system_prompt"), str):
            found.append(("the system prompt", prompt, True))
        if len(self.played) < len(self._recorded_turns):
            for number, recorded in enumerate(self._recorded_turns[:turn], 1):
                if not recorded.is_played:
                    found += [(f"what was said in turn {number}", said["content"], True) for said in recorded.messages]
        for call in self.all_calls:
            if call.turn <= turn:
                found.append((call.tool, call.result, False))
                if call.error and not call.unrecorded:  # which we say, with the arguments of the call
                    found.append((call.tool, call.error.get("message"), False))
        if self.recorded and replay.turns is not None:
            found.extend((r.tool, r.response, False) for r in replay.tool_responses if r.origin == "production")
        return [source for source in found if source[1] is not None]

    @property
    def _shared_sources(self) -> SharedSources:
        if self._sources is None:
            if self._beside is not None:
                self._sources = self._beside._shared_sources
            else:
                from pytest_agent_replay.contracts.grounds import SharedSources

                self._sources = SharedSources()
        return self._sources


class Case:
    """The turns of a session that one evaluation of a check is about: one turn, several, or the whole session."""

    __slots__ = ("session", "turns", "whole")

    def __init__(self, session: SessionView, turns: Sequence[int], *, whole: bool = False) -> None:
        self.session = session
        self.turns = turns
        self.whole = whole

    @property
    def turn(self) -> int:
        """The turn, for checks that look at one; of several the last."""
        return self.turns[-1]

    def sentence(self, text: str) -> str:
        """`text` (which begins small) as a sentence that says which turn it is about, where there are several."""
        if len(self.session.played) <= 1:
            return text[:1].upper() + text[1:]
        where = "In the session" if self.whole else f"In turn {', '.join(map(str, self.turns))}"
        return f"{where}, {text}"

    @property
    def output(self) -> Any:
        """The answer. Raises `NoAnswer`, `CannotEvaluate`."""
        return self.session.output(self.turn)

    @property
    def text(self) -> str:
        """The answer's text. Raises `NoAnswer`, `CannotEvaluate`."""
        return text_of(self.output)

    def find(self, phrase: str) -> str | None:
        """The place of a phrase in the answer, as an excerpt: typography, blanks and case aside. None: it is not there.

        Raises `NoAnswer`, `CannotEvaluate`.
        """
        wanted = folded(phrase)
        for line, lower in self.session.phrases(self.turn):
            start = lower.find(wanted)
            if start >= 0:
                shown = line if len(line) == len(lower) else lower
                return excerpt(shown, start, start + len(wanted))
        return None

    @property
    def calls(self) -> list[ToolCallView]:
        """The tool calls in these turns. Raises `CannotEvaluate`."""
        calls = self.session.calls
        return calls if self.whole else [call for call in calls if call.turn in self.turns]

    @property
    def llm_calls(self) -> list[LlmCallView]:
        """The model calls in these turns, as far as they are known."""
        calls = self.session.llm_calls
        return calls if self.whole else [call for call in calls if call.turn in self.turns]

    def calls_of(self, tool: str, args: dict[str, Any] | None = None) -> list[ToolCallView]:
        """The calls of a tool (a name or a glob) whose arguments have at least `args`. Raises `CannotEvaluate`."""
        calls = [call for call in self.calls if name_matches(tool, call.tool)]
        if args is None:
            return calls
        for call in calls:
            if not self.session.knows_args(call):
                raise CannotEvaluate(f"the recording does not say with which arguments {call.tool} was called")
        return [call for call in calls if covers(args, call.full_args)]
