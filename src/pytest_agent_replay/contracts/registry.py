"""The types of invariants: each is a name, a typed parameter model and one function.

Built-in types and those of plugins are the same thing, a `Check`. A plugin gives its checks through the entry
point group
`pytest_agent_replay.checks` (each entry point is a `Check`, or a list of them) or hands them to `Registry.register`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pytest_agent_replay.errors import Problem, ReplayError
from pytest_agent_replay.formats.contract import Contract, Invariant

if TYPE_CHECKING:
    from pytest_agent_replay.contracts.case import Case

__all__ = ["ENTRY_POINT_GROUP", "BindContext", "Check", "Finding", "Over", "Registry", "check"]

ENTRY_POINT_GROUP = "pytest_agent_replay.checks"

Over = Literal["last", "turns", "session"]
"""What a check looks at when its invariant names no `turn`: the last answered turn, each turn, or the session
as a whole."""


@dataclass(slots=True)
class Finding:
    """What a check found. `message` is a full sentence that says what was found, whether it holds or not."""

    holds: bool
    message: str
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class BindContext:
    """Where an invariant stands, for parameters that name a file or depend on the contract."""

    contract: Contract
    directory: Path
    root: Path
    problem: Callable[[str, str], Problem]
    """`problem(field, message)` at the place of a parameter."""


P = TypeVar("P", bound=Invariant)


@dataclass(frozen=True, slots=True)
class Check(Generic[P]):
    """One type of invariant.

    `prepare` (optional) runs once when a contract is bound; it may raise `FormatError` and keep what it makes
    in a private
    attribute of the parameters.
    """

    name: str
    params: type[P]
    function: Callable[[P, Case], Finding]
    over: Over = "last"
    prepare: Callable[[P, BindContext], None] | None = None


def check(
    name: str,
    params: type[P],
    *,
    over: Over = "last",
    prepare: Callable[[P, BindContext], None] | None = None,
) -> Callable[[Callable[[P, Case], Finding]], Check[P]]:
    """Makes a function a `Check`: `@check("cites_policy", CitesPolicy)` above `def cites_policy(params, case)`."""

    def decorate(function: Callable[[P, Case], Finding]) -> Check[P]:
        return Check(name, params, function, over, prepare)

    return decorate


_FAMILIES: dict[str, tuple[str, ...]] = {
    "text": (
        "contains", "contains_any", "contains_all", "not_contains", "excludes_pattern", "regex", "excludes_regex",
        "equals", "output_not_empty", "completes",
    ),
    "structure": ("valid_json", "json_schema", "json_path"),
    "safety": ("excludes_pii", "refusal_check"),
    "grounding": ("grounded_numbers", "grounded_quotes", "cites_source"),
    "judge": ("similarity", "behavior_unchanged", "llm_judge", "python"),
    "tools": (
        "tool_called", "tool_not_called", "tool_args", "trajectory", "tool_order", "no_promise_without_tool",
        "no_repeated_calls", "no_unrecorded_calls", "max_retries",
    ),
    "limits": ("latency", "max_tool_calls", "max_steps", "max_tokens", "max_cost", "max_llm_calls"),
}  # fmt: skip
"""Which module holds which built-in type, so that a type costs nothing until a contract names it."""


class Registry:
    """The types that contracts of one run may name."""

    def __init__(self, checks: Iterable[Check[Any]] = (), *, entry_points: bool = True) -> None:
        self._family_of = {name: family for family, names in _FAMILIES.items() for name in names}
        self._checks: dict[str, Check[Any]] = {}
        self._load_entry_points = entry_points
        self.load_errors: list[str] = []
        """Entry points that could not be loaded, each a sentence."""
        for each in checks:
            self.register(each)

    def register(self, each: Check[Any]) -> None:
        """Adds a type. Raises `ReplayError` when it is not a check, or its name is taken by another."""
        if not isinstance(each, Check):
            raise ReplayError(
                f"{each!r} is not a check; make one with pytest_agent_replay.contracts.check(name, params)"
            )
        if each.name in self._family_of or self._checks.get(each.name, each) is not each:
            raise ReplayError(
                f"there are two checks named {each.name!r}; the one of {_origin(each)} needs another name"
            )
        self._checks[each.name] = each

    def get(self, name: str) -> Check[Any] | None:
        """The type of this name; None when there is none, also not in an entry point."""
        found = self._checks.get(name)
        if found is None and name in self._family_of:
            self._load_family(self._family_of[name])
        elif found is None:
            self._load_plugins()
        return self._checks.get(name)

    @property
    def names(self) -> list[str]:
        """Every name that a contract may use, sorted."""
        self._load_plugins()
        return sorted({*self._family_of, *self._checks})

    def __iter__(self) -> Iterator[Check[Any]]:
        """Every type, by name."""
        for name in self.names:
            found = self.get(name)
            if found is not None:
                yield found

    def _load_family(self, family: str) -> None:
        module = import_module(f"pytest_agent_replay.contracts.checks.{family}")
        self._checks.update((each.name, each) for each in module.CHECKS)

    def _load_plugins(self) -> None:
        if not self._load_entry_points:
            return
        self._load_entry_points = False
        from importlib.metadata import entry_points

        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            try:
                loaded = entry_point.load()
                for each in loaded if isinstance(loaded, (list, tuple)) else [loaded]:
                    self.register(each)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # a broken plugin must not break contracts that do not use it
                reason = str(error) if isinstance(error, ReplayError) else f"{type(error).__name__}: {error}"
                self.load_errors.append(
                    f"the check plugin {entry_point.name!r} ({entry_point.value}) cannot be loaded: {reason}"
                )


def _origin(each: Check[Any]) -> str:
    return getattr(each.function, "__module__", "a plugin")
