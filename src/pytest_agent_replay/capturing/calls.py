"""The arguments of a call of the agent → what a replay can give to an agent, and the names of those that it cannot.

A replay fills `input` (or the first required parameter without a known name), `context` and `history`, and sets others
by `overrides`: see `agents.signature`. `session_id` is another in each run by its nature.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_agent_replay.agents.model import KNOWN_NAMES
from pytest_agent_replay.capturing.values import recorded

__all__ = ["Call", "read_call"]

_OF_EACH_RUN = ("session_id", "replay")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(slots=True)
class Call:
    """What the agent was given, in JSON form."""

    input: Any = None
    context: Any = None
    history: list[dict[str, Any]] | None = None
    """`{role, content}` of user and assistant; None: the agent takes none."""
    overrides: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def read_call(agent: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """What is in the arguments of one call."""
    call = Call()
    try:
        signature = inspect.signature(agent)
        given = signature.bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        _set_input(call, args[0] if args else dict(kwargs))
        call.lost += ["further arguments"] if len(args) + len(kwargs) > 1 and args else []
        return call
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    receiver = _receiver(parameters)
    if any(p.name == "history" for p in parameters):
        call.history = []
    # overrides of a class go to what makes its instance
    is_method = len(parameters) < len(signature.parameters) or _is_of_an_instance(agent)
    is_settable = not is_method and all(p.name != "overrides" for p in parameters)
    for parameter, name, value in _arguments(parameters, given):
        if parameter is receiver and name in (receiver.name, "input"):
            _set_input(call, value)
        elif name not in _OF_EACH_RUN:
            _keep(call, parameter, name, value, is_settable=is_settable, is_method=is_method)
    return call


def _is_of_an_instance(agent: Any) -> bool:
    return inspect.ismethod(agent) and not isinstance(agent.__self__, type)


def _receiver(parameters: list[inspect.Parameter]) -> inspect.Parameter | None:
    """The parameter that the input goes to."""
    named = [p for p in parameters if p.name == "input"]
    own = [p for p in parameters if p.name not in KNOWN_NAMES]
    required = [p for p in own if p.default is p.empty and p.kind in (*_BY_NAME, p.POSITIONAL_ONLY)]
    return next(iter([*named, *required, *own]), None)


def _arguments(
    parameters: list[inspect.Parameter], given: Mapping[str, Any]
) -> Iterator[tuple[inspect.Parameter, str, Any]]:
    for parameter in parameters:
        if parameter.name not in given:
            continue
        value = given[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            yield from ((parameter, name, each) for name, each in value.items())
        elif parameter.kind is parameter.VAR_POSITIONAL:
            for index, each in enumerate(value):
                yield parameter, parameter.name if not index else f"*{parameter.name}", each
        else:
            yield parameter, parameter.name, value


def _set_input(call: Call, value: Any) -> None:
    said = recorded(value)
    call.input = said.value
    if said.lost:
        call.lost.append("parts of an input that have no JSON form")


def _keep(
    call: Call, parameter: inspect.Parameter, name: str, value: Any, *, is_settable: bool, is_method: bool
) -> None:
    if value is parameter.default:
        return
    found = recorded(value)
    is_whole = not found.lost and not found.kinds
    if name == "history":
        _keep_history(call, value)
    elif name == "context" and (value is None or isinstance(found.value, (str, dict, list))) and not found.lost:
        call.context = found.value
    elif name == "overrides" and isinstance(found.value, dict) and not found.lost and not is_method:
        call.overrides.update(found.value)
    elif is_whole and is_settable and name not in KNOWN_NAMES and _can_be_set(parameter):
        call.overrides[name] = found.value
    else:
        call.lost.append(f"the argument `{name}`")


def _can_be_set(parameter: inspect.Parameter) -> bool:
    """A replay fills no other required parameter than the input."""
    is_optional = parameter.kind in _BY_NAME and parameter.default is not parameter.empty
    return is_optional or parameter.kind is parameter.VAR_KEYWORD


def _keep_history(call: Call, value: Any) -> None:
    """What a replay can say again: texts of user and assistant."""
    messages = list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
    kept = [recorded(message) for message in messages]
    call.history = [each.value for each in kept if _is_text(each.value) and not each.lost]
    left = len(messages) - len(call.history)
    if left and not call.history:
        call.lost.append("the argument `history`")
    elif left:
        call.lost.append(
            f"of the argument `history`, messages that are no `role` (user, assistant) and `content` ({left})"
        )


def _is_text(message: Any) -> bool:
    return (
        isinstance(message, dict) and message.keys() == {"role", "content"} and message["role"] in ("user", "assistant")
    )
