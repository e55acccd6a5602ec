"""Which tool run belongs to which call that a model asked for, and what the model was told of it.

A call and a run are joined by id, name and arguments together, because ids repeat in real data; then by name and
arguments, then by id or name alone where there is no choice; always within the step. Among several runs that fit, the
one counts whose outcome the model was told; then they go in order. A call of which the source has no run is known from
the next request, which tells its result. A run that no model asked for is the agent's own; one that fits a call that
has its run already is another try of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_agent_replay.llm.reading import content_text
from pytest_agent_replay.sources.spans import MISSING, Model, Span, Tool

__all__ = ["Joined", "join_calls", "told_results"]

Message = dict[str, Any]


@dataclass(slots=True)
class Joined:
    """One tool call: what the model asked for, its run, and the message with its result; one at least is there."""

    call: dict[str, Any] | None = None
    run: Span | None = None
    told: Message | None = None
    position: int = 0
    """Among the calls of the turn."""
    is_guess: bool = False
    """An equal call of the same step may have had this outcome: nothing in the source tells which."""

    @property
    def tool(self) -> Tool | None:
        """The run as the source tells it."""
        return self.run.what if self.run is not None and isinstance(self.run.what, Tool) else None

    @property
    def name(self) -> str:
        """The tool's name."""
        if self.call is not None:
            return str(self.call["name"])
        return self.tool.name if self.tool is not None else ""


def join_calls(calls: Sequence[Span], later: Sequence[Message] = ()) -> list[Joined]:
    """The tool calls of a turn, in the order in which they were made.

    `calls` are the turn's model and tool calls in time order; `later` the messages of the next turn's first request,
    which tell the results of calls that ended this turn.
    """
    free = {id(span): (position, span) for position, span in enumerate(calls) if isinstance(span.what, Tool)}
    models = [(position, span.what) for position, span in enumerate(calls) if isinstance(span.what, Model)]
    joined: list[Joined] = []
    tries: dict[int, Message] = {}
    for index, (position, model) in enumerate(models):
        asked = (model.answer or {}).get("tool_calls") or []
        if not asked:
            continue
        following = [each for _, each in models[index + 1 :]]
        told = told_results(asked, [each.messages or [] for each in following] + [list(later)])
        end = _end_of_step(position, models[index + 1 :], asked, len(calls))
        step = [(place, span) for place, span in free.values() if position < place < end]
        step_of = _Step(asked, told, step)
        for number, call in enumerate(asked):
            place, run = step_of.runs.get(number, (position, None))
            if run is not None:
                del free[id(run)]
            joined.append(Joined(call, run, told[number], place, number in step_of.guesses))
        tries.update(step_of.tries())
    joined += [Joined(tries.get(id(span)), span, position=position) for position, span in free.values()]
    return sorted(joined, key=lambda each: each.position)


def _end_of_step(position: int, following: list[tuple[int, Model]], asked: list[Message], last: int) -> int:
    """The position of the request that tells the results; what ran before it may belong to the step."""
    for place, model in following:
        if _place_of(asked, model.messages or []) is not None:
            return place
    return following[0][0] if following else last


@dataclass(slots=True)
class _Step:
    """What a model asked for in one answer, and the runs that may belong to it."""

    asked: list[dict[str, Any]]
    told: list[Message | None]
    left: list[tuple[int, Span]]
    runs: dict[int, tuple[int, Span]] = field(default_factory=dict)
    """By the number of the call, its run and the place of that."""
    guesses: set[int] = field(default_factory=set)
    agreed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for fits in (_by_id_and_same_args, _by_same_args, _by_id_and_args, self._by_like_args):
            self._join(fits, is_sure=True)
        for fits in (_by_id, _by_name, self._by_changed_args):
            self._join(fits, is_sure=False)

    def tries(self) -> dict[int, Message]:
        """The call of each run that is left and fits one; without its id, which another run has."""
        found = {}
        for _, run in self.left:
            for fits in (_by_same_args, _by_args):
                call = next((call for call in self.asked if fits(call, _tool(run))), None)
                if call is not None:
                    found[id(run)] = {**call, "id": None}
                    break
        return found

    def _by_like_args(self, call: dict[str, Any], tool: Tool) -> bool:
        """They lost their types on the way; what fits another call as it is, is another try of that."""
        return _by_args(call, tool) and not any(_by_same_args(other, tool) for other in self.asked)

    def _by_changed_args(self, call: dict[str, Any], tool: Tool) -> bool:
        """They were converted, redacted or cut on the way; what fits another call is another try of that."""
        return bool(call["name"] == tool.name) and not any(_by_args(other, tool) for other in self.asked)

    def _join(self, fits: _Fits, *, is_sure: bool) -> None:
        """First the runs whose outcome was told, then those that nothing contradicts, then the others."""
        for agreement in (2, 1, 0):
            for number, call in enumerate(self.asked):
                if number in self.runs:
                    continue
                fitting = [
                    each for each in self.left if fits(call, _tool(each[1])) and not self._is_of_another(call, each[1])
                ]
                run = next((each for each in fitting if _agreement(each[1], self.told[number]) == agreement), None)
                if run is None or (agreement < 2 and not self._may_guess(number, fitting, fits, is_sure)):
                    continue
                if agreement < 2 and self._has_choice(number, fitting):
                    self.guesses.add(number)
                if agreement == 2:
                    self.agreed.add(number)
                self.left.remove(run)
                self.runs[number] = run

    def _may_guess(self, number: int, fitting: list[tuple[int, Span]], fits: _Fits, is_sure: bool) -> bool:
        # of the calls that it may be, one has the outcome that was told: the others have theirs too, or were not traced
        alike = self._equal(number) if is_sure else self._namesakes(number)
        if alike & self.agreed and not any(_agreement(run, self.told[number]) for _, run in fitting):
            return False
        if is_sure:
            return True
        rivals = [
            n
            for n, call in enumerate(self.asked)
            if n not in self.runs and any(fits(call, _tool(r)) for _, r in fitting)
        ]
        return len(rivals) == len(fitting) == 1

    def _is_of_another(self, call: dict[str, Any], run: Span) -> bool:
        """The run has the id of another call of the same answer."""
        own = _tool(run).call_id
        return own is not None and call.get("id") not in (None, own) and any(c.get("id") == own for c in self.asked)

    def _equal(self, number: int) -> set[int]:
        call = self.asked[number]
        return {
            n
            for n, other in enumerate(self.asked)
            if n != number and (other["name"], other.get("args")) == (call["name"], call.get("args"))
        }

    def _namesakes(self, number: int) -> set[int]:
        return {n for n, other in enumerate(self.asked) if n != number and other["name"] == self.asked[number]["name"]}

    def _has_choice(self, number: int, fitting: list[tuple[int, Span]]) -> bool:
        """Whether an equal call could have had the run as well; one of the same id could not."""
        rivals = self._equal(number) - self.agreed
        call_id = self.asked[number].get("id")
        known = call_id is not None and any(_tool(run).call_id == call_id for _, run in fitting)
        return bool(rivals) and not known


def _tool(span: Span) -> Tool:
    assert isinstance(span.what, Tool)
    return span.what


_Fits = Callable[[dict[str, Any], Tool], bool]


def _by_id_and_same_args(call: dict[str, Any], tool: Tool) -> bool:
    return call.get("id") is not None and call["id"] == tool.call_id and _by_same_args(call, tool)


def _by_same_args(call: dict[str, Any], tool: Tool) -> bool:
    return call["name"] == tool.name and _args_fit(call, tool, _is_same)


def _by_id_and_args(call: dict[str, Any], tool: Tool) -> bool:
    return call.get("id") is not None and call["id"] == tool.call_id and _by_args(call, tool)


def _by_args(call: dict[str, Any], tool: Tool) -> bool:
    return call["name"] == tool.name and _args_fit(call, tool, _equal)


def _by_id(call: dict[str, Any], tool: Tool) -> bool:
    return call["name"] == tool.name and call.get("id") is not None and call["id"] == tool.call_id


def _by_name(call: dict[str, Any], tool: Tool) -> bool:
    """The run does not tell its arguments."""
    is_silent = tool.args is None and (tool.bare is MISSING or call.get("args") is None)
    return call["name"] == tool.name and is_silent and (tool.call_id is None or call.get("id") is None)


def _args_fit(call: dict[str, Any], tool: Tool, equal: Callable[[Any, Any], bool]) -> bool:
    """Equal, but for what the signature's defaults added; a single argument may have lost its name."""
    args = call.get("args")
    if args is None:
        return tool.bare is not MISSING and tool.bare == call.get("raw_args")
    if tool.args is not None:
        return all(key in tool.args and equal(value, tool.args[key]) for key, value in args.items())
    if tool.bare is not MISSING:
        return len(args) == 1 and equal(next(iter(args.values())), tool.bare)
    return False


def _is_same(asked: Any, ran: Any) -> bool:
    return bool(asked == ran) and isinstance(asked, bool) == isinstance(ran, bool)


def _equal(asked: Any, ran: Any) -> bool:
    if isinstance(asked, bool) or isinstance(ran, bool):
        return asked is ran or str(asked).lower() == str(ran).lower()
    return bool(asked == ran) or (isinstance(asked, (str, int, float)) and str(asked) == str(ran))


# -- what the model was told


def _agreement(run: Span, told: Message | None) -> int:
    """2: its outcome is what the model was told; 1: nothing speaks against it; 0: the model was told something else."""
    result = _tool(run).result
    if told is None or (run.error is None and result is MISSING):
        return 1
    text = content_text(told.get("content")).strip()
    if run.error is not None:
        return 2 if run.error.message and run.error.message in text else 0
    if isinstance(result, str):
        return 2 if result.strip() == text else 0
    try:
        return 2 if _is_same(json.loads(text), result) else 0
    except (ValueError, RecursionError):
        return 2 if text == str(result) else 0


def told_results(asked: list[dict[str, Any]], requests: Sequence[list[Message]]) -> list[Message | None]:
    """For each call the tool message of the first request that has one; None where no request tells."""
    for messages in requests:
        place = _place_of(asked, messages)
        if place is not None:
            return _results_after(asked, messages, place)
    return [None] * len(asked)


def _place_of(asked: list[dict[str, Any]], messages: list[Message]) -> int | None:
    """Where a request repeats the message with these calls; the last such place."""
    wanted = [(call.get("id"), call["name"]) for call in asked]
    for index in range(len(messages) - 1, -1, -1):
        calls = messages[index].get("tool_calls") or []
        if [(call.get("id"), call["name"]) for call in calls] == wanted:
            return index
    return None


def _results_after(asked: list[dict[str, Any]], messages: list[Message], place: int) -> list[Message | None]:
    left: list[Message] = []
    for message in messages[place + 1 :]:
        if message.get("role") != "tool":
            break
        left.append(message)
    found: list[Message | None] = [None] * len(asked)
    for has_id in (True, False):
        for number, call in enumerate(asked):
            if found[number] is not None:
                continue
            found[number] = next((message for message in left if _answers(message, call, has_id)), None)
            if found[number] is not None:
                left.remove(found[number])  # type: ignore[arg-type]
    return found


def _answers(message: Message, call: dict[str, Any], has_id: bool) -> bool:
    call_id = message.get("tool_call_id")
    if has_id:
        return call_id is not None and call_id == call.get("id") and message.get("name") in (None, call["name"])
    return (call_id is None or call.get("id") is None) and message.get("name") in (None, call["name"])
