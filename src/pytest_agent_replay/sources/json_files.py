"""JSON and JSON Lines files as sources read them: one value, or one a line, each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import FormatError, Problem

__all__ = ["Sample", "parse_json", "read_values"]

_LINES = (".jsonl", ".ndjson")
_SAMPLE = 64 * 1024
_LONGEST_NUMBER = 300
"""More digits than that do not fit into any floating-point number either."""


class Sample:
    """A file of which nobody knows yet what it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def head(self) -> bytes:
        """Its first 64 KiB. Raises `FormatError`."""
        try:
            with self.path.open("rb") as file:
                return file.read(_SAMPLE)
        except OSError as error:
            raise _unreadable(self.path, error) from None

    @cached_property
    def values(self) -> list[Any]:
        """The JSON value of the file, or of each of the first ten lines of JSON Lines; empty when it is neither."""
        values = []
        try:
            for _, value in read_values(self.path, []):
                values.append(value)
                if len(values) == 10:
                    break
        except FormatError:
            return []
        return values


def read_values(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    """The JSON values of a file with their places: the whole of a JSON file, each line of JSON Lines.

    A line that is no JSON is added to `problems`, and the others are read; lines are read one by one. Raises
    `FormatError` when the file cannot be read, or is no JSON.
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
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(Problem(str(path), 0, 0, f"it is not UTF-8 (byte {error.start + 1})")) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        return (parse_json(text),)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Extra data") and _is_json(text.lstrip().partition("\n")[0]):
            return None
        raise FormatError(Problem(str(path), error.lineno, error.colno, f"it is not JSON: {error.msg}")) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(Problem(str(path), 0, 0, f"it is not JSON: {error}")) from None


def _lines(path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                try:
                    yield f"{path}:{number}", parse_json(raw.decode("utf-8-sig"))
                except json.JSONDecodeError as error:
                    problems.append(f"{path}:{number}:{error.colno}: it is not JSON: {error.msg}")
                except UnicodeDecodeError as error:
                    problems.append(f"{path}:{number}: it is not UTF-8 (byte {error.start + 1} of the line)")
                except (ValueError, RecursionError) as error:
                    problems.append(f"{path}:{number}: it is not JSON: {error}")
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> FormatError:
    return FormatError(Problem(str(path), 0, 0, f"it cannot be read: {error.strerror or error}"))


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
