"""`agent-replay validate PATH…`: are these replay files, contracts and flakestorm.yaml files right?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.cli.files import is_contract, is_replay, named_files, stem
from pytest_agent_replay.cli.progress import progress

if TYPE_CHECKING:
    import argparse

    from pytest_agent_replay.contracts.resolve import ContractFinder
    from pytest_agent_replay.errors import Problem

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "validate",
        help="check replay files and contracts",
        description="Checks replay files, contracts and flakestorm.yaml files, and that every replay's contract is "
        "there. Prints a line for each problem; the exit code is 1 when there is one. Types of invariants that a "
        "conftest.py adds are not known here, those of installed plugins are.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder to be searched")
    parser.add_argument(
        "--root", metavar="DIR", help="the folder that references may not leave (default: the working directory)"
    )
    parser.set_defaults(main=main)


def main(given: argparse.Namespace) -> int:
    """Checks all files."""
    files = named_files(given.paths)
    root = Path(os.path.abspath(given.root)) if given.root else _root([Path(os.path.abspath(p)) for p in given.paths])
    problems = _Validator(root).check(files)
    for problem in problems:
        print(" ".join(str(problem).split("\n")))
    if problems:
        print(f"{_counted(len(problems), 'problem')} in {_counted(len(files), 'file')}", file=sys.stderr)
        return 1
    print("1 file is valid" if len(files) == 1 else f"{len(files)} files are valid")
    return 0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _root(paths: Sequence[Path]) -> Path:
    here = Path.cwd()
    if all(path.is_relative_to(here) for path in paths):
        return here
    return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in paths]))


class _Validator:
    def __init__(self, root: Path) -> None:
        from pytest_agent_replay.contracts.resolve import ContractFinder

        self.root = root
        self.contracts: ContractFinder = ContractFinder(root)
        self.ids: dict[str, str] = {}

    def check(self, files: Sequence[Path]) -> list[Problem]:
        """The problems of all files, in their order."""
        problems: list[Problem] = []
        with progress("checking", len(files)) as step:
            for path in files:
                problems += dict.fromkeys(self._of_file(path))
                step()
        return list(dict.fromkeys(problems))

    def _of_file(self, path: Path) -> Iterator[Problem]:
        from pytest_agent_replay.errors import FormatError

        try:
            if stem(path.name) == "flakestorm":
                yield from self.contracts.problems_of(path)
                if self._has_replays(path):
                    yield from self._replays_of(path)
            elif is_contract(path.name) or (not is_replay(path.name) and self._looks_like_contract(path)):
                yield from self.contracts.problems_of(path)
            else:
                yield from self._replays_of(path)
        except FormatError as error:
            yield from error.problems

    def _looks_like_contract(self, path: Path) -> bool:
        data = self._document(path).data
        return isinstance(data, list) or (isinstance(data, dict) and bool({"invariants", "contracts"} & set(data)))

    def _has_replays(self, path: Path) -> bool:
        data = self._document(path).data
        return not isinstance(data, dict) or "replays" in data

    def _document(self, path: Path) -> Any:
        from pytest_agent_replay.formats.loading import load_document

        return load_document(path, display=self._shown(path))

    def _shown(self, path: Path) -> str:
        return os.path.relpath(path, self.root) if path.is_relative_to(self.root) else str(path)

    def _replays_of(self, path: Path) -> Iterator[Problem]:
        from pytest_agent_replay.errors import FormatError
        from pytest_agent_replay.formats.files import load_replays

        for loaded in load_replays(path, root=self.root):
            place = f"{loaded.display}:{loaded.line}"
            first = self.ids.setdefault(loaded.id, place)
            if first != place:
                yield loaded.problem(("id",), f"the id `{loaded.id}` is taken by {first}; ids are unique in a run")
            if loaded.replay.contract is not None:
                try:
                    self._resolve(loaded)
                except FormatError as error:
                    yield from error.problems

    def _resolve(self, loaded: Any) -> None:
        from pytest_agent_replay.contracts.place import resolve_contract

        resolve_contract(self.contracts, loaded)
