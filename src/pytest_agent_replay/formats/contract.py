"""The contract as typed models: what a user writes, before a check's own parameters are known.

Read as they are: flakestorm's contracts, with their `chaos_matrix`, `probes` and `similarity_threshold`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from pytest_agent_replay.formats.mistakes import Mistakes
from pytest_agent_replay.formats.replay import FileModel, no_items
from pytest_agent_replay.formats.validation import did_you_mean

__all__ = ["CONDITIONS", "Contract", "Invariant", "Severity", "Threshold", "TurnChoice", "When", "refuse"]

Severity = Literal["critical", "high", "medium", "low"]
Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

CONDITIONS = ("always", "tool_faults_active", "llm_faults_active", "any_chaos_active", "no_chaos")
_KEYED_CONDITIONS = ("tool_failed", "tool_called", "tag")
_TURN_WORDS = ("last", "all", "any")


def refuse(message: str, *loc: str | int) -> NoReturn:
    """Says in a validator what is wrong with parameters that are right one by one; `loc` is the one to change."""
    mistakes = Mistakes()
    mistakes.add(message, *loc)
    mistakes.raise_any()
    raise AssertionError(message)


def _check_when(value: Any) -> Any:
    if isinstance(value, str):
        if value not in CONDITIONS:
            known = ", ".join(CONDITIONS)
            raise ValueError(f"unknown condition {value!r}{did_you_mean(value, CONDITIONS)} (known: {known}, or "
                             "{tool_failed: NAME}, {tool_called: NAME}, {tag: NAME})")  # fmt: skip
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("a condition is one word, or a mapping with exactly one of tool_failed, tool_called, tag")
    key, name = next(iter(value.items()))
    if key not in _KEYED_CONDITIONS:
        raise ValueError(f"unknown condition {key!r}{did_you_mean(str(key), _KEYED_CONDITIONS)} "
                         f"(known: {', '.join(_KEYED_CONDITIONS)})")  # fmt: skip
    if not isinstance(name, str) or not name:
        raise ValueError(f"{key} needs a name")
    return value


def _check_turn(value: Any) -> Any:
    numbers = value if isinstance(value, list) else [value]
    if isinstance(value, str) and value not in _TURN_WORDS:
        raise ValueError(
            f"unknown turn {value!r}{did_you_mean(value, _TURN_WORDS)} (known: last, all, any, or numbers from 1)"
        )
    if not isinstance(value, str) and not (numbers and all(type(n) is int and n >= 1 for n in numbers)):
        raise ValueError("a turn is last, all, any, or one or several numbers from 1")
    return value


When = Annotated[
    Any,
    BeforeValidator(_check_when),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(CONDITIONS)},
                {
                    "type": "object",
                    "properties": {key: {"type": "string", "minLength": 1} for key in _KEYED_CONDITIONS},
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""One of `CONDITIONS`, or `{tool_failed: NAME}`, `{tool_called: NAME}`, `{tag: NAME}`."""

_POSITIVE = {"type": "integer", "minimum": 1}
TurnChoice = Annotated[
    Any,
    BeforeValidator(_check_turn),
    WithJsonSchema(
        {"anyOf": [{"enum": list(_TURN_WORDS)}, _POSITIVE, {"type": "array", "items": _POSITIVE, "minItems": 1}]}
    ),
]
"""`last`, `all`, `any`, a turn's number, or a list of numbers."""


class Invariant(FileModel):
    """What every invariant takes. The parameters of a type are a subclass of this."""

    model_config = ConfigDict(defer_build=True)

    id: Annotated[str, Field(min_length=1)] | None = None
    """Default: the type."""
    type: str
    description: str | None = None
    severity: Severity = "medium"
    when: When = "always"
    negate: bool = False
    turn: TurnChoice = None
    """None: what the type says, mostly the last turn that production answered."""
    probes: list[str] | None = None
    """Of flakestorm; a replay asks what production was asked, so probes are read and not used."""


class Contract(FileModel):
    """A named list of invariants. Each entry of `invariants` is validated by the model of its type."""

    name: Annotated[str, Field(min_length=1)] | None = None
    """Default: the file's name without its endings."""
    description: str | None = None
    version: str | int | float | None = None
    """The contract's own version; free."""
    extends: str | list[str] | None = None
    """Names or paths of contracts whose invariants hold too."""
    invariants: list[Any] = Field(default_factory=no_items)
    similarity_threshold: Threshold | None = None
    """The threshold of similarity checks that give none."""
    chaos_matrix: list[Any] | None = None
    """Of flakestorm; read and not used: the faults of a replay are those that were recorded."""
    probes: list[str] | None = None

    @property
    def extended(self) -> list[str]:
        """`extends` as a list."""
        return [self.extends] if isinstance(self.extends, str) else self.extends or []
