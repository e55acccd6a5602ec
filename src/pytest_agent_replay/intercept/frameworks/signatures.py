"""What the signature of a tool's function gives to the arguments that a model leaves out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pytest_agent_replay.player.values import OPAQUE, to_json

__all__ = ["defaults_of", "refuses"]


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The default values of its parameters that have a JSON form. Empty where the signature cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    defaults = {each.name: to_json(each.default) for each in parameters if each.default is not each.empty}
    return {name: value for name, value in defaults.items() if value is not OPAQUE}


def refuses(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether Python itself raises a `TypeError` for these arguments, so that a call would not run the function."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return True
    return False
