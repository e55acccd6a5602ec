"""What a place with MLflow's traces is asked, and gives: each trace as `Trace.to_dict()` has it.

None needs the `mlflow` package, and nothing is ever written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.grouping import Head

__all__ = ["Query", "Store", "Trace", "experiment_id", "local_path"]

Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """Which traces are wanted; None: whichever."""

    trace: str | None = None
    session: str | None = None
    experiment: str | None = None
    """Its name or id."""
    filter: str | None = None
    """In MLflow's own language."""
    tool_errors: bool = False
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it may leave out a part of a conversation."""
        return replace(self, experiment=None, session=None) != Query()


class Store(Protocol):
    """One place with traces."""

    place: dict[str, Any]
    """What a file's `source:` says about it."""

    def heads(self, query: Query) -> Iterator[Head]:
        """The traces that are wanted, in any order. Raises `ReplayError`."""

    def trace(self, head: Head) -> Trace:
        """A trace with its spans. Raises `SessionProblem` when they are not to be had."""

    def __enter__(self) -> Store: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...


def experiment_id(wanted: str, names: Mapping[str, str]) -> str:
    """The id of an experiment that is given by its id or name. Raises `ReplayError`, with the nearest name."""
    from difflib import get_close_matches

    found = next((id_ for id_, name in names.items() if wanted == name), wanted if wanted in names else None)
    if found is None:
        near = get_close_matches(wanted, names.values(), 1)
        known = ", ".join(f"`{name}`" for name in list(names.values())[:10])
        raise ReplayError(
            f"there is no experiment `{wanted}`; " + (f"did you mean `{near[0]}`?" if near else f"there are {known}")
        )
    return found


def local_path(uri: str) -> Path | None:
    """The path that a `file:` or `sqlite:` URI, or a plain path, names; None for anything else."""
    scheme, colon, rest = uri.partition(":")
    if not uri:
        return None
    if not colon or len(scheme) == 1:  # no scheme, or the drive of a Windows path
        return Path(uri)
    if scheme == "file":
        return Path(unquote(urlsplit(uri).path))
    if scheme.partition("+")[0] == "sqlite":
        return Path(unquote(rest.removeprefix("///").partition("?")[0]))
    return None
