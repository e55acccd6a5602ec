"""JSON and JSON Lines files as sources read them: one value, or one a line, each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import FormatError, Problem

__all__ = ["EMPTY", "TOO_DEEP", "Sample", "parse_json", "read_values"]

_LINES = (".jsonl", ".ndjson")
_SAMPLE = 64 * 1024
_PACKED = {
    b"\x1f\x8b": "it is packed with gzip: unpack it first (gunzip)",
    b"PK\x03\x04": "it is a zip archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "it is packed with zstd: unpack it first (unzstd)",
}
"""How files begin that hold others."""
EMPTY = "the file is empty"
TOO_DEEP = "it is nested too deeply to be read"
_LONGEST_NUMBER = 300
"""More digits than that do not fit into any floating-point number either."""


class Sample:
    """A file of which nobody knows yet what it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    @cached_property
    def head(self) -> bytes:
        """Its first 64 KiB. Raises `FormatError`, also for packed files."""
        try:
            with self.path.open("rb") as file:
                head = file.read(_SAMPLE)
        except OSError as error:
            raise _unreadable(self.path, error) from None
        _refuse_packed(self.path, head)
        return head

    @cached_property
    def values(self) -> list[Any]:
        """The JSON value of the file, or of each of the first ten lines of JSON Lines; empty when it is neither."""
        values = []
        problems: list[str] = []
        try:
            for _, value in read_values(self.path, problems):
                values.append(value)
                if len(values) == 10:
                    break
        except FormatError as error:
            problems.append(str(error))
            values = []
        self.problems = problems
        return values

    @property
    def why_not_json(self) -> str | None:
        """Why a file that is named like JSON holds no value of it; None for others."""
        if self.path.suffix.lower() not in (".json", *_LINES) or self.values or not self.problems:
            return None
        return self.problems[0]


def read_values(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    """The JSON values of a file with their places: the whole of a JSON file, each line of JSON Lines.

    A line that is no JSON is added to `problems`, and the others are read; lines are read one by one. Raises
    `FormatError` when the file cannot be read, is packed or empty, or is no JSON.
    """
    if path.suffix.lower() not in _LINES:
        whole = _whole(path)
        if whole is not None:
            yield str(path), whole[0]
            return
    yield from _lines(path, problems)


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises `RecursionError`, and `ValueError`, also for NaN, infinities, and whole numbers
    that are beyond all others.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number)


def _whole(path: Path) -> tuple[Any] | None:
    """The value of a JSON file; None when it is JSON Lines in spite of its name."""
    try:
        raw = path.read_bytes()
        _refuse_packed(path, raw)
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), 0, 0, f"it is not UTF-8 (byte {error.start + 1})")) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    if not text.strip():
        raise _fault(path, EMPTY)
    try:
        return (parse_json(text),)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Extra data") and _is_json(text.lstrip().partition("\n")[0]):
            return None
        raise FormatError(Problem(str(path), error.lineno, error.colno, f"it is not JSON: {error.msg}")) from None
    except RecursionError:
        raise _fault(path, TOO_DEEP) from None
    except ValueError as error:
        raise _fault(path, f"it is not JSON: {error}") from None


def _lines(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    is_empty = True
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if number == 1:
                    _refuse_packed(path, raw)
                if not raw.strip():
                    continue
                is_empty = False
                try:
                    yield f"{path}:{number}", parse_json(raw.decode("utf-8-sig"))
                except json.JSONDecodeError as error:
                    problems.append(f"{path}:{number}:{error.colno}: it is not JSON: {error.msg}")
                except UnicodeDecodeError as error:
                    problems.append(f"{path}:{number}: it is not UTF-8 (byte {error.start + 1} of the line)")
                except RecursionError:
                    problems.append(f"{path}:{number}: {TOO_DEEP}")
                except ValueError as error:
                    problems.append(f"{path}:{number}: it is not JSON: {error}")
    except OSError as error:
        raise _unreadable(path, error) from None
    if is_empty:
        raise _fault(path, EMPTY)


def _refuse_packed(path: Path, head: bytes) -> None:
    why = next((why for mark, why in _PACKED.items() if head.startswith(mark)), None)
    if why is not None:
        raise _fault(path, why)


def _unreadable(path: Path, error: OSError) -> FormatError:
    return _fault(path, f"it cannot be read: {error.strerror or error}")


def _fault(path: Path, why: str) -> FormatError:
    return FormatError(Problem(str(path), 0, 0, why))


def _whole_number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits is no number of any system")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except (ValueError, RecursionError):
        return False
    return True
