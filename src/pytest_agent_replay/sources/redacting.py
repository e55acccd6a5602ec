"""Secrets and personal data out of a session, before its file is made.

A recorded run is redacted before it is built, so that the digests of the model's requests are those of what a replay
will send. A session that is built already gets new digests, where the old ones were those of its own messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.redaction.files import redacted_file
from pytest_agent_replay.sources.session import ImportedSession, Notes
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunSession, Span

if TYPE_CHECKING:
    from pytest_agent_replay.redaction import Redactor

__all__ = ["redact_replay", "redact_run"]

STALE_DIGESTS = "digests of model requests in which something was redacted"

_SESSION = ("id", "name", "source", "tags", "metadata", "scores", "remarks", "expected_failure", "agent_config")
_TRACE = ("input", "output", "scores")
_AGENT = ("input", "output")
_MODEL = ("name", "messages", "answer", "finish_reason", "refusal", "reasoning", "settings")
_TOOL = ("name", "call_id", "args", "bare", "result")


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
    notes = Notes(_cleaned(session.notes.guessed, redactor), _cleaned(session.notes.lost, redactor))
    notes.lose(STALE_DIGESTS, stale)
    wish = redactor.clean(session.wish)
    return replace(session, replay=replay, wish=wish, notes=notes)


def _cleaned(kinds: Counter[str], redactor: Redactor) -> Counter[str]:
    """Some name keys of the source."""
    cleaned: Counter[str] = Counter()
    for kind, count in kinds.items():
        cleaned[redactor.clean(kind)] += count
    return cleaned


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
