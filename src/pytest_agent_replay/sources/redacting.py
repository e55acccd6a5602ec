"""Secrets and personal data out of a session, before its file is made.

A recorded run is redacted before it is built, so that the digests of the model's requests are those of what a replay
will send. A session that is built already gets new digests, where the old ones were those of its own messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.formats.replay import ErrorSpec, LlmRequestDigests, LlmResponse, RecordingRef, ReplayFile
from pytest_agent_replay.formats.writing import replay_to_data
from pytest_agent_replay.llm.conversation import recorded_messages
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.sources.session import ImportedSession, Notes
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunSession, Span

if TYPE_CHECKING:
    from pytest_agent_replay.redaction import Redactor

__all__ = ["redact_replay", "redact_run", "redacted_file"]

STALE_DIGESTS = "digests of model requests in which something was redacted"

_SESSION = ("id", "name", "source", "tags", "metadata", "scores", "remarks", "expected_failure", "agent_config")
_TRACE = ("input", "output", "scores")
_AGENT = ("input", "output")
_MODEL = ("messages", "answer", "refusal", "reasoning", "settings")
_TOOL = ("args", "bare", "result")


def redact_run(run: RunSession, redactor: Redactor) -> None:
    """Redacts a recorded run in place, once all of it was looked through: what is found last may stand first."""
    places = list(_places(run))
    for owner, name in places:
        redactor.learn(_json(getattr(owner, name)))
    for owner, name in places:
        value = getattr(owner, name)
        if isinstance(value, ErrorSpec):
            setattr(owner, name, ErrorSpec.model_validate(redactor.clean(_json(value))))
        elif value is not None and value is not MISSING:
            setattr(owner, name, redactor.clean(value))


def redact_replay(session: ImportedSession, redactor: Redactor) -> ImportedSession:
    """The session with its file redacted."""
    replay, stale = redacted_file(session.replay, redactor)
    notes = Notes(session.notes.guessed.copy(), session.notes.lost.copy())
    notes.lose(STALE_DIGESTS, stale)
    wish = redactor.clean(session.wish)
    return replace(session, replay=replay, wish=wish, notes=notes)


def redacted_file(replay: ReplayFile, redactor: Redactor) -> tuple[ReplayFile, int]:
    """A replay file without secrets and personal data, and how many digests of model requests were dropped for it."""
    data = replay_to_data(replay)
    cleaned = redactor.replay(data)
    if cleaned == data:
        return replay, 0
    redacted = ReplayFile.model_validate(cleaned)
    stale = 0
    for ref, answer in _answers(redacted):
        stale += _renew(answer, recorded_messages(replay, ref), recorded_messages(redacted, ref))
    return redacted, stale


def _renew(answer: LlmResponse, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> bool:
    """Gives an answer the digests of the redacted request; true when they cannot be known, and are dropped."""
    given = answer.request
    if given is None or before == after:
        return False
    old, new = request_digests(before), request_digests(after)
    renewed = given.model_dump(exclude_none=True)
    is_stale = False
    for part in ("system", "messages"):
        if renewed.get(part) == getattr(old, part):
            renewed[part] = getattr(new, part)
        elif part in renewed and getattr(old, part) != getattr(new, part):
            del renewed[part]
            is_stale = True
    answer.request = LlmRequestDigests(**renewed)
    return is_stale


def _answers(replay: ReplayFile) -> Iterator[tuple[RecordingRef, LlmResponse]]:
    for number, turn in enumerate(replay.turn_list, 1):
        for index, answer in enumerate(turn.llm_responses or ()):
            yield RecordingRef(number, index), answer


def _places(run: RunSession) -> Iterator[tuple[Any, str]]:
    yield from ((run, name) for name in _SESSION)
    for trace in run.traces:
        yield from ((trace, name) for name in _TRACE)
        for span in trace.spans:
            yield from _places_in(span)


def _places_in(span: Span) -> Iterator[tuple[Any, str]]:
    yield span, "error"
    what = span.what
    names = _AGENT if isinstance(what, Agent) else _MODEL if isinstance(what, Model) else _TOOL
    yield from ((what, name) for name in names)


def _json(value: Any) -> Any:
    if value is MISSING:
        return None
    return value.model_dump(exclude_unset=True) if isinstance(value, ErrorSpec) else value
