"""The one place where "command line > marker > file > fixture > ini > default" is applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_agent_replay.settings import Settings

__all__ = ["Given", "Layer", "merge", "pick", "settings_of"]

MERGED = ("tools", "matching", "overrides")
"""Settings that are mappings: the layers are merged key by key."""


class Layer(NamedTuple):
    """The values of one source. A value of None is not given."""

    origin: str
    values: Mapping[str, Any]


class Given(NamedTuple):
    """A value, and which source gave it."""

    value: Any
    origin: str


def pick(name: str, layers: Sequence[Layer]) -> Given | None:
    """The value of the first layer that gives one; layers come highest first."""
    for layer in layers:
        value = layer.values.get(name)
        if value is not None:
            return Given(value, layer.origin)
    return None


def merge(name: str, layers: Sequence[Layer]) -> dict[str, Any]:
    """The mapping `name` of all layers in one; of equal keys that of the higher layer holds."""
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged.update(layer.values.get(name) or {})
    return merged


def settings_of(layers: Sequence[Layer], names: Sequence[str]) -> Settings:
    """What holds for one replay. Raises `SettingsError` for a setting that does not exist."""
    values: dict[str, Any] = {}
    for name in names:
        if name in MERGED:
            values[name] = merge(name, layers) or None
        else:
            given = pick(name, layers)
            values[name] = given.value if given else None
    return Settings().merged(**values)
