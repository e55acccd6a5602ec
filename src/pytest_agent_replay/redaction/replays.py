"""Which parts of a replay file are the session's, and which are the format's own and stay as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.redaction.lists import listed

if TYPE_CHECKING:
    from pytest_agent_replay.redaction.engine import Redactor

__all__ = ["clean_replay"]

_FORMAT = frozenset(
    listed(
        """
    version captured_at golden ended clock expires at_turn at_event matching import started_at
    """
    )
)
"""Of a file and of its turns."""
_ROUTE = re.compile(r"(?:^| )/|://")
_TOOL = frozenset(["status", "failed", "latency_ms", "times", "call_id", "origin"])
_MODEL = frozenset(["model", "usage", "finish_reason", "request", "latency_ms", "status", "times"])
_CALL = frozenset(("id", "name"))
_ERROR = frozenset(("type",))
_CONTRACT = frozenset(
    listed(
        """
    type id name tool tools severity turn before after when only extends check schema
    """
    )
)

Path = tuple[str, ...]
Clean = Callable[[Any, str, Path], Any]
"""Cleans what stands in the field of that name, at that path."""


def clean_replay(redactor: Redactor, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a file with its session redacted."""

    def learn(value: Any, field: str, path: Path) -> Any:
        redactor.learn({field: value})
        return value

    def learn_pieces(pieces: list[str], path: Path) -> list[str]:
        redactor.learn("".join(pieces))
        return pieces

    _Walk(learn, lambda route, path: route, learn_pieces).file(data)
    return _Walk(redactor.clean_field, redactor.clean_route, redactor.clean_pieces).file(data)


class _Walk:
    def __init__(
        self, clean: Clean, route: Callable[[str, Path], str], pieces: Callable[[list[str], Path], list[str]]
    ) -> None:
        self.clean = clean
        self.route = route
        self.pieces = pieces

    def file(self, data: Mapping[str, Any], path: Path = ()) -> dict[str, Any]:
        return {key: self._part(key, value, (*path, key)) for key, value in data.items()}

    def _part(self, key: str, value: Any, path: Path) -> Any:
        if key in _FORMAT:
            return value
        if key in ("turns", "forks") and isinstance(value, list):
            return self._each(value, path, self.file)
        if key == "tool_responses" and isinstance(value, list):
            return self._each(value, path, self._tool)
        if key == "llm_responses" and isinstance(value, list):
            return self._each(value, path, self._answer)
        if key == "tools" and isinstance(value, Mapping):
            return {name: self._target(target, (*path, name)) for name, target in value.items()}
        if key == "contract":
            return self._contract(value, "", path)
        if key == "error":
            return self._error(value, path[:-1])
        return self.clean(value, key, path)

    def _each(
        self,
        items: list[Any],
        path: Path,
        walk: Callable[[Mapping[str, Any], Path], dict[str, Any]],
    ) -> list[Any]:
        return [
            walk(item, (*path, str(index))) if isinstance(item, Mapping) else item for index, item in enumerate(items)
        ]

    def _fields(self, data: Mapping[str, Any], path: Path, kept: frozenset[str]) -> dict[str, Any]:
        return {
            key: self._kept(value, (*path, key))
            if key in kept
            else self._error(value, path)
            if key == "error"
            else self._field(key, value, path)
            for key, value in data.items()
        }

    def _kept(self, value: Any, path: Path) -> Any:
        """Names, ids and numbers: whatever field they are in, but in a name too somebody may have put a secret."""
        return self.clean(value, "", path) if isinstance(value, str) else value

    def _field(self, key: str, value: Any, path: Path) -> Any:
        path = (*path, key)
        if key == "stream" and isinstance(value, list) and all(isinstance(piece, str) for piece in value):
            value = self.pieces(value, path)
        return self.clean(value, key, path)

    def _tool(self, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        cleaned = self._fields({key: value for key, value in data.items() if key != "tool"}, path, _TOOL)
        tool = data.get("tool")
        if isinstance(tool, str) and _ROUTE.search(tool):
            tool = self.route(tool, (*path, "tool"))
        else:
            tool = self._kept(tool, (*path, "tool"))
        return {key: tool if key == "tool" else cleaned[key] for key in data}

    def _target(self, value: Any, path: Path) -> Any:
        """Where a tool's client is; of that only a route and what it must match can have a secret."""
        if isinstance(value, str):
            return self.route(value, path) if _ROUTE.search(value) else value
        if not isinstance(value, Mapping):
            return value
        return {
            key: self._target(item, (*path, key)) if key in ("route", "target") else self.clean(item, key, (*path, key))
            for key, item in value.items()
        }

    def _answer(self, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        calls = data.get("tool_calls")
        cleaned = self._fields({key: value for key, value in data.items() if key != "tool_calls"}, path, _MODEL)
        if isinstance(calls, list):
            calls = self._each(calls, (*path, "tool_calls"), lambda call, where: self._fields(call, where, _CALL))
        return {key: calls if key == "tool_calls" else cleaned[key] for key in data}

    def _error(self, error: Any, path: Path) -> Any:
        path = (*path, "error")
        return self._fields(error, path, _ERROR) if isinstance(error, Mapping) else self.clean(error, "error", path)

    def _contract(self, value: Any, key: str, path: Path) -> Any:
        """The values that a contract expects are the session's; its names are not."""
        if key in _CONTRACT or (key == "" and isinstance(value, str)):
            return self._kept(value, path)
        if isinstance(value, Mapping):
            return {name: self._contract(item, name, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._contract(item, key or "-", (*path, str(index))) for index, item in enumerate(value)]
        return self.clean(value, "", path)
