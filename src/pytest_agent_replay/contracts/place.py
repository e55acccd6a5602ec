"""From a loaded replay to its contract: where the replay names it, and where that is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pytest_agent_replay.contracts.resolve import BoundContract, ContractFinder
from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.files import LoadedReplay
from pytest_agent_replay.formats.loading import Document

__all__ = ["resolve_contract"]


def resolve_contract(contracts: ContractFinder, loaded: LoadedReplay) -> BoundContract:
    """The contract that a replay names. Raises `FormatError`, of the folder nearest to it."""
    first: FormatError | None = None
    place = cast(Document, _Place(loaded))
    for directory in loaded.directories:
        try:
            return contracts.resolve(loaded.replay.contract, directory / loaded.path.name, place)
        except FormatError as error:
            first = first or error
    raise first or FormatError(loaded.problem(("contract",), "there is no folder to look for the contract in"))


class _Place:
    """The part of a document that resolving reads; the file is read again only when a place in it is asked for."""

    def __init__(self, loaded: LoadedReplay) -> None:
        self._loaded = loaded
        self.path = loaded.display
        self.data = loaded.data

    def at(self, loc: Sequence[str | int] = ()) -> Any:
        value: Any = self.data
        for step in loc:
            value = value[step]
        return value

    def position(self, loc: Sequence[str | int] = ()) -> tuple[int, int]:
        problem = self._loaded.problem(loc, "")
        return problem.line, problem.column

    def problem(self, loc: Sequence[str | int], message: str) -> Problem:
        return self._loaded.problem(loc, message)
