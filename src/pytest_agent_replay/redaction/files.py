"""Replay files that exist: what is in them that should not be, and how they are without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pytest_agent_replay.errors import FormatError, Problem
from pytest_agent_replay.formats.loading import Document, field_path, load_document
from pytest_agent_replay.formats.replay import LlmRequestDigests, LlmResponse, RecordingRef, ReplayFile
from pytest_agent_replay.formats.validation import validate
from pytest_agent_replay.formats.writing import file_text, replay_to_data
from pytest_agent_replay.llm.conversation import recorded_messages
from pytest_agent_replay.llm.digest import request_digests
from pytest_agent_replay.redaction.engine import Redactor
from pytest_agent_replay.redaction.rules import Rules
from pytest_agent_replay.redaction.scanning import Finding, scan

__all__ = ["has_comments", "redact_file", "redacted_file", "scan_file"]

_DATA = (".yaml", ".yml", ".json")


def scan_file(path: Path, rules: Rules, *, display: str | None = None, max_size: int = 1 << 26) -> list[Problem]:
    """What is found in a file, each with its place.

    YAML and JSON are read as data, a replay file as such; what cannot be read so, and every other file, is looked
    through as text. Raises `FormatError` when the file cannot be read at all.
    """
    shown = str(path) if display is None else display
    if path.suffix.lower() in _DATA:
        try:
            document = load_document(path, display=shown, max_size=max_size)
        except FormatError:
            pass  # broken files can have secrets too
        else:
            return [*_in_data(document, rules), *_in_comments(document, path, rules)]
    return _in_text(path, shown, rules)


def _in_data(document: Document, rules: Rules) -> list[Problem]:
    data = document.data
    is_replay = isinstance(data, dict) and bool({"input", "turns", "tool_responses"} & set(data))
    found = [(_loc(finding.path, data), finding) for finding in scan(data, rules, replay=is_replay)]
    hidden = {loc[-1] for loc, finding in found if finding.in_name and loc}
    return [
        document.problem(loc, _words(finding))._replace(field=field_path(["…" if s in hidden else s for s in loc]))
        for loc, finding in found
    ]


def _loc(path: str, data: Any) -> tuple[str | int, ...]:
    """A JSON pointer as a place in a document; as far as it goes there, since pointers also lead into JSON texts."""
    found: list[str | int] = []
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            step: str | int = int(key) if isinstance(data, list) else key
            data = data[step]
        except (LookupError, ValueError, TypeError):
            break
        found.append(step)
    return tuple(found)


def _words(finding: Finding) -> str:
    return f"{finding.kind}: {finding.preview}"


def _in_comments(document: Document, path: Path, rules: Rules) -> list[Problem]:
    """Notes that people leave beside the data can have secrets too."""
    return [] if _is_json(path) else _problems(_without_scalars(document.text), document.path, rules)


def _in_text(path: Path, shown: str, rules: Rules) -> list[Problem]:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise FormatError(Problem(shown, 0, 0, f"it cannot be read: {error.strerror or error}")) from None
    return _problems(text, shown, rules)


def _problems(text: str, shown: str, rules: Rules) -> list[Problem]:
    problems = []
    for finding in scan(text, rules):
        line = text.count("\n", 0, finding.start) + 1
        column = finding.start - text.rfind("\n", 0, finding.start)
        problems.append(Problem(shown, line, column, _words(finding)))
    return problems


def redacted_file(replay: ReplayFile, redactor: Redactor) -> tuple[ReplayFile, int]:
    """A replay file without secrets and personal data, and how many digests of model requests were dropped for it."""
    data = replay_to_data(replay)
    cleaned = redactor.replay(data)
    if cleaned == data:
        return replay, 0
    return _with_digests(replay, cleaned)


def _with_digests(replay: ReplayFile, cleaned: dict[str, Any]) -> tuple[ReplayFile, int]:
    """The redacted file, with digests of the requests that a replay of it sends."""
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


def redact_file(path: Path, redactor: Redactor, *, display: str | None = None) -> tuple[str, list[str]]:
    """The text of a replay file without secrets and personal data, and what was taken out; nothing is written.

    Raises `FormatError` for a file that is no valid replay file of one session, or whose data is not all in it.
    """
    document = load_document(path, display=display)
    data = document.data
    if not isinstance(data, dict) or not {"input", "turns", "parent"} & set(data):
        raise FormatError(document.problem((), "it is no replay file of one session"))
    replay = validate(ReplayFile, document)
    cleaned = redactor.replay(data)
    if cleaned == data:
        return document.text, []
    # written is the data and not the model, which has no keys of the user's own (`x-…`)
    redacted, stale = _with_digests(replay, cleaned)
    for ref, answer in _answers(redacted):
        turn = cleaned["turns"][ref.turn - 1] if redacted.turns is not None else cleaned
        if answer.request is not None:
            turn["llm_responses"][ref.index]["request"] = answer.request.model_dump(exclude_none=True)
    lines = redactor.lines()
    remarks = cleaned.setdefault("import", {})
    before = remarks.get("redacted")
    remarks["redacted"] = list(dict.fromkeys([*(before if isinstance(before, list) else []), *lines]))
    return file_text(path, cleaned), [
        *lines,
        *([f"{stale} digests of model requests, which are not compared any more"] if stale else []),
    ]


def has_comments(path: Path) -> bool:
    """Whether a YAML file has comments."""
    return not _is_json(path) and "#" in _without_scalars(path.read_text("utf-8-sig"))


def _without_scalars(text: str) -> str:
    """A YAML text with blanks in the place of its keys and values: what is left are its marks and comments."""
    rest, end = [], 0
    for event in yaml.parse(text):
        if isinstance(event, yaml.ScalarEvent) and event.start_mark is not None and event.end_mark is not None:
            begin, after = event.start_mark.index, event.end_mark.index
            rest += [text[end:begin], re.sub(r"[^\n]", " ", text[begin:after])]
            end = after
    return "".join([*rest, text[end:]])


def _is_json(path: Path) -> bool:
    return path.name.lower().endswith(".json")
