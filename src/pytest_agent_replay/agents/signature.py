"""Which argument goes to which parameter of an agent or a factory, worked out once from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from operator import attrgetter
from types import FunctionType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from pytest_agent_replay.agents.model import KNOWN_NAMES, TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["CallPlan", "parameters_of", "plan_agent_call", "plan_factory_call", "takes_input"]

Parameters = list[inspect.Parameter]

_known: WeakKeyDictionary[Callable[..., Any], Parameters] = WeakKeyDictionary()
"""Reading a signature costs more than a whole turn, and every replay of a suite calls the same agent."""

_VAR = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters_of(target: Callable[..., Any], title: str) -> Parameters:
    """The parameters that a caller fills: without `self`, and without those that a partial fills."""
    is_lasting = isinstance(target, (FunctionType, type))
    if is_lasting and target in _known:
        return _known[target]
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError) as error:
        raise AgentError(
            f"{title}: its parameters cannot be read ({error}); wrap it: `def agent(input): return …`"
        ) from error
    if is_lasting:
        _known[target] = parameters
    return parameters


def takes_input(parameters: Parameters) -> bool:
    """Whether the user's input has a place: a parameter `input`, a required one without a known name, or `*args`."""
    return any(_is_input(p) or p.kind is p.VAR_POSITIONAL for p in parameters)


def _is_input(parameter: inspect.Parameter) -> bool:
    return parameter.name == "input" or (_is_required(parameter) and parameter.name not in KNOWN_NAMES)


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in _VAR


class CallPlan(NamedTuple):
    """How to call one target with a turn: names of `TurnInput`'s fields, in order and by keyword."""

    title: str
    positional: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...]
    """(parameter, field)"""
    settable: tuple[str, ...]
    """Parameters that `overrides` may set."""
    required: tuple[str, ...]
    """Parameters that only `overrides` can fill."""
    takes_overrides: bool
    """It has a parameter `overrides`, which gets them whole."""
    open: bool
    """It has `**kwargs`, so overrides of any name may be given."""

    def compile(self, target: Callable[..., Any], overrides: Mapping[str, Any]) -> Callable[[TurnInput], Any]:
        """A function of the turn that calls `target`; as little as possible happens in each call.

        `overrides` become keyword arguments, unless the target has a parameter `overrides` that gets them whole. Raises
        `AgentError` for one that the target does not take, and for a required parameter that nothing fills.
        """
        extra = self._extra(overrides) if overrides and not self.takes_overrides else {}
        missing = [name for name in self.required if name not in extra]
        if missing:
            raise AgentError(_unfilled(self.title, missing[0], "a factory"))
        if self.positional == ("input",) and not self.keywords and not extra:
            return lambda turn: target(turn.input)
        positional = [attrgetter(name) for name in self.positional]
        keywords = [(parameter, attrgetter(name)) for parameter, name in self.keywords]

        def call(turn: TurnInput) -> Any:
            values = {parameter: get(turn) for parameter, get in keywords}
            return target(*[get(turn) for get in positional], **values, **extra)

        return call

    def _extra(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        for name in overrides:
            if name in KNOWN_NAMES or not (self.open or name in self.settable):
                near = get_close_matches(name, self.settable, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f" (it takes: {', '.join(self.settable) or 'none'})"
                raise AgentError(
                    f"{self.title}: it takes no override {name!r}{hint}. Give it that parameter, or `overrides`"
                )
        return dict(overrides)


def plan_agent_call(parameters: Parameters, title: str) -> CallPlan:
    """The plan for something that is called once per turn.

    Parameters with known names get that part of the turn. The input goes to the first required parameter without a
    known name, and to `input`; failing both, to the first optional parameter or `*args`, or to `**kwargs` as `input`.
    Raises `AgentError` when a required parameter stays empty, or the input has no place.
    """
    receiver = _receiver(parameters)
    if receiver is None and not any(p.name in ("input", "replay") for p in parameters):
        raise AgentError(
            f"{title}: it has no parameter that the input can go to; declare `input`, as in `def agent(input): …`"
        )
    fields = {p.name: p.name for p in parameters if p.name in KNOWN_NAMES and p.kind not in _VAR}
    if receiver is not None:
        fields["input" if receiver.kind is receiver.VAR_KEYWORD else receiver.name] = "input"
    plan = _plan(parameters, fields, title)
    if plan.required:
        raise AgentError(_unfilled(title, plan.required[0], "an agent"))
    return plan


def plan_factory_call(parameters: Parameters, title: str) -> CallPlan:
    """The plan for something that makes an agent: known names get what the first turn has, the rest are overrides."""
    fields = {p.name: p.name for p in parameters if p.name in KNOWN_NAMES and p.kind not in _VAR}
    return _plan(parameters, fields, title)


def _receiver(parameters: Parameters) -> inspect.Parameter | None:
    for parameter in parameters:
        if _is_required(parameter) and parameter.name not in KNOWN_NAMES:
            return parameter
    if any(p.name == "input" and p.kind not in _VAR for p in parameters):
        return None
    others = [p for p in parameters if p.name not in KNOWN_NAMES or p.kind in _VAR]
    named = [p for p in others if p.kind is not p.VAR_KEYWORD]
    candidates = named or others
    return candidates[0] if candidates else None


def _plan(parameters: Parameters, fields: dict[str, str], title: str) -> CallPlan:
    positional: list[str] = []
    keywords: list[tuple[str, str]] = []
    settable: list[str] = []
    required: list[str] = []
    in_order = True
    for p in parameters:
        filled = fields.pop(p.name, None) if p.kind is not p.VAR_KEYWORD else None
        if filled is None:
            in_order = in_order and p.kind in _VAR
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in KNOWN_NAMES:
                settable.append(p.name)
            if _is_required(p):
                required.append(p.name)
        elif p.kind is p.VAR_POSITIONAL or (in_order and p.kind is not p.KEYWORD_ONLY):
            positional.append(filled)
        elif p.kind is p.POSITIONAL_ONLY:
            raise AgentError(f"{title}: {p.name!r} is positional-only behind a parameter that a replay cannot fill")
        else:
            keywords.append((p.name, filled))
    keywords.extend(fields.items())
    return CallPlan(
        title=title,
        positional=tuple(positional),
        keywords=tuple(keywords),
        settable=tuple(settable),
        required=tuple(required),
        takes_overrides=any(name == "overrides" for name in positional) or any(f == "overrides" for _, f in keywords),
        open=any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def _unfilled(title: str, name: str, what: str) -> str:
    near = get_close_matches(name, KNOWN_NAMES, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    given = "the input and what it names of" if what == "an agent" else "the `overrides`, and what it names of"
    return (
        f"{title}: nothing is known for its required parameter {name!r}{hint}. {what.capitalize()} is given {given}: "
        f"{', '.join(KNOWN_NAMES)}. Give {name!r} a default, or bind it in a function that makes the agent"
    )
