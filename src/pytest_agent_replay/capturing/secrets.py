"""What looks like a secret is taken out before anything is written.

It is found by the engine of `redaction`; personal data is left. Each secret has one placeholder, `[secret 1]`, so that
a value that is handed from one tool to the next stays the same, and the same session gives the same file wherever it is
captured: no key is needed. Among a call's arguments the field is left out instead: a recording without it answers
whatever secret is in use when it is replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.redaction.engine import Redactor
from pytest_agent_replay.redaction.finding import Finder
from pytest_agent_replay.redaction.pseudonyms import Pseudonyms
from pytest_agent_replay.redaction.rules import PERSONAL, Rules

__all__ = ["Scrubber"]


class _Placeholders(Pseudonyms):
    """`[secret 1]`, `[secret 2]`, … in the order in which the secrets are met."""

    def __init__(self) -> None:
        super().__init__(b"")
        self._numbers: dict[str, int] = {}

    def make(self, shape: str, original: str) -> str:
        return f"[secret {self._numbers.setdefault(original, len(self._numbers) + 1)}]"


class Scrubber(Redactor):
    """Takes secrets out of JSON values; what was found once is known from then on."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(Rules(off=PERSONAL), environment=environment)

    def _made_pseudonyms(self, key: bytes | None) -> Pseudonyms:
        return _Placeholders()

    def _made_finder(self) -> Finder:
        return Finder(self.rules, whole=True)

    @property
    def version(self) -> int:
        """Another one when more is known, so that what was clean before may be so no more."""
        return self._known.version

    def arguments(self, args: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Arguments of a call without the fields that hold a secret, and the paths of these."""
        self.learn(args)
        left_out: list[str] = []
        return self._arguments(args, "", left_out), left_out

    def _arguments(self, args: Mapping[str, Any], path: str, left_out: list[str]) -> dict[str, Any]:
        kept = {}
        for key, item in args.items():
            name = self.clean_field(key, "")
            where = f"{path}/{name}"
            cleaned = self.clean_field(item, key)
            if name != key:
                left_out.append(where)
            elif isinstance(item, Mapping):
                kept[key] = self._arguments(item, where, left_out)
            elif cleaned == item:
                kept[key] = item
            else:
                left_out.append(where)
        return kept

    def route(self, name: str) -> str:
        """The name of an HTTP tool; `*` stands for a secret in its path, and matches any."""
        self.learn(name)
        return self.clean_route(name)
