"""Checks on what the agent did: which tools it called, with what, in which order, and what it claimed without them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from pytest_agent_replay.contracts.assignment import pair
from pytest_agent_replay.contracts.case import CannotEvaluate, Case, name_matches, text_of, texts_of
from pytest_agent_replay.contracts.claims import claims
from pytest_agent_replay.contracts.clauses import sentence_of
from pytest_agent_replay.contracts.deeds import Deeds, deeds_of
from pytest_agent_replay.contracts.patterns import Regex, excerpt
from pytest_agent_replay.contracts.plain import nfc
from pytest_agent_replay.contracts.registry import BindContext, Check, Finding, check
from pytest_agent_replay.contracts.schemas import SchemaReference, Validator, load_validator
from pytest_agent_replay.contracts.told import is_told
from pytest_agent_replay.formats.contract import Invariant, refuse
from pytest_agent_replay.formats.replay import FileModel, Json, no_items
from pytest_agent_replay.player.values import canonical, covers, short
from pytest_agent_replay.trace.model import ToolCallView
from pytest_agent_replay.trace.recorded import repeated

__all__ = ["CHECKS"]

Name = Annotated[str, Field(min_length=1)]
Names = Name | Annotated[list[Name], Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
_MAX_SHOWN = 20


class CallCount(Invariant):
    """Calls of `tool` (a name or a glob) whose arguments have at least `args`: between `min` (default 1) and `max`."""

    tool: Name
    args: dict[str, Json] | None = None
    min: Count = 1
    max: Count | None = None

    @model_validator(mode="after")
    def _bounds_can_hold_and_fail(self) -> CallCount:
        if self.max is None and self.min == 0:
            refuse("without `max`, any number of calls is at least 0, so this invariant cannot fail", "min")
        if self.max == 0 and not self.given("min"):
            refuse("no number of calls is at least 1 (the default `min`) and at most 0; "
                   "write `type: tool_not_called`, or `min: 0` too", "max")  # fmt: skip
        if self.max is not None and self.min > self.max:
            refuse(f"no number of calls is at least {self.min} and at most {self.max}", "max")
        return self


def _refuse_max(value: Any) -> None:
    if value is not None:
        refuse(f"`tool_not_called` takes no `max`; for at most {value} calls, "
               f"write `type: tool_called` with `min: 0` and `max: {value}`")  # fmt: skip


class NotCalled(Invariant):
    """Fewer than `min` (default 1: none) calls of `tool` (a name or a glob) whose arguments have at least `args`."""

    tool: Name
    args: dict[str, Json] | None = None
    min: Annotated[int, Field(ge=1)] = 1
    max: Annotated[None, BeforeValidator(_refuse_max)] = None


class ArgsFitSchema(Invariant):
    """The arguments of every call of `tool` are valid against `schema`."""

    tool: Name
    schema_: SchemaReference = Field(alias="schema")
    _validator: Validator | None = PrivateAttr(default=None)


class ExpectedCall(FileModel):
    """A call of `tool` (a name or a glob) whose arguments have at least `args`."""

    tool: Name
    args: dict[str, Json] | None = None


class Trajectory(Invariant):
    """The calls compare to `tools`.

    `strict`: the same calls in the same order (calls that ran at the same time in any). `unordered`: the same calls.
    `subset`: no call beyond them. `superset`: each of them, and maybe others. Calls of the tools in `repeatable`
    (reads: names, globs) that repeat an earlier call with the same arguments do not count.
    """

    tools: list[Name | ExpectedCall] | Literal["recorded"]
    mode: Literal["strict", "unordered", "subset", "superset"] = "strict"
    repeatable: list[Name] = Field(default_factory=no_items)

    @model_validator(mode="after")
    def _can_fail(self) -> Trajectory:
        if self.mode == "superset" and not self.tools:
            refuse("any calls are a superset of none, so this invariant cannot fail; for no calls, take another mode",
                   "tools")  # fmt: skip
        return self


class ToolOrder(Invariant):
    """Every call of `after` begins only when a call of `before` has come back."""

    before: Name
    after: Name


class AtMost(Invariant):
    """At most `max`, of `tool` when it is given."""

    max: Count
    tool: Name | None = None


class AtMostDefaultZero(Invariant):
    """At most `max` (default 0), of `tool` when it is given."""

    max: Count = 0
    tool: Name | None = None


class NoPromise(Invariant):
    """The answer says that something was done (`pattern`) only when one of `tools` has succeeded by then."""

    tools: Names
    pattern: Regex | None = None


def _shown(call: ToolCallView) -> dict[str, Any]:
    entry: dict[str, Any] = {"turn": call.turn, "tool": call.tool, "args": call.args}
    if call.failed:
        entry["failed"] = True
    return entry


def _call_text(call: ToolCallView) -> str:
    return f"the call {call.tool}({', '.join(f'{key}={short(value, 60)}' for key, value in call.args.items())})"


def _times(count: int) -> str:
    return {0: "not called", 1: "called once", 2: "called twice"}.get(count, f"called {count} times")


def _bounds(low: int, high: int | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"exactly {low}" if low == high else f"{low} to {high}"


def _wanted(tool: str, args: dict[str, Any] | None) -> str:
    return f"the tool {tool}" if args is None else f"the tool {tool} with {short(args, 120)}"


def _count(params: CallCount | NotCalled, case: Case) -> tuple[bool, str, dict[str, Any]]:
    """Whether the number of calls is within bounds, in words, with the nearest other calls."""
    calls = case.calls_of(params.tool, params.args)
    within = params.min <= len(calls) and (params.max is None or len(calls) <= params.max)
    evidence: dict[str, Any] = {"calls": [_shown(call) for call in calls[:_MAX_SHOWN]], "count": len(calls)}
    text = f"{_wanted(params.tool, params.args)} was {_times(len(calls))}"
    others = [call for call in case.calls_of(params.tool) if call not in calls] if params.args is not None else []
    if others and not within:
        nearest = min(others, key=lambda call: len(_argument_differences(params.args or {}, call.full_args)))
        differences = _argument_differences(params.args or {}, nearest.full_args)
        evidence["nearest"] = {**_shown(nearest), "differences": differences}
        text += f" (the nearest is {_call_text(nearest)}: {'; '.join(differences)})"
    elif not calls and not within:
        evidence["called"] = dict(Counter(call.tool for call in case.calls))
        text += f" (called: {', '.join(evidence['called']) or 'nothing'})"
    return within, text, evidence


def _argument_differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        found: list[str] = []
        for key, value in expected.items():
            inner = f"{path}.{key}" if path else key
            if key not in actual:
                found.append(f"{inner} is absent instead of {short(value)}")
            else:
                found.extend(_argument_differences(value, actual[key], inner))
        return found
    return [] if covers(expected, actual) else [f"{path} is {short(actual)} instead of {short(expected)}"]


@check("tool_called", CallCount, over="session")
def tool_called(params: CallCount, case: Case) -> Finding:
    """Calls within bounds."""
    within, text, evidence = _count(params, case)
    if within:
        return Finding(True, case.sentence(f"{text}."), evidence)
    return Finding(False, case.sentence(f"{text}, but must be {_bounds(params.min, params.max)} times."), evidence)


@check("tool_not_called", NotCalled, over="session")
def tool_not_called(params: NotCalled, case: Case) -> Finding:
    """Fewer calls than `min`."""
    within, text, evidence = _count(params, case)
    if not within:
        return Finding(True, case.sentence(f"{text}."), evidence)
    first = case.calls_of(params.tool, params.args)[:1]
    called = f": {_call_text(first[0])}" if first else ""
    return Finding(False, case.sentence(f"{text}, which it must not be{called}."), evidence)


def _prepare_args(params: ArgsFitSchema, context: BindContext) -> None:
    params._validator = load_validator(params.schema_, "schema", context)


@check("tool_args", ArgsFitSchema, over="session", prepare=_prepare_args)
def tool_args(params: ArgsFitSchema, case: Case) -> Finding:
    """Every call's arguments are valid; no call, nothing wrong."""
    assert params._validator is not None
    calls = case.calls_of(params.tool, {})
    for call in calls:
        mistakes = params._validator(call.full_args)
        if mistakes:
            message = case.sentence(f"{_call_text(call)} has arguments that do not fit the schema: {mistakes[0]}.")
            return Finding(False, message, {"call": _shown(call), "mistakes": mistakes})
    return Finding(
        True, case.sentence(f"the tool {params.tool} was {_times(len(calls))}, with arguments that fit the schema.")
    )


def _expected_calls(params: Trajectory, case: Case) -> list[ExpectedCall]:
    if params.tools != "recorded":
        return [ExpectedCall(tool=item) if isinstance(item, str) else item for item in params.tools]
    replay, turns = case.session.replay, case.session.replay.turn_list
    in_turns = [
        ExpectedCall.model_construct(tool=response.tool, args=response.args)
        for number, turn in enumerate(turns, 1)
        if case.whole or number in case.turns
        for _, response in repeated(turn.tool_responses)
        if response.origin == "production"
    ]
    on_top = [
        ExpectedCall.model_construct(tool=response.tool, args=response.args)
        for _, response in (repeated(replay.tool_responses) if replay.turns is not None else ())
        if response.origin == "production"
    ]
    if on_top and not (case.whole and (params.mode != "strict" or not in_turns)):
        raise CannotEvaluate(
            "recordings at the top of the file do not say in which turn production called them; "
            "move them into their turns (`turns[…].tool_responses`)"
        )
    return [*on_top, *in_turns]


def _fits(expected: ExpectedCall, call: ToolCallView) -> bool:
    return name_matches(expected.tool, call.tool) and (expected.args is None or covers(expected.args, call.full_args))


@check("trajectory", Trajectory, over="session")
def trajectory(params: Trajectory, case: Case) -> Finding:
    """The calls made against the calls expected."""
    expected = _expected_calls(params, case)
    if params.mode == "superset" and not expected:
        raise CannotEvaluate("any calls are a superset of those of production, which called nothing")
    calls = case.calls
    if any(each.args is not None for each in expected) and not all(map(case.session.knows_args, calls)):
        raise CannotEvaluate("the recording does not say with which arguments every tool was called")
    evidence = {
        "expected": [{"tool": e.tool, "args": e.args} for e in expected[:50]],
        "calls": [_shown(call) for call in calls[:50]],
    }
    repeats = _repeats(calls, params.repeatable)
    if params.mode == "strict":
        mistake = _first_difference(expected, _concurrent(calls), repeats)
    else:
        mistake = _set_difference(expected, calls, params.mode, repeats)
    if mistake is None:
        return Finding(True, case.sentence(f"the calls compare as {params.mode} to the {len(expected)} expected ones."))
    return Finding(False, case.sentence(f"{mistake}."), evidence)


def _repeats(calls: list[ToolCallView], repeatable: Sequence[str]) -> set[int]:
    """The calls (their `id()`) that need not be expected: repeats of the repeatable tools."""
    repeats: set[int] = set()
    seen: set[tuple[str, Any]] = set()
    for call in calls:
        if any(name_matches(name, call.tool) for name in repeatable):
            key = _key(call)
            if key in seen:
                repeats.add(id(call))
            seen.add(key)
    return repeats


def _concurrent(calls: list[ToolCallView]) -> list[list[ToolCallView]]:
    """The calls in order, those that ran at the same time in one group."""
    groups: list[list[ToolCallView]] = []
    until = float("-inf")
    for call in calls:
        if groups and (call.parallel or call.started_ms < until):
            groups[-1].append(call)
        else:
            groups.append([call])
        until = max(until, call.ended_ms if call.ended_ms is not None else call.started_ms)
    return groups


def _first_difference(
    expected: Sequence[ExpectedCall], groups: list[list[ToolCallView]], repeats: set[int]
) -> str | None:
    """Goes through the calls with every number of expected ones that they may be so far, without any repeats or with
    some of them."""
    positions = {0}
    for group in groups:
        after = {end for start in positions for end in _ends(expected, start, group, repeats)}
        if not after:
            return _difference(expected, max(positions), group, repeats)
        positions = after
    if len(expected) in positions:
        return None
    position = max(positions)
    missing = expected[position]
    return f"call {position + 1} should be {_wanted(missing.tool, missing.args)}, but there are only {position} calls"


def _ends(expected: Sequence[ExpectedCall], start: int, group: list[ToolCallView], repeats: set[int]) -> Iterator[int]:
    """Where in the expected calls those may end that a group is, from `start` on."""
    needed = [call for call in group if id(call) not in repeats]
    ordered = needed + [call for call in group if id(call) in repeats]
    for count in range(len(needed), min(len(ordered), len(expected) - start) + 1):
        pairs = pair(ordered, expected[start : start + count], lambda call, each: _fits(each, call))
        if len(pairs) == count and all(index in pairs for index in range(len(needed))):
            yield start + count


def _difference(
    expected: Sequence[ExpectedCall], position: int, group: list[ToolCallView], repeats: set[int]
) -> str | None:
    needed = [call for call in group if id(call) not in repeats]
    wanted = expected[position : position + len(needed)]
    pairs = pair(needed, wanted, lambda call, each: _fits(each, call))
    left = [each for j, each in enumerate(wanted) if j not in pairs.values()]
    index = next(index for index in range(len(needed)) if index not in pairs)
    return f"call {position + index + 1} is {_call_text(needed[index])}{_instead(needed[index], left)}"


def _instead(call: ToolCallView, left: list[ExpectedCall]) -> str:
    if not left:
        return ", but no further call was expected"
    same_tool = [each for each in left if name_matches(each.tool, call.tool)]
    if same_tool:
        return f", whose arguments differ: {'; '.join(_argument_differences(same_tool[0].args, call.full_args))}"
    return f" instead of {_wanted(left[0].tool, left[0].args)}"


def _set_difference(
    expected: list[ExpectedCall], calls: list[ToolCallView], mode: str, repeats: set[int]
) -> str | None:
    calls = sorted(calls, key=lambda call: id(call) in repeats)
    pairs = pair(calls, expected, lambda call, each: _fits(each, call))
    missing = [each for j, each in enumerate(expected) if j not in pairs.values()]
    for index, call in enumerate(calls):
        if index not in pairs and mode != "superset" and id(call) not in repeats:
            return f"{_call_text(call)} was made{_instead(call, missing) if missing else ', which was not expected'}"
    if missing and mode != "subset":
        listed = ", ".join(_wanted(each.tool, each.args) for each in missing[:5])
        return f"{listed} was expected, but not called"
    return None


@check("tool_order", ToolOrder, over="session")
def tool_order(params: ToolOrder, case: Case) -> Finding:
    """No call of `after` before one of `before` has come back."""
    calls = case.calls
    done = [c.ended_ms for c in calls if name_matches(params.before, c.tool) and c.ended_ms is not None]
    later = [call for call in calls if name_matches(params.after, call.tool)]
    for call in later:
        position = calls.index(call)
        earlier = [c for c in calls[:position] if name_matches(params.before, c.tool) and c.ended_ms is not None]
        if any(c.ended_ms is not None and c.ended_ms <= call.started_ms for c in earlier):
            continue
        when = f"before {params.before} had come back" if done else f"and {params.before} was never called"
        message = case.sentence(f"{_call_text(call)} was made (call {position + 1}, turn {call.turn}) {when}.")
        return Finding(False, message, {"call": _shown(call), "calls": [_shown(c) for c in calls[:_MAX_SHOWN]]})
    said = (
        f"every call of {params.after} came after {params.before}"
        if later
        else f"the tool {params.after} was not called"
    )
    return Finding(True, case.sentence(f"{said}."))


def _key(call: ToolCallView) -> tuple[str, Any]:
    return call.tool, canonical(call.full_args)


def _with_known_args(case: Case, tool: str | None) -> list[ToolCallView]:
    calls = [call for call in case.calls if tool is None or name_matches(tool, call.tool)]
    repeated = Counter(call.tool for call in calls)
    for call in calls:
        if repeated[call.tool] > 1 and not case.session.knows_args(call):
            raise CannotEvaluate(f"the recording does not say with which arguments {call.tool} was called")
    return calls


@check("max_retries", AtMost, over="session")
def max_retries(params: AtMost, case: Case) -> Finding:
    """A retry is a call that failed before with the same arguments. The most retried call counts."""
    failed: set[tuple[str, Any]] = set()
    retries: Counter[tuple[str, Any]] = Counter()
    last: dict[tuple[str, Any], ToolCallView] = {}
    for call in _with_known_args(case, params.tool):
        key = _key(call)
        if key in failed:
            retries[key] += 1
        if call.went_wrong:
            failed.add(key)
        last[key] = call
    most = max(retries, key=lambda key: retries[key], default=None)
    if most is None or (count := retries[most]) <= params.max:
        return Finding(True, case.sentence(f"no failed call was retried more than {params.max} times."))
    message = case.sentence(
        f"{_call_text(last[most])} was retried {count} times after it had failed; allowed: {params.max}."
    )
    return Finding(False, message, {"call": _shown(last[most]), "retries": count})


@check("no_repeated_calls", AtMostDefaultZero, over="session")
def no_repeated_calls(params: AtMostDefaultZero, case: Case) -> Finding:
    """The same tool with the same arguments again, although it had not failed. After a failure it is a retry."""
    done: set[tuple[str, Any]] = set()
    repeats: list[ToolCallView] = []
    for call in _with_known_args(case, params.tool):
        key = _key(call)
        if key in done:
            repeats.append(call)
        if not call.went_wrong:
            done.add(key)
    if len(repeats) <= params.max:
        return Finding(True, case.sentence(f"{len(repeats)} calls were repeated; allowed: {params.max}."))
    message = case.sentence(
        f"{_call_text(repeats[params.max])} was made again with the same arguments, although it had not failed "
        f"({len(repeats)} repeated calls; allowed: {params.max})."
    )
    return Finding(False, message, {"repeated": [_shown(call) for call in repeats[:_MAX_SHOWN]]})


@check("no_unrecorded_calls", AtMostDefaultZero, over="session")
def no_unrecorded_calls(params: AtMostDefaultZero, case: Case) -> Finding:
    """Calls that no recording answers."""
    calls = [c for c in case.calls if c.unrecorded and (params.tool is None or name_matches(params.tool, c.tool))]
    if len(calls) <= params.max:
        return Finding(True, case.sentence(f"{len(calls)} calls were not recorded; allowed: {params.max}."))
    message = case.sentence(f"{_call_text(calls[params.max])} was made, which no recording answers.")
    return Finding(False, message, {"unrecorded": [_shown(call) for call in calls[:_MAX_SHOWN]]})


@check("no_promise_without_tool", NoPromise, over="turns")
def no_promise_without_tool(params: NoPromise, case: Case) -> Finding:
    """A claim of something done, with none of the tools that do it having succeeded in this turn or before."""
    if case.session.ended_without_answer(case.turn):
        return Finding(True, case.sentence("the turn ended without an answer."))
    tools = (params.tools,) if isinstance(params.tools, str) else tuple(params.tools)
    found = _promises(params, case, tools)
    first = next(found, None)
    if first is None:
        return Finding(True, case.sentence("the answer claims no finished action."))
    calls = _calls_by(case, tools)
    if any(call.succeeded for call in calls):
        return Finding(True, case.sentence(f"the answer claims {first[0]!r}, and a tool that does it succeeded."))
    claim = first if params.pattern is not None else _first_untold(chain([first], found), case, tools)
    if claim is None:
        return Finding(True, case.sentence(f"the answer claims {first[0]!r}, and a tool told that it is so."))
    place = excerpt(claim.string, *claim.span())
    needed = _doing(claim[0], tools)
    listed = " or ".join(needed[:5])
    why = f"{calls[-1].tool} failed" if calls else f"{listed} was never called"
    needs = f", which needs {listed}" if calls and needed != [calls[-1].tool] else ""
    message = case.sentence(f"the answer claims {claim[0]!r} ({place!r}){needs}, but {why}.")
    return Finding(False, message, {"turn": case.turn, "claim": claim[0], "excerpt": place,
                                    "sentence": sentence_of(claim), "needs": needed,
                                    "calls": [_shown(c) for c in calls[-5:]]})  # fmt: skip


def _promises(params: NoPromise, case: Case, tools: tuple[str, ...]) -> Iterator[re.Match[str]]:
    def wanted() -> bool:
        return any(call.turn == case.turn for call in _calls_by(case, tools)) or _asked(case, deeds)

    deeds = deeds_of(tools)
    for text in map(nfc, texts_of(case.output)):
        if params.pattern is None:
            yield from claims(text, deeds, wanted)
        elif match := params.pattern.search(text):
            yield match


def _calls_by(case: Case, tools: tuple[str, ...]) -> list[ToolCallView]:
    """The calls of these tools up to the turn."""
    return [c for c in case.session.calls if c.turn <= case.turn and any(name_matches(t, c.tool) for t in tools)]


def _asked(case: Case, deeds: Deeds) -> bool:
    """Whether the user spoke of it in this turn or in the one before."""
    said = (event for event in case.session.trace.events if event.type == "run_started")
    return any(
        deeds.is_asked_for(text_of(event.payload.get("input"))) for event in said if 0 <= case.turn - event.turn <= 1
    )


def _first_untold(found: Iterable[re.Match[str]], case: Case, tools: tuple[str, ...]) -> re.Match[str] | None:
    """The first claim that no tool's result bears out."""
    deeds = deeds_of(tools)
    results = [(call.tool, call.result) for call in case.session.calls if call.turn <= case.turn and call.succeeded]
    return next((claim for claim in found if not is_told(claim, results, deeds)), None)


def _doing(claim: str, tools: tuple[str, ...]) -> list[str]:
    """Those of the tools that the claim speaks of; all, where it speaks of none alone."""
    return [tool for tool in tools if deeds_of((tool,)).is_spoken_of(claim)] or list(tools)


CHECKS: tuple[Check[Any], ...] = (
    tool_called,
    tool_not_called,
    tool_args,
    trajectory,
    tool_order,
    max_retries,
    no_repeated_calls,
    no_unrecorded_calls,
    no_promise_without_tool,
)
