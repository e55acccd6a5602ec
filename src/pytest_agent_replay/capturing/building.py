"""What a capture has seen → a replay file, with what was guessed, lost and taken out on the way.

The outermost call that can be recorded is the recording. A call whose result has no JSON form is left out where there
are calls inside of it that can stand for it: a replay lets the tool run, and answers these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from pydantic import ValidationError

from pytest_agent_replay.capturing.secrets import Scrubber
from pytest_agent_replay.capturing.session import cleaned
from pytest_agent_replay.capturing.values import recorded
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.summary import AS_CAPTURED
from pytest_agent_replay.sources.session import Notes

__all__ = ["Built", "build", "usable"]

Event = dict[str, Any]

_JUST_UNDER = 0.99
_SURELY_OVER = 1.05
"""What a recorded latency is multiplied with, so that a timer fires in a replay where it did, and else does not."""


@dataclass(slots=True)
class _Call:
    """A call with its outcome."""

    begin: Event
    end: Event | None = None
    inner: list[_Call] = field(default_factory=list)

    @property
    def number(self) -> int:
        return int(self.begin["n"])

    @property
    def is_tool(self) -> bool:
        return bool(self.begin["kind"] == "tool")

    def kept(self) -> list[_Call]:
        """The calls that stand for this one in the file."""
        if self.end is not None and "lossy" not in self.end:
            return [self]
        inner = [call for each in self.inner for call in each.kept()]
        return inner or ([] if self.end is None else [self])


_NOTHING: Any = object()


@dataclass(slots=True)
class _Turn:
    number: int = 0
    input: Any = None
    """What the user said; `_NOTHING` where the agent spoke first."""
    at: float | None = None
    guessed: bool = False
    is_before: bool = False
    """It was over when the capture began."""
    context: Any = None
    overrides: dict[str, Any] | None = None
    """Settings of the agent; None where no call of it was seen."""
    output: Event | None = None
    raised: Event | None = None
    calls: list[_Call] = field(default_factory=list)

    def last_answer(self) -> str | None:
        """What the model said last to the user, as far as it can be told; None when it asked for tools instead."""
        asked = [call for call in self.calls if not call.is_tool and not call.begin.get("beside")]
        answer = (asked[-1].end or {}).get("answer") if asked else None
        said = answer.get("content") if answer and not answer.get("tool_calls") else None
        return said if isinstance(said, str) else None


@dataclass(slots=True)
class Built:
    """A replay file, and what it says about itself."""

    replay: ReplayFile
    notes: Notes
    redacted: dict[str, int]


def build(
    events: Iterable[Event], settings: Mapping[str, Any], scrubber: Scrubber | None = None, *, was_cut: bool = False
) -> list[Built]:
    """The files of these events, one for each conversation.

    `settings` may have `agent`, `contract`, `tags`, `golden`, `captured_at` and others. `was_cut`: the process died, so
    that what has no end was cut off. Without a `scrubber` the events are clean already.
    """
    known = list(events)
    if scrubber is not None:
        for event in known:  # what is found last may stand in what came first
            cleaned(scrubber, event)
        known = [cleaned(scrubber, event) for event in known]
    talks = conversations(_joined(known))
    return [_built(talk, settings, scrubber, was_cut=was_cut, beside=len(talks) - 1) for talk in talks]


def _built(
    events: list[Event], settings: Mapping[str, Any], scrubber: Scrubber | None, *, was_cut: bool, beside: int
) -> Built:
    builder = _Builder(events, was_cut)
    if beside:
        builder.notes.guess(
            f"which requests are of this conversation: {beside + 1} were told apart, each in its own file, by what "
            "the model was asked"
        )
    data = {**_about(settings, builder), **builder.session()}
    overrides = builder.overrides()
    if overrides:
        data["overrides"] = {**overrides, **data.get("overrides", {})}
    redacted = scrubber.found if scrubber is not None else {}
    data["contract"] = settings.get("contract") or builder.contract()
    remarks = _remarks(builder.notes, redacted)
    if remarks:
        data["import"] = remarks
    return Built(ReplayFile.model_validate(data), builder.notes, redacted)


def _joined(events: list[Event]) -> list[Event]:
    """Turns that turned out to be the beginning of another."""
    into = {event["joins"]: event["turn"] for event in events if event["event"] == "join"}
    if not into:
        return events
    kept = [event for event in events if event["event"] != "turn" or event["turn"] not in into]
    return [{**event, "turn": into[event["turn"]]} if event.get("turn") in into else event for event in kept]


def conversations(events: list[Event]) -> list[list[Event]]:
    """The events of each conversation, in the order in which these began."""
    talks = {event["turn"]: event.get("talk", 1) for event in events if event["event"] == "turn"}
    numbers = sorted(set(talks.values()))
    first = min(talks.values(), default=1)
    owners: dict[int, set[int]] = {}
    found: dict[int, list[Event]] = {number: [] for number in numbers or [first]}
    for index, event in enumerate(events):
        own = {talks.get(event.get("turn", 0), first)}
        if event["event"] == "begin":
            if "open" in event:
                event, own = _between(event, own, islice(events, index, None), talks)
            owners[event["n"]] = own = owners.get(event.get("parent", 0), own)
        elif event["event"] == "end":
            own = owners.get(event["n"], own)
        elif "turn" not in event:
            own = set(found)
        for number in own:
            found[number].append(event)
    return list(found.values())


def _between(event: Event, own: set[int], later: Iterable[Event], talks: Mapping[int, int]) -> tuple[Event, set[int]]:
    """A call that may belong to the turn that begins next is given to both."""
    following = next((each for each in later if each["event"] == "turn"), None)
    if following is None or following.get("after") != event["after"]:
        return event, own
    if talks[following["turn"]] not in own:
        return event, {*own, talks[following["turn"]]}
    return ({**event, "shared": True} if event["open"] else event), own


_OF_THE_AGENT = ("agent", "contract", "tools", "tags", "golden")
"""Settings that name code and rules, in which nothing is looked for."""


def usable(settings: Mapping[str, Any], scrubber: Scrubber) -> tuple[dict[str, Any], list[str]]:
    """The settings that a file can have, without secrets, and what is wrong with the others: they cost no recording."""
    found = {key: recorded(value) for key, value in settings.items()}
    data = {key: each.value for key, each in found.items()}
    problems = {key: f"it has no JSON form ({', '.join(each.lost)})" for key, each in found.items() if each.lost}
    if problems or _problem(data):
        for key, value in data.items():
            problem = problems.get(key) or _problem({key: value})
            if problem:
                problems[key] = problem
    data = {key: value for key, value in data.items() if key not in problems}
    clean = {key: value if key in _OF_THE_AGENT else scrubber.clean(value) for key, value in data.items()}
    return clean, [f"`{key}`, which was given to the capture, is left out: {why}" for key, why in problems.items()]


def _problem(settings: Mapping[str, Any]) -> str:
    try:
        ReplayFile.model_validate({"input": None, "captured_at": _time(0), **settings})
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return ""


def _about(settings: Mapping[str, Any], builder: _Builder) -> dict[str, Any]:
    begun = settings.get("captured_at") or next((turn.at for turn in builder.turns if turn.at), None)
    data: dict[str, Any] = {"source": {"type": "capture"}}
    if begun is not None:
        data["captured_at"] = begun if isinstance(begun, str) else _time(begun)
    data.update((key, value) for key, value in settings.items() if value and key not in ("contract", "captured_at"))
    return data


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _said_before(turn: _Turn) -> dict[str, Any]:
    said: dict[str, Any] = {} if turn.input is _NOTHING else {"input": turn.input, "played": False}
    return {**said, "output": turn.output["output"]} if turn.output is not None else said


def _remarks(notes: Notes, redacted: Mapping[str, int]) -> dict[str, Any]:
    kinds = (("guessed", notes.guessed), ("lost", notes.lost), ("redacted", redacted))
    return {
        name: [f"{kind} ({count})" if count > 1 else kind for kind, count in sorted(found.items())]
        for name, found in kinds
        if found
    }


class _Builder:
    def __init__(self, events: list[Event], was_cut: bool) -> None:
        self.notes = Notes()
        self.turns: list[_Turn] = []
        self._was_cut = was_cut
        self._of_any_turn: list[_Call] = []
        """Calls between an answer and the next question."""
        self._calls: dict[int, _Call] = {}
        self._control = {event["tool"] for event in events if event["event"] == "control"}
        for event in events:
            getattr(self, f"_on_{event['event']}", self._on_other)(event)
        for call in self._calls.values():
            self._place(call)

    # -- reading the events

    def _on_turn(self, event: Event) -> None:
        turn = _Turn(event["turn"], event["input"], event.get("at"), bool(event.get("guessed")))
        turn.context, turn.overrides = event.get("context"), event.get("overrides")
        self.turns.append(turn)

    def _on_said(self, event: Event) -> None:
        """Something that was said before; the answer to what the user said is in one turn with it."""
        before = self.turns[-1] if self.turns else None
        if "output" in event and before is not None and before.is_before and before.output is None:
            before.output = event
        else:
            output = event if "output" in event else None
            self.turns.append(_Turn(event["turn"], event.get("input", _NOTHING), output=output, is_before=True))

    def _on_input(self, event: Event) -> None:
        turn = self._turn(event["turn"])
        turn.input, turn.guessed = event["input"], False

    def _on_output(self, event: Event) -> None:
        self._turn(event["turn"]).output = event

    def _on_raised(self, event: Event) -> None:
        self._turn(event["turn"]).raised = event

    def _on_begin(self, event: Event) -> None:
        self._calls[event["n"]] = _Call(event)

    def _on_end(self, event: Event) -> None:
        call = self._calls.get(event["n"])
        if call is not None:
            call.end = event

    def _on_lost(self, event: Event) -> None:
        self.notes.lose(event["what"])

    def _on_guess(self, event: Event) -> None:
        self.notes.guess(event["what"])

    def _on_other(self, event: Event) -> None:
        """Read elsewhere."""

    def _turn(self, number: int) -> _Turn:
        if not self.turns:
            self.turns.append(_Turn())
            self.notes.guess("the input: nothing said what the user asked, so it is null")
        return next((turn for turn in reversed(self.turns) if turn.number <= number), self.turns[0])

    def _place(self, call: _Call) -> None:
        outer = self._calls.get(call.begin.get("parent", 0))
        if outer is not None:
            outer.inner.append(call)
        else:
            (self._of_any_turn if call.begin.get("shared") else self._turn(call.begin["turn"]).calls).append(call)

    # -- writing the file

    def session(self) -> dict[str, Any]:
        """The turns, in the short form when there is one."""
        if not self.turns:
            self._turn(1)
        turns = [self._written(turn, is_last=turn is self.turns[-1]) for turn in self.turns]
        if len(turns) == 1:
            turns[0].pop("started_at", None)
            return turns[0]
        return {**self._shared(), "turns": turns}

    def _shared(self) -> dict[str, Any]:
        """What serves every turn: it was not seen to which of two a call belongs."""
        tools, answers = self._recordings(_Turn(calls=self._of_any_turn))
        if tools or answers:
            self.notes.guess("the turn of a call between two turns: it answers in any", len(tools) + len(answers))
        return {key: found for key, found in (("tool_responses", tools), ("llm_responses", answers)) if found}

    def _recordings(self, turn: _Turn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Of tools and of the model."""
        kept = [call for each in turn.calls for call in self._kept(each)]
        kept.sort(key=lambda call: call.number)
        tools = [self._tool(call) for call in kept if call.is_tool]
        answers = [answer for call in kept if not call.is_tool for answer in self._answer(call)]
        return tools + self._unseen(kept), answers

    def _written(self, turn: _Turn, *, is_last: bool) -> dict[str, Any]:
        tools, answers = self._recordings(turn)
        if turn.is_before:
            return _said_before(turn)
        data: dict[str, Any] = {"input": turn.input}
        if turn.context is not None:
            data["context"] = turn.context
        if turn.guessed:
            self.notes.guess("the input: what the model was asked last by a user")
        if turn.at is not None:
            data["started_at"] = _time(turn.at)
        if tools:
            data["tool_responses"] = tools
        if answers:
            data["llm_responses"] = answers
        self._end_turn(turn, data, is_last)
        return data

    def _end_turn(self, turn: _Turn, data: dict[str, Any], is_last: bool) -> None:
        if turn.output is not None:
            data["output"] = turn.output["output"]
        elif turn.raised is not None:
            data["error"] = {key: turn.raised["error"][key] for key in ("type", "message")}
        elif self._was_cut and is_last:
            data["ended"] = "cut"
        elif (answer := turn.last_answer()) is not None:
            data["output"] = answer
            self.notes.guess("the output: what the model answered last")

    def _kept(self, call: _Call) -> list[_Call]:
        kept = call.kept()
        if not kept:
            what = f"a call of {call.begin['tool']}" if call.is_tool else "a model call"
            self.notes.lose(f"{what} that had not ended")
        for each in kept:
            end, tool = each.end or {}, each.begin.get("tool")
            if "lossy" in end:
                self.notes.lose(f"a result of {tool} that has no JSON form ({end['lossy']})")
            elif "retyped" in end:
                self.notes.lose(f"the type of a result of {tool} ({end['retyped']}): annotate what it returns")
            if "changed" in end:
                self.notes.lose(
                    f"what a call of {tool} did to its arguments ({end['changed']}): a replay does not do it"
                )
        return kept

    def _tool(self, call: _Call) -> dict[str, Any]:
        begin, end = call.begin, call.end
        assert end is not None
        data: dict[str, Any] = {"tool": begin["tool"], "args": begin["args"]}
        if begin.get("left_out"):
            self.notes.lose(f"arguments of {begin['tool']} that hold a secret: {', '.join(begin['left_out'])}")
        data.update((key, end[key]) for key in ("response", "status", "error", "headers") if key in end)
        if end.get("given_up"):
            self.notes.guess(f"the outcome of {begin['tool']}, which its caller gave up: a timeout")
        data["latency_ms"] = self._latency(end)
        if begin.get("call_id"):
            data["call_id"] = begin["call_id"]
        return data

    @staticmethod
    def _latency(end: Event) -> float:
        latency, limit = end["latency_ms"], end.get("limit_ms")
        if end.get("given_up"):
            latency = round(latency * _SURELY_OVER + 1, 1)
        elif limit is not None and latency >= limit:
            latency = round(limit * _JUST_UNDER, 1)
        return float(latency)

    def _answer(self, call: _Call) -> Iterator[dict[str, Any]]:
        end = call.end
        if end is None or "answer" not in end:
            self.notes.lose("a model answer that could not be read")
            return
        answer = {key: value for key, value in end["answer"].items() if value not in ([], {})}
        if not {"content", "tool_calls", "finish_reason", "refusal", "status", "error"} & answer.keys():
            answer["content"] = ""
        yield {**answer, "request": call.begin["request"], "latency_ms": self._latency(end)}

    def overrides(self) -> dict[str, Any]:
        """Arguments of the agent that were the same in each call; a replay has one setting for all turns."""
        given = [turn.overrides for turn in self.turns if turn.overrides is not None]
        names = dict.fromkeys(name for each in given for name in each)
        kept = {
            name: given[0][name] for name in names if all(name in e and e[name] == given[0].get(name) for e in given)
        }
        for name in names.keys() - kept.keys():
            self.notes.lose(f"the argument `{name}`, which was not the same in each turn")
        return kept

    # -- tools that were not seen

    def _unseen(self, kept: list[_Call]) -> list[dict[str, Any]]:
        """Results that the model was told and no call accounts for: of tools that nothing intercepts."""
        told = [message for call in kept if not call.is_tool for message in call.begin.get("told", ())]
        seen = [call for call in kept if call.is_tool]
        by_name = Counter(call.begin["tool"] for call in seen)
        missing = Counter(message["tool"] for message in told)
        missing.subtract(by_name)
        found = []
        for message in told:
            name = message["tool"]
            is_seen = any(c.begin["tool"] == name and c.begin["args"] == message["args"] for c in seen)
            if missing[name] <= 0 or is_seen or name in self._control or any("://" in c.begin["tool"] for c in seen):
                continue
            missing[name] -= 1
            self.notes.guess(f"a result of {name}: no call of it was seen, it is the text that the model was told")
            found.append({"tool": name, "args": message["args"], "response": message["text"]})
            if message.get("call_id"):
                found[-1]["call_id"] = message["call_id"]
        return found

    # -- a contract to begin with

    def contract(self) -> dict[str, Any]:
        """Nobody has said what is right: that the agent does what it did, until somebody does."""
        # no answer is no completion either
        raised = any(turn.raised or (turn.output and turn.output["output"] is None) for turn in self.turns)
        completes: dict[str, Any] = {"id": "completes", "type": "completes"}
        if raised:
            completes["negate"] = True
        invariants = [completes]
        last = self.turns[-1] if self.turns else None
        said = last.output["output"] if last is not None and last.output is not None else None
        if isinstance(said, str) and said.strip():
            invariants.append({"id": "same-answer", "type": "behavior_unchanged"})
        return {"name": AS_CAPTURED, "invariants": invariants}
