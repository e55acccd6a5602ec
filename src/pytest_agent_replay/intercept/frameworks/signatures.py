"""What the signature of a tool's function gives to the arguments that a model leaves out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pytest_agent_replay.player.values import OPAQUE, to_json

__all__ = ["defaults_of"]


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The default values of its parameters that have a JSON form. Empty where the signature cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    defaults = {each.name: to_json(each.default) for each in parameters if each.default is not each.empty}
    return {name: value for name, value in defaults.items() if value is not OPAQUE}
