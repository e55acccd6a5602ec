"""What is looked at to propose a contract: the recorded original, and what an invariant says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from pytest_agent_replay.contracts.case import CannotEvaluate, Services, SessionView, text_of, texts_of
from pytest_agent_replay.contracts.plain import nfc
from pytest_agent_replay.contracts.registry import Registry
from pytest_agent_replay.contracts.resolve import BoundContract, BoundInvariant
from pytest_agent_replay.contracts.verdict import reproduces
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.player.values import canonical
from pytest_agent_replay.report.results import InvariantResult, Reproduces
from pytest_agent_replay.sources.proposing.tools import kind_of
from pytest_agent_replay.trace.model import ToolCallView
from pytest_agent_replay.trace.recorded import recorded_trace

__all__ = ["Facts", "Line", "Rank", "bound", "listed", "quoted"]

Rank = Literal["sign", "told", "guess", "guard"]
"""Why a line is there: the recording shows a failure; `expected_failure` says so; it may be what went wrong; it holds
on the original and is to hold on."""

_REFUSAL = re.compile(
    r"\b(?:invalid|not (?:found|valid|enough|allowed|supported|available|add up)|(?:does|do|did)(?: not|n't)|no such"
    r"|unknown|missing|required?|must|may not|cannot be|can't be|already|mismatch|exceeds?|out of range|unsupported"
    r"|malformed|schema|validation|unexpected|insufficient|ValueError|TypeError|KeyError|ValidationError)\b",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"time[sd]? ?-?out|temporar|unavailable|try again|retry|rate.?limit|too many|connect|overload|internal|gateway"
    r"|reset|network|\b50\d\b",
    re.IGNORECASE,
)
_REFUSING = frozenset({400, 404, 405, 409, 410, 412, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Line:
    """One invariant of the proposed contract, without its description, and the reason for it: a plain sentence."""

    id: str
    invariant: dict[str, Any]
    reason: str
    rank: Rank

    @property
    def written(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"id": self.id, **self.invariant, "description": self.reason}


@lru_cache(maxsize=1)
def _registry() -> Registry:
    return Registry(entry_points=False)


def bound(invariants: list[dict[str, Any]]) -> BoundContract:
    """Invariants as they are written in a file, ready to judge."""
    made = []
    for written in invariants:
        check = _registry().get(written["type"])
        assert check is not None, written["type"]
        params = check.params.model_validate(written)
        made.append(BoundInvariant(params.id or params.type, params, check))
    return BoundContract("proposed contract", tuple(made))


def quoted(text: str, limit: int = 80) -> str:
    """A piece of a text in quotation marks, in one line."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= limit else line[: limit - 1] + '…'}”"


def listed(items: list[str], limit: int = 3) -> str:
    """`a, b and c`."""
    items = list(dict.fromkeys(items))
    if len(items) > limit:
        items = [*items[:limit], f"{len(items) - limit} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


class Facts:
    """One recorded session."""

    def __init__(self, replay: ReplayFile) -> None:
        self.replay = replay
        self.session = SessionView(recorded_trace(replay), replay, Services(), recorded=True)

    def verdict(self, invariants: list[dict[str, Any]]) -> tuple[Reproduces, list[InvariantResult]]:
        """What these invariants say of the original, as the runner judges it."""
        return reproduces(bound(invariants), self.replay, self.session.services, session=self.session)

    def judge(self, **invariant: Any) -> InvariantResult:
        """What one invariant says of the original; `skipped` also where it cannot be evaluated."""
        return self.verdict([invariant])[1][0]

    # -- calls

    @cached_property
    def calls(self) -> list[ToolCallView]:
        """The recorded calls, in order; none where the file does not say in which turn they were made."""
        try:
            return self.session.calls
        except CannotEvaluate:
            return []

    @property
    def failures(self) -> list[ToolCallView]:
        return [call for call in self.calls if call.failed]

    def before(self, turn: int) -> list[ToolCallView]:
        """The calls up to the end of a turn."""
        return [call for call in self.calls if call.turn <= turn]

    @cached_property
    def changing(self) -> list[str]:
        """The tools that change something, by their names, in the order of their first calls."""
        return list(dict.fromkeys(call.tool for call in self.calls if kind_of(call.tool) == "changes"))

    def key(self, call: ToolCallView) -> tuple[str, Any] | None:
        """Equal for equal calls; None where the arguments were not recorded."""
        return (call.tool, canonical(call.args)) if self.session.knows_args(call) else None

    def was_refused(self, call: ToolCallView) -> bool:
        """Whether the tool did not take these arguments: the same call again would fail again."""
        if not call.failed:
            return False
        text = self.fault(call)
        if _PASSING.search(text) or (call.status is not None and call.status not in _REFUSING):
            return False
        return call.status in _REFUSING or _REFUSAL.search(text) is not None

    def fault(self, call: ToolCallView) -> str:
        """What a failed call said."""
        error = call.error or {}
        said = " ".join(str(part) for part in (error.get("type"), error.get("message")) if part)
        return said or (text_of(call.result) if call.result is not None else f"status {call.status}")

    # -- answers

    def answers(self) -> Iterator[tuple[int, str]]:
        """Turn and text of the answers; of a structured one, its JSON and each text in it."""
        for turn in self.session.answered:
            output = self.session.outputs.get(turn)
            if output is not None:
                for text in texts_of(output):
                    yield turn, nfc(text)

    @property
    def has_figures(self) -> bool:
        return any(character.isdigit() for _, text in self.answers() for character in text)

    @property
    def knows_instructions(self) -> bool:
        """Whether what the agent was told beforehand is in the file: it may have given figures and numbers to call."""
        return self.replay.context is not None or bool((self.replay.agent_config or {}).get("system_prompt"))

    # -- words

    @property
    def has_turns(self) -> bool:
        return len(self.session.played) > 1

    def turn(self, number: int) -> dict[str, Any]:
        """The parameter that limits an invariant to a turn; a session of one turn needs none."""
        return {"turn": number} if self.has_turns else {}

    def in_turn(self, number: int) -> str:
        """` in turn 2`; nothing in a session of one turn."""
        return f" in turn {number}" if self.has_turns else ""

    def of_turn(self, number: int) -> str:
        """` of turn 2`; nothing in a session of one turn."""
        return f" of turn {number}" if self.has_turns else ""
