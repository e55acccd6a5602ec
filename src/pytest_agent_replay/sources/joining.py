"""Which tool run belongs to which call that a model asked for, and what the model was told of it.

A call and a run are joined by id, name and arguments together, because ids repeat in real data; then by name and
arguments, then by name alone where there is no choice; always within the step, in order. A call of which the source has
no run is known from the next request, which tells its result. A run that no model asked for is the agent's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    for index, (position, model) in enumerate(models):
        asked = (model.answer or {}).get("tool_calls") or []
        if not asked:
            continue
        following = [each for _, each in models[index + 1 :]]
        told = told_results(asked, [each.messages or [] for each in following] + [list(later)])
        end = _end_of_step(position, models[index + 1 :], asked, len(calls))
        step = [(place, span) for place, span in free.values() if position < place < end]
        runs = _matched(asked, step)
        for number, call in enumerate(asked):
            place, run = runs.get(number, (position, None))
            if run is not None:
                del free[id(run)]
            joined.append(Joined(call, run, told[number], place))
    joined += [Joined(run=span, position=position) for position, span in free.values()]
    return sorted(joined, key=lambda each: each.position)


def _end_of_step(position: int, following: list[tuple[int, Model]], asked: list[Message], last: int) -> int:
    """The position of the request that tells the results; what ran before it may belong to the step."""
    for place, model in following:
        if _place_of(asked, model.messages or []) is not None:
            return place
    return following[0][0] if following else last


def _matched(asked: list[dict[str, Any]], step: list[tuple[int, Span]]) -> dict[int, tuple[int, Span]]:
    """By the number of the call, its run and the place of that."""
    found: dict[int, tuple[int, Span]] = {}
    left = list(step)
    for fits in (_by_id_and_args, _by_args, _by_id, _by_name):
        for number, call in enumerate(asked):
            if number in found:
                continue
            run = next((each for each in left if fits(call, _tool(each[1]))), None)
            if run is not None:
                left.remove(run)
                found[number] = run
    for number, call in enumerate(asked):  # the arguments were changed on the way: converted, redacted, cut
        alike = [each for n, each in enumerate(asked) if n not in found and each["name"] == call["name"]]
        runs = [each for each in left if _tool(each[1]).name == call["name"]]
        if number not in found and len(alike) == len(runs) == 1:
            left.remove(runs[0])
            found[number] = runs[0]
    return found


def _tool(span: Span) -> Tool:
    assert isinstance(span.what, Tool)
    return span.what


def _by_id_and_args(call: dict[str, Any], tool: Tool) -> bool:
    return call.get("id") is not None and call["id"] == tool.call_id and _by_args(call, tool)


def _by_args(call: dict[str, Any], tool: Tool) -> bool:
    return call["name"] == tool.name and _args_fit(call, tool)


def _by_id(call: dict[str, Any], tool: Tool) -> bool:
    return call["name"] == tool.name and call.get("id") is not None and call["id"] == tool.call_id


def _by_name(call: dict[str, Any], tool: Tool) -> bool:
    """The run does not tell its arguments."""
    is_silent = tool.args is None and (tool.bare is MISSING or call.get("args") is None)
    return call["name"] == tool.name and is_silent and (tool.call_id is None or call.get("id") is None)


def _args_fit(call: dict[str, Any], tool: Tool) -> bool:
    """Equal, but for what the signature's defaults added; a single argument may have lost its name."""
    args = call.get("args")
    if args is None:
        return tool.bare is not MISSING and tool.bare == call.get("raw_args")
    if tool.args is not None:
        return all(key in tool.args and _equal(value, tool.args[key]) for key, value in args.items())
    if tool.bare is not MISSING:
        return len(args) == 1 and _equal(next(iter(args.values())), tool.bare)
    return False


def _equal(asked: Any, ran: Any) -> bool:
    if isinstance(asked, bool) or isinstance(ran, bool):
        return asked is ran or str(asked).lower() == str(ran).lower()
    return bool(asked == ran) or (isinstance(asked, (str, int, float)) and str(asked) == str(ran))


# -- what the model was told


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
