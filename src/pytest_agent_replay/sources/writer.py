"""The one way from a source to replay files: each session is redacted, built, given a contract, and written.

Sessions go through one at a time, whatever their number.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_agent_replay.errors import MAX_SHOWN, FormatError, ReplayError
from pytest_agent_replay.formats.replay import ReplayFile, Source
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.formats.writing import file_text, replay_to_data
from pytest_agent_replay.llm.digest import digest
from pytest_agent_replay.sources.folder import Outcome, ReplayFolder
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.spans import RunSession

if TYPE_CHECKING:
    from argparse import Namespace

    from pytest_agent_replay.redaction import Redactor
    from pytest_agent_replay.sources.proposing.proposal import Proposal
    from pytest_agent_replay.sources.source import Source as AnySource

__all__ = ["ImportReport", "Wishes", "import_sessions", "write_sessions"]

_SHOWN = 4
_LEFT_ALONE = {
    Outcome.TAKEN: "the file is of another session; it was left as it is (--force overwrites)",
    Outcome.CHANGED: (
        "the session in the source is another than when this file was imported, or is redacted in another way; it was "
        "left as it is (--force overwrites it, another folder with -o keeps both)"
    ),
}
_DAYS = re.compile(r"(\d{1,5})d")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of the files. `contract` is a name, or the path of a file from the working directory."""

    contract: str | None = None
    golden: bool | None = None
    """None: as the proposed contract finds."""
    tags: Sequence[str] = ()
    agent: str | None = None
    propose: bool = True
    """Without a `contract`, each file gets one of its own, made from what was recorded."""
    expires: str | None = None
    """A date or time, or days after the session (`90d`)."""
    redactor: Callable[[], Redactor] | None = None
    """Makes a redactor for a session; None writes the data as it is."""

    def __post_init__(self) -> None:
        """Raises `ReplayError` for an `expires` that is neither."""
        if self.expires is not None and not _DAYS.fullmatch(self.expires):
            try:
                parse_time(self.expires)
            except ValueError as error:
                raise ReplayError(f"--expires: {error}, nor a number of days such as 90d") from None


@dataclass(slots=True)
class ImportReport:
    """What an import did. `notes` are lines for the screen; a problem is a session that could not be imported."""

    written: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    """Files that were there already: of sessions that would be written again, or that were not fetched again."""
    edited: int = 0
    """So many of them were changed or renamed since."""
    turns: int = 0
    tool_calls: int = 0
    failed_calls: int = 0
    model_answers: int = 0
    redacted: Counter[str] = field(default_factory=Counter)
    proposals: Counter[str] = field(default_factory=Counter)
    """Whether the proposed contract is red on the recorded original: `yes`, `no`, `unknown`, by a `guess`; `golden`."""
    said: list[tuple[Path, list[str]]] = field(default_factory=list)
    """What is to be said of the first proposed contracts."""
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[Path]:
        """The files of all sessions of the import."""
        return [*self.written, *self.there]

    @property
    def unchanged(self) -> int:
        """How many sessions had their file already."""
        return len(self.there)


def import_sessions(
    source: AnySource,
    given: Namespace,
    out: Path,
    wishes: Wishes,
    *,
    force: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImportReport:
    """Imports from a source into the folder `out`; `given` are the source's options. Errors as `write_sessions`."""
    folder = ReplayFolder(out, force=force)

    def find(block: Mapping[str, Any]) -> Path | None:
        # what is personal in it, such as a thread that is named by an address, was redacted when it was written
        return folder.find(block) or (folder.find(wishes.redactor().clean(block)) if wishes.redactor else None)

    importing = Importing(None if force else find)
    return write_sessions(source.sessions(given, importing), folder, wishes, importing, progress)


def write_sessions(
    sessions: Iterable[RunSession | ImportedSession],
    folder: ReplayFolder,
    wishes: Wishes,
    importing: Importing,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImportReport:
    """Writes a file for each session that has none in `folder`; the same sessions give the same bytes.

    A session that cannot be imported is a problem of the report; the others are written. `progress(done, total)` is
    called after each. Raises `ReplayError` when the source cannot be read, or the folder not written.
    """
    report = ImportReport()
    summary = _Summary()
    for number, session in enumerate(_with_problems(sessions, importing), 1):
        try:
            _import(session, folder, wishes, report, summary, importing)
        except (SessionProblem, ValidationError, ValueError, RecursionError) as error:
            importing.problem(f"{session.where or _id(session)}: {_in_words(error)}")
        if progress is not None:
            progress(number + importing.skipped, importing.total)
    report.there += importing.there
    report.notes = [*importing.notes, *summary.lines()]
    report.problems = list(importing.problems)
    if wishes.redactor is not None:
        redactor = wishes.redactor()
        report.notes, report.problems = redactor.clean(report.notes), redactor.clean(report.problems)
    return report


def _with_problems(
    sessions: Iterable[RunSession | ImportedSession], importing: Importing
) -> Iterator[RunSession | ImportedSession]:
    """The sessions; a file that cannot be used is told with what was found in it until then."""
    try:
        yield from sessions
    except FormatError as error:
        if not importing.problems:
            raise
        raise ReplayError("\n".join([*importing.problems[:MAX_SHOWN], str(error)])) from None


def _import(
    session: RunSession | ImportedSession,
    folder: ReplayFolder,
    wishes: Wishes,
    report: ImportReport,
    summary: _Summary,
    importing: Importing,
) -> None:
    redactor = wishes.redactor() if wishes.redactor is not None else None
    built, redacted = _built(session, redactor)
    source = built.replay.source
    block = source.model_dump(exclude_unset=True) if isinstance(source, Source) else {"type": str(source)}
    name = folder.name_for(built.wish, block)
    replay, proposed = _completed(built, name, wishes, folder.path, redacted)
    text = file_text(folder.path_of(name, block), replay_to_data(replay))
    path, outcome = folder.put(name, block, text, (replay.import_ or {}).get("digest"))
    if outcome in _LEFT_ALONE:
        importing.problem(f"{path}: {_LEFT_ALONE[outcome]}")
        return
    if outcome is not Outcome.WRITTEN:
        report.there.append(path)
        report.edited += outcome is Outcome.EDITED
        return
    _count(report, path, replay)
    report.redacted.update(redacted)
    if proposed is not None:
        verdict = "golden" if replay.golden else "guess" if proposed.basis == "guess" else proposed.reproduces
        report.proposals[verdict] += 1
        if len(report.said) < _SHOWN:
            report.said.append((path, proposed.lines))
    summary.add(built.notes)


def _built(session: RunSession | ImportedSession, redactor: Redactor | None) -> tuple[ImportedSession, Counter[str]]:
    from pytest_agent_replay.sources.building import build_session
    from pytest_agent_replay.sources.redacting import redact_replay, redact_run

    if isinstance(session, RunSession):
        if redactor is not None:
            redact_run(session, redactor)
        built = build_session(session)
    else:
        built = session
    if redactor is not None:
        built = redact_replay(built, redactor)
    return built, Counter(redactor.found) if redactor is not None else Counter()


def _completed(
    built: ImportedSession, name: str, wishes: Wishes, folder: Path, redacted: Mapping[str, int]
) -> tuple[ReplayFile, Proposal | None]:
    """The file, and the contract that was proposed for it."""
    replay = built.replay
    update: dict[str, Any] = {"id": name}
    update["import_"] = {**_remarks(built.notes, redacted), "digest": _digest(replay)}
    if wishes.agent is not None:
        update["agent"] = wishes.agent
    if wishes.tags:
        update["tags"] = list(dict.fromkeys([*replay.tags, *wishes.tags]))
    if wishes.expires is not None:
        update["expires"] = _expiry(wishes.expires, replay)
    if wishes.golden is not None:
        update["golden"] = wishes.golden
    if wishes.contract is not None:
        update["contract"] = contract_reference(wishes.contract, folder)
        return replay.model_copy(update=update), None
    if not wishes.propose:
        return replay.model_copy(update=update), None
    from pytest_agent_replay.sources.proposing.proposal import propose

    proposal = propose(replay.model_copy(update=update))
    update["contract"] = proposal.contract
    if wishes.golden is None and proposal.is_golden:
        update["golden"] = True
    return replay.model_copy(update=update), proposal


def _digest(replay: ReplayFile) -> str:
    """Of what was said and what tools gave: it stays the same whatever else is read, proposed or asked for."""
    kept: Any = {"input": True, "tool_responses": {"__all__": {"tool", "response", "error"}}, "output": True}
    return digest([turn.model_dump(mode="json", include=kept) for turn in replay.turn_list])


def _expiry(wish: str, replay: ReplayFile) -> str:
    days = _DAYS.fullmatch(wish)
    if days is None:
        return wish
    if replay.captured_at is None:
        raise SessionProblem("the source does not say when it was, so `--expires` needs a date")
    end = parse_time(replay.captured_at) + timedelta(days=int(days[1]))
    return end.date().isoformat()


def _id(session: RunSession | ImportedSession) -> str:
    return session.id if isinstance(session, RunSession) else session.wish


def _in_words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    return str(error)


def contract_reference(contract: str, folder: Path) -> str:
    """How a replay file in `folder` names a contract: a path in a file counts from that file."""
    if not Path(contract).is_file():
        return contract
    try:
        relative = Path(os.path.relpath(contract, folder)).as_posix()
    except ValueError:  # another drive
        return Path(contract).resolve().as_posix()
    return relative if relative.startswith("..") else f"./{relative}"


# -- what is said


def _remarks(notes: Notes, redacted: Mapping[str, int]) -> dict[str, Any]:
    kinds = (("guessed", notes.guessed), ("lost", notes.lost), ("redacted", redacted))
    return {name: _lines(found) for name, found in kinds if found}


def _lines(kinds: Mapping[str, int]) -> list[str]:
    return [f"{kind} ({count})" if count > 1 else kind for kind, count in sorted(kinds.items())]


class _Summary:
    """What was guessed and lost over all sessions; it grows with the kinds, not with the sessions."""

    def __init__(self) -> None:
        self.sessions = 0
        self.total: dict[str, Counter[str]] = {"guessed": Counter(), "lost": Counter()}
        self.within: dict[str, Counter[str]] = {"guessed": Counter(), "lost": Counter()}

    def add(self, notes: Notes) -> None:
        self.sessions += 1
        for label in self.total:
            kinds: Counter[str] = getattr(notes, label)
            self.total[label].update(kinds)
            self.within[label].update(kinds.keys())

    def lines(self) -> list[str]:
        return [
            f"{label}: {kind} ({count} in {self.within[label][kind]} of {self.sessions} sessions)"
            for label, kinds in self.total.items()
            for kind, count in sorted(kinds.items())
        ]


def _count(report: ImportReport, path: Path, replay: ReplayFile) -> None:
    report.written.append(path)
    for turn in replay.turn_list:
        report.turns += turn.is_played
        report.tool_calls += len(turn.tool_responses)
        report.failed_calls += sum(response.is_failure for response in turn.tool_responses)
        report.model_answers += len(turn.llm_responses or ())
