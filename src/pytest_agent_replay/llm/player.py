"""Which recorded model answer a request gets, and what happens where there is none.

The rules, beyond those of the format's page:

- An answer of the turn comes before one at the top of the file. A recorded error without `request` belongs to the
  request of the answer after it: an SDK sends the same request again.
- An answer without `request` is taken when everything before it in its list is used, so that it is never the answer
  to a request that was recorded otherwise.
- A request that failed and comes again gets the next answer with the same `request`, else the recorded failure again
  (unless `times` bounds it): the SDK tries more often than production did.
- A file with any recorded answer is played from the recording as a whole: a turn without answers asked no model, so
  a request in it is a difference, and not a live call.
- A turn that was `cut` has no answer to its last request. In `recorded` mode it ends there with an empty stop, as
  `after_tool` does; otherwise the model would have to be asked.
- In `recorded` mode a request that was not recorded takes the answer whose messages are equal, else whose system
  prompt is, else whose tools are, and among these the first.
- Embeddings and other requests that are no conversation are live where nothing is recorded, and in `prefix`;
  otherwise they are a difference.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_agent_replay.formats.replay import LlmRequestDigests, LlmResponse, RecordingRef, ReplayFile
from pytest_agent_replay.llm.conversation import recorded_messages
from pytest_agent_replay.llm.differences import differences
from pytest_agent_replay.llm.digest import PARTS, differing_parts, digests
from pytest_agent_replay.llm.neutral import ModelRequest, is_error
from pytest_agent_replay.player.http_tools import timeout_failure
from pytest_agent_replay.settings import LlmMode

__all__ = ["Decision", "LlmPlayer"]

_IN_ORDER = (
    "the recorded model answers have no `request` to compare with: they were given in their order, whatever was asked"
)
_NOT_ASKED = "the model was not asked: its recorded answers were given whatever was asked (--replay-llm=recorded)"
_NEEDED = "the model would have to be asked: "
_ASK = "Record the session again, or ask the model with --replay-llm=live"
_RECORD_IT = (
    "Record it as a tool of the name `{}` (a new capture does), or ask the model with --replay-llm=live (or =prefix: "
    "only for what the recording does not answer)"
)
_HOW_ON = (
    "Ask the model with --replay-llm=live (or =prefix: only from here on), or judge only the code around the model "
    "with --replay-llm=recorded"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a model request gets."""

    kind: Literal["serve", "live", "inconclusive"]
    answer: LlmResponse | None = None
    """Given when `kind` is `serve`."""
    ref: RecordingRef | None = None
    """The recording that `answer` is; None for the empty stop at the end of a turn."""
    text: str = ""
    """Why the replay is inconclusive."""
    notes: tuple[str, ...] = ()
    """What the result must say beside."""
    served_again: bool = False


@dataclass(slots=True)
class _Entry:
    """A recorded answer and what it is found by."""

    ref: RecordingRef
    answer: LlmResponse
    request: LlmRequestDigests | None
    served: int = 0

    @property
    def is_unused(self) -> bool:
        return self.served < (self.answer.times or 1)

    def answers(self, asked: LlmRequestDigests) -> bool:
        return self.request is not None and not differing_parts(self.request, asked)

    def likeness(self, asked: LlmRequestDigests) -> tuple[bool, ...]:
        wanted = self.request or LlmRequestDigests()
        parts = ("messages", "system", "tools")
        return tuple(getattr(wanted, part) == getattr(asked, part) for part in parts)


class LlmPlayer:
    """Answers the model requests of one session. Safe to use from several threads."""

    def __init__(self, replay: ReplayFile, mode: LlmMode) -> None:
        self._replay = replay
        self._mode = mode
        self._top = _entries(0, replay.llm_responses) if replay.turns is not None else []
        self._turns = [_entries(number, turn.llm_responses) for number, turn in enumerate(replay.turn_list, 1)]
        self._lock = threading.Lock()
        self._turn = 1
        self._step = 0
        self._failed: list[tuple[LlmRequestDigests, _Entry]] = []
        self._noted: set[str] = set()
        self._live_since: str | None = None

    @property
    def is_recorded(self) -> bool:
        """The file has recorded answers."""
        return bool(self._top) or any(self._turns)

    @property
    def may_go_live(self) -> bool:
        """A request of the session may be one to the real model."""
        return self._mode in ("live", "prefix") or (self._mode == "auto" and not self.is_recorded)

    @property
    def went_live(self) -> str | None:
        """Where and why a `prefix` run left the recording; None while it has not."""
        return self._live_since

    def unused(self) -> list[RecordingRef]:
        """The recorded answers that were not asked for, in the file's order."""
        return [entry.ref for entries in (self._top, *self._turns) for entry in entries if entry.served == 0]

    def begin_turn(self, turn: int) -> None:
        """`turn` counts from 1."""
        with self._lock:
            self._turn, self._step = turn, 0
            self._failed.clear()

    def decide(self, request: ModelRequest) -> Decision:
        """What this request gets; an answer that is served counts as used."""
        if self._mode == "live" or self._live_since is not None or (not self.is_recorded and self._mode != "recorded"):
            return Decision("live")
        if not request.wire.converses:
            return self._beside_the_conversation(request)
        asked = digests(request)
        with self._lock:
            self._step += 1
            if not request.wire.can_render:
                what = _endpoint(request)
                why = f"recorded answers cannot be given out in the format of {request.wire.name} ({what})"
                return self._difference(why, _RECORD_IT.format(what))
            entry, again = self._entry_for(asked)
            if entry is not None:
                return self._served(entry, asked, request, again)
            if self._is_at_the_end():
                return self._empty_stop()
            return self._difference(self._why(request))

    # -- finding

    @property
    def _own(self) -> list[_Entry]:
        return self._turns[self._turn - 1]

    def _entry_for(self, asked: LlmRequestDigests) -> tuple[_Entry | None, bool]:
        """The answer to serve, and whether it is served again."""
        lists = (self._own, self._top)
        for entry in (entry for entries in lists for entry in entries):
            if entry.is_unused and entry.answers(asked):
                return entry, False
        for entries in lists:
            following = next((entry for entry in entries if entry.is_unused), None)
            if following is not None and following.request is None:
                return following, False
        for failed_request, failed in self._failed:
            if failed_request == asked:
                return self._after_failure(failed)
        return self._likest(asked) if self._mode == "recorded" else None, False

    def _after_failure(self, failed: _Entry) -> tuple[_Entry | None, bool]:
        for entry in (*self._own, *self._top):
            if entry.is_unused and failed.request is not None and entry.request == failed.request:
                return entry, False
        return (failed if failed.answer.times is None else None), True

    def _likest(self, asked: LlmRequestDigests) -> _Entry | None:
        unused = [entry for entry in (*self._own, *self._top) if entry.is_unused]
        return max(unused, key=lambda entry: entry.likeness(asked), default=None)

    def _is_at_the_end(self) -> bool:
        """Production asked no further either: a tool ended the session, or it was cut."""
        ended = self._replay.turn_list[self._turn - 1].ended
        if ended != "after_tool" and (ended != "cut" or self._mode != "recorded"):
            return False
        entries = [*self._own, *self._top]
        return bool(entries) and not any(entry.is_unused for entry in entries)

    # -- deciding

    def _served(self, entry: _Entry, asked: LlmRequestDigests, request: ModelRequest, again: bool) -> Decision:
        entry.served += 1
        self._failed = [pair for pair in self._failed if pair[0] != asked]
        if is_error(entry.answer) or timeout_failure(entry.answer.latency_ms, request.http) is not None:
            self._failed.append((asked, entry))
        return Decision("serve", entry.answer, entry.ref, notes=self._notes(entry, asked, request), served_again=again)

    def _empty_stop(self) -> Decision:
        notes = self._first("mode", _NOT_ASKED) if self._mode == "recorded" else ()
        return Decision("serve", LlmResponse(content="", finish_reason="stop"), notes=notes)

    def _notes(self, entry: _Entry, asked: LlmRequestDigests, request: ModelRequest) -> tuple[str, ...]:
        """That nothing was compared; in `recorded` mode that the model was not asked, and the first difference."""
        if self._mode != "recorded":
            return self._first("undigested", _IN_ORDER) if entry.request is None else ()
        notes = self._first("mode", _NOT_ASKED)
        if entry.request is None or "difference" in self._noted or entry.answers(asked):
            return notes
        why = differences(entry.request, request, self._expected(entry))
        return (
            *notes,
            *self._first("difference", f"the first request that is not the recorded one: {self._where}, {why}"),
        )

    def _first(self, kind: str, note: str) -> tuple[str, ...]:
        if kind in self._noted:
            return ()
        self._noted.add(kind)
        return (note,)

    def _beside_the_conversation(self, request: ModelRequest) -> Decision:
        if self._mode == "prefix":
            return Decision("live")
        what = _endpoint(request)
        why = f"{what} is no conversation, and is not answered by `llm_responses`"
        return Decision("inconclusive", text=f"{_NEEDED}{why}.\n{_RECORD_IT.format(what)}")

    def _difference(self, why: str, how_on: str | None = None) -> Decision:
        if self._mode == "prefix":
            self._live_since = f"the model was asked from {self._where} on: {why}"
            return Decision("live", notes=(self._live_since,))
        how_on = how_on or (_ASK if self._mode == "recorded" else _HOW_ON)
        return Decision("inconclusive", text=f"{_NEEDED}{self._where}, {why}.\n{how_on}")

    # -- explaining

    @property
    def _where(self) -> str:
        return f"turn {self._turn}, step {self._step}" if len(self._turns) > 1 else f"step {self._step}"

    def _expected(self, entry: _Entry) -> Sequence[dict[str, object]]:
        return recorded_messages(self._replay, entry.ref)

    def _why(self, request: ModelRequest) -> str:
        entries = [*self._own, *self._top]
        if not self.is_recorded:
            return "the file has no recorded model answers (`llm_responses`)"
        if not entries:
            return "no model was asked in this turn of the recording"
        asked = digests(request)
        unused = [entry for entry in entries if entry.is_unused and entry.request is not None]
        if unused:
            nearest = max(unused, key=lambda entry: _equal_parts(entry, asked))
            assert nearest.request is not None
            return differences(nearest.request, request, self._expected(nearest))
        if any(entry.answers(asked) for entry in entries):
            return "the same request was recorded less often"
        ended = self._replay.turn_list[self._turn - 1].ended
        cut = "; the recording was cut there" if ended == "cut" else ""
        return f"the recording of this turn ends after {len(entries)} answer{'s'[: len(entries) > 1]}{cut}"


def _endpoint(request: ModelRequest) -> str:
    return f"{request.http.method} {request.http.url.partition('?')[0]}"


def _equal_parts(entry: _Entry, asked: LlmRequestDigests) -> int:
    return len(PARTS) - len(differing_parts(entry.request, asked)) if entry.request is not None else 0


def _entries(turn: int, answers: Sequence[LlmResponse] | None) -> list[_Entry]:
    entries = [
        _Entry(RecordingRef(turn, index), answer, answer.request if _is_given(answer.request) else None)
        for index, answer in enumerate(answers or ())
    ]
    for entry, following in zip(reversed(entries[:-1]), reversed(entries[1:]), strict=True):
        if entry.request is None and is_error(entry.answer):
            entry.request = following.request
    return entries


def _is_given(request: LlmRequestDigests | None) -> bool:
    return request is not None and any(getattr(request, part) is not None for part in PARTS)
