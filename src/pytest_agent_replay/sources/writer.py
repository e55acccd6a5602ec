"""The one writer of imported replay files: unique names, what the import says about itself, and nothing overwritten."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.formats.writing import dump_yaml, replay_to_data, write_text_atomic
from pytest_agent_replay.sources.session import ImportedSession, Notes

__all__ = ["ImportReport", "unique_ids", "write_replays"]

_LONGEST_ID = 100
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(slots=True)
class ImportReport:
    """What an import did. `notes` are lines for the screen; a problem is a session that could not be imported."""

    written: list[Path] = field(default_factory=list)
    turns: int = 0
    tool_calls: int = 0
    failed_calls: int = 0
    model_answers: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def write_replays(
    sessions: Sequence[ImportedSession],
    out: Path,
    *,
    contract: str | None = None,
    golden: bool = False,
    tags: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    problems: Sequence[str] = (),
) -> ImportReport:
    """Writes `out/ID.replay.yaml` for each session; the same sessions give the same bytes.

    `contract` is a name, or the path of an existing file from the working directory. Raises `ReplayError`, before
    anything is written, when a file exists and `force` is not given.
    """
    ids = unique_ids(session.wish for session in sessions)
    paths = [out / f"{id_}.replay.yaml" for id_ in ids]
    _refuse_existing([] if force else paths, out)
    report = ImportReport(problems=list(problems))
    reference = _contract_reference(contract, out)
    _make_folder(out)
    for number, (id_, path, session) in enumerate(zip(ids, paths, sessions, strict=True), 1):
        replay = _completed(session, id_, reference, golden, tags)
        try:
            text = dump_yaml(replay_to_data(replay))
        except ValueError as error:
            report.problems.append(f"{session.where}: {error}")
        else:
            write_text_atomic(path, text, force=force)
            _count(report, path, replay)
        if progress is not None:
            progress(number, len(sessions))
    report.notes = _summary([session.notes for session in sessions])
    return report


# -- names


def unique_ids(wishes: Iterable[str]) -> list[str]:
    """Ids that are file names on every system and differ without regard to case; they depend on the wishes alone."""
    safe = [_safe(wish) for wish in wishes]
    wished = {id_.lower() for id_ in safe}
    taken: set[str] = set()
    ids = []
    for id_ in safe:
        unique, number = id_, 1
        while unique.lower() in taken or (number > 1 and unique.lower() in wished):
            number += 1
            unique = f"{id_}-{number}"
        taken.add(unique.lower())
        ids.append(unique)
    return ids


def _safe(wish: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", wish).strip("-.") or "session"
    if safe != wish and re.search(r"[^\x00-\x7f]", wish):
        safe = f"{safe}-{_hash(wish)}"
    if len(safe) > _LONGEST_ID:
        safe = f"{safe[: _LONGEST_ID - 9]}-{_hash(wish)}"
    return f"session-{safe}" if _RESERVED.fullmatch(safe) else safe


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _refuse_existing(paths: Sequence[Path], out: Path) -> None:
    existing = [path.name for path in paths if path.exists()]
    if existing:
        some = ", ".join(existing[:3]) + (", …" if len(existing) > 3 else "")
        raise ReplayError(
            f"{out}: {len(existing)} of {len(paths)} files exist already ({some}); nothing was written. "
            "Choose another folder, or overwrite them with --force"
        )


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReplayError(f"{out}: the folder cannot be made: {error.strerror or error}") from None


def _contract_reference(contract: str | None, out: Path) -> str | None:
    """A path in a replay file counts from that file."""
    if contract is None or not Path(contract).is_file():
        return contract
    try:
        relative = Path(os.path.relpath(contract, out)).as_posix()
    except ValueError:  # another drive
        return Path(contract).resolve().as_posix()
    return relative if relative.startswith("..") else f"./{relative}"


# -- contents


def _completed(
    session: ImportedSession, id_: str, contract: str | None, golden: bool, tags: Sequence[str]
) -> ReplayFile:
    replay = session.replay
    update: dict[str, Any] = {"id": id_, "import_": _import_block(session.notes)}
    if contract is not None:
        update["contract"] = contract
    if golden:
        update["golden"] = True
    if tags:
        update["tags"] = list(dict.fromkeys([*replay.tags, *tags]))
    return replay.model_copy(update=update)


def _import_block(notes: Notes) -> dict[str, Any]:
    return {name: _lines(kinds) for name, kinds in (("guessed", notes.guessed), ("lost", notes.lost)) if kinds}


def _lines(kinds: Mapping[str, int]) -> list[str]:
    return [f"{kind} ({count})" if count > 1 else kind for kind, count in sorted(kinds.items())]


def _summary(all_notes: Sequence[Notes]) -> list[str]:
    lines = []
    for label in ("guessed", "lost"):
        total: Counter[str] = Counter()
        sessions: Counter[str] = Counter()
        for notes in all_notes:
            kinds: Counter[str] = getattr(notes, label)
            total.update(kinds)
            sessions.update(kinds.keys())
        lines += [
            f"{label}: {kind} ({count} in {sessions[kind]} of {len(all_notes)} sessions)"
            for kind, count in sorted(total.items())
        ]
    return lines


def _count(report: ImportReport, path: Path, replay: ReplayFile) -> None:
    report.written.append(path)
    for turn in replay.turn_list:
        report.turns += turn.is_played
        report.tool_calls += len(turn.tool_responses)
        report.failed_calls += sum(response.is_failure for response in turn.tool_responses)
        report.model_answers += len(turn.llm_responses or ())
