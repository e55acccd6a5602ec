"""Which source a file is of."""

from __future__ import annotations

from pathlib import Path

from pytest_agent_replay.errors import FormatError, Problem, ReplayError
from pytest_agent_replay.sources.json_files import EMPTY, Sample
from pytest_agent_replay.sources.source import Source, source_entries

__all__ = ["by_source", "recognise"]


def by_source(paths: list[Path]) -> list[tuple[Source, list[Path]]]:
    """The files by their source, in the order in which they were named. Raises `ReplayError`."""
    sources = [entry.load() for entry in source_entries()]
    found: dict[str, tuple[Source, list[Path]]] = {}
    for path in paths:
        source = recognise(path, sources)
        found.setdefault(source.name, (source, []))[1].append(path)
    return list(found.values())


def recognise(path: Path, sources: list[Source]) -> Source:
    """The one source that a file is of. Raises `ReplayError` when it is broken, none knows it, or several do."""
    sample = Sample(path)
    if not sample.head:
        raise FormatError(Problem(str(path), 0, 0, EMPTY))
    knowing = [source for source in sources if source.recognises(sample)]
    if len(knowing) == 1:
        return knowing[0]
    if not knowing and sample.why_not_json is not None:
        raise ReplayError(sample.why_not_json)
    known = ", ".join(source.name for source in knowing or sources)
    what = "is of several sources" if knowing else "is of no source that is known"
    raise FormatError(Problem(str(path), 0, 0, f"the file {what}; say which: agent-replay import SOURCE ({known})"))
